"""The links of a simulated network: which are cut, what weather they have, and what was sent on them last.

A *link* is what leads from one host address to another, in that direction only; the way back is another
link. It is closed while it is cut, and while it crosses a :class:`Partition`; these stand beside each
other, and each is ended by itself. Hosts need not exist, and may be given in any form of their address.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from runtime.wire.flights import Datagram
from runtime.wire.port import Address, normalized
from runtime.wire.weather import Weather

#: Datagrams remembered for each link: several whole frames in their segments.
REMEMBERED: Final = 32

#: Any port does to bring a host address into its normal form.
_SOME_PORT: Final = 1


@dataclass(frozen=True, slots=True)
class Partition:
    """Two sets of host addresses between which nothing passes, in either direction."""

    ones: frozenset[str]
    others: frozenset[str]

    def severs(self, source: str, destination: str) -> bool:
        """Tell whether a link crosses it."""
        return (source in self.ones and destination in self.others) or (
            source in self.others and destination in self.ones
        )


@dataclass(slots=True)
class Link:
    """The way from one host address to another."""

    #: What was sent on it last, the oldest first.
    seen: deque[Datagram]
    #: Its own weather; ``None`` if it has the network's.
    weather: Weather | None = None
    cut: bool = False
    #: How many partitions it crosses.
    partitions: int = 0


class Links:
    """All links of a network. They come into being when they are first spoken of."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        """Remember so many datagrams of each link."""
        self._remembered = remembered
        self._links: dict[tuple[str, str], Link] = {}
        self._partitions: list[Partition] = []

    def set_weather(self, source: str, destination: str, weather: Weather | None) -> None:
        """Give one link a weather of its own; ``None`` gives it the network's again."""
        self.between(host(source), host(destination)).weather = weather

    def cut(self, source: str, destination: str) -> None:
        """Let nothing through from one host to another."""
        self.between(host(source), host(destination)).cut = True

    def mend(self, source: str, destination: str) -> None:
        """Undo :meth:`cut`."""
        self.between(host(source), host(destination)).cut = False

    def partition(self, ones: Iterable[str], others: Iterable[str]) -> Partition:
        """Let nothing through between two sets of hosts, until :meth:`heal`."""
        partition = Partition(frozenset(map(host, ones)), frozenset(map(host, others)))
        self._partitions.append(partition)
        for ends, link in self._links.items():
            link.partitions += partition.severs(*ends)
        return partition

    def heal(self, partition: Partition) -> None:
        """End a partition; one that has ended already is left alone."""
        if partition in self._partitions:
            self._partitions.remove(partition)
            for ends, link in self._links.items():
                link.partitions -= partition.severs(*ends)

    def clear(self) -> None:
        """End every cut and every partition, and give every link the network's weather."""
        self._partitions.clear()
        for link in self._links.values():
            link.weather, link.cut, link.partitions = None, False, 0

    def used(self) -> tuple[tuple[str, str], ...]:
        """Return source and destination host of each link on which something was sent, the oldest first."""
        return tuple(ends for ends, link in self._links.items() if link.seen)

    def seen(self, source: str, destination: str) -> tuple[Datagram, ...]:
        """Return what was sent on a link last, the oldest first: as it was sent, arrived or not."""
        link = self._links.get((host(source), host(destination)))
        return tuple(link.seen) if link is not None else ()

    def between(self, source: str, destination: str) -> Link:
        """Return the link between two hosts whose addresses are in their normal form."""
        ends = (source, destination)
        link = self._links.get(ends)
        if link is None:
            link = self._links[ends] = Link(deque(maxlen=self._remembered))
            link.partitions = sum(partition.severs(*ends) for partition in self._partitions)
        return link


def host(text: str) -> str:
    """Return the normal form of a host address.

    :raises WireUnavailable: it is none.
    """
    return normalized(Address(text, _SOME_PORT)).host
