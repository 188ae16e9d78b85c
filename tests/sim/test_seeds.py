"""Sixty short runs with a lot of trouble, and nothing is found in any of them.

They are :func:`tests.sim.seeds.brief` of the seeds 0 to 59: five minutes to an hour of an authority with
hundreds of faults a day, half a second of processor time each. ``make soak`` runs
longer ones for ever. A failure prints the seed, the few faults that matter, the last of what happened, and
the command that shows it again.
"""

from __future__ import annotations

from typing import Final

import pytest

from tests.sim.seeds import brief, hunt

SEEDS: Final = range(60)
#: So many in one test: few enough that processes which share the tests end at about the same time.
BLOCK: Final = 6


@pytest.mark.parametrize("first", SEEDS[::BLOCK])
def test_whatever_a_seed_decides_no_invariant_is_broken_and_all_comes_to_rest(first: int) -> None:
    found = [run.explain(outcome) for run, outcome in hunt(map(brief, range(first, first + BLOCK)))]

    assert not found, "\n\n".join(found)
