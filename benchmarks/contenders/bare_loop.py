"""The other floor: each message is a ``call_soon`` of the event loop, each question a future."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from benchmarks.contenders import WINDOW, Contender, Work, order
from benchmarks.contenders.bare_queue import CONTENDER as BARE_QUEUE


@dataclass(slots=True, eq=False)
class Relay:
    """Passes a token on."""

    loop: asyncio.AbstractEventLoop
    arrived: Callable[[], None]
    next: Relay | None = None

    def receive(self, hops: int) -> None:
        """Pass on a token that has so many hops before it."""
        if hops and self.next is not None:
            self.loop.call_soon(self.next.receive, hops - 1)
        else:
            self.arrived()


class BareLoop:
    """See :class:`benchmarks.contenders.Contender`."""

    @asynccontextmanager
    async def ring(self, actors: int, tokens: int) -> AsyncIterator[Work]:
        """See the protocol."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        left = 0

        def arrived() -> None:
            nonlocal left
            left -= 1
            if not left:
                done.set()

        relays = [Relay(loop, arrived) for _ in range(actors)]
        for relay, following in zip(relays, order(actors), strict=True):
            relay.next = relays[following]

        async def work(hops: int) -> None:
            nonlocal left
            left = tokens
            done.clear()
            for number in range(tokens):
                loop.call_soon(relays[number * actors // tokens].receive, hops // tokens)
            await done.wait()

        yield work

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[Work]:
        """See the protocol."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        left = 0

        def source() -> None:
            for _ in range(WINDOW):
                loop.call_soon(sink, None)

        def sink(_message: None) -> None:
            nonlocal left
            left -= 1
            if not left:
                done.set()
            elif not left % WINDOW:
                loop.call_soon(source)

        async def work(messages: int) -> None:
            nonlocal left
            left = messages
            done.clear()
            loop.call_soon(source)
            await done.wait()

        yield work

    @asynccontextmanager
    async def ask(self, at_once: int) -> AsyncIterator[Work]:
        """See the protocol."""
        loop = asyncio.get_running_loop()

        def answer(future: asyncio.Future[int], number: int) -> None:
            future.set_result(number)

        def asked(number: int) -> asyncio.Future[int]:
            future: asyncio.Future[int] = loop.create_future()
            loop.call_soon(answer, future, number)
            return future

        async def work(questions: int) -> None:
            for _ in range(questions // at_once):
                for future in [asked(1) for _ in range(at_once)]:
                    await future

        yield work

    idle = staticmethod(BARE_QUEUE.idle)


CONTENDER: Final[Contender] = BareLoop()
