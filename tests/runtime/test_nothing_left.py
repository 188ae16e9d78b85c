"""After every way to stop: no task, no thread, no socket, no file, no timer, no child process, no actor."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import threading
import time
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from runtime import Actor, Ask, Supervision
from runtime.backends.local import LocalSystem
from runtime.info import ActorState
from runtime.lifecycle import run_until_signalled
from runtime.store.sqlite import SqliteStore
from runtime.system import ActorSystem
from runtime.wire.port import Address
from runtime.wire.udp import UdpWire

HOUR = timedelta(hours=1)
#: As long as a test may take; nothing waits for it to pass.
LONG = timedelta(seconds=60)


async def gracefully(system: ActorSystem, gate: asyncio.Event) -> None:
    gate.set()
    await system.stop(LONG)


async def cut_off_at_once(system: ActorSystem, _gate: asyncio.Event) -> None:
    await system.stop(timedelta(0))


async def cut_off_at_the_deadline(system: ActorSystem, _gate: asyncio.Event) -> None:
    await system.stop(timedelta(milliseconds=20))


async def by_an_error_in_the_block(system: ActorSystem, _gate: asyncio.Event) -> None:
    await system.__aexit__(KeyError, KeyError(), None)


async def by_a_signal(system: ActorSystem, gate: asyncio.Event) -> None:
    gate.set()
    await signalled(system, signal.SIGUSR1)


async def by_a_second_signal(system: ActorSystem, _gate: asyncio.Event) -> None:
    await signalled(system, signal.SIGUSR1, signal.SIGUSR2)


@pytest.mark.parametrize(
    "stop",
    [
        gracefully,
        cut_off_at_once,
        cut_off_at_the_deadline,
        by_an_error_in_the_block,
        by_a_signal,
        by_a_second_signal,
    ],
)
def test_nothing_is_left(
    stop: Callable[[ActorSystem, asyncio.Event], Awaitable[None]], tmp_path: Path
) -> None:
    made: list[weakref.ref[Actor]] = []

    async def scenario() -> None:
        tasks = asyncio.all_tasks()
        gate = asyncio.Event()
        store, wire = await SqliteStore.open(tmp_path / "store"), UdpWire()
        system = LocalSystem(threads=2)
        await system.__aenter__()
        world = World(gate, store, wire, made)
        busy = system.spawn(lambda: Busy(world), "busy")
        assert await busy.ask(Begin(), LONG) == os.getpid()
        while {actor.name: actor.state for actor in system.actors()} != UNDER_WAY:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) > len(tasks) + 4
        assert len(system.timers) >= 2
        assert [thread for thread in threading.enumerate() if thread.name.startswith("executor")]

        await stop(system, gate)

        assert system.actors() == ()
        assert (len(system.timers), system.timers.entries) == (0, 0)
        assert [thread for thread in threading.enumerate() if thread.name.startswith("executor")] == []
        await wire.close()
        await store.close()
        assert asyncio.all_tasks() == tasks

    before = held()
    asyncio.run(scenario())
    gc.collect()
    # Other tests of this process have libraries with threads of their own, which open and close something.
    end = time.monotonic() + 5
    while held() != before and time.monotonic() < end:
        time.sleep(0.05)
    assert held() == before
    assert len(made) == len(UNDER_WAY)
    assert [actor for actor in made if actor() is not None] == []


# --- helpers --------------------------------------------------------------------------------------

#: An actor in every state that one can be stopped in.
UNDER_WAY = {
    "busy": ActorState.RUNNING,
    "busy/failed": ActorState.FAILED,
    "busy/leaving": ActorState.STOPPING,
    "busy/restarting": ActorState.RESTARTING,
    "busy/running": ActorState.RUNNING,
    "busy/starting": ActorState.STARTING,
}


@dataclass
class World:
    """What actors have in common. What they wait for comes when the gate opens."""

    gate: asyncio.Event
    store: SqliteStore
    wire: UdpWire
    made: list[weakref.ref[Actor]]


@dataclass(frozen=True, slots=True)
class Begin(Ask[int]):
    pass


class Child(Actor):
    def __init__(self, world: World) -> None:
        self.world = world
        world.made.append(weakref.ref(self))

    def receive(self, message: object) -> None:
        if message == "crash":
            raise ValueError

    async def stopping(self) -> None:
        await self.world.gate.wait()


class SlowChild(Child):
    async def started(self) -> None:
        await self.world.gate.wait()


class Busy(Child):
    """Has all that an actor can have."""

    async def started(self) -> None:
        endpoint = self.world.wire.open(
            Address("127.0.0.1", free_port()), Address("127.0.0.2", 1280), ignore, ignore
        )
        self.ctx.defer(endpoint.close)
        await self.world.store.activate("busy")
        self.ctx.set_timer("hourly", HOUR, "due")
        self.ctx.spawn(lambda: Child(self.world), "running")
        self.ctx.spawn(lambda: SlowChild(self.world), "starting")
        leaving = self.ctx.spawn(lambda: SlowChild(self.world), "leaving")
        leaving.tell("to be handled before it may go")
        self.ctx.stop(leaving)
        for name, supervision in (
            ("restarting", Supervision(HOUR, HOUR)),
            ("failed", Supervision(intensity=0, escalate=False)),
        ):
            self.ctx.spawn(lambda: Child(self.world), name, supervision=supervision).tell("crash")

    def receive(self, message: object) -> None:
        if not isinstance(message, Begin):
            return
        self.ctx.pipe(asyncio.sleep(3600), lambda done: done, drain=False)
        self.ctx.pipe(asyncio.ensure_future(asyncio.sleep(3600)), lambda done: done, drain=False)
        self.ctx.pipe(self.world.gate.wait(), lambda done: done)
        self.ctx.pipe(self.world.store.write("busy", 1, "page", b"", 0), lambda version: version)
        self.ctx.pipe(self.ctx.execute(os.getpid), self.ctx.reply_token().reply)


async def signalled(system: ActorSystem, *numbers: signal.Signals) -> None:
    running = asyncio.ensure_future(run_until_signalled(system, deadline=LONG, signals=numbers))
    await asyncio.sleep(0)
    for number in numbers:
        signal.raise_signal(number)
        # The handler runs, and what it has woken.
        await asyncio.sleep(0)
        while not running.done() and system.actors()[0].state is not ActorState.STOPPING:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert await running is numbers[0]


def held() -> tuple[int, int, list[psutil.Process]]:
    """Return how many threads and descriptors this process has, and its child processes."""
    process = psutil.Process()
    return threading.active_count(), process.num_fds(), process.children()


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def ignore(_anything: object) -> None:
    return
