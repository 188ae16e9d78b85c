"""The floor: methods that are called from one loop over one queue.

There are no names, bounds, turns, timers or supervision, and an actor holds the next one itself. Less than
this does no message passing at all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from benchmarks.contenders import WINDOW, Contender, Work, order


@dataclass(slots=True, eq=False)
class Relay:
    """Passes a token on."""

    queue: deque[tuple[Relay, int]]
    next: Relay | None = None

    def receive(self, hops: int) -> None:
        """Pass on a token that has so many hops before it."""
        if hops and self.next is not None:
            self.queue.append((self.next, hops - 1))


@dataclass(slots=True, eq=False)
class Sink:
    """Counts what arrives."""

    left: int = 0

    def receive(self, _message: None) -> None:
        """Take one."""
        self.left -= 1


@dataclass(slots=True, eq=False)
class Answers:
    """Answers."""

    asked: int = 0

    def receive(self, number: int) -> int:
        """Answer a question with its number."""
        return number


@dataclass(slots=True, eq=False)
class Idle:
    """An object with a name and a place for its messages."""

    name: str
    waiting: list[object] = field(default_factory=list)


class BareQueue:
    """See :class:`benchmarks.contenders.Contender`."""

    @asynccontextmanager
    async def ring(self, actors: int, tokens: int) -> AsyncIterator[Work]:
        """See the protocol."""
        queue: deque[tuple[Relay, int]] = deque()
        relays = [Relay(queue) for _ in range(actors)]
        for relay, following in zip(relays, order(actors), strict=True):
            relay.next = relays[following]

        async def work(hops: int) -> None:
            for number in range(tokens):
                queue.append((relays[number * actors // tokens], hops // tokens))
            while queue:
                relay, left = queue.popleft()
                relay.receive(left)

        yield work

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[Work]:
        """See the protocol."""
        queue: deque[tuple[Sink, None]] = deque()
        sink = Sink()

        async def work(messages: int) -> None:
            for _ in range(messages // WINDOW):
                for _ in range(WINDOW):
                    queue.append((sink, None))
                while queue:
                    receiver, message = queue.popleft()
                    receiver.receive(message)

        yield work

    @asynccontextmanager
    async def ask(self, at_once: int) -> AsyncIterator[Work]:
        """See the protocol."""
        queue: deque[tuple[Answers, int]] = deque()
        answers = Answers()

        async def work(questions: int) -> None:
            for _ in range(questions // at_once):
                for _ in range(at_once):
                    queue.append((answers, 1))
                while queue:
                    receiver, number = queue.popleft()
                    receiver.receive(number)

        yield work

    @asynccontextmanager
    async def idle(self, actors: int) -> AsyncIterator[int]:
        """See the protocol."""
        made = {name: Idle(name) for name in (f"idle {number}" for number in range(actors))}
        yield len(made)


CONTENDER: Final[Contender] = BareQueue()
