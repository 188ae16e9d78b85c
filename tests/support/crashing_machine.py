"""A simulated machine that crashes, and owners of records on it who know what they were told.

A :class:`Party` is an owner that does one thing after the other. It knows at each moment what the store must
have for it: what it was told last or, while it waits for an answer, perhaps that one change more. A
:class:`Machine` holds the store to that after each crash.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from runtime.backends.virtual import VirtualTimeLoop
from runtime.errors import StaleEpoch, StoreUnavailable, VersionConflict
from runtime.store.disk import Disk
from runtime.store.port import Change, Delete, Put, Record, Store
from runtime.store.simulated import SimulatedStore

T = TypeVar("T")


@dataclass(frozen=True)
class State:
    """What a store has for one owner."""

    epoch: int = 0
    records: tuple[Record, ...] = ()


@dataclass
class Party:
    """An owner of two records that always change together."""

    owner: str
    #: What it was told last.
    known: State = State()
    #: What the observer was told last, which may be an answer that is on its way.
    noted: State = State()
    #: What it has asked for without an answer.
    asked: State | None = None

    async def live(self, store: Store, operations: Sequence[str]) -> None:
        for operation in operations:
            await self._do(store, operation)

    async def _do(self, store: Store, operation: str) -> None:
        epoch, records = self.known.epoch, self.known.records
        version = records[0].version if records else 0
        try:
            match operation:
                case "activate":
                    self.asked = State(epoch + 1, records)
                    assert await store.activate(self.owner) == epoch + 1
                case "write" if epoch:
                    value = contents(self.owner, epoch, version + 1)
                    self.asked = State(
                        epoch, tuple(Record(name, version + 1, epoch, value) for name in ("left", "right"))
                    )
                    changes: list[Change] = [Put(name, value, version) for name in ("right", "left")]
                    assert await store.commit(self.owner, epoch, changes) == (version + 1, version + 1)
                case "delete" if records:
                    self.asked = State(epoch)
                    gone = [Delete(name, version) for name in ("left", "right")]
                    assert await store.commit(self.owner, epoch, gone) == (0, 0)
                case "conflict":
                    with pytest.raises(VersionConflict):
                        await store.commit(
                            self.owner, epoch, [Put("left", b"no", version), Put("right", b"no", version + 1)]
                        )
                case "stale":
                    with pytest.raises(StaleEpoch):
                        await store.write(self.owner, epoch - 1, "left", b"no", version)
                case _:
                    assert await store.scan(self.owner) == records
        except StoreUnavailable:
            await self._read_again(store)
        else:
            self.known = self.asked or self.known
        self.asked = None

    async def _read_again(self, store: Store) -> None:
        """Wait for the store to answer; nothing of what it refused may be there."""
        while True:
            try:
                assert await store.scan(self.owner) == self.known.records
            except StoreUnavailable:
                await asyncio.sleep(0.1)
            else:
                return


@dataclass
class Machine:
    """A disk with one process after the other on it."""

    disk: Disk
    parties: dict[str, Party] = field(default_factory=dict)
    told: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)
    store: SimulatedStore | None = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self) -> int:
        """Open the store, check everything, and return of how many owners more was found than told."""
        self.told.clear()
        self.store = await self._opened()
        more = set()
        for party in self.parties.values():
            found = State(self.store.durable_epoch(party.owner), await self.store.scan(party.owner))
            assert found.records == durable(self.store, party.owner)
            assert party.noted in (party.known, party.asked)
            assert found in (party.noted, party.asked)
            if found != party.noted:
                more.add(party.owner)
            party.known, party.noted, party.asked = found, found, None
        assert {owner for owner, _ in self.told} == more
        return len(more)

    def play(self, script: dict[str, tuple[str, ...]]) -> None:
        """Let each owner do what the script says for it."""
        assert self.store is not None
        for owner, operations in script.items():
            party = self.parties.setdefault(owner, Party(owner))
            self.tasks.append(asyncio.ensure_future(party.live(self.store, operations)))

    def disturb(self, fault: str, begin: float, end: float) -> None:
        """Switch a fault on and off again after so many seconds."""
        loop = asyncio.get_running_loop()
        loop.call_later(begin, setattr, self.disk, fault, True)  # noqa: FBT003 - an attribute's value
        loop.call_later(begin + end, setattr, self.disk, fault, False)  # noqa: FBT003

    async def done(self) -> None:
        """Wait until every owner has done everything."""
        await asyncio.gather(*self.tasks)
        assert not self.surprises

    def crash(self, *, power: bool) -> None:
        """Let the process die, or the whole machine."""
        assert self.store is not None
        self.store.abandon()
        self.disk.crash(power=power)
        for task in self.tasks:
            if task.done():
                task.result()
            task.cancel()
        self.tasks.clear()
        assert not self.surprises

    async def _opened(self) -> SimulatedStore:
        while True:
            try:
                return await SimulatedStore.open(self.disk, on_durable=self._seen)
            except StoreUnavailable:
                await asyncio.sleep(0.1)

    def _seen(self, owner: str, names: tuple[str, ...]) -> None:
        """Remember what a recovery tells; else it must be just what the owner waits for."""
        self.told.append((owner, names))
        party = self.parties[owner]
        if self.tasks and self.store is not None:
            party.noted = State(self.store.durable_epoch(owner), durable(self.store, owner))
            if party.noted != party.asked:
                self.surprises.append(f"{owner}: {party.noted} instead of {party.asked}")


def durable(store: SimulatedStore, owner: str) -> tuple[Record, ...]:
    found = (store.durable(owner, name) for name in ("left", "right"))
    return tuple(record for record in found if record is not None)


def contents(owner: str, epoch: int, version: int) -> bytes:
    return hashlib.sha256(f"{owner} {epoch} {version}".encode()).digest() * 3


def in_virtual_time(scenario: Callable[[], Awaitable[T]]) -> T:
    async def whole() -> T:
        return await scenario()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(whole())
