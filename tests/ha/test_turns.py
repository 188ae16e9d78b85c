"""Whose turn it is to rekey: the leader alone decides, under its term, and the turn is never both nodes'."""

from __future__ import annotations

from datetime import timedelta

import pytest

from peerkey.errors import Malformed
from peerkey.ha.constants import TURN
from peerkey.ha.effects import StoreOwn
from peerkey.ha.messages import Beat, Role, Version
from peerkey.ha.turns import RECORD, Decision, Said, Turns, decode_said_untrusted, encode_said
from peerkey.moment import Instant
from tests.ha.observer import Violation
from tests.ha.world import HIGH, LOW, Host, World

START: Instant = timedelta(hours=1)
#: Terms of the lower UUID are odd, those of the higher even.
LOWS, HIGHS = 5, 6


# --- one node ---------------------------------------------------------------------------------------


def test_nobody_has_the_turn_before_anybody_wanted_it() -> None:
    node = low()

    assert node.settle(START, LOWS) == []
    assert (node.ours, node.decision, node.deadline()) == (False, None, None)


def test_a_node_that_does_not_lead_says_what_it_wants_and_decides_nothing() -> None:
    node = low()
    node.asked(START)

    assert said(node, None) == Said(None, wants=True)


def test_the_leader_gives_the_turn_to_who_wants_it() -> None:
    node = low()
    node.asked(START)
    assert said(node, LOWS) == Said(Decision(LOWS, 1, LOW), wants=True)

    node = low(theirs=Said(None, wants=True))
    assert said(node, LOWS) == Said(Decision(LOWS, 1, HIGH), wants=False)


def test_the_turn_is_the_leaders_once_its_mate_holds_the_decision() -> None:
    node = low()
    node.asked(START)
    write(node, said(node, LOWS), 1)
    before = node.ours
    node.held(Version(1, 1))
    holding = node.ours
    node.lacks()

    assert (before, holding, node.ours) == (False, True, False)


def test_that_the_mate_holds_an_older_version_says_nothing() -> None:
    node = low()
    node.asked(START)
    write(node, said(node, LOWS), 2)
    node.held(Version(1, 1))

    assert not node.ours


def test_the_turn_is_the_mates_as_soon_as_the_decision_is_written() -> None:
    node = low(own=Said(Decision(LOWS, 1, LOW), wants=False), theirs=Said(None, wants=True))
    node.held(Version(1, 1))
    assert node.ours

    write(node, said(node, LOWS), 2)
    assert (node.ours, node.decision) == (False, Decision(LOWS, 2, HIGH))


def test_the_turn_is_ours_by_the_mates_decision_as_soon_as_it_has_come() -> None:
    node = low()
    node.copied(encode_said(Said(Decision(HIGHS, 1, LOW), wants=False)))

    assert node.ours


def test_a_holder_that_wants_its_turn_keeps_it_for_the_time_of_a_turn_and_no_longer() -> None:
    node = low(own=Said(Decision(LOWS, 1, LOW), wants=False))
    node.asked(START)
    write(node, said(node, LOWS), 2)
    node.copied(encode_said(Said(None, wants=True)))
    node.asked(START + TURN / 2)

    assert node.settle(START + TURN / 2, LOWS) == []
    assert node.deadline() == START + TURN
    assert node.settle(START + TURN - timedelta(milliseconds=1), LOWS) == []
    assert said(node, LOWS, START + TURN).decision == Decision(LOWS, 2, HIGH)


def test_a_wish_ends_some_time_after_it_was_said_last() -> None:
    node = low()
    node.asked(START)
    write(node, said(node, None), 1)
    assert node.deadline() == START + TURN

    assert said(node, None, START + TURN) == Said(None, wants=False)


def test_one_record_is_written_at_a_time() -> None:
    node = low()
    node.asked(START)
    assert said(node, None).wants

    assert node.settle(START, LOWS) == []
    assert node.deadline() is None
    write(node, Said(None, wants=True), 1)
    assert said(node, LOWS).decision == Decision(LOWS, 1, LOW)


# --- the fence --------------------------------------------------------------------------------------


def test_a_leader_of_an_older_term_than_the_decision_changes_nothing() -> None:
    node = low(theirs=Said(Decision(HIGHS, 3, HIGH), wants=False))
    node.asked(START)

    assert said(node, LOWS) == Said(None, wants=True)
    assert node.decision == Decision(HIGHS, 3, HIGH)


def test_the_decision_of_a_leader_that_was_replaced_is_older_than_its_successors_when_it_arrives() -> None:
    node = high(own=Said(Decision(HIGHS, 1, HIGH), wants=False))
    node.copied(encode_said(Said(Decision(LOWS, 99, LOW), wants=True)))

    assert node.decision == Decision(HIGHS, 1, HIGH)


@pytest.mark.parametrize(
    "decision", [Decision(LOWS, 1, LOW), Decision(HIGHS, 1, b"\x03" * 16)], ids=["term", "holder"]
)
def test_a_decision_that_the_mate_cannot_have_made_does_not_count_and_is_told(decision: Decision) -> None:
    node = low(theirs=Said(decision, wants=True))

    assert (node.decision, node.unreadable) == (None, True)
    node.copied(encode_said(Said(Decision(HIGHS, 1, HIGH), wants=True)))
    assert (node.decision, node.unreadable) == (Decision(HIGHS, 1, HIGH), False)


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"\xff",
        encode_said(Said())[:-1],
        encode_said(Said()) + b"\x00",
        b"\x93\x00\xc0\xc2",
        b"\x93\x02\xc0\xc2",
        b"\x93\x01\xc0\x00",
        b"\x93\x01\x01\xc2",
        b"\x93\x01\x93\x01\x01\x01\xc2",
    ],
)
def test_what_is_no_record_is_malformed_and_says_nothing(record: bytes) -> None:
    with pytest.raises(Malformed):
        decode_said_untrusted(record)
    node = low()
    node.copied(record)

    assert (node.decision, node.unreadable) == (None, True)


def test_a_record_of_ours_from_other_software_is_written_anew() -> None:
    node = Turns(LOW, HIGH, own=(Version(1, 4), b"\x93\x02\xc0\xc2"), copy=None)
    node.asked(START)

    assert said(node, None) == Said(None, wants=True)


# --- two nodes --------------------------------------------------------------------------------------


def test_the_two_nodes_of_a_pair_have_the_turn_one_after_the_other() -> None:
    world = led()
    for host in world.hosts:
        want(host)
    had: list[str] = []
    for _ in range(4 * int(TURN.total_seconds())):
        world.run(1)
        for host in world.hosts:
            want(host)
            if host.machine.turns.ours and had[-1:] != [host.name]:
                had.append(host.name)

    assert had == ["low", "high", "low", "high"]


def test_a_leader_whose_mate_is_gone_decides_nothing_and_its_successor_goes_on_above_it() -> None:
    world = led()
    want(world.low)
    world.run(1)
    before = world.low.machine.turns.decision
    assert before is not None
    world.low.die()
    world.run(4)
    want(world.high)
    world.run(5)
    assert world.high.machine.leadership.role is Role.LEADER
    assert world.high.machine.turns.decision == before, "alone it decides nothing"

    world.low.boot()
    world.run(10)
    want(world.high)
    world.run(1)
    after = world.high.machine.turns.decision
    assert after is not None
    assert (after.term > before.term, after.holder) == (True, HIGH)
    assert world.low.machine.turns.decision == after


def test_two_leaders_that_cannot_hear_each_other_both_leave_the_record_alone() -> None:
    world = led()
    want(world.low)
    world.run(1)
    before = world.low.machine.turns.decision
    world.cut_off()
    world.run(5)
    for host in world.hosts:
        want(host)
    world.run(5)
    assert [host.machine.leadership.role for host in world.hosts] == [Role.LEADER] * 2

    assert [host.machine.turns.decision for host in world.hosts] == [before] * 2


@pytest.mark.parametrize("beat", [(0, Role.REDUNDANT), (3, Role.INACTIVE), (3, Role.LEADER), None])
def test_a_leader_decides_only_while_its_mate_says_that_it_follows_under_its_term(
    beat: tuple[int, Role] | None,
) -> None:
    world = led()
    node = world.low.machine
    assert node.leadership.term == 3
    node.link.mate_beat = None if beat is None else Beat(*beat, 0, 0)
    wanted = node.rekey_wanted(world.now)

    (store,) = (effect for effect in wanted if isinstance(effect, StoreOwn))
    assert decode_said_untrusted(store.content) == Said(None, wants=True)


def test_the_turn_outlives_a_restart_of_both() -> None:
    world = led()
    want(world.high)
    world.run(1)
    before = world.high.machine.turns.decision
    for host in world.hosts:
        host.die()
        host.boot()
    world.run(5)

    assert [host.machine.turns.decision for host in world.hosts] == [before] * 2
    assert [host.machine.turns.ours for host in world.hosts] == [False, True]


# --- the observer sees what it is there for ------------------------------------------------------------


def test_the_observer_sees_a_decision_that_is_made_twice() -> None:
    world = led()
    world.observer.decided(world.low, encode_said(Said(Decision(1, 1, LOW), wants=False)))

    with pytest.raises(Violation, match="made twice"):
        world.observer.decided(world.low, encode_said(Said(Decision(1, 1, HIGH), wants=False)))


def test_the_observer_sees_a_turn_that_goes_back_or_is_both_nodes() -> None:
    world = led()
    want(world.low)
    world.run(1)
    decision = world.low.machine.turns.decision
    assert decision is not None
    del world.low.disk.own[RECORD]
    with pytest.raises(Violation, match="went back"):
        world.observer.see(world)

    world = led()
    want(world.low)
    world.run(1)
    world.high.machine.turns.copied(encode_said(Said(Decision(decision.term, 9, HIGH), wants=False)))
    with pytest.raises(Violation, match="both"):
        world.observer.see(world)


# --- helpers ----------------------------------------------------------------------------------------


def low(own: Said | None = None, theirs: Said | None = None) -> Turns:
    return made(LOW, HIGH, own, theirs)


def high(own: Said | None = None, theirs: Said | None = None) -> Turns:
    return made(HIGH, LOW, own, theirs)


def made(local: bytes, mate: bytes, own: Said | None, theirs: Said | None) -> Turns:
    return Turns(
        local,
        mate,
        own=None if own is None else (Version(1, 1), encode_said(own)),
        copy=None if theirs is None else encode_said(theirs),
    )


def said(node: Turns, leads: int | None, now: Instant = START) -> Said:
    """Return the record that the node wants written."""
    (store,) = node.settle(now, leads)
    assert isinstance(store, StoreOwn)
    assert store.name == RECORD
    return decode_said_untrusted(store.content)


def write(node: Turns, record: Said, number: int) -> None:
    node.stored(Version(1, number), encode_said(record))


def led() -> World:
    """Return a pair of which the lower leads and the higher follows."""
    world = World()
    world.run(6)
    assert world.low.machine.leadership.role is Role.LEADER
    assert world.high.machine.leadership.role is Role.REDUNDANT
    return world


def want(host: Host) -> None:
    host.carry(host.machine.rekey_wanted(host.now))
