"""Threads for what cannot be interrupted: what hangs on one of them holds up neither others nor the end.

A name server that does not answer keeps ``getaddrinfo`` waiting for half a minute, a file on a server that is
gone may keep its reader for ever. asyncio gives such calls to a handful of threads that all share, and waits
for each of them when its loop ends. These here are not waited for: whoever stops has given up what they do,
and the process ends without them.

    loop.set_default_executor(Threads("asyncio", 64))
    await loop.run_in_executor(Threads("judging", 2), function)

For what computes, and must have come to its end, there is :class:`runtime.executor.ThreadExecutor`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeAlias, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_Job: TypeAlias = "tuple[Future[Any], Callable[[], Any]]"


class Threads(ThreadPoolExecutor):
    """At most so many threads, each made when all before it are busy. What is more waits for its turn."""

    # asyncio takes nothing else as its default executor; none of the parent's threads is ever made.

    def __init__(self, name: str, most: int) -> None:
        """Have ``most`` threads at most, called after ``name``."""
        super().__init__(1)
        self._name, self._most = name, most
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._free = threading.Semaphore(0)
        self._made = 0
        self._ended = False
        self._turn = threading.Lock()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have ``fn`` called. Raises :class:`RuntimeError` after :meth:`shutdown`."""
        future: Future[T] = Future()
        with self._turn:
            if self._ended:
                message = f"the threads {self._name} have been told to end"
                raise RuntimeError(message)
            self._jobs.put((future, partial(fn, *args, **kwargs)))
            if not self._free.acquire(blocking=False) and self._made < self._most:
                name = f"{self._name}-{self._made}"
                threading.Thread(target=self._work, name=name, daemon=True).start()
                self._made += 1
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        """Let the threads end when they have done what was given to them; wait for none of them."""
        with self._turn:
            if not self._ended:
                self._ended = True
                for _ in range(self._made):
                    self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            _do(*job)
            # A thread that waits for the next holds nothing of the last.
            del job
            self._free.release()


def _do(future: Future[Any], call: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 - it is raised where the future is awaited
        future.set_exception(error)
    else:
        future.set_result(result)
