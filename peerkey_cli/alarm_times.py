"""Since when each alarm is there, and the audit events that tell when it was raised and cleared.

Alarms are computed from what is so (:mod:`peerkey.observe.alarms`) and so have no time of their own. Whoever
looks regularly can say when it first saw each, and when it saw it no more. The admin API looks at each
request and every few seconds. After a restart everything that is wrong is raised again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

from peerkey.observe.events import AlarmCleared, AlarmRaised
from peerkey_cli.documents import alarm_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from peerkey.observe.alarms import Alarm
    from peerkey_cli.documents import Noticing

#: How often somebody looks without being asked: as exact as the time of an alarm is.
LOOK_EVERY: Final = timedelta(seconds=5)

#: Takes the event of a node.
Tell: TypeAlias = "Callable[[str, AlarmRaised | AlarmCleared], None]"


@dataclass(frozen=True, slots=True)
class _Known:
    """An alarm that is there, as it was when it was seen first."""

    since: datetime
    node: str
    alarm: Alarm


class AlarmTimes:
    """Remembers the alarms that are there, no others."""

    def __init__(self) -> None:
        """Begin without any alarm."""
        self._known: dict[str, _Known] = {}

    def seen(
        self, noticing: Iterable[Noticing], now: datetime, tell: Tell | None = None
    ) -> Mapping[str, datetime]:
        """Take note of the alarms of ``now``; return when each of them was first seen, by its id.

        ``tell`` is told of those that are new, and of those that are there no more.
        """
        former = self._known
        self._known = {
            name: former.get(name, _Known(now, node.node, alarm))
            for node in noticing
            for alarm in node.alarms
            for name in (alarm_id(node.node, alarm),)
        }
        if tell is not None:
            for name, each in former.items():
                if name not in self._known:
                    lasted = (now - each.since).total_seconds()
                    tell(each.node, AlarmCleared(*_told(name, each.alarm), lasted_seconds=lasted))
            for name, each in self._known.items():
                if name not in former:
                    tell(each.node, AlarmRaised(*_told(name, each.alarm)))
        return {name: each.since for name, each in self._known.items()}


def _told(name: str, alarm: Alarm) -> tuple[str, str, str, str, str]:
    return name, alarm.severity.value, alarm.source, alarm.category.value, alarm.message
