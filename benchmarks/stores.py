"""Commits a second of many owners, in SQLite and in Redis, next to what the same disk lets through at all.

Each owner writes one record of the size of a keyed peering's again and again, each time when it has been told
that the last is on the disk. So as many commits are under way as there are owners, and *waits* is how often
somebody waited for the disk for all of them.

The floor writes the same bytes with the same durability in the same groups, and checks nothing: for SQLite
one ``INSERT OR REPLACE`` for each commit and one transaction for each group, for Redis one ``MSET`` for each
group. Beside it stands what a plain pipeline with a ``SET`` for each commit reaches: a server reads that
piece by piece, and waits for its disk at each piece. They take turns, and the medians are told.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sqlite3
import statistics
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Final, TypeAlias

from runtime.store.calls import GROUP_LIMIT
from runtime.store.redis import RedisStore
from runtime.store.redis_server import RedisServer, Wire, ask
from runtime.store.sqlite import SqliteStore
from tests.support.redis_server import INSTALL, program, redis_server

#: A keyed peering's record with a chain of two certificates on P-256.
RECORD_BYTES: Final = 2_400
#: How many owners write at once, and how many commits all of them make.
CASES: Final = ((1, 200), (100, 5_000), (2_000, 20_000))
QUICK_CASES: Final = ((1, 5), (100, 200))
ROUNDS: Final = 3

#: Writes groups of values, and returns when all of them are on the disk.
Write: TypeAlias = Callable[[Iterator[Sequence[bytes]]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Commits:
    """What was measured of one store."""

    store: str
    owners: int
    commits: int
    seconds: float
    #: Of this process alone, the server's not among them.
    cpu_seconds: float
    floor_seconds: float
    #: Of a pipeline of Redis.
    pipeline_seconds: float
    waits: int
    #: Why nothing was measured.
    why_not: str = ""

    @property
    def per_second(self) -> float:
        """Commits a second."""
        return self.commits / self.seconds if self.seconds else 0.0

    @property
    def ratio(self) -> float:
        """The store's share of what the floor reaches."""
        return self.floor_seconds / self.seconds if self.seconds else 0.0


async def write(store: SqliteStore | RedisStore, owner: str, value: bytes, times: int) -> None:
    """Let one owner write, one commit after the other."""
    epoch = await store.activate(owner)
    for version in range(times):
        await store.write(owner, epoch, "ring", value, version)


async def measure(
    name: str,
    store: SqliteStore | RedisStore,
    bare: Sequence[Write],
    case: tuple[int, int],
    rounds: int,
) -> Commits:
    """Measure one case of one store, its floor and what else there is, in turns."""
    owners, commits = case
    value = os.urandom(RECORD_BYTES)
    taken, computed, waits = [], [], 0
    others: list[list[float]] = [[] for _ in bare]
    for turn in range(rounds):
        before, began, cpu = store.groups, perf_counter(), process_time()
        await asyncio.gather(
            *(write(store, f"{case} {turn} {owner}", value, commits // owners) for owner in range(owners))
        )
        taken.append(perf_counter() - began)
        computed.append(process_time() - cpu)
        waits = store.groups - before
        size = min(owners, GROUP_LIMIT)
        for other, spent in zip(bare, others, strict=True):
            began = perf_counter()
            await other([value] * min(size, commits - at) for at in range(0, commits, size))
            spent.append(perf_counter() - began)
    floor, *pipeline = map(statistics.median, others)
    seconds, cpu_seconds = map(statistics.median, (taken, computed))
    return Commits(
        name, owners, commits, seconds, cpu_seconds, floor, pipeline[0] if pipeline else 0.0, waits
    )


async def sqlite(cases: Sequence[tuple[int, int]], rounds: int) -> list[Commits]:
    """Measure the embedded store."""
    with tempfile.TemporaryDirectory() as folder:
        store = await SqliteStore.open(Path(folder) / "store")
        with closing(sqlite3.connect(Path(folder) / "floor", isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("CREATE TABLE record (name INTEGER PRIMARY KEY, value BLOB)")

            async def floor(groups: Iterator[Sequence[bytes]]) -> None:
                for group in groups:
                    connection.execute("BEGIN IMMEDIATE")
                    connection.executemany("INSERT OR REPLACE INTO record VALUES (?, ?)", enumerate(group))
                    connection.execute("COMMIT")

            results = [await measure("SQLite", store, [floor], case, rounds) for case in cases]
        await store.close()
    return results


async def redis(cases: Sequence[tuple[int, int]], rounds: int) -> list[Commits]:
    """Measure the shared store, if this machine has a server."""
    if program() is None:
        return [Commits("Redis", owners, commits, 0, 0, 0, 0, 0, INSTALL) for owners, commits in cases]
    with redis_server({"maxmemory": "1gb"}) as server:
        store = await server.store()
        wire = await connected(server.address())

        async def floor(groups: Iterator[Sequence[bytes]]) -> None:
            for group in groups:
                await ask(
                    wire, "MSET", *(part for at, value in enumerate(group) for part in (f"f{at}", value))
                )

        async def pipeline(groups: Iterator[Sequence[bytes]]) -> None:
            for group in groups:
                sets = [wire.pack_command("SET", f"p{at}", value) for at, value in enumerate(group)]
                await wire.send_packed_command([part for each in sets for part in each], check_health=False)
                for _ in group:
                    await wire.read_response()

        results = [await measure("Redis", store, [floor, pipeline], case, rounds) for case in cases]
        await wire.disconnect(nowait=True)
        await store.close()
    return results


async def connected(server: RedisServer) -> Wire:
    """Return a bare connection."""
    wire = server.wire()
    await wire.connect()
    return wire


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(prog="benchmarks.stores", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--quick", action="store_true", help="whether it works, not how fast")
    options = parser.parse_args(arguments)
    cases, rounds = (QUICK_CASES, 1) if options.quick else (CASES, ROUNDS)
    results = asyncio.run(sqlite(cases, rounds)) + asyncio.run(redis(cases, rounds))
    if options.json:
        rows = [{**asdict(one), "per_second": one.per_second, "ratio": one.ratio} for one in results]
        print(json.dumps({"commits": rows}, indent=2))
        return 0
    print(
        f"{'commits that are on the disk':<30}{'owners':>8}{'commits':>9}{'a second':>10}{'floor':>10}"
        f"{'ratio':>7}{'pipeline':>10}{'waits':>7}{'CPU s':>8}"
    )
    for one in results:
        if one.why_not:
            print(f"{one.store:<30}{one.owners:>8,}  {one.why_not}")
            continue
        pipeline = f"{one.commits / one.pipeline_seconds:,.0f}" if one.pipeline_seconds else ""
        print(
            f"{one.store:<30}{one.owners:>8,}{one.commits:>9,}{one.per_second:>10,.0f}"
            f"{one.commits / one.floor_seconds:>10,.0f}{one.ratio:>7.2f}{pipeline:>10}{one.waits:>7,}"
            f"{one.cpu_seconds:>8.2f}"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
