"""A bounded queue in front of one actor.

Messages of others count against the bound, and a full mailbox refuses them. What the runtime owes
the actor (a due timer, the outcome of a pipe, the end of a watched actor) takes up room too, but is
always taken: its number is bounded by how many timers, pipes and watches an actor may have.

An empty mailbox holds no queue, which is what keeps ten thousand idle actors small. The queues are the
system's, and go from one mailbox to the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

#: The default bound. A path that receives 1,200-byte datagrams queues at most 1.2 MB.
MAILBOX_CAPACITY: Final = 1_000
#: Empty queues of a system that are kept for the next mailbox. To make one takes longer than to handle most
#: messages.
SPARE_QUEUES: Final = 256


class Mailbox:
    """First in, first out. ``queue`` is what waits, or ``None``; the actor's turn takes from it."""

    __slots__ = ("_spare", "capacity", "highest", "queue", "refused", "taken")

    def __init__(self, capacity: int, spare: list[deque[object]]) -> None:
        """Take at most ``capacity`` messages of others; share empty queues through ``spare``.

        :raises ValueError: the capacity is not positive.
        """
        if capacity < 1:
            message = "a mailbox takes at least one message"
            raise ValueError(message)
        self.capacity = capacity
        self.queue: deque[object] | None = None
        self._spare = spare
        #: Messages of others that were taken, and that were refused.
        self.taken = 0
        self.refused = 0
        #: The greatest depth that a message of others has met or made.
        self.highest = 0

    def __len__(self) -> int:
        """Return how many messages wait."""
        return len(self.queue) if self.queue is not None else 0

    def put(self, message: object) -> bool:
        """Take a message of others, or refuse it."""
        queue = self.queue
        if queue is None:
            queue = self.queue = self._spare.pop() if self._spare else deque()
        elif len(queue) >= self.capacity:
            self.refused += 1
            return False
        queue.append(message)
        self.taken += 1
        if len(queue) > self.highest:  # noqa: PLR1730 - a call of max() takes longer than all the rest
            self.highest = len(queue)
        return True

    def put_own(self, message: object) -> None:
        """Take a message of the runtime itself, beyond the bound if need be."""
        if self.queue is None:
            self.queue = self._spare.pop() if self._spare else deque()
        self.queue.append(message)

    def rest(self) -> None:
        """Give the queue, which is empty, back."""
        if self.queue is not None and len(self._spare) < SPARE_QUEUES:
            self._spare.append(self.queue)
        self.queue = None

    def drop(self, unwanted: Callable[[object], bool]) -> None:
        """Take out what nobody will want any more."""
        if self.queue is not None:
            self.queue = deque(item for item in self.queue if not unwanted(item)) or None

    def drain(self) -> tuple[object, ...]:
        """Take everything out."""
        queue, self.queue = self.queue, None
        return tuple(queue) if queue is not None else ()
