"""pykka: an actor is a thread with a queue."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from queue import SimpleQueue
from typing import Any, Final

import pykka

from benchmarks.contenders import WINDOW, Contender, Work, order


class Relay(pykka.ThreadingActor):
    """Passes a token on."""

    def __init__(self, arrived: Callable[[None], None]) -> None:
        super().__init__()
        self._arrived = arrived
        self._next: Any = None

    def on_receive(self, message: Any) -> None:
        """Pass on a token that has so many hops before it, or take the next actor."""
        if not isinstance(message, int):
            self._next = message
        elif message:
            self._next.tell(message - 1)
        else:
            self._arrived(None)


class Source(pykka.ThreadingActor):
    """Sends a window of messages whenever it is told to."""

    def on_receive(self, message: Any) -> None:
        """Send the next to whoever asks."""
        for _ in range(WINDOW):
            message.tell(None)


class Sink(pykka.ThreadingActor):
    """Counts what arrives."""

    def __init__(self, source: Any, finished: Callable[[None], None]) -> None:
        super().__init__()
        self._source = source
        self._finished = finished
        self._left = 0

    def on_receive(self, message: Any) -> None:
        """Take ``None``, or the number of those that will come."""
        if message is None:
            self._left -= 1
        else:
            self._left = message
        if not self._left:
            self._finished(None)
        elif not self._left % WINDOW:
            self._source.tell(self.actor_ref)


class Answers(pykka.ThreadingActor):
    """Answers."""

    def on_receive(self, message: Any) -> Any:
        """Answer a question with itself."""
        return message


class Threads:
    """See :class:`benchmarks.contenders.Contender`. The work blocks, as pykka's callers do."""

    @asynccontextmanager
    async def ring(self, actors: int, tokens: int) -> AsyncIterator[Work]:
        """See the protocol."""
        arrived: SimpleQueue[None] = SimpleQueue()

        async def work(hops: int) -> None:
            for number in range(tokens):
                refs[number * actors // tokens].tell(hops // tokens)
            for _ in range(tokens):
                arrived.get()

        try:
            refs = [Relay.start(arrived.put) for _ in range(actors)]
            for ref, following in zip(refs, order(actors), strict=True):
                ref.tell(refs[following])
            yield work
        finally:
            pykka.ActorRegistry.stop_all()

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[Work]:
        """See the protocol."""
        finished: SimpleQueue[None] = SimpleQueue()

        async def work(messages: int) -> None:
            sink.tell(messages)
            finished.get()

        try:
            sink = Sink.start(Source.start(), finished.put)
            yield work
        finally:
            pykka.ActorRegistry.stop_all()

    @asynccontextmanager
    async def ask(self, at_once: int) -> AsyncIterator[Work]:
        """See the protocol."""

        async def work(questions: int) -> None:
            for _ in range(questions // at_once):
                for answer in [ref.ask(1, block=False) for _ in range(at_once)]:
                    answer.get(timeout=30)

        try:
            ref = Answers.start()
            yield work
        finally:
            pykka.ActorRegistry.stop_all()

    @asynccontextmanager
    async def idle(self, actors: int) -> AsyncIterator[int]:
        """See the protocol. The machine may not have so many threads."""
        made = 0
        try:
            try:
                for _ in range(actors):
                    Answers.start()
                    made += 1
            except RuntimeError:
                # "can't start new thread"
                pykka.ActorRegistry.unregister(pykka.ActorRegistry.get_all()[-1])
            yield made
        finally:
            pykka.ActorRegistry.stop_all()


CONTENDER: Final[Contender] = Threads()
