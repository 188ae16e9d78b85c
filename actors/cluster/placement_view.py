"""What an operator is shown of the cluster, and what is wrong with it: computed from what is so now. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from actors.cluster.messages import HostPlace, NodePlace
from actors.cluster.reconciling import is_closed, machine_of
from actors.cluster.units import is_path
from actors.names import AUTHORITY, CONTROL, COORDINATOR
from peerkey.observe import alarms

if TYPE_CHECKING:
    from datetime import timedelta

    from actors.cluster.upkeep import Upkeep
    from peerkey.observe.alarms import Alarm

#: Nodes in one page of an answer.
PAGE: Final = 1_000
#: Alarms for single nodes in one answer; one alarm stands for the rest.
SINGLE_ALARMS: Final = 100


def node_places(
    hosts: Mapping[str, str], unplaced: Mapping[str, str], uuids: Mapping[str, str], after: str
) -> tuple[NodePlace, ...]:
    """Return a page of nodes, those whose names come after one."""
    page = sorted(name for name in {*hosts, *unplaced} if name > after and not is_path(name))[:PAGE]
    return tuple(
        NodePlace(name, host, machine_of(host), unplaced.get(name, ""), uuids.get(name, ""))
        for name in page
        for host in (hosts.get(name, ""),)
    )


def unplaced_paths(unplaced: Mapping[str, str]) -> tuple[NodePlace, ...]:
    """Return the first paths that have no place."""
    found = sorted(unit for unit in unplaced if is_path(unit))[:SINGLE_ALARMS]
    return tuple(NodePlace(unit, "", "", unplaced[unit]) for unit in found)


def host_places(
    upkeep: Upkeep, hosts: Mapping[str, str], now: timedelta, closed: Collection[str] = ()
) -> tuple[HostPlace, ...]:
    """Return every host that is known."""
    counts = Counter(host for unit, host in hosts.items() if not is_path(unit))
    paths = Counter(host for unit, host in hosts.items() if is_path(unit))
    return tuple(
        HostPlace(
            host=host,
            machine=each.machine,
            pid=each.pid,
            incarnation=each.incarnation,
            restarts=each.restarts,
            answers=each.answers,
            since_seconds=round((now - each.since).total_seconds(), 1),
            nodes=counts[host],
            complete=each.complete and each.answers,
            versions=each.versions,
            fault=each.fault,
            paths=paths[host],
            drained=is_closed(host, closed),
        )
        for host, each in sorted(upkeep.hosts.items())
    )


def alarms_of(
    upkeep: Upkeep, unplaced: Mapping[str, str], lost: Iterable[str], faults: Iterable[str], now: timedelta
) -> Iterator[Alarm]:
    """Yield what is wrong: the machines in ``lost``, hosts, nodes without a place."""
    if found := [fault for fault in faults if fault]:
        yield alarms.cluster_limited(COORDINATOR, "; ".join(found))
    yield from (alarms.machine_lost(machine) for machine in sorted(lost))
    if upkeep.isolated(now):
        yield alarms.cluster_limited(CONTROL, "no host reports, although their processes are there")
        return
    for host, each in sorted(upkeep.hosts.items()):
        missed = each.heard is not None or bool(each.fault) or now - each.since >= upkeep.settings.grace
        if each.wanted and not each.answers and missed:
            yield alarms.host_gone(host, each.machine, each.fault or "it does not answer")
    ordered = sorted(unplaced.items())
    yield from (alarms.node_unplaced(node, why) for node, why in ordered[:SINGLE_ALARMS])
    if len(ordered) > SINGLE_ALARMS:
        yield alarms.nodes_unplaced(AUTHORITY, [node for node, _ in ordered[SINGLE_ALARMS:]])
