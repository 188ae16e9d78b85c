"""An actor system that a seed schedules, and that can be killed and looked into.

Two liberties that production has are drawn here. Which of the actors that have messages takes the next turn:
promised is only the order per sender and receiver, so any choice is a legal one. And when a process
dies: between any two messages, by :attr:`SimulatedSystem.fuse`.

A :class:`Watcher` is told of every turn, and of every message before it is handed over. It may look at
the actors themselves (:meth:`SimulatedSystem.instance`) and must not touch them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Protocol, TypeVar

from runtime.backends.sim.executor import SimulatedExecutor
from runtime.info import ActorState
from runtime.message import Ask
from runtime.system import ActorSystem

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from runtime.actor import Actor
    from runtime.clock import Clock
    from runtime.events import Observer

R = TypeVar("R")


class Watcher(Protocol):
    """Who looks at a simulated system from outside."""

    def handed(self, receiver: str, message: object) -> None:
        """See a message that is about to be put into a mailbox (or to be refused)."""
        ...

    def turn(self, name: str) -> None:
        """See that the actor of this name has handled a message, or taken a step of its life."""
        ...


class SimulatedSystem(ActorSystem):
    """The actors of one simulated process."""

    #: One message a turn, so that whoever watches sees the state after each.
    turn_messages = 1

    def __init__(
        self,
        *,
        clock: Clock,
        random: Random,
        log: FilteringBoundLogger,
        watcher: Watcher | None = None,
        observer: Observer | None = None,
        speakable: tuple[type[BaseException], ...] = (),
    ) -> None:
        """Draw everything from ``random``; tell ``watcher`` of every message and turn."""
        super().__init__(
            clock=clock,
            executor=SimulatedExecutor(random),
            random=random,
            observer=observer,
            speakable=speakable,
            log=log,
        )
        self._watcher = watcher
        self._killed = False
        #: Called after so many more turns, where it is set: ``(turns, what)``.
        self.fuse: tuple[int, Callable[[], object]] | None = None

    # --- looking into it --------------------------------------------------------------------------

    def instance(self, name: str) -> Actor | None:
        """Return the actor of that name, if it lives: it may be in the middle of ``started``."""
        cell = self._cells.get(name)
        incarnation = None if cell is None else cell.incarnation
        return None if incarnation is None else incarnation.actor

    def busy(self, name: str) -> bool:
        """Tell whether the actor of that name is about to do something: messages wait, or it starts or stops.

        One that stops has no timers any more, and waits for what is under way, within its deadline.
        """
        cell = self._cells.get(name)
        if cell is None:
            return False
        incarnation = cell.incarnation
        moving = cell.state is ActorState.STOPPING or (incarnation is not None and not incarnation.ready)
        return moving or bool(len(cell.mailbox))

    def has_timer(self, name: str, key: Hashable) -> bool:
        """Tell whether the actor of that name has set a timer under ``key``."""
        cell = self._cells.get(name)
        incarnation = None if cell is None else cell.incarnation
        return incarnation is not None and incarnation.has_timer(key)

    # --- dying ------------------------------------------------------------------------------------

    def kill(self) -> None:
        """End as a process that is killed does: now, with no leave taken, and nothing handled any more."""
        self._killed = self._stopping = self._stopped = True
        self.fuse = None
        for cell in reversed(tuple(self._top.values())):
            if cell.state is not ActorState.STOPPED:
                cell.cut_off()
        for task in self._tasks:
            task.cancel()
        if isinstance(self.executor, SimulatedExecutor):
            self.executor.abandon()
        if self.elsewhere is not None:
            self.elsewhere.abandon()
        self._line.clear()
        self.timers.close()

    # --- being watched ----------------------------------------------------------------------------

    def tell(self, name: str, message: object) -> None:
        """See :meth:`runtime.ref.Ref.tell`."""
        if self._watcher is not None:
            self._watcher.handed(name, message)
        super().tell(name, message)

    def offer(self, name: str, message: object) -> bool:
        """See :meth:`runtime.ref.Ref.offer`."""
        if self._watcher is not None:
            self._watcher.handed(name, message)
        return super().offer(name, message)

    def ask(self, name: str, message: Ask[R], timeout: timedelta) -> Awaitable[R]:
        """See :meth:`runtime.ref.Ref.ask`."""
        if self._watcher is not None:
            self._watcher.handed(name, message)
        return super().ask(name, message, timeout)

    def _round(self) -> None:
        """Give one turn to one of those in the line."""
        line = self._line
        if self._killed or not line:
            self._awake = False
            return
        if len(line) > 1:
            line.rotate(-self.random.randrange(len(line)))
        cell = line.popleft()
        cell.run()
        if self._watcher is not None:
            self._watcher.turn(cell.name)
        if self.fuse is not None:
            turns, burn = self.fuse
            self.fuse = (turns - 1, burn) if turns > 0 else None
            if turns <= 0:
                burn()
        if line and not self._killed:
            self.loop.call_soon(self._round)
        else:
            self._awake = False
