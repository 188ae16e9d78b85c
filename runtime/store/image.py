"""Records and epochs in memory, and changes to them that are not yet decided.

An :class:`Image` is what holds. A :class:`Draft` lies over an image: it checks the guards of
:mod:`runtime.store.port`, sees its own changes, and leaves the image alone until it is settled; a draft that
is dropped has never been. Nothing here waits and nothing here is durable: that is the stores' part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from runtime.errors import StaleEpoch, VersionConflict
from runtime.store.port import Change, Put, Record


@dataclass(frozen=True, slots=True)
class Entry:
    """One change that is whole or not at all: the owner's epoch, and its records by name (``None``: gone)."""

    owner: str
    epoch: int
    changes: Mapping[str, Record | None]


class Image:
    """What holds at one moment."""

    __slots__ = ("_epochs", "_records")

    def __init__(self) -> None:
        """Start empty."""
        self._epochs: dict[str, int] = {}
        self._records: dict[str, dict[str, Record]] = {}

    def epoch(self, owner: str) -> int:
        """Return the active epoch of ``owner``, 0 if it was never activated."""
        return self._epochs.get(owner, 0)

    def read(self, owner: str, name: str) -> Record | None:
        """Return one record, or ``None``."""
        return self._records.get(owner, {}).get(name)

    def of_owner(self, owner: str) -> Mapping[str, Record]:
        """Return all records of one owner, by name."""
        return self._records.get(owner, {})

    def apply(self, entry: Entry) -> None:
        """Let ``entry`` hold. Its guards have been checked."""
        self._epochs[entry.owner] = entry.epoch
        records = self._records.setdefault(entry.owner, {})
        for name, record in entry.changes.items():
            if record is None:
                records.pop(name, None)
            else:
                records[name] = record

    def entries(self) -> Iterator[Entry]:
        """Yield what makes this image out of an empty one, an owner's oldest epoch first."""
        for owner, epoch in self._epochs.items():
            by_epoch: dict[int, dict[str, Record | None]] = {epoch: {}}
            for name, record in self.of_owner(owner).items():
                by_epoch.setdefault(record.epoch, {})[name] = record
            for each in sorted(by_epoch):
                yield Entry(owner, each, by_epoch[each])

    def differences(self, former: Image) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield each owner that is not as in ``former``, with the names of the records that differ.

        No names: only the epoch is another.
        """
        for owner, epoch in self._epochs.items():
            mine, theirs = self.of_owner(owner), former.of_owner(owner)
            names = tuple(sorted(name for name in {*mine, *theirs} if mine.get(name) != theirs.get(name)))
            if names or epoch != former.epoch(owner):
                yield owner, names


class Draft:
    """Changes over an image."""

    __slots__ = ("_epochs", "_image", "_records", "entries")

    def __init__(self, image: Image) -> None:
        """Start without a change; ``image`` must not change while this is in use."""
        self._image = image
        self._epochs: dict[str, int] = {}
        self._records: dict[str, dict[str, Record | None]] = {}
        #: Every change, in order.
        self.entries: list[Entry] = []

    def activate(self, owner: str) -> int:
        """Count the owner's epoch up by one."""
        epoch = self._epoch(owner) + 1
        self._add(Entry(owner, epoch, {}))
        return epoch

    def read(self, owner: str, name: str) -> Record | None:
        """Return one record, or ``None``."""
        changed = self._records.get(owner)
        if changed is not None and name in changed:
            return changed[name]
        return self._image.read(owner, name)

    def scan(self, owner: str) -> tuple[Record, ...]:
        """Return all records of one owner, in order of their names."""
        records = {**self._image.of_owner(owner), **self._records.get(owner, {})}
        return tuple(record for _, record in sorted(records.items()) if record is not None)

    def commit(self, owner: str, epoch: int, changes: Sequence[Change]) -> tuple[int, ...]:
        """Check every guard, then make every change.

        :raises StaleEpoch: the epoch is not the active one.
        :raises VersionConflict: a record is not at its expected version. In both cases nothing was changed.
        """
        current = self._epoch(owner)
        if epoch != current:
            raise StaleEpoch(owner, epoch, current)
        made: dict[str, Record | None] = {}
        versions: list[int] = []
        for change in changes:
            former = self.read(owner, change.name)
            found = former.version if former is not None else 0
            if found != change.expected_version:
                raise VersionConflict(owner, change.name, change.expected_version, found)
            if isinstance(change, Put):
                version = found + 1
                made[change.name] = Record(change.name, version, epoch, bytes(change.value))
            else:
                version = 0
                made[change.name] = None
            versions.append(version)
        if made:
            self._add(Entry(owner, epoch, made))
        return tuple(versions)

    def settle(self) -> None:
        """Let every change hold in the image."""
        for entry in self.entries:
            self._image.apply(entry)

    def _epoch(self, owner: str) -> int:
        epoch = self._epochs.get(owner)
        return self._image.epoch(owner) if epoch is None else epoch

    def _add(self, entry: Entry) -> None:
        self._epochs[entry.owner] = entry.epoch
        self._records.setdefault(entry.owner, {}).update(entry.changes)
        self.entries.append(entry)
