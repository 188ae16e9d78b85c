"""When and why a certificate was revoked, in five bytes: what a master list keeps beside a serial number.

A year since 1950, the month and the reason in a half each, and day, hour, minute and second in 22 bits. What
is asked for most is whether there is an entry at all, so that the bytes are only taken apart where somebody
looks.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from cryptography import x509

#: Bytes of a record behind the serial number: the year since 1950, then month (4 bits) and reason (4), then
#: in 24 bits two of zeros, day (5), hour (5), minute (6) and second (6).
WHEN_BYTES: Final = 5
#: In place of a reason: the list gives none.
NO_REASON: Final = 15
#: CRLReason ::= ENUMERATED (RFC 5280 section 5.3.1); 7 is not used.
REASONS: Final[dict[int, x509.ReasonFlags]] = {
    0: x509.ReasonFlags.unspecified,
    1: x509.ReasonFlags.key_compromise,
    2: x509.ReasonFlags.ca_compromise,
    3: x509.ReasonFlags.affiliation_changed,
    4: x509.ReasonFlags.superseded,
    5: x509.ReasonFlags.cessation_of_operation,
    6: x509.ReasonFlags.certificate_hold,
    8: x509.ReasonFlags.remove_from_crl,
    9: x509.ReasonFlags.privilege_withdrawn,
    10: x509.ReasonFlags.aa_compromise,
}
CODES: Final = {reason: code for code, reason in REASONS.items()}
REMOVE_FROM_CRL: Final = 8
#: "UTCTime ... 1950 through 2049" (RFC 5280 section 4.1.2.5); what lies outside of a byte's years from then
#: on is told as the first or the last instant of them.
FIRST: Final = datetime(1950, 1, 1, tzinfo=UTC)
LAST: Final = datetime(FIRST.year + 255, 12, 31, 23, 59, 59, tzinfo=UTC)


def when_of(at: datetime, reason: int) -> bytes:
    """Return an instant and a reason (:data:`NO_REASON` for none) as a record has them."""
    at = min(max(at, FIRST), LAST)
    rest = at.day << 17 | at.hour << 12 | at.minute << 6 | at.second
    return bytes((at.year - FIRST.year, at.month << 4 | reason)) + rest.to_bytes(3, "big")


def since_of(when: bytes) -> datetime:
    """Return the instant."""
    year, month, day, hour, second = when
    return datetime(
        FIRST.year + year,
        month >> 4,
        day >> 1,
        (day & 1) << 4 | hour >> 4,
        (hour & 15) << 2 | second >> 6,
        second & 63,
        tzinfo=UTC,
    )


def reason_of(when: bytes) -> x509.ReasonFlags | None:
    """Return the reason; ``None`` where none was given."""
    return REASONS.get(when[1] & 15)
