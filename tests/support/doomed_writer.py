"""A process that writes to a store with many owners at once until it is killed, and says what it does.

Before each call and after each answer it writes one line to its standard output: what an owner asks for, or
what it was told. Whoever kills it knows from these lines what the store must hold
(:mod:`tests.support.owners`).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

from runtime.store.port import Change, Delete, Put, Store
from runtime.store.redis import RedisStore
from runtime.store.redis_server import RedisServer
from runtime.store.sealed import AesGcmSealer, SealedStore
from runtime.store.sqlite import SqliteStore

OWNERS: Final = tuple(f"node{number}" for number in range(8))

#: Serial numbers of one life, so that no two writes ever have the same contents.
LIFE: Final = 1_000_000

#: The two records of each owner, which always change together.
NAMES: Final = ("left", "right")


async def open_store(kind: str, path: Path) -> Store:
    """Open the store of one kind: a file, or a server behind a socket."""
    store: Store
    if kind.endswith("redis"):
        store = await RedisStore.open(RedisServer(socket=str(path)), "doomed")
    else:
        store = await SqliteStore.open(path)
    return SealedStore(store, AesGcmSealer(bytes(range(32)), os.urandom)) if "sealed" in kind else store


def contents(owner: str, serial: int) -> bytes:
    """Return what an owner's write of this number consists of: half a page of the file."""
    return hashlib.sha256(f"{owner} {serial}".encode()).digest() * 64


async def write(store: Store, owner: str, serial: int, say: Callable[..., None]) -> None:
    """Activate, write and delete for ever, and say so."""
    generator = Random(f"{owner} {serial}")
    records = await store.scan(owner)
    version = records[0].version if records else 0
    epoch = 0
    while True:
        serial += 1
        changes: list[Change]
        match generator.random():
            case number if not epoch or number < 1 / 8:
                say(owner, "activates")
                epoch = await store.activate(owner)
                say(owner, "told", epoch)
            case number if version and number < 1 / 4:
                say(owner, "deletes")
                changes = [Delete(name, version) for name in NAMES]
                version = (await store.commit(owner, epoch, changes))[0]
                say(owner, "told", version)
            case _:
                say(owner, "writes", serial)
                changes = [Put(name, contents(owner, serial), version) for name in NAMES]
                version = (await store.commit(owner, epoch, changes))[0]
                say(owner, "told", version)


def print_line(*what: object) -> None:
    """Write one line at once, whole or, if death comes, in part."""
    os.write(1, json.dumps(what).encode() + b"\n")


async def main(path: Path, kind: str, serial: int) -> None:
    """Let all owners write at once."""
    store = await open_store(kind, path)
    await asyncio.gather(*(write(store, owner, serial, print_line) for owner in OWNERS))


def die_at(limit: int) -> None:
    """Let the kernel end this process within the write that would make a file longer than ``limit``.

    That write is made up to the limit; there is no exception and no clean-up, as with SIGKILL.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


if __name__ == "__main__":
    if int(sys.argv[4]):
        die_at(int(sys.argv[4]))
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
