"""Since when each alarm is there.

Alarms are computed from what is so (:mod:`peerkey.observe.alarms`) and so have no time of their own. Whoever
looks regularly can say when it first saw each. The admin API looks at each request and every few seconds.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from peerkey_cli.documents import alarm_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from peerkey_cli.documents import Noticing

#: How often somebody looks without being asked: as exact as the time of an alarm is.
LOOK_EVERY: Final = timedelta(seconds=5)


class AlarmTimes:
    """Remembers the alarms that are there, no others."""

    def __init__(self) -> None:
        """Begin without any alarm."""
        self._since: dict[str, datetime] = {}

    def seen(self, noticing: Iterable[Noticing], now: datetime) -> Mapping[str, datetime]:
        """Take note of the alarms of ``now``; return when each of them was first seen, by its id."""
        there = [alarm_id(node.node, alarm) for node in noticing for alarm in node.alarms]
        self._since = {name: self._since.get(name, now) for name in there}
        return self._since
