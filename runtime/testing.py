"""How to test actors: a real system in virtual time, and an actor that remembers what it was told.

::

    def test_a_silent_peer_is_given_up() -> None:
        async def scenario(system: ActorSystem) -> None:
            heard = Recorder()
            boss = system.spawn(lambda: heard, "boss")
            system.spawn(lambda: Peer(boss), "peer")
            await pass_time(timedelta(minutes=2))
            assert heard.messages == [GivenUp()]

        run(scenario)

Two minutes pass in a few microseconds; nothing sleeps and nothing depends on the machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, TypeVar

from runtime.actor import Actor
from runtime.backends.virtual import VirtualClock, VirtualTimeLoop
from runtime.executor import InlineExecutor
from runtime.system import ActorSystem

if TYPE_CHECKING:
    from runtime.events import Observer

T = TypeVar("T")


class Recorder(Actor):
    """Remembers every message, in order. A restart would make a new one: spawn it once."""

    def __init__(self) -> None:
        """Start with nothing heard."""
        self.messages: list[object] = []

    def receive(self, message: object) -> None:
        """Remember the message."""
        self.messages.append(message)


def run(
    scenario: Callable[[ActorSystem], Awaitable[T]],
    *,
    seed: int = 0,
    observer: Observer | None = None,
    speakable: tuple[type[BaseException], ...] = (),
) -> T:
    """Run a scenario with a system in virtual time, stop the system, return the scenario's result.

    :raises NothingWillHappen: the scenario awaits what nothing can bring about.
    """

    async def whole() -> T:
        loop = asyncio.get_running_loop()
        system = ActorSystem(
            clock=VirtualClock(loop),
            executor=InlineExecutor(),
            random=Random(seed),  # noqa: S311 - it only has to be the same each time
            observer=observer,
            speakable=speakable,
        )
        async with system:
            return await scenario(system)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(whole())


async def pass_time(delay: timedelta) -> None:
    """Let virtual time pass; everything that is due by then happens."""
    await asyncio.sleep(delay.total_seconds())
    await settle()


async def settle() -> None:
    """Let everything happen that can happen without time passing."""
    for _ in range(_TURNS_TO_SETTLE):
        await asyncio.sleep(0)


#: Turns of the loop that a chain of messages, tasks and their outcomes may take.
_TURNS_TO_SETTLE = 50
