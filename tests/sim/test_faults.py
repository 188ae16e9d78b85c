"""The schedule: drawn from one generator, in order of time, as often as each kind's habit says."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from random import Random

import pytest

from peerkey_cli.simulation.faults import HA_KINDS, HABITS, Fault, FaultKind, schedule

NODES: tuple[tuple[str, list[str]], ...] = (
    ("a/node0", ["b/node0", "c/node0"]),
    ("b/node0", ["a/node0"]),
    ("c/node0", []),
)
#: The two that have a path to each other are taken for a pair here.
MATES = {"a/node0": "b/node0", "b/node0": "a/node0"}
DAY = timedelta(days=1)


def test_every_kind_has_a_habit() -> None:
    assert set(HABITS) == set(FaultKind)
    assert all(habit.per_day > 0 and habit.shortest <= habit.longest for habit in HABITS.values())


def test_one_seed_draws_one_schedule_and_another_another() -> None:
    first, again, other = (
        schedule(Random(seed), NODES, 30 * DAY, frozenset(FaultKind)) for seed in (1, 1, 2)
    )

    assert first == again
    assert first != other


def test_a_schedule_does_not_depend_on_the_order_of_a_set() -> None:
    forwards, backwards = list(FaultKind), list(reversed(FaultKind))

    assert schedule(Random(1), NODES, DAY, forwards, 10) == schedule(Random(1), NODES, DAY, backwards, 10)


def test_faults_come_in_the_order_of_their_times_and_before_the_end() -> None:
    faults = schedule(Random(3), NODES, 10 * DAY, frozenset(FaultKind))

    assert list(faults) == sorted(faults, key=lambda fault: fault.at)
    assert all(timedelta(0) < fault.at < 10 * DAY for fault in faults)


def test_each_kind_happens_about_as_often_as_its_habit_says() -> None:
    days, nodes = 3000, NODES[:2]
    counts = Counter(
        fault.kind for fault in schedule(Random(4), nodes, days * DAY, frozenset(FaultKind), 2.0, MATES)
    )

    for kind, habit in HABITS.items():
        wanted = habit.per_day * 2 * days * len(nodes)
        # Five standard deviations of a Poisson process; the seed is one for ever.
        assert abs(counts[kind] - wanted) < 5 * wanted**0.5, kind


def test_how_long_a_fault_lasts_is_within_its_habit_and_choices_are_shares() -> None:
    for fault in schedule(Random(5), NODES, 300 * DAY, frozenset(FaultKind), 1.0, MATES):
        habit = HABITS[fault.kind]
        assert habit.shortest <= fault.lasts <= habit.longest
        assert 0 <= fault.choice < 1


def test_only_what_is_about_two_nodes_names_a_peer_and_only_one_that_is_there() -> None:
    peers = dict(NODES)
    for fault in schedule(Random(6), NODES, 300 * DAY, frozenset(FaultKind), 1.0, MATES):
        if HABITS[fault.kind].between:
            assert fault.peer in peers[fault.node]
        elif fault.kind in HA_KINDS:
            assert fault.peer == MATES[fault.node]
        else:
            assert fault.peer == ""


def test_what_happens_to_pairs_happens_to_nobody_else_and_changes_nothing_else() -> None:
    others = frozenset(FaultKind) - HA_KINDS
    without = schedule(Random(10), NODES, 30 * DAY, others)

    assert schedule(Random(10), NODES, 30 * DAY, frozenset(FaultKind)) == without
    paired = schedule(Random(10), NODES, 30 * DAY, frozenset(FaultKind), mates=MATES)
    assert tuple(fault for fault in paired if fault.kind in others) == without
    assert {fault.kind for fault in paired} - {fault.kind for fault in without} >= HA_KINDS
    assert {fault.node for fault in paired if fault.kind in HA_KINDS} == set(MATES)


@pytest.mark.parametrize(("kinds", "intensity"), [(frozenset[FaultKind](), 1.0), (frozenset(FaultKind), 0.0)])
def test_without_kinds_or_intensity_nothing_goes_wrong(kinds: frozenset[FaultKind], intensity: float) -> None:
    assert schedule(Random(7), NODES, 300 * DAY, kinds, intensity) == ()


def test_only_the_kinds_that_are_asked_for_happen() -> None:
    wanted = frozenset({FaultKind.CRASH, FaultKind.PARTITION})

    assert {fault.kind for fault in schedule(Random(8), NODES, 30 * DAY, wanted)} == wanted


def test_a_fault_survives_json_to_the_last_digit() -> None:
    for fault in schedule(Random(9), NODES, 100 * DAY, frozenset(FaultKind)):
        assert Fault.of(json.loads(json.dumps(fault.document()))) == fault


def test_a_fault_is_said_in_a_line() -> None:
    fault = Fault(
        timedelta(days=12, hours=3, seconds=5.678),
        FaultKind.PARTITION,
        "a/node0",
        "b/node0",
        timedelta(seconds=90),
        0.25,
    )

    assert str(fault) == "12d 03:00:05.678 partition a/node0 - b/node0 for 90 s (choice 0.250000)"
