"""A store that lasts as long as its object: for tests, and for whatever need not survive.

It keeps every promise of :mod:`runtime.store.port` except durability. "Restarting the process" is to
go on with the same object after :meth:`MemoryStore.reopen`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from runtime.errors import StaleEpoch, StoreUnavailable, VersionConflict
from runtime.store.port import Change, Put, Record, Store, check_changes


class MemoryStore(Store):
    """Dictionaries with the guards of a store."""

    def __init__(self) -> None:
        """Start empty."""
        self._epochs: dict[str, int] = {}
        self._records: dict[str, dict[str, Record]] = {}
        self._closed = False

    def reopen(self) -> None:
        """Be usable again after ``close``, with all records and epochs."""
        self._closed = False

    async def activate(self, owner: str) -> int:
        """See :meth:`runtime.store.port.Store.activate`."""
        await self._answering()
        epoch = self._epochs[owner] = self._epochs.get(owner, 0) + 1
        return epoch

    async def read(self, owner: str, name: str) -> Record | None:
        """See :meth:`runtime.store.port.Store.read`."""
        await self._answering()
        return self._records.get(owner, {}).get(name)

    async def scan(self, owner: str) -> tuple[Record, ...]:
        """See :meth:`runtime.store.port.Store.scan`."""
        await self._answering()
        records = self._records.get(owner, {})
        return tuple(records[name] for name in sorted(records))

    async def commit(self, owner: str, epoch: int, changes: Sequence[Change]) -> tuple[int, ...]:
        """See :meth:`runtime.store.port.Store.commit`."""
        check_changes(changes)
        await self._answering()
        current = self._epochs.get(owner, 0)
        if epoch != current:
            raise StaleEpoch(owner, epoch, current)
        records = self._records.setdefault(owner, {})
        for change in changes:
            former = records.get(change.name)
            found = former.version if former is not None else 0
            if found != change.expected_version:
                raise VersionConflict(owner, change.name, change.expected_version, found)
        versions: list[int] = []
        for change in changes:
            if isinstance(change, Put):
                version = change.expected_version + 1
                records[change.name] = Record(change.name, version, epoch, bytes(change.value))
            else:
                version = 0
                records.pop(change.name, None)
            versions.append(version)
        return tuple(versions)

    async def close(self) -> None:
        """See :meth:`runtime.store.port.Store.close`."""
        self._closed = True

    async def _answering(self) -> None:
        if self._closed:
            message = "the store has been closed"
            raise StoreUnavailable(message)
        # A real store never answers within the same turn of the loop; neither does this one.
        await asyncio.sleep(0)
