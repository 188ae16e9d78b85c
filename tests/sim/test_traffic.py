"""Whatever happens to them, what the data plane of one node seals the data plane of its peer can open.

Invariant 1 of the protocol, seen from where the packets are: each node of a simulation has a data plane that
really seals and opens, and the network between these two is a function call. ``test_ha.py`` has those of an
HA router.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from itertools import permutations

import pytest

from peerkey.testing.data_plane import CannotSeal
from peerkey_cli.simulation.faults import FaultKind
from peerkey_cli.simulation.fleet import Fleet
from peerkey_cli.simulation.run import simulate
from peerkey_cli.simulation.settings import Settings
from tests.sim.authorities import planned

LASTS = timedelta(hours=1)
#: What takes no key away from one end alone: a lost store and a peering that is removed do, as they should.
KINDS = frozenset(
    {
        FaultKind.ACTOR_CRASH,
        FaultKind.CRASH,
        FaultKind.POWER_LOSS,
        FaultKind.RESTART,
        FaultKind.DISK_FULL,
        FaultKind.DISK_SLOW,
        FaultKind.DISK_FAILING,
        FaultKind.BAD_WEATHER,
        FaultKind.PARTITION,
        FaultKind.ONE_WAY,
        FaultKind.INTERFACE_DOWN,
        FaultKind.CLOCK_STEP,
        FaultKind.CERTIFICATE_REPLACED,
        FaultKind.ALGORITHM,
        FaultKind.REKEY,
        FaultKind.REPLAY,
        FaultKind.FORGERY,
    }
)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_sealed_can_be_opened_at_every_moment(seed: int) -> None:
    passed: Counter[str] = Counter()
    headers: set[bytes] = set()

    async def packets(fleet: Fleet) -> None:
        while asyncio.get_running_loop().time() < LASTS.total_seconds():
            await asyncio.sleep(0.25)
            for here, there in permutations(fleet.sites.values(), 2):
                if here.actor is None or there.actor is None:
                    continue
                try:
                    packet = here.data_plane.seal(here.uuid, there.uuid, b"hello")
                except CannotSeal:
                    passed["nothing to seal with"] += 1
                    continue
                assert packet[:48] not in headers, "no counter is used twice under one key"
                headers.add(packet[:48])
                assert there.data_plane.open(there.uuid, packet) == b"hello"
                passed["opened"] += 1

    outcome = simulate(
        planned("pair"), Settings(seed, LASTS, loss=0.05, kinds=KINDS, intensity=40.0), beside=packets
    )
    assert outcome.finding is None, "\n".join(outcome.trace)
    assert sum(outcome.deaths.values()) > 5
    assert passed["opened"] > 20 * passed["nothing to seal with"]
