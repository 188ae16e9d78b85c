"""Something that is done once at a time, however many want it: those who come meanwhile share the next time.

Whoever has asked is answered with the outcome of a time that began after they had asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class OneAtATime(Generic[T]):
    """Call it to have it done."""

    def __init__(self, act: Callable[[], Awaitable[T]]) -> None:
        """Have ``act()`` done."""
        self._act = act
        self._under_way: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        """Return what comes of it. Who gives up waiting ends nothing for the others."""
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._under_way))
            self._next.add_done_callback(_looked_at)
        return await asyncio.shield(self._next)

    async def _after(self, former: asyncio.Task[T] | None) -> T:
        if former is not None:
            await asyncio.wait({former})
        self._under_way, self._next = self._next, None
        return await self._act()


def _looked_at(task: asyncio.Task[T]) -> None:
    """Let nobody wonder about an error that nobody has waited for."""
    if not task.cancelled():
        task.exception()
