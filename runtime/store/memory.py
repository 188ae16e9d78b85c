"""A store that lasts as long as its object: for tests, and for whatever need not survive.

It keeps every promise of :mod:`runtime.store.port` except durability. "Restarting the process" is to
go on with the same object after :meth:`MemoryStore.reopen`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from runtime.errors import StoreUnavailable
from runtime.store.image import Draft, Image
from runtime.store.port import Change, Record, Store, check_changes


class MemoryStore(Store):
    """An image, each change of which holds as soon as its guards have let it pass."""

    def __init__(self) -> None:
        """Start empty."""
        self._image = Image()
        self._closed = False

    def reopen(self) -> None:
        """Be usable again after ``close``, with all records and epochs."""
        self._closed = False

    async def activate(self, owner: str) -> int:
        """See :meth:`runtime.store.port.Store.activate`."""
        draft = await self._draft()
        epoch = draft.activate(owner)
        draft.settle()
        return epoch

    async def read(self, owner: str, name: str) -> Record | None:
        """See :meth:`runtime.store.port.Store.read`."""
        return (await self._draft()).read(owner, name)

    async def scan(self, owner: str) -> tuple[Record, ...]:
        """See :meth:`runtime.store.port.Store.scan`."""
        return (await self._draft()).scan(owner)

    async def commit(self, owner: str, epoch: int, changes: Sequence[Change]) -> tuple[int, ...]:
        """See :meth:`runtime.store.port.Store.commit`."""
        check_changes(changes)
        draft = await self._draft()
        versions = draft.commit(owner, epoch, changes)
        draft.settle()
        return versions

    async def close(self) -> None:
        """See :meth:`runtime.store.port.Store.close`."""
        self._closed = True

    async def _draft(self) -> Draft:
        if self._closed:
            message = "the store has been closed"
            raise StoreUnavailable(message)
        # A real store never answers within the same turn of the loop; neither does this one.
        await asyncio.sleep(0)
        return Draft(self._image)
