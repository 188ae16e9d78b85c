"""The SQLite file: how it is made, recognized and checked, and the statements on it.

Everything here runs on the store's own thread and is synchronous. SQLite's errors leave as
:class:`~runtime.errors.StoreUnusable` when an operator must act, else as they are.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from runtime.errors import StaleEpoch, StoreUnusable, VersionConflict
from runtime.store.port import Change, Put, Record

#: Written into the file's header, so that another program's database is not mistaken for ours.
APPLICATION_ID: Final = 0x50_4B_53_54  # "PKST"

#: The layout below. A file of a newer one is refused; older ones will be upgraded here.
SCHEMA_VERSION: Final = 1

#: How long SQLite waits for another process that holds the file, in milliseconds.
BUSY_TIMEOUT_MS: Final = 5_000

_TABLES: Final = (
    "CREATE TABLE owner (name TEXT PRIMARY KEY, epoch INTEGER NOT NULL) WITHOUT ROWID",
    """CREATE TABLE record (owner TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,
       epoch INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY (owner, name))""",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)

_MODE: Final = 0o600


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, making it if there is none, readable by its owner only.

    :raises StoreUnusable: it is damaged, another program's, of a newer version, held by another process, or
        cannot be made.
    """
    try:
        _prepare_file(path)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        message = f"{path}: cannot be opened: {error}"
        raise StoreUnusable(message) from error
    try:
        _configure(connection)
        _check(connection, path)
    except sqlite3.Error as error:
        connection.close()
        message = f"{path}: {_explain(error)}"
        raise StoreUnusable(message) from error
    except StoreUnusable:
        connection.close()
        raise
    return connection


def activate(connection: sqlite3.Connection, owner: str) -> int:
    """Count the owner's epoch up by one."""
    (epoch,) = connection.execute(
        "INSERT INTO owner VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET epoch = epoch + 1 RETURNING epoch",
        (owner,),
    ).fetchone()
    return int(epoch)


def read(connection: sqlite3.Connection, owner: str, name: str) -> Record | None:
    """Return one record, or ``None``."""
    row = connection.execute(
        "SELECT name, version, epoch, value FROM record WHERE owner = ? AND name = ?", (owner, name)
    ).fetchone()
    return Record(*row) if row is not None else None


def scan(connection: sqlite3.Connection, owner: str) -> tuple[Record, ...]:
    """Return all records of one owner."""
    rows = connection.execute(
        "SELECT name, version, epoch, value FROM record WHERE owner = ? ORDER BY name", (owner,)
    )
    return tuple(Record(*row) for row in rows)


def commit(
    connection: sqlite3.Connection, owner: str, epoch: int, changes: Sequence[Change]
) -> tuple[int, ...]:
    """Check every guard, then make every change. Belongs inside a transaction.

    :raises StaleEpoch: the epoch is not the active one.
    :raises VersionConflict: a record is not at its expected version. In both cases nothing was changed.
    """
    row = connection.execute("SELECT epoch FROM owner WHERE name = ?", (owner,)).fetchone()
    current = row[0] if row is not None else 0
    if epoch != current:
        raise StaleEpoch(owner, epoch, current)
    for change in changes:
        row = connection.execute(
            "SELECT version FROM record WHERE owner = ? AND name = ?", (owner, change.name)
        ).fetchone()
        found = row[0] if row is not None else 0
        if found != change.expected_version:
            raise VersionConflict(owner, change.name, change.expected_version, found)
    versions: list[int] = []
    for change in changes:
        if isinstance(change, Put):
            version = change.expected_version + 1
            connection.execute(
                "INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?)",
                (owner, change.name, version, epoch, change.value),
            )
        else:
            version = 0
            connection.execute("DELETE FROM record WHERE owner = ? AND name = ?", (owner, change.name))
        versions.append(version)
    return tuple(versions)


def _prepare_file(path: Path) -> None:
    """Make sure that the file is there and that nobody else may read it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    try:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) != _MODE:
            os.fchmod(descriptor, _MODE)
    finally:
        os.close(descriptor)


def _configure(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    # With WAL, FULL is what makes each commit wait until the log is on the disk.
    connection.execute("PRAGMA synchronous = FULL")
    # An erased key shall not linger in free pages.
    connection.execute("PRAGMA secure_delete = ON")


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Recognize the file, or fill it if it is new."""
    connection.execute("BEGIN IMMEDIATE")
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if (application, version, tables) == (0, 0, 0):
        for statement in _TABLES:
            connection.execute(statement)
    elif application != APPLICATION_ID:
        message = f"{path}: this is a database of another program"
        raise StoreUnusable(message)
    elif version > SCHEMA_VERSION:
        message = f"{path}: made by a newer version (layout {version}, known {SCHEMA_VERSION})"
        raise StoreUnusable(message)
    connection.execute("COMMIT")
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        message = f"{path}: damaged: {verdict}"
        raise StoreUnusable(message)


def _explain(error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"held by another process: {error}"
    if code is not None and code & 0xFF in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return f"damaged: {error}"
    return f"cannot be used: {error}"
