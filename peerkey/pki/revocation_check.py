"""When a node's own certificate is checked for revocation next: a pure function of when it was last.

    "The router periodically checks the CRL from existing certificate authority servers for any revocations,
    according to the interval defined in the configuration."

Checks fall on instants that are fixed for a node: whole intervals since 1970, moved by a part of one that its
UUID decides, so that a fleet which was switched on at one moment does not ask its servers at one moment. A
restart moves none of them, and one that passed while nothing ran is made up for at once
(``docs/decisions/0074``).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from uuid import UUID

_ORIGIN: Final = datetime(1970, 1, 1, tzinfo=UTC)
_STEP: Final = timedelta(microseconds=1)


def next_check(node: UUID, last: datetime, now: datetime, interval: timedelta) -> datetime:
    """Return the instant of the first check after ``last``: it is due once ``now`` has reached it.

    Arguments:
        node: whose certificate it is.
        last: when it was checked last, or when the node began where it never was.
        now: an instant at which nothing is due if ``last`` lies ahead of it: the clock was set back.
        interval: from an hour to 720 hours (``revocation-check-interval``).
    """
    phase = timedelta(microseconds=node.int % (interval // _STEP))
    passed = min(last, now) - _ORIGIN - phase
    return _ORIGIN + phase + (passed // interval + 1) * interval
