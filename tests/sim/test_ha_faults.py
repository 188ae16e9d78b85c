"""What goes wrong between the nodes of a pair: each kind does what it says, ends, and can be done again."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from peerkey.ha.constants import BEAT_INTERVAL, LEASE
from peerkey_cli.simulation.faults import HA_KINDS, Fault, FaultKind
from peerkey_cli.simulation.fleet import Fleet
from peerkey_cli.simulation.ha_faults import DELAYS, PERIODS
from peerkey_cli.simulation.run import Outcome, simulate
from peerkey_cli.simulation.settings import Settings
from tests.sim.authorities import planned
from tests.sim.seeds import brief, paired, short
from tests.support.story import MINUTE, SECOND, at, fault, play, told

ONE, TWO = "hub/node0", "hub/node1"
BEGINS = MINUTE


@pytest.mark.parametrize("choice", [0.0, 0.5])
def test_a_cut_link_is_down_at_both_ends_and_comes_back(choice: float) -> None:
    lost: list[str] = []

    async def look(fleet: Fleet) -> None:
        await at(BEGINS + SECOND)
        lost.append(await link(fleet, ONE))
        await at(BEGINS + 4 * SECOND)
        assert [await link(fleet, node) for node in (ONE, TWO)] == ["down", "down"]
        assert [await taken(fleet, node) for node in (ONE, TWO)] == [True, True]
        await at(2 * MINUTE)
        assert [await link(fleet, node) for node in (ONE, TWO)] == ["in-step", "in-step"]

    well(play("ha", 3 * MINUTE, bad(FaultKind.HA_CUT, 30 * SECOND, choice), beside=look))
    # In silence an end finds out by the lease; of a reset it is told.
    assert lost == (["in-step"] if choice < 0.5 else ["down"])


@pytest.mark.parametrize("choice", [0.1, 0.4, 0.9], ids=["everything", "all but beats", "what is large"])
def test_a_link_that_carries_one_way_only_goes_on_when_it_carries_both(choice: float) -> None:
    async def look(fleet: Fleet) -> None:
        await at(BEGINS + 20 * SECOND)
        # Where beats pass nothing is missed, as long as no record changes and no channel is opened.
        assert [await link(fleet, node) == "in-step" for node in (ONE, TWO)] == [choice > 0.3] * 2
        await at(4 * MINUTE)
        assert [await link(fleet, node) for node in (ONE, TWO)] == ["in-step", "in-step"]

    well(play("ha", 5 * MINUTE, bad(FaultKind.HA_ONE_WAY, MINUTE, choice), beside=look))


def test_where_nothing_large_passes_a_record_breaks_the_link_again_and_again() -> None:
    one_way = bad(FaultKind.HA_ONE_WAY, 20 * MINUTE, 0.9)
    rekey = fault(2 * MINUTE, FaultKind.REKEY, ONE)

    async def look(fleet: Fleet) -> None:
        await at(15 * MINUTE)
        (status, _) = [(await told(fleet, node)).ha for node in (ONE, TWO)]
        assert status is not None
        assert status.replicated == 0
        await at(23 * MINUTE)
        assert [await link(fleet, node) for node in (ONE, TWO)] == ["in-step", "in-step"]

    well(play("ha", 24 * MINUTE, one_way, rekey, beside=look))


@pytest.mark.parametrize("number", range(len(DELAYS)))
def test_a_slow_link_is_in_step_as_long_as_no_beat_is_later_than_the_lease(number: int) -> None:
    slow = bad(FaultKind.HA_SLOW, 3 * MINUTE, (number + 0.5) / len(DELAYS))

    async def look(fleet: Fleet) -> None:
        await at(BEGINS + 2 * MINUTE)
        # Whoever hears late may take a link that the other has closed for one that is there.
        both = [await link(fleet, node) for node in (ONE, TWO)] == ["in-step", "in-step"]
        assert both == (DELAYS[number] + BEAT_INTERVAL < LEASE)

    well(play("ha", 6 * MINUTE, slow, beside=look))


@pytest.mark.parametrize("number", range(len(PERIODS)))
@pytest.mark.parametrize("resets", [False, True])
def test_a_link_that_flaps_is_in_step_when_it_does_not(number: int, resets: bool) -> None:  # noqa: FBT001
    choice = (number + (0.75 if resets else 0.25)) / len(PERIODS)

    outcome = well(play("ha", 4 * MINUTE, bad(FaultKind.HA_FLAPPING, 2 * MINUTE, choice)))

    # Silence that is shorter than the lease is not noticed.
    noticed = resets or PERIODS[number] > timedelta(seconds=2)
    assert (outcome.event_counts["ha.link_down"] > 0) == noticed


@pytest.mark.parametrize("frames", range(12))
def test_a_link_that_is_reset_in_the_middle_of_its_resynchronisation_begins_again(frames: int) -> None:
    reset = bad(FaultKind.HA_RESET, MINUTE, (frames + 0.5) / 12)

    outcome = well(play("ha", 3 * MINUTE, reset, fault(30 * SECOND, FaultKind.REKEY, ONE)))

    assert outcome.event_counts["ha.link_down"] >= 2


@pytest.mark.parametrize("frames", range(12))
@pytest.mark.parametrize("power", [False, True])
def test_a_node_dies_in_the_middle_of_a_resynchronisation(frames: int, power: bool) -> None:  # noqa: FBT001
    dies = bad(FaultKind.HA_NODE_CRASH, 20 * SECOND, (frames + (0.75 if power else 0.25)) / 12)

    outcome = well(play("ha", 3 * MINUTE, dies, fault(59 * SECOND, FaultKind.REKEY, TWO)))

    assert outcome.deaths == Counter({"Power" if power else "Process": 1})


def test_the_link_of_a_node_crashes_and_begins_again() -> None:
    outcome = well(play("ha", 2 * MINUTE, bad(FaultKind.HA_LINK_CRASH, 0 * SECOND)))

    assert outcome.deaths == Counter({"Crashed": 1, "Restarted": 1})
    assert outcome.event_counts["ha.link_up"] == 4


def test_nothing_of_it_happens_to_a_node_without_a_mate() -> None:
    faults = [fault(BEGINS, kind, "branch/node0", MINUTE) for kind in HA_KINDS]

    outcome = well(play("ha", 2 * MINUTE, *faults))

    assert not outcome.deaths
    assert outcome.event_counts["ha.link_down"] == 0


def test_what_was_drawn_is_done_again_to_the_last_bit_from_its_document() -> None:
    settings = Settings(5, 10 * MINUTE, kinds=HA_KINDS | {FaultKind.REKEY}, intensity=300)
    drawn = simulate(planned("ha"), settings)
    document = json.loads(json.dumps([each.document() for each in drawn.schedule]))

    again = simulate(planned("ha"), replace(settings, schedule=tuple(map(Fault.of, document))))

    assert {each.kind for each in drawn.schedule} >= HA_KINDS - {FaultKind.HA_FLAPPING}
    assert again.digest == drawn.digest == simulate(planned("ha"), settings).digest


def test_a_few_seeds_have_a_pair_and_the_others_have_no_trouble_with_one() -> None:
    runs = [short(seed) for seed in range(600)]
    pairs = [run for run in runs if run.authority == "ha"]

    assert 30 <= len(pairs) <= 70
    assert all(run.settings.kinds & HA_KINDS for run in pairs)
    assert not any(run.settings.kinds & HA_KINDS for run in runs if run not in pairs)
    assert [run.authority == "ha" for run in map(brief, range(600))] == [run in pairs for run in runs]
    assert paired(short(7)) == paired(short(7))


# --- helpers --------------------------------------------------------------------------------------


def bad(kind: FaultKind, lasts: timedelta, choice: float = 0.0) -> Fault:
    return fault(BEGINS, kind, ONE, lasts, peer=TWO, choice=choice)


async def link(fleet: Fleet, node: str) -> str:
    status = (await told(fleet, node)).ha
    assert status is not None
    return status.link


async def taken(fleet: Fleet, node: str) -> bool:
    status = (await told(fleet, node)).ha
    assert status is not None
    return status.taken_over


def well(outcome: Outcome) -> Outcome:
    assert outcome.finding is None, "\n".join(outcome.trace)
    assert outcome.settled_in is not None
    return outcome
