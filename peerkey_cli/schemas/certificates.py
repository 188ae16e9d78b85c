"""What a certificate is, and ``show certificate``."""

from __future__ import annotations

from typing import Literal

from peerkey_cli.schemas.document import Document, Time


class CertificateInfo(Document):
    """One certificate in its fields; ``text`` is what OpenSSL would print, where that was asked for."""

    subject: str
    issuer: str
    serial: str
    not_before: Time
    not_after: Time
    key: str
    signature_algorithm: str
    alternative_names: tuple[str, ...]
    purposes: tuple[str, ...]
    crl_urls: tuple[str, ...]
    fingerprint_sha1: str
    fingerprint_sha256: str
    pem: str
    text: tuple[str, ...] = ()


class NodeCertificates(Document):
    """What one node shows to its peers, leaf first, and whether it may."""

    node: str
    uuid: str
    state: Literal["valid", "expired", "revoked", "invalid", "missing"]
    detail: str
    #: What to do next; empty where nothing is to be done.
    advice: str = ""
    certificates: tuple[CertificateInfo, ...]


class Certificates(Document):
    """``show certificate``."""

    time: Time
    nodes: tuple[NodeCertificates, ...]
