"""What a store promises: small versioned records, fenced by epochs, durable when acknowledged.

A record has an **owner** (an actor that is alone responsible for it), a name, bytes, and a version
that counts its writes from 1. Two guards stand before every change:

- **the epoch**. Each activation of an owner takes a new epoch. A change under any other epoch is refused
  with :class:`~runtime.errors.StaleEpoch`, so that of two living incarnations only the newer one writes.
- **the version**. A change names the version it replaces (0: there must be none), or is refused with
  :class:`~runtime.errors.VersionConflict`.

When ``activate``, ``commit``, ``write`` or ``delete`` return, the change survives the death of the
process and the loss of power. When they raise ``StoreUnavailable``, it is unknown whether it happened:
the owner ends its incarnation and reads again. A commit is atomic. Calls take effect in the order in
which they were begun, be it by ``await`` or by ``ctx.pipe``; a caller need not wait for one before it
begins the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

#: The largest record. A key ring takes a few KiB; a certificate list belongs in a file.
MAX_VALUE_BYTES: Final = 1 << 20

#: What sealing may add to a record; a store takes that much more.
SEAL_ALLOWANCE: Final = 256

#: The most changes in one commit, so that one caller cannot hold up all others.
MAX_CHANGES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it was read."""

    name: str
    #: How often it has been written since it was made, from 1.
    version: int
    #: The epoch under which it was last written.
    epoch: int
    value: bytes

    def __repr__(self) -> str:
        """Show everything but the contents."""
        return f"Record({self.name!r}, version={self.version}, epoch={self.epoch}, {len(self.value)} bytes)"


@dataclass(frozen=True, slots=True)
class Put:
    """Make (``expected_version`` 0) or replace a record."""

    name: str
    value: bytes
    expected_version: int

    def __repr__(self) -> str:
        """Show everything but the contents."""
        return f"Put({self.name!r}, {len(self.value)} bytes, expected_version={self.expected_version})"


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a record."""

    name: str
    expected_version: int


Change: TypeAlias = Put | Delete


class Store(Protocol):
    """Where actors keep what must survive them."""

    async def activate(self, owner: str) -> int:
        """Begin a new incarnation of ``owner``: return an epoch above all earlier ones, from 1.

        :raises StoreUnavailable: and no epoch is to be relied on.
        """
        ...

    async def read(self, owner: str, name: str) -> Record | None:
        """Return one record, or ``None``.

        :raises StoreUnavailable: the store does not answer.
        """
        ...

    async def scan(self, owner: str) -> tuple[Record, ...]:
        """Return every record of ``owner``, in order of their names.

        :raises StoreUnavailable: the store does not answer.
        """
        ...

    async def commit(self, owner: str, epoch: int, changes: Sequence[Change]) -> tuple[int, ...]:
        """Make all changes or none. Return the new version for each, 0 for a record that is deleted.

        :raises StaleEpoch: ``epoch`` is not the active one of ``owner``.
        :raises VersionConflict: a record is not at its expected version.
        :raises StoreUnavailable: the store does not answer; what happened is unknown.
        :raises ValueError: a name occurs twice, or a bound of this module is exceeded.
        """
        ...

    async def close(self) -> None:
        """Finish what has been asked for and let go of everything. Closing twice is harmless."""
        ...

    async def write(self, owner: str, epoch: int, name: str, value: bytes, expected_version: int) -> int:
        """Commit one :class:`Put`; return the new version."""
        (version,) = await self.commit(owner, epoch, (Put(name, value, expected_version),))
        return version

    async def delete(self, owner: str, epoch: int, name: str, expected_version: int) -> None:
        """Commit one :class:`Delete`."""
        await self.commit(owner, epoch, (Delete(name, expected_version),))


def check_changes(changes: Sequence[Change], limit: int = MAX_VALUE_BYTES + SEAL_ALLOWANCE) -> None:
    """Refuse what no store takes; ``limit`` is for one value, in bytes.

    :raises ValueError: too many changes, one name twice, or a value that is too large.
    """
    if len(changes) > MAX_CHANGES:
        message = f"{len(changes)} changes in one commit; the limit is {MAX_CHANGES}"
        raise ValueError(message)
    if len({change.name for change in changes}) != len(changes):
        message = "a commit changes each record at most once"
        raise ValueError(message)
    for change in changes:
        if isinstance(change, Put) and len(change.value) > limit:
            message = f"record {change.name!r} has {len(change.value)} bytes; the limit is {limit}"
            raise ValueError(message)
        if change.expected_version < 0:
            message = f"record {change.name!r} cannot be at version {change.expected_version}"
            raise ValueError(message)
