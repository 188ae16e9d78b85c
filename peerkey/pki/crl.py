"""One certificate revocation list: bytes to what it says, within bounds (RFC 5280 section 5).

Reading proves nothing: who signed a list, whether it is current and of which certificates it may speak is
:mod:`peerkey.pki.revocation_lists`'s business. What a list says is kept as data: its entries by issuer and
serial number, its scope, the base that a delta builds on, and, where it has a critical extension that is not
understood, that it cannot be complete for us.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from peerkey.errors import Malformed, Misconfigured
from peerkey.pki.crl_pass import read_entries_untrusted
from peerkey.pki.der import dearmoured_untrusted
from peerkey.pki.list_frame import MAXIMUM_LIST_BYTES, ListFrame, open_list_untrusted
from peerkey.pki.revocation import RevokedEntry
from peerkey.pki.revocation_table import Table, width_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime


#: Lists in one file; an authority publishes one for each of its CAs, and perhaps a delta to each.
MAXIMUM_CRLS: Final = 64

#: The body is bounded by the size of the file; base64 has no hyphen.
_PEM_CRL: Final = re.compile(rb"-----BEGIN X509 CRL-----(?P<body>[^-]+)-----END X509 CRL-----")
_PEM_BEGIN: Final = re.compile(rb"-----BEGIN ([A-Z0-9. ]{0,32})-----")
_DER_SEQUENCE: Final = b"\x30"


@dataclass(frozen=True, slots=True)
class RevocationList:
    """What one list says. Well-formed, and nothing more."""

    frame: ListFrame
    #: By the name of the certificates' issuer (DER) and the width of their serial numbers.
    tables: Mapping[tuple[bytes, int], Table] = field(repr=False)
    #: A critical extension that is not understood: the list is not known to be complete then.
    unknown: str | None

    @property
    def name(self) -> str:
        """Its issuer's name, fit for one line."""
        return ascii(self.frame.crl.issuer.rfc4514_string())[1:-1][:128]

    def entry(self, issuer_name_der: bytes, serial: int) -> RevokedEntry | None:
        """Return what it says of the certificate with this issuer (name in DER) and serial number."""
        if serial < 0:
            return None
        width = width_of(serial)
        table = self.tables.get((issuer_name_der, width))
        when = None if table is None else table.find(serial.to_bytes(width, "big"))
        return None if when is None else RevokedEntry(serial, when)

    def entries(self) -> Iterator[tuple[bytes, RevokedEntry]]:
        """Yield what it says of each certificate, behind the name of that one's issuer (DER).

        In the order of serial numbers, for each issuer and width of a serial number.
        """
        for (issuer, _), table in self.tables.items():
            for serial in table.serials():
                when = table.find(serial)
                if when is not None:
                    yield issuer, RevokedEntry(int.from_bytes(serial, "big"), when)

    def current(self, at: datetime) -> bool:
        """Whether ``at`` lies between the list's update and the next, both inclusive."""
        frame = self.frame
        return frame.next_update is not None and frame.this_update <= at <= frame.next_update

    def complements(self, complete: RevocationList) -> bool:
        """Whether this is a delta that brings ``complete`` up to date (RFC 5280 section 5.2.4)."""
        delta, whole = self.frame, complete.frame
        return (
            delta.base is not None
            and delta.number is not None
            and whole.base is None
            and whole.number is not None
            and delta.issuer == whole.issuer
            and delta.scope == whole.scope
            and delta.base <= whole.number <= delta.number
        )


def read_crls(content: bytes, source: str) -> tuple[RevocationList, ...]:
    """Read an operator's revocation lists: PEM blocks anywhere in a text, or one DER list.

    Raises:
        Misconfigured: no list, one that cannot be read, or too many; the message names ``source``.
    """
    if len(content) > MAXIMUM_LIST_BYTES:
        message = f"{source}: {len(content)} bytes; at most {MAXIMUM_LIST_BYTES} are read"
        raise Misconfigured(message)
    labels = [label.decode() for label in _PEM_BEGIN.findall(content)]
    if not labels:
        if content[:1] != _DER_SEQUENCE:
            message = f"{source}: holds no revocation list, neither in PEM nor in DER"
            raise Misconfigured(message)
        return (_operators_list(lambda: content, source, 1),)
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
        _operators_list(partial(dearmoured_untrusted, block["body"]), source, place)
        for place, block in enumerate(blocks, 1)
    )


def _operators_list(content: Callable[[], bytes], source: str, place: int) -> RevocationList:
    try:
        return _read(content())
    except Malformed as error:
        message = f"{source}: revocation list {place} cannot be read: {error}"
        raise Misconfigured(message) from error


def _read(content: bytes) -> RevocationList:
    frame = open_list_untrusted(content)
    entries = read_entries_untrusted(frame)
    tables = {}
    for (issuer, width), records in entries.records.items():
        built = records.built()
        tables[issuer, width] = Table(built.shape, built.index + built.records, 0)
    return RevocationList(frame, tables, frame.unknown or entries.unknown)
