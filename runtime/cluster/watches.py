"""Watches between hosts: those that actors of this host keep, and those that are kept over them.

A watch is known by a number that this process never uses again. It ends with the news, with the watcher, or
when the hosts part: then nobody can say any more whether the actor has ended, and the watcher is told
:attr:`~runtime.actor.Ending.UNKNOWN`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from typing import TYPE_CHECKING, Final

from runtime.actor import Ending
from runtime.cluster.frames import EndedElsewhere, Unwatched, Watched
from runtime.cluster.questions import Owe
from runtime.parcels import Watch

if TYPE_CHECKING:
    from runtime.cell import Cell
    from runtime.system import ActorSystem

#: Watches that the actors of one host keep over those of another.
MAX_KEPT: Final = 100_000


class Watches:
    """See the module."""

    def __init__(self, system: ActorSystem, owe: Owe) -> None:
        """Let other hosts watch over the actors of ``system``; send the news by ``owe``."""
        self._system = system
        self._owe = owe
        self._number = 0
        self._ours: defaultdict[str, dict[int, Watch]] = defaultdict(dict)
        self._numbers: dict[tuple[Hashable, str], tuple[str, int]] = {}
        self._theirs: defaultdict[str, dict[int, _Distant]] = defaultdict(dict)

    # --- kept by actors of this host ------------------------------------------------------------

    def is_kept(self, watcher: Hashable, name: str) -> bool:
        """Return whether ``watcher`` watches over that actor."""
        return (watcher, name) in self._numbers

    def keep(self, host: str, local: str, watch: Watch) -> None:
        """Watch over the actor ``local`` of another host."""
        if len(self._ours[host]) >= MAX_KEPT:
            watch.tell(Ending.UNKNOWN)
            return
        self._number += 1
        self._ours[host][self._number] = watch
        self._numbers[watch.owner, watch.name] = (host, self._number)
        self._owe(host, Watched(self._number, local))

    def give_up(self, watch: Watch) -> None:
        """Forget a watch whose owner has ended."""
        host, number = self._numbers.pop((watch.owner, watch.name), ("", 0))
        if self._ours[host].pop(number, None) is not None:
            self._owe(host, Unwatched(number))

    def ended(self, host: str, item: EndedElsewhere) -> None:
        """Pass the news on."""
        watch = self._ours[host].pop(item.number, None)
        if watch is not None:
            del self._numbers[watch.owner, watch.name]
            watch.tell(item.ending)

    # --- kept over actors of this host ----------------------------------------------------------

    def watched(self, host: str, item: Watched) -> None:
        """Let another host watch."""
        cell = self._system.find(item.name)
        if cell is None or len(self._theirs[host]) >= MAX_KEPT:
            self._owe(host, EndedElsewhere(item.number, Ending.UNKNOWN))
            return
        distant = self._theirs[host][item.number] = _Distant(self, host, item.number, cell)
        cell.watched_by(distant)

    def unwatched(self, host: str, item: Unwatched) -> None:
        """Forget a watch of another host. It may have ended meanwhile."""
        distant = self._theirs[host].pop(item.number, None)
        if distant is not None:
            distant.cell.unwatched_by(distant.owner)

    def tell(self, distant: _Distant, ending: Ending) -> None:
        """Send the news to the host that watches."""
        if self._theirs[distant.host].pop(distant.number, None) is distant:
            self._owe(distant.host, EndedElsewhere(distant.number, ending))

    # --- both -----------------------------------------------------------------------------------

    def parted(self, host: str) -> None:
        """End every watch between the two hosts."""
        for watch in self._ours.pop(host, {}).values():
            del self._numbers[watch.owner, watch.name]
            watch.tell(Ending.UNKNOWN)
        for distant in self._theirs.pop(host, {}).values():
            distant.cell.unwatched_by(distant.owner)


class _Distant:
    """A watch of another host over one actor of this one."""

    __slots__ = ("_watches", "cell", "host", "number")

    def __init__(self, watches: Watches, host: str, number: int, cell: Cell) -> None:
        self._watches = watches
        self.host = host
        self.number = number
        self.cell = cell

    @property
    def owner(self) -> Hashable:
        """Who watches."""
        return (self.host, self.number)

    def tell(self, ending: Ending) -> None:
        """Pass the news on."""
        self._watches.tell(self, ending)
