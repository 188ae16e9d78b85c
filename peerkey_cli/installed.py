"""What the files are worth that a configuration names: certificates, keys, trusted authorities.

A configuration is often written where the files are not, so one that is missing is a warning. One that is
there is judged by the rules that will hold when the system runs: the chain reads, the private key belongs to
it and is readable by its owner alone, the certificate names the node, and leads to a trusted authority today.
``validation-mode: warn`` turns the faults of a certificate into warnings; those of a private key stay.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from actors.ha.ssh_keys import read_ssh_key
from actors.keystores.file import FileKeyStore
from peerkey.config.key_names import is_file
from peerkey.config.plan import ValidationMode
from peerkey.config.report import Report
from peerkey.errors import Malformed, Misconfigured
from peerkey.pki.certificate import read_bundle
from peerkey.pki.examination import Examiner
from peerkey.pki.expiry import Severity, is_expired, is_premature, severity
from peerkey.pki.identity import PeerIdentity
from peerkey.pki.policy import leaf_remarks
from peerkey.pki.revocation import NoRevocation
from peerkey.pki.trust import TrustAnchors
from peerkey_cli.files import read_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

    from peerkey.config.base import Container
    from peerkey.config.findings import Finding
    from peerkey.config.models import (
        Authority,
        CaProfile,
        ClientCertificate,
        HaSync,
        Node,
        TrustedCaCertificate,
    )
    from peerkey.config.plan import CertificateSource, HaPlan, NodePlan

_SOON: Final = {Severity.MAJOR: "in less than 7 days", Severity.MINOR: "in less than 30 days"}
_SPKI: Final = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@dataclass(slots=True)
class Installed:
    """What was found, in the order of the configuration."""

    faults: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    #: Files that are not there.
    missing: list[str] = field(default_factory=list)


def inspect(
    authority: Authority, plans: Sequence[NodePlan], source: str, now: datetime | None = None
) -> Installed:
    """Look at every file that ``authority`` names; ``plans`` are those of all its nodes, in their order."""
    inspector = _Inspector(source, now or datetime.now(UTC))
    trusted = plans[0].trusted if plans else ()
    for container, each in zip(authority.trusted_ca_certificate, trusted, strict=False):
        inspector.trusted(container, each)
    profile = authority.security_key_management.ca_profile
    for plan in plans[:1]:
        if plan.enrollment is not None and profile.server_ca_file is not None:
            inspector.server_ca(profile, plan.enrollment.server_trust[0])
    nodes = [node for router in authority.router for node in router.node]
    for node, plan in zip(nodes, plans, strict=True):
        inspector.node(node, plan)
    return Installed(inspector.faults.findings, inspector.warnings.findings, inspector.missing)


class _Inspector:
    def __init__(self, source: str, now: datetime) -> None:
        self.faults = Report(source)
        self.warnings = Report(source)
        self.missing: list[str] = []
        self._now = now
        self._keys = FileKeyStore(Path())
        self._authorities: list[x509.Certificate] = []
        #: Whether every trusted authority could be read, so that "untrusted" means what it says.
        self._trust_whole = True

    def trusted(self, container: TrustedCaCertificate, source: CertificateSource) -> None:
        """Look at one trusted authority."""
        report = self._report(source)
        certificates = self._certificates(container, None, source)
        if certificates is None:
            self._trust_whole = False
            return
        self._authorities += certificates
        for certificate, findings in TrustAnchors.of(certificates).refused:
            why = "; ".join(map(str, findings))
            report.at(container, _setting(source), f"{_named(certificate)} may not be trusted: {why}")
        for certificate in certificates:
            if is_expired(self._now, certificate.not_valid_after_utc):
                report.at(container, _setting(source), f"{_named(certificate)} has expired")
            elif is_premature(self._now, certificate.not_valid_before_utc):
                report.at(container, _setting(source), f"{_named(certificate)} is not valid yet")

    def server_ca(self, profile: CaProfile, source: CertificateSource) -> None:
        """Look whether the CAs of the EST server can be read."""
        self._certificates(profile, None, source, "server_ca_file")

    def node(self, node: Node, plan: NodePlan) -> None:
        """Look at the certificate and the key of one node."""
        chain = self._certificates(node.client_certificate, node, plan.certificate)
        if chain is not None:
            self._judge(node, plan, chain)
        self._key(node, plan, chain)
        if node.ha_sync is not None and plan.ha is not None:
            self._ha_key(node.ha_sync, plan.ha)

    def _judge(self, node: Node, plan: NodePlan, chain: Sequence[x509.Certificate]) -> None:
        """Judge a node's certificate as the node itself will when it starts."""
        at = (_written(node.client_certificate, node), _setting(plan.certificate))
        report = self._report(plan.certificate)
        trust = TrustAnchors.of(self._authorities)
        examiner = Examiner(
            PeerIdentity(plan.uuid, plan.alias),
            peer_validation=self._trust_whole and bool(plan.trusted),
            trust=trust,
            revocation=NoRevocation(),
        )
        try:
            der = tuple(certificate.public_bytes(Encoding.DER) for certificate in chain)
            examination = examiner.examine(der, self._now)
        except Malformed as fault:
            report.at(*at, f"{_called(plan.certificate)}: {fault}")
            return
        if not examination.verdict.valid:
            report.at(*at, f"{_called(plan.certificate)}: {examination.verdict.explain()}")
        for remark in leaf_remarks(examination.leaf):
            self.warnings.at(*at, f"{_called(plan.certificate)}: {remark}")
        soon = severity(self._now, examination.not_before, examination.not_after)
        if soon in _SOON and examination.verdict.valid:
            self.warnings.at(*at, f"{_called(plan.certificate)}: expires {_SOON[soon]}")

    def _key(self, node: Node, plan: NodePlan, chain: Sequence[x509.Certificate] | None) -> None:
        """Look whether the private key can be used, and belongs to the certificate."""
        at = (_written(node.private_key, node), "file")
        if not is_file(plan.key_file):
            # A device is asked where the system runs, not where its configuration is written.
            return
        if not Path(plan.key_file).exists():
            self._is_missing(*at, plan.key_file)
            return
        try:
            _, public = self._keys.signer(plan.key_file)
        except Misconfigured as fault:
            self.faults.at(*at, str(fault))
            return
        if chain is not None and public.public_bytes(*_SPKI) != chain[0].public_key().public_bytes(*_SPKI):
            message = (
                f"{plan.key_file}: not the private key of {_called(plan.certificate)}, whose leaf comes first"
            )
            self.faults.at(*at, message)

    def _ha_key(self, ha_sync: HaSync, plan: HaPlan) -> None:
        """Look whether the SSH key of the HA link can be used, and is the configured one."""
        at = (ha_sync, "public_key" if ha_sync.private_key_file is None else "private_key_file")
        if not Path(plan.key_file).exists():
            self._is_missing(*at, plan.key_file)
            return
        try:
            read_ssh_key(Path(plan.key_file), plan.public_key)
        except Misconfigured as fault:
            self.faults.at(*at, str(fault))

    def _certificates(
        self,
        container: CaProfile | ClientCertificate | TrustedCaCertificate,
        node: Node | None,
        source: CertificateSource,
        setting: str = "",
    ) -> tuple[x509.Certificate, ...] | None:
        """Read a file or text; ``None`` where that has been reported as missing or faulty."""
        at = (container if node is None else _written(container, node), setting or _setting(source))
        try:
            content = source.content.encode() if source.content is not None else read_file(source.file or "")
            return read_bundle(content, _called(source))
        except FileNotFoundError:
            self._is_missing(*at, source.file or "")
        except OSError as fault:
            self._report(source).at(*at, f"{source.file}: cannot be read: {fault.strerror}")
        except Misconfigured as fault:
            self._report(source).at(*at, str(fault))
        return None

    def _is_missing(self, container: Container, setting: str, file: str) -> None:
        self.missing.append(file)
        self.warnings.at(container, setting, f"{file}: not there yet")

    def _report(self, source: CertificateSource) -> Report:
        return self.faults if source.validation_mode is ValidationMode.STRICT else self.warnings


def _written(container: Container, above: Container) -> Container:
    """Return what has a line in the file: the container, or the one above it where this is a default."""
    return container if container.section.place.line else above


def _setting(source: CertificateSource) -> str:
    return "file" if source.content is None else "content"


def _called(source: CertificateSource) -> str:
    return source.file or source.name


def _named(certificate: x509.Certificate) -> str:
    return ascii(certificate.subject.rfc4514_string())[1:-1] or "a certificate without a name"
