"""Crashes as an operator sees them: audit events, and an alarm for as long as they go on.

A :class:`CrashWatch` is the observer of a system of actors. The journal gets at most one event of each type
for one actor and minute; a later one says for how many it stands. An alarm is there while an actor has
failed, and while it has crashed :data:`LOOP_CRASHES` times within :data:`LOOP_WINDOW`; it is gone when the
actor is.

It is no actor: it has to see the crashes of all of them, the top one's included. :meth:`CrashWatch.close` it
once the system has stopped and before the journal is closed; it tells what it still owes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

from actors.names import belongs_to
from peerkey.observe.alarms import actor_crashing, actor_failed
from peerkey.observe.events import ActorCrashed, ActorFailed
from peerkey.observe.own_alarms import store_failing
from runtime.errors import StoreUnavailable
from runtime.events import Crashed, Ended, Failed, Overdue, Restarted

if TYPE_CHECKING:
    from actors.journal import Journal
    from peerkey.observe.alarms import Alarm
    from runtime.clock import Clock
    from runtime.events import RuntimeEvent

#: How often the journal is told of one actor. A loop of crashes says the same each time, and fills a disk.
TOLD_EVERY: Final = timedelta(minutes=1)

#: So many crashes within this time are a loop: one is an accident, and a second one may follow from it.
LOOP_CRASHES: Final = 3
#: As long as supervision remembers a crash, unless it is told otherwise.
LOOP_WINDOW: Final = timedelta(minutes=5)

#: Actors whose crashes are remembered: more than one process has. Beyond it the quietest are forgotten.
MAX_REMEMBERED: Final = 10_000

_Told: TypeAlias = type[ActorCrashed] | type[ActorFailed]


@dataclass(slots=True)
class _Owed:
    """What the journal has not been told of one actor."""

    next_at: timedelta
    times: int = 0


@dataclass(slots=True)
class _Record:
    """What is known of the crashes of one actor."""

    kind: str = ""
    error: str = ""
    crashes: int = 0
    #: When the latest was.
    at: timedelta = timedelta(0)
    failed: bool = False
    recent: deque[timedelta] = field(default_factory=lambda: deque(maxlen=LOOP_CRASHES))
    owed: dict[_Told, _Owed] = field(default_factory=dict)

    def looping(self, now: timedelta) -> bool:
        return len(self.recent) == LOOP_CRASHES and now - self.recent[0] < LOOP_WINDOW


@dataclass(frozen=True, slots=True)
class ActorAlarms:
    """What is wrong with the actors of one node, or with the one at the top."""

    node: str
    alarms: tuple[Alarm, ...]


class CrashWatch:
    """Turns deaths of actors into audit events and alarms."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        """Tell ``journal``, by ``clock``."""
        self._journal = journal
        self._clock = clock
        self._records: dict[str, _Record] = {}
        self._due: asyncio.TimerHandle | None = None
        self._closed = False

    def observe(self, event: RuntimeEvent) -> None:
        """Take note of an event of the system. To be called on its event loop."""
        match event:
            case Crashed():
                self._crashed(event, ActorCrashed)
            case Failed():
                self._crashed(event, ActorFailed).failed = True
            case Ended(name):
                record = self._records.get(name)
                if record is not None:
                    record.failed = False
                    record.recent.clear()
            case Restarted() | Overdue():
                pass  # Neither is a death: the one is the end of it, the other is one that was asked for.
            case unreachable:
                assert_never(unreachable)

    def alarms(self) -> tuple[ActorAlarms, ...]:
        """Return what is wrong now, by node."""
        now = self._clock.monotonic()
        found: dict[str, list[Alarm]] = {}
        for name, record in self._records.items():
            node = belongs_to(name)
            if record.failed:
                found.setdefault(node, []).append(actor_failed(node, name, record.error))
            elif record.looping(now) and record.error == StoreUnavailable.__name__:
                # Every write that fails ends its actor: what is wrong is not the actor.
                found.setdefault(node, []).append(
                    store_failing(node, "actors crash again and again without it")
                )
            elif record.looping(now):
                found.setdefault(node, []).append(actor_crashing(node, name, record.error))
        return tuple(ActorAlarms(node, tuple(alarms)) for node, alarms in sorted(found.items()))

    def close(self) -> None:
        """Tell what is owed, and nothing more."""
        self._closed = True
        if self._due is not None:
            self._due.cancel()
            self._due = None
        for name, record in self._records.items():
            for told, owed in record.owed.items():
                self._tell(name, record, told, owed)

    def _crashed(self, event: Crashed | Failed, told: _Told) -> _Record:
        now = self._clock.monotonic()
        record = self._records.pop(event.name, None) or _Record()
        if len(self._records) >= MAX_REMEMBERED:
            self._forget(now)
        self._records[event.name] = record  # The latest stands last.
        record.kind, record.error, record.crashes, record.at = event.kind, event.error, event.crashes, now
        record.recent.append(now)
        owed = record.owed.setdefault(told, _Owed(next_at=now))
        owed.times += 1
        if now >= owed.next_at:
            self._tell(event.name, record, told, owed)
            owed.next_at = now + TOLD_EVERY
        elif self._due is None and not self._closed:
            # What waits for one of these is told a little late, and together.
            self._due = asyncio.get_running_loop().call_later(TOLD_EVERY.total_seconds(), self._tell_due)
        return record

    def _tell_due(self) -> None:
        """Tell what has waited for its minute to pass."""
        self._due = None
        now = self._clock.monotonic()
        waiting = False
        for name, record in self._records.items():
            for told, owed in record.owed.items():
                if owed.times and now >= owed.next_at:
                    self._tell(name, record, told, owed)
                    owed.next_at = now + TOLD_EVERY
                waiting = waiting or bool(owed.times)
        if waiting:
            self._due = asyncio.get_running_loop().call_later(TOLD_EVERY.total_seconds(), self._tell_due)

    def _tell(self, name: str, record: _Record, told: _Told, owed: _Owed) -> None:
        if owed.times:
            event = told(name, record.kind, record.error, owed.times, record.crashes)
            owed.times = 0
            self._journal.record(self._clock.wall(), belongs_to(name), event)

    def _forget(self, now: timedelta) -> None:
        """Make room: forget those that have been quiet for long, or the one that has been for longest."""
        quiet = [
            name
            for name, record in self._records.items()
            if not record.failed and now - record.at >= max(LOOP_WINDOW, TOLD_EVERY)
        ]
        for name in quiet or [next(iter(self._records))]:
            record = self._records.pop(name)
            for told, owed in record.owed.items():
                self._tell(name, record, told, owed)
