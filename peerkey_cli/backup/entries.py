"""What is in a backup, as a stream of entries: authentic once it has been opened, and checked all the same.

::

    entry = u32 length of the head || head (msgpack map) || body

The first entry is the manifest, then come owners and their records, then files, then the end, which counts
the others. A body has as many bytes as its head says. A reader checks the order, every bound, and every
path: whoever knows the passphrase may still be somebody else than who restores.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, Final, TypeAlias, assert_never

import msgpack

from peerkey_cli.backup.sealing import MAXIMUM_BACKUP_BYTES, NoBackup

FORMAT: Final = 1
#: A manifest that names ten thousand nodes.
MAXIMUM_HEAD_BYTES: Final = 2 * 1024 * 1024
#: A record of the store; see ``runtime.store.port``.
MAXIMUM_RECORD_BYTES: Final = 1 << 20
#: Nodes, their mates, and a record for each peering of each of them.
MAXIMUM_ENTRIES: Final = 4_000_000
_LENGTH_BYTES: Final = 4
_LONGEST_PATH: Final = 1_024
_LONGEST_NAME: Final = 512
#: A number of the store.
_GREATEST: Final = 2**63 - 1

#: Where in a state directory files may be put: nothing else is ever written by a restore.
PLACES: Final = re.compile(
    r"identity|pki/[^/]+|tpm/[^/]+|crl/master|crl/[0-9a-f]{64}\.list"
    r"|events\.jsonl|events\.[0-9]{12}\.jsonl|events\.checkpoint|outside/.+"
)
#: Files of elsewhere, which the configuration or the operator named, come to rest below this.
OUTSIDE: Final = "outside"


@dataclass(frozen=True, slots=True)
class NodeName:
    """A node of a backup."""

    name: str
    uuid: str
    mate_uuid: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup is of."""

    made: datetime
    software: str
    machine: str
    nodes: tuple[NodeName, ...]
    #: Keys that stay in a token or a TPM, by their names.
    in_hardware: tuple[str, ...] = ()
    #: Where the audit log ended, as ``SEQUENCE:HASH``; empty where there was none.
    audit_head: str = ""


@dataclass(frozen=True, slots=True)
class OwnerEntry:
    """An owner of the store; its records follow."""

    owner: str
    epoch: int


@dataclass(frozen=True, slots=True)
class RecordEntry:
    """A record of the owner before it."""

    name: str
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file, whole: where in the state directory it goes, and where it was if that is elsewhere."""

    place: str
    #: An absolute path, to be shown and never to be written to; empty for a file of the state directory.
    original: str
    mode: int
    size: int
    pieces: Iterable[bytes] = field(repr=False, compare=False)


Entry: TypeAlias = Manifest | OwnerEntry | RecordEntry | FileEntry


def encoded(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Yield the bytes of some entries, of which the first is the manifest."""
    count = 0
    for entry in entries:
        count += 1
        match entry:
            case Manifest():
                yield _head(
                    kind="manifest",
                    format=FORMAT,
                    made=entry.made.astimezone(UTC).isoformat(),
                    software=entry.software,
                    machine=entry.machine,
                    nodes=[[each.name, each.uuid, each.mate_uuid] for each in entry.nodes],
                    in_hardware=list(entry.in_hardware),
                    audit_head=entry.audit_head,
                )
            case OwnerEntry():
                yield _head(kind="owner", owner=entry.owner, epoch=entry.epoch)
            case RecordEntry():
                yield _head(kind="record", name=entry.name, size=len(entry.value))
                yield entry.value
            case FileEntry():
                yield _head(
                    kind="file", place=entry.place, original=entry.original, mode=entry.mode, size=entry.size
                )
                yield from _exactly(entry)
            case unreachable:
                assert_never(unreachable)
    yield _head(kind="end", entries=count)


def _exactly(entry: FileEntry) -> Iterator[bytes]:
    """Yield the body of a file, as long as its head says: it may have grown or been cut meanwhile."""
    left, pieces = entry.size, iter(entry.pieces)
    while left and (piece := next(pieces, b"")):
        yield piece[:left]
        left -= min(left, len(piece))
    if left:
        message = f"{entry.original or entry.place}: it was cut off while it was read; try again"
        raise NoBackup(message)


def _head(**fields: Any) -> bytes:  # noqa: ANN401 - the fields of a kind, each checked where it is read
    head: bytes = msgpack.packb(fields)
    return len(head).to_bytes(_LENGTH_BYTES, "big") + head


# --- reading ----------------------------------------------------------------------------------------


def decoded_untrusted(chunks: Iterable[bytes]) -> Iterator[Entry]:
    """Yield the entries of an opened backup. The pieces of a file are to be read before the next entry.

    The manifest comes first, and when the iterator ends the end was there.

    :raises NoBackup: it is not what a backup holds, or a bound is exceeded.
    """
    reader = _Reader(chunks)
    yield _manifest(reader.head())
    count, in_owner, places = 1, False, set[str]()
    while True:
        head = reader.head()
        kind = head.get("kind")
        if kind == "end":
            if _number(head, "entries") != count or not reader.ended():
                raise _unsound("the end counts other entries than there were")
            return
        count += 1
        if count > MAXIMUM_ENTRIES:
            raise _unsound("too many entries")
        if kind == "owner":
            in_owner = True
            yield OwnerEntry(_text(head, "owner", _LONGEST_NAME), _number(head, "epoch"))
        elif kind == "record" and in_owner:
            size = _number(head, "size", MAXIMUM_RECORD_BYTES)
            yield RecordEntry(_text(head, "name", _LONGEST_NAME), b"".join(reader.body(size)))
        elif kind == "file":
            in_owner = False
            entry = _file(head, reader)
            if entry.place in places:
                raise _unsound("two files for", ascii(entry.place))
            places.add(entry.place)
            yield entry
            reader.finish_body()
        else:
            raise _unsound("an entry where none of that kind may be:", ascii(kind)[:40])


def _manifest(head: dict[str, Any]) -> Manifest:
    if head.get("kind") != "manifest":
        raise _unsound("it does not begin with a manifest")
    found = head.get("format")
    if isinstance(found, int) and found > FORMAT:
        message = (
            f"its contents have format {found}; this software reads {FORMAT}: use the version that made it"
        )
        raise NoBackup(message)
    try:
        made = datetime.fromisoformat(_text(head, "made", _LONGEST_NAME))
        if made.tzinfo is None:
            raise _unsound("its manifest has a time without a zone")
        made = made.astimezone(UTC)
        nodes = tuple(NodeName(*(str(part) for part in each)) for each in head["nodes"])
        hardware = tuple(str(each) for each in head["in_hardware"])
        shown = (text for node in nodes for text in (node.name, node.uuid, node.mate_uuid))
        if not all(each.isprintable() for each in (*shown, *hardware)):
            raise _unsound("a name in its manifest cannot be printed")
    except (ValueError, TypeError, KeyError, OverflowError) as fault:
        raise _unsound("its manifest is none") from fault
    return Manifest(
        made,
        _text(head, "software", _LONGEST_NAME),
        _text(head, "machine", _LONGEST_NAME),
        nodes,
        hardware,
        _text(head, "audit_head", _LONGEST_NAME),
    )


def _file(head: dict[str, Any], reader: _Reader) -> FileEntry:
    place = _text(head, "place", _LONGEST_PATH)
    parts = PurePosixPath(place).parts
    sound = PLACES.fullmatch(place) and place == "/".join(parts) and not {".", ".."} & set(parts)
    if not sound:
        raise _unsound("a file where a restore puts none:", ascii(place)[:200])
    size = _number(head, "size", MAXIMUM_BACKUP_BYTES)
    mode = _number(head, "mode") & 0o644
    return FileEntry(place, _text(head, "original", _LONGEST_PATH), mode, size, reader.body(size))


def _text(head: dict[str, Any], name: str, longest: int) -> str:
    value = head.get(name)
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        # Texts are shown to an operator, whose terminal would obey what is not printable.
        raise _unsound(name, "is no printable text of at most", longest, "characters")
    return value


def _number(head: dict[str, Any], name: str, greatest: int = _GREATEST) -> int:
    value = head.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= greatest:
        raise _unsound(name, "is no number up to", greatest)
    return value


def _unsound(*words: object) -> NoBackup:
    return NoBackup(f"what is in it is not what a backup holds: {' '.join(map(str, words))}")


class _Reader:
    """Takes heads and bodies out of chunks."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._waiting = bytearray()
        self._unread: Iterator[bytes] | None = None

    def head(self) -> dict[str, Any]:
        length = int.from_bytes(self._take(_LENGTH_BYTES), "big")
        if length > MAXIMUM_HEAD_BYTES:
            raise _unsound("a head that is too long")
        try:
            found = msgpack.unpackb(self._take(length), max_map_len=16)
        except (ValueError, msgpack.UnpackException) as fault:
            raise _unsound("a head that cannot be read") from fault
        if not isinstance(found, dict):
            raise _unsound("a head that is no map")
        return found

    def body(self, size: int) -> Iterator[bytes]:
        self._unread = self._body(size)
        return self._unread

    def finish_body(self) -> None:
        """Pass over what nobody has read of the last body."""
        for _ in self._unread or ():
            pass

    def ended(self) -> bool:
        return not self._waiting and next(self._chunks, None) is None

    def _body(self, size: int) -> Iterator[bytes]:
        while size:
            if not self._waiting:
                self._more()
            piece = bytes(self._waiting[:size])
            del self._waiting[: len(piece)]
            size -= len(piece)
            yield piece

    def _take(self, size: int) -> bytes:
        while len(self._waiting) < size:
            self._more()
        found = bytes(self._waiting[:size])
        del self._waiting[:size]
        return found

    def _more(self) -> None:
        chunk = next(self._chunks, None)
        if chunk is None:
            raise _unsound("it ends in the middle of an entry")
        self._waiting += chunk


#: What makes the pieces of a file, so that it is read only when its turn has come.
Pieces: TypeAlias = Callable[[], Iterator[bytes]]
