"""The deaths of a Redis server: between writes, during them, in the middle of one, and while it is frozen.

Eight owners share one store and write without a pause until the server dies under them. Then it starts again
from its files, and every owner must find what it was told last, or what it has asked for since, whole.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from random import Random

import pytest

from runtime.errors import StoreUnavailable
from tests.support.doomed_writer import LIFE, OWNERS, write
from tests.support.owners import Owners
from tests.support.redis_server import Redis, redis_server


@pytest.mark.parametrize("seed", range(4))
async def test_a_kill_at_any_moment_leaves_what_was_acknowledged_and_nothing_by_halves(seed: int) -> None:
    generator = Random(seed)
    with redis_server() as server:
        owners = Owners()
        for life in range(4):
            # Early deaths meet the owners while they activate, late ones in the middle of everything.
            answers = generator.choice([generator.randrange(1, 30), generator.randrange(30, 1000)])
            assert await until_dead(server, owners, life, answers, server.kill) == -signal.SIGKILL
            server.start()
            await check(server, owners)


@pytest.mark.parametrize("seed", range(3))
async def test_a_death_in_the_middle_of_a_write_leaves_nothing_of_its_commit(seed: int) -> None:
    generator = Random(seed)
    with redis_server() as server:
        owners = Owners()
        for life in range(4):
            server.stop()
            # Any byte of the log, but for those that it takes to write down anew what there is.
            limit = generator.randrange(60_000, 400_000)
            server.start(file_limit=limit)
            assert await until_dead(server, owners, life) == -signal.SIGXFSZ
            assert server.append_only_files[-1].stat().st_size == limit
            server.start()
            await check(server, owners)


async def test_a_server_without_room_for_its_log_ends_and_has_lost_nothing() -> None:
    with redis_server() as server:
        owners = Owners()
        for life in range(2):
            server.stop()
            server.start(file_limit=100_000, full=True)
            assert await until_dead(server, owners, life) == 1
            server.start()
            await check(server, owners)


async def test_a_server_that_is_killed_while_it_is_frozen_has_lost_nothing() -> None:
    with redis_server() as server:
        owners = Owners()
        for life in range(2):
            assert await until_dead(server, owners, life, 100 * (life + 1), server.freeze) == -signal.SIGKILL
            server.start()
            await check(server, owners)


async def test_one_store_outlives_ten_servers() -> None:
    with redis_server() as server:
        owners = Owners()
        store = await server.store()
        for life in range(10):
            writers = [asyncio.create_task(write(store, owner, life * LIFE, owners.hear)) for owner in OWNERS]
            await asyncio.sleep(0)
            await asyncio.wait(writers, timeout=0.05)
            server.kill()
            server.start()
            # Those that lost an answer have ended; the others have gone on as if nothing had been.
            await asyncio.wait(writers, timeout=0.05)
            for writer in writers:
                writer.cancel()
            outcomes = await asyncio.gather(*writers, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} <= {StoreUnavailable, asyncio.CancelledError}
            await owners.check(store)
        await store.close()


async def until_dead(
    server: Redis, owners: Owners, life: int, answers: int = 0, end: Callable[[], object] | None = None
) -> int:
    """Let all owners write until the server is dead; return how it ended.

    It is ended after so many answers, or ends by itself.
    """
    over = asyncio.Event()
    told = 0

    def hear(owner: str, *what: object) -> None:
        nonlocal told
        owners.hear(owner, *what)
        told += what[0] == "told"
        if told == answers and end is not None:
            end()
            over.set()

    store = await server.store()
    writers = [asyncio.create_task(write(store, owner, life * LIFE, hear)) for owner in OWNERS]
    for writer in writers:
        writer.add_done_callback(lambda _: over.set())
    await over.wait()
    # Some have lost an answer and end; others have not been sent and would wait for another server.
    await asyncio.wait(writers, timeout=0.05)
    for writer in writers:
        writer.cancel()
    outcomes = await asyncio.gather(*writers, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} <= {StoreUnavailable, asyncio.CancelledError}
    ending = server.kill() if end is not None else server.wait()
    await store.close()
    return ending


async def check(server: Redis, owners: Owners) -> None:
    store = await server.store()
    await owners.check(store)
    await store.close()
