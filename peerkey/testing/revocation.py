"""A table of revoked certificates, filled by hand: the revocation port without any list behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peerkey.pki.revocation import RevokedEntry

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509


class RevocationTable:
    """Knows exactly what it was told; every change begins a new generation."""

    def __init__(self) -> None:
        """Begin with nothing revoked."""
        self.generation = 0
        self.lookups = 0
        self._entries: dict[tuple[bytes, int], RevokedEntry] = {}

    def revoke(
        self,
        certificate: x509.Certificate,
        since: datetime,
        reason: x509.ReasonFlags | None = None,
    ) -> None:
        """Name this certificate as its issuer's list would."""
        serial = certificate.serial_number
        self._entries[certificate.issuer.public_bytes(), serial] = RevokedEntry.of(serial, since, reason)
        self.generation += 1

    def release(self, certificate: x509.Certificate) -> None:
        """Take a certificate off the list again, as after ``certificateHold``; it need not be there."""
        self._entries.pop((certificate.issuer.public_bytes(), certificate.serial_number), None)
        self.generation += 1

    def lookup(
        self,
        issuer_name_der: bytes,
        serial: int,
        certificate: x509.Certificate | None = None,  # noqa: ARG002
    ) -> RevokedEntry | None:
        """Return what was said of this certificate, and count the question."""
        self.lookups += 1
        return self._entries.get((issuer_name_der, serial))
