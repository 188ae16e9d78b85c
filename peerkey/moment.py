"""Time, as the argument that every machine takes.

Two clocks answer two different questions. *How long* something takes is asked of the monotonic
clock, which no operator and no time server can step. *Which day it is* is asked of the wall clock,
because certificates speak of days. A :class:`Moment` carries one reading of each, taken together.

    "Running deadlines are monotonic; no wall clock decides activation or erasure."
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeAlias

#: A reading of the monotonic clock: the time since an origin that is fixed for one process.
Instant: TypeAlias = timedelta


class Moment(NamedTuple):
    """One reading of both clocks."""

    #: Monotonic; compare it only with other instants of the same process.
    instant: Instant
    #: Aware, in UTC.
    wall: datetime

    def after(self, delay: timedelta) -> Moment:
        """Return the moment ``delay`` later on both clocks."""
        return Moment(self.instant + delay, self.wall + delay)


#: Where fakes and restored records begin.
EPOCH_START = Moment(timedelta(0), datetime(1970, 1, 1, tzinfo=UTC))
