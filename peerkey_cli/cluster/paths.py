"""Composes a host for paths alone, under dedicated placement: a wire, and whoever runs the paths.

Nothing here has a key, reads one, or keeps anything but the journal of its events. Such a host does not speak
for its machine either.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from actors.cluster.agent import Agent, AgentPorts
from actors.cluster.assigned import Assigned
from actors.cluster.path_keeper import KeeperPorts, PathKeeper
from actors.names import AGENT, PATHS
from peerkey_cli.cluster.account import keep_account
from runtime.cluster.wire import ClusterWire
from runtime.supervision import PATIENT
from runtime.wire.udp import UdpWire

if TYPE_CHECKING:
    from peerkey_cli.cluster.settings import ClusterSettings
    from runtime.cluster.host import Host
    from runtime.system import ActorSystem


@asynccontextmanager
async def paths(system: ActorSystem, host: Host, settings: ClusterSettings) -> AsyncIterator[None]:
    """Run the paths that nodes of other hosts want on ``host`` while the block lasts.

    :raises Misconfigured: the audit log cannot be read or written.
    """
    async with AsyncExitStack() as stack:
        journal = keep_account(stack, system, host, settings).journal
        outside = UdpWire()
        stack.push_async_callback(outside.close)
        wire = ClusterWire(system, host, outside)
        stack.push_async_callback(wire.close)
        ports = KeeperPorts(
            find=system.ref,
            wire=wire,
            expect=wire.expect,
            entropy=os.urandom,
            journal=journal,
            meter=journal.tally,
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
        yield
