"""The alarms of a simulated fleet as they come and go, for whoever draws it.

Nobody runs an admin API in a simulation, whose look tells of alarms elsewhere
(:class:`~peerkey_cli.alarm_times.AlarmTimes`). Here nodes are looked at between two turns of their actors.
That takes no turn and no timer, so a run that is looked at is the same run, to the last digit. What is wrong
with lists, hosts and links to mates is not among it: events of their own tell of that.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from peerkey.observe.condensing import Noticed
from peerkey_cli.alarm_times import AlarmTimes
from runtime.backends.sim.machine import BEGINNING

if TYPE_CHECKING:
    from peerkey.observe.events import Event
    from peerkey_cli.simulation.fleet import Fleet
    from peerkey_cli.simulation.trace import OnEvent

#: How long it is between two looks, in virtual time, where anybody has a turn: as exact as a picture is.
LOOK_EVERY: Final = timedelta(seconds=30)


class AlarmLook:
    """Looks at the nodes of a fleet once in a while."""

    def __init__(self, fleet: Fleet, tell: OnEvent) -> None:
        """Begin without any alarm. ``tell`` is told of those that come and those that go."""
        self._fleet = fleet
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._times = AlarmTimes()
        self._due = 0.0
        #: What each node noticed last. While it does not run nobody knows better.
        self._noticed: dict[str, Noticed] = {}

    def look(self) -> None:
        """Look, if it is time to."""
        now = self._loop.time()
        if now < self._due:
            return
        self._due = now + LOOK_EVERY.total_seconds()
        for site in self._fleet.sites.values():
            if (actor := site.actor) is not None:
                self._noticed[site.name] = Noticed(site.name, actor.noticed())
        self._times.seen(self._noticed.values(), BEGINNING + timedelta(seconds=now), self._has_changed)

    def _has_changed(self, node: str, event: Event) -> None:
        self._tell(self._loop.time(), node, event)
