"""How much of what comes by a path may be under way, so that nothing else is crowded out.

Anybody can send datagrams that look like a peer's. They queue in the mailbox of the path, and the frames
in them in the mailbox of the node, where the messages that must arrive queue too. So each path has a
share of both, smaller than the mailbox: what comes beyond it is dropped and counted, as a network would,
and the traffic of one peer takes room neither from the others nor from control messages.

The counters are the one thing that a node and its path share. Both live on one event loop, and the
path is the node's child; an acknowledgement for each frame would double the messages that it counts.
Where a path is in another process, each side has counters of its own, and that of the path is told now and
then how many frames have been taken in all (:mod:`actors.cluster.distant_path`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

#: Datagrams that may wait in the mailbox of a path, of the 1,000 messages that it takes.
DATAGRAMS_PER_PATH: Final = 500
#: Messages that the mailbox of a node takes, and frames of all its paths that may wait in it.
NODE_MAILBOX: Final = 4_096
FRAMES_PER_NODE: Final = 2_048
#: Frames of one path that may wait at its node, where it has few paths. A peer has few in flight.
FRAMES_PER_PATH: Final = 16


def share_of_frames(paths: int) -> int:
    """Return how many frames of one path may be under way to a node that has so many paths."""
    return max(1, min(FRAMES_PER_PATH, FRAMES_PER_NODE // max(1, paths)))


class Intake:
    """The datagrams and frames of one path that are under way. It survives a restart of the path."""

    def __init__(self, paths: Callable[[], int], tell: Callable[[], None] = lambda: None) -> None:
        """Share the node's mailbox with as many paths as ``paths`` says, and ``tell`` what is dropped."""
        self._paths = paths
        self._tell = tell
        self._datagrams = 0
        self._frames = 0
        #: Frames that were ever under way.
        self._frames_ever = 0
        #: Datagrams and frames that were dropped.
        self.dropped = 0

    def datagram(self, offer: Callable[[], bool]) -> None:
        """Offer a datagram to the path, within its share."""
        if self._datagrams < DATAGRAMS_PER_PATH and offer():
            self._datagrams += 1
        else:
            self._drop()

    def _drop(self) -> None:
        self.dropped += 1
        self._tell()

    def datagram_taken(self) -> None:
        """Take note that the path has a datagram in hand."""
        self._datagrams = max(0, self._datagrams - 1)

    def frame(self, offer: Callable[[], bool]) -> None:
        """Offer a frame to the node, within the path's share."""
        if self._frames < share_of_frames(self._paths()) and offer():
            self._frames += 1
            self._frames_ever += 1
        else:
            self._drop()

    @property
    def share(self) -> int:
        """How many frames may be under way."""
        return share_of_frames(self._paths())

    @property
    def paths(self) -> int:
        """How many paths the mailbox of the node is shared with."""
        return self._paths()

    def frames_taken_in_all(self, taken: int) -> None:
        """Take note of how many of the frames that were ever under way have arrived."""
        self._frames = max(0, self._frames_ever - taken)

    def frame_taken(self) -> None:
        """Take note that the node has a frame in hand. One from before a restart was not counted here."""
        self._frames = max(0, self._frames - 1)
