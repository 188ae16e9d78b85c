"""What was told of each certificate of a peer, so that an outcome is one event however often it comes.

A peer that is refused announces the same certificate by every path and at every retransmit interval, and
what is in force is judged every hour. What an operator wants to know is that it is so, once, and when it is
so no more.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, final

#: Certificates that are remembered for one peer: the one in force, and a few that are announced against it.
_REMEMBERED: Final = 16


@final
class Outcomes:
    """The last outcome that was told of each certificate, by its fingerprint."""

    __slots__ = ("_told",)

    def __init__(self) -> None:
        """Have told nothing."""
        self._told: OrderedDict[bytes, str] = OrderedDict()

    def news(self, fingerprint: bytes, outcome: str) -> bool:
        """Take note of an outcome; tell whether it is another than was told of this certificate last."""
        news = self._told.pop(fingerprint, None) != outcome
        self._told[fingerprint] = outcome
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        return news

    def forget(self, fingerprint: bytes) -> None:
        """Tell the next outcome of this certificate in any case."""
        self._told.pop(fingerprint, None)
