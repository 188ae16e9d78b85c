"""Which host an actor should be on. Pure: the same units on the same hosts are always placed alike.

What is placed is a *unit*, an actor with everything below it: a router node with its paths, say. One of
three ways is chosen by configuration:

- ``packed``: a few hosts, and the units spread over them by rendezvous hashing: a host that is lost moves
  what it had, and nothing else;
- ``node``: every unit has a host of its own;
- ``dedicated``: every unit has a host of its own, and units are smaller: a node without its paths, and a
  path. It is for work on chaos. A machine bears few (:func:`most_processes`), and more are refused before
  any is started.

Two units that are *apart*, as the two nodes of an HA router are, never share a host or a machine; a unit
with *addresses*, those of its UDP sockets, is on a machine that owns all of them or nowhere. Loopback
belongs to every machine. A unit that cannot be placed is told of, and the others are placed all the same.
Whoever has a place that is allowed keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from hashlib import blake2b
from ipaddress import ip_address
from typing import Final

from runtime.errors import RuntimeFault

#: What a host with one actor on it takes that no other process shares: 86 to 88 MiB were measured, with Ray.
PROCESS_BYTES: Final = 96 << 20
#: of one core, when nothing happens but reports and signs of life: 0.022 to 0.025 were measured.
PROCESS_CORES: Final = 0.025
#: The share of what is free that may be used. The rest is for whatever else the machine does.
USABLE: Final = 0.8
#: Addresses that a reason names. Of more it says how many there are.
_NAMED: Final = 3


class Placement(Enum):
    """How units are spread; the words are those of the configuration."""

    DEDICATED = "dedicated"
    NODE = "node"
    PACKED = "packed"


@dataclass(frozen=True, slots=True)
class Site:
    """A living host, and the machine that it runs on."""

    host: str
    machine: str
    #: What the machine owns, in canonical text form. It need not name loopback.
    addresses: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Unit:
    """What is placed as a whole."""

    name: str
    #: No two units with the same word here share a machine.
    apart: str | None = None
    #: It can only be on a machine that owns all of these.
    addresses: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where each unit goes, and why some go nowhere."""

    hosts: Mapping[str, str]
    unplaced: Mapping[str, str]


class TooManyProcesses(RuntimeFault):
    """The machine cannot bear a process for each node and each path."""

    def __init__(self, wanted: int, most: int, cores: int, free_bytes: int) -> None:
        """Remember how many were wanted, and what the machine has."""
        super().__init__(
            f"dedicated placement needs {wanted} processes, and {cores} cores with {free_bytes >> 20} MiB of"
            f" free memory bear {most}: choose node or packed"
        )
        self.wanted = wanted
        self.most = most


def place(
    units: Iterable[Unit], sites: Iterable[Site], former: Mapping[str, str] | None = None
) -> Assignment:
    """Assign units to hosts.

    ``former`` is where they are: whoever has a place that is still there and allowed keeps it.
    """
    living = {site.host: site for site in sites}
    ordered = sorted(units, key=lambda unit: unit.name)
    hosts: dict[str, str] = {}
    unplaced: dict[str, str] = {}
    taken: dict[str, set[str]] = {}
    moving = []
    for unit in ordered:
        site = living.get((former or {}).get(unit.name, ""))
        if site is not None and _allowed(unit, site, taken):
            _settle(unit, site, hosts, taken)
        else:
            moving.append(unit)
    for unit in moving:
        fit = [site for site in living.values() if _allowed(unit, site, taken)]
        if fit:
            _settle(unit, max(fit, key=lambda site: _score(unit.name, site.host)), hosts, taken)
        else:
            unplaced[unit.name] = _why(unit, living.values())
    return Assignment(hosts, unplaced)


def lacking(unit: Unit, site: Site) -> tuple[str, ...]:
    """Return the addresses that the unit needs and the machine does not own, sorted."""
    if unit.addresses <= site.addresses:
        return ()
    return tuple(sorted(each for each in unit.addresses - site.addresses if not is_loopback(each)))


def is_loopback(address: str) -> bool:
    """Tell whether an address belongs to every machine. What is no address belongs to none."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def most_processes(cores: int, free_bytes: int) -> int:
    """Return how many hosts a machine bears."""
    return max(0, min(int(USABLE * cores / PROCESS_CORES), int(USABLE * free_bytes) // PROCESS_BYTES))


def check_processes(wanted: int, cores: int, free_bytes: int) -> None:
    """Refuse what a machine does not bear.

    :raises TooManyProcesses: with one line that says what to do.
    """
    most = most_processes(cores, free_bytes)
    if wanted > most:
        raise TooManyProcesses(wanted, most, cores, free_bytes)


def _allowed(unit: Unit, site: Site, taken: Mapping[str, set[str]]) -> bool:
    if lacking(unit, site):
        return False
    return unit.apart is None or site.machine not in taken.get(unit.apart, ())


def _settle(unit: Unit, site: Site, hosts: dict[str, str], taken: dict[str, set[str]]) -> None:
    hosts[unit.name] = site.host
    if unit.apart is not None:
        taken.setdefault(unit.apart, set()).add(site.machine)


def _score(unit: str, host: str) -> tuple[bytes, str]:
    """Return the weight of a host for a unit: the greatest one has it."""
    return blake2b(f"{unit}\0{host}".encode(), digest_size=8).digest(), host


def _why(unit: Unit, sites: Iterable[Site]) -> str:
    lacks = [lacking(unit, site) for site in sites]
    if not lacks:
        return "there is no host"
    fewest = min(lacks, key=lambda each: (len(each), each))
    if fewest:
        return f"no machine with a host owns {_named(fewest)}"
    return f"every machine it could be on has another node of {unit.apart}"


def _named(addresses: tuple[str, ...]) -> str:
    """Name the first addresses, and say how many more there are."""
    more = len(addresses) - _NAMED
    return " and ".join(addresses[:_NAMED]) + (f" and {more} more" if more > 0 else "")
