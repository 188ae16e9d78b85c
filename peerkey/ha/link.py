"""One end of the link between the two nodes of an HA pair.

:class:`MateLink` greets the mate, finds out what each end lacks, and then passes on changes as they happen.
It knows no transport: the shell opens one channel to the mate, ordered, reliable and authenticated at both
ends, and tells the machine what happens to it. A connection that has said nothing for
:data:`~peerkey.ha.constants.LEASE` is closed, so that "the link is up" and "the mate is alive" are one
fact.

To drive it: call :meth:`connected`, :meth:`received` (with whatever bytes have come) and :meth:`lost`;
:meth:`tick` when :meth:`deadline` has come; :meth:`changed` for every record of this node that was written,
and :meth:`stored` for every write of a copy that is durable. Each returns the effects to carry out, in
order. After a :class:`~peerkey.ha.effects.Close` the machine is down already; to be told :meth:`lost` then
changes nothing.

What the mate sends is believed as far as it may: that it is who it says is the transport's proof, and
everything else is checked. What is wrong with it ends the connection with REFUSED and a reason, never the
process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, assert_never, final
from uuid import UUID

from peerkey.errors import Malformed
from peerkey.ha.constants import (
    BEAT_INTERVAL,
    EPHEMERAL_KEY_BYTES,
    GREETING_TIMEOUT,
    LEASE,
    MAXIMUM_TERM_JUMP,
    MAXIMUM_TEXT_CHARACTERS,
    STEADY_AFTER,
)
from peerkey.ha.copies import Copies
from peerkey.ha.effects import Beaten, Close, Emit, Greeted, InStep, LinkEffect, Send
from peerkey.ha.messages import (
    Ack,
    Beat,
    Frames,
    Hello,
    Inventory,
    Message,
    Reason,
    Record,
    Refused,
    Role,
    UnsupportedVersion,
    Version,
    encode,
    read_untrusted,
)
from peerkey.ha.outbox import Outbox
from peerkey.ha.records import Copy
from peerkey.ha.sealing import NotAuthentic, Seals, agree_untrusted, public_key
from peerkey.moment import Instant, Moment
from peerkey.observe.events import HaInStep, HaLinkDown, HaLinkUp, HaRefused
from peerkey.protocol.core import Entropy, earliest
from peerkey.secret import Secret


class LinkState(Enum):
    """Where a connection stands."""

    DOWN = auto()
    GREETING = auto()
    RESYNCHRONISING = auto()
    IN_STEP = auto()


class LinkStep(Enum):
    """What moves it on."""

    CONNECT = auto()  # the channel is open; our HELLO leaves
    GREET = auto()  # the mate's HELLO has come, and is what it should be
    CATCH_UP = auto()  # the mate has all our records in its store
    LOSE = auto()  # the channel is gone
    REFUSE = auto()  # one end does not accept the other


#: The machine. A step that has no edge here is a bug and raises ``KeyError``.
LINK_EDGES: Final = {
    (LinkState.DOWN, LinkStep.CONNECT): LinkState.GREETING,
    (LinkState.GREETING, LinkStep.GREET): LinkState.RESYNCHRONISING,
    (LinkState.GREETING, LinkStep.LOSE): LinkState.DOWN,
    (LinkState.GREETING, LinkStep.REFUSE): LinkState.DOWN,
    (LinkState.RESYNCHRONISING, LinkStep.CATCH_UP): LinkState.IN_STEP,
    (LinkState.RESYNCHRONISING, LinkStep.LOSE): LinkState.DOWN,
    (LinkState.RESYNCHRONISING, LinkStep.REFUSE): LinkState.DOWN,
    (LinkState.IN_STEP, LinkStep.LOSE): LinkState.DOWN,
    (LinkState.IN_STEP, LinkStep.REFUSE): LinkState.DOWN,
}


@dataclass(frozen=True, slots=True)
class PairConfig:
    """What the configuration says about a pair, from one node's side."""

    authority: str
    router: str
    #: UUIDs, 16 bytes each.
    local: bytes
    mate: bytes
    #: How events and tables name the nodes: ``router/node``.
    local_name: str
    mate_name: str


class _Refusal(Malformed):
    """The mate is to be refused, for a reason that the frame's layout does not show."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@final
class MateLink:
    """The machine of one end."""

    def __init__(
        self,
        config: PairConfig,
        *,
        entropy: Entropy,
        store_id: bytes,
        epoch: int,
        own: Mapping[str, tuple[Version, bytes]],
        copies: Mapping[str, Copy],
        now: Moment,
    ) -> None:
        """Build it on the stored records of this node, and the stored copies of its mate's, by name.

        ``store_id`` (16 bytes) was drawn when this node's store was made and never changes; ``epoch`` is the
        store's number of this activation.
        """
        self.config = config
        self.state = LinkState.DOWN
        #: When the mate was heard last: the deadline of its lease counts from here.
        self.heard_at: Instant = now.instant
        #: What the next BEAT says; whoever leads sets it.
        self.term, self.role = 0, Role.INACTIVE
        #: Why one end refused the other last, and whether the mate did; gone with the next greeting, or where
        #: that is in doubt when the mate is in step.
        self.refusal: tuple[str, str, bool] | None = None
        #: What the mate said last of what it holds: copies, and how many of its own are on their way.
        self.mate_beat: Beat | None = None
        self.outbox = Outbox(own)
        self.copies = Copies(copies)
        self._entropy, self._store_id, self._epoch = entropy, store_id, epoch
        self._private: Secret | None = None
        self._hello: Hello | None = None
        self._seals: Seals | None = None
        self._frames = Frames()
        self._greet_until: Instant | None = None
        self._beat_at: Instant | None = None
        #: Whether the mate is to be shown an inventory, and what is left of it.
        self._inventory_due = False
        self._parts: Iterator[Inventory] | None = None
        self._part_at: Instant | None = None
        #: Since when the mate lacks something, on this connection or since the last.
        self.behind_since: Instant | None = None
        #: Connections in a row that opened and were not in step for ``STEADY_AFTER`` before they were lost.
        self.unsteady = 0
        #: Whether the last connection was lost before it was in step, and this one is not in step yet.
        self.doubtful = False
        self._in_step_at: Instant | None = None
        #: Whether the last that was told of the link is that it is up.
        self._told_up = False
        self._out: list[LinkEffect] = []

    # --- the channel ------------------------------------------------------------------------------

    def connected(self, now: Moment) -> list[LinkEffect]:
        """Greet the mate on a channel that has just opened; one that was there before is lost."""
        if self.state is not LinkState.DOWN:
            self._down(LinkStep.LOSE, "another connection took its place", now)
        self._move(LinkStep.CONNECT)
        self._private = Secret(self._entropy(EPHEMERAL_KEY_BYTES))
        self._hello = Hello(
            self.config.authority,
            self.config.router,
            self.config.local,
            self.config.mate,
            self._store_id,
            self._epoch,
            public_key(self._private),
        )
        self._frames = Frames()
        self.outbox.connected()
        self._greet_until = now.instant + GREETING_TIMEOUT
        self._send(self._hello)
        return self._settled(now)

    def received(self, data: bytes, now: Moment) -> list[LinkEffect]:
        """Deal with bytes from the channel, cut as they may be."""
        if self.state is LinkState.DOWN:
            return []
        try:
            for frame in self._frames.feed(data):
                if not self._receive(read_untrusted(frame), now):
                    break
        except _Refusal as refusal:
            self._refuse(refusal.reason, str(refusal), now)
        except UnsupportedVersion as fault:
            self._refuse(Reason.UNSUPPORTED_VERSION, str(fault), now)
        except NotAuthentic as fault:
            self._refuse(Reason.NOT_AUTHENTIC, str(fault), now)
        except Malformed as fault:
            self._refuse(Reason.MALFORMED, str(fault), now)
        return self._settled(now)

    def lost(self, now: Moment, reason: str = "the connection is gone") -> list[LinkEffect]:
        """Take up that the channel is gone."""
        if self.state is not LinkState.DOWN:
            self._down(LinkStep.LOSE, reason, now)
        return self._settled(now)

    # --- time -------------------------------------------------------------------------------------

    def deadline(self) -> Instant | None:
        """Return when :meth:`tick` has something to do."""
        silent = self.heard_at + LEASE if self.up else None
        return earliest(self._greet_until, self._beat_at, self._part_at, silent)

    def tick(self, now: Moment) -> list[LinkEffect]:
        """Say that this node lives, and close a channel on which the mate does not."""
        if self._greet_until is not None and self._greet_until <= now.instant:
            self._close(LinkStep.LOSE, "the mate did not greet", now)
        elif self.up and self.heard_at + LEASE <= now.instant:
            self._close(LinkStep.LOSE, "the mate has fallen silent", now)
        elif self._beat_at is not None and self._beat_at <= now.instant:
            self._beat_at = now.instant + BEAT_INTERVAL
            self._send(Beat(self.term, self.role, self.copies.count, self.outbox.lag))
        return self._settled(now)

    # --- records ----------------------------------------------------------------------------------

    def changed(self, name: str, version: Version, content: bytes | None, now: Moment) -> list[LinkEffect]:
        """Take up that a record of this node is durable in this version, or (without content) deleted.

        Raises:
            ValueError: where it is beyond what is replicated (:mod:`peerkey.ha.constants`).

        """
        self.outbox.changed(name, version, content)
        return self._settled(now)

    def stored(self, write: int, now: Moment) -> list[LinkEffect]:
        """Take up that a :class:`StoreCopy` or :class:`DeleteCopy` is durable."""
        self.copies.stored(write)
        return self._settled(now)

    # --- facts ------------------------------------------------------------------------------------

    @property
    def up(self) -> bool:
        """Whether the mate has greeted on this connection and been heard within the lease."""
        return self.state in {LinkState.RESYNCHRONISING, LinkState.IN_STEP}

    # --- inside -----------------------------------------------------------------------------------

    def _receive(self, message: Message, now: Moment) -> bool:
        """Deal with one frame; return whether the connection goes on."""
        if isinstance(message, Refused):
            self._refused_by_mate(message, now)
            return False
        if isinstance(message, Hello) != (self.state is LinkState.GREETING):
            text = f"{type(message).__name__} where the link is {self.state.name.lower()}"
            raise _Refusal(Reason.OUT_OF_PLACE, text)
        match message:
            case Hello():
                self._greeted(message, now)
            case Inventory():
                self._out.extend(self.outbox.inventory(message.entries, last=message.last))
            case Record():
                write = self.copies.received(message, self._open(message))
                if write is not None:
                    self._out.append(write)
            case Ack():
                self._out.extend(self.outbox.acknowledged(message.number))
            case Beat():
                if message.term > self.term + MAXIMUM_TERM_JUMP:
                    text = f"a term of {message.term} where that of this node is {self.term}"
                    raise Malformed(text)
                self.mate_beat = message
                self._out.append(Beaten(message))
            case unreachable:
                assert_never(unreachable)
        self.heard_at = now.instant
        return True

    def _greeted(self, hello: Hello, now: Moment) -> None:
        """Compare the mate with what it should be; then begin."""
        config = self.config
        if (hello.authority, hello.router) != (config.authority, config.router):
            text = (
                f"a node of router {hello.router} of authority {hello.authority}, "
                f"expected one of router {config.router} of authority {config.authority}"
            )
            raise _Refusal(Reason.ANOTHER_ROUTER, text)
        if (hello.sender, hello.receiver) != (config.mate, config.local):
            text = (
                f"node {_uuid(hello.sender)} looks for node {_uuid(hello.receiver)}, "
                f"expected node {_uuid(config.mate)} to look for node {_uuid(config.local)}"
            )
            raise _Refusal(Reason.WRONG_NODE, text)
        if hello.store_id == self.copies.store_id and hello.epoch < self.copies.epoch:
            text = (
                f"an incarnation of epoch {hello.epoch}; the mate was heard under epoch {self.copies.epoch}"
            )
            raise _Refusal(Reason.OLDER_EPOCH, text)
        if self._private is None or self._hello is None:
            message = "a greeting without one's own"
            raise ValueError(message)
        self._seals = agree_untrusted(self._private, self._hello, hello)
        self._private = self._greet_until = None
        self._move(LinkStep.GREET)
        self._beat_at = now.instant
        self._inventory_due = True
        self._out.append(Greeted())
        self._out.extend(self.outbox.greeted(hello.store_id))
        self._out.extend(self.copies.greeted(hello.store_id, hello.epoch))
        if not self.doubtful:
            self.refusal = None
            self._tell_up()

    def _tell_up(self) -> None:
        if not self._told_up:
            self._told_up = True
            self._out.append(Emit(HaLinkUp(self.config.mate_name)))

    def _open(self, record: Record) -> bytes:
        if self._seals is None or self._inventory_due:
            raise _Refusal(Reason.OUT_OF_PLACE, "a record before the inventory that it answers")
        return self._seals.open_untrusted(record)

    def _settled(self, now: Moment) -> list[LinkEffect]:
        """Send what may leave, acknowledge what is durable, and hand the effects over."""
        if self.up and self._seals is not None:
            if self._inventory_due and self.copies.settled:
                self._inventory_due = False
                self._parts = self.copies.inventory()
            self._send_part(now)
            for record in self.outbox.to_send(self._seals.seal):
                self._send(record)
            number = self.copies.to_acknowledge()
            if number is not None:
                self._send(Ack(number))
            if self.state is LinkState.RESYNCHRONISING and self.outbox.caught_up:
                self._move(LinkStep.CATCH_UP)
                self._in_step_at, self.doubtful, self.refusal = now.instant, False, None
                self._tell_up()
                self._out.append(InStep(self.outbox.records))
                self._out.append(Emit(HaInStep(self.config.mate_name, self.outbox.records)))
        if self.outbox.caught_up:
            self.behind_since = None
        elif self.behind_since is None:
            self.behind_since = now.instant
        out, self._out = self._out, []
        return out

    def _send_part(self, now: Moment) -> None:
        """Send the next part of the inventory, and be due at once for the one behind it."""
        part = None if self._parts is None else next(self._parts, None)
        if part is not None:
            self._send(part)
        self._part_at = now.instant if part is not None and not part.last else None

    def _refuse(self, reason: Reason, text: str, now: Moment) -> None:
        """End the connection, and say why to both ends."""
        text = _printable(text)
        self._send(Refused(reason, text))
        self._note_refusal(reason, text, by_mate=False)
        self._close(LinkStep.REFUSE, f"refused: {reason}", now)

    def _refused_by_mate(self, message: Refused, now: Moment) -> None:
        self._note_refusal(message.reason, message.text, by_mate=True)
        self._close(LinkStep.REFUSE, f"refused by the mate: {message.reason}", now)

    def _note_refusal(self, reason: str, text: str, *, by_mate: bool) -> None:
        """Tell of a cause once, until it is gone."""
        refusal = (str(reason), text, by_mate)
        if refusal != self.refusal:
            self.refusal = refusal
            self._out.append(Emit(HaRefused(self.config.mate_name, str(reason), text, by_mate=by_mate)))

    def _close(self, step: LinkStep, reason: str, now: Moment) -> None:
        self._out.append(Close(reason))
        self._down(step, reason, now)

    def _down(self, step: LinkStep, reason: str, now: Moment) -> None:
        if step is LinkStep.LOSE or self.up:
            self._note_unsteady(now)
        self._move(step)
        self._in_step_at = None
        self._greet_until = self._beat_at = self._private = self._hello = self._seals = None
        self.mate_beat = None
        self._inventory_due, self._parts, self._part_at = False, None, None
        self.outbox.lost()
        if self._told_up:
            self._told_up = False
            self._out.append(Emit(HaLinkDown(self.config.mate_name, reason)))
        if self.behind_since is None:
            self.behind_since = now.instant

    def _note_unsteady(self, now: Moment) -> None:
        """Take note of whether a connection that is being lost had lasted: step L4."""
        since = self._in_step_at
        steady = since is not None and since + STEADY_AFTER <= now.instant
        self.unsteady = 0 if steady else self.unsteady + 1
        self.doubtful = self.doubtful or self.state is LinkState.RESYNCHRONISING

    def _move(self, step: LinkStep) -> None:
        self.state = LINK_EDGES[self.state, step]

    def _send(self, message: Message) -> None:
        self._out.append(Send(encode(message)))


def _uuid(of: bytes) -> str:
    """Return a UUID as it stands in the configuration."""
    return str(UUID(bytes=of))


def _printable(text: str) -> str:
    """Return a text that a REFUSED can carry; what the mate sent may be quoted in it."""
    return "".join(each if each.isprintable() else "?" for each in text)[:MAXIMUM_TEXT_CHARACTERS]
