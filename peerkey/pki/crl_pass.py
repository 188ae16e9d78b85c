"""The entries of a list, in a single pass over its bytes: from DER to records.

Nearly all entries look alike: a serial number, a date as UTCTime, and perhaps a reason. Those are recognised
by one regular expression that accepts nothing but the shortest encoding of sound values, some thousand at
once, and their bytes are put in place column by column, so that no object is made of them. What it does not
recognise (a certificate issuer, a date behind 2049, a foreign extension, a broken entry) is handed to
``cryptography``, as a small list of its own: what that refuses is refused here, and what it says is what is
taken.

The result are records by issuer and width of the serial number, as gathered for the
tables that they become (:mod:`peerkey.pki.table_building`).
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.x509.oid import CRLEntryExtensionOID

from peerkey.errors import Malformed
from peerkey.pki.certificate import brief, warning_nobody
from peerkey.pki.der import SEQUENCE, element, element_untrusted
from peerkey.pki.list_frame import ListFrame, load_untrusted, unknown
from peerkey.pki.revocation_table import MAXIMUM_SERIAL_BYTES, width_of
from peerkey.pki.table_building import Gathering
from peerkey.pki.usual_entries import USUAL_ENTRY, when_columns
from peerkey.pki.when import CODES, NO_REASON, WHEN_BYTES, when_of

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Entries of one list. The shortest takes 20 bytes, so that the bound on a list's bytes bounds them too.
MAXIMUM_ENTRIES: Final = 8_000_000

_UNDERSTOOD: Final = frozenset(
    {
        CRLEntryExtensionOID.CRL_REASON,
        CRLEntryExtensionOID.INVALIDITY_DATE,
        CRLEntryExtensionOID.CERTIFICATE_ISSUER,
    }
)


#: Bytes in which usual entries are looked for at once: some 15,000 of them.
_REACH: Final = 640 * 1024
#: The same where there are others in between: they are looked for again behind each.
_SMALL_REACH: Final = 4 * 1024
#: Entries that ``cryptography`` reads at once, where most are usual and where none is.
_ODD: Final = 16
_MANY_ODD: Final = 4096
#: YYMMDDhhmmssZ
_DATE_BYTES: Final = 13

#: The least that a list has in front of its entries, and behind them: version 2, an algorithm, a nameless
#: issuer and a date; the algorithm again and no signature.
_ALGORITHM: Final = bytes.fromhex("300d06092a864886f70d01010b0500")
_FRONT: Final = b"\x02\x01\x01" + _ALGORITHM + b"\x30\x00\x17\x0d700101000000Z"
_BEHIND: Final = _ALGORITHM + b"\x03\x01\x00"


@dataclass(frozen=True, slots=True)
class ListEntries:
    """What a list names."""

    #: By the name of the certificates' issuer (DER; empty where it has none that is a directory name) and the
    #: width of their serial numbers.
    records: Mapping[tuple[bytes, int], Gathering]
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
        self._content = frame.content
        self._place, self._end = frame.entries
        self._issuer = frame.issuer
        self._count = 0
        self.records: dict[tuple[bytes, int], Gathering] = {}
        self.unknown: str | None = None

    def read(self) -> None:
        reach, odd = _REACH, _ODD
        while self._place < self._end:
            # An entry that the reach cuts is met again by the next turn.
            found = USUAL_ENTRY.findall(self._content, self._place, min(self._end, self._place + reach))
            joined = b"".join(found)
            behind = self._place + len(joined)
            if found and self._content[self._place : behind] == joined:
                self._take_usual(found)
                self._place = behind
                reach = min(reach * 2, _REACH)
                continue
            # What was found does not stand one behind the other: there is another entry in between.
            usual = self._in_front(found)
            self._take_usual(usual)
            odd = _ODD if len(usual) >= _ODD else min(odd * 2, _MANY_ODD)
            self._take_odd(odd)
            reach = _SMALL_REACH

    def _in_front(self, found: list[bytes]) -> list[bytes]:
        """Go behind those that do stand one behind the other, and return them."""
        for number, entry in enumerate(found):
            behind = self._place + len(entry)
            if self._content[self._place : behind] != entry:
                return found[:number]
            self._place = behind
        return found

    def _take_usual(self, entries: list[bytes]) -> None:
        """Put entries of the usual form into records, all of one shape at once."""
        self._counted(len(entries))
        # Sorted, those of one shape lie together: size, width, then whether a zero leads.
        entries.sort()
        begin = 0
        while begin < len(entries):
            head = entries[begin][:5]
            width = head[3]
            skipped = 1 if width > 1 and head[4] == 0 else 0
            other = head[:4] + b"\1" if skipped else head[:3] + bytes((width + 1,))
            end = bisect_left(entries, other, begin)
            raw = b"".join(entries[begin:end])
            begin = end
            stride = head[1] + 2
            first, date = 4 + skipped, 4 + width + 2
            width -= skipped
            reason = raw[stride - 1 :: stride] if date + _DATE_BYTES < stride else None
            out = bytearray(len(raw) // stride * (width + WHEN_BYTES))
            for place in range(width):
                out[place :: width + WHEN_BYTES] = raw[first + place :: stride]
            for place, column in enumerate(when_columns(raw, stride, date, reason), width):
                out[place :: width + WHEN_BYTES] = column
            self._records_of(width).add(out, in_order=True)

    def _take_odd(self, limit: int) -> None:
        """Let ``cryptography`` read the next entries, at most ``limit``."""
        at, begin = self._place, self._place
        while at < self._end and limit:
            tag, _, at = element_untrusted(self._content, at, self._end)
            limit -= 1
            if tag != SEQUENCE:
                message = f"the tag {tag:#04x} where an entry should be"
                raise Malformed(message)
        crl = load_untrusted(_FRONT + element(SEQUENCE, self._content[begin:at]), _BEHIND)
        self._place = at
        try:
            with warning_nobody():
                for revoked in crl:
                    self._take(revoked)
        except Malformed:
            raise
        except Exception as error:  # as with certificates: what is raised has no common ancestor
            raise Malformed(brief(error)) from error

    def _take(self, revoked: x509.RevokedCertificate) -> None:
        self._counted(1)
        reason = NO_REASON
        for extension in revoked.extensions:
            value = extension.value
            if isinstance(value, x509.CRLReason):
                reason = CODES[value.reason]
            elif isinstance(value, x509.CertificateIssuer):
                # It holds for the entries behind it too (RFC 5280 section 5.3.3).
                names = value.get_values_for_type(x509.DirectoryName)
                self._issuer = next((name.public_bytes() for name in names), b"")
            elif extension.critical and extension.oid not in _UNDERSTOOD:
                self.unknown = self.unknown or unknown(extension.oid)
        serial = revoked.serial_number
        if serial < 0:
            # No certificate with such a number is read anywhere (RFC 5280 section 4.1.2.2): it names nobody.
            return
        width = width_of(serial)
        if width > MAXIMUM_SERIAL_BYTES:
            message = f"a serial number of {width} bytes; at most {MAXIMUM_SERIAL_BYTES} are read"
            raise Malformed(message)
        record = serial.to_bytes(width, "big") + when_of(revoked.revocation_date_utc, reason)
        self._records_of(width).add(record, in_order=True)

    def _counted(self, number: int) -> None:
        self._count += number
        if self._count > MAXIMUM_ENTRIES:
            message = f"more than {MAXIMUM_ENTRIES} entries"
            raise Malformed(message)

    def _records_of(self, width: int) -> Gathering:
        key = (self._issuer, width)
        found = self.records.get(key)
        if found is None:
            found = self.records[key] = Gathering(width)
        return found
