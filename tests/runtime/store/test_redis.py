"""The Redis store on a real server: what it costs, and what a server may do to it meanwhile.

Which servers it refuses is in ``test_redis_server.py``; the deaths of servers have ``test_redis_kill.py``,
and the queue has ``test_redis_queue.py``.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import ClassVar, cast

import pytest
from redis.exceptions import RedisError

from runtime.errors import StaleEpoch, StoreUnavailable, StoreUnusable
from runtime.store import redis_link
from runtime.store.port import MAX_CHANGES, MAX_VALUE_BYTES, Delete, Put, Record
from runtime.store.redis import RedisStore
from runtime.store.redis_calls import activate
from runtime.store.redis_link import RedisLink
from runtime.store.redis_server import RedisServer, Wire, ask
from runtime.store.sealed import AesGcmSealer, SealedStore
from tests.support.redis_server import Redis

ROOT = Path(__file__).parents[3]

#: For what is expected to fail by waiting.
SHORT = timedelta(seconds=0.5)


# --- what it costs ---------------------------------------------------------------------------------


async def test_many_writers_share_few_round_trips_and_few_waits_for_the_disk(server: Redis) -> None:
    store = await server.store()
    await asyncio.gather(*(store.activate(f"node{number}") for number in range(1000)))
    before = store.groups
    await asyncio.gather(*(store.write(f"node{number}", 1, "ring", b"value", 0) for number in range(1000)))
    assert store.groups - before <= 20
    await store.close()


async def test_a_refused_call_does_not_disturb_the_others_of_its_group(server: Redis) -> None:
    store = await server.store()
    epoch = await store.activate("node")
    outcomes = await asyncio.gather(
        *(store.write("node", epoch, f"{number}", b"", number % 2) for number in range(100)),
        return_exceptions=True,
    )
    assert [outcome == 1 for outcome in outcomes] == [number % 2 == 0 for number in range(100)]
    assert len(await store.scan("node")) == 50
    await store.close()


async def test_the_largest_commit_in_number_is_whole(server: Redis) -> None:
    store = await server.store()
    epoch = await store.activate("node")
    puts = [Put(f"{number:04}", b"value", 0) for number in range(MAX_CHANGES)]
    assert await store.commit("node", epoch, puts) == (1,) * MAX_CHANGES
    assert len(await store.scan("node")) == MAX_CHANGES
    deletes = [Delete(f"{number:04}", 1) for number in range(MAX_CHANGES)]
    assert await store.commit("node", epoch, deletes) == (0,) * MAX_CHANGES
    assert await store.scan("node") == ()
    await store.close()


async def test_more_than_one_answer_holds_is_answered_in_several(
    server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_link, "ANSWER_BYTES", 10_000)
    store = await server.store()
    epoch = await store.activate("node")
    await store.write("node", epoch, "ring", bytes(4_000), 0)
    before = store.groups
    calls = [store.read("node", "ring") if number % 2 else store.scan("node") for number in range(20)]
    answers = await asyncio.gather(*calls)
    record = Record("ring", 1, epoch, bytes(4_000))
    assert answers == [record if number % 2 else (record,) for number in range(20)]
    assert 6 <= store.groups - before <= 8
    await store.close()


async def test_the_keys_are_those_of_the_document(server: Redis) -> None:
    store = await server.store()
    epoch = await store.activate("node/peer")
    await store.write("node/peer", epoch, "ring", b"value", 0)
    await store.write("node/peer", epoch, "ring", b"newer", 1)
    await store.close()
    assert set(server.ask("KEYS", "*").decode().split()) == {"peerkey:fleet", "peerkey:fleet:node/peer"}
    assert server.fields("peerkey:fleet:node/peer") == {"epoch": "1", "v:ring": "2 1", "d:ring": "newer"}
    known = server.fields("peerkey:fleet")
    assert re.fullmatch("[0-9a-f]{32}", known.pop("identity"))
    assert known == {"layout": "1", "count": "3"}


async def test_nothing_that_was_sealed_can_be_read_in_the_servers_files(server: Redis) -> None:
    store = SealedStore(await server.store(), AesGcmSealer(bytes(32), Random(0).randbytes))
    epoch = await store.activate("node")
    await store.write("node", epoch, "ring", b"a key in the clear", 0)
    await store.close()
    contents = b"".join(file.read_bytes() for file in server.append_only_files)
    assert b"v:ring" in contents
    assert b"a key in the clear" not in contents


async def test_namespaces_do_not_see_each_other(server: Redis) -> None:
    one, two = await server.store("one"), await server.store("two")
    assert [await one.activate("node"), await one.activate("node"), await two.activate("node")] == [1, 2, 1]
    await one.write("node", 2, "ring", b"value", 0)
    assert await two.scan("node") == ()
    await one.close()
    await two.close()


async def test_stores_that_open_at_once_make_one_namespace_and_fence_each_other(server: Redis) -> None:
    stores = await asyncio.gather(*(server.store() for _ in range(8)))
    epochs = await asyncio.gather(*(store.activate("node") for store in stores))
    assert sorted(epochs) == list(range(1, 9))
    for store, epoch in zip(stores, epochs, strict=True):
        if epoch == 8:
            assert await store.write("node", epoch, "ring", b"", 0) == 1
        else:
            with pytest.raises(StaleEpoch):
                await store.write("node", epoch, "ring", b"", 0)
        await store.close()


async def test_closing_leaves_no_connection(server: Redis) -> None:
    store = await server.store()
    assert connections(server) == 1
    await store.close()
    assert connections(server) == 0


# --- what a server may do meanwhile -----------------------------------------------------------------


async def test_a_server_that_restarts_between_calls_costs_no_call(server: Redis) -> None:
    store = await server.store()
    epoch = await store.activate("node")
    await store.write("node", epoch, "ring", b"value", 0)
    server.kill()
    waits = asyncio.ensure_future(store.read("node", "ring"))
    await asyncio.sleep(0.05)
    server.start()
    assert await waits == Record("ring", 1, epoch, b"value")
    assert await store.write("node", epoch, "ring", b"newer", 1) == 2
    assert await store.activate("node") == epoch + 1
    await store.close()


async def test_a_server_that_is_frozen_beyond_the_deadline_is_unavailable_and_then_used_again(
    server: Redis,
) -> None:
    store = await server.store(patience=timedelta(seconds=2))
    epoch = await store.activate("node")
    server.freeze()
    lost = asyncio.ensure_future(store.write("node", epoch, "ring", b"lost", 0))
    await asyncio.sleep(0.1)
    waits = asyncio.ensure_future(store.write("other", 1, "ring", b"never sent", 0))
    for call in (lost, waits):
        with pytest.raises(StoreUnavailable):
            await call
    server.thaw()
    newer = await eventually(store, "node")
    assert newer == epoch + 1
    # Whether it is there is unknown, but not that it may come any later.
    found = await store.read("node", "ring")
    assert found in (None, Record("ring", 1, epoch, b"lost"))
    assert await store.write("node", newer, "ring", b"new", 0 if found is None else 1) == (
        1 if found is None else 2
    )
    assert await store.scan("other") == ()
    await store.close()


async def test_a_new_connection_ends_the_former_one_on_the_server(server: Redis) -> None:
    address = KeptOpen(socket=str(server.socket))
    link = RedisLink(address, "fleet", Random(0))
    await link.connect()
    assert await link.exchange([activate("node")]) == [1]
    await link.connect()
    # The first socket is still open here; what is sent on it now is carried out by nobody.
    first = address.wires[0]
    with pytest.raises(RedisError, match=r"closed|reset|lost|Broken pipe"):
        await ask(first, "SET", "late", "1")
    assert server.ask("GET", "late") == b"\n"
    assert await link.exchange([activate("node")]) == [2]
    for wire in address.wires:
        await wire.disconnect(nowait=True)


async def test_scripts_that_were_flushed_are_loaded_again(server: Redis) -> None:
    store = await server.store()
    server.ask("SCRIPT", "FLUSH")
    assert await store.activate("node") == 1
    await store.close()


async def test_a_server_that_comes_back_without_its_records_is_not_taken_for_the_old_one(
    server: Redis,
) -> None:
    store = await server.store()
    epoch = await store.activate("node")
    server.kill()
    shutil.rmtree(server.root / "appendonlydir")
    server.start()
    for _ in range(2):
        with pytest.raises(StoreUnusable, match="has lost acknowledged records"):
            await store.write("node", epoch, "ring", b"", 0)
    assert server.ask("DBSIZE") == b"0\n"
    await store.close()


async def test_records_that_go_away_under_a_connection_are_noticed(server: Redis) -> None:
    store = await server.store()
    await store.activate("node")
    server.ask("FLUSHALL")
    with pytest.raises(StoreUnusable, match="has lost acknowledged records"):
        await store.activate("node")
    await store.close()


@pytest.mark.parametrize(("field", "value"), [("identity", "of another"), ("count", "1"), ("layout", "2")])
async def test_a_namespace_that_is_another_one_is_noticed_before_anything_is_written(
    server: Redis, field: str, value: str
) -> None:
    store = await server.store()
    epoch = await store.activate("node")
    await store.write("node", epoch, "ring", b"value", 0)
    server.ask("HSET", "peerkey:fleet", field, value)
    with pytest.raises(StoreUnusable):
        await store.write("node", epoch, "ring", b"newer", 1)
    assert server.fields("peerkey:fleet:node") == {"epoch": "1", "v:ring": "1 1", "d:ring": "value"}
    await store.close()


async def test_a_server_that_was_put_back_to_an_older_state_is_noticed(server: Redis) -> None:
    store = await server.store()
    await store.activate("node")
    server.stop()
    shutil.copytree(server.root / "appendonlydir", server.root / "backup")
    server.start()
    # The last of them is what a replica may not have had.
    assert await store.activate("node") == 2
    server.kill()
    shutil.rmtree(server.root / "appendonlydir")
    (server.root / "backup").rename(server.root / "appendonlydir")
    server.start()
    with pytest.raises(StoreUnusable, match="has lost acknowledged records"):
        await store.activate("node")
    await store.close()


async def test_a_server_that_becomes_a_replica_is_refused(server: Redis) -> None:
    store = await server.store()
    epoch = await store.activate("node")
    server.ask("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(StoreUnavailable):
        await store.write("node", epoch, "ring", b"", 0)
    with pytest.raises(StoreUnusable, match="is a replica"):
        await store.write("node", epoch, "ring", b"", 0)
    server.ask("REPLICAOF", "NO", "ONE")
    assert await eventually(store, "node") > epoch
    await store.close()


async def test_a_full_memory_fails_the_call_and_the_records_before_it_stay(server: Redis) -> None:
    store = await server.store()
    epoch = await store.activate("node")
    await store.write("node", epoch, "kept", b"value", 0)
    await store.write("node", epoch, "large", bytes(MAX_VALUE_BYTES), 0)
    server.ask("CONFIG", "SET", "maxmemory", "1mb")
    with pytest.raises(StoreUnavailable, match="its memory is full: raise maxmemory"):
        await store.write("node", epoch, "more", b"value", 0)
    server.ask("CONFIG", "SET", "maxmemory", "200mb")
    assert [record.name for record in await store.scan("node")] == ["kept", "large"]
    assert await store.write("node", epoch, "more", b"value", 0) == 1
    await store.close()


async def test_a_server_that_could_not_rewrite_its_log_is_not_written_to(server: Redis) -> None:
    shutil.rmtree(server.root / "appendonlydir")
    (server.root / "appendonlydir").touch()
    with pytest.raises(StoreUnavailable, match="AOF background rewriting"):
        await server.store(patience=SHORT)
    assert server.ask("DBSIZE") == b"0\n"


# --- helpers ---------------------------------------------------------------------------------------


class KeptOpen(RedisServer):
    """An address whose connections stay open here, whoever lets go of them."""

    wires: ClassVar[list[Wire]] = []

    def wire(self) -> Wire:
        self.wires.append(super().wire())
        return cast("Wire", NeverClosed(self.wires[-1]))


class NeverClosed:
    """A connection that is not closed when it should be."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def __getattr__(self, name: str) -> object:
        return getattr(self._wire, name)

    async def disconnect(self, *, nowait: bool = False) -> None:
        pass


async def eventually(store: RedisStore, owner: str) -> int:
    """Return a new epoch as soon as there is one."""
    while True:
        try:
            return await store.activate(owner)
        except StoreUnavailable:
            await asyncio.sleep(0.01)


def connections(server: Redis) -> int:
    """Return how many there are beside that of whoever asks."""
    return len(server.ask("CLIENT", "LIST").splitlines()) - 1
