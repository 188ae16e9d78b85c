"""Whether a clock may be wrong, by what is seen through it.

No frame of the protocol carries a time, so no peer says what time it is. What there is:

- *certificates that are not valid yet*: an authority dates none into the future. The node's own, or those of
  at least two peers that are at least half of all, are evidence against the clock rather than against them;
- *the audit log*, or another file of ours, that was written to in the future: the clock has gone back since;
- *the clock was set* while the process ran: the monotonic clock tells by how much.

Where the first is so, one alarm about the clock takes the place of those about the certificates. That many
certificates have *ended* is no evidence: those of one authority are often made, and end, on one day.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from peerkey.observe.alarms import Alarm, Severity, named
from peerkey.observe.condensing import Noticed, Noticing
from peerkey.observe.own_alarms import clock_wrong

if TYPE_CHECKING:
    from peerkey.moment import Moment

#: A certificate of so few peers may be wrong by itself.
ENOUGH_PEERS: Final = 2
#: The name of the fault, as a detail begins with it (:class:`peerkey.pki.faults.Fault`).
NOT_YET_VALID: Final = "not-yet-valid"
#: A clock that is set by less was corrected, as time servers do.
SET_BY: Final = timedelta(seconds=30)
#: How long it is told that the clock was set: until whoever is woken has read it.
TOLD_FOR: Final = timedelta(hours=1)

_OF_PEERS: Final = "peer-certificate"
_OF_NODES: Final = frozenset({"certificate-bad", "certificate-expired"})


def with_clocks(noticing: Iterable[Noticing]) -> tuple[Noticing, ...]:
    """Return what was noticed, with alarms about clocks in the place of those that they explain."""
    return tuple(map(_with_clock, noticing))


def _with_clock(each: Noticing) -> Noticing:
    early = [alarm for alarm in each.alarms if alarm.cause == NOT_YET_VALID]
    peers = [alarm for alarm in early if alarm.kind == _OF_PEERS]
    own = [alarm for alarm in early if alarm.kind in _OF_NODES]
    known = len(getattr(each, "peers", ()))
    if not own and not (len(peers) >= ENOUGH_PEERS and 2 * len(peers) >= known):
        return each
    said = ["its own certificate"] if own else []
    if peers:
        names = named(sorted(alarm.source for alarm in peers))
        said.append(f"those of {len(peers)} of {max(known, len(peers))} peers ({names})")
    wrong = clock_wrong(each.node, Severity.CRITICAL, f"not valid yet by it: {' and '.join(said)}")
    others = tuple(alarm for alarm in each.alarms if alarm not in peers and alarm not in own)
    return Noticed(each.node, (wrong, *others))


@dataclass(frozen=True, slots=True)
class ClockWatch:
    """What one process knows of the clock of its machine. Ask with every look: a value, and its successor."""

    #: Both clocks at the last look; ``None`` before the first.
    last: Moment | None = None
    #: When a file of ours was last written to, as it said at the start.
    written: datetime | None = None
    #: By how much the clock was set in all, and when last.
    set_by: timedelta = timedelta(0)
    set_at: timedelta | None = None

    def looked(self, now: Moment) -> ClockWatch:
        """Return what is known after a look at both clocks."""
        if self.last is None:
            return replace(self, last=now)
        moved = (now.wall - self.last.wall) - (now.instant - self.last.instant)
        if abs(moved) < SET_BY:
            return replace(self, last=now)
        total = self.set_by + moved if self._recent(now) else moved
        back = abs(total) < SET_BY
        return replace(
            self, last=now, set_by=timedelta(0) if back else total, set_at=None if back else now.instant
        )

    def alarms(self, node: str) -> Iterator[Alarm]:
        """Say what is wrong with the clock, as of the last look, under ``node``."""
        now = self.last
        if now is None:
            return
        if self.written is not None and self.written > now.wall + SET_BY:
            when = f"{self.written:%Y-%m-%dT%H:%M:%SZ}"
            yield clock_wrong(
                node, Severity.MAJOR, f"its audit log was written to at {when}, which is to come"
            )
        elif self._recent(now):
            way = "ahead" if self.set_by > timedelta(0) else "back"
            amount = str(abs(self.set_by)).partition(".")[0]
            yield clock_wrong(node, Severity.MAJOR, f"it was set {way} by {amount} while the node ran")

    def _recent(self, now: Moment) -> bool:
        return self.set_at is not None and now.instant - self.set_at < TOLD_FOR
