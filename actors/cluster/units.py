"""What a plan asks of the place where its node runs.

A path is *direct* if the node at its other end runs in this cluster too: the same two addresses, the other
way round, are those of a path of some plan. Its datagrams are messages between hosts, and need no address.
Every other path has a UDP socket, and so has the link to an HA mate a TCP socket: their node can only be on
a machine that owns the local address. The two nodes of an HA pair are kept apart.

Under dedicated placement a path is placed by itself, and it is the path that needs the address. Such a unit
is called ``router/node/path``. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from actors.names import AUTHORITY, OF_NODE, PATHS, node_actor
from runtime.cluster.placement import Unit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.cluster.messages import Route
    from peerkey.config.plan import Endpoint, NodePlan, PathPlan

#: Which node has a path between two addresses, its own first.
Owners = Mapping[tuple["Endpoint", "Endpoint"], str]

#: What stands for a slash in the name of a path.
_SLASH: Final = "~"
#: Slashes in the name of a node.
_IN_NODE: Final = 1


def path_unit(node: str, path: str) -> str:
    """Return what a path of ``router/node`` is called where it is placed by itself."""
    return f"{node}/{path.replace('/', _SLASH)}"


def is_path(unit: str) -> bool:
    """Tell whether a unit is a path that is placed by itself."""
    return unit.count("/") > _IN_NODE


def prefix_of(unit: str) -> str:
    """Return how the names of the actors of ``router/node``, or of one path of it, begin."""
    if is_path(unit):
        node, _, path = unit.rpartition("/")
        return f"{PATHS}/{node_actor(node)}{OF_NODE}{path}"
    return f"{AUTHORITY}/{node_actor(unit)}"


def prefix_of_path(node: str, path: str) -> str:
    """Return how the name of the actor of a path in a host of its own begins."""
    return prefix_of(path_unit(node, path))


def owners_of(plans: Iterable[NodePlan], *, paths_apart: bool = False) -> Owners:
    """Return which node has which paths; with ``paths_apart``, which unit each path is."""
    return {
        (path.local, path.peer): path_unit(plan.name, path.name) if paths_apart else plan.name
        for plan in plans
        for peering in plan.peerings
        for path in peering.paths
    }


def routes_of(plan: NodePlan, owners: Owners) -> tuple[Route, ...]:
    """Return the direct paths of a node, each with the actor at its other end, or where it is."""
    return tuple(
        (*path.local, *path.peer, prefix_of(owner))
        for peering in plan.peerings
        for path in peering.paths
        if (owner := owners.get((path.peer, path.local))) is not None
    )


def paths_of(plan: NodePlan, owners: Owners) -> tuple[Unit, ...]:
    """Return what is placed of a node where each of its paths is placed by itself."""
    return tuple(
        Unit(path_unit(plan.name, path.name), addresses=_addresses_of((path,), owners))
        for peering in plan.peerings
        for path in peering.paths
    )


def unit_of(plan: NodePlan, owners: Owners, *, paths_apart: bool = False) -> Unit:
    """Return what is placed: the node with its paths, or without them."""
    paths = () if paths_apart else tuple(path for peering in plan.peerings for path in peering.paths)
    addresses = set(_addresses_of(paths, owners))
    if plan.ha is not None:
        addresses.add(plan.ha.local.address)
    return Unit(
        plan.name,
        apart=f"router {plan.router}" if plan.ha is not None else None,
        addresses=frozenset(addresses),
    )


def _addresses_of(paths: Iterable[PathPlan], owners: Owners) -> frozenset[str]:
    """Return the addresses of those paths that have sockets."""
    return frozenset(path.local.address for path in paths if (path.peer, path.local) not in owners)
