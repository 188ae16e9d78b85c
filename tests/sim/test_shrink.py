"""Shortening a failing schedule: it ends with the faults that matter, and is bounded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from peerkey.config.plan import NodePlan
from peerkey_cli.simulation import shrink
from peerkey_cli.simulation.faults import Fault, FaultKind
from peerkey_cli.simulation.fleet import Site
from peerkey_cli.simulation.run import Outcome, simulate
from peerkey_cli.simulation.settings import Settings
from peerkey_cli.simulation.shrink import MOST_RUNS, shrunk
from peerkey_cli.simulation.watch import Finding, Watch
from tests.sim.authorities import planned

SECOND = timedelta(seconds=1)
#: A hundred faults, one a second; each is known by its choice.
HUNDRED = tuple(
    Fault(number * SECOND, FaultKind.CRASH, "a/node0", choice=number / 100) for number in range(100)
)

Fails = Callable[[Sequence[Fault]], int | None]


def test_the_one_fault_that_matters_is_found_in_a_run_of_real_machines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unnoticed(self: Watch, site: Site) -> None:
        """A lost store that the watch is not told of is a violation: keys are just gone."""
        self.touched_all(site)

    monkeypatch.setattr(Watch, "store_lost", unnoticed)
    kinds = frozenset({FaultKind.CRASH, FaultKind.RESTART, FaultKind.REPLAY, FaultKind.DISK_SLOW})
    settings = Settings(seed=5, lasts=timedelta(hours=1), kinds=kinds, intensity=60)
    drawn = simulate(planned("pair"), settings).schedule
    culprit = Fault(timedelta(minutes=50), FaultKind.STORE_LOST, "east/node0", lasts=SECOND)
    failed = simulate(planned("pair"), replace(settings, schedule=(*drawn, culprit)))
    assert len(drawn) > 10
    assert failed.finding is not None

    least = shrunk(planned("pair"), failed)

    assert least.schedule == (culprit,)
    assert least.finding is not None
    assert least.finding.invariant == failed.finding.invariant == 3
    assert least.trace


@pytest.mark.parametrize("needed", [{0}, {99}, {50}, {3, 77}, {10, 11, 90}])
def test_what_is_left_is_just_what_is_needed(needed: set[int], monkeypatch: pytest.MonkeyPatch) -> None:
    runs = pretend(monkeypatch, lambda faults: 1 if needed <= numbers(faults) else None)

    least = shrunk((), failing(1, 99 * SECOND))

    assert numbers(least.schedule) == needed
    assert len(runs) <= MOST_RUNS


def test_a_failure_that_needs_no_fault_at_all_is_shown_with_none(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, lambda _: 4)

    assert shrunk((), failing(4, 99 * SECOND)).schedule == ()


def test_what_comes_after_the_finding_is_left_out_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = pretend(monkeypatch, lambda faults: 1 if {7} <= numbers(faults) else None)

    shrunk((), failing(1, 10 * SECOND))

    assert numbers(runs[0]) == set(range(11))


def test_another_invariant_is_another_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, lambda faults: 1 if {3, 4} <= numbers(faults) else 2)

    assert numbers(shrunk((), failing(1, 99 * SECOND)).schedule) == {3, 4}


def test_a_failure_that_does_not_come_again_is_returned_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = pretend(monkeypatch, lambda _: None)
    failed = failing(1, 99 * SECOND)

    assert shrunk((), failed) is failed
    assert len(runs) == 1


def test_the_number_of_runs_is_bounded_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = pretend(monkeypatch, lambda faults: 1 if numbers(faults) >= set(range(0, 100, 2)) else None)
    told: list[tuple[int, int]] = []

    least = shrunk((), failing(1, 99 * SECOND), most_runs=9, on_run=lambda *counts: told.append(counts))

    assert len(runs) == 9
    assert [number for number, _ in told] == list(range(1, 10))
    assert numbers(least.schedule) >= set(range(0, 100, 2))


def test_a_run_that_found_nothing_cannot_be_shortened() -> None:
    with pytest.raises(ValueError, match="nothing to be shortened"):
        shrunk((), outcome(HUNDRED, None))


# --- helpers --------------------------------------------------------------------------------------


def numbers(faults: Sequence[Fault]) -> set[int]:
    return {round(fault.choice * 100) for fault in faults}


def pretend(monkeypatch: pytest.MonkeyPatch, fails: Fails) -> list[tuple[Fault, ...]]:
    """Let runs break the invariant that ``fails`` says; return the schedules that are run."""
    runs: list[tuple[Fault, ...]] = []

    def run(_plans: Sequence[NodePlan], settings: Settings) -> Outcome:
        assert settings.schedule is not None
        runs.append(settings.schedule)
        return outcome(settings.schedule, fails(settings.schedule))

    monkeypatch.setattr(shrink, "simulate", run)
    return runs


def failing(invariant: int, at: timedelta) -> Outcome:
    return outcome(HUNDRED, invariant, at)


def outcome(schedule: tuple[Fault, ...], invariant: int | None, at: timedelta = 99 * SECOND) -> Outcome:
    return Outcome(
        settings=Settings(seed=1, lasts=100 * SECOND),
        schedule=schedule,
        finding=None if invariant is None else Finding(invariant, "planted", ("a/node0",), at),
        trace=(),
        digest="",
        virtual=at,
        settled_in=None,
        wall=datetime(2026, 1, 1, tzinfo=UTC),
        statuses=(),
        events=(),
    )
