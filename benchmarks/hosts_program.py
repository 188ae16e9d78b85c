"""What runs on the hosts that are measured: a module of its own, which their processes import by name."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import timedelta

from runtime import Actor, Ask
from runtime.cluster.codec import Registry
from runtime.cluster.directory import on_host
from runtime.cluster.host import Host
from runtime.cluster.program import Program
from runtime.errors import MailboxFull
from runtime.system import ActorSystem

#: Questions that are open at a time.
AT_A_TIME = 100
_PATIENCE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Note:
    """About as large as most messages of a router."""

    path: str
    number: int
    state: str = "in service"


@dataclass(frozen=True, slots=True)
class Count(Ask[int]):
    """How many notes have arrived."""


class Sink(Actor):
    """Counts what it is told."""

    def __init__(self) -> None:
        """Start at zero."""
        self.count = 0

    def receive(self, message: object) -> None:
        """Count, or tell."""
        if isinstance(message, Count):
            self.ctx.reply(self.count)
        else:
            self.count += 1


def start(system: ActorSystem, _host: Host, _argument: str = "") -> None:
    """Start the one actor of a host."""
    system.spawn(Sink, "sink", mailbox=20_000)


PROGRAM = Program(Registry(Note, Count), start)


async def stream(system: ActorSystem, host: str, count: int) -> float:
    """Tell the sink of another host so many notes, as fast as they are taken; return notes a second."""
    sink = system.ref(on_host(host, "sink"))
    already = await sink.ask(Count(), _PATIENCE)
    begun = time.perf_counter()
    sent = 0
    while sent < count:
        try:
            sink.tell(Note("hub.node0/spoke7", sent))
            sent += 1
        except MailboxFull:
            await asyncio.sleep(0)
        if sent % 256 == 0:
            await asyncio.sleep(0)
    # What is told before a question is there before it.
    arrived = await sink.ask(Count(), _PATIENCE) - already
    if arrived != count:
        raise RuntimeError
    return count / (time.perf_counter() - begun)


async def ask(system: ActorSystem, host: str, rounds: int, at_a_time: int) -> float:
    """Ask the sink of another host; return answers a second."""
    sink = system.ref(on_host(host, "sink"))
    begun = time.perf_counter()
    for _ in range(rounds):
        questions: list[Awaitable[int]] = [sink.ask(Count(), _PATIENCE) for _ in range(at_a_time)]
        await asyncio.gather(*questions)
    return rounds * at_a_time / (time.perf_counter() - begun)
