"""Whose turn it is to rekey: a record of the router, which its leader alone changes.

    Leader election for what belongs to the router and not to a node (rekey scheduling).

The two nodes of a router keep peerings with the same peers, whose intervals end at much the same time. So
that their rekeys do not begin at once, a node begins those that an interval makes due in its *turn*. It says
that it wants one, and the leader gives it. Without a link there are no turns, and no peering waits for one
longer than :data:`peerkey.protocol.constants.TURN_WAIT`. Which keys are agreed is not the leader's business,
nor is any rekey that has another cause.

**The record.** Each node writes one, under :data:`RECORD`, which the link replicates like any other: what the
node wants, and the last decision that it made as leader. The newest decision of the two, by (term, number),
is the router's. That is where the fence stands:

- a decision is made under the term of who makes it, and a term is never both nodes'. A copy that says
  otherwise does not count;
- it is made while the mate follows under that very term, by its own word, and never under a term below that
  of the decision before it. So a leader that is alone decides nothing; and what one has decided that was
  replaced meanwhile is older than whatever its successor decides.

**The turn.** A node has it by its own decision once the mate holds that, and by the mate's when the copy has
arrived. It has it no more as soon as a newer decision is in its store. So it is never both nodes'.
"""

from __future__ import annotations

from typing import Final, NamedTuple, final

import msgpack

from peerkey.errors import Malformed
from peerkey.ha.constants import MAXIMUM_TERM, TURN
from peerkey.ha.effects import StoreOwn
from peerkey.ha.messages import Version
from peerkey.moment import Instant
from peerkey.protocol import codec
from peerkey.protocol.constants import UUID_BYTES
from peerkey.protocol.core import earliest

#: What the record is called, in a node's store and on the link.
RECORD: Final = "router:rekey-turn"
#: The layout of the record. One of another layout says nothing here.
RECORD_FORMAT: Final = 1


class Decision(NamedTuple):
    """Whose turn it is, and which decision that is: later ones are greater."""

    term: int
    number: int
    #: UUID, 16 bytes.
    holder: bytes


class Said(NamedTuple):
    """What one node says: the record."""

    #: The last decision that this node has made; ``None``: it has made none.
    decision: Decision | None = None
    #: Whether it wants to rekey.
    wants: bool = False


def _decision(value: object) -> object:
    return None if value is None else _DECISION(value)


def _wants(value: object) -> bool:
    if type(value) is not bool:
        message = "expected true or false"
        raise Malformed(message)
    return value


_DECISION: Final = codec.structure(
    Decision, codec.number(MAXIMUM_TERM), codec.index(), codec.blob(UUID_BYTES)
)


def encode_said(said: Said) -> bytes:
    """Return the record."""
    stored: bytes = msgpack.packb((RECORD_FORMAT, *said))
    return stored


def decode_said_untrusted(record: bytes) -> Said:
    """Read a record.

    Raises:
        Malformed: where it is not what :func:`encode_said` writes.

    """
    version, decision, wants = codec.fields_untrusted(
        codec.array_untrusted(record), (codec.number(RECORD_FORMAT), _decision, _wants)
    )
    if version != RECORD_FORMAT:
        message = f"expected format {RECORD_FORMAT}"
        raise Malformed(message)
    return Said(decision, wants)  # type: ignore[arg-type]


@final
class Turns:
    """The turn, as one node sees it."""

    def __init__(
        self, local: bytes, mate: bytes, *, own: tuple[Version, bytes] | None, copy: bytes | None
    ) -> None:
        """Begin with the stored record of this node, and the stored copy of its mate's. UUIDs as bytes."""
        #: Whether the mate's record cannot be read, or says what it may not say.
        self.unreadable = False
        self._local, self._mate = local, mate
        self._own, self._own_version = Said(), Version(0, 0)
        self._theirs = Said()
        #: Which of our decisions the mate is known to hold.
        self._mate_holds: Decision | None = None
        #: What is being written, one at a time.
        self._writing = False
        self._asked_at: Instant | None = None
        #: Since when the leader has seen the holder want its turn.
        self._busy_since: Instant | None = None
        self._due: Instant | None = None
        if own is not None:
            self.stored(*own)
        self.copied(copy)

    # --- facts ------------------------------------------------------------------------------------

    @property
    def decision(self) -> Decision | None:
        """The router's decision: the newest of those that the two nodes have made."""
        made = [each for each in (self._own.decision, self._theirs.decision) if each is not None]
        return max(made, default=None)

    @property
    def ours(self) -> bool:
        """Whether it is this node's turn."""
        newest = self.decision
        if newest is None or newest.holder != self._local:
            return False
        return newest in {self._theirs.decision, self._mate_holds}

    # --- what happens -----------------------------------------------------------------------------

    def asked(self, now: Instant) -> None:
        """Take up that a peering of this node waits for a turn, or begins to rekey in one."""
        self._asked_at = now

    def stored(self, version: Version, content: bytes) -> None:
        """Take up that our record is durable in this version."""
        self._writing = False
        self._own_version = version
        try:
            self._own = decode_said_untrusted(content)
        except Malformed:
            # Written by another version of this software: what it said is said again, or given up.
            self._own = Said()

    def held(self, version: Version) -> None:
        """Take up that the mate has this version of our record in its store."""
        if version == self._own_version:
            self._mate_holds = self._own.decision

    def lacks(self) -> None:
        """Take up that the mate has lost our record."""
        self._mate_holds = None

    def copied(self, content: bytes | None) -> None:
        """Take up the mate's record, or (without content) that there is none.

        Where it cannot be read, or has a decision under a term that is not the mate's, nothing of it counts.
        """
        self._theirs, self.unreadable = Said(), False
        if content is None:
            return
        try:
            said = decode_said_untrusted(content)
        except Malformed:
            self.unreadable = True
            return
        if said.decision is not None and not self._mates(said.decision):
            self.unreadable = True
            return
        self._theirs = said

    # --- time -------------------------------------------------------------------------------------

    def deadline(self) -> Instant | None:
        """Return when :meth:`settle` has something to do by itself."""
        return None if self._writing else self._due

    def settle(self, now: Instant, leads: int | None) -> list[StoreOwn]:
        """Bring the record up to date, which is called whenever anything may have changed.

        ``leads`` is the term under which this node leads and its mate follows, ``None`` where that is not so.
        """
        if self._writing:
            return []
        if self._asked_at is not None and self._asked_at + TURN <= now:
            self._asked_at = None
        wants = self._asked_at is not None
        decision, turn_ends = self._decide(now, leads, wants=wants)
        asked_until = None if self._asked_at is None else self._asked_at + TURN
        self._due = earliest(asked_until, turn_ends)
        said = Said(decision, wants)
        if said == self._own:
            return []
        self._writing = True
        return [StoreOwn(RECORD, encode_said(said))]

    # --- inside -----------------------------------------------------------------------------------

    def _decide(
        self, now: Instant, leads: int | None, *, wants: bool
    ) -> tuple[Decision | None, Instant | None]:
        """Return the decision that our record should carry, and when to look at the turn again."""
        newest = self.decision
        if leads is None or (newest is not None and leads < newest.term):
            self._busy_since = None
            return self._own.decision, None
        holder = None if newest is None else newest.holder
        wanting = {self._local: wants, self._mate: self._theirs.wants}
        other = self._mate if holder == self._local else self._local
        if holder is None:
            chosen = next((each for each, wanted in wanting.items() if wanted), None)
            return (None if chosen is None else Decision(leads, 1, chosen)), None
        if not wanting.get(holder, False):
            self._busy_since = None
        elif self._busy_since is None:
            self._busy_since = now
        ends = None if self._busy_since is None else self._busy_since + TURN
        if not wanting[other] or (ends is not None and now < ends):
            return self._own.decision, ends if wanting[other] else None
        self._busy_since = None
        number = newest.number + 1 if newest is not None and newest.term == leads else 1
        return Decision(leads, number, other), None

    def _mates(self, decision: Decision) -> bool:
        """Tell whether the mate may have made it: a term's last bit says whose it is (docs/ha.md, E2)."""
        return decision.term & 1 == int(self._mate < self._local) and decision.holder in {
            self._local,
            self._mate,
        }
