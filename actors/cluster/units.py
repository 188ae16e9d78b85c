"""What a plan asks of the place where its node runs.

A path is *direct* if the node at its other end runs in this cluster too: the same two addresses, the other
way round, are those of a path of some plan. Its datagrams are messages between hosts, and need no address.
Every other path has a UDP socket, and so has the link to an HA mate a TCP socket: their node can only be on
a machine that owns the local address. The two nodes of an HA pair are kept apart. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from actors.names import AUTHORITY, node_actor
from runtime.cluster.placement import Unit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.cluster.messages import Route
    from peerkey.config.plan import Endpoint, NodePlan

#: Which node has a path between two addresses, its own first.
Owners = Mapping[tuple["Endpoint", "Endpoint"], str]


def prefix_of(node: str) -> str:
    """Return how the names of the actors of ``router/node`` begin."""
    return f"{AUTHORITY}/{node_actor(node)}"


def owners_of(plans: Iterable[NodePlan]) -> Owners:
    """Return which node has which paths."""
    return {
        (path.local, path.peer): plan.name
        for plan in plans
        for peering in plan.peerings
        for path in peering.paths
    }


def routes_of(plan: NodePlan, owners: Owners) -> tuple[Route, ...]:
    """Return the direct paths of a node."""
    return tuple(
        (*path.local, *path.peer, prefix_of(owner))
        for peering in plan.peerings
        for path in peering.paths
        if (owner := owners.get((path.peer, path.local))) is not None
    )


def unit_of(plan: NodePlan, owners: Owners) -> Unit:
    """Return what is placed."""
    addresses = {
        path.local.address
        for peering in plan.peerings
        for path in peering.paths
        if (path.peer, path.local) not in owners
    }
    if plan.ha is not None:
        addresses.add(plan.ha.local.address)
    return Unit(
        plan.name,
        apart=f"router {plan.router}" if plan.ha is not None else None,
        addresses=frozenset(addresses),
    )
