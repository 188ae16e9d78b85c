"""From one number to a whole run: which authority, how long, how bad. ``make soak`` counts on for ever."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from random import Random
from typing import TYPE_CHECKING

from peerkey_cli.simulation.faults import FaultKind
from peerkey_cli.simulation.run import Outcome, simulate
from peerkey_cli.simulation.settings import Settings
from peerkey_cli.simulation.shrink import shrunk
from tests.sim.authorities import AUTHORITIES, planned

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True)
class Short:
    """A short run with a lot of trouble."""

    authority: str
    settings: Settings

    def run(self) -> Outcome:
        """Run it."""
        return simulate(planned(self.authority), self.settings)

    def explain(self, outcome: Outcome) -> str:
        """Say what was found, with as few faults as are needed for it, and how to see it again."""
        least = shrunk(planned(self.authority), outcome)
        finding = least.finding
        faults = "\n".join(f"  {fault}" for fault in least.schedule)
        trace = "\n".join(f"  {line}" for line in least.trace)
        return (
            f"{finding} at {finding.at if finding else None}\nauthority {self.authority}, {self.settings}\n"
            f"faults:\n{faults}\ntrace:\n{trace}\n"
            f"again: python -m tests.sim.seeds {self.settings.seed}"
        )


def short(seed: int) -> Short:
    """Return the run of a seed: everything about it is drawn from it."""
    random = Random(seed)
    kinds = list(FaultKind)
    # All kinds at once hide from each other what few at once show.
    chosen = (
        frozenset(kinds) if random.random() < 0.3 else frozenset(random.sample(kinds, random.randint(1, 7)))
    )
    return Short(
        authority=random.choice(list(AUTHORITIES)),
        settings=Settings(
            seed=seed,
            lasts=timedelta(minutes=random.choice((20, 60, 90, 180))),
            loss=random.choice((0.0, 0.0, 0.1, 0.3)),
            kinds=chosen,
            intensity=random.choice((20.0, 60.0, 200.0)),
        ),
    )


def hunt(seeds: Iterable[int]) -> Iterator[tuple[Short, Outcome]]:
    """Run seeds; return those that found something."""
    for seed in seeds:
        run = short(seed)
        outcome = run.run()
        if outcome.finding is not None:
            yield run, outcome


def main(arguments: list[str]) -> int:
    """Run the seeds named, or all from a random one on until something is found."""
    seeds: Iterable[int] = map(int, arguments) if arguments else count(Random().randrange(2**40))
    for number, seed in enumerate(seeds, 1):
        for run, outcome in hunt([seed]):
            sys.stdout.write(f"{run.explain(outcome)}\n")
            return 1
        if number % 10 == 0 or arguments:
            sys.stdout.write(f"{number} seeds, the last {seed}: nothing found\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
