"""One peering: two nodes, one key for all their paths.

:class:`Peering` is made of three parts that each decide one thing: :class:`Authentication` (whose
certificates are in force), :class:`Exchange` (agree a key) and :class:`Rotation` (use it, replace it,
erase it). This module gives each frame to the part it concerns, and carries what happens in one part
to the others.

To drive it: call :meth:`Peering.start` once, :meth:`Peering.receive` for every frame that a path
delivers, :meth:`Peering.tick` when :meth:`Peering.deadline` has come, and the other methods when what
they name has happened. Each returns the effects to carry out, in order. A frame that proves nothing
changes nothing: what comes back is a :class:`~peerkey.protocol.effects.Count`.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from typing import assert_never

from peerkey.errors import Malformed
from peerkey.moment import Instant, Moment
from peerkey.observe.events import PeeringRemoved
from peerkey.pki.examination import Examination
from peerkey.protocol import messages, schedule
from peerkey.protocol.authentication import Authentication
from peerkey.protocol.constants import MAXIMUM_NAME_CHARACTERS, TWO_NODES_TOLD_FOR, Kind
from peerkey.protocol.core import (
    CertificateFault,
    Core,
    Entropy,
    Examiner,
    Identity,
    Ignored,
    Mate,
    PeeringConfig,
    earliest,
)
from peerkey.protocol.effects import Effect, Heard, SendAll
from peerkey.protocol.exchange import Exchange
from peerkey.protocol.frame import Frame
from peerkey.protocol.keyring import KeyRing
from peerkey.protocol.messages import Refusal, Role, decode_body_untrusted, decode_inner_untrusted
from peerkey.protocol.phases import Phase
from peerkey.protocol.rotation import Rotation
from peerkey.protocol.state import PeeringState, encode_state
from peerkey.protocol.suites import BadShare, BadSignature, KeyAgreement, verifier_for


@dataclass(frozen=True, slots=True)
class PeeringStatus:
    """What an operator is shown of one peering. No secret is in it."""

    peer: str
    #: One of ``ESKM_DISABLED``, ``CERT_EXCH_INIT``, ``CERT_EXCH_COMP``, ``KEY_EXCH_INIT``,
    #: ``MKEY_EXCH_COMP``, ``REMOVED``.
    security_status: str
    algorithm: str
    #: Index and key id of the keys, by role.
    keys: tuple[tuple[str, int, str], ...]
    key_index: int | None
    peer_seals_with: int
    certificate_received: bool
    certificate_acknowledged: bool
    key_received: bool
    key_acknowledged: bool
    key_changes: int
    last_rekey: str | None
    next_rekey_seconds: float | None
    last_error: str
    peer_certificate_fault: str
    #: The certificates that the peer announced last and that were accepted, leaf first, in DER.
    peer_chain: tuple[bytes, ...] = ()


class Peering:
    """The machine of one peering."""

    def __init__(
        self,
        config: PeeringConfig,
        *,
        identity: Identity | None,
        examiner: Examiner,
        agreement: KeyAgreement,
        entropy: Entropy,
        epoch: int,
        state: PeeringState | None = None,
        mate: Mate | None = None,
    ) -> None:
        """Build the machine on a stored state, or on a new one.

        ``epoch`` is the store's number of this activation: greater than that of any before it. With a
        ``mate`` a successor waits until that holds it (protocol.md, K6).
        """
        self._core = Core(
            config,
            identity,
            examiner,
            agreement,
            entropy,
            state if state is not None else PeeringState(announcement_number=0, challenge=entropy(32)),
            epoch,
            mate,
        )
        self._remembers = state is not None
        self._authentication = Authentication(self._core)
        self._rotation = Rotation(self._core)
        self._exchange = Exchange(self._core, self._rotation)

    # --- being driven -----------------------------------------------------------------------------

    def start(self, now: Moment) -> list[Effect]:
        """Begin, or go on after a restart."""
        core, state = self._core, self._core.state
        if not self._remembers:
            # The first challenge may leave in a REFUSAL before anything else is stored.
            core.store()
        if state.peer is not None:
            examination = core.examination = core.examiner.examine(state.peer.chain, now.wall)
            core.verifier = verifier_for(examination.public_key) if state.peer.in_force else None
        # Before anything is said of a key: one that fail-hard forbids must not be used even for a moment.
        self._judge(now)
        self._rotation.start(now)
        self._exchange.start(now)
        return self._settled(now)

    def receive(self, path: str, frame: Frame, now: Moment) -> list[Effect]:
        """Deal with one frame that came by ``path`` from the peer's configured address."""
        core = self._core
        try:
            if not core.config.enabled:
                raise Ignored("disabled")
            if frame.sender != core.config.peer or frame.receiver != core.config.local:
                raise Ignored("not-this-peering")
            self._dispatch(path, frame, now)
        except Ignored as ignored:
            core.count(ignored.reason)
        except Malformed:
            core.count("malformed")
        except BadSignature:
            core.count("bad-signature")
        except schedule.BadMac:
            core.count("bad-mac")
        except BadShare:
            core.count("bad-share")
        return self._settled(now)

    def tick(self, now: Moment) -> list[Effect]:
        """Do what is due."""
        if self._core.config.enabled:
            self._rotation.tick(now)
            self._authentication.tick(now)
            self._exchange.tick(now)
        return self._settled(now)

    def deadline(self) -> Instant | None:
        """Return when :meth:`tick` has something to do."""
        if not self._core.config.enabled:
            return None
        return earliest(self._rotation.deadline(), self._authentication.deadline(), self._exchange.deadline())

    def path_started(self) -> list[Effect]:
        """Return what a path that has just started should know: what to announce, and the key in use."""
        return [self._authentication.showing(), self._rotation.usable()]

    def probe(self, path: str, now: Moment) -> list[Effect]:
        """Send a PROBE on one path."""
        self._rotation.probe(path)
        return self._settled(now)

    def rekey(self, now: Moment) -> list[Effect]:
        """Agree a new key as soon as the last rekey is complete."""
        self._exchange.want()
        return self._settled(now)

    def leave(self, reason: str, now: Moment) -> list[Effect]:
        """Say farewell: remove the peering, and do nothing more until it is configured again.

        The peer erases its keys too and tries anew, for as long as that may take.
        """
        if self._core.state.ring:
            self._remove(reason, "farewell")
        self._core.config = replace(self._core.config, enabled=False)
        return self._settled(now)

    # --- what may change while it runs ---------------------------------------------------------------

    def trust_changed(self, now: Moment) -> list[Effect]:
        """Judge again: trust, revocation lists or the day have changed."""
        return self._look_again(now)

    def examiner_changed(self, examiner: Examiner, now: Moment) -> list[Effect]:
        """Judge again, by another examiner."""
        self._core.examiner = examiner
        return self._look_again(now)

    def identity_changed(self, identity: Identity | None, now: Moment) -> list[Effect]:
        """Take up this node's new certificate, or the news that the one in use is not good any more.

        "A replaced certificate restarts C and then K"; the key in use stays until its successor is accepted.
        """
        self._take_identity(identity)
        return self._look_again(now)

    def configured(self, config: PeeringConfig, agreement: KeyAgreement, now: Moment) -> list[Effect]:
        """Take up a changed configuration. Another algorithm restarts K only."""
        return self.reconfigured(config, agreement, self._core.identity, self._core.examiner, now)

    def reconfigured(
        self,
        config: PeeringConfig,
        agreement: KeyAgreement,
        identity: Identity | None,
        examiner: Examiner,
        now: Moment,
    ) -> list[Effect]:
        """Take up everything that a reload may have changed, then look once.

        Nothing is judged in between: a reload that validates peers and softens what follows must not
        remove a peering by the old rule.
        """
        core = self._core
        before = core.config
        self._take_identity(identity)
        core.config, core.agreement, core.examiner = config, agreement, examiner
        if before.algorithm != config.algorithm:
            self._exchange.abort()
            core.algorithm_changed()
        if before.rekey_interval != config.rekey_interval or before.preferred != config.preferred:
            self._rotation.schedule_rekey(now)
        self._judge(now)
        if before.enabled != config.enabled:
            core.out.append(self._rotation.usable())
        return self._settled(now)

    def _take_identity(self, identity: Identity | None) -> None:
        """Show another certificate from now on. An exchange that names the one before is given up."""
        before, self._core.identity = self._core.identity, identity
        if before is None or identity is None or before.fingerprint != identity.fingerprint:
            self._exchange.abort()

    def release_pin(self, now: Moment) -> list[Effect]:
        """Forget the pinned certificate at an operator's word: the next one that is announced is taken."""
        core = self._core
        core.state.peer = core.verifier = core.examination = None
        self._exchange.abort()
        core.store()
        self._authentication.ask()
        return self._settled(now)

    # --- looking at it --------------------------------------------------------------------------------

    @property
    def ring(self) -> KeyRing:
        """The keys, for the data plane of this process."""
        return self._core.state.ring

    @property
    def record(self) -> bytes:
        """What a ``Store`` of this moment would write. It holds keys in the clear."""
        return encode_state(self._core.state)

    @property
    def phase(self) -> Phase:
        """Where the exchange stands."""
        return self._exchange.phase

    @property
    def config(self) -> PeeringConfig:
        """What the machine is configured for."""
        return self._core.config

    @property
    def peer_chain(self) -> tuple[bytes, ...]:
        """The peer's certificate that was accepted last, DER, leaf first; empty where there is none."""
        peer = self._core.state.peer
        return () if peer is None else peer.chain

    @property
    def examination(self) -> Examination | None:
        """What was said last of that certificate: another object as soon as it was judged anew."""
        return self._core.examination

    @property
    def peer_fault(self) -> CertificateFault | None:
        """What is wrong with the peer's certificate: accepted and gone bad, or refused; ``None``: nothing."""
        return self._core.peer_fault

    @property
    def key_fault(self) -> tuple[str, str] | None:
        """Why there is no key, and will be none before somebody changes something; see ``Core.key_fault``."""
        return None if self._core.state.ring.current is not None else self._core.key_fault

    @property
    def laborious(self) -> bool:
        """Whether a signature of ours, or a key agreement, is expected to cost more than a millisecond.

        Then every step that may come to either belongs off the loop: :meth:`start`, :meth:`tick`, and
        whatever :meth:`heavy` says.
        """
        identity = self._core.identity
        return self._core.agreement.heavy or (
            identity is not None
            and (
                identity.signer.heavy
                or (identity.previous_signer is not None and identity.previous_signer.heavy)
            )
        )

    def heavy(self, frame: Frame, now: Moment) -> bool:
        """Tell whether receiving ``frame`` may cost more than a millisecond, so that it belongs off the loop.

        That is so where a certificate would be read, and, where these are dear, where it may come to a
        signature of ours or to the key agreement. Junk does so within its rates and no more.
        """
        try:
            match decode_body_untrusted(frame):
                case messages.Certificate() as message:
                    return self._authentication.reads(frame, message, now)
                case messages.KeyRequest() | messages.KeyConfirm() as question:
                    return self.laborious and self._exchange.responder.signs(frame, question, now)
                case messages.KeyResponse() as response:
                    return self.laborious and self._exchange.initiator.names_ours(
                        decode_inner_untrusted(response.inner).request_digest
                    )
                case messages.Refusal() as refusal:
                    return (
                        self.laborious
                        and (
                            self._of_announcement(refusal)
                            or self._exchange.initiator.names_ours(refusal.digest)
                        )
                        and self._core.buckets.refusals_received.holds(now.instant)
                    )
                case _:
                    return False
        except Malformed:
            return False

    def two_nodes(self, now: Moment) -> bool:
        """Tell whether two nodes were seen lately that both have the peer's identity."""
        seen = self._core.two_seen
        return seen is not None and now.instant - seen < TWO_NODES_TOLD_FOR

    def status(self, now: Moment) -> PeeringStatus:
        """Return what an operator is shown."""
        core, state = self._core, self._core.state
        current = state.ring.current
        newest = state.ring.next or current
        rekey_at = self._rotation.rekey_at
        return PeeringStatus(
            peer=core.config.peer_name,
            security_status=self._security_status(),
            algorithm=core.config.algorithm.name,
            keys=tuple((role.value, key.index, key.key_id.hex()) for role, key in state.ring),
            key_index=None if current is None else current.index,
            peer_seals_with=state.peer_seals_with,
            certificate_received=core.peer_in_force,
            certificate_acknowledged=core.identity is not None
            and core.state.peer_holds == core.identity.fingerprint,
            key_received=any(True for _ in state.ring),
            key_acknowledged=current is not None,
            key_changes=state.key_changes,
            last_rekey=None if newest is None else newest.computed_at.isoformat(),
            next_rekey_seconds=None
            if rekey_at is None
            else max(0.0, (rekey_at - now.instant).total_seconds()),
            last_error=core.last_failure,
            peer_certificate_fault="" if core.peer_fault is None else core.peer_fault.detail,
            peer_chain=() if state.peer is None else state.peer.chain,
        )

    def _security_status(self) -> str:
        core = self._core
        if not core.config.enabled:
            return "ESKM_DISABLED"
        if core.state.ring.current is not None:
            return "MKEY_EXCH_COMP"
        if core.state.removed:
            return "REMOVED"
        if not core.peer_in_force:
            return "CERT_EXCH_INIT"
        return "CERT_EXCH_COMP" if self._exchange.phase is Phase.IDLE else "KEY_EXCH_INIT"

    # --- inside ---------------------------------------------------------------------------------------

    def _dispatch(self, path: str, frame: Frame, now: Moment) -> None:
        match decode_body_untrusted(frame):
            case messages.Certificate() as message:
                if self._authentication.received(path, frame, message, now):
                    self._exchange.abort()
            case messages.KeyRequest() as message:
                self._exchange.responder.request_received(path, frame, message, now)
            case messages.KeyResponse() as message:
                self._exchange.initiator.response_received(path, frame, message, now)
            case messages.KeyConfirm() as message:
                self._exchange.responder.confirm_received(path, frame, message, now)
            case messages.KeyEstablished() as message:
                self._exchange.initiator.established_received(path, frame, message, now)
            case messages.Refusal() as message:
                self._refusal_received(path, frame, message, now)
            case messages.Probe() as message:
                self._probe_received(path, frame, message, now)
            case messages.PeeringRemoved() as message:
                self._removed_by_peer(path, frame, message)
            case messages.Ack():
                raise Ignored("ack-is-for-paths")
            case unreachable:
                assert_never(unreachable)

    def _probe_received(self, path: str, frame: Frame, message: messages.Probe, now: Moment) -> None:
        if frame.kind == Kind.PROBE_REPLY:
            self._rotation.reply_received(path, frame, message, now)
            return
        if self._rotation.probe_received(path, frame, message, now):
            self._exchange.initiator.accepted_by_peer(now)
            self._rotation.probe_received(path, frame, message, now)

    def _refusal_received(self, path: str, frame: Frame, message: Refusal, now: Moment) -> None:
        """Act on a refusal that is signed by the peer and names a frame in flight; tell of any other hint."""
        core, of_announcement = self._core, self._of_announcement(message)
        if not of_announcement and not self._exchange.initiator.names_ours(message.digest):
            raise Ignored("unexpected-refusal")
        if not core.buckets.refusals_received.take(now.instant):
            raise Ignored("refusal-rate")
        if not frame.auth or core.verifier is None:
            core.failed(message.reason, message.detail, "hint")
            return
        core.verify(frame)
        core.out.append(Heard(path))
        if of_announcement:
            self._authentication.refused_by_peer(message, now)
        else:
            self._exchange.initiator.refused_by_peer(message, now)

    def _of_announcement(self, refusal: Refusal) -> bool:
        announcement = self._authentication.announcement
        return announcement is not None and refusal.digest == announcement.digest

    def _look_again(self, now: Moment) -> list[Effect]:
        """Judge both certificates again, and settle what follows."""
        self._judge(now)
        return self._settled(now)

    def _judge(self, now: Moment) -> None:
        """Judge both certificates; act on what has gone bad as ``fail-soft`` and ``fail-hard`` say."""
        core, state = self._core, self._core.state
        if not core.config.enabled:
            return
        if self._authentication.judge_again(now):
            self._exchange.abort()
        bad = self._authentication.fault_in_force(now)
        if bad is not None and core.config.fail_hard and core.peer_in_force:
            state.peer, core.verifier = state.peer and state.peer.put_in_force(in_force=False), None
            self._remove(bad.verdict.explain())
        identity = core.identity
        if identity is not None and identity.fault and core.config.fail_hard:
            # A request in flight has no key yet, and must not get one either.
            self._exchange.abort()
            if state.ring:
                self._remove(f"the certificate of this node is not valid: {identity.fault}")

    def _remove(self, reason: str, why: str = "fail-hard") -> None:
        """Remove the peering: tell the peer under the key in use, then erase every key."""
        core, state = self._core, self._core.state
        current = state.ring.current
        farewell = (
            None
            if current is None
            else core.maced(
                Kind.PEERING_REMOVED, messages.PeeringRemoved(reason[:MAXIMUM_NAME_CHARACTERS]), current.probe
            )
        )
        state.removed = reason
        self._exchange.erased()
        self._rotation.erase_all(f"{why}: {reason}")
        if farewell is not None:
            core.out.append(SendAll(farewell))
        core.emit(PeeringRemoved(core.config.peer_name, reason, by_peer=False))

    def _removed_by_peer(self, path: str, frame: Frame, message: messages.PeeringRemoved) -> None:
        """Stop using keys that the peer has erased, once it has proved that it is the peer who says so."""
        core = self._core
        if not any(
            hmac.compare_digest(frame.auth, schedule.mac(key.probe, frame.signed))
            for role, key in core.state.ring
            if role is not Role.PENDING
        ):
            raise Ignored("bad-mac")
        core.state.removed = message.reason
        self._exchange.erased()
        self._rotation.erase_all(f"the peer removed the peering: {message.reason}")
        core.acknowledge(path, frame)
        core.out.append(Heard(path))
        core.emit(PeeringRemoved(core.config.peer_name, message.reason, by_peer=True))

    def _settled(self, now: Moment) -> list[Effect]:
        """Bring what is level-triggered up to date, and hand the effects over."""
        self._authentication.settle()
        self._exchange.settle(now)
        return self._core.take()
