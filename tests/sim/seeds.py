"""From one number to a whole run: which authority, how long, how bad.

::

    python -m tests.sim.seeds               # seeds from a random one on, until something is found
    python -m tests.sim.seeds 7 --brief 8   # these: :func:`short` of 7, :func:`brief` of 8
    python -m tests.sim.seeds tests/sim/regressions/0003.json

What is found is printed with as few faults as it needs, and as the document that keeps it for ever
(``tests/sim/regressions/README.md``).
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from peerkey_cli.simulation.faults import HA_KINDS, Fault, FaultKind
from peerkey_cli.simulation.run import Outcome, simulate
from peerkey_cli.simulation.settings import Settings
from peerkey_cli.simulation.shrink import shrunk
from tests.sim.authorities import AUTHORITIES, PAIRED, planned

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: ``make soak`` tells of its progress after so many seeds.
_TELL_EVERY: Final = 10
#: The share of seeds that have an HA router, and of those the share that have all kinds of trouble with it.
_PAIRED: Final = 1 / 12
_ALL_KINDS: Final = 0.3


@dataclass(frozen=True, slots=True)
class Short:
    """A short run with a lot of trouble."""

    authority: str
    settings: Settings
    #: What ``python -m tests.sim.seeds`` calls it.
    name: str

    def run(self) -> Outcome:
        """Run it."""
        return simulate(planned(self.authority), self.settings)

    def explain(self, outcome: Outcome) -> str:
        """Say what was found, with as few faults as are needed for it, and how to see it again."""
        least = shrunk(planned(self.authority), outcome)
        finding = least.finding
        faults = "\n".join(f"  {fault}" for fault in least.schedule)
        trace = "\n".join(f"  {line}" for line in least.trace)
        kept = replace(self, settings=replace(self.settings, schedule=least.schedule))
        return (
            f"{finding} at {finding.at if finding else None}\n"
            f"authority {self.authority}, {_in_words(self.settings)}\n"
            f"faults:\n{faults}\ntrace:\n{trace}\n"
            f"to keep it: {json.dumps(kept.document(why=str(finding)))}\n"
            f"again: python -m tests.sim.seeds {self.name}"
        )

    def document(self, *, why: str) -> dict[str, Any]:
        """Return it as JSON's types, with a sentence why it is kept."""
        settings = self.settings
        faults = settings.schedule
        return {
            "why": why,
            "authority": self.authority,
            "seed": settings.seed,
            "minutes": settings.lasts / timedelta(minutes=1),
            "loss": settings.loss,
            "kinds": sorted(settings.kinds),
            "intensity": settings.intensity,
            "schedule": None if faults is None else [fault.document() for fault in faults],
        }

    @classmethod
    def of(cls, document: dict[str, Any], name: str) -> Short:
        """Return the run that :meth:`document` describes."""
        faults = document["schedule"]
        return cls(
            document["authority"],
            Settings(
                seed=document["seed"],
                lasts=timedelta(minutes=document["minutes"]),
                loss=document["loss"],
                kinds=frozenset(map(FaultKind, document["kinds"])),
                intensity=document["intensity"],
                schedule=None if faults is None else tuple(map(Fault.of, faults)),
            ),
            name,
        )


def short(seed: int) -> Short:
    """Return the run of a seed: everything about it is drawn from it."""
    random = Random(seed)
    # Restores have scenarios of their own: with them here every seed would be another run.
    kinds = [kind for kind in FaultKind if kind not in HA_KINDS and kind is not FaultKind.RESTORE]
    # All kinds at once hide from each other what few at once show.
    chosen = (
        frozenset(kinds)
        if random.random() < _ALL_KINDS
        else frozenset(random.sample(kinds, random.randint(1, 7)))
    )
    run = Short(
        authority=random.choice(list(AUTHORITIES)),
        settings=Settings(
            seed=seed,
            lasts=timedelta(minutes=random.choice((20, 60, 90, 180))),
            loss=random.choice((0.0, 0.0, 0.1, 0.3)),
            kinds=chosen,
            intensity=random.choice((20.0, 60.0, 200.0)),
        ),
        name=str(seed),
    )
    return paired(run) if _is_paired(seed) else run


def paired(run: Short) -> Short:
    """Return a run with an HA router instead, whose link has some trouble too.

    It is drawn apart from everything else: all other seeds are what they were before there were pairs.
    """
    random = Random(f"paired {run.name}")
    some = random.sample(sorted(HA_KINDS), random.randint(1, 4))
    more = HA_KINDS if random.random() < _ALL_KINDS else frozenset(some)
    settings = replace(run.settings, kinds=run.settings.kinds | more)
    return replace(run, authority=random.choice(list(PAIRED)), settings=settings)


def _is_paired(seed: int) -> bool:
    return Random(f"paired {seed}").random() < _PAIRED


def brief(seed: int) -> Short:
    """Return a run that is shorter and denser: what continuous integration has time for hundreds of."""
    drawn = short(seed)
    settings = drawn.settings
    random = Random(f"brief {seed}")
    authority = random.choice((*AUTHORITIES, "pair", "pair"))
    # One in eight lasts until keys are replaced because of their age. A path that is probed every thirty
    # seconds costs as much as all the rest of its node.
    minutes = random.choice((5, 5, 10) if authority == "probed" else (5, 5, 10, 10, 15, 15, 20, 65))
    settings = replace(
        settings, lasts=timedelta(minutes=minutes), intensity=random.choice((60.0, 200.0, 400.0))
    )
    if _is_paired(seed):
        # An hour of a pair is as long as ten of others: its nodes say twice a second that they live.
        settings = replace(settings, lasts=min(settings.lasts, timedelta(minutes=15)))
        authority = drawn.authority
    return Short(authority, settings, f"--brief {seed}")


def hunt(runs: Iterable[Short]) -> Iterator[tuple[Short, Outcome]]:
    """Run them; return those that found something."""
    for run in runs:
        outcome = run.run()
        if outcome.finding is not None:
            yield run, outcome


def main(arguments: list[str]) -> int:
    """Run what is named, or all seeds from a random one on until something is found."""
    named = list(_named(arguments))
    runs: Iterable[Short] = named or map(short, count(Random().randrange(2**40)))
    for number, run in enumerate(runs, 1):
        for _, outcome in hunt([run]):
            sys.stdout.write(f"{run.explain(outcome)}\n")
            return 1
        if number % _TELL_EVERY == 0 or named:
            sys.stdout.write(f"{number} runs, the last {run.name}: nothing found\n")
            sys.stdout.flush()
    return 0


def _named(arguments: list[str]) -> Iterator[Short]:
    words = iter(arguments)
    for word in words:
        if word == "--brief":
            yield brief(int(next(words)))
        elif word.endswith(".json"):
            yield Short.of(json.loads(Path(word).read_text("utf-8")), word)
        else:
            yield short(int(word))


def _in_words(settings: Settings) -> str:
    return (
        f"seed {settings.seed}, {settings.lasts}, loss {settings.loss:g}, intensity {settings.intensity:g}, "
        f"{', '.join(sorted(settings.kinds)) or 'no faults'}"
    )


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(0)
