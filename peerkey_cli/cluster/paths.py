"""Composes a host for paths alone, under dedicated placement: a wire, and whoever runs the paths.

Nothing here has a key, reads one, or keeps anything but the journal of its events. Such a host does not speak
for its machine either.
"""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from actors.cluster.agent import Agent, AgentPorts
from actors.cluster.assigned import Assigned
from actors.cluster.instruments import INSTRUMENTS, Instruments
from actors.cluster.path_keeper import KeeperPorts, PathKeeper
from actors.crashes import CrashWatch
from actors.journal import FileJournal
from actors.names import AGENT, PATHS
from peerkey.errors import PeerkeyError
from peerkey_cli.cluster.stores import host_directory
from runtime.cluster.wire import ClusterWire
from runtime.supervision import PATIENT
from runtime.wire.udp import UdpWire

if TYPE_CHECKING:
    from peerkey_cli.cluster.settings import ClusterSettings
    from runtime.cluster.host import Host
    from runtime.system import ActorSystem


@asynccontextmanager
async def paths(system: ActorSystem, host: Host, settings: ClusterSettings) -> AsyncIterator[None]:
    """Run the paths that nodes of other hosts want on ``host`` while the block lasts."""
    async with AsyncExitStack() as stack:
        journal = FileJournal(host_directory(settings.state, host.name) / "events.jsonl")
        stack.callback(journal.close)
        crashes = CrashWatch(journal, system.clock)
        stack.callback(crashes.close)
        system.observe(crashes.observe, speakable=(PeerkeyError,))
        outside = UdpWire()
        stack.push_async_callback(outside.close)
        wire = ClusterWire(system, host, outside)
        stack.push_async_callback(wire.close)
        ports = KeeperPorts(
            find=system.ref, wire=wire, expect=wire.expect, entropy=os.urandom, journal=journal
        )
        system.spawn(lambda: PathKeeper(ports), PATHS, supervision=PATIENT)
        # Nodes have the plans, and tell what their paths need.
        agent_ports = AgentPorts(host, system, journal, expect=lambda _: None, runs_nodes=False)
        assigned = Assigned()
        system.spawn(
            lambda: Agent(assigned, agent_ports, incarnation=host.incarnation, pid=os.getpid()),
            AGENT,
            supervision=PATIENT,
        )
        machine = socket.gethostname()
        system.spawn(
            lambda: Instruments(
                place=f"{machine}:{settings.state}",
                process=f"{machine}:{os.getpid()}",
                journal=journal,
                crashes=crashes,
                retry_keys=lambda: None,
            ),
            INSTRUMENTS,
            supervision=PATIENT,
        )
        yield
