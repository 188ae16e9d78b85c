"""The documents about alarms: those that are there, all about one of them, those gone, and the shelf."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from actors.names import AUTHORITY, node_actor
from peerkey.observe.alarm_kinds import ALARM_KINDS
from peerkey_cli import schemas

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from peerkey.observe.alarm_history import Cleared, Standing
    from peerkey.observe.shelving import Shelving
    from peerkey_cli.alarm_times import AlarmTimes

#: Events that are shown with one alarm: the latest of them.
_RELATED: Final = 10


@dataclass(frozen=True, slots=True)
class Filter:
    """Which alarms are wanted; what is ``None`` does not matter."""

    severity: str | None = None
    category: str | None = None
    type: str | None = None
    node: str | None = None
    source: str | None = None

    def wants(self, standing: Standing) -> bool:
        """Tell whether an alarm is one of them."""
        alarm = standing.alarm
        has = (alarm.severity.value, alarm.category.value, alarm.kind, standing.node, alarm.source)
        wanted = (self.severity, self.category, self.type, self.node, self.source)
        return all(each is None or each == value for each, value in zip(wanted, has, strict=True))


def standing_alarms(
    standing: Iterable[tuple[Standing, Shelving | None]], now: datetime, *, shelved: int = 0
) -> schemas.Alarms:
    """Return alarms with what they are shelved under. ``shelved`` is how many are left out as shelved."""
    return schemas.Alarms(time=now, shelved=shelved, alarms=tuple(_alarm(*each) for each in standing))


def shown_alarms(
    times: AlarmTimes, wanted: Filter, now: datetime, *, shelved: bool | None = False
) -> schemas.Alarms:
    """Return the wanted alarms that are there: not those ``shelved``, those alone, or (``None``) all."""
    found = [(each, times.shelving(each, now)) for each in times.standing if wanted.wants(each)]
    chosen = [pair for pair in found if shelved is None or (pair[1] is not None) is shelved]
    left_out = sum(shelving is not None for _, shelving in found) if shelved is False else 0
    return standing_alarms(chosen, now, shelved=left_out)


def cleared_alarms(cleared: Iterable[Cleared], wanted: Filter, now: datetime) -> schemas.ClearedAlarms:
    """Return the wanted of those that have gone, the latest last."""
    return schemas.ClearedAlarms(
        time=now,
        alarms=tuple(
            schemas.ClearedAlarm(
                **_alarm(each.standing, None).model_dump(exclude={"present", "shelved_until"}),
                cleared=each.at,
                lasted_seconds=each.lasted.total_seconds(),
            )
            for each in cleared
            if wanted.wants(each.standing)
        ),
    )


def explained(
    standing: Standing, shelving: Shelving | None, events: Iterable[schemas.Event], now: datetime
) -> schemas.AlarmExplained:
    """Return one alarm with what it means, what to do, and the ``events`` that belong to it."""
    kind = ALARM_KINDS[standing.alarm.kind]
    return schemas.AlarmExplained(
        time=now,
        alarms=(_alarm(standing, shelving),),
        means=kind.means,
        todo=kind.todo,
        page=kind.page,
        raised=standing.raised,
        shelving=None if shelving is None else _shelving(shelving, ()),
        events=tuple(each for each in events if _related(each, standing, kind.events))[-_RELATED:],
    )


def shelvings(times: AlarmTimes, now: datetime) -> schemas.Shelvings:
    """Return what is shelved, each with the alarms that are there under it."""
    under = [(each, times.shelving(each, now)) for each in times.standing]
    return schemas.Shelvings(
        time=now,
        shelvings=tuple(
            _shelving(each, [standing for standing, shelving in under if shelving == each])
            for each in times.shelf.counting(now)
        ),
    )


def _alarm(standing: Standing, shelving: Shelving | None) -> schemas.Alarm:
    node, alarm = standing.node, standing.alarm
    return schemas.Alarm(
        id=standing.id,
        time=standing.since,
        severity=alarm.severity.value,
        node=node,
        source=alarm.source,
        category=alarm.category.value,
        process=AUTHORITY if node == AUTHORITY else f"{AUTHORITY}/{node_actor(node)}",
        message=alarm.message,
        type=alarm.kind,
        times=len(standing.raised),
        present=standing.present,
        shelved_until=None if shelving is None else shelving.until,
    )


def _shelving(shelving: Shelving, covered: Sequence[Standing]) -> schemas.Shelving:
    return schemas.Shelving(
        alarm=shelving.alarm,
        type=shelving.kind,
        node=shelving.node,
        since=shelving.at,
        until=shelving.until,
        by=shelving.by,
        reason=shelving.reason,
        alarms=tuple(_alarm(each, shelving) for each in covered),
    )


def _related(event: schemas.Event, standing: Standing, types: Iterable[str]) -> bool:
    """Tell whether an event belongs to an alarm: its own, or of a type that does, and of the same peer."""
    if event.type.startswith("alarm."):
        return event.detail.get("alarm") == standing.id
    if not any(event.type == each or event.type.startswith(f"{each}.") for each in types):
        return False
    peer = event.detail.get("peer")
    source = standing.alarm.source
    here = standing.node in {event.node, AUTHORITY}
    return here and (peer is None or source in {peer, standing.node, "many"})
