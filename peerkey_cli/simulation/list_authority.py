"""The CA of a simulated authority, as far as it publishes a revocation list: what it names, and when.

A list is published whenever what it should name has changed, and at least every :data:`PUBLISHED_EVERY`; all
of it under one address, :data:`ADDRESS`. While the CA sleeps (:meth:`ListAuthority.asleep`) nothing new is
published, and what it published last goes stale. Every list that it ever published is on record by its
number: a watch that knows which of them a node was given knows what that node must not forget.

Certificates are known by their serial numbers here: all are of one issuer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from peerkey.testing.lists import revocation_list
from runtime.backends.sim.machine import BEGINNING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from peerkey.pki.laboratory import Authority, SigningKey

#: Where every node of the authority fetches it.
ADDRESS: Final = "http://crl.simulation/issuing.crl"
#: So often a list is published although nothing has changed.
PUBLISHED_EVERY: Final = timedelta(hours=1)
#: Until when a list promises the next one. Whoever polls every hour has it before.
LASTS: Final = timedelta(hours=2)
#: Lists that can be served again as they were, the latest. Of earlier ones only what they named is known.
REMEMBERED: Final = 32
#: A forged list names serial numbers below this, and is ahead of the genuine ones by so many.
_EVERYBODY: Final = 64
_AHEAD: Final = 1000
#: A list is backdated by this: the quartz of a machine may run slow by as much.
_BACKDATED: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class PublishedList:
    """One list, as it was published."""

    number: int
    #: Serial numbers.
    names: frozenset[int]
    content: bytes = field(repr=False)
    since: datetime


class ListAuthority:
    """See the module."""

    def __init__(self, issuer: Authority, other: Authority, stranger: SigningKey) -> None:
        """Publish for ``issuer``; ``other`` is another CA, and ``stranger`` is a key that belongs to none."""
        self.issuer, self._other, self._stranger = issuer, other, stranger
        #: What should be named, and since when it should or should not be.
        self._named: dict[int, tuple[x509.Certificate, x509.ReasonFlags | None]] = {}
        self.changed: dict[int, timedelta] = {}
        #: What each list has named, by its number, and which list it is, by its digest.
        self.said: dict[int, frozenset[int]] = {}
        self.numbers: dict[bytes, int] = {}
        self._latest: deque[PublishedList] = deque(maxlen=REMEMBERED)
        self._asleep = 0
        self._loop = asyncio.get_running_loop()

    @property
    def names(self) -> frozenset[int]:
        """What a list of this moment should name."""
        return frozenset(self._named)

    def concerns(self, certificate: x509.Certificate) -> bool:
        """Tell whether the lists speak of this certificate: it is of their issuer."""
        return certificate.issuer == self.issuer.certificate.subject

    def names_it(self, certificate: x509.Certificate) -> bool:
        """Tell whether a list of this moment should name this certificate."""
        return self.concerns(certificate) and certificate.serial_number in self._named

    def revoke(self, certificate: x509.Certificate) -> None:
        """Name a certificate for ever."""
        self._name(certificate, x509.ReasonFlags.key_compromise)

    def hold(self, certificate: x509.Certificate) -> None:
        """Name a certificate until it is released, unless it is revoked already."""
        if certificate.serial_number not in self._named:
            self._name(certificate, x509.ReasonFlags.certificate_hold)

    def release(self, certificate: x509.Certificate) -> None:
        """Name it no more, if it was on hold."""
        _, reason = self._named.get(certificate.serial_number, (certificate, None))
        if reason is x509.ReasonFlags.certificate_hold:
            del self._named[certificate.serial_number]
            self._changed(certificate.serial_number)

    def release_all(self) -> None:
        """Release whatever is on hold."""
        for certificate, _ in tuple(self._named.values()):
            self.release(certificate)

    @contextmanager
    def asleep(self) -> Iterator[None]:
        """Publish nothing meanwhile."""
        self._asleep += 1
        try:
            yield
        finally:
            self._asleep -= 1

    def wake(self) -> None:
        """Publish again, whatever has put it to sleep."""
        self._asleep = 0

    # --- what its server has ----------------------------------------------------------------------

    def current(self) -> PublishedList:
        """Return the list of this moment; publish it, if it is time."""
        now = self._now()
        latest = self._latest[-1] if self._latest else None
        due = latest is None or latest.names != self.names or now - latest.since >= PUBLISHED_EVERY
        if latest is None or (due and not self._asleep):
            latest = self._publish(now)
        return latest

    def earlier(self, choice: float) -> PublishedList:
        """Return one of the lists that came before; ``choice`` is a share."""
        self.current()
        return self._latest[int(choice * len(self._latest))]

    def forged(self) -> bytes:
        """Return a list in this CA's name by a stranger's key, newer than any, that names everybody."""
        return self._of_others(self.issuer, key=self._stranger, serials=range(1, _EVERYBODY))

    def of_another(self) -> bytes:
        """Return a genuine list of another CA, which names nobody."""
        return self._of_others(self._other)

    def _of_others(
        self, issuer: Authority, *, key: SigningKey | None = None, serials: Sequence[int] = ()
    ) -> bytes:
        now, number = self._now(), len(self.said) + _AHEAD
        made = revocation_list(
            issuer,
            this_update=now - _BACKDATED,
            next_update=now + LASTS,
            number=number,
            key=key,
            serials=serials,
        )
        return made.public_bytes(Encoding.DER)

    def _publish(self, now: datetime) -> PublishedList:
        number = len(self.said) + 1
        made = revocation_list(
            self.issuer,
            *(certificate for certificate, _ in self._named.values()),
            this_update=now - _BACKDATED,
            next_update=now + LASTS,
            number=number,
            reasons={serial: why for serial, (_, why) in self._named.items() if why is not None},
        )
        published = PublishedList(number, self.names, made.public_bytes(Encoding.DER), now)
        self._latest.append(published)
        self.said[number] = published.names
        self.numbers[sha256(published.content).digest()] = number
        return published

    def _name(self, certificate: x509.Certificate, reason: x509.ReasonFlags) -> None:
        known = certificate.serial_number in self._named
        self._named[certificate.serial_number] = (certificate, reason)
        if not known:
            self._changed(certificate.serial_number)

    def _changed(self, serial: int) -> None:
        self.changed[serial] = timedelta(seconds=self._loop.time())

    def _now(self) -> datetime:
        return (BEGINNING + timedelta(seconds=self._loop.time())).replace(microsecond=0)
