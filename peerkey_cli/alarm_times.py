"""Since when each alarm is there, what is shelved, and the audit events that tell of both.

The admin API looks at each request and every few seconds, and gives each look to :meth:`AlarmTimes.seen`.
What is remembered (:mod:`peerkey.observe.alarm_history`) is kept in a file and taken up after a restart: what
was wrong before is not raised again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

from actors.names import AUTHORITY
from peerkey.errors import Unavailable
from peerkey.observe.alarm_history import AlarmHistory, Cleared, Raised, Standing
from peerkey.observe.events import AlarmCleared, AlarmRaised, AlarmUnshelved
from peerkey.observe.shelving import Shelf, Shelved, Shelving
from peerkey_cli.noticed import together

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from peerkey.observe.alarms import Alarm
    from peerkey.observe.condensing import Cause, Noticing
    from peerkey_cli.alarm_file import AlarmFile

#: How often somebody looks without being asked: as exact as the time of an alarm is.
LOOK_EVERY: Final = timedelta(seconds=5)

#: Takes the event of a node.
Tell: TypeAlias = "Callable[[str, AlarmRaised | AlarmCleared | AlarmUnshelved], None]"


class AlarmTimes:
    """Remembers the alarms that are there, those that have gone of late, and what is shelved."""

    def __init__(
        self, shelf: Shelf | None = None, file: AlarmFile | None = None, now: datetime | None = None
    ) -> None:
        """Begin without any alarm, or with what ``file`` says, as of ``now``."""
        self.shelf = shelf if shelf is not None else Shelf()
        self._file = file
        self._history = AlarmHistory()
        if file is not None and now is not None:
            self._history, kept = file.read(now)
            self.shelf.merge(kept.every(), now)
        self._together: frozenset[Cause] = frozenset()
        self._kept: object = self._state()
        self._turn = asyncio.Lock()
        #: Why it could not be written when that was tried last; empty where it could.
        self.fault = ""

    @property
    def standing(self) -> tuple[Standing, ...]:
        """The alarms that are there, shelved or not, the latest last."""
        return self._history.standing

    @property
    def cleared(self) -> tuple[Cleared, ...]:
        """The alarms that have gone, the latest last."""
        return self._history.cleared

    def shelving(self, standing: Standing, now: datetime) -> Shelving | None:
        """Return the shelving that an alarm is under."""
        return self.shelf.covering(standing.id, standing.alarm.kind, standing.node, now)

    def seen(
        self, noticing: Iterable[Noticing], now: datetime, tell: Tell | None = None
    ) -> tuple[Standing, ...]:
        """Take note of what is wrong ``now``; return the alarms that are there, one for each cause.

        ``tell`` is told of those that are new, of those that are there no more, and of shelvings that ended.
        """
        noticed, self._together = together(noticing, self._together)
        changes = self._history.seen(noticed, now)
        ended = self.shelf.ended(now)
        if tell is not None:
            for change in changes:
                tell(change.standing.node, _told(change))
            for each in ended:
                node = each.node or each.alarm.rpartition(":")[0] or AUTHORITY
                tell(node, AlarmUnshelved(each.alarm, each.kind, each.node, ""))
        return self._history.standing

    async def keep(self) -> None:
        """Bring what has changed to the disk.

        :raises Unavailable: it cannot be written, and is tried again with the next call.
        """
        if self._file is None:
            return
        async with self._turn:
            state = self._state()
            if state == self._kept:
                return
            written = self._history.document(), self.shelf.document()
            try:
                await asyncio.to_thread(self._file.write, *written)
            except OSError as fault:
                self.fault = f"{self._file.path}: cannot be written: {fault.strerror}"
                raise Unavailable(self.fault) from fault
            self._kept, self.fault = state, ""

    async def shelve(self, shelving: Shelving) -> None:
        """Shelve something; it is on the disk when this returns.

        :raises ShelfFull: there are too many.
        :raises Unavailable: it cannot be written, and nothing is shelved.
        """
        former = self.shelf.every()
        self.shelf.put(shelving)
        await self._keep_or_restore(former)

    async def unshelve(self, what: Shelved, now: datetime, by: str) -> bool:
        """Take a shelving back; return whether there was one in force.

        :raises Unavailable: it cannot be written, and nothing has changed.
        """
        former = self.shelf.every()
        if self.shelf.lift(what, now, by) is None:
            return False
        await self._keep_or_restore(former)
        return True

    async def _keep_or_restore(self, former: tuple[Shelving, ...]) -> None:
        try:
            await self.keep()
        except Unavailable:
            self.shelf.restore(former)
            raise

    def _state(self) -> object:
        """Return what is worth writing down: texts that change are not, each time."""
        document = self._history.document()
        standing = [{**each, "message": ""} for each in document["standing"]]
        return standing, document["cleared"], self.shelf.document()


def _told(change: Raised | Cleared) -> AlarmRaised | AlarmCleared:
    standing = change.standing
    said = _said(standing.id, standing.alarm)
    if isinstance(change, Raised):
        return AlarmRaised(*said)
    return AlarmCleared(*said, lasted_seconds=change.lasted.total_seconds(), times=standing.times())


def _said(name: str, alarm: Alarm) -> tuple[str, str, str, str, str]:
    return name, alarm.severity.value, alarm.source, alarm.category.value, alarm.message
