"""One certificate revocation list: bytes to what it says, within bounds (RFC 5280 section 5).

Reading proves nothing: who signed a list, whether it is current and of which certificates it may speak is
:mod:`peerkey.pki.revocation_lists`'s business. What a list says is kept as data: its entries by issuer and
serial number, its scope, the base that a delta builds on, and, where it has a critical extension that is not
understood, that it cannot be complete for us.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from cryptography import x509
from cryptography.x509.oid import CRLEntryExtensionOID, ExtensionOID

from peerkey.errors import Misconfigured
from peerkey.pki.certificate import brief, warning_nobody
from peerkey.pki.revocation import RevokedEntry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

#: Some 400,000 entries: a list of a public authority. Its entries are kept, about 300 bytes each.
MAXIMUM_CRL_BYTES: Final = 16 * 1024 * 1024
#: Lists in one file; an authority publishes one for each of its CAs, and perhaps a delta to each.
MAXIMUM_CRLS: Final = 64

#: The body is bounded by the size of the file; base64 has no hyphen.
_PEM_CRL: Final = re.compile(rb"-----BEGIN X509 CRL-----(?P<body>[^-]+)-----END X509 CRL-----")
_PEM_BEGIN: Final = re.compile(rb"-----BEGIN ([A-Z0-9. ]{0,32})-----")
_DER_SEQUENCE: Final = b"\x30"

_UNDERSTOOD: Final = frozenset(
    {
        ExtensionOID.ISSUING_DISTRIBUTION_POINT,
        ExtensionOID.DELTA_CRL_INDICATOR,
        ExtensionOID.CRL_NUMBER,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.ISSUER_ALTERNATIVE_NAME,
        ExtensionOID.FRESHEST_CRL,
        ExtensionOID.AUTHORITY_INFORMATION_ACCESS,
    }
)
_ENTRY_UNDERSTOOD: Final = frozenset(
    {
        CRLEntryExtensionOID.CRL_REASON,
        CRLEntryExtensionOID.INVALIDITY_DATE,
        CRLEntryExtensionOID.CERTIFICATE_ISSUER,
    }
)

_Value = TypeVar("_Value", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True)
class RevocationList:
    """What one list says. Well-formed, and nothing more."""

    crl: x509.CertificateRevocationList = field(repr=False)
    #: Name of whoever issued the list, DER.
    issuer: bytes = field(repr=False)
    this_update: datetime
    #: ``None`` where the list does not say, although it must (RFC 5280 section 5.1.2.5).
    next_update: datetime | None
    number: int | None
    #: Of a delta: the number of the complete list that it builds on.
    base: int | None
    scope: x509.IssuingDistributionPoint | None = field(repr=False)
    #: By name of the certificate's issuer (DER) and serial number.
    entries: Mapping[tuple[bytes, int], RevokedEntry] = field(repr=False)
    #: A critical extension that is not understood: the list is not known to be complete then.
    unknown: str | None

    @property
    def name(self) -> str:
        """Its issuer's name, fit for one line."""
        return ascii(self.crl.issuer.rfc4514_string())[1:-1][:128]

    @property
    def indirect(self) -> bool:
        """Whether it speaks of certificates that others have issued."""
        return self.scope is not None and self.scope.indirect_crl

    def current(self, at: datetime) -> bool:
        """Whether ``at`` lies between the list's update and the next, both inclusive."""
        return self.next_update is not None and self.this_update <= at <= self.next_update

    def complements(self, complete: RevocationList) -> bool:
        """Whether this is a delta that brings ``complete`` up to date (RFC 5280 section 5.2.4)."""
        return (
            self.base is not None
            and self.number is not None
            and complete.base is None
            and complete.number is not None
            and self.issuer == complete.issuer
            and self.scope == complete.scope
            and self.base <= complete.number <= self.number
        )


def read_crls(content: bytes, source: str) -> tuple[RevocationList, ...]:
    """Read an operator's revocation lists: PEM blocks anywhere in a text, or one DER list.

    Raises:
        Misconfigured: no list, one that cannot be read, or too many; the message names ``source``.
    """
    if len(content) > MAXIMUM_CRL_BYTES:
        message = f"{source}: {len(content)} bytes; at most {MAXIMUM_CRL_BYTES} are read"
        raise Misconfigured(message)
    labels = [label.decode() for label in _PEM_BEGIN.findall(content)]
    if not labels:
        if content[:1] != _DER_SEQUENCE:
            message = f"{source}: holds no revocation list, neither in PEM nor in DER"
            raise Misconfigured(message)
        return (_operators_list(content, source, 1, pem=False),)
    begun = labels.count("X509 CRL")
    if not begun:
        message = f"{source}: holds no revocation list, but a {labels[0]}"
        raise Misconfigured(message)
    blocks = list(_PEM_CRL.finditer(content))
    if begun != len(blocks):
        message = f"{source}: {begun} revocation lists begin but {len(blocks)} end; was the text cut?"
        raise Misconfigured(message)
    if begun > MAXIMUM_CRLS:
        message = f"{source}: {begun} revocation lists; at most {MAXIMUM_CRLS} are read"
        raise Misconfigured(message)
    return tuple(
        _operators_list(_rearmoured(block["body"]), source, place, pem=True)
        for place, block in enumerate(blocks, 1)
    )


def _operators_list(content: bytes, source: str, place: int, *, pem: bool) -> RevocationList:
    load = x509.load_pem_x509_crl if pem else x509.load_der_x509_crl
    try:
        with warning_nobody():
            return _read(load(content))
    except Exception as error:  # as with certificates: what is raised has no common ancestor
        message = f"{source}: revocation list {place} cannot be read: {brief(error)}"
        raise Misconfigured(message) from error


def _read(crl: x509.CertificateRevocationList) -> RevocationList:
    number = _extension(crl, x509.CRLNumber)
    delta = _extension(crl, x509.DeltaCRLIndicator)
    unknown = next((_unknown(each.oid) for each in crl.extensions if _foreign(each, _UNDERSTOOD)), None)
    entries: dict[tuple[bytes, int], RevokedEntry] = {}
    issuer = own = crl.issuer.public_bytes()
    for revoked in crl:
        reason = None
        for extension in revoked.extensions:
            value = extension.value
            if isinstance(value, x509.CRLReason):
                reason = value.reason
            elif isinstance(value, x509.CertificateIssuer):
                # It holds for the entries behind it too (RFC 5280 section 5.3.3).
                issuer = next(
                    (name.public_bytes() for name in value.get_values_for_type(x509.DirectoryName)), b""
                )
            elif _foreign(extension, _ENTRY_UNDERSTOOD):
                unknown = unknown or _unknown(extension.oid)
        serial = revoked.serial_number
        entries[issuer, serial] = RevokedEntry(serial, revoked.revocation_date_utc, reason)
    return RevocationList(
        crl=crl,
        issuer=own,
        this_update=crl.last_update_utc,
        next_update=crl.next_update_utc,
        number=None if number is None else number.crl_number,
        base=None if delta is None else delta.crl_number,
        scope=_extension(crl, x509.IssuingDistributionPoint),
        entries=entries,
        unknown=unknown,
    )


def _extension(crl: x509.CertificateRevocationList, kind: type[_Value]) -> _Value | None:
    return next((each.value for each in crl.extensions if isinstance(each.value, kind)), None)


def _foreign(
    extension: x509.Extension[x509.ExtensionType], understood: frozenset[x509.ObjectIdentifier]
) -> bool:
    return extension.critical and extension.oid not in understood


def _unknown(oid: x509.ObjectIdentifier) -> str:
    return f"has the critical extension {oid.dotted_string}, which is not understood"


def _rearmoured(body: bytes) -> bytes:
    return b"-----BEGIN X509 CRL-----\n" + b"".join(body.split()) + b"\n-----END X509 CRL-----\n"
