"""A simulated machine: it boots, dies in every manner, comes back, and goes by a quartz of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import TypeVar

import pytest
import structlog

from runtime import Actor
from runtime.backends.sim import Machine, Oscillator, Process
from runtime.backends.sim.machine import BEGINNING, WORST_DRIFT, ProcessClock
from runtime.backends.virtual import VirtualTimeLoop
from runtime.errors import StoreUnavailable
from runtime.store.port import Store
from runtime.wire.network import Network
from runtime.wire.port import Address

T = TypeVar("T")

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
HERE, THERE = Address("192.0.2.1", 1280), Address("192.0.2.2", 1280)


def test_a_machine_boots_a_process_with_a_store_a_wire_and_actors() -> None:
    async def scenario() -> None:
        machine, diary = new_machine(), Diary()
        assert machine.process is None
        await machine.boot(diary.program)
        await asyncio.sleep(3.5)
        assert machine.running
        assert diary.ticks == 3
        assert diary.epochs == [1]

    run(scenario)


def test_booting_a_machine_that_runs_does_nothing() -> None:
    async def scenario() -> None:
        machine, diary = new_machine(), Diary()
        await machine.boot(diary.program)
        first = machine.process
        await machine.boot(diary.program)
        assert machine.process is first

    run(scenario)


@pytest.mark.parametrize("power", [False, True])
def test_what_is_killed_does_nothing_any_more_and_comes_back_with_what_was_acknowledged(power: bool) -> None:  # noqa: FBT001
    async def scenario() -> None:
        machine, diary = new_machine(), Diary()
        await machine.boot(diary.program)
        await asyncio.sleep(2.5)
        machine.kill(power=power)
        assert not machine.running
        await asyncio.sleep(100)
        assert diary.ticks == 2
        await machine.boot(diary.program)
        await asyncio.sleep(2.5)
        assert diary.ticks == 4
        assert diary.epochs == [1, 2], "the store has forgotten an activation"

    run(scenario)


def test_a_killed_process_frees_its_addresses_and_hears_nothing() -> None:
    async def scenario() -> None:
        network = Network(Random(1))
        machine, diary = new_machine(network), Diary(listening=True)
        await machine.boot(diary.program)
        network.inject(HERE, THERE, b"heard")
        await asyncio.sleep(0.1)
        machine.kill()
        network.inject(HERE, THERE, b"not heard")
        await asyncio.sleep(0.1)
        await machine.boot(diary.program)
        network.inject(HERE, THERE, b"heard again")
        await asyncio.sleep(0.1)
        assert diary.heard == [b"heard", b"heard again"]

    run(scenario)


def test_a_machine_that_is_killed_while_it_boots_stays_off() -> None:
    async def scenario() -> None:
        machine, diary = new_machine(), Diary()
        booting = asyncio.ensure_future(machine.boot(diary.program))
        await asyncio.sleep(0)
        machine.kill()
        # What a disk that died was asked for never ends: nobody waits for it.
        await asyncio.wait({booting}, timeout=60)
        booting.cancel()
        assert not machine.running
        assert diary.epochs == []
        await machine.boot(diary.program)
        assert machine.running

    run(scenario)


def test_a_machine_whose_disk_refuses_does_not_start_until_it_is_mended() -> None:
    async def scenario() -> None:
        machine, diary = new_machine(), Diary()
        machine.disk.failing = True
        with pytest.raises(StoreUnavailable):
            await machine.boot(diary.program)
        assert not machine.running
        machine.disk.failing = False
        await machine.boot(diary.program)
        assert machine.running

    run(scenario)


def test_an_empty_disk_knows_nothing_of_the_one_before() -> None:
    async def scenario() -> None:
        machine, diary = new_machine(), Diary()
        await machine.boot(diary.program)
        await asyncio.sleep(1)
        machine.kill(power=True)
        machine.replace_disk()
        await machine.boot(diary.program)
        await asyncio.sleep(1)
        assert diary.epochs == [1, 1]

    run(scenario)


def test_a_graceful_stop_lets_actors_take_their_leave() -> None:
    async def scenario() -> None:
        machine, diary = new_machine(), Diary()
        await machine.boot(diary.program)
        await asyncio.sleep(1)
        await machine.stop(8 * SECOND)
        assert not machine.running
        assert diary.farewells == 1
        machine.kill()
        await machine.stop(8 * SECOND)
        assert diary.farewells == 1

    run(scenario)


def test_a_kill_takes_no_leave() -> None:
    async def scenario() -> None:
        machine, diary = new_machine(), Diary()
        await machine.boot(diary.program)
        await asyncio.sleep(1)
        machine.kill()
        await asyncio.sleep(10)
        assert diary.farewells == 0

    run(scenario)


def test_a_process_may_be_killed_while_it_stops() -> None:
    async def scenario() -> None:
        machine, diary = new_machine(), Diary(slow_to_leave=True)
        await machine.boot(diary.program)
        await asyncio.sleep(1)
        stopping = asyncio.ensure_future(machine.stop(8 * SECOND))
        await asyncio.sleep(0.5)
        machine.kill()
        await stopping
        assert not machine.running
        await machine.boot(diary.program)
        assert machine.running

    run(scenario)


@pytest.mark.parametrize("rate", [1.0, 1 + WORST_DRIFT, 1 - WORST_DRIFT])
def test_a_quartz_counts_at_its_own_rate_and_calls_by_its_own_count(rate: float) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        quartz = Oscillator(loop, rate)
        called: list[tuple[float, float]] = []
        day = DAY.total_seconds()
        quartz.call_at(day, lambda: called.append((quartz.time(), loop.time())))
        await asyncio.sleep(2 * day)
        ((own, common),) = called
        assert own == pytest.approx(day)
        assert common == pytest.approx(day / rate)
        assert quartz.wall() - BEGINNING == pytest.approx(2 * DAY * rate, abs=SECOND / 1000)

    run(scenario)


def test_a_step_moves_the_wall_clock_and_no_timer() -> None:
    async def scenario() -> None:
        machine, diary = new_machine(), Diary()
        await machine.boot(diary.program)
        assert machine.process is not None
        clock = machine.process.system.clock
        before = clock.wall(), clock.monotonic()
        machine.oscillator.offset -= 400 * DAY
        assert clock.wall() == before[0] - 400 * DAY
        assert clock.monotonic() == before[1]
        await asyncio.sleep(3.5)
        assert diary.ticks == 3

    run(scenario)


def test_each_process_has_another_origin_of_its_monotonic_clock() -> None:
    async def scenario() -> None:
        machine = new_machine()
        origins = []
        for _ in range(5):
            await machine.boot(Diary().program)
            assert machine.process is not None
            clock = machine.process.system.clock
            assert isinstance(clock, ProcessClock)
            origins.append(clock.monotonic() - (clock.wall() - BEGINNING))
            machine.kill()
        assert len(set(origins)) == 5
        assert all(origin >= timedelta(0) for origin in origins)

    run(scenario)


def test_two_machines_drift_apart_by_no_more_than_a_bad_quartz_does() -> None:
    async def scenario() -> None:
        rates = []
        for seed in range(50):
            quartz = new_machine(seed=seed).oscillator
            rates.append(quartz)
        await asyncio.sleep(DAY.total_seconds())
        apart = [abs(quartz.time() - DAY.total_seconds()) / DAY.total_seconds() for quartz in rates]
        assert max(apart) <= WORST_DRIFT
        assert max(apart) > WORST_DRIFT / 2
        assert len(set(apart)) == 50

    run(scenario)


# --- helpers --------------------------------------------------------------------------------------


@dataclass
class Diary:
    """What all the processes of a machine did."""

    listening: bool = False
    slow_to_leave: bool = False

    def __post_init__(self) -> None:
        self.ticks = 0
        self.epochs: list[int] = []
        self.heard: list[bytes] = []
        self.states: list[bool] = []
        self.farewells = 0

    async def program(self, process: Process) -> None:
        if self.listening:
            process.wire.open(HERE, THERE, self.heard.append, self.states.append)
        process.system.spawn(lambda: Writer(self, process.store), "writer")


class Writer(Actor):
    """Takes an epoch when it starts, and then counts seconds."""

    def __init__(self, diary: Diary, store: Store) -> None:
        self._diary, self._store = diary, store

    async def started(self) -> None:
        self._diary.epochs.append(await self._store.activate("writer"))
        self.ctx.set_timer("tick", SECOND, "tick")

    def receive(self, message: object) -> None:
        assert message == "tick"
        self._diary.ticks += 1
        self.ctx.set_timer("tick", SECOND, "tick")

    async def stopping(self) -> None:
        if self._diary.slow_to_leave:
            await asyncio.sleep(5)
        self._diary.farewells += 1


def new_machine(network: Network | None = None, *, seed: int = 1) -> Machine:
    return Machine("one", Random(seed), network or Network(Random(0)), log=structlog.get_logger())


def run(scenario: Callable[[], Awaitable[T]]) -> T:
    """Run a scenario in virtual time."""

    async def whole() -> T:
        return await scenario()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(whole())
