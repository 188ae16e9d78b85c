"""One life of an actor: its context, and everything that dies with it.

Timers, pipes, questions it owes an answer to and deferred callbacks belong to the incarnation. When it
ends, by a crash or by a stop, :meth:`Incarnation.end` takes all of them away at once; what is already
in the mailbox recognizes that its incarnation is over (see :mod:`runtime.parcels`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar, cast

from runtime.actor import Ending
from runtime.crash import error_type
from runtime.errors import ActorCrashed, ActorStopped, LimitReached
from runtime.mailbox import MAILBOX_CAPACITY
from runtime.parcels import Pipe, Question, Timer, Watch
from runtime.supervision import DEFAULT_SUPERVISION, Supervision

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from runtime.actor import Actor, ActorFactory, ReplyToken
    from runtime.cell import Cell
    from runtime.clock import Clock
    from runtime.ref import Ref

T = TypeVar("T")

#: Bounds of one actor. Thousands of each in one actor are a leak, not a design.
MAX_TIMERS: Final = 10_000
MAX_PIPES: Final = 10_000
MAX_WATCHES: Final = 10_000
MAX_DEFERRED: Final = 10_000
#: Questions that an actor has taken and not answered yet. Here it is the askers who are refused.
MAX_OWED: Final = 10_000


class Incarnation:
    """The context of one instance of an actor; see :class:`runtime.actor.Context`."""

    __slots__ = (
        "_deferred",
        "_log",
        "_outdated",
        "_owed",
        "_pipes",
        "_silent",
        "_timers",
        "_watches",
        "actor",
        "asked",
        "cell",
        "ended",
        "incarnation",
        "ready",
        "receive",
    )

    def __init__(self, cell: Cell, number: int) -> None:
        """Be the life number ``number`` of the actor in ``cell``."""
        self.cell = cell
        self.incarnation = number
        #: Set by the cell once the factory has returned.
        self.actor: Actor | None = None
        self.receive: Callable[[object], None] = _not_there_yet
        #: Whether ``started`` is done.
        self.ready = False
        self.ended = False
        #: The question that is being handled and has been neither answered nor taken.
        self.asked: Question | None = None
        self._log: FilteringBoundLogger | None = None
        # Most actors have few of these, and many have none.
        self._timers: dict[Hashable, Timer] | None = None
        #: Timers in the mailbox that were cancelled or replaced after they had become due.
        self._outdated = 0
        self._silent = False
        self._watches: dict[Watch, Cell | None] | None = None
        self._pipes: dict[Pipe, None] | None = None
        self._owed: dict[Question, None] | None = None
        self._deferred: list[Callable[[], object]] | None = None

    # --- What an actor sees ---------------------------------------------------------------------

    @property
    def ref(self) -> Ref:
        """See :attr:`runtime.actor.Context.ref`."""
        return self.cell.ref

    @property
    def name(self) -> str:
        """See :attr:`runtime.actor.Context.name`."""
        return self.cell.ref.name

    @property
    def clock(self) -> Clock:
        """See :attr:`runtime.actor.Context.clock`."""
        return self.cell.system.clock

    @property
    def log(self) -> FilteringBoundLogger:
        """See :attr:`runtime.actor.Context.log`."""
        if self._log is None:
            self._log = self.cell.system.log.bind(actor=self.name, incarnation=self.incarnation)
        return self._log

    def spawn(
        self,
        factory: ActorFactory,
        name: str,
        *,
        supervision: Supervision = DEFAULT_SUPERVISION,
        mailbox: int = MAILBOX_CAPACITY,
    ) -> Ref:
        """See :meth:`runtime.actor.Context.spawn`."""
        self._alive()
        return self.cell.spawn(factory, name, supervision, mailbox)

    def stop(self, ref: Ref) -> None:
        """See :meth:`runtime.actor.Context.stop`."""
        self.cell.system.request_stop(ref)

    def watch(self, ref: Ref) -> None:
        """See :meth:`runtime.actor.Context.watch`."""
        self._alive()
        cell = self.cell.system.find(ref.name)
        elsewhere = self.cell.system.elsewhere if cell is None else None
        known = cell if cell is not None else elsewhere
        if known is not None and known.is_watched_by(self, ref.name):
            return
        watches = self._watches
        if watches is None:
            watches = self._watches = {}
        if len(watches) >= MAX_WATCHES:
            raise LimitReached("watches of one actor", MAX_WATCHES)
        watch = Watch(self, ref)
        watches[watch] = cell
        if known is None:
            watch.tell(Ending.UNKNOWN)
        else:
            known.watched_by(watch)

    def set_timer(self, key: Hashable, delay: timedelta, message: object) -> None:
        """See :meth:`runtime.actor.Context.set_timer`."""
        self._alive()
        if self._silent:
            return
        timers = self._timers
        if timers is None:
            timers = self._timers = {}
        former = timers.pop(key, None)
        if former is not None:
            self._drop(former)
        if len(timers) + self._outdated >= MAX_TIMERS:
            raise LimitReached("timers of one actor", MAX_TIMERS)
        timer = Timer(self, key, message)
        timer.alarm = self.cell.system.timers.arm(delay.total_seconds(), timer.fire)
        timers[key] = timer

    def cancel_timer(self, key: Hashable) -> None:
        """See :meth:`runtime.actor.Context.cancel_timer`."""
        timer = self._timers.pop(key, None) if self._timers is not None else None
        if timer is not None:
            self._drop(timer)

    def reply(self, value: object) -> None:
        """See :meth:`runtime.actor.Context.reply`."""
        self._take_question().reply(value)

    def reply_token(self) -> ReplyToken:
        """See :meth:`runtime.actor.Context.reply_token`."""
        self._alive()
        question = self._take_question()
        if self._owed is None:
            self._owed = {}
        self._owed[question] = None
        question.owner = self
        return question

    def pipe(
        self,
        awaitable: Awaitable[T],
        to_message: Callable[[T], object],
        on_error: Callable[[Exception], object] | None = None,
        *,
        drain: bool = True,
    ) -> None:
        """See :meth:`runtime.actor.Context.pipe`."""
        pipes = self._pipes
        if pipes is None:
            pipes = self._pipes = {}
        if self.ended or len(pipes) >= MAX_PIPES:
            if asyncio.iscoroutine(awaitable):
                awaitable.close()
            self._alive()
            raise LimitReached("pipes of one actor", MAX_PIPES)
        if isinstance(awaitable, asyncio.Future):
            future = cast("asyncio.Future[T]", awaitable)
            if isinstance(future, asyncio.Task):
                self.cell.system.adopt(future)
        else:
            # A coroutine goes in as it is: wrapped, it would never be begun if this turn ends in a crash.
            work = awaitable if asyncio.iscoroutine(awaitable) else _as_coroutine(awaitable)
            future = self.cell.system.run_task(work, self.name)
        pipe = Pipe(self, future, to_message, on_error, drain=drain)
        pipes[pipe] = None
        future.add_done_callback(pipe.done)

    def execute(self, function: Callable[..., T], *args: object) -> Awaitable[T]:
        """See :meth:`runtime.actor.Context.execute`."""
        return self.cell.system.executor.run(function, args)

    def defer(self, callback: Callable[[], object]) -> None:
        """See :meth:`runtime.actor.Context.defer`."""
        if self.ended:
            callback()
            raise ActorStopped(self.name)
        if self._deferred is None:
            self._deferred = []
        if len(self._deferred) >= MAX_DEFERRED:
            callback()
            raise LimitReached("deferred callbacks of one actor", MAX_DEFERRED)
        self._deferred.append(callback)

    # --- What the runtime sees ------------------------------------------------------------------

    @property
    def timer_count(self) -> int:
        """How many timers are armed or due."""
        return len(self._timers) if self._timers is not None else 0

    def has_timer(self, key: Hashable) -> bool:
        """Tell whether the timer of that key is armed, or due and not delivered yet."""
        return self._timers is not None and key in self._timers

    @property
    def pipe_count(self) -> int:
        """How many pipes have no outcome yet."""
        return len(self._pipes) if self._pipes is not None else 0

    @property
    def draining(self) -> bool:
        """Whether there is a pipe that a graceful stop waits for."""
        return self._pipes is not None and any(pipe.drain for pipe in self._pipes)

    @property
    def owes_too_much(self) -> bool:
        """Whether so many questions wait for its answer that no more can be taken."""
        return self._owed is not None and len(self._owed) >= MAX_OWED

    def take_timer(self, timer: Timer) -> bool:
        """Forget a timer that is due; return whether it still was the one of its key."""
        if self._timers is None or self._timers.get(timer.key) is not timer:
            self._outdated -= 1
            return False
        del self._timers[timer.key]
        return True

    def pipe_done(self, pipe: Pipe) -> None:
        """Forget a pipe that has its outcome."""
        if self._pipes is not None:
            self._pipes.pop(pipe, None)

    def watch_done(self, watch: Watch) -> None:
        """Forget a watch over one that has ended."""
        if self._watches is not None:
            self._watches.pop(watch, None)

    def settled(self, question: Question) -> None:
        """Forget a question that has its answer."""
        if self._owed is not None:
            self._owed.pop(question, None)

    def fall_silent(self) -> None:
        """Cancel every timer, and arm none from now on."""
        self._silent = True
        timers, self._timers = self._timers, None
        for timer in (timers or {}).values():
            self._drop(timer)

    def end(self, error: BaseException | None) -> None:
        """Take away everything that dies with the incarnation. ``error`` is what it crashed with."""
        self.ended = True
        self.fall_silent()
        watches, self._watches = self._watches, None
        elsewhere = self.cell.system.elsewhere
        for watch, cell in (watches or {}).items():
            if cell is not None:
                cell.unwatched_by(self)
            elif elsewhere is not None:
                elsewhere.unwatched_by(watch)
        pipes, self._pipes = self._pipes, None
        for pipe in pipes or ():
            pipe.future.cancel()
        owed, self._owed = self._owed, None
        for question in owed or ():
            question.owner = None
            question.fail(
                ActorStopped(self.name) if error is None else ActorCrashed(self.name, error_type(error))
            )
        deferred, self._deferred = self._deferred, None
        for callback in reversed(deferred or ()):
            try:
                callback()
            except BaseException as failure:  # noqa: BLE001 - the others must run; the log has it
                self.cell.system.log_error("deferred callback failed", self.name, failure)
                self.cell.system.pass_on_interrupt(failure)

    def _drop(self, timer: Timer) -> None:
        """See to it that a timer that is not wanted any more is never delivered."""
        alarm = timer.alarm
        if alarm is None:
            return
        if alarm.armed:
            alarm.cancel()
        else:
            self._outdated += 1  # It was due, and lies in the mailbox.

    def _alive(self) -> None:
        if self.ended:
            raise ActorStopped(self.name)

    def _take_question(self) -> Question:
        question, self.asked = self.asked, None
        if question is None:
            message = "there is no question to answer, or it has been answered"
            raise RuntimeError(message)
        return question


def _not_there_yet(_message: object) -> None:
    """Stand where ``receive`` will be; the cell delivers nothing before ``started`` is done."""
    message = "a message before the actor was there"
    raise RuntimeError(message)


async def _as_coroutine(awaitable: Awaitable[T]) -> T:
    return await awaitable
