"""Questions between hosts of which the answer comes in pages, put together for whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from actors.cluster.messages import GetHostStatus, GetPlacement
from actors.cluster.units import prefix_of
from actors.messages import GetNodeStatus
from actors.names import AGENT, AUTHORITY, CONTROL, COORDINATOR
from runtime.cluster.directory import on_host
from runtime.errors import Undeliverable

if TYPE_CHECKING:
    from actors.cluster.messages import HostStatus, PlacementStatus
    from actors.messages import NodeStatus
    from runtime.cluster.directory import Directory
    from runtime.ref import Ref

#: Makes a reference of a name: that of a system.
RefOf = Callable[[str], "Ref"]


def authority_of(directory: Directory, node: str) -> str:
    """Return the name of the authority that runs ``router/node``.

    :raises Undeliverable: the node is on no host, for all that is known here.
    """
    host = directory.host_of(prefix_of(node))
    if host is None:
        raise Undeliverable(prefix_of(node), "it is on no host")
    return on_host(host, AUTHORITY)


async def node_status(ref: RefOf, directory: Directory, node: str, within: timedelta) -> NodeStatus:
    """Ask for the status of one node, wherever it runs. Each page may take as long as ``within``.

    :raises RuntimeFault: nobody answers for it.
    """
    authority = ref(authority_of(directory, node))
    page = await authority.ask(GetNodeStatus(node), within)
    status = page.status
    while page.following is not None:
        page = await authority.ask(GetNodeStatus(node, page.following), within)
        status = replace(
            status,
            peers=status.peers + page.status.peers,
            alarms=status.alarms + page.status.alarms,
        )
    return status


async def placement(ref: RefOf, within: timedelta) -> PlacementStatus:
    """Ask the coordinator where everything is. Each page may take as long as ``within``.

    :raises RuntimeFault: there is no coordinator now.
    """
    coordinator = ref(on_host(CONTROL, COORDINATOR))
    found = await coordinator.ask(GetPlacement(), within)
    nodes = list(found.nodes)
    last = nodes[-1].node if nodes else ""
    while len(nodes) < found.total:
        page = await coordinator.ask(GetPlacement(last), within)
        if not page.nodes:
            break
        nodes.extend(page.nodes)
        last = page.nodes[-1].node
    return replace(found, nodes=tuple(nodes), total=len(nodes))


async def host_status(
    ref: RefOf, host: str, within: timedelta, events_after: tuple[int, int] = (0, 0)
) -> HostStatus:
    """Ask a host for all of its actors. Each page may take as long as ``within``.

    :raises RuntimeFault: the host does not answer.
    """
    agent = ref(on_host(host, AGENT))
    found = await agent.ask(GetHostStatus("", events_after), within)
    actors = list(found.actors)
    while len(actors) < found.total:
        page = await agent.ask(GetHostStatus(actors[-1].name, found.mark), within)
        if not page.actors:
            break
        actors.extend(page.actors)
    return replace(found, actors=tuple(actors), total=len(actors))
