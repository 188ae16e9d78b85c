"""Everything that is to travel between hosts does, and nothing that must not."""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin
from uuid import UUID

import pytest

from actors.cluster import messages as of_the_cluster
from actors.cluster import path_messages as of_paths
from actors.cluster.registry import registry
from actors.ha.messages import RecordChanged
from actors.journal import Entry
from actors.messages import NodePage
from peerkey.config.load import load
from peerkey.config.plan import NodePlan
from peerkey.config.planning import plans
from peerkey.errors import Misconfigured
from peerkey.observe import events
from peerkey.observe.alarms import Alarm
from peerkey.pki.crl_polling import PollState
from peerkey.pki.list_facts import ListFacts
from peerkey.pki.list_subscriptions import Origin
from peerkey.protocol.frame import Frame
from peerkey.protocol.peering import PeeringStatus
from peerkey.secret import Secret
from runtime.actor import Ending, Terminated
from runtime.cluster.codec import Codec
from runtime.errors import NotPortable
from runtime.ref import Ref
from tests.support.fleet import Fleet, eventually

EXAMPLES = Path(__file__).parents[3] / "examples"
#: What annotations name that their modules import for the type checker alone.
NAMES = {
    each.__name__: each
    for each in (
        Alarm,
        events.Event,
        ListFacts,
        NodePlan,
        Origin,
        PeeringStatus,
        PollState,
        UUID,
        datetime,
        timedelta,
    )
}
#: Every class that travels, but for the runtime's own.
CLASSES = [kind for kind in vars(registry())["_classes"].values() if kind not in {Ending, Terminated}]


@pytest.mark.parametrize("kind", [each for each in CLASSES if dataclasses.is_dataclass(each)])
def test_every_message_arrives_as_it_was_sent(kind: type) -> None:
    sent = example_of(kind)

    assert travelled(sent) == sent


@pytest.mark.parametrize("kind", [each for each in CLASSES if issubclass(each, Enum)])
def test_every_word_arrives_as_itself(kind: type[Enum]) -> None:
    assert all(travelled(each) is each for each in kind)


def test_every_message_of_the_cluster_and_every_event_is_registered() -> None:
    made = registry()
    defined = [
        each
        for each in (*vars(of_the_cluster).values(), *vars(of_paths).values())
        if isinstance(each, type) and dataclasses.is_dataclass(each)
    ]

    told = [
        each for each in vars(events).values() if isinstance(each, type) and issubclass(each, events.Event)
    ]

    assert len(told) > 30
    assert [each for each in (*defined, *told) if each not in made] == []


@pytest.mark.parametrize("file", sorted(EXAMPLES.rglob("*.yaml")), ids=lambda path: path.parent.name)
def test_the_plans_of_every_example_travel(file: Path) -> None:
    made = plans(load(file.read_text("utf-8"), file.name).authority, str(file.parent))

    assert made
    assert travelled(made) == made


async def test_what_a_real_node_shows_travels(tmp_path: Path) -> None:
    async with Fleet(tmp_path) as fleet:
        await eventually(fleet.keyed)
        shown = await fleet.status()

        assert travelled(NodePage(shown[0], None)).status == shown[0]
        recorded = fleet.journal.recent()
        assert len(recorded) > 4
        assert travelled(recorded) == recorded
        infos = fleet.system.actors()
        assert travelled((infos, fleet.system.info())) == (infos, fleet.system.info())


def test_what_an_operator_did_wrong_is_told_in_the_same_words() -> None:
    arrived = travelled(Misconfigured("peerkey.yaml:3:1: no such thing"))

    assert isinstance(arrived, Misconfigured)
    assert str(arrived) == "peerkey.yaml:3:1: no such thing"


def test_what_holds_a_key_does_not_travel() -> None:
    record = RecordChanged("key/1", (1, 1), Secret(b"0" * 32))  # type: ignore[arg-type]

    for each in (Secret(b"0" * 32), record, Entry(datetime.now(UTC), "x", Secret(b"0" * 32))):  # type: ignore[arg-type]
        with pytest.raises(NotPortable):
            codec().encode(each)


# --- helpers ----------------------------------------------------------------------------------------


def codec() -> Codec:
    return Codec(registry(), str, no_ref)


def travelled(message: object) -> Any:  # noqa: ANN401 - whatever was sent
    return codec().decode_untrusted(codec().encode(message))


def no_ref(name: str) -> Ref:
    raise LookupError(name)


def example_of(kind: Any) -> Any:  # noqa: ANN401 - of every type there is
    """Return an instance of any type that a field may have."""
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if kind is events.Event:
            return example_of(events.KeyActivated)
        hints = hints_of(kind)
        return kind(**{each.name: example_of(hints[each.name]) for each in dataclasses.fields(kind)})
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {typing.Union, types.UnionType}:
        return example_of(arguments[0])
    if origin is Literal:
        return arguments[0]
    if origin is tuple:
        every = arguments[:1] * 2 if arguments[-1] is Ellipsis else arguments
        return tuple(example_of(each) for each in every)
    if issubclass(kind, Enum):
        return next(iter(kind))
    if issubclass(kind, tuple):
        hints = hints_of(kind)
        return kind(*(example_of(hints[name]) for name in kind._fields))
    return VALUES[kind]


VALUES: dict[type, object] = {
    bool: True,
    bytes: b"bytes",
    datetime: datetime(2030, 6, 15, 12, tzinfo=UTC),
    float: 1.5,
    Frame: Frame(1, bytes(16), bytes(16), b"body", b"auth"),
    int: 7,
    str: "text",
    timedelta: timedelta(seconds=3),
    UUID: UUID(int=7),
}


def hints_of(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind, {**NAMES, **vars(sys.modules[kind.__module__])}, NAMES)
