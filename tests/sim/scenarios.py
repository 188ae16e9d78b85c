"""Short runs with one kind of trouble each: where a mistake of that kind shows within a few seeds.

``python -m tests.sim.scenarios NAME SEEDS`` runs the seeds from 0 on until one finds something, and prints a
line of JSON: how many it took, what was found, and the seconds of CPU. ``short`` is a name too: the runs of
:func:`tests.sim.seeds.short`, whose scenario is drawn from the seed.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import peerkey
from peerkey_cli.simulation.faults import HA_KINDS
from peerkey_cli.simulation.faults import FaultKind as Kind
from peerkey_cli.simulation.run import simulate
from peerkey_cli.simulation.settings import Settings
from tests.sim.authorities import planned
from tests.sim.seeds import short


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything about a run but its seed."""

    kinds: frozenset[Kind]
    intensity: float
    lasts: timedelta
    loss: float = 0.0
    authority: str = "pair"

    def settings(self, seed: int) -> Settings:
        """Return the run of one seed."""
        return Settings(seed, self.lasts, self.loss, self.kinds, self.intensity)


_MINUTE: Final = timedelta(minutes=1)

SCENARIOS: Final = {
    "rekeys": Scenario(frozenset({Kind.REKEY}), 200, 20 * _MINUTE),
    "crashes": Scenario(
        frozenset({Kind.CRASH, Kind.ACTOR_CRASH, Kind.POWER_LOSS, Kind.REKEY}), 60, 60 * _MINUTE, loss=0.1
    ),
    "twins": Scenario(frozenset({Kind.TWIN, Kind.REKEY}), 400, 20 * _MINUTE),
    "weather": Scenario(
        frozenset({Kind.BAD_WEATHER, Kind.PARTITION, Kind.ONE_WAY, Kind.REKEY}), 300, 30 * _MINUTE, loss=0.3
    ),
    "attacks": Scenario(
        frozenset({Kind.REPLAY, Kind.FORGERY, Kind.REKEY, Kind.CERTIFICATE_REPLACED}), 400, 60 * _MINUTE
    ),
    "replacements": Scenario(
        frozenset({Kind.CERTIFICATE_REPLACED, Kind.REKEY}), 3000, 30 * _MINUTE, loss=0.3
    ),
    "expiry": Scenario(frozenset({Kind.CERTIFICATE_EXPIRED, Kind.BEHAVIOR}), 1500, 30 * _MINUTE),
    "revocations": Scenario(frozenset({Kind.CERTIFICATE_REVOKED, Kind.BEHAVIOR}), 1500, 30 * _MINUTE),
    "distrust": Scenario(frozenset({Kind.CERTIFICATE_UNTRUSTED, Kind.BEHAVIOR}), 1500, 30 * _MINUTE),
    "lists": Scenario(
        frozenset(
            {
                Kind.CRL_REVOKED,
                Kind.CRL_HELD,
                Kind.CRL_SERVER_LIES,
                Kind.CRL_STALE,
                Kind.CRL_ACTOR_CRASH,
                Kind.CRASH,
            }
        ),
        40,
        8 * 60 * _MINUTE,
    ),
    "pairs": Scenario(frozenset({*HA_KINDS, Kind.REKEY}), 300, 15 * _MINUTE, authority="ha"),
    "slow-pairs": Scenario(
        frozenset({Kind.HA_SLOW, Kind.HA_CUT, Kind.REKEY}), 300, 30 * _MINUTE, authority="ha"
    ),
    "paired-disks": Scenario(
        frozenset({Kind.HA_RESET, Kind.DISK_SLOW, Kind.REKEY, Kind.CERTIFICATE_REPLACED}),
        1000,
        15 * _MINUTE,
        authority="ha",
    ),
    "restores": Scenario(
        frozenset({Kind.RESTORE, Kind.REKEY, Kind.CERTIFICATE_REPLACED}), 1500, 90 * _MINUTE, loss=0.1
    ),
    "restored-pairs": Scenario(
        frozenset({Kind.RESTORE, Kind.REKEY, Kind.HA_CUT}), 1500, 45 * _MINUTE, authority="ha"
    ),
    "clocks": Scenario(frozenset({Kind.CLOCK_STEP}), 5000, 240 * _MINUTE),
}

#: The runs that are drawn from their seed.
SHORT: Final = "short"


@dataclass(frozen=True, slots=True)
class Hunt:
    """What running some seeds came to."""

    #: How many were run: the last of them found something, if anything did.
    seeds: int
    #: What was found; empty where nothing was.
    finding: str
    cpu_seconds: float
    #: Where the code that ran was read from.
    tree: str


def hunt(scenario: str, most: int) -> Hunt:
    """Run seeds until something is found, or ``most`` of them have found nothing."""
    began = time.process_time()
    finding, seed = "", 0
    for seed in range(most):
        finding = _found(scenario, seed)
        if finding:
            break
    return Hunt(seed + 1, finding, round(time.process_time() - began, 2), _tree())


def _found(scenario: str, seed: int) -> str:
    if scenario == SHORT:
        outcome = short(seed).run()
    else:
        run = SCENARIOS[scenario]
        outcome = simulate(planned(run.authority), run.settings(seed))
    return "" if outcome.finding is None else str(outcome.finding)


def _tree() -> str:
    return str(Path(peerkey.__file__).parents[1])


def main(arguments: list[str]) -> int:
    """Run the seeds that the command line asks for."""
    name, most = arguments
    found = hunt(name, int(most))
    document: dict[str, Any] = {name: getattr(found, name) for name in Hunt.__slots__}
    sys.stdout.write(json.dumps(document) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
