"""A long run: a random sequence of everything that can be broken, and what became of the keys.

    PEERKEY_CHAOS_KILLS=2000 python -m tests.chaos.kills [SEED]

``PEERKEY_CHAOS_WAYS`` names some of the ways, with commas between them, if it is not to be all;
``PEERKEY_CHAOS_VERBOSE=1`` tells of each kill, and of what is waited for.

What is hit is drawn from the seed, out of what there is at that moment; so a replay breaks the same kinds in
the same ways, in the same order. Ctrl-C or SIGTERM ends the run, and what was measured until then is printed.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from statistics import median, quantiles
from typing import Final

from runtime.backends.ray.connecting import LOCAL, prepare

prepare(LOCAL, token=True)

# Ray is loaded after it has been told how it is going to be used.
from tests.chaos.cluster import chaos_cluster  # noqa: E402
from tests.chaos.fleet import Fleet, NotHealed, Tally, chaos_fleet  # noqa: E402
from tests.chaos.floor import Floor  # noqa: E402
from tests.chaos.ways import Chaos, Kind, Recovery, Way  # noqa: E402

#: How often each way is drawn, of a thousand: those that take long by their nature less often.
WEIGHTS: Final = {
    Way.EXCEPTION: 640,
    Way.RAY_KILL: 120,
    Way.SIGKILL: 120,
    Way.HEAD: 40,
    Way.REDIS: 30,
    Way.MACHINE: 20,
    Way.FROZEN: 20,
    Way.FROZEN_LONG: 10,
}
#: Of each machine.
_HOSTS: Final = 2
#: A fleet is broken so often; then there is a new one. Nodes move off lost machines and do not return.
_FLEET_LASTS: Final = 250
VERBOSE: Final = os.environ.get("PEERKEY_CHAOS_VERBOSE") == "1"
_DECILES: Final = 10


@dataclass
class Run:
    """What is to be done, and what has come of it so far."""

    seed: int
    kills: int
    floor: Floor = field(default_factory=Floor)
    took: dict[tuple[Kind, Way], list[Recovery]] = field(default_factory=lambda: defaultdict(list))
    #: Over all fleets.
    tally: Tally = field(default_factory=Tally)
    done: int = 0
    #: Why it has ended before its time; empty where it has not.
    ended: str = ""
    healed: bool = True

    def __post_init__(self) -> None:
        # What is drawn does not depend on what there is to choose from.
        self.drawing, self.choosing = Random(self.seed), Random(self.seed + 1)

    def play(self) -> None:
        """Break one fleet after the other."""
        with tempfile.TemporaryDirectory(prefix="pk-", dir="/tmp") as folder:
            try:
                with chaos_cluster(("one", "two")) as cluster:
                    # SIGTERM ends the run as Ctrl-C does, which Ray sees otherwise, also where a shell has
                    # started it in the background.
                    signal.signal(signal.SIGINT, signal.default_int_handler)
                    signal.signal(signal.SIGTERM, signal.default_int_handler)
                    self.floor.measure()
                    for number in count(1):
                        place = Path(folder) / str(number)
                        with chaos_fleet(cluster, place, hosts=_HOSTS, namespace=f"fleet{number}") as fleet:
                            self._break(fleet)
                        if self.done >= self.kills:
                            return
            except KeyboardInterrupt:
                self.ended = "stopped"
            except NotHealed as error:
                self.ended, self.healed = f"not keyed: {error}", False

    def _break(self, fleet: Fleet) -> None:
        fleet.tally = self.tally
        if VERBOSE:
            fleet.say = lambda text: show(f"waiting: {text}")
        chaos = Chaos(fleet, self.choosing, self.floor)
        last = min(self.kills, self.done + _FLEET_LASTS)
        while self.done < last:
            kind, way = draw(self.drawing)
            try:
                recovery = chaos.perform(kind, way)
            except (NotHealed, AssertionError) as error:
                self.ended, self.healed = f"not healed: {kind.value}, {way.value}: {error}", False
                self.kills = self.done
                return
            if recovery is not None:
                self.done += 1
                self.took[kind, way].append(recovery)
                if VERBOSE:
                    show(f"{self.done} {kind.value}, {way.value}: {recovery}")


def main() -> int:
    """Run; return 0 if nothing was lost."""
    kills = int(os.environ.get("PEERKEY_CHAOS_KILLS", "2000"))
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else secrets.randbits(32)
    show(f"{kills} kills with seed {seed}")
    run = Run(seed, kills)
    began = time.monotonic()
    run.play()
    report(run.took, run.floor)
    show(f"\n{run.done} kills in {(time.monotonic() - began) / 60:.1f} minutes: {run.tally}")
    if run.ended:
        show(run.ended)
    show(f"again: make chaos PEERKEY_CHAOS_KILLS={kills} ARGS={seed}")
    return int(not run.healed or bool(run.tally.lost or run.tally.rekeyed))


def draw(random: Random) -> tuple[Kind, Way]:
    """Draw what is broken next, and how."""
    named = os.environ.get("PEERKEY_CHAOS_WAYS", "")
    weights = {way: weight for way, weight in WEIGHTS.items() if not named or way.value in named.split(",")}
    (way,) = random.choices(list(weights), list(weights.values()))
    return random.choice(list(Kind)), way


def report(took: dict[tuple[Kind, Way], list[Recovery]], floor: Floor) -> None:
    """Print the times to recovery."""
    show(f"\n{'':34}{'until usable, s':>28}{'until all is well, s':>30}")
    show(f"{'kind':14}{'way':16}{'n':>4}" + 2 * f"{'median':>10}{'90 %':>10}{'max':>10}")
    for kind in Kind:
        for way in Way:
            if found := took.get((kind, way)):
                usable, whole = [each.usable for each in found], [each.whole for each in found]
                show(f"{kind.value:14}{way.value:16}{len(found):4}{_figures(usable)}{_figures(whole)}")
    for way in Way:
        beside = floor.took.get(way)
        ours = [each.usable for (_, by), found in took.items() if by is way for each in found]
        if beside and ours:
            show(
                f"an empty actor of Ray's, {way.value}: back after {median(beside):.2f} s (median of "
                f"{len(beside)}); the fleet is usable after {median(ours):.2f} s, "
                f"{median(ours) / median(beside):.1f} times that"
            )


def show(line: str) -> None:
    """Print a line: it is what this is for."""
    print(line, flush=True)  # noqa: T201


def _figures(seconds: list[float]) -> str:
    ninth = quantiles(seconds, n=_DECILES)[-1] if len(seconds) > 1 else seconds[0]
    return f"{median(seconds):10.2f}{min(ninth, max(seconds)):10.2f}{max(seconds):10.2f}"


if __name__ == "__main__":
    sys.exit(main())
