"""Which instant ends a certificate, and how urgent its end is.

    "If a certificate expires within a month, a minor alarm is generated. If a certificate expires
    within a week, a major alarm is generated. If a certificate is expired or otherwise invalid, a
    critical alarm is generated."

The functions are pure: asked at every tick, they need no timer that could be lost. A certificate
is valid "through notAfter, inclusive" (RFC 5280 section 4.1.2.5) and its times have whole seconds,
so it ends one second after notAfter; that instant is the first at which it is expired
(``docs/decisions/0020``). All times are aware datetimes; there is no unit to confuse.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

#: "within a month": "expiring in less than 30 days".
MINOR_BEFORE: Final = timedelta(days=30)
#: "within a week": "expiring in less than 7 days".
MAJOR_BEFORE: Final = timedelta(days=7)

#: The resolution of a certificate's times.
_SECOND: Final = timedelta(seconds=1)
#: The end of a certificate "with no well-defined expiration date", 99991231235959Z (RFC 5280
#: section 4.1.2.5): no later instant can be written, and none is needed.
NEVER: Final = datetime.max.replace(tzinfo=UTC)


class Severity(StrEnum):
    """How urgent a certificate's end is; the names of the alarm severities."""

    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"


def end_of(not_after: datetime) -> datetime:
    """Return the first instant at which a certificate with this notAfter is expired."""
    return not_after + _SECOND if not_after <= NEVER - _SECOND else NEVER


def is_expired(now: datetime, not_after: datetime) -> bool:
    """Whether notAfter has passed."""
    return now >= end_of(not_after)


def is_premature(now: datetime, not_before: datetime) -> bool:
    """Whether notBefore lies ahead."""
    return now < not_before


def severity(now: datetime, not_before: datetime, not_after: datetime) -> Severity | None:
    """Return how urgent it is to replace the certificate; ``None`` while nothing is to be said.

    Days are counted to notAfter; at exactly 30 and 7 of them it is not yet "less than" 30 and 7.
    A certificate that is not valid yet is "otherwise invalid", hence critical.
    """
    if is_expired(now, not_after) or is_premature(now, not_before):
        return Severity.CRITICAL
    left = not_after - now
    if left < MAJOR_BEFORE:
        return Severity.MAJOR
    if left < MINOR_BEFORE:
        return Severity.MINOR
    return None


def next_step(now: datetime, not_before: datetime, not_after: datetime) -> datetime | None:
    """Return the first instant after ``now`` at which :func:`severity` may say something else.

    ``None`` when it never will: the certificate is expired for good.
    """
    # "less than 30 days" begins one smallest step after the instant that is exactly 30 days ahead.
    steps = (
        not_before,
        not_after - MINOR_BEFORE + datetime.resolution,
        not_after - MAJOR_BEFORE + datetime.resolution,
        end_of(not_after),
    )
    return min((step for step in steps if step > now), default=None)
