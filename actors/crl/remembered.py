"""What a process remembers of the lists of one address, whatever becomes of the actor that has them.

A list that the disk has refused counts like any other, and its server may not give it again: its bytes stay
here, are tried again every minute, and outlive the actor. They end with the process. As many addresses are
remembered as are followed; the bytes are bounded as all lists together are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from actors.crl.series import Series, series_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.crl.ingesting import GoodList
    from actors.crl.source_steps import Good


@dataclass(slots=True)
class Remembered:
    """One address."""

    #: The lists that count.
    lists: tuple[GoodList, ...] = field(default=(), repr=False)
    #: Of these, what is not on the disk.
    unkept: dict[Series, Good] = field(default_factory=dict, repr=False)
    #: Why not, or why the disk could not be read; empty where everything that counts is there.
    error: str = ""
    #: How many writings were begun. One of an actor that has died may still be under way, and must not come
    #: after the next: who writes holds the lock, and only the latest writes.
    writings: int = 0
    lock: Lock = field(default_factory=Lock, repr=False)

    def counting(self, lists: Iterable[GoodList]) -> None:
        """Remember the lists that count now, and of no other what is not kept."""
        self.lists = tuple(lists)
        digests = {good.facts.digest for good in self.lists}
        for series, each in tuple(self.unkept.items()):
            if each.good.facts.digest not in digests:
                del self.unkept[series]

    def refused(self, good: Good | None, why: str) -> None:
        """Take note of what the disk has refused."""
        self.error = why
        if good is not None:
            self.unkept[series_of(good.good)] = good

    def kept(self) -> None:
        """Take note that everything that counts is on the disk."""
        self.error = ""
        self.unkept.clear()
