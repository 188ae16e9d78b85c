"""How long peerings take to be keyed and rekeyed, and how long their certificates take to be judged.

The machines have no clock and need none; whoever drives them sees when an exchange begins and when its key is
used, and feeds :class:`metrics.tally.Tally`. Nothing here decides anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metrics.catalogue import ESTABLISHMENT, REKEY, REKEYS, VALIDATION
from metrics.exporter import Exemplar
from metrics.thresholds import REKEY_GRACE
from peerkey.observe.events import KeyAccepted, KeyActivated
from peerkey.protocol.phases import Phase

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from metrics.tally import Tally
    from peerkey.moment import Instant, Moment
    from peerkey.observe.events import Event
    from peerkey.pki.examination import Examination
    from peerkey.protocol.core import Examiner
    from peerkey.protocol.peering import Peering
    from runtime.clock import Clock


class KeyTimes:
    """The times of the keys of one peering."""

    def __init__(self, meter: Tally, node: str, peering: Peering, now: Moment) -> None:
        """Begin with the keys that the ``peering`` of ``node`` has before it is started."""
        self._meter = meter
        self._node = node
        current, successor = peering.ring.current, peering.ring.next
        #: When the key in use was agreed, and its successor.
        self._agreed: datetime | None = None if current is None else current.computed_at
        self._accepted: datetime | None = None if successor is None else successor.computed_at
        #: Since when there has been no key, and since when another is being agreed.
        self._without: Instant | None = now.instant if current is None else None
        self._exchanging: Instant | None = None

    def look(self, peering: Peering, now: Moment) -> None:
        """Take note of where the peering stands."""
        if peering.ring.current is None and (self._without is None or not peering.config.enabled):
            # While key management is off nobody tries: that is no time that a key took.
            self._without, self._agreed = now.instant, None
        if self._exchanging is None and peering.phase is not Phase.IDLE:
            self._exchanging = now.instant

    def told(self, event: Event, interval: timedelta | None, now: Moment) -> None:
        """Take note of what has happened to a key, where keys are to be replaced after ``interval``."""
        match event:
            case KeyAccepted():
                self._accepted = now.wall
            case KeyActivated(key_id=key_id):
                self._activated(key_id, interval, now)
            case _:
                pass

    def _activated(self, key_id: str, interval: timedelta | None, now: Moment) -> None:
        node, at = self._node, now.wall.timestamp()
        if self._without is not None:
            took = now.instant - self._without
            self._meter.observe(
                ESTABLISHMENT, took, node, exemplar=Exemplar(key_id, took.total_seconds(), at)
            )
        elif self._exchanging is not None:
            took = now.instant - self._exchanging
            self._meter.observe(REKEY, took, node, exemplar=Exemplar(key_id, took.total_seconds(), at))
        if self._agreed is not None:
            in_time = interval is None or now.wall - self._agreed <= interval + REKEY_GRACE
            word = "in-time" if in_time else "late"
            self._meter.count(REKEYS, node, word, exemplar=Exemplar(key_id, 1.0, at))
        self._agreed, self._accepted = self._accepted or now.wall, None
        self._without = self._exchanging = None


@dataclass(frozen=True, slots=True)
class TimedExaminer:
    """Judges as another does, and tells how long it took. It may be asked on any thread."""

    examiner: Examiner
    clock: Clock = field(compare=False, repr=False)
    meter: Tally = field(compare=False, repr=False)

    def examine(self, chain: tuple[bytes, ...], at: datetime) -> Examination:
        """See :meth:`peerkey.protocol.core.Examiner.examine`."""
        begun = self.clock.monotonic()
        try:
            return self.examiner.examine(chain, at)
        finally:
            self.meter.observe(VALIDATION, self.clock.monotonic() - begun)
