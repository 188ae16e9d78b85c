"""How often somebody may ask: a bucket for each, and a bound on the number of buckets."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

#: Sources that are remembered. One that is forgotten begins anew; a botnet that fills the table pays for it
#: with as many addresses as it has requests.
MAXIMUM_KEYS: Final = 1_024


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, then one for each interval."""

    burst: int
    interval: timedelta


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: timedelta


class Rates:
    """One bucket for each key, all of the same :class:`Rate`."""

    def __init__(self, rate: Rate) -> None:
        """Start full."""
        self._rate = rate
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, key: str, now: timedelta) -> timedelta | None:
        """Take one; where there is none, return after what time there is. ``now`` is monotonic."""
        bucket = self._buckets.pop(key, None) or _Bucket(float(self._rate.burst), now)
        self._buckets[key] = bucket
        if len(self._buckets) > MAXIMUM_KEYS:
            self._buckets.popitem(last=False)
        filled = bucket.tokens + (now - bucket.at) / self._rate.interval
        bucket.tokens, bucket.at = min(float(self._rate.burst), filled), now
        if bucket.tokens < 1:
            return (1 - bucket.tokens) * self._rate.interval
        bucket.tokens -= 1
        return None


def retry_after(wait: timedelta) -> str:
    """Return what the header ``Retry-After`` says: whole seconds, at least one."""
    return str(max(1, math.ceil(wait.total_seconds())))
