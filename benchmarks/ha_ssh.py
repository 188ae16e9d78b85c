"""How long the two nodes of an HA pair take to be in step again over SSH, next to SSH alone.

Both ends run in one process and on one thread, with everything that :mod:`actors.ha` is: two
:class:`~actors.ha.link.HaSyncLink` with real key records, over real SSH on the loopback address. One has ten
thousand records, the other none: a node that lost its store. It is measured from the open channel until the
end with the records knows that the other has stored them all; *in memory* that is a store without a disk,
*on disk* the store of ``peerkey run``, sealed and synced.

The floor pushes the RECORD frames of the same run, in their number and size, through a bare channel of
asyncssh, by the same algorithms, until the last byte has come: what SSH alone takes. The two alternate, and
the best of the rounds is printed. The ratio is that of the processor's time, which other work on the machine
changes least; a ratio of 1 would mean that replication costs nothing.
"""

from __future__ import annotations

import asyncio
import gc
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

from actors.desk import record_name
from actors.ha.link import LINK_MAILBOX, HaSyncLink
from actors.ha.ssh import SshTransport
from actors.ha.transport import ChannelOpened, SyncEnd, Tell, Word
from actors.journal import MemoryJournal
from actors.router_node import store_owner
from benchmarks.bare_ssh import WITHIN_SECONDS, Taken, Watch, push
from benchmarks.protocol import Certificates, connect
from peerkey.config.plan import HaPlan, NodePlan
from peerkey.observe.events import Event, HaInStep
from peerkey.protocol.suites import Algorithm, agreement_for
from peerkey_cli.demo.pair_authority import PAIR, lay_out_pair
from peerkey_cli.plans import PlansReader
from runtime import Actor
from runtime.backends.local import LocalSystem
from runtime.store.memory import MemoryStore
from runtime.store.port import MAX_CHANGES, Put, Store
from runtime.store.sealed import AesGcmSealer, SealedStore
from runtime.store.sqlite import SqliteStore

ROUNDS: Final = 2
#: Where the kind of a frame stands: behind its length, the head of its list and the version. See docs/ha.md.
_KIND_AT: Final = 6
_RECORD: Final = 3
_ALGORITHM: Final = "ml-kem-768"
_MEBI: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class OverSsh:
    """What was measured of one store. Times are the best of the rounds, in seconds."""

    case: str
    records: int
    frame_bytes: int
    wall_seconds: float
    seconds: float
    floor_wall_seconds: float
    floor_seconds: float

    @property
    def ratio(self) -> float:
        """SSH's share of what replication takes, in time of the processor."""
        return self.floor_seconds / self.seconds


# --- replication --------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Run:
    """One resynchronisation as it goes on: begun with the channel, done when its end says so."""

    sender: str
    done: asyncio.Event = field(default_factory=asyncio.Event)
    watch: Watch | None = None
    taken: Taken | None = None
    #: The length of each RECORD frame.
    frames: list[int] = field(default_factory=list)


class _Journal(MemoryJournal):
    """Takes the time when the sender says that its mate is in step."""

    def __init__(self, run: _Run) -> None:
        super().__init__()
        self._run = run

    def record(self, time: datetime, node: str, event: Event) -> None:
        """See :class:`actors.journal.Journal`."""
        run = self._run
        if isinstance(event, HaInStep) and node == run.sender and run.watch is not None:
            run.taken = run.watch.read()
            run.done.set()
        super().record(time, node, event)


class _Noting:
    """SSH, with the sender's frames noted."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._ssh = SshTransport()

    def open(self, plan: HaPlan, tell: Tell) -> SyncEnd:
        """See :class:`actors.ha.transport.SyncTransport`."""

        def told(word: Word) -> bool:
            if isinstance(word, ChannelOpened) and self._run.watch is None:
                self._run.watch = Watch()
            return tell(word)

        return _NotingEnd(self._ssh.open(plan, told), self._run, noted=not plan.listens)


class _NotingEnd:
    """See :class:`actors.ha.transport.SyncEnd`."""

    def __init__(self, end: SyncEnd, run: _Run, *, noted: bool) -> None:
        self._end, self._run, self._noted = end, run, noted
        self.attempt, self.drop, self.close = end.attempt, end.drop, end.close

    def send(self, channel: int, data: bytes) -> None:
        """Note the frame, and send it."""
        if self._noted and data[_KIND_AT] == _RECORD:
            self._run.frames.append(len(data))
        self._end.send(channel, data)


class _Node(Actor):
    """Stands for a node, which a link tells what its mate holds."""

    def receive(self, message: object) -> None:
        """Do nothing."""


async def replicate(plans: Sequence[NodePlan], sender: Store, receiver: Store) -> _Run:
    """Let a pair come into step: the end that connects has all records in its store, the other none."""
    second, first = sorted(plans, key=_listens, reverse=True)
    run = _Run(first.name)
    journal, transport = _Journal(run), _Noting(run)
    async with asyncio.timeout(WITHIN_SECONDS), LocalSystem() as system:
        for plan, store in ((second, receiver), (first, sender)):
            make = partial(
                HaSyncLink,
                node=system.spawn(_Node, f"node {plan.node}"),
                plan=plan,
                ha=_ha(plan),
                owner=store_owner(plan.uuid),
                epoch=await store.activate(store_owner(plan.uuid)),
                store=store,
                transport=transport,
                entropy=os.urandom,
                journal=journal,
            )
            system.spawn(make, f"link {plan.node}", mailbox=LINK_MAILBOX)
        await run.done.wait()
    return run


# --- both ---------------------------------------------------------------------------------------------


async def measured(records: int, rounds: int) -> list[OverSsh]:
    """Measure replication in memory and on disk, each in turns with its floor."""
    with tempfile.TemporaryDirectory(prefix="peerkey-bench-") as name:
        folder = Path(name)
        algorithm = Algorithm.parse(_ALGORITHM)
        authority = lay_out_pair(folder, branches=1, paths=1, algorithm=algorithm)
        plans = PlansReader(authority.file, PAIR)()
        listens, connects = (_ha(plan) for plan in sorted(plans, key=_listens, reverse=True))
        sender = await _filled(store_owner(next(plan.uuid for plan in plans if not _listens(plan))), records)
        results = []
        for case, receiving in (("in memory", _memory), ("on disk", _disk)):
            ours, bare, frames = [], [], [0]
            for round_ in range(rounds):
                gc.collect()
                async with receiving(folder / f"{round_}.sqlite") as receiver:
                    run = await replicate(plans, sender, receiver)
                frames = run.frames
                if run.taken is None or len(frames) != records:
                    message = f"{len(frames)} records were sent, not {records}"
                    raise AssertionError(message)
                ours.append(run.taken)
                gc.collect()
                bare.append(await push(frames, listens, connects))
            results.append(
                OverSsh(
                    case,
                    records,
                    sum(frames),
                    min(each.wall for each in ours),
                    min(each.cpu for each in ours),
                    min(each.wall for each in bare),
                    min(each.cpu for each in bare),
                )
            )
    return results


def measure(records: int, rounds: int) -> list[OverSsh]:
    """See :func:`measured`."""
    return asyncio.run(measured(records, rounds))


def table(results: Sequence[OverSsh]) -> list[str]:
    """Return the lines of a table."""
    lines = [
        (
            f"{'in step again over SSH':<32}{'records':>9}{'MiB':>7}{'wall s':>8}{'CPU s':>8}"
            f"{'floor wall s':>14}{'floor CPU s':>13}{'floor MiB/s':>13}{'ratio':>7}"
        )
    ]
    for one in results:
        size = one.frame_bytes / _MEBI
        lines.append(
            f"{'all missing, ' + one.case:<32}{one.records:>9,}{size:>7.1f}{one.wall_seconds:>8.2f}"
            f"{one.seconds:>8.2f}{one.floor_wall_seconds:>14.2f}{one.floor_seconds:>13.2f}"
            f"{size / one.floor_wall_seconds:>13.1f}{one.ratio:>7.2f}"
        )
    return lines


async def _filled(owner: str, records: int) -> Store:
    """Return a store in memory with so many records of keyed peerings: one that was agreed, often."""
    certificates = Certificates()
    low, _ = connect(
        certificates, certificates.examiners(), agreement_for(Algorithm.parse(_ALGORITHM), os.urandom)
    )
    store = MemoryStore()
    epoch = await store.activate(owner)
    names = [record_name(UUID(int=number)) for number in range(1, records + 1)]
    for begin in range(0, records, MAX_CHANGES):
        changes = [Put(name, low.record, 0) for name in names[begin : begin + MAX_CHANGES]]
        await store.commit(owner, epoch, changes)
    return store


@asynccontextmanager
async def _memory(_: Path) -> AsyncIterator[Store]:
    yield MemoryStore()


@asynccontextmanager
async def _disk(file: Path) -> AsyncIterator[Store]:
    inner = await SqliteStore.open(file)
    try:
        yield SealedStore(inner, AesGcmSealer(os.urandom(32), os.urandom))
    finally:
        await inner.close()


def _ha(plan: NodePlan) -> HaPlan:
    if plan.ha is None:
        message = f"{plan.name} has no mate"
        raise AssertionError(message)
    return plan.ha


def _listens(plan: NodePlan) -> bool:
    return _ha(plan).listens
