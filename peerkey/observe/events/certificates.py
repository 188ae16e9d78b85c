"""What happens to what a node proves itself with: private keys, requests, certificates, trusted CAs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from peerkey.observe.events.event import Event


@dataclass(frozen=True, slots=True)
class CertificateWentBad(Event):
    """This node's own certificate cannot be used, or should not be."""

    TYPE: ClassVar = "certificate.invalid"
    TITLE: ClassVar = "The certificate of this node is not valid."

    state: str
    reason: str
    detail_text: str
    behavior: str

    def description(self) -> str:
        """Say what is wrong and what was done about it."""
        return f"Certificate of this node is {self.state} - {self.detail_text} ({self.behavior})"


@dataclass(frozen=True, slots=True)
class CertificateRecovered(Event):
    """This node's own certificate, which could not be used or should not be, is good: perhaps another."""

    TYPE: ClassVar = "certificate.valid"
    TITLE: ClassVar = "The certificate of this node is valid again."

    #: SHA-256 of the certificate, colons between the bytes.
    fingerprint: str

    def description(self) -> str:
        """Say so."""
        return "Certificate of this node is valid again"


@dataclass(frozen=True, slots=True)
class RevocationChecked(Event):
    """This node's certificate was checked for revocation, as ``revocation-check-interval`` asks for."""

    TYPE: ClassVar = "system.revocation_check"
    TITLE: ClassVar = "Checked the certificate of this node for revocation."

    #: ``revoked``; ``not-revoked``: no list that is known names it or a CA above it; ``not-checked``.
    outcome: str
    #: SHA-256 of the certificate, colons between the bytes; empty where there is none.
    fingerprint: str
    detail_text: str
    behavior: str

    def description(self) -> str:
        """Say what came of it."""
        if self.outcome == "revoked":
            return f"Certificate of this node is revoked - {self.detail_text} ({self.behavior})"
        if self.outcome == "not-revoked":
            return "No known revocation list names the certificate of this node or a CA above it"
        return f"Certificate of this node was not checked for revocation: {self.detail_text}"


@dataclass(frozen=True, slots=True)
class PrivateKeyCreated(Event):
    """An operator made a private key. Its name and the fingerprint of its public key say which."""

    TYPE: ClassVar = "system.create_private_key"
    TITLE: ClassVar = "Created a private key."

    name: str
    algorithm: str
    #: SHA-256 of the public key (SubjectPublicKeyInfo in DER), in hexadecimal digits.
    fingerprint: str

    def description(self) -> str:
        """Name the key."""
        return f"Private key {self.name} created ({self.algorithm})"


@dataclass(frozen=True, slots=True)
class PrivateKeyDeleted(Event):
    """A private key was destroyed, or replaced by another."""

    TYPE: ClassVar = "system.delete_private_key"
    TITLE: ClassVar = "Deleted a private key."

    name: str
    #: Of its public key; empty where the key that was replaced could not be read.
    fingerprint: str
    replaced: bool

    def description(self) -> str:
        """Name the key and say why."""
        return f"Private key {self.name} {'replaced' if self.replaced else 'deleted'}"


@dataclass(frozen=True, slots=True)
class CsrGenerated(Event):
    """A certificate signing request was made. What nobody wanted in it is empty text."""

    TYPE: ClassVar = "system.generate_csr"
    TITLE: ClassVar = "Generated certificate signing request."

    name: str
    common_name: str
    country_name: str
    state_province_name: str
    locality_name: str
    organization_name: str
    organizational_unit_name: str
    email_address: str
    validity_period_days: int

    def description(self) -> str:
        """Name the certificate that is asked for."""
        return f"Generated CSR for: {self.name}"


@dataclass(frozen=True, slots=True)
class CsrFailed(Event):
    """A certificate signing request could not be made."""

    TYPE: ClassVar = "certificate.request_failed"
    TITLE: ClassVar = "Failed to generate a certificate signing request."

    name: str
    reason: str

    def description(self) -> str:
        """Give the reason."""
        return f"No CSR for {self.name}: {self.reason}"


@dataclass(frozen=True, slots=True)
class CertificateIngested(Event):
    """A certificate of this node was imported. The detail has the fields of the original and no other."""

    TYPE: ClassVar = "system.ingest_certificate"
    TITLE: ClassVar = "Ingested a certificate."

    name: str
    purpose: str
    common_name: str
    crl_urls: tuple[str, ...]
    certificate_authority: str
    #: SHA-1 in hexadecimal with colons, as operators know it from `openssl x509 -fingerprint`.
    fingerprint: str

    def description(self) -> str:
        """Name the certificate."""
        return f"Ingested certificate: {self.name}"

    def detail(self) -> dict[str, object]:
        """Leave the name out: it is in the description."""
        # Named in full: `super()` alone means the class as it was before it was given slots.
        detail = Event.detail(self)
        del detail["name"]
        return detail


@dataclass(frozen=True, slots=True)
class CertificateRefused(Event):
    """A certificate was to be imported and was refused; the one before it stays."""

    TYPE: ClassVar = "certificate.refused"
    TITLE: ClassVar = "Refused to ingest a certificate."

    name: str
    #: Which of the checks it failed: ``private-key``, ``validity``, ``revocation``, or ``installation``.
    check: str
    reason: str

    def description(self) -> str:
        """Give the reason."""
        return f"Certificate {self.name} was not ingested: {self.reason}"


@dataclass(frozen=True, slots=True)
class Enrolled(Event):
    """A certificate of this node was asked of its CA and installed."""

    TYPE: ClassVar = "system.enrolled"
    TITLE: ClassVar = "Enrolled a certificate."

    name: str
    #: The URL of the CA.
    server: str
    #: ``simpleenroll`` or ``simplereenroll``.
    operation: str
    #: When it ends, in ISO 8601.
    not_after: str
    #: As in :class:`CertificateIngested`.
    fingerprint: str

    def description(self) -> str:
        """Name the certificate and the CA."""
        return f"Certificate {self.name} enrolled at {self.server}, valid until {self.not_after}"


@dataclass(frozen=True, slots=True)
class EnrollmentFailed(Event):
    """A certificate of this node was asked of its CA and not installed; the old one stays."""

    TYPE: ClassVar = "system.enrollment_failed"
    TITLE: ClassVar = "Failed to enroll a certificate."

    name: str
    server: str
    operation: str
    reason: str

    def description(self) -> str:
        """Give the reason."""
        return f"Certificate {self.name} was not enrolled: {self.reason}"


@dataclass(frozen=True, slots=True)
class PrivateKeyImported(Event):
    """An operator brought a private key. Its name and the fingerprint of its public key say which."""

    TYPE: ClassVar = "system.import_private_key"
    TITLE: ClassVar = "Imported a private key."

    name: str
    #: As in :class:`PrivateKeyCreated`.
    fingerprint: str

    def description(self) -> str:
        """Name the key."""
        return f"Private key {self.name} imported"


@dataclass(frozen=True, slots=True)
class CertificateDeleted(Event):
    """A certificate of this node was removed."""

    TYPE: ClassVar = "system.delete_certificate"
    TITLE: ClassVar = "Deleted a certificate."

    name: str
    #: As in :class:`CertificateIngested`; empty where what was there could not be read.
    fingerprint: str

    def description(self) -> str:
        """Name the certificate."""
        return f"Certificate {self.name} deleted"


@dataclass(frozen=True, slots=True)
class TrustedCaAdded(Event):
    """This node trusts a CA that it did not trust before."""

    TYPE: ClassVar = "system.add_trusted_ca"
    TITLE: ClassVar = "Added a trusted CA."

    #: Of the ``trusted-ca-certificate``.
    name: str
    subject: str
    #: SHA-256 of the certificate.
    fingerprint: str

    def description(self) -> str:
        """Name the CA."""
        return f"{self.subject} is trusted now ({self.name})"


@dataclass(frozen=True, slots=True)
class TrustedCaRemoved(Event):
    """This node does not trust a CA any more."""

    TYPE: ClassVar = "system.remove_trusted_ca"
    TITLE: ClassVar = "Removed a trusted CA."

    #: As in :class:`TrustedCaAdded`.
    name: str
    subject: str
    fingerprint: str

    def description(self) -> str:
        """Name the CA."""
        return f"{self.subject} is trusted no more ({self.name})"
