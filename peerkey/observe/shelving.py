"""Alarms on the shelf: known, worked on, and not to be shown among the others for a while.

The words are those of RFC 8632 (YANG alarms), section 4.6: a shelved alarm is there, is counted, and does not
call for anybody. A *shelving* is of one alarm, by its id, or of a kind of alarms, of one node or of all; it
says by whom, why and until when. It ends by itself: what is shelved and forgotten is an alarm that nobody
has.

Machines of a cluster exchange their shelves. Of two words on one thing the later counts
(:meth:`Shelf.merge`), so the order in which they arrive does not matter; one that is taken back stays, as
``lifted``, until it would have ended. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final, NamedTuple

from peerkey.errors import PeerkeyError

#: The longest shelving. Whoever needs longer shelves again, and thinks again.
LONGEST: Final = timedelta(days=30)
#: Shelvings at one time: more are no shelf but a switch.
MOST: Final = 256
#: The longest reason, in characters.
REASON_CHARACTERS: Final = 256
#: What the clock may have gone back since, or be behind another machine's. Beyond, what is shelved shows.
_BEHIND: Final = timedelta(minutes=5)


class ShelfFull(PeerkeyError):
    """There are too many shelvings."""


class Shelved(NamedTuple):
    """What is shelved: one alarm by its id, or a kind, of one node or (empty) of all."""

    alarm: str = ""
    kind: str = ""
    node: str = ""

    def __str__(self) -> str:
        """Say it as a command does."""
        if self.alarm:
            return self.alarm
        return f"type {self.kind}" + (f" of {self.node}" if self.node else "")

    def covers(self, alarm: str, kind: str, node: str) -> bool:
        """Tell whether an alarm is meant."""
        if self.alarm:
            return self.alarm == alarm
        return self.kind == kind and self.node in {"", node}


@dataclass(frozen=True, slots=True)
class Shelving:
    """What is shelved, until when, by whom and why."""

    alarm: str
    kind: str
    node: str
    at: datetime
    until: datetime
    by: str
    reason: str
    #: Whether it was taken back.
    lifted: bool = False

    @property
    def what(self) -> Shelved:
        """What is shelved."""
        return Shelved(self.alarm, self.kind, self.node)

    def counts(self, now: datetime) -> bool:
        """Tell whether it is in force: a clock that was set back before it makes it count no more."""
        return not self.lifted and self.at - _BEHIND <= now < self.until


class Shelf:
    """See the module."""

    def __init__(self, shelvings: Iterable[Shelving] = ()) -> None:
        """Begin with these."""
        self._shelvings: dict[Shelved, Shelving] = {}
        self.restore(shelvings)

    def covering(self, alarm: str, kind: str, node: str, now: datetime) -> Shelving | None:
        """Return the shelving that an alarm is under; the one that ends last, where there are several."""
        found = [
            each
            for what, each in self._shelvings.items()
            if what.covers(alarm, kind, node) and each.counts(now)
        ]
        return max(found, key=lambda each: each.until, default=None)

    def counting(self, now: datetime) -> tuple[Shelving, ...]:
        """Return those in force, the one that ends first coming first."""
        found = (each for each in self._shelvings.values() if each.counts(now))
        return tuple(sorted(found, key=lambda each: (each.until, each.what)))

    def every(self) -> tuple[Shelving, ...]:
        """Return all of them, for another machine or for a file."""
        return tuple(self._shelvings.values())

    def put(self, shelving: Shelving) -> None:
        """Shelve something, instead of what was said of it before.

        :raises ShelfFull: there are too many.
        """
        if shelving.what not in self._shelvings and len(self.counting(shelving.at)) >= MOST:
            message = f"{MOST} things are shelved already; `peerkey show alarms --shelved` lists them"
            raise ShelfFull(message)
        self._shelvings[shelving.what] = shelving

    def lift(self, what: Shelved, now: datetime, by: str) -> Shelving | None:
        """Take a shelving back; return what it was, or ``None`` where there is none in force."""
        former = self._shelvings.get(what)
        if former is None or not former.counts(now):
            return None
        # Later than what it takes back, whatever the clock says.
        at = max(now, former.at + timedelta(microseconds=1))
        self._shelvings[what] = replace(former, at=at, by=by, lifted=True)
        return former

    def restore(self, shelvings: Iterable[Shelving]) -> None:
        """Hold these, and no others."""
        self._shelvings = {each.what: each for each in shelvings}

    def merge(self, others: Iterable[Shelving], now: datetime) -> bool:
        """Take in what others have and has not ended; tell whether that was news.

        Beyond twice the bound those are left out that end first.
        """
        news = False
        for each in others:
            former = self._shelvings.get(each.what)
            later = former is None or (each.at, each.lifted) > (former.at, former.lifted)
            if later and now < each.until and each.until - each.at <= LONGEST:
                self._shelvings[each.what] = each
                news = True
        if len(self._shelvings) > 2 * MOST:
            kept = sorted(self._shelvings.values(), key=lambda each: each.until)[-2 * MOST :]
            self._shelvings = {each.what: each for each in kept}
        return news

    def ended(self, now: datetime) -> tuple[Shelving, ...]:
        """Forget what has ended by now; return that which was in force until then."""
        over = [each for each in self._shelvings.values() if now >= each.until]
        for each in over:
            del self._shelvings[each.what]
        return tuple(each for each in over if not each.lifted)

    def document(self) -> list[dict[str, Any]]:
        """Return all of it in JSON's types."""
        times = ("at", "until")
        return [
            {
                field.name: (value.isoformat() if field.name in times else value)
                for field in fields(Shelving)
                for value in (getattr(each, field.name),)
            }
            for each in self._shelvings.values()
        ]

    @classmethod
    def of_document_untrusted(cls, document: Iterable[Mapping[str, Any]]) -> Shelf:
        """Return what :meth:`document` has said.

        :raises ValueError: it is none.
        """
        try:
            return cls(islice(map(_read, document), 2 * MOST))
        except (KeyError, TypeError, AttributeError) as fault:
            message = f"it is no shelf of alarms: {type(fault).__name__}"
            raise ValueError(message) from fault


def _read(written: Mapping[str, Any]) -> Shelving:
    texts = {name: written[name] for name in ("alarm", "kind", "node", "by", "reason")}
    lifted = written["lifted"]
    at, until = (datetime.fromisoformat(written[name]) for name in ("at", "until"))
    if not all(isinstance(text, str) for text in texts.values()) or not isinstance(lifted, bool):
        raise TypeError
    if at.tzinfo is None or until.tzinfo is None or until - at > LONGEST:
        message = "it is shelved for longer than anything may be"
        raise ValueError(message)
    return Shelving(at=at, until=until, lifted=lifted, **texts)
