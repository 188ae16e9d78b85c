"""What the three parts of a peering share: who is who, the stored state, the ports, and what leaves.

:class:`Core` is the desk that authentication, exchange and rotation work at. It knows how to sign,
MAC, refuse, store and tell; it decides nothing. A method that receives a frame returns normally when
the frame was dealt with, and raises :class:`Ignored` when it must leave no trace but a counter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol, final

from peerkey.errors import PeerFault
from peerkey.moment import Instant, Moment
from peerkey.observe.events import Event, PeerIdentityShared, PeeringFailed
from peerkey.pki.examination import Examination
from peerkey.pki.faults import Fault
from peerkey.protocol import schedule
from peerkey.protocol.constants import (
    CHALLENGE_BYTES,
    EXCHANGE_TIMEOUT_INTERVALS,
    EXCHANGE_TIMEOUT_MINIMUM,
    MAXIMUM_DETAIL_CHARACTERS,
    Kind,
)
from peerkey.protocol.effects import Count, Effect, Emit, SendOn, Store
from peerkey.protocol.frame import Frame
from peerkey.protocol.messages import LASTING, Ack, Message, Reason, Refusal, SummaryEntry, encode_body
from peerkey.protocol.rate import Bucket
from peerkey.protocol.state import PeeringState, encode_state
from peerkey.protocol.suites import Algorithm, KeyAgreement, Signer, Verifier
from peerkey.secret import Secret

#: Returns that many unpredictable bytes. The operating system's generator, or a seeded one in a simulation.
Entropy = Callable[[int], bytes]


#: Causes of failure that are remembered, so that each is told once.
_REMEMBERED_CAUSES: Final = 16
#: Lost keys that are remembered; two nodes of one identity take turns within as many rekeys.
_REMEMBERED_LOSSES: Final = 8
#: Behind a cause that was told in a frame without a proof.
_UNPROVED: Final = " (told without proof)"
#: Causes that somebody must remove before a key can be agreed: what is wrong with a certificate is one, too.
_LASTING: Final = frozenset({*Fault, *LASTING})


class Ignored(PeerFault):
    """A frame that changes nothing but the counter ``reason``."""

    def __init__(self, reason: str) -> None:
        """Name the counter."""
        super().__init__(reason)
        self.reason = reason


class Examiner(Protocol):
    """Judges a peer's certificate chain: ``peerkey.pki.examination.Examiner``, or a fake."""

    def examine(self, chain: tuple[bytes, ...], at: datetime) -> Examination:
        """Judge a chain (DER, leaf first) at a time; raise ``Malformed`` where it cannot be read."""
        ...


class Mate(Protocol):
    """Knows what the other node of an HA pair holds and does: ``peerkey.ha.view.RecordView``, or a fake."""

    def may_use(self, key_id: bytes) -> bool:
        """Tell whether a new key may be used as far as the mate is concerned.

        It may where the mate has it in its store, and where there is no link to the mate, so that waiting is
        for nothing. Asked from whichever thread a step runs on.
        """
        ...

    def may_rekey(self) -> bool:
        """Tell whether a rekey that an interval makes due may begin: the two nodes take turns.

        To ask is to want a turn. Without a link there is nobody to take turns with. Asked as above.
        """
        ...


@dataclass(frozen=True, slots=True)
class PeeringConfig:
    """What the configuration says about one peering."""

    #: UUIDs, 16 bytes each.
    local: bytes
    peer: bytes
    #: How events and tables name the peer: ``router/node``.
    peer_name: str
    algorithm: Algorithm
    retransmit_interval: timedelta
    timeout: timedelta
    #: ``None``: never.
    rekey_interval: timedelta | None
    local_priority: int = 0
    peer_priority: int = 0
    peer_validation: bool = False
    fail_hard: bool = False
    enabled: bool = True

    @property
    def preferred(self) -> bool:
        """Tell whether this side starts exchanges: "the higher (ml-kem-keygen-priority, UUID)"."""
        return (self.local_priority, self.local) > (self.peer_priority, self.peer)

    @property
    def exchange_timeout(self) -> timedelta:
        """How long an answered but unconfirmed key is kept."""
        return max(EXCHANGE_TIMEOUT_MINIMUM, EXCHANGE_TIMEOUT_INTERVALS * self.retransmit_interval)


@dataclass(frozen=True, slots=True)
class Identity:
    """This node's certificate and the key behind it."""

    #: DER, leaf first.
    chain: tuple[bytes, ...]
    #: SHA-256 of the leaf.
    fingerprint: bytes
    signer: Signer
    #: Signs announcements a second time while peers may have pinned the certificate before this one.
    previous_signer: Signer | None = None
    #: Why the certificate must not be used any more; empty while it may.
    fault: str = ""


class CertificateFault(NamedTuple):
    """What an alarm about a certificate says: ``expired``, ``revoked`` or ``invalid``, and why."""

    state: str
    detail: str


@dataclass(slots=True)
class Buckets:
    """One bucket for each class of work that a frame can ask for (protocol.md, D).

    A MAC over a short frame has none: checking it costs two microseconds, less than a datagram costs to
    read, and a bucket would only let forged frames use up what the peer's need.
    """

    right_echo: Bucket = field(default_factory=lambda: Bucket(16, timedelta(seconds=0.1)))
    wrong_echo: Bucket = field(default_factory=lambda: Bucket(4, timedelta(seconds=1)))
    known_certificate: Bucket = field(default_factory=lambda: Bucket(8, timedelta(seconds=0.5)))
    #: Reading a chain and one signature: what junk costs.
    unread_certificate: Bucket = field(default_factory=lambda: Bucket(64, timedelta(seconds=0.01)))
    #: Judging a chain whose holder has signed: with the right echo, and without.
    echoing_certificate: Bucket = field(default_factory=lambda: Bucket(8, timedelta(seconds=0.5)))
    unknown_certificate: Bucket = field(default_factory=lambda: Bucket(16, timedelta(seconds=0.05)))
    #: What an operator is told of strangers' certificates.
    refused_certificate_event: Bucket = field(default_factory=lambda: Bucket(4, timedelta(seconds=60)))
    refusals_received: Bucket = field(default_factory=lambda: Bucket(8, timedelta(seconds=1)))
    refusal: Bucket = field(default_factory=lambda: Bucket(1, timedelta(seconds=1)))
    stale_refusal: Bucket = field(default_factory=lambda: Bucket(1, timedelta(seconds=1)))
    unproved_refusal: Bucket = field(default_factory=lambda: Bucket(1, timedelta(seconds=1)))
    #: What an operator is told of two nodes of one identity, which may take turns for days.
    two_nodes: Bucket = field(default_factory=lambda: Bucket(1, timedelta(hours=1)))
    introduction: Bucket = field(default_factory=lambda: Bucket(1, timedelta(seconds=1)))
    repeated_answer: Bucket = field(default_factory=lambda: Bucket(1, timedelta(seconds=1)))


@final
@dataclass(slots=True)
class Core:
    """The shared desk of one peering."""

    config: PeeringConfig
    identity: Identity | None
    examiner: Examiner
    agreement: KeyAgreement
    entropy: Entropy
    state: PeeringState
    #: The epoch of this incarnation, from the store: part of every probe's nonce.
    epoch: int
    #: The other node of an HA pair; ``None`` where there is none.
    mate: Mate | None = None
    #: Verifies with the key of the peer's certificate that is in force.
    verifier: Verifier | None = None
    #: What was said last of the peer's certificate that was accepted last.
    examination: Examination | None = None
    #: What is wrong with the peer's certificate: it was accepted and went bad, or none is in force and the
    #: last one that was announced is refused.
    peer_fault: CertificateFault | None = None
    #: The challenge in our latest announcement; the current one is another as soon as that is spent.
    announced_challenge: bytes = b""
    buckets: Buckets = field(default_factory=Buckets)
    #: Ids of keys that the peer was heard to have lost, the latest of them.
    lost_by_peer: deque[bytes] = field(default_factory=lambda: deque(maxlen=_REMEMBERED_LOSSES))
    #: When the peer was last seen to be two: see :meth:`heard_summary`.
    two_seen: Instant | None = None
    out: list[Effect] = field(default_factory=list)
    _told: dict[str, str] = field(default_factory=dict)

    # --- leaving --------------------------------------------------------------------------------

    def take(self) -> list[Effect]:
        """Hand over what has gathered since the last call."""
        out, self.out = self.out, []
        return out

    def store(self) -> None:
        """Write the state as it is now; whatever is put out after this depends on it."""
        self.out.append(Store(encode_state(self.state)))

    def emit(self, event: Event) -> None:
        """Tell an operator."""
        self.out.append(Emit(event))

    def count(self, reason: str) -> None:
        """Count a frame that changed nothing."""
        self.out.append(Count(reason))

    def failed(self, reason: str, detail: str, told_by: str) -> None:
        """Tell why the peering is not keyed: once for each cause, until :meth:`succeeded`."""
        if told_by == "hint":
            # Nobody proved it, so it is told once, whatever else is claimed later.
            if "hint" in self._told:
                return
            self._told["hint"] = ""
            # What nobody proved may be so long that nothing fits behind it.
            said = detail[: MAXIMUM_DETAIL_CHARACTERS - len(_UNPROVED)] + _UNPROVED
        else:
            said = detail
        if self.note(reason, said):
            self.emit(
                PeeringFailed(self.config.peer_name, reason, detail[:MAXIMUM_DETAIL_CHARACTERS], told_by)
            )

    def mismatched(self, offered: str) -> None:
        """Tell that the two ends are configured for different algorithms, whoever finds it and wherever."""
        detail = f"the peer is configured for {offered}, this node for {self.config.algorithm.name}"
        self.failed(Reason.ALGORITHM_MISMATCH, detail, "local")

    def note(self, reason: str, detail: str) -> bool:
        """Remember a cause that another event tells; return whether it is news."""
        detail = detail[:MAXIMUM_DETAIL_CHARACTERS]
        news = self._told.pop(reason, None) != detail
        self._told[reason] = detail
        while len(self._told) > _REMEMBERED_CAUSES:
            del self._told[next(iter(self._told))]
        return news

    def succeeded(self) -> None:
        """Forget the causes that were told: should one come back, it is news again."""
        self._told.clear()

    @property
    def last_failure(self) -> str:
        """The latest cause that was told and has not been overcome."""
        return next((_said(reason, detail) for reason, detail in reversed(self._told.items())), "")

    @property
    def key_fault(self) -> tuple[str, str] | None:
        """Why no key can be agreed until somebody changes something: reason and detail.

        The latest such cause that was noticed here or proved by the peer. What is only claimed, and what
        passes by itself, is none.
        """
        causes = reversed(self._told.items())
        return next(
            (
                (reason, told)
                for reason, told in causes
                if reason in _LASTING and not told.endswith(_UNPROVED)
            ),
            None,
        )

    def algorithm_changed(self) -> None:
        """Forget that the two ends differ: whether they still do shows in the next exchange."""
        self._told.pop(Reason.ALGORITHM_MISMATCH, None)

    def heard_summary(self, summary: tuple[SummaryEntry, ...], now: Moment) -> None:
        """Look at what a peer says, freshly and with proof, that it can open.

        A key that it was heard to have lost does not come back to one and the same node: who has it is
        another one of the same identity, or the same one with a store of before.
        """
        if any(entry.key_id in self.lost_by_peer for entry in summary):
            self.two_seen = now.instant
            if self.buckets.two_nodes.take(now.instant):
                self.emit(PeerIdentityShared(self.config.peer_name))

    # --- making frames --------------------------------------------------------------------------

    def fresh_challenge(self) -> bytes:
        """Return a new challenge."""
        return self.entropy(CHALLENGE_BYTES)

    def frame(self, kind: Kind, message: Message) -> Frame:
        """Return a frame to the peer, without its proof."""
        return Frame(kind, self.config.local, self.config.peer, encode_body(message))

    def signed(self, kind: Kind, message: Message) -> Frame:
        """Return a frame signed with this node's key."""
        if self.identity is None:
            message_ = "nothing can be signed without a certificate"
            raise ValueError(message_)
        frame = self.frame(kind, message)
        return frame.with_auth(self.identity.signer.sign(frame.signed))

    def maced(self, kind: Kind, message: Message, key: Secret) -> Frame:
        """Return a frame MACed with one of a key's derived keys."""
        frame = self.frame(kind, message)
        return frame.with_auth(schedule.mac(key, frame.signed))

    def acknowledge(self, path: str, frame: Frame) -> None:
        """Hint that ``frame`` was accepted, on the path it came by."""
        self.out.append(SendOn(path, self.frame(Kind.ACK, Ack(frame.digest))))

    def answer_again(self, path: str, answer: Frame, now: Moment) -> None:
        """Repeat a stored answer, only where it was asked for again, at most once a second.

        The answer itself went out on every path, so that within its first second no copy of the question
        on another path asks for more.
        """
        if self.buckets.repeated_answer.take(now.instant):
            self.out.append(SendOn(path, answer))
        else:
            self.count("answer-rate")

    def refuse(
        self,
        path: str,
        frame: Frame,
        reason: Reason | str,
        detail: str,
        now: Moment,
        *,
        authentic: bool = True,
    ) -> None:
        """Answer ``frame`` with a REFUSAL that carries the current challenge.

        At most one a second, of which ``stale`` has its own second, and so has whatever proved nothing: a
        spoofer must not use up what the peer is to be told. "No reply is longer than its cause unless the
        cause was authentic": where the signature makes it longer, the refusal goes without, as a hint.
        """
        bucket = (
            self.buckets.unproved_refusal
            if not authentic
            else self.buckets.stale_refusal
            if reason is Reason.STALE
            else self.buckets.refusal
        )
        if self.identity is None or not bucket.take(now.instant):
            self.count("refusal-rate")
            return
        refusal = Refusal(frame.digest, str(reason), detail[:MAXIMUM_DETAIL_CHARACTERS], self.state.challenge)
        answer = self.signed(Kind.REFUSAL, refusal)
        if not authentic and len(answer.encode()) > len(frame.encode()):
            answer = answer.with_auth(b"")
            if len(answer.encode()) > len(frame.encode()):
                self.count("refusal-longer-than-cause")
                return
        self.out.append(SendOn(path, answer))

    # --- facts ----------------------------------------------------------------------------------

    @property
    def peer_in_force(self) -> bool:
        """Tell whether a certificate of the peer is in force, so that its signatures mean something."""
        return self.verifier is not None and self.state.peer is not None and self.state.peer.in_force

    @property
    def identity_usable(self) -> bool:
        """Tell whether this node may show its certificate: it has one that ``fail-hard`` does not forbid."""
        return self.identity is not None and not (self.identity.fault and self.config.fail_hard)

    @property
    def may_exchange(self) -> bool:
        """Tell whether requests are sent and answered at all."""
        return self.config.enabled and self.peer_in_force and self.identity_usable

    def verify(self, frame: Frame) -> None:
        """Check a signature of the peer.

        Raises:
            BadSignature: where it is not the peer's.
            Ignored: where there is no certificate to check it with.

        """
        if self.verifier is None:
            raise Ignored("no-certificate")
        self.verifier.verify(frame.auth, frame.signed)


def earliest(*instants: Instant | None) -> Instant | None:
    """Return the earliest of some deadlines, of which any may be absent."""
    first: Instant | None = None
    for instant in instants:
        if instant is not None and (first is None or instant < first):
            first = instant
    return first


def _said(reason: str, detail: str) -> str:
    """Put a reason before its detail, unless the detail begins with it, as those of certificates do."""
    return detail if detail.startswith(f"{reason}: ") else f"{reason}: {detail}"
