"""Who leads: a lease, a term that is stored before it is used, and of two leaders one that stays."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerkey.ha.constants import CLAIM_STAGGER, LEASE
from peerkey.ha.effects import Emit, StoreTerm
from peerkey.ha.leadership import LEADERSHIP_EDGES, Leadership, LeadershipEffect, LeadershipStep
from peerkey.ha.messages import Beat, Role
from peerkey.moment import Instant
from peerkey.observe.events import HaLeaderChanged

LOW, HIGH = b"\x01" * 16, b"\x02" * 16
START: Instant = timedelta(hours=1)


def test_a_node_begins_inactive_whatever_term_it_has_stored() -> None:
    assert low(term=9).role is Role.INACTIVE


def test_who_hears_no_leader_for_the_lease_claims_a_term_above_all_that_it_knows() -> None:
    node = low(term=9)
    assert node.deadline() == START + LEASE
    assert node.tick(START + LEASE - timedelta(milliseconds=1)) == []
    assert node.tick(START + LEASE) == [StoreTerm(11)]


def test_a_term_is_stored_before_it_is_used() -> None:
    node = low()
    (store,) = node.tick(START + LEASE)
    assert isinstance(store, StoreTerm)
    assert (node.role, node.term) == (Role.INACTIVE, 0)
    assert node.deadline() is None

    assert node.term_stored(store.term, START + LEASE) == [Emit(HaLeaderChanged("low", 3))]
    assert (node.role, node.term) == (Role.LEADER, 3)


def test_a_report_of_another_term_than_the_one_being_stored_changes_nothing() -> None:
    node = low()
    node.tick(START + LEASE)

    assert node.term_stored(99, START) == []
    assert node.role is Role.INACTIVE


def test_the_higher_uuid_waits_longer_so_that_the_two_do_not_claim_at_once() -> None:
    assert high().deadline() == START + LEASE + CLAIM_STAGGER


def test_who_hears_a_leader_follows_once_its_term_is_stored() -> None:
    node = high()
    assert node.heard(leads(3), START) == [StoreTerm(3)]
    assert node.role == Role.INACTIVE

    assert node.term_stored(3, START) == [Emit(HaLeaderChanged("low", 3))]
    assert (node.role, node.term) == (Role.REDUNDANT, 3)


def test_each_beat_of_the_leader_renews_its_lease_and_no_other_does() -> None:
    node = follower(3)
    at = START + timedelta(seconds=1)
    assert node.heard(leads(3), at) == []
    assert node.deadline() == at + LEASE + CLAIM_STAGGER
    node.heard(Beat(3, Role.REDUNDANT, 0, 0), at + timedelta(seconds=1))
    node.heard(leads(1), at + timedelta(seconds=1))

    assert node.deadline() == at + LEASE + CLAIM_STAGGER


def test_who_hears_the_leader_no_more_claims_the_next_term() -> None:
    node = follower(3)
    assert node.tick(START + LEASE + CLAIM_STAGGER) == [StoreTerm(4)]
    node.term_stored(4, START)

    assert node.role is Role.LEADER


def test_of_two_leaders_the_one_of_the_lower_term_yields_at_once() -> None:
    node = leader(low(), 3)
    assert node.heard(leads(4), START) == [StoreTerm(4)]
    assert (node.role, node.term) == (Role.INACTIVE, 3)
    node.term_stored(4, START)

    assert node.role is Role.REDUNDANT


def test_the_leader_of_the_higher_term_stays() -> None:
    node = leader(high(term=3), 4)

    assert node.heard(leads(3), START) == []
    assert node.role is Role.LEADER


def test_of_two_that_claim_at_once_the_lower_uuid_stays() -> None:
    one, other = leader(low(term=8), 11), leader(high(term=8), 10)
    one.heard(Beat(other.term, other.role, 0, 0), START)
    other.heard(Beat(one.term, one.role, 0, 0), START)

    assert (one.role, other.role) == (Role.LEADER, Role.INACTIVE)


def test_a_leader_that_hears_of_a_higher_term_leads_on_above_it() -> None:
    """Its mate has led under that term, and has forgotten to: it was started again."""
    node = leader(low(), 3)
    assert node.heard(Beat(8, Role.INACTIVE, 0, 0), START) == [StoreTerm(11)]
    assert node.role is Role.LEADER
    assert node.term_stored(11, START) == [Emit(HaLeaderChanged("low", 11))]

    assert (node.role, node.term) == (Role.LEADER, 11)


def test_a_higher_term_without_a_leader_is_remembered() -> None:
    node = high(term=2)
    assert node.heard(Beat(7, Role.REDUNDANT, 0, 0), START) == [StoreTerm(7)]
    assert node.term_stored(7, START) == []

    assert node.tick(START + LEASE + CLAIM_STAGGER) == [StoreTerm(8)]


def test_one_term_is_stored_at_a_time() -> None:
    node = high()
    node.heard(leads(3), START)

    assert node.heard(leads(5), START) == []
    node.term_stored(3, START)
    assert node.heard(leads(5), START) == [StoreTerm(5)]


def test_a_leader_that_claims_a_term_of_ours_is_not_followed() -> None:
    assert low().heard(leads(3), START) == []


@given(
    st.lists(
        st.tuples(st.sampled_from(["low", "high"]), st.sampled_from(["tick", "hear", "crash"])), max_size=40
    )
)
def test_no_term_is_ever_led_by_both_and_none_goes_back(steps: list[tuple[str, str]]) -> None:
    nodes, now, led, disk = {"low": low(), "high": high()}, START, dict[int, str](), {"low": 0, "high": 0}
    for name, step in steps:
        now += timedelta(seconds=1.7)
        node, mate = nodes[name], nodes["high" if name == "low" else "low"]
        wanted: list[LeadershipEffect] = []
        if step == "crash":
            nodes[name] = made(name, disk[name], now)
        elif step == "tick":
            wanted = node.tick(now)
        else:
            wanted = node.heard(Beat(mate.term, mate.role, 0, 0), now)
        for each in wanted:
            if isinstance(each, StoreTerm):
                assert each.term > disk[name]
                disk[name] = each.term
                node.term_stored(each.term, now)
        if nodes[name].role is Role.LEADER:
            assert led.setdefault(nodes[name].term, name) == name


def test_every_role_can_be_reached_and_left() -> None:
    assert set(LEADERSHIP_EDGES.values()) == set(Role) == {before for before, _ in LEADERSHIP_EDGES}
    assert {step for _, step in LEADERSHIP_EDGES} == set(LeadershipStep)


@pytest.mark.parametrize("step", [LeadershipStep.YIELD, LeadershipStep.CLAIM])
def test_a_leader_follows_nobody_before_it_has_yielded(step: LeadershipStep) -> None:
    assert (Role.LEADER, LeadershipStep.FOLLOW) not in LEADERSHIP_EDGES
    assert (Role.LEADER, step) in LEADERSHIP_EDGES


def made(name: str, term: int, now: Instant = START) -> Leadership:
    own, mate, names = (LOW, HIGH, ("low", "high")) if name == "low" else (HIGH, LOW, ("high", "low"))
    return Leadership(own, mate, names=names, term=term, now=now)


def low(term: int = 0) -> Leadership:
    return made("low", term)


def high(term: int = 0) -> Leadership:
    return made("high", term)


def leader(node: Leadership, term: int) -> Leadership:
    node.tick(START + timedelta(hours=1))
    node.term_stored(term, START)
    assert (node.role, node.term) == (Role.LEADER, term)
    return node


def follower(term: int) -> Leadership:
    node = high()
    node.heard(leads(term), START)
    node.term_stored(term, START)
    return node


def leads(term: int) -> Beat:
    return Beat(term, Role.LEADER, 0, 0)
