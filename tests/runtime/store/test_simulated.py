"""The simulated store: a crash at any byte and instant, faults of the disk, and what an observer is told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.backends.virtual import VirtualTimeLoop
from runtime.errors import StaleEpoch, StoreUnavailable
from runtime.store import simulated
from runtime.store.disk import Disk
from runtime.store.port import Put, Record
from runtime.store.simulated import SimulatedStore
from tests.support.crashing_machine import Machine, Party, State, durable, in_virtual_time

OPERATIONS = ("activate", "write", "write", "write", "delete", "conflict", "stale", "read")

#: Everything that owners do, several at once, with enough writing to compact a few times.
SCRIPT = {
    "one": (
        "activate",
        "write",
        "write",
        "delete",
        "write",
        "conflict",
        "activate",
        "stale",
        "write",
        "write",
    ),
    "two": ("activate", "write", "activate", "write", "write", "read", "delete", "delete", "write"),
    "three": ("write", "activate", "write", "write", "write", "write", "write", "activate"),
}

# --- Crashes --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_logs")
@pytest.mark.parametrize("power", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_a_crash_at_any_event_leaves_what_was_acknowledged_and_nothing_by_halves(
    seed: int, *, power: bool
) -> None:
    found_more = 0
    for instant in instants_of(seed):
        for turns in range(6):

            async def scenario(instant: float = instant, turns: int = turns) -> int:
                machine = Machine(Disk(Random(seed)))
                await machine.start()
                machine.play(SCRIPT)
                await asyncio.sleep(instant - asyncio.get_running_loop().time())
                for _ in range(turns):
                    await asyncio.sleep(0)
                machine.crash(power=power)
                return await machine.start()

            found_more += in_virtual_time(scenario)
    assert found_more > 0


def test_a_log_that_is_cut_at_any_byte_keeps_every_whole_entry_before_it() -> None:
    log, moments = written_log()

    async def scenario() -> None:
        for length in range(len(log) + 1):
            expected = [state for end, state in moments if end <= length][-1]
            assert await recovered(log[:length]) == expected

    in_virtual_time(scenario)


def test_a_log_with_any_byte_garbled_keeps_every_entry_before_it() -> None:
    log, moments = written_log()

    async def scenario() -> None:
        for position in range(len(log)):
            garbled = log[:position] + bytes([log[position] ^ 0x51]) + log[position + 1 :]
            expected = [state for end, state in moments if end <= position][-1]
            assert await recovered(garbled) == expected

    in_virtual_time(scenario)


def test_neither_zeros_nor_frames_of_another_place_count_as_entries() -> None:
    log, moments = written_log()

    async def scenario() -> None:
        for number, (end, state) in enumerate(moments):
            assert await recovered(log[:end] + bytes(600)) == state
            for other, _ in moments[:number] + moments[number + 1 :]:
                assert await recovered(log[:end] + log[other:]) == state

    in_virtual_time(scenario)


@settings(max_examples=150)
@given(data=st.data())
def test_lives_full_of_faults_and_crashes_never_break_a_promise(data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 1 << 32))
    lives = data.draw(st.lists(st.tuples(scripts, faults, moments_of_death, st.booleans()), max_size=5))

    async def scenario() -> None:
        machine = Machine(Disk(Random(seed)))
        await machine.start()
        for script, weather, (delay, turns), power in lives:
            machine.play(script)
            for begin, end, fault in weather:
                machine.disturb(fault, begin / 1000, end / 1000)
            await asyncio.sleep(delay / 1000)
            for _ in range(turns):
                await asyncio.sleep(0)
            machine.crash(power=power)
            await machine.start()
        machine.play({"one": ("activate", "write"), "four": ("activate", "write", "delete")})
        await machine.done()

    with logs_made_small():
        in_virtual_time(scenario)


def test_recovering_tells_the_observer_of_each_record_that_nobody_was_told_of() -> None:
    async def told_after(seed: int) -> tuple[tuple[str, tuple[str, ...]], ...]:
        disk = Disk(Random(seed))
        store = await SimulatedStore.open(disk)
        for owner in ("node", "quiet"):
            await store.write(owner, await store.activate(owner), "old", b"", 0)
        write = asyncio.ensure_future(store.commit("node", 1, [Put("a", b"", 0), Put("b", b"", 0)]))
        other = asyncio.ensure_future(store.activate("other"))
        await pass_turns()
        store.abandon()
        disk.crash(power=False)
        told: list[tuple[str, tuple[str, ...]]] = []
        again = await SimulatedStore.open(disk, on_durable=lambda *what: told.append(what))
        assert (again.durable("node", "a") is not None) == (("node", ("a",)) in told)
        assert again.durable("node", "old") == Record("old", 1, 1, b"")
        assert not write.done()
        assert not other.done()
        return tuple(told)

    async def scenario() -> set[tuple[tuple[str, tuple[str, ...]], ...]]:
        return {await told_after(seed) for seed in range(30)}

    both = (("node", ("a",)), ("node", ("b",)))
    assert in_virtual_time(scenario) == {(), both, (*both, ("other", ()))}


def test_what_was_recovered_from_the_cache_alone_is_safe_before_anybody_sees_it() -> None:
    async def survives(seed: int) -> bool:
        disk = Disk(Random(seed))
        store = await SimulatedStore.open(disk)
        await store.activate("node")
        disk.failing = True
        with pytest.raises(StoreUnavailable):
            await store.write("node", 1, "ring", b"value", 0)
        store.abandon()
        disk.crash(power=False)
        disk.failing = False
        store = await SimulatedStore.open(disk)
        seen = await store.read("node", "ring")
        store.abandon()
        disk.crash(power=True)
        again = await SimulatedStore.open(disk)
        assert await again.read("node", "ring") == seen
        return seen is not None

    async def scenario() -> set[bool]:
        return {await survives(seed) for seed in range(30)}

    # The cache shows a write whose sync has failed; the next process finds it.
    assert in_virtual_time(scenario) == {True}


# --- Faults ---------------------------------------------------------------------------------------


def test_a_full_disk_refuses_changes_answers_readers_and_works_again_later() -> None:
    async def scenario() -> None:
        disk = Disk(Random(0))
        store = await SimulatedStore.open(disk)
        epoch = await store.activate("node")
        await store.write("node", epoch, "kept", b"", 0)
        disk.full = True
        outcomes = await asyncio.gather(
            store.write("node", epoch, "a", b"", 0),
            store.read("node", "kept"),
            store.activate("other"),
            return_exceptions=True,
        )
        assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 3
        assert [record.name for record in await store.scan("node")] == ["kept"]
        disk.full = False
        assert await store.activate("other") == 1
        assert await store.write("node", epoch, "a", b"", 0) == 1

    in_virtual_time(scenario)


def test_after_a_failed_sync_nobody_is_answered_until_the_disk_is_known_again() -> None:
    async def scenario() -> None:
        disk = Disk(Random(0))
        store = await SimulatedStore.open(disk)
        epoch = await store.activate("node")
        disk.failing = True
        with pytest.raises(StoreUnavailable):
            await store.write("node", epoch, "ring", b"lost", 0)
        assert store.durable("node", "ring") is None
        with pytest.raises(StoreUnavailable):
            await store.read("node", "ring")
        disk.failing = False
        assert await store.read("node", "ring") is None
        store.abandon()
        disk.crash(power=True)
        store = await SimulatedStore.open(disk)
        assert await store.scan("node") == ()

    in_virtual_time(scenario)


@pytest.mark.parametrize("fault", ["full", "failing"])
def test_a_store_does_not_open_while_its_disk_has_a_fault_and_loses_nothing(fault: str) -> None:
    async def scenario() -> None:
        disk = Disk(Random(0))
        store = await SimulatedStore.open(disk)
        await store.activate("node")
        await store.close()
        setattr(disk, fault, True)
        with pytest.raises(StoreUnavailable, match=r"space|error"):
            await SimulatedStore.open(disk)
        setattr(disk, fault, False)
        assert await (await SimulatedStore.open(disk)).activate("node") == 2

    in_virtual_time(scenario)


def test_a_slow_disk_delays_the_answer_and_no_more() -> None:
    async def scenario() -> None:
        disk = Disk(Random(0))
        store = await SimulatedStore.open(disk)
        disk.slow = True
        begin = asyncio.get_running_loop().time()
        write = asyncio.ensure_future(store.activate("node"))
        await asyncio.sleep(0.4)
        assert not write.done()
        assert await write == 1
        assert asyncio.get_running_loop().time() - begin >= 0.5

    in_virtual_time(scenario)


# --- The log --------------------------------------------------------------------------------------


def test_calls_that_come_while_a_sync_is_under_way_share_the_next_one() -> None:
    async def scenario() -> None:
        disk = Disk(Random(0))
        store = await SimulatedStore.open(disk)
        await asyncio.gather(*(store.activate(f"{number}") for number in range(100)))
        assert disk.syncs == 1
        first = asyncio.ensure_future(store.write("0", 1, "ring", b"", 0))
        await pass_turns()
        await asyncio.gather(first, *(store.write(f"{n}", 1, "ring", b"", 0) for n in range(1, 100)))
        assert disk.syncs == 3

    in_virtual_time(scenario)


def test_reading_costs_no_sync() -> None:
    async def scenario() -> None:
        disk = Disk(Random(0))
        store = await SimulatedStore.open(disk)
        await asyncio.gather(store.read("node", "ring"), store.scan("node"))
        with pytest.raises(StaleEpoch):
            await store.write("node", 1, "ring", b"", 0)
        assert disk.syncs == 0

    in_virtual_time(scenario)


def test_a_log_does_not_grow_for_ever() -> None:
    async def scenario() -> None:
        disk = Disk(Random(0))
        store = await SimulatedStore.open(disk)
        epoch = await store.activate("node")
        longest = 0
        for version in range(1000):
            await store.write("node", epoch, "ring", bytes(3000), version)
            longest = max(longest, len(disk.read()))
        assert longest < simulated.LOG_FLOOR + 2 * 3100
        await store.close()
        again = await SimulatedStore.open(disk)
        assert await again.read("node", "ring") == Record("ring", 1000, epoch, bytes(3000))

    in_virtual_time(scenario)


@pytest.mark.usefixtures("small_logs")
def test_a_compaction_that_fails_leaves_the_log_in_use() -> None:
    async def scenario() -> None:
        disk = Disk(Random(0))
        store = await SimulatedStore.open(disk)
        epoch = await store.activate("node")
        for version in range(40):
            before = len(disk.read())
            await store.write("node", epoch, "ring", bytes(100), version)
            # Readers come behind the compaction, if there is one.
            disk.failing = True
            assert await store.read("node", "ring") == Record("ring", version + 1, epoch, bytes(100))
            disk.failing = False
            assert len(disk.read()) > before
        store.abandon()
        disk.crash(power=True)
        assert (await SimulatedStore.open(disk)).durable("node", "ring") == Record(
            "ring", 40, epoch, bytes(100)
        )

    in_virtual_time(scenario)


def test_too_many_waiting_calls_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "QUEUE_LIMIT", 10)

    async def scenario() -> None:
        store = await SimulatedStore.open(Disk(Random(0)))
        waiting = [asyncio.ensure_future(store.activate("node")) for _ in range(10)]
        await pass_turns()
        with pytest.raises(StoreUnavailable, match="wait already"):
            await store.read("node", "ring")
        assert await asyncio.gather(*waiting) == list(range(1, 11))
        assert await store.read("node", "ring") is None

    in_virtual_time(scenario)


def test_a_large_crowd_is_answered_in_groups_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "GROUP_LIMIT", 10)

    async def scenario() -> None:
        disk = Disk(Random(0))
        store = await SimulatedStore.open(disk)
        assert await asyncio.gather(*(store.activate("node") for _ in range(95))) == list(range(1, 96))
        assert disk.syncs == 10

    in_virtual_time(scenario)


@pytest.mark.usefixtures("small_logs")
def test_the_same_seed_leaves_the_same_bytes_at_the_same_instant() -> None:
    def once(seed: int) -> tuple[bytes, float]:
        async def scenario() -> tuple[bytes, float]:
            machine = Machine(Disk(Random(seed)))
            await machine.start()
            machine.play(SCRIPT)
            await asyncio.sleep(0.05)
            machine.crash(power=True)
            await machine.start()
            return machine.disk.read(), asyncio.get_running_loop().time()

        return in_virtual_time(scenario)

    assert once(1) == once(1)
    assert once(1) != once(2)


# --- The end of a process -------------------------------------------------------------------------


def test_an_abandoned_store_never_answers() -> None:
    async def scenario() -> None:
        disk = Disk(Random(0))
        store = await SimulatedStore.open(disk)
        epoch = await store.activate("node")
        calls = [
            asyncio.ensure_future(call)
            for call in (store.write("node", epoch, "ring", b"", 0), store.read("node", "ring"))
        ]
        await pass_turns()
        calls.append(asyncio.ensure_future(store.activate("node")))
        await asyncio.sleep(0)
        store.abandon()
        disk.crash(power=False)
        await asyncio.sleep(3600)
        assert not any(call.done() for call in calls)
        with pytest.raises(StoreUnavailable, match="died"):
            await store.activate("node")
        store.abandon()
        await store.close()

    in_virtual_time(scenario)


def test_a_store_may_be_abandoned_before_it_has_done_anything() -> None:
    async def scenario() -> None:
        disk = Disk(Random(0))
        store = await SimulatedStore.open(disk)
        store.abandon()
        await store.close()
        assert await (await SimulatedStore.open(disk)).activate("node") == 1

    in_virtual_time(scenario)


def test_what_is_durable_is_told_before_it_is_answered_one_change_at_a_time() -> None:
    async def scenario() -> None:
        told: list[tuple[str, tuple[str, ...], int, Record | None, bool]] = []

        def on_durable(owner: str, names: tuple[str, ...]) -> None:
            record = store.durable("node", "ring")
            told.append((owner, names, store.durable_epoch("node"), record, any(c.done() for c in calls)))

        calls: list[asyncio.Future[int]] = []
        store = await SimulatedStore.open(Disk(Random(0)), on_durable=on_durable)
        calls += map(
            asyncio.ensure_future,
            (
                store.activate("node"),
                store.write("node", 1, "ring", b"first", 0),
                store.write("node", 1, "ring", b"second", 1),
            ),
        )
        await asyncio.gather(*calls)
        await store.delete("node", 1, "ring", 2)
        assert [each[:4] for each in told] == [
            ("node", (), 1, None),
            ("node", ("ring",), 1, Record("ring", 1, 1, b"first")),
            ("node", ("ring",), 1, Record("ring", 2, 1, b"second")),
            ("node", ("ring",), 1, None),
        ]
        assert [each[4] for each in told[:3]] == [False] * 3

    in_virtual_time(scenario)


def test_what_is_not_yet_synced_is_not_durable() -> None:
    async def scenario() -> None:
        store = await SimulatedStore.open(Disk(Random(0)))
        await store.activate("node")
        write = asyncio.ensure_future(store.write("node", 1, "ring", b"", 0))
        await pass_turns()
        assert store.durable("node", "ring") is None
        await write
        assert store.durable("node", "ring") == Record("ring", 1, 1, b"")

    in_virtual_time(scenario)


# --- Helpers --------------------------------------------------------------------------------------


def written_log() -> tuple[bytes, list[tuple[int, dict[str, State]]]]:
    """Return a log and, for each length at which it had one more entry, what it then held."""

    async def scenario() -> tuple[bytes, list[tuple[int, dict[str, State]]]]:
        disk = Disk(Random(0))
        store = await SimulatedStore.open(disk)
        states: dict[str, State] = {}
        moments = [(0, dict(states))]
        parties = {owner: Party(owner) for owner in SCRIPT}
        for operations in zip(*SCRIPT.values(), strict=False):
            for party, operation in zip(parties.values(), operations, strict=True):
                before = len(disk.read())
                await party.live(store, [operation])
                if len(disk.read()) > before:
                    states[party.owner] = party.known
                    moments.append((len(disk.read()), dict(states)))
        return disk.read(), moments

    return in_virtual_time(scenario)


async def recovered(log: bytes) -> dict[str, State]:
    """Return what a store finds in ``log``."""
    store = await SimulatedStore.open(Disk(Random(0), log))
    states = {owner: State(store.durable_epoch(owner), durable(store, owner)) for owner in SCRIPT}
    store.abandon()
    return {owner: state for owner, state in states.items() if state.epoch}


def instants_of(seed: int) -> Iterator[float]:
    """Yield every instant at which something happens while the script runs, and one between each two."""
    instants = [0.0]

    class Noting(VirtualTimeLoop):
        def jump(self, seconds: float) -> None:
            super().jump(seconds)
            instants.append(self.time())

    async def whole() -> float:
        machine = Machine(Disk(Random(seed)))
        await machine.start()
        begin = asyncio.get_running_loop().time()
        machine.play(SCRIPT)
        await machine.done()
        return begin

    with asyncio.Runner(loop_factory=Noting) as runner:
        begin = runner.run(whole())
    during = [instant for instant in instants if instant >= begin]
    for instant, following in pairwise(during):
        yield instant
        yield (instant + following) / 2


scripts = st.dictionaries(
    st.sampled_from(["one", "two", "three", "four"]),
    st.lists(st.sampled_from(OPERATIONS), min_size=1, max_size=12).map(lambda rest: ("activate", *rest)),
    min_size=1,
)

#: From which millisecond of a life, for how many, which fault.
faults = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 300), st.sampled_from(["full", "slow", "failing"])),
    max_size=3,
)

#: After how many milliseconds of a life, and how many turns of the loop.
moments_of_death = st.tuples(st.integers(0, 80) | st.integers(0, 3000), st.integers(0, 6))


async def pass_turns() -> None:
    """Let a call get on its way to the disk, in no time."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
def small_logs() -> Iterator[None]:
    with logs_made_small():
        yield


@contextmanager
def logs_made_small() -> Iterator[None]:
    """Let a few hundred bytes be reason enough for a compaction."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulated, "LOG_FLOOR", 600)
        patch.setattr(simulated, "LOG_FACTOR", 1)
        yield
