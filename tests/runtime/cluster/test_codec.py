"""What travels between hosts, what does not, and what bytes of another host can do: nothing."""

from __future__ import annotations

import os
import pickle
import sys
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from random import Random
from typing import Any, cast

import msgpack
import pytest

from runtime import Ref, Terminated
from runtime.actor import Ending
from runtime.cluster.codec import Codec, Registry
from runtime.cluster.failures import TRAVELLING, decode_failure_untrusted, encode_failure
from runtime.cluster.frames import (
    MAX_FRAME_BYTES,
    MAX_MESSAGE_BYTES,
    Answered,
    Asked,
    EndedElsewhere,
    FailedQuestion,
    Frame,
    Header,
    Label,
    Told,
    Unwatched,
    Watched,
    decode_untrusted,
    encode,
)
from runtime.errors import FailedElsewhere, MalformedFrame, NotPortable
from runtime.message import LocalOnly
from runtime.ref import Delivery
from tests.support import cluster_program
from tests.support.cluster_program import REGISTRY, KnownError, Numbered, Secretive, UnknownError

HEADER = Header("east", Label(3, 1), Label(2, 7), 5)
ITEMS = (
    Told("a/b", b"payload"),
    Asked(1, "a", timedelta(milliseconds=1500), b""),
    Answered(2, b"x"),
    FailedQuestion(3, b"y"),
    Watched(4, "é"),
    Unwatched(5),
    EndedElsewhere(6, Ending.FAILED),
)


@dataclass(frozen=True, slots=True)
class Unregistered:
    value: int


@dataclass(frozen=True, slots=True)
class Checked:
    value: int
    inner: tuple[object, ...] = ()

    def __post_init__(self) -> None:
        if self.value < 0:
            raise ValueError(self.value)


@dataclass(slots=True)
class Alone:
    value: list[object] = field(kw_only=True, default_factory=list)

    def __init__(self, value: list[object]) -> None:
        self.value = value


@dataclass(frozen=True, slots=True)
class Empty:
    pass


def test_values_and_registered_messages_arrive_as_they_were() -> None:
    message = (
        Numbered("x", 1),
        datetime(2026, 1, 1, tzinfo=UTC),
        timedelta(seconds=1),
        uuid.UUID(int=7),
        IPv4Address("192.0.2.1"),
        Ending.FAILED,
        {"a": [None, 1.5, b"", {1, 2}]},
    )

    assert codec().decode_untrusted(codec().encode(message)) == message


def test_a_reference_travels_as_the_name_that_it_has_abroad() -> None:
    here = codec()
    terminated = Terminated(Ref("watched", NOWHERE), Ending.STOPPED)

    decoded = here.decode_untrusted(here.encode(terminated))

    assert decoded.ref.name == "abroad:watched"


@pytest.mark.parametrize(
    "message",
    [
        Unregistered(1),
        Secretive(7),
        [Secretive(7)],
        Numbered(Secretive(7), 1),  # type: ignore[arg-type]
        os.system,
        Unregistered,
        lambda: None,
        sys.stdout,
        iter(()),
        bytes(MAX_MESSAGE_BYTES + 1),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_not_registered_does_not_leave(message: object) -> None:
    with pytest.raises(NotPortable):
        codec().encode(message)


def test_what_contains_itself_too_deeply_does_not_leave() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]

    with pytest.raises(NotPortable):
        codec().encode(nested)


def test_what_is_for_one_host_cannot_be_registered() -> None:
    class Within:
        """Nobody else can find it."""

    with pytest.raises(NotPortable, match="for one host only"):
        Registry(Secretive)
    with pytest.raises(NotPortable, match="within a function"):
        Registry(Within)
    whole = Registry()
    whole.add_module(cluster_program)
    assert Numbered in whole
    assert not any(issubclass(kind, LocalOnly) for kind in (Secretive,) if kind in whole)


@pytest.mark.parametrize(
    "payload",
    [
        pickle.dumps(os.system),
        pickle.dumps(Unregistered(1)),
        b"cos\nsystem\n(S'true'\ntR.",
        b"\x80\x05\x8c\x21runtime.cluster.codec\x94\x8c\x0bos.getcwd\x94\x93.",
        b"",
        b"\x80",
        b"no pickle",
        pickle.dumps(1)[:-1],
    ],
    ids=range(8),
)
def test_bytes_of_another_host_call_and_make_nothing_that_is_not_registered(payload: bytes) -> None:
    for form in (b"", b"A", b"D", b"X"):
        with pytest.raises(MalformedFrame):
            codec().decode_untrusted(form + payload)


@pytest.mark.parametrize(
    "document",
    [
        ("os", "system", ("true",)),
        ("tests.support.cluster_program", "Numbered", ()),
        ("tests.support.cluster_program", "Secretive", (1,)),
        ("tests.support.cluster_program", "Numbered"),
        1,
    ],
    ids=range(5),
)
def test_a_dataclass_by_its_name_is_made_only_if_it_is_registered_and_fits(document: object) -> None:
    with pytest.raises(MalformedFrame):
        codec().decode_untrusted(b"D" + pickle.dumps(document))


def test_a_dataclass_is_made_by_its_constructor_with_its_checks() -> None:
    here = Codec(Registry(Checked, Alone, Empty), str, lambda name: Ref(name, NOWHERE))
    for message in (Checked(3), Checked(3, inner=(Alone([]),)), Empty()):
        assert here.decode_untrusted(here.encode(message)) == message
    with pytest.raises(MalformedFrame, match="ValueError"):
        here.decode_untrusted(b"D" + pickle.dumps((__name__, "Checked", (-1, ()))))


def test_every_error_of_the_runtime_arrives_as_what_it_was() -> None:
    values = {
        "name": "n",
        "why": "w",
        "error": "E",
        "question": "Q",
        "timeout": timedelta(seconds=1),
        "what": "x",
        "limit": 3,
        "capacity": 4,
        "host": "h",
        "owner": "o",
        "epoch": 1,
        "current": 2,
        "expected": 5,
        "found": 6,
    }
    for kind, fields in TRAVELLING.items():
        error = kind(*(values[field] for field in fields))

        there = decode_failure_untrusted(codec(), encode_failure(codec(), "actor", error))

        assert (type(there), str(there), vars(there)) == (kind, str(error), vars(error))


def test_of_an_error_that_does_not_travel_only_its_type_does() -> None:
    known = decode_failure_untrusted(codec(), encode_failure(codec(), "actor", KnownError("text")))
    unknown = decode_failure_untrusted(codec(), encode_failure(codec(), "actor", UnknownError("a key")))

    assert isinstance(known, KnownError)
    assert isinstance(unknown, FailedElsewhere)
    assert "a key" not in str(unknown)
    assert unknown.error.endswith("UnknownError")


@pytest.mark.parametrize(
    "failure", [1, ("Undeliverable",), ("OSError", "x"), ("AskTimeout", 1, 2, 3), ()], ids=repr
)
def test_what_is_no_failure_is_malformed(failure: object) -> None:
    with pytest.raises(MalformedFrame):
        decode_failure_untrusted(codec(), codec().encode(failure))


def test_a_frame_arrives_as_it_was() -> None:
    assert decode_untrusted(encode(HEADER, ITEMS)) == Frame(HEADER, ITEMS)
    for sign in (Header("east", Label(3, 1), None, 0), Header("east", Label(3, 1), None, 0, leaving=True)):
        assert decode_untrusted(encode(sign)) == Frame(sign)


def test_a_deadline_beyond_every_calendar_travels_as_a_very_late_one() -> None:
    (asked,) = decode_untrusted(encode(HEADER, [Asked(1, "a", timedelta.max, b"")])).items
    assert isinstance(asked, Asked)
    assert asked.timeout > timedelta(days=36_500)
    (past,) = decode_untrusted(encode(HEADER, [Asked(1, "a", timedelta(-1), b"")])).items
    assert past == Asked(1, "a", timedelta(0), b"")


@pytest.mark.parametrize(
    "document",
    [
        None,
        (),
        (2, "east", (1, 1), None, 0, False, []),
        (1, "", (1, 1), None, 0, False, []),
        (1, b"east", (1, 1), None, 0, False, []),
        (1, "east", (1,), None, 0, False, []),
        (1, "east", (1, -1), None, 0, False, []),
        (1, "east", (True, 1), None, 0, False, []),
        (1, "east", (1, 1), None, 0, False, [(5, 1)]),
        (1, "east", (1, 1), None, 1, False, []),
        (1, "east", (1, 1), None, 1, False, [(7, 1)]),
        (1, "east", (1, 1), None, 1, False, [(6, 1, 3)]),
        (1, "east", (1, 1), None, 1, False, [(0, "a", "text")]),
        (1, "east", (1, 1), None, 1, False, [(0, "a", bytes(MAX_MESSAGE_BYTES + 1))]),
        (1, "east", (1, 1), None, 1, False, [(5, 1)] * 513),
        (1, "east", (1, 1), None, 1, True, [(5, 1)]),
        (1, "east", (1, 1), None, 0, 0, []),
        (1, "e" * 10_000, (1, 1), None, 0, False, []),
    ],
    ids=range(18),
)
def test_what_is_no_frame_is_malformed(document: object) -> None:
    with pytest.raises(MalformedFrame):
        decode_untrusted(msgpack.packb(document))


def test_a_frame_that_was_changed_anywhere_is_malformed_or_another_frame() -> None:
    whole = encode(HEADER, ITEMS)
    random = Random(1)
    for _ in range(3_000):
        changed = bytearray(whole)
        changed[random.randrange(len(whole))] ^= 1 << random.randrange(8)
        try:
            decode_untrusted(bytes(changed)[: random.choice((len(whole), random.randrange(len(whole))))])
        except MalformedFrame:
            continue
    with pytest.raises(MalformedFrame, match="a frame of"):
        decode_untrusted(bytes(MAX_FRAME_BYTES + 1))


# --- helpers --------------------------------------------------------------------------------------


#: Nothing is sent in these tests.
NOWHERE = cast("Delivery", None)


def codec() -> Codec:
    return Codec(REGISTRY, lambda name: f"abroad:{name}", lambda name: Ref(name, NOWHERE))
