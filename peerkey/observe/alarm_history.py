"""Since when each alarm is there, how often it came and went, and which have gone.

Alarms are computed from what is so (:mod:`peerkey.observe.alarms`) and have no time of their own. Whoever
looks regularly gives each look to :meth:`AlarmHistory.seen` and is told what has changed::

    changes = history.seen(noticed, now)

*What comes and goes* is told a few times, and then no more until it is settled: an alarm that was raised
:data:`FLAPS` times within :data:`FLAP_WINDOW` is cleared only when it has been away for :data:`HOLD`. It is
shown meanwhile, with ``present`` false while its cause is away; nothing is lost but the events in between,
and the last of them says for how many it stands.

*What was there before a restart* is taken up by :meth:`AlarmHistory.of_document_untrusted`: it is neither
raised again, nor cleared before :data:`RESTORED_HOLD` has passed, because a process that has just begun has
not looked at everything. Until it is seen again it is not shown.

Pure. Times are those of the wall clock; where that is set back, what is held is held no longer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from peerkey.observe.alarms import Alarm, Category, Severity
from peerkey.observe.condensing import Noticed

#: What tells alarms of one node apart; a few hundred are there at the worst.
_ID_DIGITS: Final = 8
#: So many times within this time are coming and going; it is over when it has been away for so long.
FLAPS: Final = 3
FLAP_WINDOW: Final = timedelta(minutes=15)
HOLD: Final = timedelta(minutes=5)
#: How long after a restart an alarm is taken to be there still although nobody has noticed it yet: paths need
#: half a minute until they are known to be down, a list a few tries.
RESTORED_HOLD: Final = timedelta(minutes=2)
#: How long it is told that an alarm was raised, and how often at most.
REMEMBERED_FOR: Final = timedelta(days=1)
MOST_RAISES: Final = 32
#: Alarms that are gone and remembered, and those that are there and kept over a restart: condensed, there are
#: some hundred at the worst.
MOST_CLEARED: Final = 200
MOST_KEPT: Final = 2_000


def alarm_id(node: str, alarm: Alarm) -> str:
    """Return what names an alarm: the same for as long as its cause lasts, also over a restart."""
    return f"{node}:{sha256(alarm.identity.encode()).hexdigest()[:_ID_DIGITS]}"


@dataclass(frozen=True, slots=True)
class Standing:
    """An alarm that is there, or was."""

    id: str
    node: str
    alarm: Alarm
    since: datetime
    #: When it was raised, the latest times, oldest first.
    raised: tuple[datetime, ...]
    #: Since when its cause is away while it is held all the same.
    away: datetime | None = None
    #: Whether it is held only because this process may not have looked yet.
    restored: bool = False

    @property
    def present(self) -> bool:
        """Whether its cause is there."""
        return self.away is None

    def times(self) -> int:
        """Return how often it was raised since it is there."""
        return max(1, sum(each >= self.since for each in self.raised))


@dataclass(frozen=True, slots=True)
class Raised:
    """An alarm is there that was not."""

    standing: Standing


@dataclass(frozen=True, slots=True)
class Cleared:
    """An alarm is there no more, since ``at``."""

    standing: Standing
    at: datetime

    @property
    def lasted(self) -> timedelta:
        """How long it was there; a clock that was set back makes that no less than nothing."""
        return max(timedelta(0), self.at - self.standing.since)


class AlarmHistory:
    """See the module."""

    def __init__(self, standing: Iterable[Standing] = (), cleared: Iterable[Cleared] = ()) -> None:
        """Go on with what is known."""
        self._standing = {each.id: each for each in standing}
        self._cleared: deque[Cleared] = deque(cleared, maxlen=MOST_CLEARED)

    @property
    def standing(self) -> tuple[Standing, ...]:
        """The alarms that are shown, those that were there first coming first."""
        shown = (each for each in self._standing.values() if not each.restored)
        return tuple(sorted(shown, key=lambda each: (each.since, each.id)))

    @property
    def cleared(self) -> tuple[Cleared, ...]:
        """The alarms that have gone, the latest last."""
        return tuple(self._cleared)

    def seen(self, noticed: Iterable[Noticed], now: datetime) -> tuple[Raised | Cleared, ...]:
        """Take note of all alarms that there are ``now``; return what has changed."""
        there = {alarm_id(each.node, alarm): (each.node, alarm) for each in noticed for alarm in each.alarms}
        changes: list[Raised | Cleared] = []
        for name, former in list(self._standing.items()):
            if name in there:
                continue
            since = former.away or now
            if _held(former, since, now):
                self._standing[name] = replace(former, away=since)
            else:
                changes.append(self._clear(former, since))
        for name, (node, alarm) in there.items():
            known = self._standing.get(name)
            if known is None:
                known = Standing(name, node, alarm, now, _recent((*self._raises(name), now), now))
                changes.append(Raised(known))
            elif known.away is not None:
                raised = known.raised if known.restored else _recent((*known.raised, now), now)
                known = replace(known, alarm=alarm, away=None, restored=False, raised=raised)
            elif known.alarm != alarm:
                known = replace(known, alarm=alarm)
            self._standing[name] = known
        return tuple(changes)

    def _clear(self, former: Standing, at: datetime) -> Cleared:
        del self._standing[former.id]
        gone = Cleared(replace(former, away=None, restored=False), at)
        self._cleared.append(gone)
        return gone

    def _raises(self, name: str) -> tuple[datetime, ...]:
        """Return when an alarm was raised that has gone."""
        return next(
            (each.standing.raised for each in reversed(self._cleared) if each.standing.id == name), ()
        )

    # --- over a restart -------------------------------------------------------------------------------

    def document(self) -> dict[str, Any]:
        """Return all of it in JSON's types."""
        kept = sorted(self._standing.values(), key=lambda each: each.since)[-MOST_KEPT:]
        return {
            "standing": [_written(each) for each in kept],
            "cleared": [
                {**_written(each.standing), "cleared": each.at.isoformat()} for each in self._cleared
            ],
        }

    @classmethod
    def of_document_untrusted(cls, document: Mapping[str, Any], now: datetime) -> AlarmHistory:
        """Return what :meth:`document` has said, as of a process that begins ``now``.

        :raises ValueError: it is none.
        """
        try:
            standing = [replace(_read(each), away=now, restored=True) for each in document["standing"]]
            cleared = [Cleared(_read(each), _time(each["cleared"])) for each in document["cleared"]]
        except (KeyError, TypeError, AttributeError) as fault:
            message = f"it is no history of alarms: {type(fault).__name__}"
            raise ValueError(message) from fault
        return cls(standing[:MOST_KEPT], cleared)


def _held(former: Standing, away: datetime, now: datetime) -> bool:
    """Tell whether an alarm whose cause is away is there all the same."""
    if former.restored:
        hold = RESTORED_HOLD
    elif sum(timedelta(0) <= now - each < FLAP_WINDOW for each in former.raised) >= FLAPS:
        hold = HOLD
    else:
        return False
    return timedelta(0) <= now - away < hold


def _recent(raised: Iterable[datetime], now: datetime) -> tuple[datetime, ...]:
    return tuple(each for each in raised if timedelta(0) <= now - each < REMEMBERED_FOR)[-MOST_RAISES:]


def _written(standing: Standing) -> dict[str, Any]:
    alarm = standing.alarm
    return {
        "node": standing.node,
        "identity": alarm.identity,
        "severity": alarm.severity.value,
        "source": alarm.source,
        "category": alarm.category.value,
        "message": alarm.message,
        "cause": alarm.cause,
        "since": standing.since.isoformat(),
        "raised": [each.isoformat() for each in standing.raised],
    }


def _read(written: Mapping[str, Any]) -> Standing:
    names = ("node", "identity", "source", "message", "cause")
    texts = {name: written[name] for name in names}
    if not all(isinstance(text, str) for text in texts.values()):
        raise TypeError
    node = texts.pop("node")
    alarm = Alarm(severity=Severity(written["severity"]), category=Category(written["category"]), **texts)
    raised = tuple(map(_time, written["raised"]))[-MOST_RAISES:]
    return Standing(alarm_id(node, alarm), node, alarm, _time(written["since"]), raised)


def _time(text: str) -> datetime:
    """Read a time. Raises :class:`ValueError` where it is none, or of no zone."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        message = f"a time without a zone: {text}"
        raise ValueError(message)
    try:
        return time.astimezone(UTC)
    except OverflowError:
        message = f"a time that there is not: {text}"
        raise ValueError(message) from None
