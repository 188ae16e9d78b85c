"""The simulated store: a write-ahead log on a simulated disk, with every promise of the port.

All calls stand in one queue. What has gathered is one *group*: its changes are drafted over the image of what
is acknowledged, appended to the log (:mod:`runtime.store.frames`) and synced once; only then do they hold,
and everybody is answered, readers included. Calls that come meanwhile are the next group. So every caller
reads its own writes, and nobody what might still be rolled back.

- **A fault of the disk** fails the whole group with :class:`~runtime.errors.StoreUnavailable`, and its draft
  is dropped. It is then unknown what the log has behind its last good sync, and a reader who was answered on
  a guess might see the contrary after a crash. So before the next group the log is cut off there, and the cut
  is synced. While that fails, every group fails.
- **Opening** reads up to the first frame that is torn or damaged, and puts a new log with just that in the
  place of the old one before it answers anybody. Going on with the old log would trust its cache: a sync that
  failed under the former process may have left there what no later sync brings to the medium.
- **Compaction** is the same replacement, whenever the log has outgrown what it holds.

A simulator drives it like this. The store's process dies (``power=False``), or its machine::

    store.abandon()
    disk.crash(power=True)
    ...
    store = await SimulatedStore.open(disk, on_durable=seen)
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Self, TypeAlias, TypeVar

from runtime.errors import RuntimeFault, StoreUnavailable
from runtime.store.calls import GROUP_LIMIT, QUEUE_LIMIT, Call, let_out
from runtime.store.disk import Disk
from runtime.store.frames import FIRST_CHECK, decode, encode
from runtime.store.image import Draft, Image
from runtime.store.port import Change, Record, Store, check_changes

T = TypeVar("T")

#: Told of an owner and the names of its records that have changed; no names: it has a new epoch only.
OnDurable: TypeAlias = Callable[[str, tuple[str, ...]], None]

#: A log below this many bytes is not worth compacting; above it, it may grow to so many times what it holds.
#: Writing the image anew then costs each byte that was logged a fraction of a byte more, whatever its size.
LOG_FLOOR: Final = 256 * 1024
LOG_FACTOR: Final = 4


_Call: TypeAlias = Call[Callable[[Draft], object]]


class SimulatedStore(Store):
    """See the module. Make one with :meth:`open`, and only one at a time on one disk."""

    def __init__(self, disk: Disk, image: Image, log: tuple[int, int], on_durable: OnDurable | None) -> None:
        """Take over a log that has just been made, of a length and with a last check; use :meth:`open`."""
        self._disk = disk
        self._image = image
        self._length, self._check = log
        self._bound = _bound(self._length)
        self._on_durable = on_durable
        self._queue: deque[_Call] = deque()
        self._group: list[_Call] = []
        #: The log may have something behind ``_length``.
        self._suspect = False
        #: Why no more calls are taken.
        self._over: str | None = None
        self._loop = asyncio.get_running_loop()
        #: Done as soon as there is something to do.
        self._called: asyncio.Future[None] = self._loop.create_future()
        self._worker = self._loop.create_task(self._work())
        self._worker.add_done_callback(let_out)

    @classmethod
    async def open(cls, disk: Disk, *, on_durable: OnDurable | None = None) -> Self:
        """Recover what is on ``disk``, which may be nothing.

        ``on_durable(owner, names)`` is called, never after :meth:`abandon`, and must not raise,

        - for each commit and activation, in their order, as soon as they are synced and before anybody of
          their group is answered. :meth:`durable` then shows this one and none that follows;
        - before this returns, once for each record that was recovered other than it had been acknowledged,
          with that one name, and without names for an owner of which only the epoch is another: the crash met
          a commit that was on its way, and it is now durable. :meth:`durable` then shows all that was
          recovered, also from a store of this disk that was opened earlier.

        :raises StoreUnavailable: the disk has a fault now. Nothing is lost; open it again later.
        """
        image = Image()
        for entry in decode(disk.read()):
            image.apply(entry)
        contents, check = encode(image.entries(), FIRST_CHECK)
        try:
            await disk.replace(contents)
        except OSError as error:
            raise _unavailable(error) from error
        former, disk.acknowledged = disk.acknowledged, image
        store = cls(disk, image, (len(contents), check), on_durable)
        if on_durable is not None:
            for owner, names in image.differences(former):
                if not names:
                    on_durable(owner, ())
                for name in names:
                    on_durable(owner, (name,))
        return store

    # --- What the port promises -----------------------------------------------------------------

    async def activate(self, owner: str) -> int:
        """See :meth:`runtime.store.port.Store.activate`."""
        return await self._call(partial(Draft.activate, owner=owner))

    async def read(self, owner: str, name: str) -> Record | None:
        """See :meth:`runtime.store.port.Store.read`."""
        return await self._call(partial(Draft.read, owner=owner, name=name))

    async def scan(self, owner: str) -> tuple[Record, ...]:
        """See :meth:`runtime.store.port.Store.scan`."""
        return await self._call(partial(Draft.scan, owner=owner))

    async def commit(self, owner: str, epoch: int, changes: Sequence[Change]) -> tuple[int, ...]:
        """See :meth:`runtime.store.port.Store.commit`."""
        check_changes(changes)
        return await self._call(partial(Draft.commit, owner=owner, epoch=epoch, changes=tuple(changes)))

    async def close(self) -> None:
        """See :meth:`runtime.store.port.Store.close`. After :meth:`abandon` there is nothing to finish."""
        self._over = self._over or "the store has been closed"
        self._wake()
        await asyncio.wait([self._worker])

    # --- For the simulator ----------------------------------------------------------------------

    def abandon(self) -> None:
        """Let the store's process have died: no outstanding call is ever answered.

        The futures of outstanding calls stay pending. Whoever awaits them has died as well: cancel it. A new
        call raises ``StoreUnavailable``.
        """
        self._over = "its process has died"
        self._worker.cancel()

    def durable(self, owner: str, name: str) -> Record | None:
        """Return the record as a crash now would leave it at the worst, without any waiting.

        At the worst a crash leaves exactly what has been acknowledged: each record here is one whose commit
        was synced, and every commit that any caller has been told of is here, unless a later one has replaced
        it. A crash may leave more, commits that were on their way; once they have been recovered, they are
        here too. The answer belongs to the disk: it is the same from a store whose process is dead.
        """
        return self._disk.acknowledged.read(owner, name)

    def durable_epoch(self, owner: str) -> int:
        """Return the epoch of ``owner`` in the sense of :meth:`durable`; 0 if there is none."""
        return self._disk.acknowledged.epoch(owner)

    # --- The work -------------------------------------------------------------------------------

    def _call(self, work: Callable[[Draft], T]) -> asyncio.Future[T]:
        if self._over is not None:
            raise StoreUnavailable(self._over)
        if len(self._queue) + len(self._group) >= QUEUE_LIMIT:
            message = f"{QUEUE_LIMIT} calls wait already"
            raise StoreUnavailable(message)
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.append(_Call(future, work))
        self._wake()
        return future

    def _wake(self) -> None:
        if not self._called.done():
            self._called.set_result(None)

    async def _work(self) -> None:
        """Carry out one group after the other, until the store is closed and nobody waits."""
        while self._queue or self._over is None:
            if not self._queue:
                self._called = self._loop.create_future()
                await self._called
                continue
            while self._queue and len(self._group) < GROUP_LIMIT:
                self._group.append(self._queue.popleft())
            await self._carry_out(self._group)
            for call in self._group:
                call.answer()
            self._group = []
            if self._length > self._bound:
                await self._compact()

    async def _carry_out(self, group: Sequence[_Call]) -> None:
        """Let a group hold, whole. A call that a guard refuses leaves the others alone."""
        draft = Draft(self._image)
        for call in group:
            try:
                call.result = call.work(draft)
            except RuntimeFault as refused:
                call.error = refused
        try:
            await self._log(draft)
        except OSError as error:
            fault = _unavailable(error)
            fault.__cause__ = error
            for call in group:
                call.error = fault
            return
        for entry in draft.entries:
            self._image.apply(entry)
            if self._on_durable is not None:
                self._on_durable(entry.owner, tuple(entry.changes))

    async def _log(self, draft: Draft) -> None:
        """Bring the draft's entries to the disk.

        :raises OSError: what is behind the last good sync is unknown; the next call cuts it off.
        """
        if self._suspect:
            self._disk.truncate(self._length)
            await self._disk.sync()
            self._suspect = False
        if not draft.entries:
            return
        frames, check = encode(draft.entries, self._check)
        self._suspect = True
        self._disk.append(frames)
        await self._disk.sync()
        self._suspect = False
        self._length += len(frames)
        self._check = check

    async def _compact(self) -> None:
        """Put a log of just what holds in the place of this one. If that fails, this one goes on."""
        contents, check = encode(self._image.entries(), FIRST_CHECK)
        try:
            await self._disk.replace(contents)
        except OSError:
            self._bound = self._length + LOG_FLOOR
            return
        self._length, self._check = len(contents), check
        self._bound = _bound(self._length)


def _bound(length: int) -> int:
    """Return how long a log may grow that begins with an image of ``length`` bytes."""
    return max(LOG_FLOOR, LOG_FACTOR * length)


def _unavailable(error: OSError) -> StoreUnavailable:
    return StoreUnavailable(f"the simulated disk: {error.strerror}")
