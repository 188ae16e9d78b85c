"""The embedded store: one SQLite file, one thread, one fsync for many writers.

All calls go through one bounded queue to one thread. It takes what has gathered, carries it out within one
transaction, commits, and only then answers everybody: *group commit*. A call that a guard refuses changes
nothing and does not disturb the others of its group. Reads stand in the same queue, so every caller reads its
own writes, and never what might still be rolled back.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Self, TypeAlias, TypeVar

from runtime.errors import RuntimeFault, StoreUnavailable
from runtime.store import schema
from runtime.store.calls import GROUP_LIMIT, QUEUE_LIMIT, Call
from runtime.store.port import Change, Record, Store, check_changes

T = TypeVar("T")

_Call: TypeAlias = Call[Callable[[sqlite3.Connection], object]]


class SqliteStore(Store):
    """See the module. Make one with :meth:`open`; it belongs to the event loop that opened it."""

    def __init__(self, path: Path, connection: sqlite3.Connection, loop: asyncio.AbstractEventLoop) -> None:
        """Take over a connection; use :meth:`open`."""
        self._path = path
        self._connection = connection
        self._loop = loop
        self._queue: SimpleQueue[_Call | None] = SimpleQueue()
        self._waiting = 0
        self._groups = 0
        self._closed: asyncio.Future[None] | None = None
        self._thread = threading.Thread(target=self._work, name=f"store {path.name}", daemon=True)
        self._thread.start()

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open the file, or make it (mode 0600). Its directory must exist.

        :raises StoreUnusable: the file is damaged, another program's, of a newer version, or held by another
            process; the message says which.
        """
        connection = await asyncio.to_thread(schema.connect, path)
        return cls(path, connection, asyncio.get_running_loop())

    @property
    def groups(self) -> int:
        """How many transactions there were: the number of waits for the disk."""
        return self._groups

    async def activate(self, owner: str) -> int:
        """See :meth:`runtime.store.port.Store.activate`."""
        return await self._call(partial(schema.activate, owner=owner))

    async def read(self, owner: str, name: str) -> Record | None:
        """See :meth:`runtime.store.port.Store.read`."""
        return await self._call(partial(schema.read, owner=owner, name=name))

    async def scan(self, owner: str) -> tuple[Record, ...]:
        """See :meth:`runtime.store.port.Store.scan`."""
        return await self._call(partial(schema.scan, owner=owner))

    async def commit(self, owner: str, epoch: int, changes: Sequence[Change]) -> tuple[int, ...]:
        """See :meth:`runtime.store.port.Store.commit`."""
        check_changes(changes)
        return await self._call(partial(schema.commit, owner=owner, epoch=epoch, changes=tuple(changes)))

    async def close(self) -> None:
        """See :meth:`runtime.store.port.Store.close`."""
        if self._closed is None:
            self._closed = self._loop.create_future()
            self._queue.put(None)
        await asyncio.shield(self._closed)
        self._thread.join()

    def _call(self, work: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        if self._closed is not None:
            message = f"{self._path}: the store has been closed"
            raise StoreUnavailable(message)
        if self._waiting >= QUEUE_LIMIT:
            message = f"{self._path}: {QUEUE_LIMIT} calls wait already"
            raise StoreUnavailable(message)
        self._waiting += 1
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(_Call(future, work))
        return future

    # --- On the store's thread ------------------------------------------------------------------

    def _work(self) -> None:
        going_on = True
        while going_on:
            group: list[_Call] = []
            call = self._queue.get()
            while call is not None:
                group.append(call)
                if len(group) == GROUP_LIMIT:
                    break
                try:
                    call = self._queue.get_nowait()
                except Empty:
                    break
            else:
                going_on = False
            if group:
                self._carry_out(group)
                self._on_loop(partial(self._answer, group))
        self._connection.close()
        self._on_loop(self._finish)

    def _carry_out(self, group: list[_Call]) -> None:
        """Run a group within one transaction. If that fails as a whole, each call of it has failed."""
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            for call in group:
                try:
                    call.result = call.work(connection)
                except RuntimeFault as refused:
                    call.error = refused
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - every caller of the group gets it
            fault = StoreUnavailable(f"{self._path}: {error}")
            fault.__cause__ = error
            for call in group:
                call.error = fault
            self._roll_back()
        self._groups += 1

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                # The disk is gone. The next BEGIN fails too, and says so to its callers.
                return

    def _on_loop(self, callback: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:
            # The loop is closed: nobody waits for the answer any more.
            return

    # --- On the loop ----------------------------------------------------------------------------

    def _answer(self, group: list[_Call]) -> None:
        self._waiting -= len(group)
        for call in group:
            call.answer()

    def _finish(self) -> None:
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)
