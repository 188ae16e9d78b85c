"""What runs in the process of a host: an event loop on a thread of its own, behind a synchronous entry.

An ordinary class; :mod:`runtime.backends.ray.hosts` makes a Ray actor of it. Ray calls it on Ray's threads,
and every method hands over to the loop and waits.

Ray gives an actor up for good when its constructor fails, however often it may be restarted. So this one only
starts the loop, and the loop tries to start the host until it succeeds: a store that is away comes back, and
so does the host. Until then batches are refused, and :class:`About` says why. If the loop of a host that was
ready ends in a way that nobody asked for, so does the process, and Ray starts another one.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import platform
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, TypeVar

import ray
import structlog

from runtime.backends.local import LocalSystem
from runtime.backends.ray.transport import RayTransport
from runtime.cluster.host import Host
from runtime.cluster.program import Program, load, running
from runtime.crash import describe, say
from runtime.errors import RuntimeFault
from runtime.threads import Threads

T = TypeVar("T")

#: The actors of a host are started within so many seconds, or it is tried once more,
_STARTED_WITHIN: Final = 60.0
#: after so many seconds the first time, and twice as many each time up to the longest pause.
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0
#: Threads of a host for what cannot be interrupted, such as looking up other hosts.
_THREADS: Final = 64
#: What the process exits with when its loop ends by itself.
_LOOP_ENDED: Final = 70


@dataclass(frozen=True, slots=True)
class About:
    """One process of a host."""

    host: str
    #: Which one it is; 0 before it knows.
    incarnation: int
    #: The hosts of one namespace run one program with one argument, on one version of Ray and Python.
    program: str
    argument: str
    pid: int
    #: Ray's name of the machine.
    machine: str
    versions: str
    #: Whether its actors have been started and it is there for the others.
    ready: bool = False
    #: Why it is not, if the last attempt has failed: one line.
    trouble: str = ""
    #: Whether that was an error of the program, which time does not mend.
    broken: bool = False
    #: Ray's id of the actor, which stays when its process is started again.
    creation: str = ""


class ActorHost:
    """See the module."""

    def __init__(
        self, name: str, namespace: str, program: str, argument: str, hosts: tuple[str, ...]
    ) -> None:
        """Begin to start the actors of the host ``name``, and then to call the other ``hosts``."""
        context = ray.get_runtime_context()
        self._about = About(
            name,
            0,
            program,
            argument,
            os.getpid(),
            context.get_node_id(),
            f"ray {ray.__version__}, python {platform.python_version()}",
            creation=context.get_actor_id() or "",
        )
        self._namespace = namespace
        self._hosts = hosts
        self._log = structlog.get_logger("runtime")
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(Threads("asyncio", _THREADS))
        self._transport: RayTransport | None = None
        self._stop = asyncio.Event()
        self._deadline = timedelta(0)
        self._ended: concurrent.futures.Future[None] = concurrent.futures.Future()
        #: Set once the actors have been started.
        self.system: LocalSystem
        self.seat: Host
        threading.Thread(target=self._run, name=f"host {name}", daemon=True).start()

    def deliver(self, batch: bytes) -> bool:
        """Take a batch of another host; return whether it is taken care of."""
        return self._transport is not None and self._transport.deliver(batch)

    def about(self) -> About:
        """Describe the process."""
        return self._about

    def stop(self, seconds: float) -> None:
        """Stop the actors gracefully, within so long, and leave the cluster. The process stays."""
        self._deadline = timedelta(seconds=seconds)
        with contextlib.suppress(RuntimeError):  # The loop has been closed.
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
            say(self._log.error, "the loop has ended", traceback=describe(error))
            os._exit(_LOOP_ENDED)
        finally:
            self._loop.close()
        self._ended.set_result(None)

    async def _live(self) -> None:
        """Start the host, however often that takes, and live until it is asked to stop."""
        pause = _FIRST_PAUSE
        while not self._stop.is_set():
            try:
                await self._attempt()
            except Exception as error:
                if self._about.ready:
                    raise
                self._note(error)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._stop.wait()
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def _attempt(self) -> None:
        about = self._about
        async with asyncio.timeout(_STARTED_WITHIN):
            program = load(about.program)
            incarnation = await self._incarnation(program)
        transport = RayTransport(about.host, incarnation, self._namespace, self._loop)
        async with LocalSystem() as system, contextlib.AsyncExitStack() as opened:
            host = Host(system, transport, program.registry, times=program.times, creation=about.creation)
            host.address = ray.util.get_node_ip_address()
            # What was opened for the actors is closed after them.
            try:
                async with asyncio.timeout(_STARTED_WITHIN):
                    await opened.enter_async_context(running(program, system, host, about.argument))
                self.system, self.seat, self._transport = system, host, transport
                host.join(self._hosts)
                self._about = replace(about, incarnation=incarnation, ready=True, trouble="", broken=False)
                await self._stop.wait()
            finally:
                await system.stop(self._deadline)

    async def _incarnation(self, program: Program) -> int:
        if program.incarnation is None:
            return time.time_ns()
        return await program.incarnation(self._about.host, self._about.argument)

    def _note(self, error: Exception) -> None:
        """Remember why an attempt failed. What is not known to be speakable is told by its type alone."""
        speakable = isinstance(error, RuntimeFault | ImportError | OSError)
        said = " ".join(str(error).split()) if speakable else ""
        text = f"{type(error).__name__}: {said}" if said else type(error).__name__
        if text != self._about.trouble:
            say(self._log.error, "host not started", host=self._about.host, traceback=describe(error))
        broken = not isinstance(error, RuntimeFault | OSError)
        self._about = replace(self._about, trouble=text, broken=broken)
