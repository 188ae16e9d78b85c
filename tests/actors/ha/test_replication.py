"""What a node believes that its mate holds: what the link to that mate has said, and nothing from before."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from actors.desk import record_name
from actors.ha.messages import MateNews
from actors.ha.replication import Replication
from peerkey.config.plan import Endpoint, HaPlan, NodePlan
from peerkey.ha.messages import Version
from peerkey.ha.view import Written
from peerkey.protocol.keyring import KeyRing
from peerkey.protocol.state import PeeringState, encode_state, key_ids
from tests.protocol.keys import key

PEER = UUID(int=3)
NAME = record_name(PEER)
EPOCH = 5
ONE = encode_state(PeeringState(1, bytes(32), ring=KeyRing(current=key(1))))
TWO = encode_state(PeeringState(1, bytes(32), ring=KeyRing(previous=key(1), current=key(2))))
FOUND: tuple[Written, ...] = ((NAME, Version(EPOCH, 1), key_ids(ONE)),)
MATE = HaPlan(
    mate="node1",
    mate_uuid=UUID(int=2),
    local=Endpoint("127.0.0.1", 1),
    remote=Endpoint("127.0.0.2", 1),
    public_key="ours",
    mate_public_key="theirs",
    key_file="file",
    listens=False,
)
ANOTHER = replace(MATE, mate_uuid=UUID(int=4))


def test_a_key_that_was_there_before_the_link_was_configured_is_held_when_the_mate_says_so() -> None:
    mate = linked_to(None)
    mate.written(PEER, 1, ONE)
    mate.configure(plan(MATE))
    mate.heard(MateNews(1, up=False, held=(), begun=FOUND))
    mate.heard(MateNews(1, up=True, held=((NAME, Version(EPOCH, 1)),)))

    assert mate.holds(NAME, key(1).key_id)


def test_a_key_that_was_written_while_the_link_read_the_store_is_held_when_the_mate_says_so() -> None:
    mate = linked_to(MATE)
    mate.written(PEER, 2, TWO)
    mate.heard(MateNews(1, up=False, held=(), begun=FOUND))
    mate.heard(MateNews(1, up=True, held=((NAME, Version(EPOCH, 2)),)))

    assert mate.holds(NAME, key(2).key_id)


@pytest.mark.parametrize("then", [None, ANOTHER], ids=["none", "another"])
def test_what_the_mate_before_held_its_successor_does_not(then: HaPlan | None) -> None:
    mate = holding()
    mate.configure(plan(then))
    mate.configure(plan(ANOTHER))
    mate.heard(MateNews(2, up=True, held=(), begun=FOUND))

    assert not mate.holds(NAME, key(1).key_id)
    assert not mate.of(PEER).may_use(key(1).key_id)


def test_what_a_link_that_was_replaced_still_says_does_not_count() -> None:
    mate = holding()
    mate.configure(plan(ANOTHER))
    mate.heard(MateNews(2, up=True, held=(), begun=FOUND))
    mate.heard(MateNews(1, up=False, held=((NAME, Version(EPOCH, 1)),)))

    assert not mate.of(PEER).may_use(key(1).key_id)


def test_a_link_that_begins_again_says_anew_what_the_mate_holds() -> None:
    mate = holding()
    mate.heard(MateNews(1, up=True, held=(), begun=FOUND))
    assert not mate.of(PEER).may_use(key(1).key_id)
    mate.heard(MateNews(1, up=True, held=((NAME, Version(EPOCH, 1)),)))

    assert mate.of(PEER).may_use(key(1).key_id)


# --- helpers ------------------------------------------------------------------------------------------


class _Context:
    """Starts nothing, and is itself every actor: it takes each message, and does nothing with it."""

    @property
    def ref(self) -> _Context:
        return self

    def spawn(self, *_: object, **__: object) -> _Context:
        return self

    def stop(self, ref: _Context) -> None:
        assert ref is self

    def offer(self, message: object) -> bool:
        return message is not None


def linked_to(ha: HaPlan | None) -> Replication:
    nothing = cast("Any", None)
    mate = Replication(
        cast("Any", _Context()),
        owner="node",
        epoch=EPOCH,
        store=nothing,
        transport=cast("Any", object()),
        entropy=nothing,
        journal=nothing,
    )
    mate.configure(plan(ha))
    return mate


def holding() -> Replication:
    mate = linked_to(MATE)
    mate.heard(MateNews(1, up=True, held=((NAME, Version(EPOCH, 1)),), begun=FOUND))
    assert mate.holds(NAME, key(1).key_id)
    return mate


def plan(ha: HaPlan | None) -> NodePlan:
    return cast("NodePlan", SimpleNamespace(enabled=True, router="hub", ha=ha))
