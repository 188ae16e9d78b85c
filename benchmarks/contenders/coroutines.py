"""xoscar: an actor is an object in a pool, and a call of it a coroutine under its lock.

All actors are in one pool in this process, and references are local ones: nothing is serialized.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import xoscar

from benchmarks.contenders import WINDOW, Contender, Work, order

#: What actors call when they have finished: an actor is created from values that could travel.
_FINISHED: list[Callable[[], None]] = []


class Relay(xoscar.Actor):
    """Passes a token on."""

    async def meet(self, following: Any) -> None:
        """Take the next actor."""
        self._next = await xoscar.actor_ref(following)

    async def hop(self, hops: int) -> None:
        """Pass on a token that has so many hops before it."""
        if hops:
            await self._next.hop.tell(hops - 1)
        else:
            _FINISHED[-1]()


class Source(xoscar.Actor):
    """Sends a window of messages whenever it is told to."""

    async def meet(self, sink: Any) -> None:
        """Take the receiver."""
        self._sink = await xoscar.actor_ref(sink)

    async def more(self) -> None:
        """Send the next."""
        for _ in range(WINDOW):
            await self._sink.item.tell()


class Sink(xoscar.Actor):
    """Counts what arrives."""

    async def meet(self, source: Any) -> None:
        """Take the sender."""
        self._source = await xoscar.actor_ref(source)

    async def begin(self, messages: int) -> None:
        """Expect so many."""
        self._left = messages
        await self._source.more.tell()

    async def item(self) -> None:
        """Take one."""
        self._left -= 1
        if not self._left:
            _FINISHED[-1]()
        elif not self._left % WINDOW:
            await self._source.more.tell()


class Answers(xoscar.Actor):
    """Answers."""

    async def answer(self, number: int) -> int:
        """Answer a question with its number."""
        return number


class Coroutines:
    """See :class:`benchmarks.contenders.Contender`."""

    @asynccontextmanager
    async def ring(self, actors: int, tokens: int) -> AsyncIterator[Work]:
        """See the protocol."""
        left = 0
        done = asyncio.Event()

        def arrived() -> None:
            nonlocal left
            left -= 1
            if not left:
                done.set()

        async def work(hops: int) -> None:
            nonlocal left
            left = tokens
            done.clear()
            for number in range(tokens):
                await refs[number * actors // tokens].hop.tell(hops // tokens)
            await done.wait()

        async with _pool() as address:
            refs = [await _made(Relay, address, number) for number in range(actors)]
            for ref, following in zip(refs, order(actors), strict=True):
                await ref.meet(refs[following])
            _FINISHED.append(arrived)
            yield work

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[Work]:
        """See the protocol."""
        done = asyncio.Event()

        async def work(messages: int) -> None:
            done.clear()
            await sink.begin.tell(messages)
            await done.wait()

        async with _pool() as address:
            source, sink = await _made(Source, address, 0), await _made(Sink, address, 1)
            await source.meet(sink)
            await sink.meet(source)
            _FINISHED.append(done.set)
            yield work

    @asynccontextmanager
    async def ask(self, at_once: int) -> AsyncIterator[Work]:
        """See the protocol. An answer is awaited for so long and no longer, as everywhere here."""

        async def work(questions: int) -> None:
            for _ in range(questions // at_once):
                async with asyncio.timeout(30):
                    if at_once == 1:
                        await ref.answer(1)
                    else:
                        await asyncio.gather(*(ref.answer(1) for _ in range(at_once)))

        async with _pool() as address:
            ref = await _made(Answers, address, 0)
            yield work

    @asynccontextmanager
    async def idle(self, actors: int) -> AsyncIterator[int]:
        """See the protocol."""
        async with _pool() as address:
            for number in range(actors):
                await xoscar.create_actor(Answers, address=address, uid=f"idle {number}")
            yield actors


@asynccontextmanager
async def _pool() -> AsyncIterator[str]:
    """Run a pool of this process alone; enter with its address."""
    pool = await xoscar.create_actor_pool("127.0.0.1", n_process=0)
    try:
        yield pool.external_address
    finally:
        await pool.stop()


async def _made(kind: Any, address: str, number: int) -> Any:
    """Create an actor; return a local reference, which calls it directly."""
    return await xoscar.actor_ref(
        await xoscar.create_actor(kind, address=address, uid=f"{kind.__name__} {number}")
    )


CONTENDER: Final[Contender] = Coroutines()
