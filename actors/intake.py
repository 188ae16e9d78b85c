"""How much of what comes by a path may be under way, so that nothing else is crowded out.

Anybody can send datagrams that look like a peer's. They queue in the mailbox of the path, and the frames
in them in the mailbox of the node, where the messages that must arrive queue too. So each path has a
share of both, smaller than the mailbox: what comes beyond it is dropped and counted, as a network would,
and the traffic of one peer takes room neither from the others nor from control messages.

The counters are the one thing that a node and its path share. Both live on one event loop, and the
path is the node's child; an acknowledgement for each frame would double the messages that it counts.
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


class Intake:
    """The datagrams and frames of one path that are under way. It survives a restart of the path."""

    def __init__(self, paths: Callable[[], int]) -> None:
        """Share the node's mailbox with as many paths as ``paths`` says."""
        self._paths = paths
        self._datagrams = 0
        self._frames = 0
        #: Datagrams and frames that were dropped.
        self.dropped = 0

    def datagram(self, offer: Callable[[], bool]) -> None:
        """Offer a datagram to the path, within its share."""
        if self._datagrams < DATAGRAMS_PER_PATH and offer():
            self._datagrams += 1
        else:
            self.dropped += 1

    def datagram_taken(self) -> None:
        """Take note that the path has a datagram in hand."""
        self._datagrams = max(0, self._datagrams - 1)

    def frame(self, offer: Callable[[], bool]) -> None:
        """Offer a frame to the node, within the path's share."""
        share = max(1, min(FRAMES_PER_PATH, FRAMES_PER_NODE // max(1, self._paths())))
        if self._frames < share and offer():
            self._frames += 1
        else:
            self.dropped += 1

    def frame_taken(self) -> None:
        """Take note that the node has a frame in hand. One from before a restart was not counted here."""
        self._frames = max(0, self._frames - 1)
