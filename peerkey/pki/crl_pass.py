"""The entries of a list, in a single pass over its bytes: from DER to records.

Nearly all entries look alike: a serial number, a date as UTCTime, and perhaps a reason. Those are recognised
by one regular expression that accepts nothing but the shortest encoding of sound values, some thousand at
once, and their bytes are put in place column by column, so that no object is made of them. What it does not
recognise (a certificate issuer, a date behind 2049, a foreign extension, a broken entry) is handed to
``cryptography``, as a small list of its own: what that refuses is refused here, and what it says is what is
taken.

The result are records by issuer and width of the serial number, as :func:`peerkey.pki.revocation_table.build`
takes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.x509.oid import CRLEntryExtensionOID

from peerkey.errors import Malformed
from peerkey.pki.certificate import brief, warning_nobody
from peerkey.pki.der import SEQUENCE, element_untrusted
from peerkey.pki.list_frame import ListFrame, unknown
from peerkey.pki.revocation_table import MAXIMUM_SERIAL_BYTES, NO_REASON, REASONS, when_of, width_of

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Entries of one list. The shortest takes 20 bytes, so that the bound on a list's bytes bounds them too.
MAXIMUM_ENTRIES: Final = 8_000_000

_CODES: Final = {reason: code for code, reason in REASONS.items()}
_UNDERSTOOD: Final = frozenset(
    {
        CRLEntryExtensionOID.CRL_REASON,
        CRLEntryExtensionOID.INVALIDITY_DATE,
        CRLEntryExtensionOID.CERTIFICATE_ISSUER,
    }
)


@dataclass(frozen=True, slots=True)
class ListEntries:
    """What a list names."""

    #: By the name of the certificates' issuer (DER; empty where it has none that is a directory name) and the
    #: width of their serial numbers.
    records: Mapping[tuple[bytes, int], bytes | bytearray]
    #: A critical extension of an entry that is not understood, in words.
    unknown: str | None


def read_entries_untrusted(frame: ListFrame) -> ListEntries:
    """Read every entry of a list.

    Raises:
        Malformed: ``cryptography`` would refuse the list for one of them, there are more than
            :data:`MAXIMUM_ENTRIES`, or one has a serial number of more than
            :data:`~peerkey.pki.revocation_table.MAXIMUM_SERIAL_BYTES` bytes.
    """
    reader = _Reader(frame)
    reader.read()
    return ListEntries(reader.records, reader.unknown)


class _Reader:
    """Where a pass has come to."""

    def __init__(self, frame: ListFrame) -> None:
        self._frame = frame
        self._issuer = frame.issuer
        self.records: dict[tuple[bytes, int], bytearray] = {}
        self.unknown: str | None = None
        self._count = 0

    def read(self) -> None:
        at, end = self._frame.entries
        while at < end:
            at = self._odd(at, end, 4096)

    def _odd(self, at: int, end: int, limit: int) -> int:
        """Let ``cryptography`` read the next entries, at most ``limit``; return where they end."""
        content = self._frame.content
        begin = at
        while at < end and limit:
            tag, _, at = element_untrusted(content, at, end)
            limit -= 1
            if tag != SEQUENCE:
                message = f"the tag {tag:#04x} where an entry should be"
                raise Malformed(message)
        crl = self._frame.naming(content[begin:at])
        try:
            with warning_nobody():
                for revoked in crl:
                    self._take(revoked)
        except Malformed:
            raise
        except Exception as error:  # as with certificates: what is raised has no common ancestor
            raise Malformed(brief(error)) from error
        return at

    def _take(self, revoked: x509.RevokedCertificate) -> None:
        reason = NO_REASON
        for extension in revoked.extensions:
            value = extension.value
            if isinstance(value, x509.CRLReason):
                reason = _CODES[value.reason]
            elif isinstance(value, x509.CertificateIssuer):
                # It holds for the entries behind it too (RFC 5280 section 5.3.3).
                names = value.get_values_for_type(x509.DirectoryName)
                self._issuer = next((name.public_bytes() for name in names), b"")
            elif extension.critical and extension.oid not in _UNDERSTOOD:
                self.unknown = self.unknown or unknown(extension.oid)
        self._count += 1
        if self._count > MAXIMUM_ENTRIES:
            message = f"more than {MAXIMUM_ENTRIES} entries"
            raise Malformed(message)
        serial = revoked.serial_number
        if serial < 0:
            # No certificate with such a number is read anywhere (RFC 5280 section 4.1.2.2): it names nobody.
            return
        width = width_of(serial)
        if width > MAXIMUM_SERIAL_BYTES:
            message = f"a serial number of {width} bytes; at most {MAXIMUM_SERIAL_BYTES} are read"
            raise Malformed(message)
        record = serial.to_bytes(width, "big") + when_of(revoked.revocation_date_utc, reason)
        self._records_of(width).extend(record)

    def _records_of(self, width: int) -> bytearray:
        return self.records.setdefault((self._issuer, width), bytearray())
