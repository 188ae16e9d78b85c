"""Simulated actors: a seed takes every liberty that the promises leave, and none that they do not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import product
from random import Random
from typing import TypeVar

import pytest
import structlog

from runtime import Actor, Ask, Terminated
from runtime.actor import Ending, ReplyToken
from runtime.backends.sim import Oscillator, SimulatedExecutor, SimulatedSystem
from runtime.backends.sim.executor import LONGEST_SECONDS
from runtime.backends.virtual import OutsideVirtualTime, VirtualClock, VirtualTimeLoop
from runtime.cluster.codec import Registry
from runtime.cluster.directory import on_host
from runtime.cluster.host import Host
from runtime.cluster.simulated import Fabric
from runtime.errors import LimitReached
from runtime.executor import QUEUE_LIMIT
from runtime.ref import Ref
from runtime.testing import Recorder

T = TypeVar("T")

SECOND = timedelta(seconds=1)
SENDERS = ("a", "b", "c")


@dataclass(frozen=True, slots=True)
class Go:
    """Send ten numbered messages."""


@dataclass(frozen=True, slots=True)
class Later(Ask[str]):
    """Asked for something that takes the executor."""

    word: str


def test_messages_of_one_pair_stay_in_order_whatever_the_seed() -> None:
    for seed in range(50):
        for sender in SENDERS:
            assert [number for name, number in interleaved(seed) if name == sender] == list(range(10))


def test_messages_of_different_senders_come_in_every_order() -> None:
    orders = {tuple(interleaved(seed)) for seed in range(50)}

    assert len(orders) > 40
    assert {order[0][0] for order in orders} == set(SENDERS)


def test_one_seed_is_one_order() -> None:
    assert [interleaved(seed) for seed in range(20)] == [interleaved(seed) for seed in range(20)]


def test_a_watcher_sees_each_message_before_and_each_turn_after() -> None:
    async def scenario() -> None:
        watcher = Notes()
        system = new_system(watcher=watcher)
        recorder = Recorder()
        ref = system.spawn(lambda: recorder, "recorder")
        ref.tell("one")
        assert watcher.notes == [("handed", "recorder", "one")]
        await asyncio.sleep(1)
        turns = [note for note in watcher.notes if note[0] == "turn"]
        assert recorder.messages == ["one"]
        assert watcher.notes[-1] == ("turn", "recorder", "")
        ref.offer("two")
        await asyncio.sleep(1)
        assert [note for note in watcher.notes if note[0] == "turn"][len(turns) :] == [
            ("turn", "recorder", "")
        ]

    run(scenario)


def test_whoever_looks_in_sees_actors_mailboxes_and_timers() -> None:
    async def scenario() -> None:
        system = new_system()
        recorder = Recorder()
        assert system.instance("recorder") is None
        ref = system.spawn(lambda: recorder, "recorder")
        await asyncio.sleep(1)
        assert system.instance("recorder") is recorder
        assert not system.busy("recorder")
        ref.tell("one")
        ref.tell("two")
        assert system.busy("recorder")
        await asyncio.sleep(1)
        assert not system.busy("recorder")
        recorder.ctx.set_timer("due", SECOND, "three")
        assert system.has_timer("recorder", "due")
        assert not system.has_timer("recorder", "other")
        await asyncio.sleep(2)
        assert not system.has_timer("recorder", "due")
        assert system.instance("nobody") is None
        assert not system.busy("nobody")
        assert not system.has_timer("nobody", "due")

    run(scenario)


@pytest.mark.parametrize("turns", [0, 1, 7])
def test_a_fuse_burns_after_so_many_more_turns(turns: int) -> None:
    async def scenario() -> None:
        system = new_system()
        recorder = Recorder()
        ref = system.spawn(lambda: recorder, "recorder")
        await asyncio.sleep(1)
        system.fuse = (turns, system.kill)
        for number in range(10):
            ref.tell(number)
        await asyncio.sleep(1)
        assert recorder.messages == list(range(turns + 1))
        assert system.fuse is None

    run(scenario)


def test_a_killed_system_handles_nothing_fires_no_timer_and_answers_nobody() -> None:
    async def scenario() -> None:
        system = new_system()
        slow = Slow()
        ref = system.spawn(lambda: slow, "slow")
        await asyncio.sleep(1)
        slow.ctx.set_timer("due", SECOND, "timer")
        answer = asyncio.ensure_future(ref.ask(Later("never"), 10 * SECOND))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert slow.computed == ["never"]
        ref.tell("in the mailbox")
        system.kill()
        ref.tell("after the end")
        await asyncio.sleep(60)
        assert slow.heard == []
        assert answer.done()
        assert answer.exception() is not None or answer.cancelled()

    run(scenario)


def test_a_killed_system_says_nothing_to_other_hosts_which_notice_its_silence() -> None:
    async def scenario() -> None:
        fabric = Fabric(Random(1))
        east, west = new_system(1), new_system(2)
        for name, system in (("east", east), ("west", west)):
            Host(system, fabric.attach(name), Registry()).join(("east", "west"))
        watched = east.spawn(Recorder, "watched")
        witness = Witness(west.ref(on_host("east", "watched")))
        west.spawn(lambda: witness, "witness")
        await asyncio.sleep(3)
        assert witness.heard == []
        east.kill()
        assert east.elsewhere is None
        await asyncio.sleep(3)
        # Neither that the actor has stopped nor that the host has left.
        assert witness.heard == []
        await asyncio.sleep(10)
        assert witness.heard == [Ending.UNKNOWN]
        watched.tell("after the end")
        await west.stop(timedelta(0))

    run(scenario)


def test_heavy_work_comes_back_a_drawn_moment_later_as_if_from_a_thread() -> None:
    async def scenario() -> None:
        executor = SimulatedExecutor(Random(1))
        loop = asyncio.get_running_loop()
        began = loop.time()
        done: list[float] = []
        futures = [executor.run(pow, (2, exponent)) for exponent in range(100)]
        for future in futures:
            future.add_done_callback(lambda _: done.append(loop.time() - began))
        assert not any(future.done() for future in futures)
        assert await asyncio.gather(*futures) == [2**exponent for exponent in range(100)]
        assert 0 < min(done) < max(done) <= LONGEST_SECONDS
        assert len(set(done)) == 100

    run(scenario)


def test_heavy_work_that_fails_fails_whoever_waits() -> None:
    async def scenario() -> None:
        executor = SimulatedExecutor(Random(1))
        with pytest.raises(ZeroDivisionError):
            await executor.run(divmod, (1, 0))

    run(scenario)


def test_heavy_work_has_the_same_bound_as_in_production() -> None:
    async def scenario() -> None:
        executor = SimulatedExecutor(Random(1))
        accepted = [executor.run(int, ()) for _ in range(QUEUE_LIMIT)]
        with pytest.raises(LimitReached):
            await executor.run(int, ())
        await asyncio.gather(*accepted)
        assert await executor.run(int, ()) == 0

    run(scenario)


def test_a_closed_executor_drops_what_is_under_way_and_takes_no_more() -> None:
    async def scenario() -> None:
        executor = SimulatedExecutor(Random(1))
        under_way = executor.run(int, ())
        assert await executor.close(SECOND)
        assert under_way.cancelled()
        with pytest.raises(LimitReached):
            await executor.run(int, ())

    run(scenario)


@pytest.mark.parametrize(
    ("what", "attempt"),
    [
        ("a thread", lambda loop: loop.run_in_executor(None, int)),
        ("a socket", lambda loop: loop.create_connection(asyncio.Protocol, "127.0.0.1", 9)),
        ("a socket", lambda loop: loop.create_server(asyncio.Protocol, "127.0.0.1", 0)),
        ("a socket", lambda loop: loop.create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 0))),
        ("a name server", lambda loop: loop.getaddrinfo("localhost", 9)),
        ("a file", lambda loop: loop.add_reader(0, int)),
        ("a process", lambda loop: loop.subprocess_exec(asyncio.SubprocessProtocol, "true")),
        ("a signal", lambda loop: loop.add_signal_handler(2, int)),
    ],
    ids=["thread", "connection", "server", "datagrams", "name", "file", "process", "signal"],
)
def test_nothing_of_the_world_can_be_waited_for_in_virtual_time(
    what: str, attempt: Callable[[asyncio.AbstractEventLoop], object]
) -> None:
    async def scenario() -> None:
        with pytest.raises(OutsideVirtualTime, match=what):
            attempt(asyncio.get_running_loop())

    run(scenario)


# --- helpers --------------------------------------------------------------------------------------


@dataclass
class Notes:
    """A watcher that writes everything down."""

    notes: list[tuple[str, str, object]] = field(default_factory=list)

    def handed(self, receiver: str, message: object) -> None:
        self.notes.append(("handed", receiver, message))

    def turn(self, name: str) -> None:
        self.notes.append(("turn", name, ""))


class Sender(Actor):
    """Sends one numbered message at each of its turns."""

    def __init__(self, name: str, to: Ref) -> None:
        self._name, self._to = name, to

    def receive(self, message: object) -> None:
        number = message if isinstance(message, int) else 0
        self._to.tell((self._name, number))
        if number < 9:
            self.ctx.ref.tell(number + 1)


class Slow(Actor):
    """Computes on the executor, and remembers what it was told."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.computed: list[str] = []

    def receive(self, message: object) -> None:
        match message:
            case Later(word):
                token: ReplyToken = self.ctx.reply_token()
                self.ctx.pipe(self.ctx.execute(self._compute, word), lambda result: (token, result), repr)
            case _:
                self.heard.append(message)

    def _compute(self, word: str) -> str:
        self.computed.append(word)
        return word


class Witness(Actor):
    """Watches, and hears of an end."""

    def __init__(self, watched: Ref) -> None:
        self.watched = watched
        self.heard: list[Ending] = []

    async def started(self) -> None:
        self.ctx.watch(self.watched)

    def receive(self, message: object) -> None:
        assert isinstance(message, Terminated)
        self.heard.append(message.ending)


def interleaved(seed: int) -> list[tuple[str, int]]:
    """Return in which order the messages of several senders arrive."""

    async def scenario() -> list[tuple[str, int]]:
        system = new_system(seed)
        recorder = Recorder()
        to = system.spawn(lambda: recorder, "recorder")
        senders = [system.spawn(partial(Sender, name, to), name) for name in SENDERS]
        await asyncio.sleep(1)
        for sender in senders:
            sender.tell(0)
        await asyncio.sleep(1)
        heard = [message for message in recorder.messages if isinstance(message, tuple)]
        assert sorted(heard) == list(product(SENDERS, range(10)))
        return heard

    return run(scenario)


def new_system(seed: int = 1, watcher: Notes | None = None) -> SimulatedSystem:
    loop = asyncio.get_running_loop()
    system = SimulatedSystem(
        clock=VirtualClock(loop), random=Random(seed), log=structlog.get_logger(), watcher=watcher
    )
    system.begin(loop, Oscillator(loop))
    return system


def run(scenario: Callable[[], Awaitable[T]]) -> T:
    """Run a scenario in virtual time."""

    async def whole() -> T:
        return await scenario()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(whole())
