"""The private keys, requests, certificates and trusted CAs of a node, and who may use the admin API."""

from __future__ import annotations

from typing import Literal

from peerkey_cli.schemas.certificates import CertificateInfo
from peerkey_cli.schemas.document import Document, Time


class PrivateKeyCreated(Document):
    """``create private-key``."""

    time: Time
    name: str
    store: Literal["file", "pkcs11", "tpm"]
    algorithm: str
    fingerprint: str
    replaced: bool
    node: str
    node_uuid: str


class HaKeyCreated(Document):
    """``create ha-key``."""

    time: Time
    file: str
    public_key: str
    fingerprint: str
    replaced: bool
    node: str
    node_uuid: str


class PrivateKeyDeleted(Document):
    """``delete private-key``."""

    time: Time
    name: str
    fingerprint: str
    node: str
    node_uuid: str


class Enrolled(Document):
    """What became of an enrolment that succeeded."""

    time: Time
    node: str
    name: str
    server: str
    operation: Literal["simpleenroll", "simplereenroll"]
    file: str
    certificates: int
    not_after: Time
    fingerprint: str
    reloaded: bool


class OfferedCa(Document):
    """One certificate that a CA offers, and whether this configuration trusts it."""

    subject: str
    issuer: str
    not_after: Time
    fingerprint_sha256: str
    trusted: bool


class OfferedCas(Document):
    """``enroll --cacerts``."""

    time: Time
    server: str
    file: str
    offered: tuple[OfferedCa, ...]


class Imported(Document):
    """A certificate that was put in the place of the old one."""

    time: Time
    node: str
    name: str
    file: str
    certificates: int
    left_out: int
    not_after: Time
    fingerprint: str
    remarks: tuple[str, ...]
    reloaded: bool


class PrivateKeyInfo(Document):
    """A private key of a node, by everything but the key."""

    time: Time
    node: str
    node_uuid: str
    #: Of the certificate that it is for.
    name: str
    #: Whether the node uses it.
    configured: bool
    store: Literal["file", "pkcs11", "tpm"]
    algorithm: str
    fingerprint: str
    public_key: str


class StoredCertificate(Document):
    """A certificate of a node, leaf first."""

    time: Time
    node: str
    name: str
    configured: bool
    certificates: tuple[CertificateInfo, ...]


class CertificateDeleted(Document):
    """A certificate of a node that was removed."""

    time: Time
    node: str
    name: str
    fingerprint: str
    reloaded: bool


class TrustedCaSource(Document):
    """Trusted CAs by what the configuration calls them; without ``file`` their text stands there."""

    name: str
    file: str | None
    certificates: tuple[CertificateInfo, ...]


class TrustedCas(Document):
    """Whom a node trusts."""

    time: Time
    node: str
    trusted: tuple[TrustedCaSource, ...]


class TrustedCasChanged(Document):
    """CAs that a node trusts from now on, or no more."""

    time: Time
    node: str
    name: str
    certificates: tuple[CertificateInfo, ...]
    reloaded: bool


class EnrollmentInfo(Document):
    """The latest enrolment of a node, and how far it is."""

    time: Time
    node: str
    name: str
    state: Literal["preparing", "asking", "waiting", "installing", "done", "failed", "cancelled"]
    server: str
    #: Empty before it is known.
    operation: Literal["", "simpleenroll", "simplereenroll"]
    started: Time
    ended: Time | None
    #: When the CA is asked again, where it has not decided.
    retry_at: Time | None
    reason: str
    not_after: Time | None
    fingerprint: str
    reloaded: bool


class ApiToken(Document):
    """A token by what is known of it here, which is not the token."""

    name: str
    role: Literal["read", "write"]
    #: When it was made, as its line says; empty where it does not.
    made: str


class ApiTokens(Document):
    """Every token that counts at this door."""

    time: Time
    tokens: tuple[ApiToken, ...]


class ApiTokenRevoked(Document):
    """A token that counts no more."""

    time: Time
    name: str


class SigningRequest(Document):
    """A certificate signing request, in PEM."""

    csr: str
