"""The initiator's half of an exchange: K1 ask, K3 hold and confirm, K5 accept.

The only place where ephemeral secrets are is the request in flight; they are not stored, so a restart
makes a new request. A key that is *held* is stored, and nothing drops it but what settles it: a
KEY_ESTABLISHED, an authentic PROBE under it, a signed REFUSAL ``unknown-exchange``, or the ring summary
in a request that was made after the confirm.
"""

from __future__ import annotations

import hmac
from typing import NamedTuple, final

from peerkey.moment import Instant, Moment
from peerkey.protocol import schedule
from peerkey.protocol.constants import (
    IMMEDIATE_RETRIES,
    MAXIMUM_INDEX,
    MAXIMUM_INDEX_JUMP,
    NONCE_BYTES,
    Kind,
)
from peerkey.protocol.core import Core, Ignored
from peerkey.protocol.effects import Heard, SendAll
from peerkey.protocol.frame import Frame, decode_frame_untrusted
from peerkey.protocol.keyring import ACCEPTED, PeerKey
from peerkey.protocol.messages import (
    KeyConfirm,
    KeyEstablished,
    KeyRequest,
    KeyResponse,
    Reason,
    Refusal,
    SummaryEntry,
    decode_inner_untrusted,
)
from peerkey.protocol.phases import Phase, Progress, Step
from peerkey.protocol.rotation import Rotation
from peerkey.protocol.suites import Ephemeral, Shares


class Request(NamedTuple):
    """Our request in flight, with the only copy of its ephemeral secrets."""

    frame: Frame
    message: KeyRequest
    ephemeral: Ephemeral

    def stands_against(self, frame: Frame, message: KeyRequest) -> bool:
        """Tell whether this is the higher of two requests that crossed, by what stands in the two."""
        return (self.message.priority, self.frame.sender) > (message.priority, frame.sender)


@final
class Initiator:
    """What this side has asked for."""

    __slots__ = (
        "_confirm",
        "_core",
        "_established",
        "_progress",
        "_repeat_at",
        "_retries",
        "_rotation",
        "not_before",
        "request",
    )

    def __init__(self, core: Core, rotation: Rotation, progress: Progress) -> None:
        """Have nothing in flight."""
        self._core = core
        self._rotation = rotation
        self._progress = progress
        self._confirm: Frame | None = None
        self._repeat_at: Instant | None = None
        self._retries = 0
        #: Digest of the KEY_ESTABLISHED accepted last: its copies on other paths are acknowledged too.
        self._established = b""
        self.request: Request | None = None
        #: A refused request is not made again before this.
        self.not_before: Instant | None = None

    def start(self, now: Moment) -> None:
        """Go on confirming a key that was held when the node restarted."""
        if self._core.state.ring.held is not None:
            self._progress.phase = Phase.CONFIRMING
            self._confirm = decode_frame_untrusted(self._core.state.confirm)
            self._repeat_at = now.instant

    # --- time -----------------------------------------------------------------------------------

    def deadline(self) -> Instant | None:
        """Return when :meth:`tick` has something to do."""
        return self._repeat_at

    def tick(self, now: Moment) -> None:
        """Repeat what is in flight, the same bytes."""
        if self._repeat_at is None or self._repeat_at > now.instant:
            return
        self._repeat_at = now.instant + self._core.config.retransmit_interval
        self._retries = 0
        if self._confirm is not None:
            self._core.out.append(SendAll(self._confirm))
        elif self.request is not None:
            self._core.out.append(SendAll(self.request.frame))

    def abort(self) -> None:
        """Give a request up. A held key is not given up: the peer may have accepted it."""
        self._retries = 0
        self.not_before = None
        if self._progress.phase is Phase.REQUESTING:
            self._forget_request()

    def erased(self) -> None:
        """Forget everything: the ring is to be erased, with what is held."""
        self.request = self._confirm = self._repeat_at = None

    def withdraw(self) -> None:
        """Drop the request in flight, because the peer's own is answered in its place."""
        self.request = self._repeat_at = None

    def names_ours(self, digest: bytes) -> bool:
        """Tell whether a digest is of our request or confirm in flight."""
        return any(
            frame is not None and frame.digest == digest
            for frame in (self._confirm, self.request and self.request.frame)
        )

    # --- K1: ask ----------------------------------------------------------------------------------

    def begin(self, now: Moment) -> None:
        """Make a new request, with new ephemeral keys, and send it."""
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
        self.request = Request(frame, message, ephemeral)
        self._repeat_at = now.instant + core.config.retransmit_interval
        self.not_before = None
        self._progress.move(Step.REQUEST)
        core.store()
        core.out.append(SendAll(frame))

    # --- K3: hold and confirm ---------------------------------------------------------------------

    def response_received(self, path: str, frame: Frame, message: KeyResponse, now: Moment) -> None:
        """Verify a response to our request, hold the key and confirm it.

        Raises:
            Ignored, Malformed, BadSignature, BadMac, BadShare: where it changes nothing.

        """
        core, state = self._core, self._core.state
        held = state.ring.held
        if held is not None and frame.digest == held.response_digest and self._confirm is not None:
            core.acknowledge(path, frame)
            core.answer_again(path, self._confirm, now)
            return
        if any(key.response_digest == frame.digest for key in state.ring.accepted()):
            core.acknowledge(path, frame)
            raise Ignored("repeated-response")
        inner = decode_inner_untrusted(message.inner)
        request = self.request
        if request is None or not hmac.compare_digest(inner.request_digest, request.frame.digest):
            raise Ignored("unexpected-response")
        if not core.may_exchange:
            raise Ignored("no-certificate")
        if not core.buckets.right_echo.take(now.instant):
            raise Ignored("response-rate")
        core.verify(frame)
        asked = request.message
        if inner.sender_leaf != asked.receiver_leaf or inner.receiver_leaf != asked.sender_leaf:
            raise Ignored("other-certificate")
        ceiling = min(MAXIMUM_INDEX - MAXIMUM_INDEX_JUMP, state.highest_index + MAXIMUM_INDEX_JUMP)
        if not max(asked.proposed_index, state.ring.highest_index() + 1) <= inner.key_index <= ceiling:
            raise Ignored("index-jump")
        secret = request.ephemeral.finish(Shares(inner.dh_public, inner.kem_ciphertext))
        transcript = schedule.transcript(request.frame.digest, frame.sender, frame.receiver, message.inner)
        derived = schedule.derive(transcript, secret)
        schedule.verify_confirmation(derived, transcript, message.confirmation)
        key = PeerKey.derived(
            derived,
            index=inner.key_index,
            exchange=(request.frame.digest, frame.digest),
            leaves=(asked.sender_leaf, asked.receiver_leaf),
            algorithm=asked.algorithm,
            at=now.wall,
        )
        core.heard_summary(inner.summary, now)
        challenge = core.fresh_challenge()
        confirm = core.maced(
            Kind.KEY_CONFIRM,
            KeyConfirm(request.frame.digest, frame.digest, challenge),
            derived.confirm_initiator,
        )
        state.activate_at_once = state.ring.lacked_by(inner.summary)
        state.ring = state.ring.with_held(key)
        state.confirm = confirm.encode()
        state.challenge = challenge
        state.peer_challenge = inner.challenge
        state.highest_index = inner.key_index
        core.state.peer_holds = asked.sender_leaf
        self.request, self._confirm = None, confirm
        self._repeat_at = now.instant + core.config.retransmit_interval
        self._retries = 0
        self._progress.move(Step.COMPUTE)
        core.buckets.repeated_answer.take(now.instant)
        core.store()
        core.acknowledge(path, frame)
        core.out += (Heard(path), SendAll(confirm))

    def settle_by_summary(self, summary: tuple[SummaryEntry, ...], now: Moment) -> None:
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
        self._progress.move(Step.ABANDON)
        core.store()

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
        schedule.verify_mac(held.confirm_responder, frame.signed, frame.auth)
        self._established = frame.digest
        self.accepted_by_peer(now)
        core.acknowledge(path, frame)
        core.out.append(Heard(path))

    def accepted_by_peer(self, now: Moment) -> None:
        """Accept the held key, because an authentic frame has shown that the peer has."""
        self._core.state.confirm = b""
        self._confirm = self._repeat_at = None
        self._progress.wanted = False
        self._progress.move(Step.ACCEPT)
        self._rotation.accept(now)
        self._rotation.tell_accepted()

    # --- refusals ---------------------------------------------------------------------------------

    def refused_by_peer(self, refusal: Refusal, now: Moment) -> None:
        """React to an authentic REFUSAL of our request or confirm.

        Raises:
            Ignored: where it is of neither.

        """
        core, request = self._core, self.request
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
            self.begin(now)
            return
        self.not_before = now.instant + core.config.retransmit_interval
        self._retries = 0
        if refusal.reason not in {Reason.STALE, Reason.BUSY}:
            core.failed(refusal.reason, refusal.detail, "peer")

    def _forget_request(self) -> None:
        self.request = self._repeat_at = None
        self._progress.move(Step.ABANDON)
