"""What nearly every entry of a revocation list looks like, and its date, read a column at a time.

An entry is usual where it is a serial number of at most 21 bytes in its shortest form, a date that exists as
UTCTime
in DER, and either nothing else or a reason that is not critical (RFC 5280 sections 5.1.2.6 and 5.3.1):

    30 21  02 10 <16 bytes>  17 0d 241017163311Z
    30 2f  02 10 <16 bytes>  17 0d 241017163311Z  30 0c 30 0a 06 03 55 1d 15 04 03 0a 01 <reason>

:data:`USUAL_ENTRY` matches these and nothing else: it has a branch for each width with and without a reason,
so that every length in it is a constant. Whatever else a list may hold is somebody else's business.
"""

from __future__ import annotations

import re
from calendar import monthrange
from typing import TYPE_CHECKING, Final

from peerkey.errors import Malformed
from peerkey.pki.when import NO_REASON, REASONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Twenty bytes (RFC 5280 section 4.1.2.2), and the zero in front of one whose first bit is set.
MAXIMUM_USUAL_BYTES: Final = 21

#: What authorities draw at random has as many bytes or more.
_RANDOM_BYTES: Final = 16
_DATE: Final = rb"\x17\x0d[0-9]{12}Z"
_REASON: Final = (
    rb"\x30\x0c\x30\x0a\x06\x03\x55\x1d\x15\x04\x03\x0a\x01["
    + b"".join(re.escape(bytes((code,))) for code in REASONS)
    + b"]"
)
_DATE_BYTES: Final = 15
_REASON_BYTES: Final = 14


def _branches() -> Iterator[bytes]:
    # Branches are tried in turn: those of random serial numbers come first.
    for width in sorted(range(1, MAXIMUM_USUAL_BYTES + 1), key=lambda width: (width < _RANDOM_BYTES, width)):
        # A zero leads where the first bit behind it is set, and nowhere else.
        serial = rb"[\x00-\x7f]" if width == 1 else rb"(?:[\x01-\x7f].|\x00[\x80-\xff]).{%d}" % (width - 2)
        for reason, size in ((b"", 0), (_REASON, _REASON_BYTES)):
            head = bytes((2 + width + _DATE_BYTES + size, 2, width))
            yield re.escape(head) + serial + _DATE + reason


USUAL_ENTRY: Final = re.compile(rb"\x30(?:" + b"|".join(_branches()) + b")", re.DOTALL)


def when_columns(raw: bytes, stride: int, date: int, reasons: bytes | None) -> tuple[bytes, ...]:
    """Return, byte by byte of a record, when and why: :func:`peerkey.pki.revocation_table.when_of` of many.

    Arguments:
        raw: entries of one shape, one behind the other.
        stride: bytes of each.
        date: where in each the digits of its date begin.
        reasons: the reason of each, ``None`` where they have none.

    Raises:
        Malformed: a date is none of those that exist.
    """
    count = len(raw) // stride
    year, month, day, hour, minute, second = (
        _sum(
            raw[date + place :: stride].translate(_TENS),
            raw[date + place + 1 :: stride].translate(_UNITS),
        )
        for place in range(0, 12, 2)
    )
    days = _sum(_sum(month.translate(_MONTH), day.translate(_LATE_DAY)), year.translate(_COMMON))
    for column, sound in (
        (month, _MONTHS),
        (day, _DAYS),
        (days, _EXISTING),
        (hour, _HOURS),
        (minute, _SIXTY),
        (second, _SIXTY),
    ):
        if column.translate(None, sound):
            message = "a date that does not exist"
            raise Malformed(message)
    return (
        year.translate(_YEAR),
        _sum(month.translate(_HIGH), bytes((NO_REASON,)) * count if reasons is None else reasons),
        _sum(day.translate(_DOUBLE), hour.translate(_TOP_OF_HOUR)),
        _sum(hour.translate(_HIGH), minute.translate(_TOP_OF_MINUTE)),
        _sum(minute.translate(_LOW_OF_MINUTE), second),
    )


def _table(change: Callable[[int], int]) -> bytes:
    return bytes(change(value) & 0xFF for value in range(256))


#: A digit's worth, in front of another digit and as the last.
_TENS: Final = _table(lambda digit: (digit - ord("0")) * 10)
_UNITS: Final = _table(lambda digit: digit - ord("0"))
#: "Where YY is greater than or equal to 50, the year SHALL be interpreted as 19YY" (RFC 5280 section
#: 4.1.2.5.1).
_YEAR: Final = _table(lambda year: (year + 50) % 100)
_HIGH: Final = _table(lambda value: value << 4)
_DOUBLE: Final = _table(lambda day: day << 1)
_TOP_OF_HOUR: Final = _table(lambda hour: hour >> 4)
_TOP_OF_MINUTE: Final = _table(lambda minute: minute >> 2)
_LOW_OF_MINUTE: Final = _table(lambda minute: (minute & 3) << 6)


#: What may stand there.
_MONTHS: Final = bytes(range(1, 13))
_DAYS: Final = bytes(range(1, 32))
_HOURS: Final = bytes(range(24))
_SIXTY: Final = bytes(range(60))

#: Whether there is such a day: the month, how far it is behind the 28th, and whether the year is a common
#: one, in one byte. Of 1950 to 2049 all that can be divided by four are leap years; 2000 was one.
_MONTH: Final = _table(lambda month: month % 16 << 3)
_LATE_DAY: Final = _table(lambda day: max(0, day % 32 - 28) << 1)
_COMMON: Final = _table(lambda year: int(year % 4 != 0))
_LEAP_YEAR: Final = 2000
_EXISTING: Final = bytes(
    month << 3 | max(0, day - 28) << 1 | common
    for month in range(1, 13)
    for common in (0, 1)
    for day in range(28, monthrange(_LEAP_YEAR + common, month)[1] + 1)
)


def _sum(some: bytes, others: bytes) -> bytes:
    """Add byte by byte. No sum here exceeds a byte, so that two columns are added as two numbers."""
    return (int.from_bytes(some, "big") + int.from_bytes(others, "big")).to_bytes(len(some), "big")
