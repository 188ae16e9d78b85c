"""How long each message, and each callback of the event loop, holds the loop: by whom and with what.

Production code times nothing of this. The benchmark runs on a :class:`TimedLoop`, which notes every
callback, those included that belong to no actor: steps of coroutines, answers of the store, timers. A round
of the runtime handles several messages, so :meth:`Stopwatch.watching` notes each ``receive`` of some kinds of
actors besides.

Everything is timed twice. *Computed* is the CPU time of the loop's own thread: what this message costs,
whatever else runs. *Wall* is what passed meanwhile; it includes what other processes took, and the
threads of the executor, which hold the interpreter's lock while they compute. What the collector of garbage
needs is noted by itself and taken off what is computed: whose message it interrupts is chance.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass, field
from functools import partial
from threading import get_ident
from typing import Final, TypeAlias, TypeVarTuple

from actors.messages import FrameArrived
from peerkey.protocol.constants import Kind
from runtime.actor import Actor
from runtime.system import ActorSystem

Ts = TypeVarTuple("Ts")

#: Who held the loop, and with what.
Label: TypeAlias = tuple[str, str]

#: Stands for the actor where there is none.
LOOP: Final = "event loop"
#: A round of messages, each of which has a line of its own.
ROUND: Final[Label] = (LOOP, f"{ActorSystem.__name__}._round")
GARBAGE: Final[Label] = (LOOP, "collecting garbage")
_KINDS: Final = frozenset(Kind)


@dataclass(slots=True)
class Pauses:
    """How long the loop was held each time, in nanoseconds."""

    computed: list[int] = field(default_factory=list)
    wall: list[int] = field(default_factory=list)


class Stopwatch:
    """Notes what holds the event loop of one thread."""

    def __init__(self) -> None:
        """Note nothing yet."""
        self.pauses: defaultdict[Label, Pauses] = defaultdict(Pauses)
        self._thread = get_ident()
        #: CPU time of all collections of garbage until now.
        self._collected = 0
        self._collecting_since = (0, 0)

    @contextmanager
    def watching(self, kinds: Iterable[type[Actor]]) -> Iterator[None]:
        """Note what these kinds of actors receive, and the collections of garbage."""
        methods = {kind: kind.receive for kind in kinds}
        for kind in methods:
            kind.receive = self._noting(kind)  # type: ignore[method-assign, assignment]
        gc.callbacks.append(self._collection)
        try:
            yield
        finally:
            gc.callbacks.remove(self._collection)
            for kind, receive in methods.items():
                kind.receive = receive  # type: ignore[method-assign]

    def note(self, label: Label, function: Callable[..., object], *args: object) -> None:
        """Call ``function``, and note how long it took."""
        pauses = self.pauses[label]
        collected = self._collected
        wall, computed = time.perf_counter_ns(), time.thread_time_ns()
        try:
            function(*args)
        finally:
            computed = time.thread_time_ns() - computed
            pauses.wall.append(time.perf_counter_ns() - wall)
            pauses.computed.append(max(0, computed - (self._collected - collected)))

    def _noting(self, kind: type[Actor]) -> Callable[[Actor, object], None]:
        receive = kind.receive

        def noted(actor: Actor, message: object) -> None:
            self.note((kind.__name__, kind_of_message(message)), receive, actor, message)

        return noted

    def _collection(self, phase: str, _info: dict[str, int]) -> None:
        if get_ident() != self._thread:
            return
        moment = (time.perf_counter_ns(), time.thread_time_ns())
        if phase == "start":
            self._collecting_since = moment
            return
        wall, computed = (now - then for now, then in zip(moment, self._collecting_since, strict=True))
        self._collected += computed
        self.pauses[GARBAGE].wall.append(wall)
        self.pauses[GARBAGE].computed.append(computed)


class TimedLoop(asyncio.SelectorEventLoop):
    """An event loop that notes how long each of its callbacks takes."""

    def __init__(self, stopwatch: Stopwatch) -> None:
        """Have ``stopwatch`` note it."""
        self._stopwatch = stopwatch
        super().__init__()

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """See :meth:`asyncio.loop.call_soon`."""
        return super().call_soon(self._noted, callback, *args, context=context)

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """See :meth:`asyncio.loop.call_soon_threadsafe`."""
        return super().call_soon_threadsafe(self._noted, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """See :meth:`asyncio.loop.call_at`."""
        return super().call_at(when, self._noted, callback, *args, context=context)

    def _noted(self, callback: Callable[[*Ts], object], *args: *Ts) -> None:
        self._stopwatch.note((LOOP, _name_of(callback)), callback, *args)


def kind_of_message(message: object) -> str:
    """Name the type of a message, and the kind of the frame in it."""
    name = type(message).__name__
    if isinstance(message, FrameArrived) and message.frame.kind in _KINDS:
        return f"{name} {Kind(message.frame.kind).name}"
    return name


def _name_of(callback: Callable[..., object]) -> str:
    """Name a callback of the loop; a step of a task by its coroutine."""
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        coroutine = owner.get_coro()
        return f"{getattr(coroutine, '__qualname__', 'coroutine')}()"
    if isinstance(callback, partial):
        return _name_of(callback.func)
    return getattr(callback, "__qualname__", type(callback).__name__)
