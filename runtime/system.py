"""The actor system: names, turns, and the end of everything.

One system lives on one event loop and uses nothing of the world but four things that its backend gives
it: that loop, a clock, an executor and a source of random numbers. The local backend
(:mod:`runtime.backends.local`) gives it the real ones. A simulation gives it an event loop
whose time is virtual, a clock on that time, an executor that computes in place, and a seeded random
generator; then the same actors run the same code and a seed decides everything.

Actors have turns: those with messages stand in one line, each handles a few, and after a few
milliseconds the loop gets its chance to read sockets. There is no task per actor and none per
message.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Coroutine
from datetime import timedelta
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self, TypeVar, cast

import structlog

from runtime.cell import STOP_DEADLINE, Cell
from runtime.crash import SPEAKABLE, describe, say
from runtime.deadletters import DeadLetters
from runtime.errors import ActorStopped, LimitReached, MailboxFull, NameTaken, Undeliverable
from runtime.incarnation import MAX_OWED
from runtime.info import ActorInfo, ActorState, SystemInfo
from runtime.mailbox import MAILBOX_CAPACITY, Mailbox
from runtime.message import Ask
from runtime.parcels import Question
from runtime.ref import Ref
from runtime.supervision import DEFAULT_SUPERVISION, Supervision
from runtime.timers import Timeline, TimerQueue

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from runtime.actor import ActorFactory
    from runtime.clock import Clock
    from runtime.elsewhere import Elsewhere
    from runtime.events import Observer, RuntimeEvent
    from runtime.executor import Executor

R = TypeVar("R")
T = TypeVar("T")

#: Between two looks at sockets and timers, actors have turns for about this long,
_ROUND_SECONDS: Final = 0.002
#: and at most so many turns (in a simulation no time passes while they run).
_ROUND_TURNS: Final = 256

#: Actors of one system. At 700 bytes for an idle one, more is a leak that should be told in time.
MAX_ACTORS: Final = 1_000_000
#: Generations of actors. Stops go down the tree and failures up, one call inside the other.
MAX_DEPTH: Final = 32

#: How long cancelled work may take to notice that it is cancelled.
_CANCEL_GRACE: Final = timedelta(seconds=1)


class ActorSystem:
    """A set of named actors on one event loop. An asynchronous context manager."""

    #: So many messages an actor handles before the next one has its turn.
    turn_messages: int = 8

    def __init__(
        self,
        *,
        clock: Clock,
        executor: Executor,
        random: Random,
        observer: Observer | None = None,
        speakable: tuple[type[BaseException], ...] = (),
        log: FilteringBoundLogger | None = None,
    ) -> None:
        """Take over what the backend provides.

        ``observer`` is told of deaths and returns. ``speakable`` names kinds of errors whose text never
        holds contents of messages and may be logged (see :mod:`runtime.crash`). ``log`` is where the system
        and its actors log; structlog's logger ``runtime`` unless given.
        """
        self.clock = clock
        self.executor = executor
        self.random = random
        self.log: FilteringBoundLogger = log if log is not None else structlog.get_logger("runtime")
        self.dead_letters = DeadLetters(clock, self.log)
        #: Where the actors of other hosts are, if there are any. Set by :mod:`runtime.cluster`.
        self.elsewhere: Elsewhere | None = None
        self.crashes = 0
        self.restarts = 0
        self.failures = 0
        self._observer = observer
        self._speakable = (*SPEAKABLE, *speakable)
        self._refused = 0
        self._cells: dict[str, Cell] = {}
        self._top: dict[str, Cell] = {}
        self._line: deque[Cell] = deque()
        self._spare: list[deque[object]] = []
        self._awake = False
        # A dictionary, because a set would be cancelled in an order that differs from run to run.
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._stopping = False
        self._stopped = False
        self._entered = False
        #: The event loop that the system lives on, and all its timers.
        self.loop = cast("asyncio.AbstractEventLoop", _NotEntered())
        self.timers = cast("TimerQueue", _NotEntered())

    # --- For whoever runs the system ------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Begin, on the running event loop."""
        self.begin(asyncio.get_running_loop())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, gracefully if the block ended well and at once if it did not."""
        await self.stop(STOP_DEADLINE if error is None else timedelta(0))

    def observe(self, observer: Observer, speakable: tuple[type[BaseException], ...] = ()) -> None:
        """Tell ``observer`` of deaths and returns, for whoever did not make the system; see ``__init__``."""
        self._observer = observer
        self._speakable += speakable

    def begin(self, loop: asyncio.AbstractEventLoop, timeline: Timeline | None = None) -> None:
        """Live on ``loop`` from now on, as entering does. Timers follow ``timeline``, or the loop."""
        self._entered = True
        self.loop = loop
        self.timers = TimerQueue(loop if timeline is None else timeline)

    def spawn(
        self,
        factory: ActorFactory,
        name: str,
        *,
        supervision: Supervision = DEFAULT_SUPERVISION,
        mailbox: int = MAILBOX_CAPACITY,
    ) -> Ref:
        """Start a top-level actor; see :meth:`runtime.actor.Context.spawn`."""
        former = self._top.get(name)
        if former is not None:
            if former.state is not ActorState.FAILED:
                raise NameTaken(name)
            former.cut_off()
        cell = self._top[name] = self.make_cell(None, name, factory, supervision, mailbox)
        cell.schedule()
        return cell.ref

    def ref(self, name: str) -> Ref:
        """Return the reference of that name, whether or not there is such an actor now."""
        cell = self._cells.get(name)
        return cell.ref if cell is not None else Ref(name, self)

    async def stop_actor(self, ref: Ref, deadline: timedelta = STOP_DEADLINE) -> None:
        """Stop one actor and its children gracefully; return when they are gone."""
        cell = self._cells.get(ref.name)
        if cell is not None:
            await self._gone(cell, deadline)

    async def stop(self, deadline: timedelta = STOP_DEADLINE) -> None:
        """Stop everything: the latest top-level actor first, children before parents.

        What has not ended by the deadline is cut off. A second call, with a shorter deadline, hurries
        the first one. When either returns, no task, thread or timer of the system is left.
        """
        if not self._entered or self._stopped:
            return
        loop = self.loop
        self._stopping = True
        end = loop.time() + deadline.total_seconds()
        while self._top:
            left = timedelta(seconds=max(0.0, end - loop.time()))
            if not left:
                for cell in reversed(tuple(self._top.values())):
                    cell.cut_off()
                break
            await self._gone(next(reversed(self._top.values())), left)
        if self.elsewhere is not None:
            await self.elsewhere.leave()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            _, stubborn = await asyncio.wait(self._tasks, timeout=_CANCEL_GRACE.total_seconds())
            for task in stubborn:
                say(self.log.error, "task ignores its cancellation", task=task.get_name())
        if not await self.executor.close(timedelta(seconds=max(0.0, end - loop.time())) + _CANCEL_GRACE):
            say(self.log.error, "work on the executor did not end")
        self.timers.close()
        self._stopped = True

    def crash(self, ref: Ref, error: Exception) -> None:
        """Crash an actor as if it had raised ``error``: for chaos and for simulations.

        Not from within a message of that actor, which only has to raise.
        """
        cell = self._cells.get(ref.name)
        if cell is not None:
            cell.crash(error, "injected")

    def actors(self) -> tuple[ActorInfo, ...]:
        """Describe every actor, in order of their names."""
        return tuple(self._cells[name].info() for name in sorted(self._cells))

    def info(self) -> SystemInfo:
        """Return the totals."""
        return SystemInfo(
            actors=len(self._cells),
            dead_letters=self.dead_letters.count,
            refused=self._refused,
            crashes=self.crashes,
            restarts=self.restarts,
            failures=self.failures,
        )

    # --- Delivery, for references ---------------------------------------------------------------

    def tell(self, name: str, message: object) -> None:
        """See :meth:`runtime.ref.Ref.tell`."""
        cell = self._cells.get(name)
        if cell is None or not cell.accepting:
            if cell is None and self.elsewhere is not None:
                self.elsewhere.tell(name, message)
            else:
                self.dead_letters.add(name, message)
            return
        if not cell.mailbox.put(message):
            self._refused += 1
            raise MailboxFull(name, cell.mailbox.capacity)
        if not cell.scheduled:
            cell.scheduled = True
            self.schedule(cell)

    def offer(self, name: str, message: object) -> bool:
        """See :meth:`runtime.ref.Ref.offer`."""
        cell = self._cells.get(name)
        if cell is None or not cell.accepting:
            if cell is None and self.elsewhere is not None:
                return self.elsewhere.offer(name, message)
            self.dead_letters.add(name, message)
            return False
        if not cell.mailbox.put(message):
            self._refused += 1
            return False
        cell.schedule()
        return True

    def ask(self, name: str, message: Ask[R], timeout: timedelta) -> Awaitable[R]:
        """See :meth:`runtime.ref.Ref.ask`."""
        future: asyncio.Future[R] = self.loop.create_future()
        question = Question(name, message, timeout, future)
        cell = self._cells.get(name)
        if cell is None or not cell.accepting:
            if cell is None and self.elsewhere is not None:
                return self.elsewhere.ask(name, message, timeout)
            self.dead_letters.add(name, message)
            question.fail(Undeliverable(name))
        elif cell.incarnation is not None and cell.incarnation.owes_too_much:
            cell.mailbox.refused += 1
            self._refused += 1
            question.fail(LimitReached(f"questions that {name} has not answered", MAX_OWED))
        elif not cell.mailbox.put(question):
            self._refused += 1
            question.fail(MailboxFull(name, cell.mailbox.capacity))
        else:
            question.alarm = self.timers.arm(timeout.total_seconds(), question.expire)
            if not cell.scheduled:
                cell.scheduled = True
                self.schedule(cell)
        return future

    # --- For cells ------------------------------------------------------------------------------

    def make_cell(
        self, parent: Cell | None, name: str, factory: ActorFactory, supervision: Supervision, mailbox: int
    ) -> Cell:
        """Make and register a cell; it does not run before it is scheduled."""
        if not name or "/" in name:
            message = f"{name!r} is no name for an actor: it is empty or contains a slash"
            raise ValueError(message)
        full = name if parent is None else f"{parent.name}/{name}"
        # One that has not been told to stop yet may have children, which end with it.
        if not self._entered or (parent is None and self._stopping):
            raise ActorStopped(full)
        if len(self._cells) >= MAX_ACTORS:
            raise LimitReached("actors in one system", MAX_ACTORS)
        if full.count("/") >= MAX_DEPTH:
            raise LimitReached("generations of actors", MAX_DEPTH)
        cell = Cell(self, parent, Ref(full, self), factory, supervision, Mailbox(mailbox, self._spare))
        self._cells[full] = cell
        return cell

    def forget(self, cell: Cell) -> None:
        """Free the name of a cell that has ended."""
        if self._cells.get(cell.name) is cell:
            del self._cells[cell.name]
        if self._top.get(cell.name) is cell:
            del self._top[cell.name]

    def schedule(self, cell: Cell) -> None:
        """Put a cell in the line for a turn."""
        self._line.append(cell)
        if not self._awake:
            self._awake = True
            self.loop.call_soon(self._round)

    def note_refused(self) -> None:
        """Count a message that was refused on its way to another host, or on its arrival from one."""
        self._refused += 1

    def find(self, name: str) -> Cell | None:
        """Return the cell of that name, if there is such an actor now."""
        return self._cells.get(name)

    def run_task(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Run a coroutine; it ends with the system at the latest."""
        task = self.loop.create_task(work, name=name)
        self.adopt(task)
        return task

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """See to it that a task has ended when the system has stopped."""
        self._tasks[task] = None
        task.add_done_callback(self._task_done)

    def request_stop(self, ref: Ref) -> None:
        """Begin the graceful stop of an actor."""
        cell = self._cells.get(ref.name)
        if cell is not None and cell.state is not ActorState.STOPPING:
            cell.request_stop(STOP_DEADLINE)

    def emit(self, event: RuntimeEvent) -> None:
        """Tell the observer."""
        if self._observer is None:
            return
        try:
            self._observer(event)
        except Exception as error:  # noqa: BLE001 - what it observes has to go on
            self.log_error("observer failed", event.name, error)

    def pass_on_interrupt(self, error: BaseException) -> None:
        """Raise an interrupt or an exit where whoever runs the event loop meets it, and nothing else."""
        if isinstance(error, KeyboardInterrupt | SystemExit):
            self.loop.call_soon(_raise, error)

    def log_error(self, text: str, name: str, error: BaseException, **more: object) -> None:
        """Log an error of an actor, without contents."""

        def write(text: str, **fields: object) -> None:
            self.log.error(text, actor=name, traceback=describe(error, self._speakable), **fields)

        say(write, text, **more)

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)

    def _round(self) -> None:
        """Give turns to those in the line until time or turns are used up."""
        line = self._line
        loop = self.loop
        end = loop.time() + _ROUND_SECONDS
        try:
            for _ in range(_ROUND_TURNS):
                line.popleft().run()
                if not line or loop.time() >= end:
                    break
        finally:
            if line:
                loop.call_soon(self._round)
            else:
                self._awake = False

    async def _gone(self, cell: Cell, deadline: timedelta) -> None:
        """Stop a cell and wait until it is gone."""
        gone: asyncio.Future[None] = self.loop.create_future()
        cell.on_end(lambda: None if gone.done() else gone.set_result(None))
        cell.request_stop(deadline)
        await gone


def _raise(error: BaseException) -> None:
    raise error


class _NotEntered:
    """Stands where the event loop and the timers will be."""

    def __getattr__(self, name: str) -> NoReturn:
        message = "enter the system first: async with system"
        raise RuntimeError(message)
