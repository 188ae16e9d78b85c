"""Where long computations run, so that the event loop does not wait for them.

:class:`ThreadExecutor` has a fixed number of threads and a bounded queue. Results that finish close
together wake the loop once. :class:`InlineExecutor` computes in place, where nothing may be left to
threads.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from queue import Empty, SimpleQueue
from typing import Any, Final, Protocol, TypeVar

from runtime.crash import raisable
from runtime.errors import LimitReached

T = TypeVar("T")

#: Work that may wait or run at one time. At a millisecond each this is a second's worth per thread.
QUEUE_LIMIT: Final = 1_000

#: More threads than this do not help: the work is limited by the processors.
_MAX_THREADS: Final = 8


class Executor(Protocol):
    """What the runtime needs of an executor."""

    def run(self, function: Callable[..., T], args: tuple[object, ...]) -> asyncio.Future[T]:
        """Compute ``function(*args)``; the future has the result, the error, or ``LimitReached``."""
        ...

    async def close(self, deadline: timedelta) -> bool:
        """Take no more work, drop what waits, and wait for what runs. Return whether all of it ended."""
        ...


class InlineExecutor:
    """Computes in place, at once: for simulations and for tests, where threads would decide the order."""

    def run(self, function: Callable[..., T], args: tuple[object, ...]) -> asyncio.Future[T]:
        """See :meth:`Executor.run`."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        _settle(future, *_outcome(function, args))
        if not future.cancelled():
            future.exception()  # Nobody need look at it.
        return future

    async def close(self, deadline: timedelta) -> bool:  # noqa: ARG002 - there is nothing to wait for
        """See :meth:`Executor.close`."""
        return True


@dataclass(frozen=True, slots=True)
class _Job:
    future: asyncio.Future[Any]
    function: Callable[..., Any]
    args: tuple[object, ...]


class ThreadExecutor:
    """A fixed number of threads, made when there is something to do for the first time."""

    def __init__(self, threads: int | None = None, queue_limit: int = QUEUE_LIMIT) -> None:
        """Use so many threads; by default one per processor, at most eight."""
        self._size = threads if threads is not None else min(os.cpu_count() or 1, _MAX_THREADS)
        self._limit = queue_limit
        self._outstanding = 0
        self._threads: list[threading.Thread] = []
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._finished: list[tuple[_Job, object, BaseException | None]] = []
        self._closed = False

    def run(self, function: Callable[..., T], args: tuple[object, ...]) -> asyncio.Future[T]:
        """See :meth:`Executor.run`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if self._closed or self._outstanding >= self._limit:
            future.set_exception(LimitReached("pieces of work in the executor", self._limit))
            future.exception()  # Nobody need look at it.
            return future
        # Only those count that could be started: a machine may have no more threads to give.
        while len(self._threads) < self._size:
            thread = threading.Thread(
                target=self._work, args=(loop,), name=f"executor-{len(self._threads)}", daemon=True
            )
            thread.start()
            self._threads.append(thread)
        self._outstanding += 1
        self._jobs.put(_Job(future, function, args))
        return future

    async def close(self, deadline: timedelta) -> bool:
        """See :meth:`Executor.close`."""
        self._closed = True
        while True:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                break
            if job is not None:
                job.future.cancel()
                self._outstanding -= 1
        for _ in self._threads:
            self._jobs.put(None)
        loop = asyncio.get_running_loop()
        end = loop.time() + deadline.total_seconds()
        pause = 0.001
        while any(thread.is_alive() for thread in self._threads) and loop.time() < end:
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.05)
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run on each thread until told to end."""
        while self._next(loop):
            pass

    def _next(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Do one job; return whether to go on. A thread that waits for the next holds nothing of the last."""
        job = self._jobs.get()
        if job is None:
            return False
        # One that nobody awaits any more is not begun.
        outcome = (None, None) if job.future.cancelled() else _outcome(job.function, job.args)
        with self._lock:
            self._finished.append((job, *outcome))
            first = len(self._finished) == 1
        if first:
            try:
                loop.call_soon_threadsafe(self._deliver)
            except RuntimeError:
                return False  # The loop is closed; nobody awaits anything any more.
        return True

    def _deliver(self) -> None:
        """Run on the loop: hand out what has gathered."""
        with self._lock:
            finished, self._finished = self._finished, []
        for job, result, error in finished:
            self._outstanding -= 1
            _settle(job.future, result, error)


def _outcome(function: Callable[..., T], args: tuple[object, ...]) -> tuple[T | None, BaseException | None]:
    """Compute; return the result or the error, which belongs to whoever awaits it."""
    try:
        return function(*args), None
    except BaseException as error:  # noqa: BLE001 - a library's panic must not end a thread either
        return None, error


def _settle(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    """Hand out a result or an error, unless nobody awaits it any more."""
    if future.done():
        return
    if error is None:
        future.set_result(result)
    elif isinstance(error, KeyboardInterrupt | SystemExit | asyncio.CancelledError):
        # An interrupt or an exit in the midst of the work ends the work, not the process.
        future.cancel()
    else:
        future.set_exception(raisable(error))
