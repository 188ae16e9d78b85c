"""Times as an operator writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from peerkey.observe.shelving import LONGEST
from peerkey_cli.errors import WrongUsage

_AGO: Final = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def shelving_seconds(text: str) -> int:
    """Return how long ``30m``, ``2h`` or ``7d`` is.

    :raises WrongUsage: it is none of these, or longer than alarms are shelved.
    """
    found = _AGO.fullmatch(text)
    length = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found is not None else timedelta(0)
    if not timedelta(0) < length <= LONGEST:
        message = f"--for {text}: write 30m, 2h or 7d; {LONGEST.days} days are the most"
        raise WrongUsage(message)
    return int(length.total_seconds())


def instant(text: str, now: datetime | None = None) -> datetime:
    """Return the time that ``2030-06-15T12:00:00Z`` means, or ``15m``, which is so long before ``now``.

    A time without an offset is one of this machine's time zone.

    :raises WrongUsage: it is neither.
    """
    ago = _AGO.fullmatch(text)
    try:
        if ago is not None:
            return (now or datetime.now(UTC)) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        message = f"{text!r} is no time; write one like 2030-06-15T12:00:00Z, or 15m, 2h, 1d for so long ago"
        raise WrongUsage(message) from None
