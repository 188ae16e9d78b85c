"""What is noticed, as it is shown: one alarm for each cause, and one about a clock that is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.names import AUTHORITY
from peerkey.observe.alarm_history import alarm_id
from peerkey.observe.clocks import with_clocks
from peerkey.observe.condensing import condensed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from peerkey.observe.condensing import Cause, Noticed, Noticing
    from peerkey.observe.shelving import Shelf


def together(
    noticing: Iterable[Noticing], before: Collection[Cause] = ()
) -> tuple[tuple[Noticed, ...], frozenset[Cause]]:
    """Return what is shown of what was noticed; ``before`` is the second of what this has returned before."""
    return condensed(with_clocks(noticing), AUTHORITY, before)


def shelved_of(noticed: Iterable[Noticed], shelf: Shelf, now: datetime) -> frozenset[str]:
    """Return the ids of those alarms that are shelved ``now``."""
    return frozenset(
        name
        for each in noticed
        for alarm in each.alarms
        for name in (alarm_id(each.node, alarm),)
        if shelf.covering(name, alarm.kind, each.node, now) is not None
    )
