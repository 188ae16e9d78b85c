"""Token buckets: how often a peer may make us work.

    "Separate buckets per peering for requests with the right echo (served first), wrong echo,
    certificates known by fingerprint, and unknown certificates" (protocol.md, D)

so that a spoofer who fills one of them does not starve the real peer, whose frames fall into
another.
"""

from __future__ import annotations

from datetime import timedelta
from typing import final

from peerkey.moment import Instant


@final
class Bucket:
    """A token bucket: ``burst`` at once, then one for each ``interval``."""

    __slots__ = ("_at", "_burst", "_interval", "_tokens")

    def __init__(self, burst: int, interval: timedelta) -> None:
        """Start full."""
        self._burst = burst
        self._interval = interval
        self._tokens = float(burst)
        self._at: Instant | None = None

    def take(self, now: Instant) -> bool:
        """Take one token if there is one."""
        self._tokens = self._filled(now)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def holds(self, now: Instant) -> bool:
        """Tell whether :meth:`take` would get one."""
        return self._filled(now) >= 1

    def _filled(self, now: Instant) -> float:
        if self._at is None:
            return self._tokens
        return min(self._burst, self._tokens + (now - self._at) / self._interval)
