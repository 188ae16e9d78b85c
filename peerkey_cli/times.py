"""Times as an operator writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from peerkey_cli.errors import WrongUsage

_AGO: Final = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


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
