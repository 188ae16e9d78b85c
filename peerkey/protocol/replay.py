"""Seen before? A sliding window over the numbers of a peer's probes.

A probe's nonce is its sender's epoch and a counter. A copy shows by its counter, whichever path brings
it: a probe of one path that is delivered on another as well must not make that one look alive. Paths
differ in latency, so a number may arrive late; how late is the width of the window (as in RFC 4303,
appendix A2).
"""

from __future__ import annotations

from typing import Final, final

WINDOW: Final = 64
_MASK: Final = (1 << WINDOW) - 1


@final
class ReplayWindow:
    """The latest ``WINDOW`` numbers of one sender, under its latest key and in its latest life."""

    __slots__ = ("_highest", "_life", "_seen")

    def __init__(self) -> None:
        """Have seen nothing."""
        self._life = (0, b"")
        self._highest = 0
        self._seen = 0

    def take(self, life: tuple[int, bytes], number: int) -> bool:
        """Note a number; return whether it is new.

        ``life`` is the key's index and the sender's epoch. A peer that lost its store counts its epochs from
        the beginning again, but never under a key of before.
        """
        if life < self._life:
            return False
        if life > self._life:
            self._life, self._highest, self._seen = life, number, 1
            return True
        ahead = number - self._highest
        if ahead > 0:
            self._seen = ((self._seen << ahead) | 1) & _MASK if ahead < WINDOW else 1
            self._highest = number
            return True
        if -ahead >= WINDOW or self._seen >> -ahead & 1:
            return False
        self._seen |= 1 << -ahead
        return True
