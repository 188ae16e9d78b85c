"""One peer path: announce, retransmit, give up, recover.

The path knows datagrams, segments and silence. It holds no key and decides nothing about keys: the
peering tells it what to announce (:meth:`Path.announce`), which key is in use (:meth:`Path.usable`)
and which frames to send, and the path tells the peering what came by.

    "If there is no response after the time defined by peer-key-timeout, the peer path is declared
    invalid and removed from service. Once the peer is taken out of service due to key timeout, it
    will continue to send rekey attempts at the peer-key-timeout intervals, or upon interface state
    change."

*Response* means an authentic frame that came by this very path. A path that expects one and has a key
asks for it with PROBE, so that an answer that went by another path is not mistaken for silence here.

A transmission is the segments of one frame under one frame id, sent up to three times until the
frame is acknowledged. An ACK proves nothing, so it never ends repetition: it spaces it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, auto
from typing import Final, final

from peerkey.errors import Malformed
from peerkey.moment import Instant
from peerkey.observe.events import PathInService, PathOutOfService, PeeringFailed
from peerkey.protocol.constants import (
    ACKNOWLEDGED,
    COPY_TIMES,
    DEFAULT_SEGMENT_BYTES,
    MAXIMUM_TRANSMISSIONS,
    NEVER_REFUSED,
    OUTSTANDING_PROBES,
    PACE_BURST,
    PACE_PAUSE,
    PROBE_MISSES,
    PROTOCOL_VERSION,
    Kind,
)
from peerkey.protocol.core import Ignored, earliest
from peerkey.protocol.effects import Count, Datagram, Deliver, Emit, PathEffect, Service, WantProbe
from peerkey.protocol.frame import Frame, decode_frame_untrusted
from peerkey.protocol.messages import Ack, Reason, Refusal, decode_body_untrusted, encode_body
from peerkey.protocol.rate import Bucket
from peerkey.protocol.segments import (
    FRAME_ID_BYTES,
    HEADER_BYTES,
    ForeignSegment,
    Reassembly,
    cut,
    read_datagram_untrusted,
)


class PathState(Enum):
    """Whether a path carries traffic, and if not, what it does about it."""

    DISABLED = auto()  # key management is off: nothing is sent or answered
    DOWN = auto()  # the local interface is down
    WAITING = auto()  # out of service, trying every retransmit interval
    IN_SERVICE = auto()
    INVALID = auto()  # out of service after a time-out, trying every peer-key-timeout


class PathStep(Enum):
    """What moves a path from one state to another."""

    ENABLE = auto()
    DISABLE = auto()
    INTERFACE_DOWN = auto()
    INTERFACE_UP = auto()
    PROBE_ANSWERED = auto()
    SILENCE = auto()  # peer-key-timeout without an authentic answer
    PROBES_MISSED = auto()  # periodic probing went unanswered
    KEY_LOST = auto()
    HEARD = auto()  # an authentic frame arrived


_UP: Final = (PathState.WAITING, PathState.IN_SERVICE, PathState.INVALID)

#: The machine. A step without an edge leaves the state as it is.
PATH_EDGES: Final = {
    (PathState.DISABLED, PathStep.ENABLE): PathState.WAITING,
    (PathState.DOWN, PathStep.INTERFACE_UP): PathState.WAITING,
    (PathState.WAITING, PathStep.PROBE_ANSWERED): PathState.IN_SERVICE,
    (PathState.WAITING, PathStep.SILENCE): PathState.INVALID,
    (PathState.IN_SERVICE, PathStep.SILENCE): PathState.INVALID,
    (PathState.IN_SERVICE, PathStep.PROBES_MISSED): PathState.WAITING,
    (PathState.IN_SERVICE, PathStep.KEY_LOST): PathState.WAITING,
    (PathState.INVALID, PathStep.HEARD): PathState.WAITING,
    **{(state, PathStep.INTERFACE_DOWN): PathState.DOWN for state in _UP},
    **{(state, PathStep.DISABLE): PathState.DISABLED for state in (*_UP, PathState.DOWN)},
}

#: Kinds after which something authentic should come back.
_EXPECT_ANSWER: Final = frozenset(
    {Kind.CERTIFICATE, Kind.KEY_REQUEST, Kind.KEY_RESPONSE, Kind.KEY_CONFIRM, Kind.PROBE}
)
#: Kinds whose segments are repeated until they are acknowledged or, for a probe, answered.
_REPEATED: Final = ACKNOWLEDGED | {Kind.PROBE}

_REMEMBERED_ACKS: Final = 32


@dataclass(frozen=True, slots=True)
class PathConfig:
    """What the configuration says about one path."""

    name: str
    peer_name: str
    #: UUIDs, 16 bytes each.
    local: bytes
    peer: bytes
    retransmit_interval: timedelta
    timeout: timedelta
    #: ``None``: no periodic probing.
    probe_interval: timedelta | None = None
    #: The largest datagram that crosses the path whole.
    datagram_bytes: int = DEFAULT_SEGMENT_BYTES
    enabled: bool = True


@dataclass(slots=True)
class _Transmission:
    segments: tuple[bytes, ...]
    started: Instant
    next_at: Instant
    copies: int
    copy: int = 0
    position: int = 0


@dataclass(slots=True)
class _Told:
    """Causes that were told, each once until the path has heard something authentic."""

    causes: set[str] = field(default_factory=set)

    def news(self, cause: str) -> bool:
        if cause in self.causes:
            return False
        self.causes.add(cause)
        return True


@final
class Path:
    """The machine of one path."""

    def __init__(self, config: PathConfig, entropy: Callable[[int], bytes]) -> None:
        """Build it; nothing leaves before :meth:`start`. ``entropy`` gives frame ids."""
        self._config = config
        self._entropy = entropy
        self._out: list[PathEffect] = []
        self._reassembly = Reassembly()
        self._transmissions: dict[bytes, _Transmission] = {}
        self._acked: dict[bytes, Instant] = {}
        self._announcement: Frame | None = None
        self._announce_at: Instant | None = None
        self._index: int | None = None
        self._probing = False
        self._probe_at: Instant | None = None
        self._outstanding: dict[bytes, bytes] = {}
        self._misses = 0
        self._waiting_since: Instant | None = None
        self._retry_at: Instant | None = None
        self._gate_until: Instant | None = None
        self._hints = Bucket(2, timedelta(seconds=1))
        self._told = _Told()
        self._interface_up = True
        self.state = PathState.WAITING if config.enabled else PathState.DISABLED

    # --- what the peering says ----------------------------------------------------------------------

    def announce(self, frame: Frame | None, now: Instant) -> list[PathEffect]:
        """Repeat this CERTIFICATE from now on, or none."""
        self._announcement = frame
        self._announce_at = None if frame is None else now
        return self.tick(now)

    def usable(self, index: int | None, *, probing: bool, now: Instant) -> list[PathEffect]:
        """Take note of the key in use (``None``: none), and whether the peer's is still to be asked for."""
        before, self._index, self._probing = self._index, index, probing
        if index is None:
            self._probe_at = None
            self._outstanding.clear()
            # A farewell is worded like the one before it, and acknowledging that one says nothing of this.
            self._acked.clear()
            self._leave(PathStep.KEY_LOST, "the peering has no key", now)
        elif index != before or (probing and self._probe_at is None):
            self._probe_at = now
        return self.tick(now)

    def send(self, frame: Frame, now: Instant) -> list[PathEffect]:
        """Send a frame that the peering sends on every path, unless it was acknowledged lately."""
        # The peering's timers and the path's come due together: a rest that ends now must not swallow this.
        self._give_up_or_try(now)
        if self._acked.get(frame.digest, now) <= now:
            self._transmit(frame, now)
        return self.tick(now)

    def answer(self, frame: Frame, now: Instant) -> list[PathEffect]:
        """Send a frame in answer to one that came by this path: whoever asks again has not got it."""
        self._transmit(frame, now, answering=True)
        return self.tick(now)

    def send_probe(self, frame: Frame, nonce: bytes, now: Instant) -> list[PathEffect]:
        """Send a PROBE that was asked for by :class:`~peerkey.protocol.effects.WantProbe`."""
        while len(self._outstanding) >= OUTSTANDING_PROBES:
            oldest = next(iter(self._outstanding))
            self._transmissions.pop(self._outstanding.pop(oldest), None)
        self._outstanding[nonce] = frame.digest
        self._transmit(frame, now)
        return self.tick(now)

    def heard(self, now: Instant) -> list[PathEffect]:
        """Take note that an authentic frame came by this path."""
        self._waiting_since = None
        self._misses = 0
        self._told = _Told()
        if self.state is PathState.INVALID:
            self._move(PathStep.HEARD)
            self._try_at_once(now)
        return self.tick(now)

    def probe_answered(self, nonce: bytes, index: int, now: Instant) -> list[PathEffect]:
        """Take note of an authentic PROBE_REPLY; one that is not waited for is no sign of life."""
        digest = self._outstanding.pop(nonce, None)
        if digest is None:
            return [Count("late-probe-reply")]
        self._transmissions.pop(digest, None)
        out = self.heard(now)
        if index == self._index and self.state is PathState.WAITING:
            self._move(PathStep.PROBE_ANSWERED)
            self._out += (
                Service(in_service=True, reason="a probe was answered"),
                Emit(PathInService(self._config.peer_name, self._config.name)),
            )
        self._schedule_probe(now)
        return out + self.tick(now)

    # --- what the world says ------------------------------------------------------------------------

    def interface(self, now: Instant, *, up: bool) -> list[PathEffect]:
        """Take note that the local interface went up or down; "or upon interface state change"."""
        self._interface_up = up
        if up and self.state is PathState.DOWN:
            self._move(PathStep.INTERFACE_UP)
            self._waiting_since = None
            self._try_at_once(now)
        elif not up:
            self._leave(PathStep.INTERFACE_DOWN, "the interface is down", now)
            self._forget()
        return self.tick(now)

    def configured(self, config: PathConfig, now: Instant) -> list[PathEffect]:
        """Take up a changed configuration."""
        self._config = config
        if not config.enabled:
            self._leave(PathStep.DISABLE, "key management is disabled", now)
            self._forget()
        elif self.state is PathState.DISABLED:
            self._move(PathStep.ENABLE)
            self._try_at_once(now)
            if not self._interface_up:
                self._move(PathStep.INTERFACE_DOWN)
        return self.tick(now)

    def datagram_received(self, data: bytes, now: Instant) -> list[PathEffect]:
        """Take one datagram that came from the peer's configured address."""
        if self.state is PathState.DISABLED:
            return [Count("disabled")]
        try:
            segment = read_datagram_untrusted(data)
            if isinstance(segment, ForeignSegment):
                self._foreign(segment, len(data) - HEADER_BYTES, now)
            else:
                encoded = self._reassembly.add(segment, now)
                if encoded is not None:
                    self._frame_received(decode_frame_untrusted(encoded), now)
        except Malformed:
            self._out.append(Count("malformed"))
        except Ignored as ignored:
            self._out.append(Count(ignored.reason))
        return self.tick(now)

    # --- time -----------------------------------------------------------------------------------

    def deadline(self) -> Instant | None:
        """Return when :meth:`tick` has something to do."""
        if self.state in {PathState.DISABLED, PathState.DOWN}:
            return None
        silence = None if self._waiting_since is None else self._waiting_since + self._config.timeout
        return earliest(
            self._reassembly.deadline(),
            min((sending.next_at for sending in self._transmissions.values()), default=None),
            *(
                (
                    self._retry_at,
                    *((self._announce_at, self._probe_at) if self._gate_until is not None else ()),
                )
                if self.state is PathState.INVALID
                else (self._announce_at, self._probe_at, silence)
            ),
        )

    def tick(self, now: Instant) -> list[PathEffect]:
        """Do what is due, and hand over what has gathered."""
        if self.state not in {PathState.DISABLED, PathState.DOWN}:
            self._reassembly.expire(now)
            self._give_up_or_try(now)
            if self._may_try(now):
                self._announce_if_due(now)
                self._probe_if_due(now)
            self._send_segments(now)
        out, self._out = self._out, []
        return out

    def _give_up_or_try(self, now: Instant) -> None:
        config = self._config
        if self.state in {PathState.DISABLED, PathState.DOWN}:
            return
        if self.state is PathState.INVALID:
            if self._gate_until is not None and self._gate_until <= now:
                self._gate_until = None
            if self._retry_at is not None and self._retry_at <= now:
                self._retry_at = now + config.timeout
                self._gate_until = now + config.retransmit_interval
                self._acked.clear()
                self._announce_at = now if self._announcement is not None else None
                self._probe_at = now if self._index is not None else None
        elif self._waiting_since is not None and self._waiting_since + config.timeout <= now:
            seconds = int(config.timeout.total_seconds())
            self._leave(PathStep.SILENCE, f"no authentic answer for {seconds} s", now)
            self._waiting_since = None
            self._gate_until = None
            self._retry_at = now + config.timeout

    def _may_try(self, now: Instant) -> bool:
        """Tell whether anything may be sent now: an invalid path tries for a moment, then rests."""
        if self.state is PathState.INVALID:
            return self._gate_until is not None and now < self._gate_until
        return self.state in {PathState.WAITING, PathState.IN_SERVICE}

    def _announce_if_due(self, now: Instant) -> None:
        if self._announcement is not None and self._announce_at is not None and self._announce_at <= now:
            self._announce_at = now + self._config.retransmit_interval
            if self._acked.get(self._announcement.digest, now) <= now:
                self._transmit(self._announcement, now)

    def _probe_if_due(self, now: Instant) -> None:
        if self._index is None or self._probe_at is None or self._probe_at > now:
            return
        if self.state is PathState.IN_SERVICE and self._config.probe_interval is not None:
            self._misses += 1 if self._waiting_since is not None else 0
            if self._misses >= PROBE_MISSES:
                self._leave(PathStep.PROBES_MISSED, f"{self._misses} probes went unanswered", now)
        self._out.append(WantProbe())
        self._schedule_probe(now)

    def _schedule_probe(self, now: Instant) -> None:
        """Decide when to ask again: soon while something is to be found out, seldom or never otherwise."""
        config = self._config
        if self._index is None:
            self._probe_at = None
        elif self.state is not PathState.IN_SERVICE or self._probing or self._waiting_since is not None:
            self._probe_at = now + config.retransmit_interval
        else:
            self._probe_at = None if config.probe_interval is None else now + config.probe_interval

    def _try_at_once(self, now: Instant) -> None:
        self._retry_at = self._gate_until = None
        self._announce_at = now if self._announcement is not None else None
        self._probe_at = now if self._index is not None else None

    # --- sending ----------------------------------------------------------------------------------

    def _transmit(self, frame: Frame, now: Instant, *, answering: bool = False) -> None:
        """Begin a transmission, unless it is under way already, or the path rests and nobody has asked."""
        repeated = frame.kind in _REPEATED
        if not self._may_try(now) and not (answering and self.state is PathState.INVALID):
            return
        if frame.digest in self._transmissions:
            return
        frame_id = self._entropy(FRAME_ID_BYTES)
        segments = cut(
            frame.encode(), frame_id, self._config.datagram_bytes, never_answer=frame.kind in NEVER_REFUSED
        )
        while len(self._transmissions) >= MAXIMUM_TRANSMISSIONS:
            del self._transmissions[next(iter(self._transmissions))]
        copies = len(COPY_TIMES) if repeated else 1
        self._transmissions[frame.digest] = _Transmission(segments, now, now, copies)
        if frame.kind in _EXPECT_ANSWER and self._waiting_since is None:
            self._waiting_since = now
            if self.state is PathState.IN_SERVICE and self._probe_at is None and self._index is not None:
                self._probe_at = now + self._config.retransmit_interval

    def _send_segments(self, now: Instant) -> None:
        for digest, sending in list(self._transmissions.items()):
            while sending.next_at <= now:
                burst = sending.segments[sending.position : sending.position + PACE_BURST]
                self._out += map(Datagram, burst)
                sending.position += len(burst)
                if sending.position < len(sending.segments):
                    sending.next_at = now + PACE_PAUSE
                    continue
                sending.copy, sending.position = sending.copy + 1, 0
                if sending.copy >= sending.copies:
                    del self._transmissions[digest]
                    break
                sending.next_at = sending.started + COPY_TIMES[sending.copy]

    # --- receiving --------------------------------------------------------------------------------

    def _frame_received(self, frame: Frame, now: Instant) -> None:
        config = self._config
        if frame.sender != config.peer or frame.receiver != config.local:
            self._misaddressed(frame, now)
        if frame.kind == Kind.ACK:
            self._acknowledged(frame, now)
        elif frame.kind == Kind.REFUSAL and not frame.auth:
            self._hinted(frame)
        else:
            self._out.append(Deliver(frame))

    def _acknowledged(self, frame: Frame, now: Instant) -> None:
        """Space the next copy of the acknowledged frame: nothing more, because an ACK proves nothing."""
        message = decode_body_untrusted(frame)
        if not isinstance(message, Ack) or self._transmissions.pop(message.digest, None) is None:
            raise Ignored("unexpected-ack")
        until = now + self._config.timeout
        self._acked = {digest: at for digest, at in self._acked.items() if at > now}
        while len(self._acked) >= _REMEMBERED_ACKS:
            del self._acked[next(iter(self._acked))]
        self._acked[message.digest] = until
        if self._announcement is not None and self._announcement.digest == message.digest:
            self._announce_at = until

    def _hinted(self, frame: Frame) -> None:
        """Tell of a refusal that nobody signed; do nothing else about it."""
        message = decode_body_untrusted(frame)
        known = {*self._transmissions, *self._acked}
        if self._announcement is not None:
            known.add(self._announcement.digest)
        if not isinstance(message, Refusal) or (
            message.digest not in known
            and not (message.reason == Reason.UNSUPPORTED_VERSION and not message.digest)
        ):
            raise Ignored("unexpected-refusal")
        self._fail(message.reason, message.detail, "hint")

    def _misaddressed(self, frame: Frame, now: Instant) -> None:
        """Refuse a frame of another node, or for another node, at the configured address.

        Raises:
            Ignored: always.

        """
        config = self._config
        sender_is_wrong = frame.sender != config.peer
        reason = Reason.WRONG_SENDER if sender_is_wrong else Reason.WRONG_RECEIVER
        found, expected = (frame.sender, config.peer) if sender_is_wrong else (frame.receiver, config.local)
        detail = f"this node expected {expected.hex()} and found {found.hex()}"
        self._fail(reason, detail, "local")
        if frame.kind not in NEVER_REFUSED and self._hints.take(now):
            self._hint(frame.sender, Refusal(frame.digest, reason, detail, b""), len(frame.encode()), now)
        raise Ignored(reason)

    def _foreign(self, segment: ForeignSegment, length: int, now: Instant) -> None:
        """Say, once a second at most, that a version is not understood.

        Raises:
            Ignored: always.

        """
        detail = f"sent in version {segment.version}, this node speaks version {PROTOCOL_VERSION}"
        self._fail(Reason.UNSUPPORTED_VERSION, detail, "local", segment.version)
        if segment.answerable and segment.first and self._hints.take(now):
            self._hint(self._config.peer, Refusal(b"", Reason.UNSUPPORTED_VERSION, detail, b""), length, now)
        raise Ignored(Reason.UNSUPPORTED_VERSION)

    def _hint(self, receiver: bytes, refusal: Refusal, longest: int, now: Instant) -> None:
        """Refuse without a signature: "no reply is longer than its cause unless the cause was authentic"."""
        hint = Frame(Kind.REFUSAL, self._config.local, receiver, encode_body(refusal))
        if len(hint.encode()) > longest:
            self._out.append(Count("refusal-longer-than-cause"))
        else:
            self._transmit(hint, now, answering=True)

    def _fail(self, reason: str, detail: str, told_by: str, peer_version: int | None = None) -> None:
        # What nobody proved may say anything: it is told once for each reason that is known here.
        if self._told.news(f"{told_by} {reason if reason in set(Reason) else 'other'}"):
            own = None if peer_version is None else PROTOCOL_VERSION
            self._out.append(
                Emit(PeeringFailed(self._config.peer_name, reason, detail, told_by, peer_version, own))
            )

    # --- states -----------------------------------------------------------------------------------

    def _forget(self) -> None:
        """Forget what was under way: a path that cannot speak waits for nothing."""
        self._transmissions.clear()
        self._outstanding.clear()
        self._acked.clear()
        self._waiting_since = None
        self._misses = 0

    def _move(self, step: PathStep) -> bool:
        after = PATH_EDGES.get((self.state, step))
        if after is None:
            return False
        self.state = after
        return True

    def _leave(self, step: PathStep, reason: str, now: Instant) -> None:
        """Take the path out of service, or note why it does not even try."""
        before = self.state
        if not self._move(step):
            return
        if self.state is PathState.WAITING:
            self._try_at_once(now)
        if before is PathState.IN_SERVICE:
            self._out.append(Service(in_service=False, reason=reason))
        self._out.append(Emit(PathOutOfService(self._config.peer_name, self._config.name, reason)))
