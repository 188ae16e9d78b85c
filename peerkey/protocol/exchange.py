"""Steps K1 to K5: agree one key.

The initiator asks, the responder answers, the initiator confirms, the responder establishes::

    initiator                                        responder
    IDLE                                             IDLE
      | KEY_REQUEST (public values, echo)   ------->   | verify, compute: the key is *pending*
    REQUESTING                                       RESPONDING
      | <-------   KEY_RESPONSE (public values, confirmation)
      | verify, compute: the key is *held*
    CONFIRMING
      | KEY_CONFIRM (MAC)                   ------->   | *accepted*: it can be opened by both
      |                                              IDLE
      | <-------   KEY_ESTABLISHED (MAC)
      | *accepted*
    IDLE

Requests, responses and confirms are repeated until an authentic frame presupposes their receipt, or their
exchange is over. A KEY_ESTABLISHED is repeated only in answer to a repeated confirm: the probes that follow
activation say the same. Whichever side gives up, the other gets to
know: a KEY_CONFIRM for a key that is no longer pending is refused as ``unknown-exchange``, and the
ring summary in every request and response says what its sender can open.

When two requests cross, both sides compare (priority, UUID) *in the two requests*; the higher stands.
"""

from __future__ import annotations

import hmac
from enum import Enum, auto
from typing import Final, NamedTuple, final

from peerkey.moment import Instant, Moment
from peerkey.protocol import schedule
from peerkey.protocol.constants import IMMEDIATE_RETRIES, MAXIMUM_INDEX, NONCE_BYTES, Kind
from peerkey.protocol.core import Core, Ignored, earliest
from peerkey.protocol.effects import Heard, SendAll, SendOn
from peerkey.protocol.frame import Frame, decode_frame_untrusted
from peerkey.protocol.keyring import ACCEPTED, PeerKey
from peerkey.protocol.messages import (
    KeyConfirm,
    KeyEstablished,
    KeyRequest,
    KeyResponse,
    Reason,
    Refusal,
    ResponseInner,
    SummaryEntry,
    decode_inner_untrusted,
    encode_body,
)
from peerkey.protocol.rotation import Rotation
from peerkey.protocol.state import DroppedKey
from peerkey.protocol.suites import Ephemeral, Shares


class Phase(Enum):
    """Where the exchange stands on this side."""

    IDLE = auto()
    REQUESTING = auto()
    RESPONDING = auto()
    CONFIRMING = auto()


class Step(Enum):
    """What moves an exchange on."""

    REQUEST = auto()  # we sent a request of our own
    ANSWER = auto()  # we answered a request: a key is pending
    COMPUTE = auto()  # we verified a response: a key is held
    ACCEPT = auto()  # the key became one of the ring's accepted keys
    ABANDON = auto()  # the exchange is over without a key


#: The machine. A step that has no edge here is a bug and raises ``KeyError``.
EDGES: Final = {
    (Phase.IDLE, Step.REQUEST): Phase.REQUESTING,
    (Phase.IDLE, Step.ANSWER): Phase.RESPONDING,
    (Phase.REQUESTING, Step.REQUEST): Phase.REQUESTING,
    (Phase.REQUESTING, Step.ANSWER): Phase.RESPONDING,
    (Phase.REQUESTING, Step.COMPUTE): Phase.CONFIRMING,
    (Phase.REQUESTING, Step.ABANDON): Phase.IDLE,
    (Phase.RESPONDING, Step.ANSWER): Phase.RESPONDING,
    (Phase.RESPONDING, Step.ACCEPT): Phase.IDLE,
    (Phase.RESPONDING, Step.ABANDON): Phase.IDLE,
    (Phase.CONFIRMING, Step.ACCEPT): Phase.IDLE,
    (Phase.CONFIRMING, Step.ABANDON): Phase.IDLE,
}

#: How far an index may jump ahead of everything seen: room for a store that was lost, none for exhaustion.
MAXIMUM_INDEX_JUMP: Final = 2**32


class _Request(NamedTuple):
    """Our request in flight: the only place where its ephemeral secrets are."""

    frame: Frame
    message: KeyRequest
    ephemeral: Ephemeral


@final
class Exchange:
    """The key agreement of one peering, one exchange at a time."""

    __slots__ = (
        "_confirm",
        "_core",
        "_established",
        "_needed_since",
        "_not_before",
        "_pending_until",
        "_repeat_at",
        "_request",
        "_retries",
        "_rotation",
        "_spent",
        "_wanted_now",
        "phase",
    )

    def __init__(self, core: Core, rotation: Rotation) -> None:
        """Take up what the stored state says: a pending or a held key survives a restart."""
        self._core = core
        self._rotation = rotation
        self._request: _Request | None = None
        self._confirm: Frame | None = None
        self._repeat_at: Instant | None = None
        self._pending_until: Instant | None = None
        self._not_before: Instant | None = None
        self._needed_since: Instant | None = None
        self._wanted_now = False
        self._retries = 0
        #: Digest of the KEY_ESTABLISHED accepted last: its copies on other paths are acknowledged too.
        self._established = b""
        #: Digest of the latest request that verified and was not answered.
        self._spent = b""
        self.phase = Phase.IDLE

    def start(self, now: Moment) -> None:
        """Go on with an exchange that a restart interrupted, each with a full new deadline."""
        ring = self._core.state.ring
        if ring.held is not None:
            self.phase = Phase.CONFIRMING
            self._confirm = decode_frame_untrusted(self._core.state.confirm)
            self._repeat_at = now.instant
        elif ring.pending is not None:
            self.phase = Phase.RESPONDING
            self._pending_until = now.instant + self._core.config.exchange_timeout
            self._repeat_at = now.instant

    # --- time -----------------------------------------------------------------------------------

    def want(self) -> None:
        """Ask for a new key as soon as that is possible: an operator's word, or keys known to be lost."""
        self._wanted_now = True

    def settle(self, now: Moment) -> None:
        """Notice since when a key is needed, so that the side that is not preferred can wait its turn."""
        if not self._needs_key():
            self._needed_since = None
        elif self._needed_since is None:
            self._needed_since = now.instant

    def deadline(self) -> Instant | None:
        """Return when :meth:`tick` has something to do."""
        return earliest(self._repeat_at, self._pending_until, self._request_due())

    def tick(self, now: Moment) -> None:
        """Repeat, give up or begin, as the time says."""
        core = self._core
        if self._pending_until is not None and self._pending_until <= now.instant:
            self._drop_pending()
        if self._repeat_at is not None and self._repeat_at <= now.instant:
            self._repeat_at = now.instant + core.config.retransmit_interval
            self._retries = 0
            if self._confirm is not None:
                core.out.append(SendAll(self._confirm))
            elif self._request is not None:
                core.out.append(SendAll(self._request.frame))
            else:
                core.out.append(SendAll(decode_frame_untrusted(core.state.response)))
        due = self._request_due()
        if due is not None and due <= now.instant:
            self._begin(now)

    def abort(self) -> None:
        """Give up an exchange that names a certificate or algorithm that is no longer in force.

        A held key is not given up: the peer may have accepted it.
        """
        self._retries = 0
        self._not_before = None
        if self.phase is Phase.RESPONDING:
            self._drop_pending()
        elif self.phase is Phase.REQUESTING:
            self._forget_request()

    def erased(self) -> None:
        """Forget the exchange: the ring is to be erased, with whatever is pending or held."""
        self._remember_pending()
        if self.phase is not Phase.IDLE:
            self._move(Step.ABANDON)
        self._request = self._confirm = self._repeat_at = self._pending_until = None

    # --- K1: ask ----------------------------------------------------------------------------------

    def _needs_key(self) -> bool:
        """Tell whether there is no key, or one that was agreed under what is no longer in force."""
        core = self._core
        peer, identity, current = core.state.peer, core.identity, core.state.ring.current
        if not core.may_exchange or peer is None or identity is None:
            return False
        return (
            current is None
            or current.peer_leaf != peer.fingerprint
            or current.local_leaf != identity.fingerprint
            or current.algorithm != core.config.algorithm.name
        )

    def _request_due(self) -> Instant | None:
        """Return when this side starts an exchange by itself."""
        core = self._core
        if self.phase is not Phase.IDLE or not core.may_exchange:
            return None
        ring = core.state.ring
        if ring.current is not None and self._rotation.busy:
            return None
        wait = not core.config.preferred
        if self._wanted_now:
            since: Instant | None = Instant(0)
            wait = False
        elif self._needed_since is not None:
            since = self._needed_since
            # "The other starts by itself after one retransmit interval without a request,
            # and at once when it has lost its keys."
            wait = wait and not (ring.current is None and core.state.key_changes > 0)
        else:
            since = self._rotation.rekey_at
        if since is None:
            return None
        if wait:
            since += core.config.retransmit_interval
        return since if self._not_before is None else max(since, self._not_before)

    def _begin(self, now: Moment) -> None:
        core, state = self._core, self._core.state
        identity, peer = core.identity, state.peer
        if identity is None or peer is None:
            return
        shares, ephemeral = core.agreement.offer()
        proposed = state.highest_index + 1
        message = KeyRequest(
            proposed,
            core.config.local_priority,
            core.config.algorithm.name,
            shares.dh,
            shares.kem,
            core.entropy(NONCE_BYTES),
            identity.fingerprint,
            peer.fingerprint,
            state.peer_challenge,
            state.ring.summary(),
        )
        frame = core.signed(Kind.KEY_REQUEST, message)
        state.highest_index = proposed
        state.request_digest = frame.digest
        self._request = _Request(frame, message, ephemeral)
        self._repeat_at = now.instant + core.config.retransmit_interval
        self._not_before = None
        self._move(Step.REQUEST)
        core.store()
        core.out.append(SendAll(frame))

    # --- K2: answer -------------------------------------------------------------------------------

    def request_received(self, path: str, frame: Frame, message: KeyRequest, now: Moment) -> None:
        """Answer a request, if it is fresh, the peer's, and it is our turn to answer.

        Raises:
            Ignored, BadSignature, BadShare: where it changes nothing.

        """
        core, state = self._core, self._core.state
        pending = state.ring.pending
        if pending is not None and frame.digest == pending.request_digest:
            core.acknowledge(path, frame)
            self._answer_again(path, decode_frame_untrusted(state.response), now)
            return
        if any(key.request_digest == frame.digest for key in state.ring.accepted()):
            core.acknowledge(path, frame)
            raise Ignored("repeated-request")
        if frame.digest == self._spent and not core.buckets.repeated_answer.take(now.instant):
            raise Ignored("repeated-request")
        if not core.may_exchange:
            raise Ignored("no-certificate")
        self._check_freshness(path, frame, message, now)
        core.verify(frame)
        self._check_agreement(path, frame, message, now)
        ours = self._request
        if ours is not None and self._stands(ours, frame, message):
            # The peer would have answered ours if it had it: an acknowledgement may have hushed the path.
            self._spend(path, frame, now)
            core.out.append(SendOn(path, ours.frame))
            raise Ignored("crossed-request")
        core.agreement.check_offer(Shares(message.dh_public, message.kem_public))
        if self.phase is Phase.CONFIRMING:
            self._settle_by_summary(message.summary, now)
        lacking = _lacks(message.summary, state.ring.current)
        if self._rotation.busy and not lacking:
            self._spend(path, frame, now)
            core.refuse(path, frame, Reason.BUSY, "a rekey is being completed", now)
            return
        self._answer(path, frame, message, now, lacking=lacking)

    def _check_freshness(self, path: str, frame: Frame, message: KeyRequest, now: Moment) -> None:
        """Compare the echo before anything dear is done, with a bucket for each outcome."""
        core = self._core
        if hmac.compare_digest(message.echo, core.state.challenge):
            if not core.buckets.right_echo.take(now.instant):
                raise Ignored("request-rate")
            return
        if core.buckets.wrong_echo.take(now.instant):
            # Whoever wants a longer answer than its request proves first who it is.
            core.verify(frame)
            core.refuse(path, frame, Reason.STALE, "ask again with this challenge", now)
        raise Ignored("stale-request")

    def _check_agreement(self, path: str, frame: Frame, message: KeyRequest, now: Moment) -> None:
        """Compare what the request names with what is in force: certificates, algorithm, index."""
        core, state = self._core, self._core.state
        identity, peer = core.identity, state.peer
        if identity is None or peer is None:
            raise Ignored("no-certificate")
        if message.sender_leaf != peer.fingerprint or message.receiver_leaf != identity.fingerprint:
            self._spend(path, frame, now)
            detail = "the request names another certificate than the one in force"
            core.refuse(path, frame, Reason.CERTIFICATE_CHANGED, detail, now)
            raise Ignored("other-certificate")
        core.peer_holds = identity.fingerprint
        if message.algorithm != core.config.algorithm.name:
            ours = core.config.algorithm.name
            self._spend(path, frame, now)
            core.mismatched(message.algorithm)
            told = f"the peer is configured for {ours}, this node for {message.algorithm}"
            core.refuse(path, frame, Reason.ALGORITHM_MISMATCH, told, now)
            raise Ignored("algorithm-mismatch")
        if not 0 < message.proposed_index <= min(MAXIMUM_INDEX - 1, state.highest_index + MAXIMUM_INDEX_JUMP):
            raise Ignored("index-jump")

    def _spend(self, path: str, frame: Frame, now: Moment) -> None:
        """Change the challenge, because an authentic request has used it: a replay of that is stale.

        Copies of the request that come by other paths within its first second say nothing new.
        """
        core = self._core
        core.state.challenge = core.fresh_challenge()
        self._spent = frame.digest
        core.buckets.repeated_answer.take(now.instant)
        core.store()
        core.out.append(Heard(path))

    @staticmethod
    def _stands(ours: _Request, frame: Frame, message: KeyRequest) -> bool:
        """Tell whether our request in flight is the higher of two that crossed."""
        return (ours.message.priority, ours.frame.sender) > (message.priority, frame.sender)

    def _answer(self, path: str, frame: Frame, message: KeyRequest, now: Moment, *, lacking: bool) -> None:
        core, state, peer = self._core, self._core.state, self._core.state.peer
        identity = core.identity
        if identity is None or peer is None:
            raise Ignored("no-certificate")
        shares, secret = core.agreement.answer(Shares(message.dh_public, message.kem_public))
        seen = max(state.highest_index, *(entry.key_index for entry in message.summary), 0)
        index = message.proposed_index if message.proposed_index > seen else seen + 1
        challenge = core.fresh_challenge()
        unaccepted = state.ring.without_unaccepted()
        inner = encode_body(
            ResponseInner(
                frame.digest,
                index,
                shares.dh,
                shares.kem,
                core.entropy(NONCE_BYTES),
                identity.fingerprint,
                peer.fingerprint,
                challenge,
                unaccepted.summary(),
            ),
        )
        transcript = schedule.transcript(frame.digest, core.config.local, core.config.peer, inner)
        derived = schedule.derive(transcript, secret)
        confirmation = schedule.confirmation(derived, transcript)
        response = core.signed(Kind.KEY_RESPONSE, KeyResponse(inner, confirmation))
        key = PeerKey(
            index,
            derived.key_id,
            derived.peer_key,
            derived.confirm_initiator,
            derived.confirm_responder,
            derived.probe,
            frame.digest,
            response.digest,
            identity.fingerprint,
            peer.fingerprint,
            message.algorithm,
            now.wall,
        )
        state.ring = unaccepted.with_pending(key)
        state.response = response.encode()
        state.challenge = challenge
        state.highest_index = index
        state.activate_at_once = lacking
        self._request = None
        self._repeat_at = now.instant + core.config.retransmit_interval
        self._wanted_now = False
        self._pending_until = now.instant + core.config.exchange_timeout
        self._move(Step.ANSWER)
        core.buckets.repeated_answer.take(now.instant)
        core.store()
        core.acknowledge(path, frame)
        core.out += (Heard(path), SendAll(response))

    def _answer_again(self, path: str, answer: Frame, now: Moment) -> None:
        """Repeat a stored answer, only where it was asked for again, at most once a second.

        The answer itself went out on every path, so that within its first second no copy of the question
        on another path asks for more.
        """
        if self._core.buckets.repeated_answer.take(now.instant):
            self._core.out.append(SendOn(path, answer))
        else:
            self._core.count("answer-rate")

    def _drop_pending(self) -> None:
        core = self._core
        self._remember_pending()
        core.state.ring = core.state.ring.without_unaccepted()
        core.state.response = b""
        self._pending_until = self._repeat_at = None
        self._move(Step.ABANDON)
        core.store()

    def _remember_pending(self) -> None:
        """Keep of a pending key that is given up what tells its initiator's KEY_CONFIRM from a forged one."""
        state = self._core.state
        if state.ring.pending is not None:
            key = state.ring.pending
            state.dropped = DroppedKey(key.request_digest, key.response_digest, key.confirm_initiator)

    # --- K3: confirm ------------------------------------------------------------------------------

    def response_received(self, path: str, frame: Frame, message: KeyResponse, now: Moment) -> None:
        """Verify a response to our request, hold the key and confirm it.

        Raises:
            Ignored, Malformed, BadSignature, BadMac, BadShare: where it changes nothing.

        """
        core, state = self._core, self._core.state
        held = state.ring.held
        if held is not None and frame.digest == held.response_digest and self._confirm is not None:
            core.acknowledge(path, frame)
            self._answer_again(path, self._confirm, now)
            return
        if any(key.response_digest == frame.digest for key in state.ring.accepted()):
            core.acknowledge(path, frame)
            raise Ignored("repeated-response")
        inner = decode_inner_untrusted(message.inner)
        request = self._request
        if request is None or not hmac.compare_digest(inner.request_digest, request.frame.digest):
            raise Ignored("unexpected-response")
        if not core.buckets.right_echo.take(now.instant):
            raise Ignored("response-rate")
        core.verify(frame)
        asked = request.message
        if inner.sender_leaf != asked.receiver_leaf or inner.receiver_leaf != asked.sender_leaf:
            raise Ignored("other-certificate")
        ceiling = min(MAXIMUM_INDEX - 1, state.highest_index + MAXIMUM_INDEX_JUMP)
        if not max(asked.proposed_index, state.ring.highest_index() + 1) <= inner.key_index <= ceiling:
            raise Ignored("index-jump")
        secret = request.ephemeral.finish(Shares(inner.dh_public, inner.kem_ciphertext))
        transcript = schedule.transcript(request.frame.digest, frame.sender, frame.receiver, message.inner)
        derived = schedule.derive(transcript, secret)
        schedule.verify_confirmation(derived, transcript, message.confirmation)
        key = PeerKey(
            inner.key_index,
            derived.key_id,
            derived.peer_key,
            derived.confirm_initiator,
            derived.confirm_responder,
            derived.probe,
            request.frame.digest,
            frame.digest,
            asked.sender_leaf,
            asked.receiver_leaf,
            asked.algorithm,
            now.wall,
        )
        challenge = core.fresh_challenge()
        confirm = core.maced(
            Kind.KEY_CONFIRM,
            KeyConfirm(request.frame.digest, frame.digest, challenge),
            derived.confirm_initiator,
        )
        state.activate_at_once = _lacks(inner.summary, state.ring.current)
        state.ring = state.ring.with_held(key)
        state.confirm = confirm.encode()
        state.challenge = challenge
        state.peer_challenge = inner.challenge
        state.highest_index = inner.key_index
        core.peer_holds = asked.sender_leaf
        self._request, self._confirm = None, confirm
        self._repeat_at = now.instant + core.config.retransmit_interval
        self._retries = 0
        self._move(Step.COMPUTE)
        core.buckets.repeated_answer.take(now.instant)
        core.store()
        core.acknowledge(path, frame)
        core.out += (Heard(path), SendAll(confirm))

    def _settle_by_summary(self, summary: tuple[SummaryEntry, ...], now: Moment) -> None:
        """Settle a held key by what the peer says it can open, in a request made after our KEY_CONFIRM.

        That it was made after is certain: its echo is the challenge that the confirm, or a later frame,
        carried.
        """
        held = self._core.state.ring.held
        if held is None:
            return
        entry = next((entry for entry in summary if held.named_by(entry)), None)
        if entry is None:
            self._drop_held()
        elif entry.role in ACCEPTED:
            self.accepted_by_peer(now)
        else:
            raise Ignored("request-while-pending")

    def _drop_held(self) -> None:
        core = self._core
        core.state.ring = core.state.ring.without_unaccepted()
        core.state.confirm = b""
        self._confirm = self._repeat_at = None
        self._move(Step.ABANDON)
        core.store()

    # --- K4: establish ----------------------------------------------------------------------------

    def confirm_received(self, path: str, frame: Frame, message: KeyConfirm, now: Moment) -> None:
        """Accept the pending key that the confirm names, or say again that it was accepted.

        Raises:
            Ignored, BadMac: where nothing is known of the exchange, or the peer did not write it.

        """
        core, state = self._core, self._core.state
        named = (message.request_digest, message.response_digest)
        key = next((key for _, key in state.ring if (key.request_digest, key.response_digest) == named), None)
        if key is None or key is state.ring.held:
            self._refuse_unknown(path, frame, named, now)
            raise Ignored("unknown-exchange")
        if not core.buckets.mac.take(now.instant):
            raise Ignored("mac-rate")
        schedule.verify_mac(key.confirm_initiator, frame.signed, frame.auth)
        established = core.maced(Kind.KEY_ESTABLISHED, KeyEstablished(frame.digest), key.confirm_responder)
        if key is not state.ring.pending:
            core.acknowledge(path, frame)
            self._answer_again(path, established, now)
            return
        state.peer_challenge = message.challenge
        state.response = b""
        self._pending_until = self._repeat_at = None
        core.buckets.repeated_answer.take(now.instant)
        self._move(Step.ACCEPT)
        self._rotation.accept(now)
        core.acknowledge(path, frame)
        core.out += (Heard(path), SendAll(established))
        self._rotation.tell_accepted()

    def _refuse_unknown(self, path: str, frame: Frame, named: tuple[bytes, bytes], now: Moment) -> None:
        """Tell the initiator that its key is gone here; with a signature where the confirm is its own."""
        core, dropped = self._core, self._core.state.dropped
        if not core.may_exchange:
            return
        authentic = dropped is not None and (dropped.request_digest, dropped.response_digest) == named
        if dropped is not None and authentic:
            if not core.buckets.mac.take(now.instant):
                raise Ignored("mac-rate")
            schedule.verify_mac(dropped.confirm_initiator, frame.signed, frame.auth)
        detail = "the key was not confirmed in time, or the exchange was replaced"
        core.refuse(path, frame, Reason.UNKNOWN_EXCHANGE, detail, now, authentic=authentic)

    # --- K5: accept -------------------------------------------------------------------------------

    def established_received(self, path: str, frame: Frame, message: KeyEstablished, now: Moment) -> None:
        """Accept the held key: the peer has.

        Raises:
            Ignored, BadMac: where it is not the answer to our confirm.

        """
        core, held = self._core, self._core.state.ring.held
        if frame.digest == self._established:
            core.acknowledge(path, frame)
            raise Ignored("repeated-established")
        if held is None or self._confirm is None or message.confirm_digest != self._confirm.digest:
            raise Ignored("unexpected-established")
        if not core.buckets.mac.take(now.instant):
            raise Ignored("mac-rate")
        schedule.verify_mac(held.confirm_responder, frame.signed, frame.auth)
        self._established = frame.digest
        self.accepted_by_peer(now)
        core.acknowledge(path, frame)
        core.out.append(Heard(path))

    def accepted_by_peer(self, now: Moment) -> None:
        """Accept the held key, because an authentic frame has shown that the peer has."""
        self._core.state.confirm = b""
        self._confirm = self._repeat_at = None
        self._wanted_now = False
        self._move(Step.ACCEPT)
        self._rotation.accept(now)
        self._rotation.tell_accepted()

    # --- refusals ---------------------------------------------------------------------------------

    def refused_by_peer(self, refusal: Refusal, now: Moment) -> None:
        """React to an authentic REFUSAL of our request or confirm.

        Raises:
            Ignored: where it is of neither.

        """
        core, request = self._core, self._request
        if self._confirm is not None and refusal.digest == self._confirm.digest:
            if refusal.reason != Reason.UNKNOWN_EXCHANGE:
                raise Ignored("unexpected-refusal")
            core.state.peer_challenge = refusal.challenge
            self._drop_held()
            return
        if request is None or refusal.digest != request.frame.digest:
            raise Ignored("unexpected-refusal")
        core.state.peer_challenge = refusal.challenge
        retries = self._retries
        self._forget_request()
        if refusal.reason == Reason.STALE and retries < IMMEDIATE_RETRIES:
            self._retries = retries + 1
            self._begin(now)
            return
        self._not_before = now.instant + core.config.retransmit_interval
        self._retries = 0
        if refusal.reason not in {Reason.STALE, Reason.BUSY}:
            core.failed(refusal.reason, refusal.detail, "peer")

    def names_ours(self, digest: bytes) -> bool:
        """Tell whether a digest is of our request or confirm in flight."""
        return (self._request is not None and digest == self._request.frame.digest) or (
            self._confirm is not None and digest == self._confirm.digest
        )

    def _forget_request(self) -> None:
        self._request = self._repeat_at = None
        self._move(Step.ABANDON)

    def _move(self, step: Step) -> None:
        self.phase = EDGES[self.phase, step]


def _lacks(summary: tuple[SummaryEntry, ...], key: PeerKey | None) -> bool:
    """Tell whether a peer's summary shows that it cannot open with ``key``."""
    return key is not None and not any(key.named_by(entry) for entry in summary)
