"""A store around a store, which tells how long each call took and whether it failed.

A call that a guard refuses (:class:`~runtime.errors.StaleEpoch`, :class:`~runtime.errors.VersionConflict`)
was answered: only a store that does not answer has failed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from runtime.errors import StoreUnavailable
from runtime.store.port import Change, Record, Store

if TYPE_CHECKING:
    from runtime.clock import Clock

T = TypeVar("T")

#: Told of the operation (``activate``, ``read``, ``scan`` or ``commit``), how long it took, and whether the
#: store has answered. It must not block.
Tell: TypeAlias = Callable[[str, timedelta, bool], None]


class TimedStore(Store):
    """See the module."""

    def __init__(self, inner: Store, clock: Clock, tell: Tell) -> None:
        """Pass everything on to ``inner``."""
        self._inner = inner
        self._clock = clock
        self._tell = tell

    async def activate(self, owner: str) -> int:
        """See :meth:`runtime.store.port.Store.activate`."""
        return await self._timed("activate", self._inner.activate(owner))

    async def read(self, owner: str, name: str) -> Record | None:
        """See :meth:`runtime.store.port.Store.read`."""
        return await self._timed("read", self._inner.read(owner, name))

    async def scan(self, owner: str) -> tuple[Record, ...]:
        """See :meth:`runtime.store.port.Store.scan`."""
        return await self._timed("scan", self._inner.scan(owner))

    async def commit(self, owner: str, epoch: int, changes: Sequence[Change]) -> tuple[int, ...]:
        """See :meth:`runtime.store.port.Store.commit`."""
        return await self._timed("commit", self._inner.commit(owner, epoch, changes))

    async def close(self) -> None:
        """See :meth:`runtime.store.port.Store.close`."""
        await self._inner.close()

    async def _timed(self, operation: str, call: Awaitable[T]) -> T:
        begun, answered = self._clock.monotonic(), True
        try:
            return await call
        except StoreUnavailable:
            answered = False
            raise
        finally:
            self._tell(operation, self._clock.monotonic() - begun, answered)
