"""What the commands of a laboratory's authority print with ``--json``."""

from __future__ import annotations

from peerkey_cli.schemas import Document, Time


class AuthorityMade(Document):
    """``pki init-ca``."""

    time: Time
    files: tuple[str, ...]


class IssuedTo(Document):
    """A node, and what it has got; or, with ``kept``, the reason why it got nothing."""

    node: str
    certificate: str | None
    key: str | None
    not_after: Time | None
    kept: str


class CertificatesIssued(Document):
    """``pki issue``."""

    time: Time
    nodes: tuple[IssuedTo, ...]


class CertificateRevoked(Document):
    """``pki revoke``."""

    time: Time
    serial: str
    since: Time
    reason: str


class ListPublished(Document):
    """``pki publish-crl``."""

    time: Time
    file: str
    number: int
    delta_base: int | None
    entries: int
    this_update: Time
    next_update: Time
