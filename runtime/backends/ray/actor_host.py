"""What runs in the process of a host: an event loop on a thread of its own, behind a synchronous entry.

An ordinary class; :mod:`runtime.backends.ray.hosts` makes a Ray actor of it. Ray calls it on Ray's threads,
and every method hands over to the loop and waits. If the loop ends in a way that nobody asked for, so does
the process, and Ray starts another one.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import os
import platform
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

import ray
import structlog

from runtime.backends.local import LocalSystem
from runtime.backends.ray.transport import RayTransport
from runtime.cluster.host import Host
from runtime.cluster.program import load
from runtime.crash import describe

T = TypeVar("T")

#: The actors of a host are started within so many seconds, or the host is not.
_STARTED_WITHIN: Final = 60.0
#: What the process exits with when its loop ends by itself.
_LOOP_ENDED: Final = 70


@dataclass(frozen=True, slots=True)
class About:
    """One process of a host."""

    host: str
    incarnation: int
    #: The hosts of one namespace run one program, of one version of Ray and Python.
    program: str
    pid: int
    #: Ray's name of the machine.
    machine: str
    versions: str


class ActorHost:
    """See the module."""

    def __init__(self, name: str, namespace: str, program: str, hosts: tuple[str, ...]) -> None:
        """Start the loop and the actors of the host ``name``, and call the other ``hosts``."""
        #: The clock of the machine, so that no store is needed to begin: see decision 0110.
        incarnation = time.time_ns()
        context = ray.get_runtime_context()
        self._about = About(
            name,
            incarnation,
            program,
            os.getpid(),
            context.get_node_id(),
            f"ray {ray.__version__}, python {platform.python_version()}",
        )
        self._hosts = hosts
        self._loop = asyncio.new_event_loop()
        self._transport = RayTransport(name, incarnation, namespace, self._loop)
        self._stop = asyncio.Event()
        self._deadline = timedelta(0)
        self._ready: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._ended: concurrent.futures.Future[None] = concurrent.futures.Future()
        #: Set once the actors have been started.
        self.system: LocalSystem
        self.seat: Host
        threading.Thread(target=self._run, name=f"host {name}", daemon=True).start()
        self._ready.result(_STARTED_WITHIN)

    def deliver(self, batch: bytes) -> bool:
        """Take a batch of another host; return whether it is taken care of."""
        return self._transport.deliver(batch)

    def about(self) -> About:
        """Describe the process."""
        return self._about

    def stop(self, seconds: float) -> None:
        """Stop the actors gracefully, within so long, and leave the cluster. The process stays."""
        self._deadline = timedelta(seconds=seconds)
        self._loop.call_soon_threadsafe(self._stop.set)
        self._ended.result()

    def run(self, work: Callable[[], Awaitable[T]], seconds: float) -> T:
        """Run a coroutine on the loop of the host; wait for its result so long."""

        async def on_loop() -> T:
            return await work()

        return asyncio.run_coroutine_threadsafe(on_loop(), self._loop).result(seconds)

    # --- on the thread of the loop --------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._live())
        except BaseException as error:  # noqa: BLE001 - a host without a loop is of no use, whatever ended it
            if not self._ready.done():
                self._ready.set_exception(error)
                return
            structlog.get_logger("runtime").error("the loop has ended", traceback=describe(error))
            os._exit(_LOOP_ENDED)
        finally:
            self._loop.close()
        self._ended.set_result(None)

    async def _live(self) -> None:
        program = load(self._about.program)
        async with LocalSystem() as system:
            host = Host(system, self._transport, program.registry, times=program.times)
            self.system, self.seat = system, host
            started = program.start(system, host)
            if inspect.isawaitable(started):
                await started
            host.join(self._hosts)
            self._ready.set_result(None)
            await self._stop.wait()
            await system.stop(self._deadline)
