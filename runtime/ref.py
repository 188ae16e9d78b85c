"""A reference: how one actor speaks to another.

A reference is a name and nothing else that matters. It stays good when the actor restarts, when it
is stopped and started anew, and when another process runs it. Two references are equal when their
names are.

============  ==========================================================  =======================
call          when the mailbox is full                                    when nobody is there
============  ==========================================================  =======================
``tell``      raises :class:`~runtime.errors.MailboxFull`                 dead letter
``offer``     returns ``False``                                           ``False``, dead letter
``ask``       the awaitable raises :class:`~runtime.errors.MailboxFull`   raises ``Undeliverable``
============  ==========================================================  =======================

All three send at once and never block. Messages of one sender to one receiver arrive in the order
in which they were sent, each at most once. They belong on the thread of the system's event loop.
"""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import timedelta
from typing import NoReturn, Protocol, TypeVar, final

from runtime.message import Ask

R = TypeVar("R")


class Delivery(Protocol):
    """What carries messages to names: one system, or a system and its links to others."""

    def tell(self, name: str, message: object) -> None:
        """See :meth:`Ref.tell`."""
        ...

    def offer(self, name: str, message: object) -> bool:
        """See :meth:`Ref.offer`."""
        ...

    def ask(self, name: str, message: Ask[R], timeout: timedelta) -> Awaitable[R]:
        """See :meth:`Ref.ask`."""
        ...


@final
class Ref:
    """The address of one actor."""

    __slots__ = ("_delivery", "name")

    def __init__(self, name: str, delivery: Delivery) -> None:
        """Point at ``name``. Actors get references from ``spawn``, ``ctx.ref`` or ``system.ref``."""
        self.name = name
        self._delivery = delivery

    def tell(self, message: object) -> None:
        """Send a message that the receiver is expected to get.

        :raises MailboxFull: the receiver does not keep up. The sender must do something about it, or
            crash: what it wanted will not happen.
        """
        self._delivery.tell(self.name, message)

    def offer(self, message: object) -> bool:
        """Send a message whose loss is harmless, such as a datagram. Return whether it was taken."""
        return self._delivery.offer(self.name, message)

    def ask(self, message: Ask[R], timeout: timedelta) -> Awaitable[R]:
        """Send a question now; await the answer.

        In an actor, give the result to ``ctx.pipe``. A question that is still waiting in the mailbox
        when its deadline passes is not handled any more.

        The awaitable raises :class:`~runtime.errors.AskTimeout`, ``MailboxFull``, ``LimitReached`` (the
        actor owes too many answers), ``Undeliverable`` (or its kinds ``ActorStopped`` and
        ``ActorCrashed``), ``Unanswered``, or whatever the actor chose to fail the question with.
        """
        return self._delivery.ask(self.name, message, timeout)

    def __eq__(self, other: object) -> bool:
        """Compare by name."""
        return isinstance(other, Ref) and self.name == other.name

    def __hash__(self) -> int:
        """Hash by name."""
        return hash(self.name)

    def __repr__(self) -> str:
        """Show the name."""
        return f"Ref({self.name!r})"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: between processes a reference travels as its name."""
        message = "a reference travels as its name; make it again with system.ref(name)"
        raise TypeError(message)
