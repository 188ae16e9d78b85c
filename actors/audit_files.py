"""The files of an audit log: which there are, in which order, and what is noted beside them.

===========================  ====================================================================
``events.jsonl``             where lines are appended
``events.000000000042.jsonl``  what was there before, by the number of its first line
``events.checkpoint``        a head of the log and what had been counted up to it, written whole
===========================  ====================================================================

Reading changes nothing, so that anybody may verify a log while it is being written (:func:`lines_of`).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from actors.whole_files import write_whole
from peerkey.observe.audit_chain import BEGINNING, MAXIMUM_LINE_BYTES, Head
from peerkey.observe.security_stats import Counter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: The checkpoint of a hundred thousand nodes is smaller.
_MAXIMUM_CHECKPOINT_BYTES: Final = 64 * 1024 * 1024
_FORMAT: Final = 1
_MODE: Final = 0o600
_DIGITS: Final = 12


class NoCheckpoint(Exception):
    """There is a checkpoint, and it cannot be read or is none."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where the log was at some time, and what had been counted up to there."""

    head: Head = BEGINNING
    #: Whether the log ended there in good order: nobody has appended since, or somebody should not have.
    closed: bool = True
    since: datetime | None = None
    #: By node.
    counted: Mapping[str, Mapping[Counter, int]] | None = None

    def encode(self) -> bytes:
        """Return the content of the file."""
        document = {
            "format": _FORMAT,
            "sequence": self.head.sequence,
            "hash": self.head.digest.hex(),
            "closed": self.closed,
            "since": None if self.since is None else self.since.isoformat(),
            "counted": self.counted or {},
        }
        return json.dumps(document, separators=(",", ":")).encode("ascii") + b"\n"

    @classmethod
    def decode_untrusted(cls, content: bytes) -> Checkpoint:
        """Read the content of the file.

        :raises NoCheckpoint: it is none.
        """
        try:
            found = json.loads(content)
            since, closed = found["since"], found["closed"]
            if found["format"] != _FORMAT or not isinstance(closed, bool):
                raise NoCheckpoint
            return cls(
                head=Head.of_text(f"{found['sequence']}:{found['hash']}"),
                closed=closed,
                since=None if since is None else datetime.fromisoformat(since),
                counted={
                    str(node): {Counter(name): int(number) for name, number in numbers.items()}
                    for node, numbers in found["counted"].items()
                },
            )
        except (ValueError, OverflowError, KeyError, TypeError, AttributeError, RecursionError) as fault:
            raise NoCheckpoint from fault


@dataclass(frozen=True, slots=True)
class AuditFiles:
    """The files of one log, by the name of the one that is appended to."""

    active: Path

    @property
    def checkpoint(self) -> Path:
        """Where the checkpoint is."""
        return self.active.with_suffix(".checkpoint")

    def full(self) -> tuple[Path, ...]:
        """Return the files that were full, oldest first."""
        name = re.compile(
            rf"{re.escape(self.active.stem)}\.[0-9]{{{_DIGITS}}}{re.escape(self.active.suffix)}"
        )
        return tuple(
            sorted(
                each for each in self.active.parent.glob(f"{self.active.stem}.*") if name.fullmatch(each.name)
            )
        )

    def full_name(self, first: int) -> Path:
        """Return the name for a full file by the number of its first line."""
        return self.active.with_name(f"{self.active.stem}.{first:0{_DIGITS}d}{self.active.suffix}")

    def read_checkpoint(self) -> Checkpoint | None:
        """Return the checkpoint; ``None`` where there is none.

        :raises NoCheckpoint: it is none.
        :raises OSError: the disk.
        """
        try:
            with self.checkpoint.open("rb") as file:
                content = file.read(_MAXIMUM_CHECKPOINT_BYTES + 1)
        except FileNotFoundError:
            return None
        return Checkpoint.decode_untrusted(content)

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint; it is on the disk when this returns."""
        write_whole(self.checkpoint, (checkpoint.encode(),), _MODE)


@dataclass(frozen=True, slots=True)
class FileLine:
    """One line of a file, without its end."""

    file: Path
    #: From 1.
    number: int
    content: bytes
    #: Whether its end is there. Without it, it is what a dying writer has left.
    whole: bool


def lines_of(files: AuditFiles) -> Iterator[FileLine]:
    """Yield every line, oldest first, also while somebody appends to the log.

    The newest file is opened first: whatever name it has when the others have been read, it is read once. One
    that is deleted meanwhile is left out.

    :raises OSError: a file cannot be read.
    """
    with ExitStack() as stack:
        newest, same = None, None
        with suppress(FileNotFoundError):
            newest = stack.enter_context(files.active.open("rb"))
            same = os.fstat(newest.fileno()).st_ino
        for path in files.full():
            with suppress(FileNotFoundError), path.open("rb") as file:
                if os.fstat(file.fileno()).st_ino != same:
                    yield from _lines(path, file)
        if newest is not None:
            yield from _lines(files.active, newest)


def file_lines(path: Path) -> Iterator[FileLine]:
    """Yield the lines of one file. A longer one than any may be comes in pieces, which are none."""
    with path.open("rb") as file:
        yield from _lines(path, file)


def _lines(path: Path, file: BinaryIO) -> Iterator[FileLine]:
    number = 0
    while piece := file.readline(MAXIMUM_LINE_BYTES):
        number += 1
        yield FileLine(path, number, piece.removesuffix(b"\n"), piece.endswith(b"\n"))


def counted_of(document: Mapping[str, Any]) -> dict[Counter, int]:
    """Return what a line is counted as, by what it says itself; what it says wrongly is left out."""
    found = document.get("counted")
    if not isinstance(found, dict):
        return {}
    return {
        Counter(name): number
        for name, number in found.items()
        if name in set(Counter) and isinstance(number, int) and number > 0
    }
