"""What the owners of records know, and what a store must therefore hold after any death.

Of each owner it is known what it was told last and what it has asked for since. A store that has been opened
again holds the one or the other, whole.
"""

from __future__ import annotations

from dataclasses import dataclass

from runtime.store.port import Record, Store
from tests.support.doomed_writer import NAMES, OWNERS, contents


@dataclass(frozen=True)
class State:
    """What the store has for one owner."""

    epoch: int = 0
    records: tuple[Record, ...] = ()

    def after(self, owner: str, what: list[object]) -> State:
        """Return what holds once a call has been answered."""
        match what:
            case ["activates"]:
                return State(self.epoch + 1, self.records)
            case ["deletes"]:
                return State(self.epoch)
            case ["writes", int(serial)]:
                version = self.version + 1
                value = contents(owner, serial)
                return State(self.epoch, tuple(Record(name, version, self.epoch, value) for name in NAMES))
            case _:
                raise AssertionError(what)

    @property
    def version(self) -> int:
        return self.records[0].version if self.records else 0


class Owners:
    """All owners of one store, through all its lives and theirs."""

    def __init__(self) -> None:
        self._known = dict.fromkeys(OWNERS, State())
        self._asked: dict[str, State] = {}

    def hear(self, owner: str, *what: object) -> None:
        """Take note of a line of a :mod:`tests.support.doomed_writer`."""
        match what:
            case ["told", number]:
                former, now = self._known[owner], self._asked.pop(owner)
                assert number == (now.epoch if now.epoch != former.epoch else now.version), (
                    owner,
                    what,
                    former,
                    now,
                )
                self._known[owner] = now
            case _:
                self._asked[owner] = self._known[owner].after(owner, list(what))

    async def check(self, store: Store) -> None:
        """Look: every owner must be as it was told, or as it has asked for, and go on from there."""
        for owner in OWNERS:
            found = await _found(store, owner)
            assert found in (self._known[owner], self._asked.get(owner))
            self._known[owner] = State(found.epoch + 1, found.records)
        self._asked.clear()


async def _found(store: Store, owner: str) -> State:
    """Return what the store has; the epoch shows in the one that follows."""
    records = await store.scan(owner)
    return State(await store.activate(owner) - 1, tuple(sorted(records, key=lambda record: record.name)))
