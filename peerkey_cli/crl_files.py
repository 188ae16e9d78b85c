"""Revocation lists in files, behind the :class:`~peerkey.pki.revocation.Revocation` port, for one import.

A list counts where an authority that is trusted, or stands in the chain that is imported, has signed it. A
file with one that does not count is refused: whoever names it with ``--crl`` wants to be sure. Lists that are
old still prove what they name. Scopes and deltas are not looked at: every entry of every list counts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from peerkey.errors import Misconfigured
from peerkey.pki.certificate import public_key_of, warning_nobody
from peerkey.pki.policy import ca_findings
from peerkey.pki.revocation import RevokedEntry
from peerkey_cli.files import read_bounded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes

#: Some 400,000 entries: a list of a public authority.
MAXIMUM_CRL_BYTES: Final = 16 * 1024 * 1024
_PEM: Final = re.compile(rb"-----BEGIN X509 CRL-----[^-]+-----END X509 CRL-----")


class ListedInFiles:
    """What the lists of some files name."""

    generation = 0

    def __init__(self, lists: Iterable[x509.CertificateRevocationList]) -> None:
        """Know what ``lists`` say."""
        self._lists = tuple(lists)

    def lookup(self, issuer_name_der: bytes, serial: int) -> RevokedEntry | None:
        """See :class:`~peerkey.pki.revocation.Revocation`."""
        for each in self._lists:
            if each.issuer.public_bytes() != issuer_name_der:
                continue
            entry = each.get_revoked_certificate_by_serial_number(serial)
            if entry is not None:
                return RevokedEntry(serial, entry.revocation_date_utc, _reason(entry))
        return None


def listed_in(files: Sequence[Path], authorities: Sequence[x509.Certificate]) -> ListedInFiles:
    """Read the lists of ``files``; ``authorities`` are those who may have signed them.

    Raises:
        Misconfigured: a file cannot be read, holds no list, or one that none of ``authorities`` has signed.
    """
    return ListedInFiles(each for file in files for each in _read(file, authorities))


def _read(file: Path, authorities: Sequence[x509.Certificate]) -> list[x509.CertificateRevocationList]:
    try:
        content = read_bounded(file, MAXIMUM_CRL_BYTES)
    except OSError as fault:
        message = f"{file}: the revocation list cannot be read: {fault.strerror}"
        raise Misconfigured(message) from fault
    blocks = _PEM.findall(content)
    try:
        with warning_nobody():
            lists = [x509.load_pem_x509_crl(block) for block in blocks] or [x509.load_der_x509_crl(content)]
            authentic = [any(_signed(each, authority) for authority in authorities) for each in lists]
    except (ValueError, UnsupportedAlgorithm):
        message = f"{file}: holds no revocation list that can be read, neither in PEM nor in DER"
        raise Misconfigured(message) from None
    if not all(authentic):
        message = f"{file}: no trusted authority has signed this revocation list"
        raise Misconfigured(message)
    return lists


def _signed(crl: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    """Whether ``authority`` issued the list. An unfit key is not computed with."""
    if crl.issuer != authority.subject or ca_findings(authority):
        return False
    key: CertificateIssuerPublicKeyTypes | None = public_key_of(authority)  # type: ignore[assignment]
    return key is not None and crl.is_signature_valid(key)


def _reason(entry: x509.RevokedCertificate) -> x509.ReasonFlags | None:
    try:
        return entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        return None
