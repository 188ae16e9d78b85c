"""Step C: show our certificate until the peer has it, and judge the peer's.

C1 we announce: one CERTIFICATE, the same bytes on every path. The paths repeat it. It ends when the
peer names our leaf in an exchange that verifies, because only that presupposes receipt.

C2 we judge what the peer announces: signature, identity, role and algorithms always; chain, dates
and revocation where ``peer-validation`` asks for it. C3 the public key of an accepted certificate
verifies every later request.

What keeps an old certificate from coming back:

* Announcements under one leaf are ordered by number. A lower number, or another leaf than the one
  we know, is accepted only where it echoes our current challenge, and spends that challenge.
* Otherwise REFUSAL ``stale`` carries the challenge and the sender announces again.
* Where nothing is validated the first certificate is pinned.

An announcement that fails is kept, and judged again when trust, revocation lists, configuration or
the clock may have changed: a CA that arrives a minute later heals the peering by itself.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import final

from peerkey.moment import Instant, Moment
from peerkey.observe.events import (
    PeerCertificateAccepted,
    PeerCertificateRecovered,
    PeerCertificateRefused,
    PeerCertificateWentBad,
)
from peerkey.pki.certificate import parse_chain_untrusted
from peerkey.pki.examination import Examination
from peerkey.pki.faults import CertificateState
from peerkey.protocol.constants import IMMEDIATE_RETRIES, PROTOCOL_VERSION, Kind
from peerkey.protocol.core import CertificateFault, Core, Identity, Ignored
from peerkey.protocol.effects import Announce, Heard, SendOn
from peerkey.protocol.frame import Frame
from peerkey.protocol.messages import (
    Certificate,
    Reason,
    Refusal,
    decode_signatures_untrusted,
    encode_signatures,
)
from peerkey.protocol.outcomes import Outcomes
from peerkey.protocol.state import PeerCertificate
from peerkey.protocol.suites import BadSignature, UnsupportedKey, Verifier, verifier_for


@final
class Authentication:
    """The certificate half of a peering."""

    __slots__ = (
        "_announced_algorithm",
        "_announced_leaf",
        "_core",
        "_outcomes",
        "_refused",
        "_retries",
        "_retry_at",
        "_showing",
        "announcement",
    )

    def __init__(self, core: Core) -> None:
        """Start with nothing announced; :meth:`settle` announces when it should."""
        self._core = core
        self._outcomes = Outcomes()
        #: The latest announcement, also after the peer has it: it answers a peer that lost its memory.
        self.announcement: Frame | None = None
        self._announced_leaf = b""
        self._announced_algorithm = ""
        self._showing = False
        self._refused: tuple[str, Frame, Certificate] | None = None
        self._retries = 0
        self._retry_at: Instant | None = None

    # --- C1: our certificate ----------------------------------------------------------------------

    def settle(self) -> None:
        """Announce what should be announced, stop announcing what should not."""
        core = self._core
        identity = core.identity
        if identity is None or not core.config.enabled or not core.identity_usable:
            if self._showing:
                self._show(None)
            return
        if self._outdated():
            self._renew()
        elif core.state.peer_holds == identity.fingerprint:
            self._retries = 0
            if self._showing:
                self._show(None)
        elif not self._showing:
            if self.announcement is None:
                self._renew()
            else:
                self._show(self.announcement)

    def renew_later(self, now: Moment) -> None:
        """Announce anew one retransmit interval from now."""
        self._retry_at = now.instant + self._core.config.retransmit_interval

    def tick(self, now: Moment) -> None:
        """Announce anew where that is due."""
        if self._retry_at is not None and self._retry_at <= now.instant:
            self._retry_at = None
            self._retries = 0
            self._renew()

    def deadline(self) -> Instant | None:
        """Return when :meth:`tick` has something to do."""
        return self._retry_at

    def showing(self) -> Announce:
        """Return what the paths should be repeating."""
        return Announce(self.announcement if self._showing else None)

    def refused_by_peer(self, refusal: Refusal, now: Moment) -> None:
        """React to an authentic REFUSAL of our latest announcement."""
        core = self._core
        if refusal.reason != Reason.STALE:
            core.failed(refusal.reason, refusal.detail, "peer")
            return
        core.state.peer_challenge = refusal.challenge
        if self._retries < IMMEDIATE_RETRIES:
            self._retries += 1
            self._renew()
        else:
            self.renew_later(now)

    def ask(self) -> None:
        """Announce anew as to a stranger, because the peer's certificate is needed again.

        An announcement that echoes nothing says that its sender has heard nothing, and is answered.
        """
        self._core.state.peer_challenge = b""
        self._renew()

    def answer(self, path: str) -> None:
        """Show our certificate on one path, to a peer that has not heard our challenge."""
        core = self._core
        if not core.identity_usable:
            return
        if self.announcement is None or core.announced_challenge != core.state.challenge:
            self._renew()
        else:
            core.out.append(SendOn(path, self.announcement))

    def _outdated(self) -> bool:
        """Tell whether what we announced last is not what we would announce now.

        An algorithm alone is not announced again to a peer that has the certificate: its requests say it.
        """
        core, identity = self._core, self._core.identity
        if self.announcement is None or identity is None:
            return False
        return self._announced_leaf != identity.fingerprint or (
            self._announced_algorithm != core.config.algorithm.name
            and core.state.peer_holds != identity.fingerprint
        )

    def _renew(self) -> None:
        """Make a new announcement with a new number and a new challenge, and show it."""
        core = self._core
        identity = core.identity
        if identity is None or not core.identity_usable or not core.config.enabled:
            return
        state = core.state
        state.announcement_number += 1
        if state.peer_holds != identity.fingerprint:
            state.peer_holds = b""
        state.challenge = core.announced_challenge = core.fresh_challenge()
        self._announced_leaf, self._announced_algorithm = identity.fingerprint, core.config.algorithm.name
        self.announcement = self._announcement(identity, state.peer_challenge)
        core.store()
        self._show(self.announcement)

    def _introduce(self, path: str, echo: bytes) -> None:
        """Show our certificate on one path to a peer that cannot verify what we sign, echoing its challenge.

        It carries the number and the challenge that are stored already, so that nothing changes here.
        """
        core = self._core
        if core.identity is not None and core.identity_usable:
            core.out.append(SendOn(path, self._announcement(core.identity, echo)))

    def _announcement(self, identity: Identity, echo: bytes) -> Frame:
        core, state = self._core, self._core.state
        algorithms = (core.config.algorithm.name,)
        message = Certificate(
            state.announcement_number, identity.chain, (PROTOCOL_VERSION,), algorithms, state.challenge, echo
        )
        frame = core.frame(Kind.CERTIFICATE, message)
        signatures = [identity.signer.sign(frame.signed)]
        if identity.previous_signer is not None:
            signatures.append(identity.previous_signer.sign(frame.signed))
        return frame.with_auth(encode_signatures(*signatures))

    def _show(self, frame: Frame | None) -> None:
        self._showing = frame is not None
        self._core.out.append(Announce(frame))

    # --- C2, C3: the peer's certificate -------------------------------------------------------------

    def reads(self, frame: Frame, message: Certificate, now: Moment) -> bool:
        """Tell whether :meth:`received` may read or judge the certificates in an announcement.

        It does not for a copy of the one in force, nor for more than a stranger may ask for.
        """
        known, buckets = self._core.state.peer, self._core.buckets
        if known is not None and known.in_force and known.digest == frame.digest:
            return not (message.echo or self._showing) and buckets.introduction.holds(now.instant)
        same_leaf = known is not None and known.fingerprint == hashlib.sha256(message.chain[0]).digest()
        return (buckets.known_certificate if same_leaf else buckets.unread_certificate).holds(now.instant)

    def received(self, path: str, frame: Frame, message: Certificate, now: Moment) -> bool:
        """Judge an announcement; return whether the certificate in force is another than before.

        Raises:
            Ignored, Malformed, BadSignature: where it changes nothing.

        """
        core = self._core
        known = core.state.peer
        if known is not None and known.digest == frame.digest and known.in_force:
            core.acknowledge(path, frame)
            if not message.echo and not self._showing and core.buckets.introduction.take(now.instant):
                # The peer goes on asking as a stranger does: what was answered before was lost. Our
                # certificate may be longer than its own, so that it has to prove itself once more.
                verifier_for(core.examiner.examine(message.chain, now.wall).public_key).verify(
                    decode_signatures_untrusted(frame.auth)[0], frame.signed
                )
                self._introduce(path, message.challenge)
            raise Ignored("repeated-certificate")
        fingerprint = hashlib.sha256(message.chain[0]).digest()
        holder: Verifier | None = None
        if known is not None and known.fingerprint == fingerprint:
            bucket = core.buckets.known_certificate
        else:
            holder = self._require_holder(frame, message, now)
            echoes = hmac.compare_digest(message.echo, core.state.challenge)
            bucket = core.buckets.echoing_certificate if echoes else core.buckets.unknown_certificate
        if not bucket.take(now.instant):
            raise Ignored("certificate-rate")
        return self._judge(path, frame, message, now, holder=holder)

    def _require_holder(self, frame: Frame, message: Certificate, now: Moment) -> Verifier | None:
        """Check that whoever announces an unknown certificate holds its key, before its chain is judged.

        That is much cheaper than judging, so that junk cannot use up what an honest announcement needs.
        Returns what has verified its signature; ``None`` for a kind of key that cannot be used, of which
        judging says what is wrong.

        Raises:
            Ignored, Malformed, BadSignature: where it does not.

        """
        if not self._core.buckets.unread_certificate.take(now.instant):
            raise Ignored("certificate-rate")
        public_key = parse_chain_untrusted(message.chain).public_key
        signature = decode_signatures_untrusted(frame.auth)[0]
        try:
            holder = verifier_for(public_key)
        except UnsupportedKey:
            return None
        holder.verify(signature, frame.signed)
        return holder

    def judge_again(self, now: Moment) -> bool:
        """Judge again what may have changed: the certificate in force, or the last one refused.

        Returns whether the certificate in force is another than before. Whether the one in force went
        bad is told through :attr:`Core.peer_fault` (``fail-soft``); see :meth:`fault_in_force` for
        ``fail-hard``.
        """
        if self._refused is None:
            return False
        path, frame, message = self._refused
        examination = self._core.examiner.examine(message.chain, now.wall)
        if not examination.verdict.valid:
            self._tell_refused(examination, now)
            return False
        try:
            # What was refused had been read, and its signature verified, so that it can only be stale now.
            return self._judge(path, frame, message, now)
        except Ignored as ignored:
            self._core.count(ignored.reason)
            return False

    def fault_in_force(self, now: Moment) -> Examination | None:
        """Examine the certificate in force; return the examination where it is bad now.

        Under ``fail-soft`` the fault is told and remembered here; under ``fail-hard`` the caller removes
        the peering.
        """
        core = self._core
        peer = core.state.peer
        if peer is None:
            return None
        examination = core.examination = core.examiner.examine(peer.chain, now.wall)
        verdict = examination.verdict
        if verdict.valid:
            if core.peer_fault is not None or not peer.in_force:
                core.peer_fault = None
                self._tell_recovered(examination)
            if not peer.in_force:
                self._put_in_force_again(peer, verifier_for(examination.public_key))
            return None
        fault = CertificateFault(verdict.state.value, verdict.explain())
        if peer.in_force or self._refused is None:
            core.peer_fault = fault
        behavior = "fail-hard" if core.config.fail_hard else "fail-soft"
        if self._outcomes.news(examination.fingerprint, fault.detail):
            fingerprint = examination.fingerprint.hex(":")
            core.emit(
                PeerCertificateWentBad(
                    core.config.peer_name, fingerprint, fault.state, verdict.reason, fault.detail, behavior
                )
            )
        return examination

    def _tell_recovered(self, examination: Examination) -> None:
        self._outcomes.forget(examination.fingerprint)
        fingerprint = examination.fingerprint.hex(":")
        self._core.emit(PeerCertificateRecovered(self._core.config.peer_name, fingerprint))

    def _put_in_force_again(self, peer: PeerCertificate, verifier: Verifier) -> None:
        core = self._core
        core.verifier = verifier
        core.state.peer = peer.put_in_force()
        core.state.removed = ""
        core.store()

    def _judge(
        self, path: str, frame: Frame, message: Certificate, now: Moment, *, holder: Verifier | None = None
    ) -> bool:
        """Judge an announcement, whose signature ``holder`` has verified already where it is given."""
        core = self._core
        state = core.state
        signatures = decode_signatures_untrusted(frame.auth)
        examination = core.examiner.examine(message.chain, now.wall)
        if holder is None:
            try:
                holder = verifier_for(examination.public_key)
            except UnsupportedKey:
                self._refuse(path, frame, message, examination, now, authentic=False)
                return False
            holder.verify(signatures[0], frame.signed)

        known = state.peer
        same_leaf = known is not None and known.fingerprint == examination.fingerprint
        echoed = hmac.compare_digest(message.echo, state.challenge)
        again = known is not None and known.digest == frame.digest
        newer = same_leaf and known is not None and message.number > known.number
        # Anybody can sign with a key of his own: only one that is known, or vouched for, proves something.
        proved = same_leaf or self._is_vouched_for(frame, signatures, examination)
        if known is not None and not (newer or echoed or again):
            self._refuse_stale(path, frame, message, now, proved=proved)
            raise Ignored("stale-certificate")
        in_force = same_leaf and known is not None and known.in_force
        if not in_force:
            if not examination.verdict.valid:
                self._refuse(path, frame, message, examination, now, authentic=proved)
                return False
            if known is not None and not proved:
                self._refuse_unpinned(path, frame, message, now)
                return False

        pinned = not core.config.peer_validation and not examination.chained
        spent = known is not None and not newer and not again
        heard_us = echoed and not spent
        state.peer = PeerCertificate(
            chain=message.chain,
            fingerprint=examination.fingerprint,
            number=max(message.number, known.number) if known is not None and same_leaf else message.number,
            digest=frame.digest,
            versions=message.versions,
            algorithms=message.algorithms,
            pinned=pinned,
        )
        state.peer_challenge = message.challenge
        state.removed = ""
        if spent:
            state.challenge = core.fresh_challenge()
        core.verifier, core.examination = holder, examination
        self._refused = None
        core.store()
        core.acknowledge(path, frame)
        core.out.append(Heard(path))
        if not in_force:
            core.peer_fault = None
            core.succeeded()
            self._outcomes.forget(examination.fingerprint)
            fingerprint = examination.fingerprint.hex(":")
            core.emit(
                PeerCertificateAccepted(
                    core.config.peer_name, fingerprint, validated=examination.chained, pinned=pinned
                )
            )
        if core.config.algorithm.name not in message.algorithms:
            core.mismatched(", ".join(message.algorithms))
        if not heard_us:
            core.buckets.introduction.take(now.instant)
            self.answer(path)
        return not in_force

    def _refuse_stale(
        self, path: str, frame: Frame, message: Certificate, now: Moment, *, proved: bool
    ) -> None:
        """Ask for the announcement again, with an echo; introduce ourselves where that cannot be verified.

        It cannot where its store was lost, or where both of us have a new certificate.
        """
        core = self._core
        detail = "announce again with this challenge"
        core.refuse(path, frame, Reason.STALE, detail, now, authentic=proved)
        unknown_to_peer = core.identity is None or core.state.peer_holds != core.identity.fingerprint
        if proved and (not message.echo or unknown_to_peer):
            self._introduce(path, message.challenge)

    def _refuse_unpinned(self, path: str, frame: Frame, message: Certificate, now: Moment) -> None:
        """Refuse another certificate than the pinned one, and say what would make it acceptable."""
        detail = (
            "another certificate is pinned; release the pin, chain to a trusted CA, "
            "or sign with the pinned key too"
        )
        self._core.failed(Reason.PINNED, detail, "local")
        fingerprint = hashlib.sha256(message.chain[0]).digest()
        self._emit_refused(fingerprint, CertificateState.VALID, Reason.PINNED, detail, now)
        self._core.refuse(path, frame, Reason.PINNED, detail, now, authentic=False)
        self._refused = (path, frame, message)

    def _is_vouched_for(self, frame: Frame, signatures: tuple[bytes, ...], examination: Examination) -> bool:
        """Tell whether another leaf may take the place of the one that was known."""
        core = self._core
        if not examination.verdict.valid:
            return False
        if core.config.peer_validation or examination.chained:
            return True
        if len(signatures) == 1 or core.verifier is None:
            return False
        try:
            core.verifier.verify(signatures[1], frame.signed)
        except BadSignature:
            return False
        return True

    def _refuse(
        self,
        path: str,
        frame: Frame,
        message: Certificate,
        examination: Examination,
        now: Moment,
        *,
        authentic: bool,
    ) -> None:
        verdict = examination.verdict
        self._refused = (path, frame, message)
        self._tell_refused(examination, now)
        self._core.refuse(path, frame, verdict.reason, verdict.explain(), now, authentic=authentic)

    def _tell_refused(self, examination: Examination, now: Moment) -> None:
        """Say what is wrong with a certificate that is not in force: now, if it was something else before."""
        core, verdict = self._core, examination.verdict
        state, reason, detail = verdict.state, verdict.reason, verdict.explain()
        self._emit_refused(examination.fingerprint, state, reason, detail, now)
        if not core.peer_in_force:
            core.peer_fault = CertificateFault(state.value, detail)
        core.note(reason, detail)

    def _emit_refused(
        self, fingerprint: bytes, state: CertificateState, reason: str, detail: str, now: Moment
    ) -> None:
        core = self._core
        if not self._outcomes.news(fingerprint, detail):
            return
        if core.buckets.refused_certificate_event.take(now.instant):
            named = (core.config.peer_name, fingerprint.hex(":"))
            core.emit(PeerCertificateRefused(*named, state.value, str(reason), detail))
        else:
            # Strangers may show any number of certificates; what is not told now is news later.
            self._outcomes.forget(fingerprint)
