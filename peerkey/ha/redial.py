"""How long to wait before a channel that is missing is tried for again.

Two things make the wait longer, each twice as long with each time in a row: tries after which the mate did
not greet, up to :data:`~peerkey.ha.constants.RETRY_AT_MOST`, and connections that opened and did not last,
up to :data:`~peerkey.ha.constants.RETRY_UNSTEADY` (``docs/decisions/0098``). :class:`Redial` counts the
first; :attr:`~peerkey.ha.link.MateLink.unsteady` is the second. Call :meth:`Redial.again` for each wait, and
:meth:`Redial.greeted` while the mate has greeted.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final, final

from peerkey.ha.constants import RETRY_AT_FIRST, RETRY_AT_MOST, RETRY_UNSTEADY
from peerkey.protocol.core import Entropy

#: The share of a wait that is chance: ends that lost their links at one moment do not return at one.
RETRY_JITTER: Final = 0.25
_JITTER_BYTES: Final = 4
#: Beyond so many doublings every limit is reached.
_MOST_DOUBLINGS: Final = 16


@final
class Redial:
    """The waits of one end."""

    __slots__ = ("_entropy", "_tries")

    def __init__(self, entropy: Entropy) -> None:
        """Begin with the shortest; chance is drawn from ``entropy``."""
        self._entropy = entropy
        self._tries = 0

    def greeted(self) -> None:
        """Take up that the mate has greeted."""
        self._tries = 0

    def again(self, unsteady: int) -> timedelta:
        """Return how long to wait before the next try, after so many connections that were not steady."""
        wait = max(_doubled(self._tries, RETRY_AT_MOST), _doubled(unsteady, RETRY_UNSTEADY))
        self._tries = min(self._tries + 1, _MOST_DOUBLINGS)
        draw = int.from_bytes(self._entropy(_JITTER_BYTES), "big") / (1 << 8 * _JITTER_BYTES)
        return wait * (1 - RETRY_JITTER * draw)


def _doubled(times: int, most: timedelta) -> timedelta:
    return min(RETRY_AT_FIRST * (1 << min(times, _MOST_DOUBLINGS)), most)
