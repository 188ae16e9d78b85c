"""When a certificate is renewed: about two thirds into its life, and again and again until it is.

:class:`Renewal` is level-triggered: :meth:`~Renewal.wanted` looks at the certificate that is there and at
what came of the last attempt, and a restart needs no special case. The instant is spread over a fleet whose
certificates were issued at the same hour: where in :data:`SPREAD` it lies is drawn from the fingerprint of
the certificate, so that it stays the same for as long as that certificate is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from hashlib import sha256
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from peerkey.moment import Instant, Moment

#: "Automatic re-enrolment at two thirds of the lifetime".
RENEW_AFTER: Final = Fraction(2, 3)
#: "with jitter": this part of the lifetime, half of it before and half of it after. Of a year, 24 days.
SPREAD: Final = Fraction(1, 15)
#: Between the first failure and the next attempt; it doubles with each further one.
FIRST_RETRY: Final = timedelta(seconds=60)
#: And no longer than this, nor than :data:`PART_OF_REST` of what is left of the certificate.
LONGEST_RETRY: Final = timedelta(hours=6)
PART_OF_REST: Final = 16
#: By what part of it a wait is prolonged at most, so that those who failed together do not return together.
RETRY_SPREAD: Final = Fraction(1, 4)
#: For how long a certificate is left alone that has just come; of one with little left, that part of it.
LEFT_ALONE: Final = timedelta(hours=1)
#: What a server may ask for with Retry-After counts up to this: it is asked once a day at least.
LONGEST_ASKED: Final = timedelta(days=1)
#: When the certificate is looked at again although nothing says that it must be: a clock may have been set.
LOOK_AGAIN_AFTER: Final = timedelta(hours=1)
#: And never sooner than this after the last look, however the clocks run.
_LEAST_PAUSE: Final = timedelta(seconds=1)
#: Beyond these it is the longest wait anyway.
_DOUBLINGS: Final = 16


@dataclass(frozen=True, slots=True)
class Lifetime:
    """A certificate, as far as its renewal goes."""

    not_before: datetime
    not_after: datetime
    #: SHA-256 of its DER.
    fingerprint: bytes


def renewal_at(certificate: Lifetime) -> datetime:
    """Return when the certificate is to be renewed."""
    life = certificate.not_after - certificate.not_before
    share = RENEW_AFTER + SPREAD * (_drawn(certificate.fingerprint, 0) - Fraction(1, 2))
    return certificate.not_before + life * float(share)


def retry_wait(certificate: Lifetime, failures: int, now: datetime) -> timedelta:
    """Return how long to wait after so many failures, at least one, of which the last was ``now``."""
    left = max(timedelta(0), certificate.not_after - now)
    longest = max(FIRST_RETRY, min(LONGEST_RETRY, left / PART_OF_REST))
    wait = min(longest, FIRST_RETRY * (1 << min(failures - 1, _DOUBLINGS)))
    return wait * float(1 + RETRY_SPREAD * _drawn(certificate.fingerprint, failures))


class Renewal:
    """Decides when to renew one node's certificate. It has no clock, no file and no wire."""

    def __init__(self) -> None:
        """Know no certificate yet."""
        self._certificate: Lifetime | None = None
        self._failures = 0
        #: Before this nothing is tried again.
        self._not_before: Instant = timedelta(0)
        #: Why the certificate could not be renewed; empty where nothing failed.
        self.fault = ""

    def seen(self, certificate: Lifetime | None, now: Moment) -> None:
        """Take note of the certificate that is there; of another one nothing has failed yet.

        One that has just come is left alone for a while, also where it is due already, so that a CA which
        dates its certificates back is not asked for one after the other.
        """
        before = self._certificate
        if certificate == before:
            return
        self._certificate, self._failures, self._not_before, self.fault = certificate, 0, timedelta(0), ""
        if before is not None and certificate is not None:
            left = max(timedelta(0), certificate.not_after - now.wall)
            self._not_before = now.instant + max(FIRST_RETRY, min(LEFT_ALONE, left / PART_OF_REST))

    def wanted(self, now: Moment) -> bool:
        """Tell whether to renew the certificate now."""
        known = self._certificate
        return known is not None and now.wall >= renewal_at(known) and now.instant >= self._not_before

    def failed(self, now: Moment, fault: str, retry_after: timedelta | None = None) -> None:
        """Take note that an attempt failed; ``retry_after`` is what the server asks for."""
        if self._certificate is None:
            return
        self._failures += 1
        self.fault = fault
        wait = retry_wait(self._certificate, self._failures, now.wall)
        self._not_before = now.instant + max(wait, min(LONGEST_ASKED, retry_after or timedelta(0)))

    def pending(self, now: Moment, retry_after: timedelta | None) -> None:
        """Take note that the CA wants to be asked again, after ``retry_after`` if it said so."""
        self._failures, self.fault = 0, ""
        self._not_before = now.instant + max(FIRST_RETRY, min(LONGEST_ASKED, retry_after or FIRST_RETRY))

    def try_again(self) -> None:
        """Forget what failed, because somebody has changed something; a CA that decides later still does."""
        if self.fault:
            self._failures, self._not_before, self.fault = 0, timedelta(0), ""

    def next_look(self, now: Moment) -> timedelta:
        """Return after which time to look at the certificate again."""
        known = self._certificate
        if known is None:
            return LOOK_AGAIN_AFTER
        due = max(renewal_at(known) - now.wall, self._not_before - now.instant)
        return max(_LEAST_PAUSE, min(LOOK_AGAIN_AFTER, due))


def _drawn(fingerprint: bytes, number: int) -> Fraction:
    """Return a number from 0 to 1: for the same arguments the same, for others another."""
    digest = sha256(fingerprint + number.to_bytes(4, "big")).digest()
    return Fraction(int.from_bytes(digest[:4], "big"), 2**32)
