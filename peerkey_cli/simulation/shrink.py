"""The few faults of a failing schedule that still make it fail.

Delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002): leave out
ever smaller pieces of the schedule as long as the run still breaks the same invariant. What happens is
decided by the seed and the schedule together, so a shorter schedule is another run; that is why it is run,
and not only cut. The number of runs is bounded, and the shortest failing one so far is good enough.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from peerkey_cli.simulation.run import Outcome, simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from peerkey.config.plan import NodePlan
    from peerkey_cli.simulation.faults import Fault

#: Runs that may be spent on one failure.
MOST_RUNS: Final = 60


def shrunk(
    plans: Sequence[NodePlan],
    failed: Outcome,
    *,
    most_runs: int = MOST_RUNS,
    on_run: Callable[[int, int], object] | None = None,
) -> Outcome:
    """Return a run that breaks the same invariant as ``failed`` with as few faults as could be found.

    ``on_run`` is told after each run how many there were and how many faults are left.
    """
    finding = failed.finding
    if finding is None:
        message = "a run that found nothing has nothing to be shortened"
        raise ValueError(message)
    best = failed
    # What was scheduled after the finding cannot have caused it.
    faults = tuple(fault for fault in failed.schedule if fault.at <= finding.at)
    runs = 0

    def fails(schedule: tuple[Fault, ...]) -> bool:
        nonlocal best, runs
        runs += 1
        outcome = simulate(plans, replace(failed.settings, schedule=schedule))
        same = outcome.finding is not None and outcome.finding.invariant == finding.invariant
        if same:
            best = outcome
        if on_run is not None:
            on_run(runs, len(best.schedule))
        return same

    if not fails(faults):
        return failed
    pieces = 2
    while len(faults) > 1 and runs < most_runs:
        size = -(-len(faults) // pieces)
        for start in range(0, len(faults), size):
            shorter = faults[:start] + faults[start + size :]
            if runs < most_runs and fails(shorter):
                faults, pieces = shorter, max(2, pieces - 1)
                break
        else:
            if size == 1:
                break
            pieces = min(len(faults), 2 * pieces)
    if len(faults) == 1 and runs < most_runs and fails(()):
        faults = ()
    return best
