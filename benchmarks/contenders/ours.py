"""The runtime of this project."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from benchmarks.contenders import WINDOW, Contender, Work, order
from runtime import Actor, Ask, Ref
from runtime.backends.local import LocalSystem

_WITHIN: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Question(Ask[int]):
    """Answered with its number."""

    number: int


class Relay(Actor):
    """Passes a token on."""

    def __init__(self, arrived: Callable[[], None]) -> None:
        self.next: Ref | None = None
        self._arrived = arrived

    def receive(self, message: object) -> None:
        """Pass on a token that has so many hops before it."""
        if message and self.next is not None:
            self.next.tell(message - 1)  # type: ignore[operator]
        else:
            self._arrived()


class Source(Actor):
    """Sends a window of messages whenever it is told to."""

    def __init__(self) -> None:
        self.sink: Ref | None = None

    def receive(self, message: object) -> None:  # noqa: ARG002
        """Send the next."""
        sink = self.sink
        if sink is not None:
            for _ in range(WINDOW):
                sink.tell(None)


class Sink(Actor):
    """Counts what arrives."""

    def __init__(self, source: Ref, finished: Callable[[], None]) -> None:
        self._source = source
        self._finished = finished
        self._left = 0

    def receive(self, message: object) -> None:
        """Take ``None``, or the number of those that will come."""
        if isinstance(message, int):
            self._left = message
        else:
            self._left -= 1
        if not self._left:
            self._finished()
        elif not self._left % WINDOW:
            self._source.tell(None)


class Answers(Actor):
    """Answers."""

    def receive(self, message: object) -> None:
        """Answer a question with its number."""
        if isinstance(message, Question):
            self.ctx.reply(message.number)


class Idle(Actor):
    """Does nothing."""

    def receive(self, message: object) -> None:
        """Do nothing."""


class Ours:
    """See :class:`benchmarks.contenders.Contender`."""

    @asynccontextmanager
    async def ring(self, actors: int, tokens: int) -> AsyncIterator[Work]:
        """See the protocol."""
        left = 0
        done = asyncio.get_running_loop().create_future()

        def arrived() -> None:
            nonlocal left
            left -= 1
            if not left:
                done.set_result(None)

        async def work(hops: int) -> None:
            nonlocal left, done
            left, done = tokens, asyncio.get_running_loop().create_future()
            for number in range(tokens):
                refs[number * actors // tokens].tell(hops // tokens)
            await done

        async with LocalSystem() as system:
            relays = [Relay(arrived) for _ in range(actors)]
            refs = [
                system.spawn(lambda relay=relay: relay, f"relay {number}")  # type: ignore[misc]
                for number, relay in enumerate(relays)
            ]
            for relay, following in zip(relays, order(actors), strict=True):
                relay.next = refs[following]
            yield work

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[Work]:
        """See the protocol."""
        done = asyncio.get_running_loop().create_future()

        async def work(messages: int) -> None:
            nonlocal done
            done = asyncio.get_running_loop().create_future()
            sink.tell(messages)
            await done

        async with LocalSystem() as system:
            source = Source()
            ref = system.spawn(lambda: source, "source")
            sink = source.sink = system.spawn(lambda: Sink(ref, lambda: done.set_result(None)), "sink")
            yield work

    @asynccontextmanager
    async def ask(self, at_once: int) -> AsyncIterator[Work]:
        """See the protocol."""
        question = Question(1)

        async def work(questions: int) -> None:
            for _ in range(questions // at_once):
                for answer in [ref.ask(question, _WITHIN) for _ in range(at_once)]:
                    await answer

        async with LocalSystem() as system:
            ref = system.spawn(Answers, "answers")
            yield work

    @asynccontextmanager
    async def idle(self, actors: int) -> AsyncIterator[int]:
        """See the protocol."""
        async with LocalSystem() as system:
            for number in range(actors - 1):
                system.spawn(Idle, f"idle {number}")
            # Actors start in order, so that all of them are ready when the last one answers.
            await system.spawn(Answers, "last").ask(Question(1), _WITHIN)
            yield actors


CONTENDER: Final[Contender] = Ours()
