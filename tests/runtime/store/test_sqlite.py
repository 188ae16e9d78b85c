"""The SQLite store: its file and its group commits. Its death has a module of its own, ``test_kill.py``."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from runtime.errors import StaleEpoch, StoreUnavailable, StoreUnusable
from runtime.store import schema
from runtime.store import sqlite as sqlite_store
from runtime.store.sqlite import SqliteStore


async def test_many_writers_share_few_waits_for_the_disk(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store.db")
    await asyncio.gather(*(store.activate(f"node{number}") for number in range(1000)))
    before = store.groups
    await asyncio.gather(*(store.write(f"node{number}", 1, "ring", b"value", 0) for number in range(1000)))
    assert store.groups - before <= 20
    await store.close()


async def test_a_refused_call_does_not_disturb_the_others_of_its_group(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store.db")
    epoch = await store.activate("node")
    outcomes = await asyncio.gather(
        *(store.write("node", epoch, f"{number}", b"", number % 2) for number in range(100)),
        return_exceptions=True,
    )
    assert [outcome == 1 for outcome in outcomes] == [number % 2 == 0 for number in range(100)]
    assert len(await store.scan("node")) == 50
    await store.close()


async def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    former = os.umask(0)
    try:
        store = await SqliteStore.open(path)
        await store.activate("node")
        modes = modes_in(tmp_path)
        await store.close()
    finally:
        os.umask(former)
    assert modes == {0o600}


async def test_a_file_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await (await SqliteStore.open(path)).close()
    path.chmod(0o644)
    await (await SqliteStore.open(path)).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(StoreUnusable, match="cannot be opened"):
        await SqliteStore.open(tmp_path / "link.db")
    assert not (tmp_path / "elsewhere.db").exists()


async def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match=r"no/store\.db"):
        await SqliteStore.open(tmp_path / "no" / "store.db")


async def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"this is not a database" * 100)
    with pytest.raises(StoreUnusable, match="damaged"):
        await SqliteStore.open(path)
    assert path.read_bytes() == b"this is not a database" * 100


async def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = await SqliteStore.open(path)
    await store.activate("node")
    await asyncio.gather(*(store.write("node", 1, f"{n}", bytes(3000), 0) for n in range(50)))
    await store.close()
    contents = bytearray(path.read_bytes())
    for page in range(1, len(contents) // 4096):
        contents[page * 4096 : page * 4096 + 64] = b"\xa5" * 64
    path.write_bytes(contents)
    with pytest.raises(StoreUnusable, match="damaged"):
        await SqliteStore.open(path)


async def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    with pytest.raises(StoreUnusable, match="another program"):
        await SqliteStore.open(path)


async def test_a_file_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await (await SqliteStore.open(path)).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {schema.SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(StoreUnusable, match="newer version"):
        await SqliteStore.open(path)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (schema.SCHEMA_VERSION + 1,)
    connection.close()


async def test_a_file_held_by_another_process_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "BUSY_TIMEOUT_MS", 10)
    path = tmp_path / "store.db"
    await (await SqliteStore.open(path)).close()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreUnusable, match="another process"):
        await SqliteStore.open(path)
    holder.execute("ROLLBACK")
    holder.close()
    await (await SqliteStore.open(path)).close()


async def test_a_store_that_is_held_for_a_while_answers_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "BUSY_TIMEOUT_MS", 10)
    path = tmp_path / "store.db"
    store = await SqliteStore.open(path)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        await store.activate("node")
    holder.execute("ROLLBACK")
    holder.close()
    assert await store.activate("node") == 1
    await store.close()


async def test_a_full_disk_fails_the_call_and_the_records_before_it_stay(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    connection = schema.connect(path)
    connection.execute("PRAGMA max_page_count = 10").fetchone()
    store = SqliteStore(path, connection, asyncio.get_running_loop())
    epoch = await store.activate("node")
    await store.write("node", epoch, "kept", b"value", 0)
    with pytest.raises(StoreUnavailable, match="full"):
        await store.write("node", epoch, "large", bytes(100_000), 0)
    assert [record.name for record in await store.scan("node")] == ["kept"]
    await store.close()


async def test_an_error_in_the_middle_of_a_group_leaves_nothing_of_it(tmp_path: Path) -> None:
    connection = schema.connect(tmp_path / "store.db")
    connection.execute(
        "CREATE TEMP TRIGGER fault BEFORE INSERT ON main.record WHEN NEW.name = 'faulty'"
        " BEGIN SELECT RAISE(ABORT, 'the disk has a fault'); END"
    )
    store = SqliteStore(tmp_path / "store.db", connection, asyncio.get_running_loop())
    epoch = await store.activate("node")
    outcomes = await asyncio.gather(
        *(store.write("node", epoch, name, b"", 0) for name in ("one", "faulty", "two")),
        return_exceptions=True,
    )
    written = [name for name, outcome in zip(("one", "faulty", "two"), outcomes, strict=True) if outcome == 1]
    assert "fault" in str(outcomes[1])
    assert isinstance(outcomes[1], StoreUnavailable)
    assert [record.name for record in await store.scan("node")] == sorted(written)
    assert await store.write("node", epoch, "later", b"", 0) == 1
    await store.close()


def test_a_loop_that_is_gone_does_not_keep_the_store_from_ending(tmp_path: Path) -> None:
    async def leave_behind() -> SqliteStore:
        return await SqliteStore.open(tmp_path / "store.db")

    store = asyncio.run(leave_behind())
    with pytest.raises(RuntimeError, match="loop"):
        asyncio.run(store.close())
    for thread in threading.enumerate():
        if thread.name.startswith("store"):
            thread.join(10)
            assert not thread.is_alive()


async def test_too_many_waiting_calls_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_store, "QUEUE_LIMIT", 10)
    path = tmp_path / "store.db"
    store = await SqliteStore.open(path)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    waiting = [asyncio.ensure_future(store.read("node", "ring")) for _ in range(10)]
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable, match="wait already"):
        await store.read("node", "ring")
    holder.execute("ROLLBACK")
    holder.close()
    assert await asyncio.gather(*waiting) == [None] * 10
    await store.close()


async def test_two_stores_on_one_file_are_fenced_by_epochs(tmp_path: Path) -> None:
    older = await SqliteStore.open(tmp_path / "store.db")
    newer = await SqliteStore.open(tmp_path / "store.db")
    old = await older.activate("node")
    new = await newer.activate("node")
    assert new == old + 1
    with pytest.raises(StaleEpoch, match="not the active one"):
        await older.write("node", old, "ring", b"stale", 0)
    assert await newer.write("node", new, "ring", b"value", 0) == 1
    await older.close()
    await newer.close()


async def test_closing_leaves_no_thread_and_no_journal(tmp_path: Path) -> None:
    before = threading.active_count()
    store = await SqliteStore.open(tmp_path / "store.db")
    await store.activate("node")
    await store.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("store")]
    assert threading.active_count() <= before + 1  # asyncio keeps the thread that opened the file
    assert names_in(tmp_path) == {"store.db"}


def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    connection = schema.connect(tmp_path / "store.db")
    modes = [
        connection.execute(f"PRAGMA {what}").fetchone()[0]
        for what in ("journal_mode", "synchronous", "secure_delete")
    ]
    connection.close()
    assert modes == ["wal", 2, 1]


def test_an_error_of_the_operating_system_is_told(tmp_path: Path) -> None:
    (tmp_path / "store.db").mkdir()
    with pytest.raises(StoreUnusable, match=os.strerror(errno.EISDIR)):
        schema.connect(tmp_path / "store.db")


def names_in(directory: Path) -> set[str]:
    return {file.name for file in directory.iterdir()}


def modes_in(directory: Path) -> set[int]:
    return {stat.S_IMODE(file.stat().st_mode) for file in directory.iterdir()}
