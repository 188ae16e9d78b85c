"""A whole SQLite store at once: looked at while its owner goes on, or filled before it has one.

The store of :mod:`runtime.store.sqlite` belongs to one process. A backup reads it beside that process, in one
transaction: what it sees is one moment, and nobody waits for it (SQLite's write-ahead log sees to both). A
restore makes a file of its own, which nobody has opened yet.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from runtime.errors import StoreUnusable
from runtime.store import schema
from runtime.store.port import Record

if TYPE_CHECKING:
    from pathlib import Path


def snapshot(path: Path) -> Iterator[tuple[str, int, tuple[Record, ...]]]:
    """Yield each owner, its epoch and its records, all of one moment; values as they are stored.

    :raises StoreUnusable: it is not there, damaged, another program's, or of a newer version.
    """
    if not path.exists():
        message = f"{path}: is not there"
        raise StoreUnusable(message)
    with closing(schema.connect(path)) as connection:
        try:
            connection.execute("PRAGMA query_only = ON")
            connection.execute("BEGIN")
            owners = connection.execute("SELECT name, epoch FROM owner ORDER BY name").fetchall()
            for owner, epoch in owners:
                yield owner, epoch, schema.scan(connection, owner)
        except sqlite3.Error as error:
            message = f"{path}: cannot be read: {error}"
            raise StoreUnusable(message) from error


def fill(path: Path, owners: Iterable[tuple[str, int, Iterable[Record]]]) -> None:
    """Make a store of these owners and records, values as they are to be stored. It is on the disk then.

    :raises StoreUnusable: it cannot be made or written.
    """
    with closing(schema.connect(path)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
            for owner, epoch, records in owners:
                connection.execute("INSERT INTO owner VALUES (?, ?)", (owner, epoch))
                connection.executemany(
                    "INSERT INTO record VALUES (?, ?, ?, ?, ?)",
                    ((owner, each.name, each.version, each.epoch, each.value) for each in records),
                )
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            message = f"{path}: cannot be written: {error}"
            raise StoreUnusable(message) from error
