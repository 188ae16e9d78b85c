"""The seam to other hosts, as the system of one host sees it.

A system looks for a name among its own actors first. Only when there is none does it ask what is here
whether another host has it. A system that belongs to no cluster has nothing here, and an actor that is
there is spoken to in the same way, at the same cost, whether or not its host belongs to one.
:mod:`runtime.cluster` is what stands behind the seam.
"""

from __future__ import annotations

from collections.abc import Awaitable, Hashable
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, TypeVar

from runtime.message import Ask

if TYPE_CHECKING:
    from runtime.parcels import Watch

R = TypeVar("R")


class Elsewhere(Protocol):
    """What becomes of messages to names that no actor of this host has, and of watches over them."""

    def tell(self, name: str, message: object) -> None:
        """Send to another host, or make a dead letter of it.

        :raises MailboxFull: the host does not keep up, so that what goes there waits up to its bound.
        """
        ...

    def offer(self, name: str, message: object) -> bool:
        """Send to another host; return whether it is on its way."""
        ...

    def ask(self, name: str, message: Ask[R], timeout: timedelta) -> Awaitable[R]:
        """Send a question; see :meth:`runtime.ref.Ref.ask`."""
        ...

    def is_watched_by(self, watcher: Hashable, name: str) -> bool:
        """Return whether ``watcher`` is going to be told of the end of that actor."""
        ...

    def watched_by(self, watch: Watch) -> None:
        """Tell the owner of ``watch`` when the actor has ended, or nobody can say any more whether it has."""
        ...

    def unwatched_by(self, watch: Watch) -> None:
        """Forget a watch whose owner has ended."""
        ...

    def abandon(self) -> None:
        """Be there for the others no more, at once and without a word."""
        ...

    async def leave(self) -> None:
        """Send what the actors of this host have left, which have ended; then be here no more.

        Bounded in time.
        """
        ...
