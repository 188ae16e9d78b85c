"""A simulated fleet that a test tells a story with: explicit faults, a look at any instant, exact events.

::

    async def look(fleet: Fleet) -> None:
        await at(MINUTE)
        assert alarms(await told(fleet, EAST)) == [...]

    outcome = play("pair", 20 * MINUTE, fault(0 * MINUTE, FaultKind.DISABLED, EAST, 10 * MINUTE), beside=look)
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from actors.messages import NodeStatus
from peerkey.observe.events import Event
from peerkey_cli.simulation.faults import Fault, FaultKind
from peerkey_cli.simulation.fleet import Fleet
from peerkey_cli.simulation.run import Beside, Outcome, simulate
from peerkey_cli.simulation.settings import Settings
from runtime.backends.sim.machine import BEGINNING
from runtime.wire.port import Address
from tests.sim.authorities import planned

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
BEGINS = timedelta(0)
#: The nodes of the authority ``pair``.
EAST, WEST = "east/node0", "west/node0"


def play(
    authority: str,
    lasts: timedelta,
    *faults: Fault,
    loss: float = 0.0,
    seed: int = 1,
    beside: Beside | None = None,
) -> Outcome:
    """Run an authority with exactly these faults."""
    return simulate(planned(authority), Settings(seed, lasts, loss, schedule=faults), beside=beside)


def fault(
    at: timedelta,
    kind: FaultKind,
    node: str,
    lasts: timedelta = BEGINS,
    *,
    peer: str = "",
    choice: float = 0.0,
) -> Fault:
    """Return a fault."""
    return Fault(at, kind, node, peer, lasts, choice)


async def at(instant: timedelta) -> None:
    """Wait for an instant since the simulation began."""
    await asyncio.sleep(max(0.0, instant.total_seconds() - asyncio.get_running_loop().time()))


async def clock_says(fleet: Fleet, node: str, instant: timedelta) -> None:
    """Wait for an instant since the simulation began by a node's own clock, which nobody has stepped."""
    reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    fleet.sites[node].machine.oscillator.call_at(instant.total_seconds(), lambda: reached.set_result(None))
    await reached


async def told(fleet: Fleet, node: str) -> NodeStatus:
    """Return what a node says of itself."""
    status = await fleet.sites[node].status()
    assert status is not None
    return status


def alarms(status: NodeStatus) -> list[str]:
    """Return the texts of its alarms."""
    return [alarm.message for alarm in status.alarms]


def path_states(status: NodeStatus) -> list[str]:
    """Return the states of all its paths."""
    return [path.state for peer in status.peers for path in peer.paths]


def key_ids(status: NodeStatus) -> list[str]:
    """Return the ids of the keys that it has in use."""
    return [key_id for peer in status.peers for role, _, key_id in peer.security.keys if role == "current"]


def events(fleet: Fleet, node: str) -> list[tuple[timedelta, Event]]:
    """Return the audit events of a node, each with its instant on the node's wall clock."""
    return [(entry.time - BEGINNING, entry.event) for entry in fleet.sites[node].journal.recent()]


def kinds(fleet: Fleet, node: str) -> list[str]:
    """Return the types of the audit events of a node, in their order."""
    return [event.TYPE for _, event in events(fleet, node)]


def tapped(fleet: Fleet) -> list[tuple[timedelta, str]]:
    """Return a list that grows by instant and sender of each datagram from now on."""
    sent: list[tuple[timedelta, str]] = []
    before = fleet.network.on_sent
    names = {address: site.name for site in fleet.sites.values() for address in site.addresses}

    def tap(source: Address, destination: Address, data: bytes) -> None:
        sent.append((timedelta(seconds=asyncio.get_running_loop().time()), names[source.host]))
        if before is not None:
            before(source, destination, data)

    fleet.network.on_sent = tap
    return sent
