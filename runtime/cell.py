"""One actor as the runtime sees it, from its first spawn to its end.

The cell has what survives a restart: name, factory, mailbox, children, and the history of crashes that
supervision decides by. It moves along :data:`runtime.info.TRANSITIONS`. Every step happens in the cell's own
turn (:meth:`Cell.run`), in the callback of a timer or in that of a finished task, so never in the middle of a
message.

Whatever is raised is a crash, also what is no ``Exception``: a library's panic, a ``CancelledError`` out of a
future. An interrupt or an exit is a crash too, and then goes its way to whoever runs the event loop.

A graceful stop goes: children first, while messages are still taken; then no more are taken and timers
fall silent; then what waits in the mailbox and in pipes is handled; then ``stopping``; then the end.
At the deadline what is left is cut off.
"""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from runtime.actor import Actor, Ending
from runtime.crash import error_type, say
from runtime.errors import ActorStopped, ChildFailed, NameTaken, Undeliverable, WorkCancelled
from runtime.events import Crashed, Ended, Failed, Overdue, Restarted
from runtime.incarnation import Incarnation
from runtime.info import TRANSITIONS, ActorInfo, ActorState
from runtime.mailbox import Mailbox
from runtime.parcels import Owned, Parcel, Question, Watching
from runtime.ref import Ref
from runtime.supervision import GiveUp, Restart, Supervision, decide, remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from runtime.actor import ActorFactory
    from runtime.system import ActorSystem
    from runtime.timers import Alarm

#: How long ``ctx.stop`` lets an actor take.
STOP_DEADLINE: Final = timedelta(seconds=10)


class Cell:
    """The lasting part of one actor."""

    __slots__ = (
        "_alarm",
        "_closing",
        "_crash_count",
        "_crashes",
        "_factory",
        "_last_error",
        "_number",
        "_on_end",
        "_parent",
        "_stop_by",
        "_supervision",
        "_task",
        "_watchers",
        "accepting",
        "children",
        "incarnation",
        "kind",
        "mailbox",
        "ref",
        "scheduled",
        "state",
        "system",
    )

    def __init__(
        self,
        system: ActorSystem,
        parent: Cell | None,
        ref: Ref,
        factory: ActorFactory,
        supervision: Supervision,
        mailbox: Mailbox,
    ) -> None:
        """Hold an actor that starts in its first turn."""
        self.system = system
        self.ref = ref
        self.mailbox = mailbox
        self.state = ActorState.STARTING
        self.kind = ""
        self.incarnation: Incarnation | None = None
        self.children: dict[str, Cell] | None = None
        #: Whether messages of others are taken.
        self.accepting = True
        #: Whether the cell stands in the system's line for a turn.
        self.scheduled = False
        self._parent = parent
        self._factory = factory
        self._supervision = supervision
        self._number = 0
        self._crashes: tuple[timedelta, ...] = ()
        self._crash_count = 0
        self._last_error: str | None = None
        self._closing = False
        # The earliest deadline that a stop was given, on the loop's clock.
        self._stop_by: float | None = None
        # The delay of a restart, or the deadline of a stop.
        self._alarm: Alarm | None = None
        # What runs ``started`` or ``stopping``.
        self._task: asyncio.Task[None] | None = None
        self._watchers: dict[Hashable, Watching] | None = None
        self._on_end: list[Callable[[], object]] | None = None

    @property
    def name(self) -> str:
        """The full name."""
        return self.ref.name

    # --- Messages -------------------------------------------------------------------------------

    def schedule(self) -> None:
        """Ask for a turn."""
        if not self.scheduled:
            self.scheduled = True
            self.system.schedule(self)

    def put_own(self, parcel: Parcel) -> None:
        """Take a parcel of the runtime, whatever the bound."""
        self.mailbox.put_own(parcel)
        self.schedule()

    def run(self) -> None:
        """Have a turn: handle some messages, then any step of life that has become due."""
        self.scheduled = False
        incarnation = self.incarnation
        if incarnation is None:
            # One that was stopped before its first turn still handles what it has been sent.
            unheard = self.state is ActorState.STOPPING and not self._number and len(self.mailbox)
            if self.state is ActorState.STARTING or unheard:
                self._start()
        elif incarnation.ready and self.mailbox.queue is not None:
            self._handle_some(incarnation, self.mailbox.queue)
        if self.state is ActorState.STOPPING:
            self._advance_stop()
        if self.mailbox.queue is not None and self.incarnation is not None and self.incarnation.ready:
            self.schedule()

    def _handle_some(self, incarnation: Incarnation, queue: deque[object]) -> None:
        receive = incarnation.receive
        item: object = None
        try:
            for _ in range(min(len(queue), self.system.turn_messages)):
                item = queue.popleft()
                if isinstance(item, Parcel):
                    item.open(incarnation)
                else:
                    receive(item)
        except BaseException as error:  # noqa: BLE001 - any error is a crash, and supervision decides
            label = item.label if isinstance(item, Parcel) else type(item).__name__
            self.crash(error, label)
            self.system.pass_on_interrupt(error)
        # A crash for good has emptied the mailbox and taken its queue away.
        if not queue and self.mailbox.queue is queue:
            self.mailbox.rest()

    # --- Starting -------------------------------------------------------------------------------

    def spawn(self, factory: ActorFactory, name: str, supervision: Supervision, mailbox: int) -> Ref:
        """Start a child."""
        if self.state is ActorState.STOPPING:
            raise ActorStopped(self.name)
        former = (self.children or {}).get(name)
        if former is not None:
            if former.state is not ActorState.FAILED:
                raise NameTaken(former.name)
            former.cut_off()
        child = self.system.make_cell(self, name, factory, supervision, mailbox)
        if self.children is None:
            self.children = {}
        self.children[name] = child
        child.schedule()
        return child.ref

    def _start(self) -> None:
        self._number += 1
        incarnation = self.incarnation = Incarnation(self, self._number)
        try:
            actor = self._factory()
            actor.ctx = incarnation
            incarnation.actor = actor
            incarnation.receive = actor.receive
            self.kind = type(actor).__name__
            # Most actors have nothing to prepare, and a task apiece for nothing would be dear.
            starting = None if type(actor).started is Actor.started else actor.started()
        except BaseException as error:  # noqa: BLE001 - any error is a crash, and supervision decides
            self.crash(error, "start")
            self.system.pass_on_interrupt(error)
            return
        if starting is None:
            self._ready(incarnation)
        else:
            self._task = self.system.run_task(starting, self.name)
            self._task.add_done_callback(partial(self._started, incarnation))

    def _started(self, incarnation: Incarnation, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if incarnation.ended:
            return
        self._task = None
        if task.cancelled():
            self.crash(WorkCancelled(f"the start of {self.name} was cancelled"), "start")
        elif error is not None:
            self.crash(error, "start")
        else:
            self._ready(incarnation)

    def _ready(self, incarnation: Incarnation) -> None:
        incarnation.ready = True
        if self.state is ActorState.STARTING:
            self._become(ActorState.RUNNING)
            if incarnation.incarnation > 1:
                self.system.restarts += 1
                self.system.emit(Restarted(self.name, self.kind, incarnation.incarnation))
        if self.mailbox.queue is not None or self.state is ActorState.STOPPING:
            self.schedule()

    # --- Crashing -------------------------------------------------------------------------------

    def crash(self, error: BaseException, during: str) -> None:
        """End the incarnation with an error; restart later, or fail. Without an incarnation do nothing."""
        incarnation = self.incarnation
        if incarnation is None:
            return
        # One that is to stop may have no more children; to have wanted one is no fault, and ends it.
        stopping = self.state is ActorState.STOPPING
        refused = stopping and isinstance(error, ActorStopped) and error.name == self.name
        self.incarnation = None
        self._cancel_task()
        incarnation.end(None if refused else error)
        self.mailbox.drop(lambda item: isinstance(item, Owned) and item.owner is incarnation)
        if refused:
            self.schedule()
            return
        self._crash_count += 1
        self._last_error = error_type(error)
        self.system.crashes += 1
        self.system.log_error("actor crashed", self.name, error, during=during, crashes=self._crash_count)
        for child in tuple((self.children or {}).values()):
            child.request_stop(STOP_DEADLINE)
        if self.state is ActorState.STOPPING:
            self.system.emit(Crashed(self.name, self.kind, self._last_error, self._crash_count, None))
            self.schedule()
            return
        now = self.system.clock.monotonic()
        self._crashes = remembered(self._supervision, (*self._crashes, now), now)
        match decide(self._supervision, self._crashes, now, self.system.random):
            case Restart(delay):
                self._become(ActorState.RESTARTING)
                self._alarm = self.system.timers.arm(delay.total_seconds(), self._restart_due)
                self.system.emit(Crashed(self.name, self.kind, self._last_error, self._crash_count, delay))
            case GiveUp():
                self._fail(self._last_error)

    def _restart_due(self) -> None:
        self._alarm = None
        self._restart_if_possible()

    def _restart_if_possible(self) -> None:
        if self.state is ActorState.RESTARTING and self._alarm is None and not self.children:
            self._become(ActorState.STARTING)
            self.schedule()

    def _fail(self, error: str) -> None:
        self._become(ActorState.FAILED)
        self.accepting = False
        self._bury_messages()
        self.system.failures += 1
        self.system.emit(Failed(self.name, self.kind, error, self._crash_count))
        self._tell_watchers(Ending.FAILED)
        if self._supervision.escalate and self._parent is not None:
            self._parent.crash(ChildFailed(self.name, error), "supervision")

    # --- Stopping -------------------------------------------------------------------------------

    def request_stop(self, deadline: timedelta) -> None:
        """Begin a graceful stop, or hurry the one that is going on: the earliest deadline counts."""
        if self.state is ActorState.STOPPED:
            return
        end = self.system.loop.time() + deadline.total_seconds()
        if self._stop_by is None or end < self._stop_by:
            self._stop_by = end
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = self.system.timers.arm(deadline.total_seconds(), self._overdue)
        if self.state is not ActorState.STOPPING:
            self._become(ActorState.STOPPING)
        for child in tuple((self.children or {}).values()):
            child.request_stop(deadline)
        self.schedule()

    def on_end(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` when the actor is gone."""
        if self._on_end is None:
            self._on_end = []
        self._on_end.append(callback)

    def cut_off(self) -> None:
        """End now: children first, nothing is waited for."""
        for child in tuple((self.children or {}).values()):
            child.cut_off()
        if self.state is not ActorState.STOPPED:
            self._terminate()

    def child_gone(self, child: Cell) -> None:
        """Forget a child that has ended, and go on with what waited for that."""
        own_name = child.name.rpartition("/")[2]
        if self.children is not None and self.children.get(own_name) is child:
            del self.children[own_name]
            self.children = self.children or None
        if self.state is ActorState.STOPPING:
            self.schedule()
        else:
            self._restart_if_possible()

    def _overdue(self) -> None:
        self._alarm = None
        say(self.system.log.warning, "actor cut off at its deadline", actor=self.name)
        self.system.emit(Overdue(self.name, self.kind))
        self.cut_off()

    def _advance_stop(self) -> None:
        if self.children:
            return
        incarnation = self.incarnation
        if incarnation is None:
            self._terminate()
            return
        if not incarnation.ready or self._task is not None:
            return
        if not self._closing:
            self._closing = True
            self.accepting = False
            incarnation.fall_silent()
        if self.mailbox.queue is not None or incarnation.draining:
            return
        actor = incarnation.actor
        if actor is None or type(actor).stopping is Actor.stopping:
            self._terminate()
            return
        # Nothing is handled after the last message, whatever a pipe that nobody waits for may bring.
        incarnation.ready = False
        try:
            leaving = actor.stopping()
        except BaseException as error:  # noqa: BLE001 - one that is no coroutine function may raise at once
            self.crash(error, "stopping")
            self.system.pass_on_interrupt(error)
            return
        self._task = self.system.run_task(leaving, self.name)
        self._task.add_done_callback(partial(self._took_leave, incarnation))

    def _took_leave(self, incarnation: Incarnation, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if incarnation.ended:
            return
        self._task = None
        if error is not None:
            self.crash(error, "stopping")
        if self.state is not ActorState.STOPPED:
            self._terminate()

    def _terminate(self) -> None:
        self._become(ActorState.STOPPED)
        self.accepting = False
        self._cancel_task()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        incarnation, self.incarnation = self.incarnation, None
        if incarnation is not None:
            incarnation.end(None)
        self._bury_messages()
        self.system.forget(self)
        self._tell_watchers(Ending.STOPPED)
        if self._crash_count:
            self.system.emit(Ended(self.name, self.kind))
        if self._parent is not None:
            self._parent.child_gone(self)
        for callback in self._on_end or ():
            callback()

    def _cancel_task(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()

    def _bury_messages(self) -> None:
        for item in self.mailbox.drain():
            if isinstance(item, Question):
                item.fail(Undeliverable(self.name, f"it is {self.state.value}"))
                self.system.dead_letters.add(self.name, item.message)
            elif not isinstance(item, Parcel):
                self.system.dead_letters.add(self.name, item)

    # --- Being seen -----------------------------------------------------------------------------

    def is_watched_by(self, watcher: Hashable, _name: str) -> bool:
        """Return whether ``watcher`` is going to be told of the end."""
        return self._watchers is not None and watcher in self._watchers

    def watched_by(self, watch: Watching) -> None:
        """Tell the owner of ``watch`` when the actor has ended; at once if it has failed."""
        if self.state is ActorState.FAILED:
            watch.tell(Ending.FAILED)
            return
        if self._watchers is None:
            self._watchers = {}
        self._watchers[watch.owner] = watch

    def unwatched_by(self, watcher: Hashable) -> None:
        """Forget a watcher that has ended, so that many short ones leave nothing with one that lasts."""
        if self._watchers is not None:
            self._watchers.pop(watcher, None)
            self._watchers = self._watchers or None

    def info(self) -> ActorInfo:
        """Describe the actor as it is now."""
        incarnation = self.incarnation
        return ActorInfo(
            name=self.name,
            kind=self.kind,
            state=self.state,
            incarnation=self._number,
            crashes=self._crash_count,
            last_error=self._last_error,
            mailbox_depth=len(self.mailbox),
            mailbox_highest=self.mailbox.highest,
            mailbox_capacity=self.mailbox.capacity,
            taken=self.mailbox.taken,
            refused=self.mailbox.refused,
            timers=incarnation.timer_count if incarnation is not None else 0,
            pipes=incarnation.pipe_count if incarnation is not None else 0,
        )

    def _tell_watchers(self, ending: Ending) -> None:
        watchers, self._watchers = self._watchers, None
        for watch in (watchers or {}).values():
            watch.tell(ending)

    def _become(self, state: ActorState) -> None:
        if state not in TRANSITIONS[self.state]:
            message = f"{self.name} cannot go from {self.state.value} to {state.value}"
            raise RuntimeError(message)
        self.state = state
