"""One node of an HA pair: the link to its mate, who leads, whose turn it is, and whose keys are whose.

:class:`PairNode` joins :class:`~peerkey.ha.link.MateLink`, :class:`~peerkey.ha.leadership.Leadership`,
:class:`~peerkey.ha.turns.Turns` and :class:`~peerkey.ha.takeover.Takeover`, and is what the actor around it
drives::

    node = PairNode(config, entropy=..., store_id=..., epoch=..., term=..., own=..., copies=..., now=now)

    the channel       connected(now)  received(data, now)  lost(now)
    time              tick(now) at deadline()
    this node's store changed(name, version, content, now)    after each write of an own record, and StoreOwn
    the copies' store stored(write, now)                      for each StoreCopy and DeleteCopy
    the term's store  term_stored(term, now)                  for each StoreTerm
    its peerings      rekey_wanted(now)                       whenever one asks for a turn

Each returns effects to be carried out in order. :meth:`PairNode.status` and :meth:`PairNode.alarms` say how
it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, assert_never, final

from peerkey.ha.constants import REPLICATION_GRACE
from peerkey.ha.effects import (
    Beaten,
    Close,
    DeleteCopy,
    Effect,
    Emit,
    Greeted,
    Held,
    InStep,
    Lacks,
    LinkEffect,
    Send,
    StoreCopy,
)
from peerkey.ha.leadership import Leadership
from peerkey.ha.link import LinkState, MateLink, PairConfig
from peerkey.ha.messages import Role, Version
from peerkey.ha.records import Copy
from peerkey.ha.takeover import Takeover, TakeoverState
from peerkey.ha.turns import RECORD, Turns
from peerkey.moment import Instant, Moment
from peerkey.observe import alarms
from peerkey.observe.alarms import Alarm
from peerkey.protocol.core import Entropy, earliest
from peerkey.protocol.keyring import KeyRing

_Effects: TypeAlias = list[Effect]


@dataclass(frozen=True, slots=True)
class PairStatus:
    """What an operator is shown of a pair. No secret is in it."""

    mate: str
    link: LinkState
    role: Role
    term: int
    #: Records of this node that the mate has in its store as they are now, and all that there are.
    replicated: int
    records: int
    #: Records that the mate is behind.
    lag: int
    #: Copies of the mate's records that are held here.
    copies: int
    taken_over: bool
    #: Whose turn it is to rekey, as ``router/node``; empty before anybody wanted one.
    rekey_turn: str
    #: Why one end refused the other last; empty once they have greeted.
    refusal: str
    #: Seconds since the mate was heard.
    silent_seconds: float


@final
class PairNode:
    """The machine of one node of a pair."""

    def __init__(
        self,
        config: PairConfig,
        *,
        entropy: Entropy,
        store_id: bytes,
        epoch: int,
        term: int,
        own: Mapping[str, tuple[Version, bytes]],
        copies: Mapping[str, Copy],
        now: Moment,
    ) -> None:
        """Build it on what the stores hold; see :class:`MateLink` and :class:`Leadership`."""
        self.config = config
        self.link = MateLink(
            config, entropy=entropy, store_id=store_id, epoch=epoch, own=own, copies=copies, now=now
        )
        self.leadership = Leadership(
            config.local,
            config.mate,
            names=(config.local_name, config.mate_name),
            term=term,
            now=now.instant,
        )
        self.link.term = term
        contents = {name: copy.content for name, copy in copies.items()}
        self.turns = Turns(config.local, config.mate, own=own.get(RECORD), copy=contents.pop(RECORD, None))
        self.takeover = Takeover(config.mate_name, contents, now.instant)

    # --- being driven -----------------------------------------------------------------------------

    def connected(self, now: Moment) -> _Effects:
        """Take up a channel to the mate that has just opened; see :meth:`MateLink.connected`."""
        return self._settled(self._carry(self.link.connected(now), now), now)

    def received(self, data: bytes, now: Moment) -> _Effects:
        """Deal with bytes from the channel."""
        return self._settled(self._carry(self.link.received(data, now), now), now)

    def lost(self, now: Moment, reason: str = "the connection is gone") -> _Effects:
        """Take up that the channel is gone."""
        return self._settled(self._carry(self.link.lost(now, reason), now), now)

    def tick(self, now: Moment) -> _Effects:
        """Do what is due."""
        effects: _Effects = list(self.leadership.tick(now.instant))
        self.link.term, self.link.role = self.leadership.term, self.leadership.role
        effects += self._carry(self.link.tick(now), now)
        effects += self.takeover.tick(now.instant)
        return self._settled(effects, now)

    def deadline(self) -> Instant | None:
        """Return when :meth:`tick` has something to do."""
        return earliest(
            self.link.deadline(), self.leadership.deadline(), self.takeover.deadline(), self.turns.deadline()
        )

    def changed(self, name: str, version: Version, content: bytes | None, now: Moment) -> _Effects:
        """Take up a write of this node's; see :meth:`MateLink.changed`."""
        if name == RECORD and content is not None:
            self.turns.stored(version, content)
        return self._settled(self._carry(self.link.changed(name, version, content, now), now), now)

    def stored(self, write: int, now: Moment) -> _Effects:
        """Take up that a write of a copy is durable."""
        return self._settled(self._carry(self.link.stored(write, now), now), now)

    def term_stored(self, term: int, now: Moment) -> _Effects:
        """Take up that a term is durable."""
        return self._settled(self.leadership.term_stored(term, now.instant), now)

    def rekey_wanted(self, now: Moment) -> _Effects:
        """Take up that a peering of this node waits for a turn, or begins to rekey in one."""
        self.turns.asked(now.instant)
        return self._settled((), now)

    # --- looking at it ----------------------------------------------------------------------------

    @property
    def rings(self) -> Mapping[str, KeyRing]:
        """The mate's key rings by record name: to open with, always; to seal with only while taken over."""
        return self.takeover.rings

    def status(self, now: Moment) -> PairStatus:
        """Return what an operator is shown."""
        outbox = self.link.outbox
        refusal = self.link.refusal
        return PairStatus(
            mate=self.config.mate_name,
            link=self.link.state,
            role=self.leadership.role,
            term=self.leadership.term,
            replicated=outbox.records - outbox.unheld,
            records=outbox.records,
            lag=outbox.lag,
            copies=self.link.copies.count,
            taken_over=self.takeover.state is TakeoverState.TAKEN_OVER,
            rekey_turn=self._rekey_turn(),
            refusal="" if refusal is None else f"{refusal[0]}: {refusal[1]}",
            silent_seconds=(now.instant - self.link.heard_at).total_seconds(),
        )

    def alarms(self, now: Moment) -> tuple[Alarm, ...]:
        """Return what is wrong: link, refusal, a mate that is out of date, copies that cannot be read."""
        node, mate, link = self.config.local_name, self.config.mate_name, self.link
        found: list[Alarm] = []
        if not link.up or link.doubtful:
            found.append(alarms.ha_link_down(node, mate))
        if link.refusal is not None:
            reason, text, by_mate = link.refusal
            found.append(alarms.ha_refused(node, mate, reason, text, by_mate=by_mate))
        behind = link.behind_since
        if behind is not None and behind + REPLICATION_GRACE <= now.instant and link.outbox.unheld:
            found.append(alarms.ha_mate_out_of_date(node, mate, link.outbox.unheld))
        unreadable = len(self.takeover.unreadable) + self.turns.unreadable
        if unreadable:
            found.append(alarms.ha_copies_unreadable(node, mate, unreadable))
        return tuple(found)

    # --- inside -----------------------------------------------------------------------------------

    def _rekey_turn(self) -> str:
        decision, config = self.turns.decision, self.config
        if decision is None:
            return ""
        return config.local_name if decision.holder == config.local else config.mate_name

    def _carry(self, effects: Iterable[LinkEffect], now: Moment) -> _Effects:
        """Pass on what the link wants, and give the other two what concerns them."""
        out: _Effects = []
        for effect in effects:
            match effect:
                case Greeted():
                    out.extend(self.takeover.greeted())
                case Beaten(beat):
                    out.extend(self.leadership.heard(beat, now.instant))
                case StoreCopy(_, name, copy):
                    self._copied(name, copy.content)
                    out.append(effect)
                case DeleteCopy(_, name):
                    self._copied(name, None)
                    out.append(effect)
                case Held(name, version) if name == RECORD:
                    self.turns.held(version)
                case Lacks(name) if name == RECORD:
                    self.turns.lacks()
                case Send() | Close() | Held() | Lacks() | InStep() | Emit():
                    out.append(effect)
                case unreachable:
                    assert_never(unreachable)
        self.takeover.heard(self.link.heard_at)
        return out

    def _copied(self, name: str, content: bytes | None) -> None:
        """Take up a copy of the mate's, or that it is gone: of the router's record, or of a peering."""
        if name == RECORD:
            self.turns.copied(content)
        else:
            self.takeover.copied(name, content)

    def _settled(self, effects: Iterable[Effect], now: Moment) -> _Effects:
        """Let the turns be seen to, after whatever has happened."""
        return [*effects, *self.turns.settle(now.instant, self._leads())]

    def _leads(self) -> int | None:
        """Return the term under which this node leads and its mate says that it follows, if it does."""
        beat, term = self.link.mate_beat, self.leadership.term
        if self.leadership.role is not Role.LEADER or beat is None or not self.link.up:
            return None
        return term if (beat.role, beat.term) == (Role.REDUNDANT, term) else None
