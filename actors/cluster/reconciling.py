"""Which node is on which host, and which hosts there should be. Pure: the same facts decide the same.

Hosts are named after their machines, ``<machine>-<number>``, and stay there. A node moves only when its host
is gone: its machine is dead, or the host has been silent for long although it was started again and again.
Whoever has a place that is allowed keeps it, also when machines join.

``packed``: every machine has the same number of hosts, and the nodes are spread over all of them. ``node``:
every node has a host of its own. ``dedicated`` is that, within what a machine bears.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Final

from actors.cluster.units import is_path
from runtime.cluster.placement import (
    PROCESS_BYTES,
    Placement,
    Site,
    TooManyProcesses,
    check_processes,
    place,
)

if TYPE_CHECKING:
    from runtime.cluster.machines import Machine
    from runtime.cluster.placement import Unit

#: Hosts of one cluster, with room for the control host below the bound of the links.
MAX_HOSTS: Final = 900
#: Hosts of one machine where the nodes are packed.
MAX_PACKED: Final = 64
#: How the number of a host begins that is for paths alone.
_PATHS: Final = "p"
_TOO_MANY: Final = f"a cluster has at most {MAX_HOSTS} hosts: choose packed placement"


@dataclass(frozen=True, slots=True)
class Settings:
    """How nodes are placed, and how long hosts are waited for."""

    placement: Placement = Placement.PACKED
    #: Hosts of each machine, where nodes are packed.
    hosts_per_machine: int = 2
    #: Whether a node may change its host. Not where each host has a store of its own.
    moving: bool = True
    #: Whether hosts of one machine count as machines: for trying out a pair where there is one machine only.
    machine_is_host: bool = False
    #: A host that is silent for so long, on a machine that lives, is discarded and started again.
    grace: timedelta = timedelta(seconds=30)
    #: One that is silent for so long in spite of that is gone, and its nodes move.
    gone_after: timedelta = timedelta(seconds=120)
    #: Before the first decision of all the machines are to be the same for so long: those that come later are
    #: given nothing that has a place.
    settle: timedelta = timedelta(seconds=3)

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        :raises ValueError: a number is out of bounds, or the times are out of order.
        """
        if not 1 <= self.hosts_per_machine <= MAX_PACKED:
            message = f"a machine has 1 to {MAX_PACKED} hosts, not {self.hosts_per_machine}"
            raise ValueError(message)
        if self.settle < timedelta(0) or not timedelta(0) < self.grace < self.gone_after:
            message = "a host is started again before it is gone"
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class Decision:
    """What should be so."""

    #: The host of each node that has a place.
    hosts: Mapping[str, str] = field(default_factory=dict)
    #: Why each other node has none.
    unplaced: Mapping[str, str] = field(default_factory=dict)
    #: Every host that there should be, and its machine.
    wanted: Mapping[str, str] = field(default_factory=dict)


def machine_of(host: str) -> str:
    """Return the machine that a host is named after."""
    return host.rpartition("-")[0]


def host_name(machine: str, number: int, *, for_paths: bool = False) -> str:
    """Return the name of a host."""
    return f"{machine}-{_PATHS if for_paths else ''}{number}"


def is_path_host(host: str) -> bool:
    """Tell by its name whether a host is for paths alone."""
    return host.rpartition("-")[2].startswith(_PATHS)


def reconcile(
    units: Iterable[Unit],
    machines: Iterable[Machine],
    gone: Collection[str],
    former: Mapping[str, str],
    settings: Settings,
    closed: Collection[str] = (),
) -> Decision:
    """Decide.

    ``machines`` are those that live, ``gone`` the hosts that nodes should leave although their machine lives,
    ``former`` is where each node is. ``closed`` are hosts and machines that an operator has drained: nodes
    leave them and none comes; their processes stay.
    """
    living = {machine.name: machine for machine in sorted(machines, key=lambda each: each.name)}
    units = tuple(units)
    gone = {*gone, *(host for host in former.values() if is_closed(host, closed))}
    if not settings.moving:
        staying = {unit.name: former[unit.name] for unit in units if unit.name in former}
        settled = _decide([unit for unit in units if unit.name not in staying], living, (), staying, settings)
        kept = {host: machine_of(host) for host in staying.values() if machine_of(host) in living}
        return Decision({**settled.hosts, **staying}, settled.unplaced, {**settled.wanted, **kept})
    return _decide(units, living, gone, former, settings, closed)


def is_closed(host: str, closed: Collection[str]) -> bool:
    """Tell whether a host, or its machine, is drained."""
    return host in closed or machine_of(host) in closed


def _decide(
    units: Iterable[Unit],
    living: Mapping[str, Machine],
    gone: Collection[str],
    former: Mapping[str, str],
    settings: Settings,
    closed: Collection[str] = (),
) -> Decision:
    if settings.placement is Placement.PACKED:
        return _packed(units, living, gone, former, settings, closed)
    return _one_each(units, living, gone, former, settings, closed)


def _packed(
    units: Iterable[Unit],
    living: Mapping[str, Machine],
    gone: Collection[str],
    former: Mapping[str, str],
    settings: Settings,
    closed: Collection[str],
) -> Decision:
    numbers = range(settings.hosts_per_machine)
    wanted = {host_name(name, number): name for name in living for number in numbers}
    wanted = dict(list(wanted.items())[:MAX_HOSTS])
    sites = [
        Site(host, host if settings.machine_is_host else machine, living[machine].addresses)
        for host, machine in wanted.items()
        if host not in gone and not is_closed(host, closed)
    ]
    placed = place(units, sites, former)
    return Decision(placed.hosts, placed.unplaced, wanted)


def _one_each(
    units: Iterable[Unit],
    living: Mapping[str, Machine],
    gone: Collection[str],
    former: Mapping[str, str],
    settings: Settings,
    closed: Collection[str],
) -> Decision:
    """Place nodes and paths on machines, and give each a host there."""
    if settings.machine_is_host:
        # No two of them share a host anyway.
        units = [replace(unit, apart=None) for unit in units]
    keeping = _single(
        {node: host for node, host in former.items() if host not in gone and machine_of(host) in living}
    )
    sites = [Site(name, name, machine.addresses) for name, machine in living.items() if name not in closed]
    placed = place(units, sites, {node: machine_of(host) for node, host in keeping.items()})
    hosts = {
        node: keeping[node]
        for node, machine in placed.hosts.items()
        if node in keeping and machine_of(keeping[node]) == machine
    }
    unplaced = dict(placed.unplaced)
    taken = {*keeping.values(), *gone}
    free = {
        (name, for_paths): (
            each for each in map(_numbered(name, for_paths=for_paths), count()) if each not in taken
        )
        for name in living
        for for_paths in (False, True)
    }
    there = {name: sum(machine_of(host) == name for host in hosts.values()) for name in living}
    kept = dict(there)
    # Where there is not room for all of them, paths without a node are of no use.
    for node, machine in sorted(placed.hosts.items(), key=lambda each: (is_path(each[0]), each)):
        if node in hosts:
            continue
        why = _refused(living[machine], there[machine], kept[machine], settings)
        if not why and len(hosts) >= MAX_HOSTS:
            why = _TOO_MANY
        if why:
            unplaced[node] = why
            continue
        hosts[node] = next(free[machine, is_path(node)])
        there[machine] += 1
    return Decision(hosts, unplaced, {host: machine_of(host) for host in hosts.values()})


def _single(keeping: Mapping[str, str]) -> dict[str, str]:
    """Leave each host to one of those that share it, as they did where they were packed."""
    return dict({host: (unit, host) for unit, host in sorted(keeping.items(), reverse=True)}.values())


def _numbered(machine: str, *, for_paths: bool) -> Callable[[int], str]:
    return lambda number: host_name(machine, number, for_paths=for_paths)


def _refused(machine: Machine, there: int, kept: int, settings: Settings) -> str:
    """Return why a machine with so many hosts, of which some run already, bears no other one."""
    if settings.placement is not Placement.DEDICATED:
        return ""
    try:
        # What runs already has taken its memory.
        check_processes(there + 1, machine.cores, machine.free_bytes + kept * PROCESS_BYTES)
    except TooManyProcesses as refused:
        return f"machine {machine.name}: {refused}"
    return ""
