"""What every store promises, on every store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.clock import SystemClock
from runtime.errors import StaleEpoch, StoreUnavailable, VersionConflict
from runtime.store.disk import Disk
from runtime.store.memory import MemoryStore
from runtime.store.port import MAX_CHANGES, MAX_VALUE_BYTES, SEAL_ALLOWANCE, Delete, Put, Record, Store
from runtime.store.redis import RedisStore
from runtime.store.sealed import AesGcmSealer, SealedStore
from runtime.store.simulated import SimulatedStore
from runtime.store.sqlite import SqliteStore
from runtime.store.timed import TimedStore
from tests.support.redis_server import Redis, redis_server


async def test_a_record_is_read_back(store: Store) -> None:
    epoch = await store.activate("node")
    assert await store.write("node", epoch, "ring", b"\x00keys\xff", 0) == 1
    assert await store.read("node", "ring") == Record("ring", 1, epoch, b"\x00keys\xff")


async def test_what_was_never_written_is_none(store: Store) -> None:
    assert await store.read("node", "ring") is None
    assert await store.scan("node") == ()


async def test_versions_count_the_writes(store: Store) -> None:
    epoch = await store.activate("node")
    for version in range(5):
        assert await store.write("node", epoch, "ring", bytes([version]), version) == version + 1
    assert await store.read("node", "ring") == Record("ring", 5, epoch, b"\x04")


@pytest.mark.parametrize("expected", [0, 2, 7])
async def test_a_write_over_another_version_is_refused(store: Store, expected: int) -> None:
    epoch = await store.activate("node")
    await store.write("node", epoch, "ring", b"first", 0)
    with pytest.raises(VersionConflict) as refused:
        await store.write("node", epoch, "ring", b"second", expected)
    assert (refused.value.expected, refused.value.found) == (expected, 1)
    assert await store.read("node", "ring") == Record("ring", 1, epoch, b"first")


async def test_a_record_that_must_exist_is_not_made(store: Store) -> None:
    epoch = await store.activate("node")
    with pytest.raises(VersionConflict):
        await store.write("node", epoch, "ring", b"value", 1)
    assert await store.scan("node") == ()


async def test_epochs_only_grow_and_belong_to_their_owner(store: Store) -> None:
    assert [await store.activate("one") for _ in range(3)] == [1, 2, 3]
    assert await store.activate("two") == 1


async def test_a_write_under_an_older_epoch_is_refused(store: Store) -> None:
    old = await store.activate("node")
    await store.write("node", old, "ring", b"old", 0)
    new = await store.activate("node")
    with pytest.raises(StaleEpoch) as refused:
        await store.write("node", old, "ring", b"stale", 1)
    assert (refused.value.epoch, refused.value.current) == (old, new)
    with pytest.raises(StaleEpoch):
        await store.delete("node", old, "ring", 1)
    assert await store.read("node", "ring") == Record("ring", 1, old, b"old")
    assert await store.write("node", new, "ring", b"new", 1) == 2


@pytest.mark.parametrize("epoch", [0, 2, -1])
async def test_a_write_under_an_epoch_that_never_was_is_refused(store: Store, epoch: int) -> None:
    assert await store.activate("node") == 1
    with pytest.raises(StaleEpoch):
        await store.write("node", epoch, "ring", b"value", 0)


async def test_the_epoch_is_looked_at_before_the_version(store: Store) -> None:
    old = await store.activate("node")
    await store.activate("node")
    with pytest.raises(StaleEpoch):
        await store.write("node", old, "ring", b"value", 7)


async def test_a_deleted_record_is_gone_and_can_be_made_anew(store: Store) -> None:
    epoch = await store.activate("node")
    await store.write("node", epoch, "ring", b"value", 0)
    with pytest.raises(VersionConflict):
        await store.delete("node", epoch, "ring", 2)
    await store.delete("node", epoch, "ring", 1)
    assert await store.read("node", "ring") is None
    with pytest.raises(VersionConflict):
        await store.delete("node", epoch, "ring", 1)
    assert await store.write("node", epoch, "ring", b"anew", 0) == 1


async def test_a_scan_returns_the_owners_records_in_order(store: Store) -> None:
    epoch = await store.activate("node")
    other = await store.activate("other")
    for name in ("b", "a", "c"):
        await store.write("node", epoch, name, name.encode(), 0)
    await store.write("other", other, "a", b"of another", 0)
    assert [record.name for record in await store.scan("node")] == ["a", "b", "c"]
    assert await store.read("node", "a") == Record("a", 1, epoch, b"a")


async def test_a_commit_makes_all_of_its_changes(store: Store) -> None:
    epoch = await store.activate("node")
    await store.write("node", epoch, "gone", b"value", 0)
    changes = (Put("a", b"1", 0), Delete("gone", 1), Put("b", b"2", 0))
    assert await store.commit("node", epoch, changes) == (1, 0, 1)
    assert [record.name for record in await store.scan("node")] == ["a", "b"]


async def test_a_commit_that_is_refused_makes_none(store: Store) -> None:
    epoch = await store.activate("node")
    await store.write("node", epoch, "kept", b"value", 0)
    with pytest.raises(VersionConflict):
        await store.commit("node", epoch, (Put("a", b"1", 0), Delete("kept", 1), Put("b", b"2", 3)))
    assert [record.name for record in await store.scan("node")] == ["kept"]


async def test_a_commit_out_of_bounds_is_a_mistake(store: Store) -> None:
    epoch = await store.activate("node")
    with pytest.raises(ValueError, match="at most once"):
        await store.commit("node", epoch, (Put("a", b"1", 0), Delete("a", 1)))
    with pytest.raises(ValueError, match="limit"):
        await store.write("node", epoch, "a", bytes(MAX_VALUE_BYTES + SEAL_ALLOWANCE + 1), 0)
    with pytest.raises(ValueError, match="limit"):
        await store.commit("node", epoch, [Put(str(n), b"", 0) for n in range(MAX_CHANGES + 1)])
    with pytest.raises(ValueError, match="version"):
        await store.write("node", epoch, "a", b"", -1)
    await store.write("node", epoch, "a", bytes(MAX_VALUE_BYTES), 0)
    assert await store.commit("node", epoch, ()) == ()


async def test_calls_take_effect_in_the_order_in_which_they_were_begun(store: Store) -> None:
    epoch = await store.activate("node")
    calls: list[Awaitable[object]] = [
        store.write("node", epoch, "ring", bytes([version]), version) for version in range(50)
    ]
    calls.append(store.read("node", "ring"))
    *versions, last = await asyncio.gather(*calls)
    assert versions == list(range(1, 51))
    assert last == Record("ring", 50, epoch, b"\x31")


async def test_of_many_writers_at_one_version_one_wins(store: Store) -> None:
    epoch = await store.activate("node")
    outcomes = await asyncio.gather(
        *(store.write("node", epoch, "ring", bytes([number]), 0) for number in range(20)),
        return_exceptions=True,
    )
    assert [outcome for outcome in outcomes if outcome == 1] == [1]
    assert sum(isinstance(outcome, VersionConflict) for outcome in outcomes) == 19
    assert await store.read("node", "ring") == Record("ring", 1, epoch, b"\x00")


async def test_records_and_epochs_survive_closing(store: Store, reopen: Reopen) -> None:
    epoch = await store.activate("node")
    await store.write("node", epoch, "ring", b"value", 0)
    again = await reopen(store)
    assert await again.read("node", "ring") == Record("ring", 1, epoch, b"value")
    assert await again.activate("node") == epoch + 1
    with pytest.raises(StaleEpoch):
        await again.write("node", epoch, "ring", b"stale", 1)


async def test_a_closed_store_answers_nobody(store: Store) -> None:
    epoch = await store.activate("node")
    await store.close()
    await store.close()
    for call in (
        store.activate("node"),
        store.read("node", "ring"),
        store.scan("node"),
        store.write("node", epoch, "ring", b"", 0),
    ):
        with pytest.raises(StoreUnavailable):
            await call


async def test_closing_finishes_what_was_asked_for(store: Store, reopen: Reopen) -> None:
    epoch = await store.activate("node")
    write = asyncio.ensure_future(store.write("node", epoch, "ring", b"value", 0))
    await asyncio.sleep(0)
    again = await reopen(store)
    assert await write == 1
    assert await again.read("node", "ring") == Record("ring", 1, epoch, b"value")


def test_records_do_not_show_their_contents() -> None:
    assert "secret" not in repr(Record("ring", 1, 1, b"secret"))
    assert "secret" not in repr(Put("ring", b"secret", 1))


steps = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.integers(1, 3)), max_size=30)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=steps)
def test_every_store_does_what_the_memory_store_does(tmp_path: Path, steps: list[Step]) -> None:
    async def compare() -> None:
        (tmp_path / "same.db").unlink(missing_ok=True)
        sqlite = await SqliteStore.open(tmp_path / "same.db")
        expected = await outcomes(MemoryStore(), steps)
        assert await outcomes(SealedStore(sqlite, sealer()), steps) == expected
        assert await outcomes(await SimulatedStore.open(prompt_disk()), steps) == expected

    asyncio.run(compare())


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=steps)
def test_redis_does_what_the_memory_store_does(redis: Redis, steps: list[Step]) -> None:
    async def compare() -> None:
        store = await RedisStore.open(redis.address(), f"same{next(numbers)}")
        expected = await outcomes(MemoryStore(), steps)
        assert await outcomes(SealedStore(store, sealer()), steps) == expected

    asyncio.run(compare())


async def outcomes(store: Store, steps: list[Step]) -> list[object]:
    """Return what a store answers to each of some steps, and close it."""
    results: list[object] = []
    for number, (name, version, action) in enumerate(steps):
        try:
            match action:
                case 1:
                    results.append(await store.write("node", number // 10, name, b"value", version))
                case 2:
                    results.append(await store.commit("node", number // 10, [Delete(name, version)]))
                case _:
                    results.append(await store.activate("node"))
        except (StaleEpoch, VersionConflict) as refused:
            results.append(str(refused))
        results.append(await store.scan("node"))
    await store.close()
    return results


@dataclass(frozen=True)
class Place:
    """Where the stores of one test are."""

    directory: Path
    disk: Disk
    server: Redis | None
    #: Nobody else's on that server.
    namespace: str


Step: TypeAlias = tuple[str, int, int]
Reopen: TypeAlias = Callable[[Store], Awaitable[Store]]

numbers = count()


@pytest.fixture(
    params=[
        "memory",
        "sqlite",
        "sealed sqlite",
        "timed sqlite",
        "simulated",
        "sealed simulated",
        "redis",
        "sealed redis",
    ]
)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def opened() -> AsyncIterator[list[Store]]:
    stores: list[Store] = []
    yield stores
    for each in stores:
        await each.close()


@pytest.fixture
def disk() -> Disk:
    return prompt_disk()


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with redis_server() as server:
        yield server


@pytest.fixture
def place(request: pytest.FixtureRequest, kind: str, tmp_path: Path, disk: Disk) -> Place:
    server = request.getfixturevalue("redis") if kind.endswith("redis") else None
    return Place(tmp_path, disk, server, f"test{next(numbers)}")


@pytest.fixture
async def store(kind: str, place: Place, opened: list[Store]) -> Store:
    made = await open_store(kind, place, None)
    opened.append(made)
    return made


@pytest.fixture
def reopen(kind: str, place: Place, opened: list[Store]) -> Reopen:
    async def again(former: Store) -> Store:
        await former.close()
        made = await open_store(kind, place, former)
        opened.append(made)
        return made

    return again


async def open_store(kind: str, place: Place, former: Store | None) -> Store:
    match kind.split():
        case ["sealed", inner]:
            return SealedStore(await open_store(inner, place, None), sealer())
        case ["timed", inner]:
            return TimedStore(await open_store(inner, place, None), SystemClock(), lambda *_: None)
        case ["memory"]:
            memory = former if isinstance(former, MemoryStore) else MemoryStore()
            memory.reopen()
            return memory
        case ["simulated"]:
            return await SimulatedStore.open(place.disk)
        case ["redis"]:
            assert place.server is not None
            return await RedisStore.open(place.server.address(), place.namespace)
        case _:
            return await SqliteStore.open(place.directory / "store.db")


def prompt_disk() -> Disk:
    """Return a simulated disk that needs no virtual time: it answers in the next turn of any loop."""
    return Disk(Random(0), delay=(timedelta(), timedelta()))


def sealer() -> AesGcmSealer:
    return AesGcmSealer(bytes(range(32)), counting_entropy())


def counting_entropy() -> Callable[[int], bytes]:
    """Return bytes that never repeat, which is all that the tests need."""
    count = iter(range(1 << 30))
    return lambda size: next(count).to_bytes(size, "big")
