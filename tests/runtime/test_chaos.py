"""Random crashes, stops and floods: the promises hold, and a seed replays exactly."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from random import Random

import pytest

from runtime import Actor, Supervision
from runtime.errors import MailboxFull
from runtime.events import RuntimeEvent
from runtime.info import ActorState
from runtime.system import ActorSystem
from runtime.testing import pass_time, run

ACTORS = 6
STEPS = 150


@pytest.mark.parametrize("seed", range(25))
def test_order_and_at_most_once_hold_whatever_happens(seed: int) -> None:
    heard = chaos(seed).heard
    assert len(heard) > 50
    for pair in itertools.permutations(range(ACTORS), 2):
        numbers = [sent.number for receiver, sent in heard if (sent.sender, receiver) == pair]
        assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("seed", range(25))
def test_every_message_is_heard_refused_or_a_dead_letter(seed: int) -> None:
    trace = chaos(seed)
    assert trace.sent == len(trace.heard) + trace.refused + trace.dead_letters
    assert any(type(event).__name__ == "Crashed" for event in trace.events)


@pytest.mark.parametrize("seed", range(5))
def test_a_seed_replays_exactly(seed: int) -> None:
    assert chaos(seed) == chaos(seed)
    assert chaos(seed) != chaos(seed + 1)


@dataclass(frozen=True, slots=True)
class Sent:
    sender: int
    number: int


@dataclass(slots=True)
class Trace:
    """All that happened, in order."""

    heard: list[tuple[int, Sent]]
    events: list[RuntimeEvent]
    sent: int = 0
    refused: int = 0
    dead_letters: int = 0


class Gossip(Actor):
    """Hears, and now and then passes on, has a timer, does slow work, and crashes."""

    def __init__(
        self, system: ActorSystem, number: int, trace: Trace, numbers: Iterator[int], random: Random
    ) -> None:
        self.system = system
        self.number = number
        self.trace = trace
        self.numbers = numbers
        self.random = random

    async def started(self) -> None:
        await asyncio.sleep(self.random.random())
        self.ctx.set_timer("gossip", timedelta(seconds=1), "gossip")
        if self.random.random() < 0.2:
            raise OSError

    async def stopping(self) -> None:
        await asyncio.sleep(self.random.random())

    def receive(self, message: object) -> None:
        match message:
            case Sent():
                self.trace.heard.append((self.number, message))
                if self.random.random() < 0.3:
                    self.ctx.pipe(asyncio.sleep(self.random.random()), lambda _none: "gossip")
                if self.random.random() < 0.05:
                    raise ValueError(message)
            case "gossip":
                self.ctx.set_timer("gossip", timedelta(seconds=self.random.random()), "gossip")
                self.say(self.random.randrange(ACTORS))

    def say(self, receiver: int) -> None:
        if receiver == self.number:
            return
        self.trace.sent += 1
        try:
            self.system.ref(f"gossip-{receiver}").tell(Sent(self.number, next(self.numbers)))
        except MailboxFull:
            self.trace.refused += 1


def chaos(seed: int) -> Trace:
    """Let six actors gossip while they are crashed, stopped and started at random; return what happened."""
    random = Random(seed)
    trace = Trace([], [])
    numbers = itertools.count()

    async def scenario(system: ActorSystem) -> None:
        def start(number: int) -> None:
            system.spawn(
                lambda: Gossip(system, number, trace, numbers, random),
                f"gossip-{number}",
                supervision=Supervision(intensity=6, window=timedelta(seconds=20)),
                mailbox=8,
            )

        stops: list[asyncio.Future[None]] = []
        for number in range(ACTORS):
            start(number)
        for _ in range(STEPS):
            await pass_time(timedelta(seconds=random.random()))
            number = random.randrange(ACTORS)
            ref = system.ref(f"gossip-{number}")
            state = {info.name: info.state for info in system.actors()}.get(ref.name)
            match random.randrange(6):
                case 0:
                    system.crash(ref, ConnectionError())
                case 1 if state is None or state is ActorState.FAILED:
                    start(number)
                case 2 if state is ActorState.RUNNING:
                    stops.append(asyncio.ensure_future(system.stop_actor(ref, timedelta(seconds=1))))
                case _:
                    continue
        await system.stop(timedelta(seconds=5))
        await asyncio.gather(*stops)
        assert system.actors() == ()
        assert len(system.timers) == 0
        trace.dead_letters = system.info().dead_letters

    run(scenario, seed=seed, observer=trace.events.append)
    return trace
