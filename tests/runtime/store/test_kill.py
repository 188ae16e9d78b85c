"""The stores on real disks, under real deaths: between writes, during them, and in the middle of one.

Each test lets eight owners of one process share commits and ends it by force, several times on one file.
Through a pipe it knows of each owner what it was told last and what it has asked for since; the store must
hold the one or the other, whole. The deaths of a Redis server are in ``test_redis_kill.py``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from runtime.store import schema
from tests.support.doomed_writer import LIFE, open_store
from tests.support.owners import Owners
from tests.support.redis_server import redis_server

ROOT = Path(__file__).parents[3]

kinds = pytest.mark.parametrize("kind", ["sqlite", "sealed sqlite"])


@kinds
@pytest.mark.parametrize("seed", range(4))
async def test_a_kill_at_any_moment_leaves_what_was_acknowledged_and_nothing_by_halves(
    tmp_path: Path, kind: str, seed: int
) -> None:
    generator = Random(seed)
    fleet = Fleet(tmp_path / "store.db", kind)
    for life in range(4):
        # Early deaths meet the owners while they activate, late ones in the middle of everything.
        lines = generator.choice([generator.randrange(1, 60), generator.randrange(60, 2000)])
        ending = fleet.live(life, kill_after=lines)
        assert ending == -signal.SIGKILL
        await fleet.check()


@pytest.mark.parametrize("seed", range(2))
async def test_what_redis_has_acknowledged_survives_the_process_that_was_told(seed: int) -> None:
    generator = Random(seed)
    with redis_server() as server:
        fleet = Fleet(server.socket, "sealed redis")
        for life in range(4):
            ending = fleet.live(life, kill_after=generator.randrange(1, 1000))
            assert ending == -signal.SIGKILL
            await fleet.check()


@kinds
@pytest.mark.parametrize("seed", range(3))
async def test_a_death_in_the_middle_of_a_write_leaves_nothing_of_its_commit(
    tmp_path: Path, kind: str, seed: int
) -> None:
    generator = Random(seed)
    fleet = Fleet(tmp_path / "store.db", kind)
    for life in range(4):
        # Beyond the 32 KiB of shared memory that SQLite makes beside its file: any byte of the log.
        limit = generator.randrange(40_000, 600_000)
        ending = fleet.live(life, file_limit=limit)
        assert ending == -signal.SIGXFSZ
        assert (tmp_path / "store.db-wal").stat().st_size == limit
        await fleet.check()


def test_a_kill_while_the_file_is_made_leaves_one_that_opens(tmp_path: Path) -> None:
    for number in range(6):
        path = tmp_path / f"{number}.db"
        with subprocess.Popen(command(path, "sqlite", 0, 0), stdout=subprocess.PIPE, cwd=ROOT) as child:
            while not path.exists() and child.poll() is None:
                os.sched_yield()
            child.kill()
        connection = schema.connect(path)
        assert connection.execute("PRAGMA user_version").fetchone() == (schema.SCHEMA_VERSION,)
        connection.close()


class Fleet:
    """Owners on one store, through all lives of their process."""

    def __init__(self, path: Path, kind: str) -> None:
        self._path = path
        self._kind = kind
        self._owners = Owners()

    def live(self, life: int, *, kill_after: int = 0, file_limit: int = 0) -> int:
        """Let the process write until it is dead; return how it ended."""
        arguments = command(self._path, self._kind, life * LIFE, file_limit)
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, cwd=ROOT) as child:
            assert child.stdout is not None
            for number, line in enumerate(child.stdout, 1):
                # Death may leave half a line, which nobody was told.
                if line.endswith(b"\n"):
                    self._owners.hear(*json.loads(line))
                if number == kill_after:
                    child.kill()
        return child.returncode

    async def check(self) -> None:
        """Open the store again, and look at every owner."""
        store = await open_store(self._kind, self._path)
        await self._owners.check(store)
        await store.close()


def command(path: Path, kind: str, serial: int, file_limit: int) -> list[str]:
    return [
        sys.executable,
        "-m",
        "tests.support.doomed_writer",
        str(path),
        kind,
        str(serial),
        str(file_limit),
    ]
