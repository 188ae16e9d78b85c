"""The responder's half of an exchange: K2 answer, K4 establish.

From cheap to dear: is the request known already, is its echo fresh, is there rate left; then the
signature; then what it names; then, last, the key agreement. A request that verifies spends the
challenge that it echoed, whatever becomes of it.

A key that was answered is *pending* until its KEY_CONFIRM. When it is given up, enough is kept of it to
tell its initiator so, with proof and to proof.
"""

from __future__ import annotations

import hmac
from typing import assert_never, final

from peerkey.moment import Instant, Moment
from peerkey.protocol import schedule
from peerkey.protocol.constants import MAXIMUM_INDEX, MAXIMUM_INDEX_JUMP, NONCE_BYTES, Kind
from peerkey.protocol.core import Core, Ignored, earliest
from peerkey.protocol.effects import Heard, SendAll, SendOn
from peerkey.protocol.frame import Frame, decode_frame_untrusted
from peerkey.protocol.initiator import Initiator
from peerkey.protocol.keyring import PeerKey
from peerkey.protocol.messages import (
    KeyConfirm,
    KeyEstablished,
    KeyRequest,
    KeyResponse,
    Reason,
    ResponseInner,
    encode_body,
)
from peerkey.protocol.phases import Phase, Progress, Step
from peerkey.protocol.rotation import Rotation
from peerkey.protocol.state import DroppedKey
from peerkey.protocol.suites import Shares


@final
class Responder:
    """What this side has been asked for."""

    __slots__ = ("_core", "_initiator", "_pending_until", "_progress", "_repeat_at", "_rotation", "_spent")

    def __init__(self, core: Core, rotation: Rotation, progress: Progress, initiator: Initiator) -> None:
        """Have answered nothing."""
        self._core = core
        self._rotation = rotation
        self._progress = progress
        self._initiator = initiator
        self._pending_until: Instant | None = None
        self._repeat_at: Instant | None = None
        #: Digest of the latest request that verified and was not answered.
        self._spent = b""

    def start(self, now: Moment) -> None:
        """Go on waiting for the confirm of a key that was pending when the node restarted."""
        if self._core.state.ring.pending is not None:
            self._progress.phase = Phase.RESPONDING
            self._pending_until = now.instant + self._core.config.exchange_timeout
            self._repeat_at = now.instant

    # --- time -----------------------------------------------------------------------------------

    def deadline(self) -> Instant | None:
        """Return when :meth:`tick` has something to do."""
        return earliest(self._repeat_at, self._pending_until)

    def tick(self, now: Moment) -> None:
        """Repeat the answer, or give the key up that nobody confirmed."""
        if self._pending_until is not None and self._pending_until <= now.instant:
            self._drop_pending()
        elif self._repeat_at is not None and self._repeat_at <= now.instant:
            self._repeat_at = now.instant + self._core.config.retransmit_interval
            self._core.out.append(SendAll(decode_frame_untrusted(self._core.state.response)))

    def abort(self) -> None:
        """Give a pending key up."""
        if self._progress.phase is Phase.RESPONDING:
            self._drop_pending()

    def erased(self) -> None:
        """Forget the pending key: the ring is to be erased."""
        self._remember_pending()
        self._pending_until = self._repeat_at = None

    # --- what may be dear --------------------------------------------------------------------------

    def signs(self, frame: Frame, message: KeyRequest | KeyConfirm, now: Moment) -> bool:
        """Tell whether receiving ``message`` may get as far as a signature of ours.

        Whoever proves nothing may use up a bucket, and with it this.
        """
        core, buckets = self._core, self._core.buckets
        if not core.may_exchange:
            return False
        match message:
            case KeyRequest():
                if any(key.request_digest == frame.digest for _, key in core.state.ring):
                    return False
                if frame.digest == self._spent and not buckets.repeated_answer.holds(now.instant):
                    return False
                fresh = hmac.compare_digest(message.echo, core.state.challenge)
                return (buckets.right_echo if fresh else buckets.wrong_echo).holds(now.instant)
            case KeyConfirm():
                named, ring = (message.request_digest, message.response_digest), core.state.ring
                ours = {(key.request_digest, key.response_digest) for _, key in ring if key is not ring.held}
                if named in ours:
                    return False
                dropped = core.state.dropped is not None and core.state.dropped.names == named
                return (buckets.refusal if dropped else buckets.unproved_refusal).holds(now.instant)
            case unreachable:
                assert_never(unreachable)

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
            core.answer_again(path, decode_frame_untrusted(state.response), now)
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
        core.heard_summary(message.summary, now)
        ours = self._initiator.request
        if ours is not None and ours.stands_against(frame, message):
            # The peer would have answered ours if it had it: an acknowledgement may have hushed the path.
            self._spend(path, frame, now)
            core.out.append(SendOn(path, ours.frame))
            raise Ignored("crossed-request")
        core.agreement.check_offer(Shares(message.dh_public, message.kem_public))
        if self._progress.phase is Phase.CONFIRMING:
            self._initiator.settle_by_summary(message.summary, now)
        lacking = state.ring.lacked_by(message.summary)
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
        core.state.peer_holds = identity.fingerprint
        if message.algorithm != core.config.algorithm.name:
            ours = core.config.algorithm.name
            self._spend(path, frame, now)
            core.mismatched(message.algorithm)
            told = f"the peer is configured for {ours}, this node for {message.algorithm}"
            core.refuse(path, frame, Reason.ALGORITHM_MISMATCH, told, now)
            raise Ignored("algorithm-mismatch")
        claimed = max(message.proposed_index, *(entry.key_index for entry in message.summary), 0)
        ceiling = min(MAXIMUM_INDEX - MAXIMUM_INDEX_JUMP, state.highest_index + MAXIMUM_INDEX_JUMP)
        if not message.proposed_index or claimed > ceiling:
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

    def _answer(self, path: str, frame: Frame, message: KeyRequest, now: Moment, *, lacking: bool) -> None:
        core, state, peer = self._core, self._core.state, self._core.state.peer
        identity = core.identity
        if identity is None or peer is None:
            raise Ignored("no-certificate")
        shares, secret = core.agreement.answer(Shares(message.dh_public, message.kem_public))
        seen = max(state.highest_index, *(entry.key_index for entry in message.summary), 0)
        index = message.proposed_index if message.proposed_index > seen else seen + 1
        challenge = core.fresh_challenge()
        self._remember_pending()
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
        key = PeerKey.derived(
            derived,
            index=index,
            exchange=(frame.digest, response.digest),
            leaves=(identity.fingerprint, peer.fingerprint),
            algorithm=message.algorithm,
            at=now.wall,
        )
        state.ring = unaccepted.with_pending(key)
        state.response = response.encode()
        state.challenge = challenge
        state.highest_index = index
        state.activate_at_once = lacking
        self._initiator.withdraw()
        self._repeat_at = now.instant + core.config.retransmit_interval
        self._progress.wanted = False
        self._pending_until = now.instant + core.config.exchange_timeout
        self._progress.move(Step.ANSWER)
        core.buckets.repeated_answer.take(now.instant)
        core.store()
        core.acknowledge(path, frame)
        core.out += (Heard(path), SendAll(response))

    def _drop_pending(self) -> None:
        core = self._core
        self._remember_pending()
        core.state.ring = core.state.ring.without_unaccepted()
        core.state.response = b""
        self._pending_until = self._repeat_at = None
        self._progress.move(Step.ABANDON)
        core.store()

    def _remember_pending(self) -> None:
        """Keep of a pending key that is given up what tells its initiator's KEY_CONFIRM from a forged one."""
        state = self._core.state
        if state.ring.pending is not None:
            key = state.ring.pending
            state.dropped = DroppedKey(key.request_digest, key.response_digest, key.confirm_initiator)

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
        schedule.verify_mac(key.confirm_initiator, frame.signed, frame.auth)
        established = core.maced(Kind.KEY_ESTABLISHED, KeyEstablished(frame.digest), key.confirm_responder)
        if key is not state.ring.pending:
            core.acknowledge(path, frame)
            core.answer_again(path, established, now)
            return
        state.peer_challenge = message.challenge
        state.response = b""
        self._pending_until = self._repeat_at = None
        core.buckets.repeated_answer.take(now.instant)
        self._progress.move(Step.ACCEPT)
        self._rotation.accept(now)
        core.acknowledge(path, frame)
        core.out += (Heard(path), SendAll(established))
        self._rotation.tell_accepted()

    def _refuse_unknown(self, path: str, frame: Frame, named: tuple[bytes, bytes], now: Moment) -> None:
        """Tell the initiator that its key is gone here; with a signature where the confirm is its own."""
        core, dropped = self._core, self._core.state.dropped
        if not core.may_exchange:
            return
        authentic = dropped is not None and dropped.names == named
        if dropped is not None and authentic:
            schedule.verify_mac(dropped.confirm_initiator, frame.signed, frame.auth)
        detail = "the key was not confirmed in time, or the exchange was replaced"
        core.refuse(path, frame, Reason.UNKNOWN_EXCHANGE, detail, now, authentic=authentic)
