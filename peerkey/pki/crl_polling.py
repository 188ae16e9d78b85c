"""When a revocation list is fetched again: one list, one address, whoever wants it.

The machine is pure and level-triggered. ``now`` arrives as an argument, chance as a number, and
:meth:`Polling.wait` says how long nothing is due; whoever drives it looks again at the latest then, and may
look at any other time. What it decides:

- A list is asked for again after the **polling interval**, a little earlier where chance says so, so that a
  fleet does not come as one.
- It is asked for as soon as it says that a newer one is there (``nextUpdate``), where that is earlier.
- While no current list is to be had, it is asked for after the **backoff interval**, then after twice that,
  and so on up to the polling interval: "delay in seconds to apply to the polling-interval". When the wall
  clock was stepped it is asked for at once: a list of the future is one of the present on another date.
- An operator's order is due at once, and asks for the list itself, whatever was fetched before. An order that
  comes while a fetch is under way begins another: the one under way may have been answered before.

Several may want the same list at intervals of their own; the shortest counts (:meth:`Intervals.shortest`).
Fetching and judging the list are not decided here: :meth:`Polling.begin` says what to ask for, and one of
:meth:`Polling.fetched`, :meth:`Polling.unchanged` and :meth:`Polling.failed` ends what it began.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, final

from peerkey.moment import Moment

#: A backoff interval of 0 s is allowed, and asks for a list as often as this.
LEAST_BACKOFF: Final = timedelta(seconds=1)
#: By which part of its interval a poll may come too early, by chance.
POLL_JITTER: Final = 0.1
#: By which part of its delay a repetition may come too early. The failure was perhaps everybody's.
RETRY_JITTER: Final = 0.25
#: How long after ``nextUpdate`` the next list is asked for, at most: as long as a stale one is put up with.
UPDATE_SPREAD: Final = timedelta(minutes=1)
#: By how much the two clocks may come apart between two attempts: a clock that is corrected is not stepped.
CLOCK_TOLERANCE: Final = timedelta(minutes=1)
#: Doublings that are worth computing: 2**20 s is longer than the longest polling interval.
_MAX_DOUBLINGS: Final = 20


class PollState(Enum):
    """What is being done about a list."""

    #: A current list is there; the next poll is some time away.
    WAITING = "waiting"
    FETCHING = "fetching"
    #: The last fetch brought no current list; the next attempt follows the backoff interval.
    RETRYING = "retrying"


class PollStep(Enum):
    """What moves a list from one state to another."""

    BEGIN = "begin"
    CURRENT = "current"  # a current list is there: a new one, or the one before, which is still right
    BARREN = "barren"  # no list was to be had, or none that is current


#: The machine. Whatever else is asked for is a bug of the one who asks.
POLL_EDGES: Final = {
    (PollState.WAITING, PollStep.BEGIN): PollState.FETCHING,
    (PollState.RETRYING, PollStep.BEGIN): PollState.FETCHING,
    (PollState.FETCHING, PollStep.CURRENT): PollState.WAITING,
    (PollState.FETCHING, PollStep.BARREN): PollState.RETRYING,
}


@dataclass(frozen=True, slots=True)
class Intervals:
    """How often one subscriber wants a list: ``polling-interval`` and ``backoff-interval``."""

    polling: timedelta
    backoff: timedelta

    @classmethod
    def shortest(cls, wanted: Iterable[Intervals]) -> Intervals:
        """Return what suits every subscriber: the shortest of both. Without any, the defaults."""
        each = tuple(wanted) or (DEFAULT_INTERVALS,)
        return cls(min(one.polling for one in each), min(one.backoff for one in each))


#: "default: 24" hours (Configuration), and the 60 s that the published documents give for the seed's "?".
DEFAULT_INTERVALS: Final = Intervals(timedelta(hours=24), timedelta(seconds=60))


@dataclass(frozen=True, slots=True)
class Validators:
    """What a server said by which a later request can ask for changes alone (RFC 9110 section 8.8)."""

    etag: str = ""
    last_modified: str = ""

    def __bool__(self) -> bool:
        """Tell whether there is one."""
        return bool(self.etag or self.last_modified)


NO_VALIDATORS: Final = Validators()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to ask for now."""

    #: Whether an operator ordered it.
    forced: bool
    #: Those of the list that is in use; none where the list itself is wanted.
    validators: Validators


@final
class Polling:
    """The polling of one list."""

    def __init__(self, intervals: Intervals) -> None:
        """Poll at these intervals, for the first time at once."""
        self.intervals = intervals
        self._state = PollState.WAITING
        #: When the last attempt ended; ``None`` before the first.
        self._ended: Moment | None = None
        self._luck = 0.0
        self._validators = NO_VALIDATORS
        self._next_update: datetime | None = None
        self._barren = 0
        self._ordered = False

    @property
    def state(self) -> PollState:
        """What is being done."""
        return self._state

    @property
    def barren(self) -> int:
        """How many fetches in a row have brought no current list."""
        return self._barren

    def holds(self, validators: Validators, next_update: datetime | None) -> None:
        """Take note of the list that is in use: one that was kept from before, or the one just fetched."""
        self._validators = validators
        self._next_update = next_update

    def force(self) -> None:
        """Have the list itself fetched at once."""
        self._ordered = True

    def hasten(self) -> None:
        """Have the list fetched at once, without an order: what it is judged by has changed."""
        self._ended = None

    def wait(self, now: Moment) -> timedelta | None:
        """Return how long nothing is due, zero where something is; ``None`` while a fetch is under way."""
        if self._state is PollState.FETCHING:
            return None
        if self._ordered or self._ended is None:
            return timedelta(0)
        since = now.instant - self._ended.instant
        if self._state is PollState.RETRYING:
            stepped = abs(now.wall - self._ended.wall - since) > CLOCK_TOLERANCE
            return timedelta(0) if stepped else max(timedelta(0), self._backoff() - since)
        left = self.intervals.polling * (1 - POLL_JITTER * self._luck) - since
        if self._next_update is not None:
            left = min(left, self._next_update + UPDATE_SPREAD * self._luck - now.wall)
        return max(timedelta(0), left)

    def begin(self, now: Moment) -> Wanted | None:
        """Return what to ask for, if something is due."""
        if self.wait(now) != timedelta(0):
            return None
        self._step(PollStep.BEGIN)
        forced, self._ordered = self._ordered, False
        return Wanted(forced, NO_VALIDATORS if forced else self._validators)

    def fetched(
        self, validators: Validators, next_update: datetime | None, now: Moment, *, luck: float
    ) -> None:
        """Take note that a good list came, which is in use from now on. ``luck`` lies between 0 and 1."""
        self.holds(validators, next_update)
        self._end(now, luck, current=next_update is None or now.wall < next_update)

    def unchanged(self, now: Moment, *, luck: float) -> None:
        """Take note that the list in use is still the newest."""
        self._end(now, luck, current=self._next_update is None or now.wall < self._next_update)

    def failed(self, now: Moment, *, luck: float) -> None:
        """Take note that no list could be fetched, or none that can be used. The one in use stays."""
        self._end(now, luck, current=False)

    def _end(self, now: Moment, luck: float, *, current: bool) -> None:
        self._step(PollStep.CURRENT if current else PollStep.BARREN)
        self._barren = 0 if current else self._barren + 1
        self._ended, self._luck = now, luck

    def _backoff(self) -> timedelta:
        """Return the delay after so many barren fetches."""
        first = max(self.intervals.backoff, LEAST_BACKOFF)
        # Of a long interval not even the doublings could be told: it is bounded before it is doubled.
        delay = min(first, self.intervals.polling) * (1 << min(self._barren - 1, _MAX_DOUBLINGS))
        return min(delay, self.intervals.polling) * (1 - RETRY_JITTER * self._luck)

    def _step(self, step: PollStep) -> None:
        """Go along an edge.

        Raises:
            KeyError: there is none; this is a bug.

        """
        self._state = POLL_EDGES[self._state, step]
