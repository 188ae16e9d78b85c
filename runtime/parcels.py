"""What lies in a mailbox besides plain messages.

A plain message is handed to ``receive`` as it is. A parcel is opened for one incarnation, and decides
then whether there still is anything to deliver: a timer that was cancelled after it became due, the
outcome of a pipe of an earlier incarnation, or a question whose deadline has passed are dropped here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from runtime.actor import Ending, Terminated
from runtime.crash import raisable
from runtime.errors import ActorCrashed, AskTimeout, Unanswered, WorkCancelled

if TYPE_CHECKING:
    from runtime.incarnation import Incarnation
    from runtime.ref import Ref
    from runtime.timers import Alarm


class Parcel:
    """The base of everything that is not a plain message."""

    __slots__ = ()

    def open(self, incarnation: Incarnation) -> None:
        """Deliver to this incarnation, or drop."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        """Name what is inside, by type alone."""
        return type(self).__name__


class Question(Parcel):
    """An ``Ask`` on its way, and the token to answer it with."""

    __slots__ = ("_future", "_receiver", "_timeout", "alarm", "message", "owner")

    def __init__(
        self, receiver: str, message: object, timeout: timedelta, future: asyncio.Future[Any]
    ) -> None:
        """Carry ``message`` to ``receiver``; whoever asked awaits ``future``, for so long."""
        self.message = message
        self._receiver = receiver
        self._timeout = timeout
        self._future = future
        #: Calls :meth:`expire` at the deadline, unless there is an answer before.
        self.alarm: Alarm | None = None
        #: The incarnation that has taken the question and not answered it yet.
        self.owner: Incarnation | None = None

    @property
    def label(self) -> str:
        """Name the type of the question."""
        return type(self.message).__name__

    def expire(self) -> None:
        """Fail: the deadline has passed."""
        self.fail(AskTimeout(self._receiver, self.label, self._timeout))

    def open(self, incarnation: Incarnation) -> None:
        """Have it handled, unless nobody waits for the answer any more."""
        if self._future.done():
            self._settle()
            return
        incarnation.asked = self
        try:
            incarnation.receive(self.message)
        except BaseException:
            if incarnation.asked is self:
                self.fail(ActorCrashed(incarnation.name, "in handling the question"))
            raise
        else:
            if incarnation.asked is self:
                incarnation.log.error("question left unanswered", question=self.label)
                self.fail(Unanswered(incarnation.name, self.label))
        finally:
            incarnation.asked = None

    def reply(self, value: object) -> None:
        """See :meth:`runtime.actor.ReplyToken.reply`."""
        self._settle()
        if not self._future.done():
            self._future.set_result(value)

    def fail(self, error: Exception) -> None:
        """See :meth:`runtime.actor.ReplyToken.fail`."""
        self._settle()
        if not self._future.done():
            self._future.set_exception(raisable(error))
            self._future.exception()  # Whoever asked may have lost interest; that is no fault.

    def _settle(self) -> None:
        if self.alarm is not None:
            self.alarm.cancel()
            self.alarm = None
        if self.owner is not None:
            self.owner.settled(self)
            self.owner = None


class Owned(Parcel):
    """What the runtime owes to one incarnation, and to no other."""

    __slots__ = ("owner",)

    owner: Incarnation


class Timer(Owned):
    """An armed timer, and its message once it is due."""

    __slots__ = ("alarm", "key", "message")

    def __init__(self, owner: Incarnation, key: Hashable, message: object) -> None:
        """Belong to ``owner`` under ``key``."""
        self.owner = owner
        self.key = key
        self.message = message
        self.alarm: Alarm | None = None

    def fire(self) -> None:
        """Go to the mailbox: the time has come."""
        self.owner.cell.put_own(self)

    def open(self, incarnation: Incarnation) -> None:
        """Deliver the message if this still is the timer of its key."""
        if incarnation is self.owner and incarnation.take_timer(self):
            incarnation.receive(self.message)

    @property
    def label(self) -> str:
        """Name the type of the message."""
        return type(self.message).__name__


class Watching(Protocol):
    """Whoever is told, once, of the end of an actor: an incarnation's :class:`Watch`, or another host's."""

    @property
    def owner(self) -> Hashable:
        """Who watches. Each owner watches an actor once."""
        ...

    def tell(self, ending: Ending) -> None:
        """Pass the news on."""
        ...


class Watch(Owned):
    """A watch over one actor, and the news of its end once it has ended."""

    __slots__ = ("_ending", "_ref")

    def __init__(self, owner: Incarnation, ref: Ref) -> None:
        """Watch over ``ref`` for ``owner``."""
        self.owner = owner
        self._ref = ref
        self._ending = Ending.UNKNOWN

    @property
    def name(self) -> str:
        """Who is watched."""
        return self._ref.name

    def tell(self, ending: Ending) -> None:
        """Go to the mailbox: the watched actor has ended."""
        self._ending = ending
        self.owner.cell.put_own(self)

    def open(self, incarnation: Incarnation) -> None:
        """Deliver the news if the incarnation that asked for it still lives."""
        if incarnation is self.owner:
            incarnation.watch_done(self)
            incarnation.receive(Terminated(self._ref, self._ending))

    @property
    def label(self) -> str:
        """Name the type of the message."""
        return Terminated.__name__


class Pipe(Owned):
    """Something awaited on behalf of an incarnation, and its outcome once it is there."""

    __slots__ = ("_on_error", "_to_message", "drain", "future")

    def __init__(
        self,
        owner: Incarnation,
        future: asyncio.Future[Any],
        to_message: Callable[[Any], object],
        on_error: Callable[[Exception], object] | None,
        *,
        drain: bool,
    ) -> None:
        """Await ``future`` for ``owner``."""
        self.owner = owner
        self.future = future
        self.drain = drain
        self._to_message = to_message
        self._on_error = on_error

    def done(self, _future: asyncio.Future[Any]) -> None:
        """Go to the mailbox: there is an outcome."""
        if self.owner.ended:
            # Nobody will look at it; say so, or asyncio complains of an error that was never seen.
            if not self.future.cancelled():
                self.future.exception()
            return
        self.owner.cell.put_own(self)

    def open(self, incarnation: Incarnation) -> None:
        """Turn the outcome into a message, or into a crash."""
        if incarnation is not self.owner:
            return
        incarnation.pipe_done(self)
        if self.future.cancelled():
            error: BaseException | None = WorkCancelled(f"work of {incarnation.name} was cancelled")
        else:
            error = self.future.exception()
        if error is None:
            message = self._to_message(self.future.result())
        elif self._on_error is not None and isinstance(error, Exception):
            message = self._on_error(error)
        else:
            # An interrupt has gone its own way out of the event loop, and must not be raised twice.
            interrupt = isinstance(error, KeyboardInterrupt | SystemExit)
            raise WorkCancelled(f"work of {incarnation.name} was interrupted") if interrupt else error
        incarnation.receive(message)
