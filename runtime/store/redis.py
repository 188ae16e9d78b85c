"""The shared store of a cluster: one Redis server, one connection, one script for many callers.

All calls stand in one bounded queue before one task. It takes what has gathered and sends it as one group
(:mod:`runtime.store.redis_calls`); when the server has answered, which it does once the group is on its disk,
everybody is told, and what has gathered meanwhile is the next group. So many owners share each round trip
and each wait for the disk, and every caller reads its own writes.

- **Deadlines.** A call that has no answer within ``patience`` of its beginning fails with
  :class:`~runtime.errors.StoreUnavailable`. If it has not been sent by then, it never is.
- **Lost connections.** What is in the queue waits for a new one, which is tried for with growing, jittered
  pauses as long as anybody waits. The group that was under way fails, for nobody knows what became of it;
  a group of nothing but reads goes back into the queue.
- **A server that must not be used** (:mod:`runtime.store.redis_link`) fails everything that waits, at once,
  with :class:`~runtime.errors.StoreUnusable` and what to do. Calls that come later try again.

Values should come here sealed (:mod:`runtime.store.sealed`): whoever runs the server can read it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random, SystemRandom
from typing import Any, Final, Protocol, Self

from runtime.errors import RuntimeFault, StoreUnavailable, StoreUnusable
from runtime.store import redis_calls as calls
from runtime.store.calls import GROUP_LIMIT, QUEUE_LIMIT, Call, let_out
from runtime.store.port import Change, Record, Store, check_changes
from runtime.store.redis_link import RedisLink
from runtime.store.redis_server import RedisServer

#: How long a call waits for its answer: a server that restarts reads its log first.
PATIENCE: Final = timedelta(seconds=10)

#: A group is sent at this size, if it has fewer than the most calls.
GROUP_BYTES: Final = 8 << 20

#: The largest commit: a server holds all of it in memory until it has the end.
MAX_COMMIT_BYTES: Final = 64 << 20

#: The first pause before a new connection; each failure doubles it. Jitter takes any part of it away.
FIRST_PAUSE: Final = timedelta(milliseconds=50)
LONGEST_PAUSE: Final = timedelta(seconds=2)
_MAX_DOUBLINGS: Final = 10


class Link(Protocol):
    """What carries groups out: :class:`~runtime.store.redis_link.RedisLink`, which see."""

    async def is_up(self) -> bool:
        """Tell whether a group can be sent."""
        ...

    async def connect(self) -> None:
        """Connect anew."""
        ...

    async def exchange(self, group: Sequence[calls.Work]) -> list[Any]:
        """Carry out a group, or the first calls of it; return their answers."""
        ...

    async def drop(self) -> None:
        """Let go of the connection."""
        ...


@dataclass(slots=True)
class _Call(Call[calls.Work]):
    timer: asyncio.TimerHandle | None = None
    #: By the loop's clock.
    deadline: float = 0.0


class RedisStore(Store):
    """See the module. Make one with :meth:`open`; it belongs to the event loop that opened it."""

    def __init__(self, link: Link, *, patience: timedelta = PATIENCE, random: Random | None = None) -> None:
        """Take over a link, connected or not; ``random`` draws the pauses."""
        self._link = link
        self._patience = patience.total_seconds()
        self._random = random if random is not None else SystemRandom()
        self._queue: deque[_Call] = deque()
        self._group: list[_Call] = []
        self._groups = 0
        self._failures = 0
        #: Why there is no connection.
        self._why = ""
        self._closed = False
        self._loop = asyncio.get_running_loop()
        #: Done as soon as there is something to do.
        self._called: asyncio.Future[None] = self._loop.create_future()
        self._worker = self._loop.create_task(self._work())
        self._worker.add_done_callback(let_out)

    @classmethod
    async def open(cls, server: RedisServer, namespace: str, *, patience: timedelta = PATIENCE) -> Self:
        """Use the records of ``namespace`` on ``server``; there need be none. Values stay as they are given.

        :raises StoreUnusable: the server must not be used, or refuses us; the message says what to do.
        :raises StoreUnavailable: nobody has answered within ``patience``.
        """
        random = SystemRandom()
        store = cls(RedisLink(server, namespace, random), patience=patience, random=random)
        try:
            await store._call(calls.nothing())
        except BaseException:
            await store.close()
            raise
        return store

    @property
    def groups(self) -> int:
        """How many groups were sent: the number of round trips, and of waits for the disk."""
        return self._groups

    async def activate(self, owner: str) -> int:
        """See :meth:`runtime.store.port.Store.activate`."""
        epoch: int = await self._call(calls.activate(owner))
        return epoch

    async def read(self, owner: str, name: str) -> Record | None:
        """See :meth:`runtime.store.port.Store.read`."""
        record: Record | None = await self._call(calls.read(owner, name))
        return record

    async def scan(self, owner: str) -> tuple[Record, ...]:
        """See :meth:`runtime.store.port.Store.scan`."""
        records: tuple[Record, ...] = await self._call(calls.scan(owner))
        return records

    async def commit(self, owner: str, epoch: int, changes: Sequence[Change]) -> tuple[int, ...]:
        """See :meth:`runtime.store.port.Store.commit`."""
        check_changes(changes)
        work = calls.commit(owner, epoch, changes)
        if work.size > MAX_COMMIT_BYTES:
            message = f"a commit of {work.size} bytes; the limit is {MAX_COMMIT_BYTES}"
            raise ValueError(message)
        versions: tuple[int, ...] = await self._call(work)
        return versions

    async def close(self) -> None:
        """See :meth:`runtime.store.port.Store.close`. If nobody answers, this takes ``patience``."""
        self._closed = True
        self._wake()
        await asyncio.wait([self._worker])

    def _call(self, work: calls.Work) -> asyncio.Future[Any]:
        if self._closed:
            message = f"{self._link}: the store has been closed"
            raise StoreUnavailable(message)
        if len(self._queue) + len(self._group) >= QUEUE_LIMIT:
            message = f"{self._link}: {QUEUE_LIMIT} calls wait already"
            raise StoreUnavailable(message)
        call = _Call(self._loop.create_future(), work, deadline=self._loop.time() + self._patience)
        call.timer = self._loop.call_at(call.deadline, self._expire, call)
        self._queue.append(call)
        self._wake()
        return call.future

    def _wake(self) -> None:
        if not self._called.done():
            self._called.set_result(None)

    def _expire(self, call: _Call) -> None:
        call.error = StoreUnavailable(f"{self._why or self._link}: no answer within {self._patience:g} s")
        call.answer()
        self._waiting()

    def _waiting(self) -> bool:
        """Tell whether anybody waits whose call has not been sent; forget those that have given up."""
        while self._queue and self._queue[0].future.done():
            self._answer(self._queue.popleft())
        return bool(self._queue)

    def _answer(self, call: _Call) -> None:
        if call.timer is not None:
            call.timer.cancel()
        call.answer()

    # --- The work -------------------------------------------------------------------------------

    async def _work(self) -> None:
        """Carry out one group after the other, until the store is closed and nobody waits."""
        while self._waiting() or not self._closed:
            if not self._queue:
                self._called = self._loop.create_future()
                await self._called
            elif await self._connected():
                self._take()
                if self._group:
                    await self._carry_out()
        await self._link.drop()

    async def _connected(self) -> bool:
        """Tell whether there is a connection; make one if there is none, after a pause if that has failed."""
        if await self._link.is_up():
            return True
        if self._failures:
            doublings = min(self._failures - 1, _MAX_DOUBLINGS)
            longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2**doublings)
            await asyncio.sleep(self._random.uniform(0, longest.total_seconds()))
            if not self._waiting():
                return False
        try:
            async with asyncio.timeout(self._patience):
                await self._link.connect()
        except StoreUnusable as refused:
            self._failures += 1
            while self._queue:
                call = self._queue.popleft()
                call.error = refused
                self._answer(call)
        except Exception as fault:  # noqa: BLE001 - whoever waits is told in the end
            self._failures += 1
            self._why = str(fault) or f"{self._link}: takes connections and says nothing"
        else:
            self._why = ""
            return True
        return False

    def _take(self) -> None:
        """Make a group of what has gathered."""
        size = 0
        while self._queue and len(self._group) < GROUP_LIMIT:
            call = self._queue[0]
            if not call.future.done():
                size += call.work.size
                if self._group and size > GROUP_BYTES:
                    break
                self._group.append(call)
            self._queue.popleft()

    async def _carry_out(self) -> None:
        """Have the group carried out, and tell everybody what became of it."""
        self._groups += 1
        try:
            async with asyncio.timeout_at(self._group[-1].deadline):
                answers = await self._link.exchange([call.work for call in self._group])
            for call, answer in zip(self._group, answers, strict=False):
                try:
                    call.result = call.work.result(answer)
                except RuntimeFault as refused:
                    call.error = refused
        except Exception as error:  # noqa: BLE001 - every caller of the group gets it
            await self._link.drop()
            self._failures += 1
            self._give_up(error)
            return
        self._failures = 0
        done, rest = self._group[: len(answers)], self._group[len(answers) :]
        self._queue.extendleft(reversed(rest))
        self._group = []
        for call in done:
            self._answer(call)

    def _give_up(self, error: Exception) -> None:
        """Tell everybody of the group that it is unknown what became of it; what may be, ask again."""
        group, self._group = self._group, []
        if isinstance(error, StoreUnavailable):
            fault = error
        else:
            fault = StoreUnavailable(f"{self._link}: {str(error) or 'no answer in time'}")
            fault.__cause__ = error
        if not isinstance(fault, StoreUnusable) and not any(call.work.changes for call in group):
            self._why = str(fault)
            self._queue.extendleft(reversed(group))
            return
        for call in group:
            call.error = fault
            self._answer(call)
