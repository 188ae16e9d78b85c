"""The master list: every revoked certificate of every source, in one buffer that processes share.

A master list is written once and never changed. :func:`write` yields its bytes; :class:`MasterList` answers
from them where they lie, ``bytes`` or a mapped file, and holds nothing of its own but where each table
begins. What one list says, ingested, has the same form (:func:`peerkey.pki.list_ingestion.ingest` returns
it), so that merging is mostly copying: :mod:`peerkey.pki.list_merging`.

**Of whose certificates an entry speaks.** A table belongs to a *speaker*, who signed the list, and an
*issuer*, whose certificates it names. Where the two are the same the entry counts. Where they differ (an
indirect list), it counts for a certificate that names the speaker in its distribution points (cRLIssuer, RFC
5280 section 4.2.1.13), and for no other: whoever looks up without a certificate is told nothing of such
entries.

The format is in ``docs/formats/master-crl.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from struct import Struct, error
from typing import TYPE_CHECKING, Final

from peerkey.errors import Unavailable
from peerkey.pki.list_scope import delegates_of
from peerkey.pki.revocation import RevokedEntry
from peerkey.pki.revocation_table import MAXIMUM_SERIAL_BYTES, Buffer, Built, Shape, Table
from peerkey.pki.when import REMOVE_FROM_CRL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cryptography import x509


MAGIC: Final = b"peerkey\x00revoked\x00"
VERSION: Final = 1
#: Issuers and speakers together: each is a CA that somebody trusts, or one that a trusted one speaks for.
MAXIMUM_NAMES: Final = 65_536
#: One for each issuer, speaker and width; a CA has one to three widths.
MAXIMUM_TABLES: Final = 262_144

#: Magic, version, byte order mark, generation.
_HEADER: Final = Struct("=16sHxxIQ")
_BYTE_ORDER: Final = 0x01020304
#: Where the directory begins, how long the whole is, SHA-256 over all before the digest, magic.
_TRAILER: Final = Struct("=QQ32s16s")
_COUNT: Final = Struct("=I")
#: Speaker, issuer, width, rotation, indexed bytes, records, offset.
_ENTRY: Final = Struct("=IIBBBxIQ")
_ALIGNMENT: Final = 8
#: What the constructor of a named tuple calls: it takes a third of the time.
_MADE: Final = tuple.__new__


class ForeignList(Unavailable):
    """This is no master list, or not the whole of one."""


@dataclass(frozen=True, slots=True)
class Section:
    """One table and whose it is."""

    #: The name (DER) of whoever signed the list.
    speaker: bytes
    #: The name (DER) of the certificates' issuer.
    issuer: bytes
    table: Built | Table


class MasterList:
    """A buffer that was found whole; answers :class:`~peerkey.pki.revocation.Revocation`'s question."""

    __slots__ = ("__weakref__", "_buffer", "_by_issuer", "generation", "size", "tables", "total")

    def __init__(self, buffer: Buffer) -> None:
        """Take what is in ``buffer``, which must not change any more.

        Reads all of it once, for the digest: at a million entries that takes some 20 ms, without the
        interpreter's lock.

        Raises:
            ForeignList: it was not written by :func:`write` on this kind of machine, or not to its end.
        """
        generation, tables = _read(buffer)
        #: Grows with every master list that a machine publishes.
        self.generation: int = generation
        #: By speaker, issuer and width.
        self.tables: dict[tuple[bytes, bytes, int], Table] = tables
        #: Entries of all tables.
        self.total: int = sum(table.shape.count for table in tables.values())
        #: Bytes.
        self.size: int = len(buffer)
        self._buffer = buffer
        self._by_issuer: dict[tuple[bytes, int], list[tuple[bytes, Table]]] = {}
        for (speaker, issuer, width), table in tables.items():
            self._by_issuer.setdefault((issuer, width), []).append((speaker, table))

    def lookup(
        self, issuer_name_der: bytes, serial: int, certificate: x509.Certificate | None = None
    ) -> RevokedEntry | None:
        """Return the entry for this certificate, or ``None`` where no list names it."""
        # Every peer of a fleet is asked for, at each change: what follows calls as little as it can.
        width = (serial.bit_length() + 7) >> 3 or 1
        tables = self._by_issuer.get((issuer_name_der, width))
        if tables is None or serial < 0:
            return None
        number = serial.to_bytes(width, "big")
        for speaker, table in tables:
            if speaker != issuer_name_der and (
                certificate is None or speaker not in delegates_of(certificate)
            ):
                continue
            when = table.find(number)
            if when is not None and when[1] & 15 != REMOVE_FROM_CRL:
                return _MADE(RevokedEntry, (serial, when))
        return None


def write(sections: Iterable[Section], generation: int) -> Iterator[bytes]:
    """Yield the bytes of a master list, little by little.

    Arguments:
        sections: at most one for each speaker, issuer and width.
        generation: more than that of any that this machine has published.
    """
    digest = sha256()
    length = 0
    names: dict[bytes, int] = {}
    directory: list[bytes] = []

    def noted(content: bytes) -> bytes:
        nonlocal length
        digest.update(content)
        length += len(content)
        return content

    yield noted(_HEADER.pack(MAGIC, VERSION, _BYTE_ORDER, generation))
    for section in sections:
        shape = section.table.shape
        speaker = names.setdefault(section.speaker, len(names))
        issuer = names.setdefault(section.issuer, len(names))
        place = (speaker, issuer, shape.width, shape.rotation, shape.indexed, shape.count, length)
        directory.append(_ENTRY.pack(*place))
        yield from map(noted, section.table.pieces())
        yield noted(bytes(-length % _ALIGNMENT))
    begin = length
    yield noted(_COUNT.pack(len(names)))
    for name in names:
        yield noted(_COUNT.pack(len(name)) + name)
    yield noted(_COUNT.pack(len(directory)) + b"".join(directory))
    ending = _TRAILER.pack(begin, length + _TRAILER.size, bytes(32), MAGIC)
    digest.update(ending[:16])
    yield _TRAILER.pack(begin, length + _TRAILER.size, digest.digest(), MAGIC)


def _read(buffer: Buffer) -> tuple[int, dict[tuple[bytes, bytes, int], Table]]:
    """Return the generation and the tables."""
    size = len(buffer)
    if size < _HEADER.size + _TRAILER.size:
        message = f"{size} bytes are no master list"
        raise ForeignList(message)
    magic, version, order, generation = _HEADER.unpack(buffer[: _HEADER.size])
    if magic != MAGIC or version != VERSION or order != _BYTE_ORDER:
        message = "this is no master list, or one of another version or machine"
        raise ForeignList(message)
    end = size - _TRAILER.size
    begin, length, digest, magic = _TRAILER.unpack(buffer[end:size])
    if magic != MAGIC or length != size or not _HEADER.size <= begin <= end:
        message = "the master list was not written to its end"
        raise ForeignList(message)
    with memoryview(buffer) as view:
        if sha256(view[: end + 16]).digest() != digest:
            message = "the master list is damaged"
            raise ForeignList(message)
    try:
        return generation, dict(_tables(buffer, begin, end))
    except (error, ValueError, IndexError) as fault:
        # Whoever writes a right digest under a wrong directory is a bug; it is not read all the same.
        message = f"the directory of the master list is wrong: {fault}"
        raise ForeignList(message) from fault


def _tables(buffer: Buffer, begin: int, end: int) -> Iterator[tuple[tuple[bytes, bytes, int], Table]]:
    directory = buffer[begin:end]
    (count,) = _COUNT.unpack_from(directory)
    if count > MAXIMUM_NAMES:
        message = f"{count} names; at most {MAXIMUM_NAMES} are read"
        raise ValueError(message)
    at = _COUNT.size
    names = []
    for _ in range(count):
        (length,) = _COUNT.unpack_from(directory, at)
        at += _COUNT.size
        names.append(directory[at : at + length])
        at += length
    (count,) = _COUNT.unpack_from(directory, at)
    at += _COUNT.size
    if count > MAXIMUM_TABLES or len(directory) != at + count * _ENTRY.size:
        message = f"{count} tables do not fill the directory"
        raise ValueError(message)
    for speaker, issuer, width, rotation, indexed, records, offset in _ENTRY.iter_unpack(directory[at:]):
        shape = Shape(width, rotation, indexed, records)
        if not 1 <= indexed <= min(2, width) or not rotation < width <= MAXIMUM_SERIAL_BYTES:
            message = f"a table of the shape {shape}"
            raise ValueError(message)
        if not _HEADER.size <= offset <= offset + shape.size <= begin:
            message = "a table lies outside"
            raise ValueError(message)
        yield (names[speaker], names[issuer], width), Table(shape, buffer, offset)
