"""One peering inside its node: steps in order, effects in order, each behind the write it depends on.

A *step* is one call of the machine. Steps of a peering run one at a time: an expensive one runs on the
executor, and what arrives meanwhile waits here, so that a 4,096-bit agreement delays no other peer.

Effects leave in the order in which they were returned. Behind a ``Store`` they wait until the write
has succeeded, while further steps go on. A write that fails or is refused ends the incarnation of the
whole node, and with it everything that waited.

A desk that is closed deletes its record, after a step and a write that were under way have ended. Each
desk has a number of its own, and what it has under way comes back under that number: a peering that is
removed and configured again has another desk, which the outcome of the first must not reach.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias
from uuid import UUID

from actors.work import computed
from peerkey.protocol import effects

if TYPE_CHECKING:
    from actors.key_times import KeyTimes
    from actors.paths import Paths
    from peerkey.config.plan import PeeringPlan
    from peerkey.moment import Instant
    from peerkey.pki.examination import Examination
    from peerkey.protocol.core import Examiner
    from peerkey.protocol.effects import Effect
    from peerkey.protocol.peering import Peering, PeeringStatus
    from runtime.actor import Context
    from runtime.store.port import Store

#: Steps that wait behind an expensive one. Beyond it frames are dropped and counted, as a network would.
WAITING_STEPS: Final = 64
#: Effects that wait behind a write before new frames are dropped: a store that slow keeps up with nobody.
WAITING_EFFECTS: Final = 4_096

Step: TypeAlias = Callable[[], "list[Effect]"]
#: Tells whether a step is expensive, when its turn has come: the steps before it may have decided that.
Heavy: TypeAlias = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class StepDone:
    """An expensive step has returned."""

    peer: UUID
    desk: int
    wanted: list[Effect]


@dataclass(frozen=True, slots=True)
class Written:
    """A record was written; its new version."""

    peer: UUID
    desk: int
    version: int


@dataclass(frozen=True, slots=True)
class Closed:
    """The record of a peering that is no longer configured is gone."""

    peer: UUID
    desk: int


class Desk:
    """A peering with its paths, its record and what waits."""

    def __init__(  # noqa: PLR0913 - what a desk needs, each by name
        self,
        ctx: Context,
        plan: PeeringPlan,
        peering: Peering,
        *,
        number: int,
        paths: Paths,
        status: PeeringStatus,
        store: Store,
        owner: str,
        epoch: int,
        version: int,
        examiner: Examiner,
        times: KeyTimes,
        perform: Callable[[Desk, Effect], None],
        durable: Callable[[UUID, int, bytes | None], None],
    ) -> None:
        """Carry out what ``peering`` wants: writes here, everything else by ``perform``.

        ``durable`` is told of each version of the record that is durable, and (without content) of its end.

        ``number`` is this desk's alone within the node. ``version`` is that of the stored record the peering
        was built from, 0 where there is none.
        """
        self._ctx = ctx
        self.number = number
        self.plan = plan
        self.peering = peering
        self.paths = paths
        self.dropped: Counter[str] = Counter()
        self.deadline: Instant | None = None
        #: Of the peer's certificate: the judgement whose dates the node watches, and who judges it.
        self.watched: Examination | None = None
        self.examiner = examiner
        self.times = times
        #: The last status, for the moments in which the machine is on the executor.
        self.status = status
        #: Why there is no key, of the same moment.
        self.key_fault: tuple[str, str] | None = None
        self.closing = False
        self._store = store
        self._owner = owner
        self._epoch = epoch
        self._version = version
        self._perform = perform
        self._durable = durable
        self._record = b""
        self._computing = False
        self._writing = False
        self._steps: deque[tuple[Step, Heavy]] = deque()
        self._effects: deque[Effect] = deque()

    @property
    def peer(self) -> UUID:
        """The peer's UUID, by which the node finds this desk."""
        return self.plan.peer_uuid

    @property
    def peer_name(self) -> str:
        """How operators name the peer: ``router/node``."""
        return f"{self.plan.peer_router}/{self.plan.peer_node}"

    @property
    def idle(self) -> bool:
        """Tell whether nothing is under way, so that the machine may be looked at."""
        return not self._computing

    @property
    def settled(self) -> bool:
        """Tell whether the machine stands where its record does: nothing is under way and nothing waits."""
        return not (self._computing or self._writing or self._steps or self._effects)

    def run(self, step: Step, *, heavy: Heavy = lambda: False, droppable: bool = False) -> None:
        """Run a step when its turn comes, on the executor if it is ``heavy`` then.

        A ``droppable`` one is given up where too much waits.
        """
        if self.closing:
            return
        if droppable and (len(self._steps) >= WAITING_STEPS or len(self._effects) >= WAITING_EFFECTS):
            self._perform(self, effects.Count("too-much-waits"))
            return
        self._steps.append((step, heavy))
        self._go_on()

    def close(self) -> None:
        """Give up what waits, and delete the record once what is under way has ended."""
        if self.closing:
            return
        self.closing = True
        self._steps.clear()
        self._effects.clear()
        self.paths.close()
        self._delete_if_still()

    def step_done(self, wanted: list[Effect]) -> None:
        """Take the effects of an expensive step."""
        self._computing = False
        if self.closing:
            self._delete_if_still()
            return
        self._effects.extend(wanted)
        self._carry()
        self._go_on()

    def written(self, version: int) -> None:
        """Go on behind a write that has succeeded."""
        self._version = version
        self._writing = False
        record, self._record = self._record, b""
        if self.closing:
            self._delete_if_still()
        else:
            self._durable(self.peer, version, record)
            self._carry()

    def closed(self) -> None:
        """Take up that the record is gone."""
        self._durable(self.peer, self._version, None)

    def _go_on(self) -> None:
        while self._steps and not self._computing:
            step, heavy = self._steps.popleft()
            if heavy():
                self._computing = True
                self._ctx.pipe(computed(self._ctx, step), self._step_done_message)
                return
            self._effects.extend(step())
            self._carry()

    def _step_done_message(self, wanted: list[Effect]) -> StepDone:
        return StepDone(self.peer, self.number, wanted)

    def _carry(self) -> None:
        while self._effects and not self._writing:
            effect = self._effects.popleft()
            if isinstance(effect, effects.Store):
                self._write(effect.record)
            else:
                self._perform(self, effect)

    def _write(self, record: bytes) -> None:
        self._writing = True
        self._record = record
        peer, number = self.peer, self.number
        write = self._store.write(self._owner, self._epoch, record_name(peer), record, self._version)
        self._ctx.pipe(write, lambda version: Written(peer, number, version))

    def _delete_if_still(self) -> None:
        if self._computing or self._writing:
            return
        self._writing = True
        peer, number = self.peer, self.number
        delete = self._store.delete(self._owner, self._epoch, record_name(peer), self._version)
        self._ctx.pipe(delete, lambda _: Closed(peer, number))


_RECORDS: Final = "peering:"


def record_name(peer: UUID) -> str:
    """Return the name of a peering's record in its node's store."""
    return f"{_RECORDS}{peer}"


def peer_of(record: str) -> UUID:
    """Return the peer of the peering that a record of that name is of."""
    return UUID(record.removeprefix(_RECORDS))


def is_peering(record: str) -> bool:
    """Tell whether a record of that name is a peering's."""
    return record.startswith(_RECORDS)
