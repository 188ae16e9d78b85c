"""The actor between a node and its mate: it drives the :class:`~peerkey.ha.pair.PairNode` machine.

It is a child of its node and shares its epoch, so that a node that crashes is as silent to its mate as one
that has died. It guarantees what the machine says, whatever the channel does; copies are acknowledged when
the node's own store has them. After a crash it reads the store again, and the two ends find out what each
lacks.

A channel that is missing is tried for again and again, at the distances of :mod:`peerkey.ha.redial`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

from actors.desk import is_peering
from actors.ha.messages import (
    GetHaStatus,
    HaStatus,
    LinkWord,
    MateNews,
    RecordChanged,
    TakenKey,
    TurnWanted,
)
from actors.ha.records import MateRecords
from actors.ha.traffic import RINGS_AT_ONCE, MateTraffic
from actors.ha.transport import (
    AttemptFailed,
    ChannelData,
    ChannelLost,
    ChannelOpened,
    KeyRefused,
    Word,
    WrongKey,
)
from actors.time import moment
from peerkey.ha import effects
from peerkey.ha.link import LinkState, PairConfig
from peerkey.ha.messages import Version
from peerkey.ha.pair import PairNode
from peerkey.ha.redial import Redial
from peerkey.ha.takeover import sealing
from peerkey.ha.turns import RECORD
from peerkey.observe import alarms
from peerkey.observe.events import HaRefused
from peerkey.protocol.state import key_ids
from runtime.actor import Actor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from actors.ha.transport import SyncEnd, SyncTransport
    from actors.journal import Journal
    from peerkey.config.plan import HaPlan, NodePlan
    from peerkey.ha.view import Written
    from peerkey.moment import Instant, Moment
    from peerkey.observe.events import Event
    from peerkey.protocol.core import Entropy
    from peerkey.protocol.traffic import DataPlane
    from runtime.ref import Ref
    from runtime.store.port import Store

#: Between two events about keys that were refused: whoever reaches the port may show a new key each time. The
#: alarm names the last one.
REFUSALS_APART: Final = timedelta(seconds=10)
#: When a node whose mailbox was full is told again.
TELL_AGAIN_AFTER: Final = timedelta(milliseconds=50)
#: Frames of the mate and changes of the node: what a full window of records is cut into, several times over.
LINK_MAILBOX: Final = 4_096


_LINK_WORDS: Final[dict[LinkState, LinkWord]] = {
    LinkState.DOWN: "down",
    LinkState.GREETING: "greeting",
    LinkState.RESYNCHRONISING: "resynchronising",
    LinkState.IN_STEP: "in-step",
}


@dataclass(frozen=True, slots=True)
class Stored:
    """A write of a copy is durable."""

    write: int


@dataclass(frozen=True, slots=True)
class TermStored:
    """A term is durable."""

    term: int


@dataclass(frozen=True, slots=True)
class OwnStored:
    """The record of the router's turns is durable in this version."""

    version: Version
    content: bytes


@dataclass(frozen=True, slots=True)
class LinkDue:
    """The machine's deadline has come."""


@dataclass(frozen=True, slots=True)
class AttemptDue:
    """It is time to try for a channel."""


@dataclass(frozen=True, slots=True)
class NewsDue:
    """The node had no room for news; they are due again."""


_Durable: TypeAlias = Stored | TermStored | OwnStored
_Write: TypeAlias = effects.StoreCopy | effects.DeleteCopy | effects.StoreOwn | effects.StoreTerm
_Due: TypeAlias = LinkDue | AttemptDue | NewsDue


class HaSyncLink(Actor):
    """The link of one node to its mate."""

    def __init__(  # noqa: PLR0913 - what a link needs, each by name
        self,
        *,
        node: Ref,
        plan: NodePlan,
        ha: HaPlan,
        owner: str,
        epoch: int,
        store: Store,
        transport: SyncTransport,
        entropy: Entropy,
        journal: Journal,
        data_plane: DataPlane | None = None,
        number: int = 1,
    ) -> None:
        """Link ``node``, whose records ``owner`` has in the store and which is active under ``epoch``.

        ``number`` says which of the node's links this is.
        """
        self._number = number
        self._node, self._plan, self._ha = node, plan, ha
        self._owner, self._epoch = owner, epoch
        self._store, self._transport = store, transport
        self._entropy, self._journal = entropy, journal
        self._mate_name = f"{plan.router}/{ha.mate}"
        self._traffic = MateTraffic(data_plane, plan.uuid, epoch, ha.mate_uuid)
        self._channel = 0
        self._redial, self._trying = Redial(entropy), False
        self._deadline: Instant | None = None
        self._link_error = ""
        #: The last key that was refused, until the two have greeted.
        self._key_refused: KeyRefused | None = None
        self._refusal_told_at: Instant | None = None
        #: What the node has not been told yet; and what it was told last: of the link, and of its turn.
        self._held: dict[str, Version | None] = {}
        self._told = (False, False)
        #: The records that were there at the start, until the node has been told of them.
        self._found: tuple[Written, ...] | None = None
        self._begun = False

    @property
    def machine(self) -> PairNode:
        """The machine, to be looked at, once this has :attr:`begun`."""
        return self._pair

    @property
    def begun(self) -> bool:
        """Whether there is a machine: the store has been read."""
        return self._begun

    async def started(self) -> None:
        """Read what the store holds of both nodes, and try for a channel."""
        self._records = await MateRecords.opened(self._store, self._ha.mate_uuid, self._entropy)
        own = {
            record.name: (Version(record.epoch, record.version), record.value)
            for record in await self._store.scan(self._owner)
            if is_peering(record.name) or record.name == RECORD
        }
        self._turn_version = own[RECORD][0].number if RECORD in own else 0
        self._pair = PairNode(
            PairConfig(
                authority=self._plan.authority,
                router=self._plan.router,
                local=self._plan.uuid.bytes,
                mate=self._ha.mate_uuid.bytes,
                local_name=self._plan.name,
                mate_name=self._mate_name,
            ),
            entropy=self._entropy,
            store_id=self._records.store_id,
            epoch=self._epoch,
            term=self._records.term,
            own=own,
            copies=self._records.taken_copies(),
            now=moment(self.ctx.clock),
        )
        self.ctx.defer(self._traffic.ended)
        for number, (name, ring) in enumerate(self._pair.rings.items(), start=1):
            self._traffic.copied(name, ring)
            if number % RINGS_AT_ONCE == 0:
                await asyncio.sleep(0)
        found: list[Written] = []
        for number, (name, (version, content)) in enumerate(own.items(), start=1):
            if is_peering(name):
                found.append((name, version, key_ids(content)))
            if number % RINGS_AT_ONCE == 0:
                await asyncio.sleep(0)
        self._found = tuple(found)
        self._begun = True
        self._end: SyncEnd = self._transport.open(self._ha, self.ctx.ref.offer)
        self.ctx.defer(self._end.close)
        self._tell_node()
        self._end.attempt()
        self._try_again()
        self._arm()

    def receive(self, message: object) -> None:
        """Give each message to the machine, and carry out what it wants."""
        now = moment(self.ctx.clock)
        match message:
            case ChannelOpened() | ChannelData() | ChannelLost() | AttemptFailed() | KeyRefused():
                self._heard(message, now)
            case RecordChanged(name, version, content):
                self._carry(
                    self._pair.changed(name, version, None if content is None else content.reveal(), now)
                )
            case TurnWanted():
                self._carry(self._pair.rekey_wanted(now))
            case Stored() | TermStored() | OwnStored():
                self._durable(message, now)
            case LinkDue() | AttemptDue() | NewsDue():
                self._due(message, now)
            case GetHaStatus():
                self.ctx.reply(self._status(now))
            case _:
                self.ctx.log.warning("unexpected message", kind=type(message).__name__)

    # --- the channel ------------------------------------------------------------------------------

    def _heard(self, word: Word, now: Moment) -> None:
        """Take up what the transport says; what it says of an earlier channel is passed over."""
        match word:
            case ChannelOpened(channel):
                self._channel = channel
                self._carry(self._pair.connected(now))
            case ChannelData(channel, data):
                if channel == self._channel:
                    self._carry(self._pair.received(data, now))
            case ChannelLost(channel, reason):
                if channel == self._channel:
                    self._channel = 0
                    self._link_error = reason
                    self._carry(self._pair.lost(now, reason))
            case AttemptFailed(reason):
                self._link_error = reason
            case KeyRefused():
                self._refused(word, now)
            case unreachable:
                assert_never(unreachable)

    def _refused(self, word: KeyRefused, now: Moment) -> None:
        """Tell once of a key that one end has refused, until the two have greeted; of strangers, some."""
        text = _refusal(word)
        self._link_error = text
        if word != self._key_refused and not self._pair.link.up:
            self._key_refused = word
            if self._refusal_told_at is not None and now.instant < self._refusal_told_at + REFUSALS_APART:
                return
            self._refusal_told_at = now.instant
            self._emit(HaRefused(self._mate_name, word.which.value, text, by_mate=word.by_mate))

    def _try_again(self) -> None:
        """Try for a channel after a while, and after a longer one the next time."""
        self._trying = True
        self.ctx.set_timer("attempt", self._redial.again(self._pair.link.unsteady), AttemptDue())

    # --- inside -----------------------------------------------------------------------------------

    def _due(self, message: _Due, now: Moment) -> None:
        match message:
            case LinkDue():
                self._deadline = None
                self._carry(self._pair.tick(now))
            case AttemptDue():
                self._trying = False
                if self._pair.link.state is LinkState.DOWN:
                    self._end.attempt()
                    self._try_again()
            case NewsDue():
                self._tell_node()
            case unreachable:
                assert_never(unreachable)

    def _durable(self, message: _Durable, now: Moment) -> None:
        match message:
            case Stored(write):
                self._carry(self._pair.stored(write, now))
            case TermStored(term):
                self._carry(self._pair.term_stored(term, now))
            case OwnStored(version, content):
                self._carry(self._pair.changed(RECORD, version, content, now))
            case unreachable:
                assert_never(unreachable)

    def _carry(self, wanted: Iterable[effects.Effect]) -> None:
        """Carry out what the machine wants, in order."""
        for effect in wanted:
            match effect:
                case effects.Send(data):
                    self._end.send(self._channel, data)
                case effects.Close(reason):
                    self._link_error = reason
                    self._end.drop(self._channel)
                    self._channel = 0
                case (
                    effects.StoreCopy() | effects.DeleteCopy() | effects.StoreOwn() | effects.StoreTerm()
                ) as write:
                    self._write(write)
                case effects.Held(name, version):
                    self._held[name] = version
                case effects.Lacks(name):
                    self._held[name] = None
                case effects.Emit(event):
                    self._emit(event)
                case effects.TakenOver():
                    self._traffic.taken_over()
                case effects.Released():
                    self._traffic.released()
                case effects.InStep():
                    pass
                case unreachable:
                    assert_never(unreachable)
        if self._pair.link.up:
            self._key_refused, self._link_error = None, ""
            self._redial.greeted()
        elif self._pair.link.state is LinkState.DOWN and not self._trying:
            self._try_again()
        self._tell_node()
        self._arm()

    def _write(self, wanted: _Write) -> None:
        """Begin a write; it is reported when it is durable."""
        match wanted:
            case effects.StoreCopy(write, name, copy):
                self.ctx.pipe(self._records.keep(name, copy), _stored(write))
                self._traffic.copied(name, self._pair.rings.get(name))
            case effects.DeleteCopy(write, name):
                self.ctx.pipe(self._records.drop(name), _stored(write))
                self._traffic.copied(name, None)
            case effects.StoreOwn(name, content):
                # Among the records of the node, whose epoch the link shares.
                expected, self._turn_version = self._turn_version, self._turn_version + 1
                self.ctx.pipe(
                    self._store.write(self._owner, self._epoch, name, content, expected),
                    lambda number: OwnStored(Version(self._epoch, number), content),
                )
            case effects.StoreTerm(term):
                self.ctx.pipe(self._records.keep_term(term), _term_stored(term))
            case unreachable:
                assert_never(unreachable)

    def _emit(self, event: Event) -> None:
        self._journal.record(self.ctx.clock.wall(), self._plan.name, event)

    def _tell_node(self) -> None:
        """Tell the node what is new, as soon as it has room for it."""
        stands = self._pair.link.up, self._pair.turns.ours
        if not self._held and self._found is None and stands == self._told:
            return
        up, turn = stands
        if self._node.offer(MateNews(self._number, up, tuple(self._held.items()), turn, self._found)):
            self._held.clear()
            self._told, self._found = stands, None
        else:
            self.ctx.set_timer("news", TELL_AGAIN_AFTER, NewsDue())

    def _arm(self) -> None:
        """Keep exactly one timer, at the machine's deadline."""
        deadline = self._pair.deadline()
        if deadline == self._deadline:
            return
        self._deadline = deadline
        if deadline is None:
            self.ctx.cancel_timer("due")
        else:
            self.ctx.set_timer("due", deadline - self.ctx.clock.monotonic(), LinkDue())

    # --- what an operator asks --------------------------------------------------------------------

    def _status(self, now: Moment) -> HaStatus:
        status = self._pair.status(now)
        return HaStatus(
            mate=status.mate,
            mate_uuid=str(self._ha.mate_uuid),
            role=status.role,
            term=status.term,
            link=_LINK_WORDS[status.link],
            link_error=status.refusal or self._link_error,
            records=status.records,
            replicated=status.replicated,
            lag=status.lag,
            copies=status.copies,
            taken_over=status.taken_over,
            silent_seconds=status.silent_seconds,
            rekey_turn=status.rekey_turn,
            keys=tuple(self._taken_keys()) if status.taken_over else (),
            alarms=(*self._pair.alarms(now), *self._key_alarms()),
        )

    def _taken_keys(self) -> Iterable[TakenKey]:
        for name, ring in self._pair.rings.items():
            used = sealing(ring)
            for role, key in ring:
                peer = name.partition(":")[2]
                yield TakenKey(peer, role.value, key.index, key.key_id.hex(), seals=key is used)

    def _key_alarms(self) -> Iterable[alarms.Alarm]:
        word = self._key_refused
        if word is None:
            return
        node, mate = self._plan.name, self._mate_name
        if word.by_mate:
            yield alarms.ha_refused(node, mate, word.which.value, _refusal(word), by_mate=True)
        else:
            yield alarms.ha_host_key_mismatch(node, mate, word.fingerprint)


def _refusal(word: KeyRefused) -> str:
    """Say whose key was not the configured one."""
    if word.by_mate:
        return f"our key is not the one that the mate expects: {word.fingerprint}"
    whose = "who answers there" if word.which is WrongKey.HOST else "who connects here"
    return f"the key of {whose} is not the configured one: {word.fingerprint}"


def _stored(write: int) -> Callable[[object], Stored]:
    return lambda _: Stored(write)


def _term_stored(term: int) -> Callable[[object], TermStored]:
    return lambda _: TermStored(term)
