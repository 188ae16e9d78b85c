"""A node's own certificate and trust: what is in use, what is wrong with it, and when to look again.

:class:`NodeCertificates` judges the node's own certificate by the rules that its peers apply, and makes
what the machines need of it: an :class:`~peerkey.protocol.core.Identity` to show, and an
:class:`~peerkey.pki.examination.Examiner` for each peer. It has no timer and no file: the node reads, asks
and comes back at :meth:`NodeCertificates.next_boundary`.

What could not be read takes nothing away: the last good certificate and the last trust that was read as
a whole stay in use, under an alarm (``docs/decisions/0060-what-cannot-be-read.md``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from actors.identity import Credentials
from actors.messages import CertificateStatus
from peerkey.observe import alarms
from peerkey.observe.events import CertificateRecovered, CertificateWentBad, RevocationChecked
from peerkey.pki.examination import Examination, Examiner, VerdictCache, next_change
from peerkey.pki.expiry import Severity as Urgency
from peerkey.pki.expiry import severity
from peerkey.pki.faults import CertificateState, Fault
from peerkey.pki.identity import PeerIdentity
from peerkey.pki.trust import TrustAnchors, has_issued
from peerkey.protocol.core import Examiner as Judge
from peerkey.protocol.core import Identity
from peerkey.protocol.suites import Signer

if TYPE_CHECKING:
    from peerkey.config.plan import NodePlan, PeeringPlan
    from peerkey.pki.revocation import Revocation
    from peerkey.protocol.state import PeeringState

#: Chains remembered for one peering: the one in force, and a few that are announced against it.
_CHAINS_REMEMBERED: Final = 8


@dataclass(frozen=True, slots=True)
class WithoutTrust:
    """Judges a peer while the trusted certificates cannot be read and have not been read before.

    The chain that was in force when the store was written stays: of it only what needs no trust is judged.
    Whatever else is shown must lead to a CA that could be read.
    """

    examiner: Examiner
    in_force: tuple[bytes, ...]

    def examine(self, chain: tuple[bytes, ...], at: datetime) -> Examination:
        """See :meth:`peerkey.protocol.core.Examiner.examine`."""
        strict = self.examiner
        return (replace(strict, peer_validation=False) if chain == self.in_force else strict).examine(
            chain, at
        )


class NodeCertificates:
    """The certificate, key and trust of one node, as they were read last."""

    def __init__(self, plan: NodePlan, revocation: Revocation) -> None:
        """Know nothing yet but whose certificate it is, and who knows what is revoked."""
        self._plan = plan
        self._revocation = revocation
        self._credentials = Credentials((), None, "not read yet", TrustAnchors.of(()), "", trust_unread=True)
        #: Why the certificate in use could not be read again; empty where it was.
        self._not_read_again = ""
        #: Whether the trust in use was read as a whole.
        self._trust_whole = False
        self._unread = True
        self._previous_signer: Signer | None = None
        self._own: Examination | None = None
        self._cache = VerdictCache(_CHAINS_REMEMBERED)
        #: Why the node should not use its certificate; empty while it may.
        self.fault = ""
        #: The fault that an event has told of; a node whose key management is disabled tells nothing.
        self._told = ""
        #: What was known to be revoked when it was judged last; ``None`` before.
        self._generation: int | None = None

    def take(self, plan: NodePlan, credentials: Credentials) -> None:
        """Take up what was read. The key of a replaced certificate goes on vouching for its successor."""
        before = self._credentials
        self._not_read_again = ""
        if before.chain and not credentials.chain:
            self._not_read_again = credentials.missing
            credentials = replace(credentials, chain=before.chain, signer=before.signer, missing="")
        self._unread = credentials.trust_unread or bool(credentials.missing or self._not_read_again)
        if credentials.trust_unread and self._trust_whole:
            credentials = replace(credentials, trust=before.trust)
        self._trust_whole = self._trust_whole or not credentials.trust_unread
        if before.chain and credentials.chain and before.der[0] != credentials.der[0]:
            self._previous_signer = before.signer
        self._plan, self._credentials = plan, credentials

    def judge(self, at: datetime) -> CertificateWentBad | CertificateRecovered | None:
        """Judge the node's certificate; return the event where it went bad, in another way, or recovered."""
        credentials, plan = self._credentials, self._plan
        # Before anything is looked up: what changes meanwhile is another generation.
        self._generation = self._revocation.generation
        if not credentials.chain:
            self._own, self.fault = None, credentials.missing
        else:
            examiner = Examiner(
                PeerIdentity(plan.uuid, plan.alias),
                peer_validation=self._chain_judged,
                trust=credentials.trust,
                revocation=self._revocation,
                cache=self._cache,
            )
            self._own = examiner.examine(credentials.der, at)
            self.fault = self._own.verdict.explain()
        before, self._told = self._told, self.fault if plan.enabled else ""
        if self._told == before or not plan.enabled:
            return None
        own, behavior = self._own, plan.policy.invalid_certificate_behavior.value
        if own is None:
            return CertificateWentBad("missing", "missing", self.fault, behavior)
        if not self.fault:
            return CertificateRecovered(own.fingerprint.hex(":"))
        return CertificateWentBad(own.verdict.state.value, own.verdict.reason, self.fault, behavior)

    @property
    def outdated(self) -> bool:
        """Tell whether other certificates are known to be revoked now than when it was judged last."""
        return self._revocation.generation != self._generation

    @property
    def unread(self) -> bool:
        """Tell whether something could not be read, and should be tried again."""
        return self._unread

    def next_boundary(self, at: datetime) -> datetime | None:
        """Return when the judgement may be another because of time alone."""
        return None if self._own is None else next_change(self._own, at)

    @property
    def shown(self) -> tuple[bytes, ...]:
        """What the node shows to its peers, leaf first, in DER; empty where it has no certificate."""
        return self._credentials.der

    def checked(self) -> RevocationChecked:
        """Tell what the last judgement says of revocation alone."""
        own, behavior = self._own, self._plan.policy.invalid_certificate_behavior.value
        if own is None:
            return RevocationChecked("not-checked", "", self.fault, behavior)
        fingerprint = own.fingerprint.hex(":")
        named = [str(finding) for finding in own.verdict.faults if finding.fault is Fault.REVOKED]
        if named:
            return RevocationChecked("revoked", fingerprint, "; ".join(named), behavior)
        if not self._chain_judged:
            detail = "it is not known which authorities are trusted, and so not whose lists count"
            return RevocationChecked("not-checked", fingerprint, detail, behavior)
        return RevocationChecked("not-revoked", fingerprint, "", behavior)

    @property
    def _chain_judged(self) -> bool:
        """Whether the node's own chain is judged: not without any trusted CA, nor while it cannot be read."""
        return bool(self._plan.trusted) and self._trust_whole

    # --- for the machines -------------------------------------------------------------------------

    def identity(self) -> Identity | None:
        """Return what the node shows to its peers; ``None`` where it has no certificate to sign with."""
        credentials = self._credentials
        if credentials.signer is None:
            return None
        chain = credentials.der
        fingerprint = hashlib.sha256(chain[0]).digest()
        return Identity(chain, fingerprint, credentials.signer, self._previous_signer, self.fault)

    def first_examiner(self, peering: PeeringPlan, state: PeeringState | None) -> Judge:
        """Return who judges the certificates of a peer that stands as its stored ``state`` says."""
        examiner = self._examiner(peering)
        peer = None if state is None else state.peer
        if self._trust_whole or peer is None or not peer.in_force:
            return examiner
        return WithoutTrust(examiner, peer.chain)

    def examiner(self, peering: PeeringPlan, known: Judge) -> Judge:
        """Return who judges the peer's certificates now: ``known`` while nothing has changed for it."""
        examiner = self._examiner(peering)
        if isinstance(known, WithoutTrust) and not self._trust_whole:
            return known if known.examiner == examiner else replace(known, examiner=examiner)
        return known if known == examiner else examiner

    def _examiner(self, peering: PeeringPlan) -> Examiner:
        return Examiner(
            PeerIdentity(peering.peer_uuid, peering.alias),
            peer_validation=self._plan.peer_validation,
            trust=self._credentials.trust,
            revocation=self._revocation,
            cache=VerdictCache(_CHAINS_REMEMBERED),
        )

    # --- for operators ----------------------------------------------------------------------------

    def status(self) -> CertificateStatus | None:
        """Return what an operator is shown of the certificate."""
        own = self._own
        if own is None:
            return None
        return CertificateStatus(
            subject=own.leaf.subject.rfc4514_string(),
            issuer=own.leaf.issuer.rfc4514_string(),
            not_before=own.not_before.isoformat(),
            not_after=own.not_after.isoformat(),
            fingerprint=own.fingerprint.hex(":"),
            state=own.verdict.state.value,
            detail=own.verdict.explain(),
            chain=self._credentials.der,
        )

    def alarms(self, at: datetime) -> Iterator[alarms.Alarm]:
        """Compute what is wrong with the certificate and the trusted certificates."""
        name, own = self._plan.name, self._own
        if own is None:
            yield alarms.certificate_missing(name, self.fault)
        elif has_issued(own.leaf, own.leaf):
            yield alarms.certificate_missing(name, "it is signed by its own key, and by no authority")
        expired, major, minor = self._ending(at)
        state = CertificateState.VALID if own is None else own.verdict.state
        if expired or state is CertificateState.EXPIRED:
            yield alarms.certificate_bad(name, "expired", self.fault, expired)
        if state in {CertificateState.REVOKED, CertificateState.INVALID}:
            yield alarms.certificate_bad(name, state.value, self.fault)
        if major:
            yield alarms.certificates_expiring(name, 7, alarms.Severity.MAJOR, major)
        if minor:
            yield alarms.certificates_expiring(name, 30, alarms.Severity.MINOR, minor)
        if own is not None and self._not_read_again:
            detail = f"{self._not_read_again}; the certificate that was read before stays in use"
            yield alarms.certificate_missing(name, detail)
        if self._credentials.trust_fault:
            yield alarms.trust_unreadable(name, self._credentials.trust_fault)

    def _ending(self, at: datetime) -> tuple[list[str], list[str], list[str]]:
        """Name the certificates that are expired, that expire within a week, and within a month.

        They are the node's own, by the node's name, the CAs that it shows with it, and those that it trusts.
        """
        found: dict[Urgency, list[str]] = {urgency: [] for urgency in Urgency}
        own, credentials = self._own, self._credentials
        ends: list[tuple[str, datetime]] = []
        if own is not None and own.verdict.state in {CertificateState.VALID, CertificateState.EXPIRED}:
            ends.append((self._plan.name, own.not_after))
        authorities = dict.fromkeys((*credentials.chain[1:], *credentials.trust.certificates))
        ends += ((each.subject.rfc4514_string(), each.not_valid_after_utc) for each in authorities)
        for name, not_after in ends:
            # What is not valid yet has no end to speak of; it is judged, and told of as invalid.
            urgency = severity(at, min(at, not_after), not_after)
            if urgency is not None:
                found[urgency].append(name)
        return found[Urgency.CRITICAL], found[Urgency.MAJOR], found[Urgency.MINOR]
