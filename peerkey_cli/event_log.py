"""Audit events from the files of the audit log, the latest first read: also of a process that is gone.

Files are read backwards, a block at a time, so that the latest of many megabytes cost what they are, and
nothing but one page is held. A line is looked at by the fields at its beginning, and understood only if it is
wanted. What is no line is left out: whether the log is as it was written, `events verify` says. Nothing is
changed, and whoever appends meanwhile is not held up.

Pages go back in time: each has the latest events before its *cursor*, oldest first, and says the cursor of
the page before it. A cursor names the number of a line in each log, so that neither rotation nor new events
move a page.
"""

from __future__ import annotations

import heapq
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from pydantic import ValidationError

from actors.audit_files import AuditFiles
from peerkey.observe.audit_chain import MAXIMUM_LINE_BYTES
from peerkey_cli import schemas
from peerkey_cli.errors import WrongUsage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

#: How much of a file is read at a time.
_BLOCK: Final = 64 * 1024
#: The beginning of every line, as :mod:`peerkey.observe.audit_chain` and :mod:`actors.journal` write it.
_BEGINNING: Final = re.compile(
    rb'\{"sequence":([1-9][0-9]{0,17}),"previous":"[0-9a-f]{64}",'
    rb'"time":"([0-9TZ:.-]{24})","type":"([^"\\]*)","node":("(?:[^"\\]|\\.)*")'
)
_NUMBER: Final = re.compile(r"\.([0-9]{12})\.")
#: What a cursor looks like, and how long it may be.
CURSOR: Final = r"^[^=,]*=[0-9]{1,18}(,[^=,]*=[0-9]{1,18})*$"
CURSOR_CHARACTERS: Final = 4_096


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events are wanted; what is ``None`` does not matter."""

    #: A type, or what types begin with: ``key`` for ``key.erased``.
    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    node: str | None = None

    def wants(self, kind: str, node: str, time: datetime) -> bool:
        """Tell whether an event is wanted. The end does not belong to the time that is asked for."""
        return (
            (self.kind is None or kind == self.kind or kind.startswith(f"{self.kind}."))
            and (self.node is None or node == self.node)
            and (self.since is None or time >= self.since)
            and (self.until is None or time < self.until)
        )


class _Found(NamedTuple):
    """A line that is wanted. The latest sorts first."""

    age: float
    log: str
    #: Negative, so that of two lines of one time the later comes first.
    order: int
    event: schemas.Event


def page(
    logs: Iterable[AuditFiles], query: EventQuery, now: datetime, *, limit: int, before: str | None = None
) -> schemas.Events:
    """Return the latest ``limit`` events before a cursor, oldest first.

    :raises WrongUsage: the cursor is none.
    :raises OSError: a file cannot be read.
    """
    named = {_name(log): log for log in logs}
    marks = _marks(before)
    streams = [_wanted(name, log, query, marks.get(name)) for name, log in named.items()]
    found: list[_Found] = []
    more = False
    for each in heapq.merge(*streams):
        if len(found) == limit:
            more = True
            break
        found.append(each)
        marks[each.log] = -each.order
    older = ",".join(f"{name}={mark}" for name, mark in sorted(marks.items())) if more else None
    events = tuple(each.event for each in reversed(found))
    return schemas.Events(time=now, events=events, source="log", older=older)


def _name(log: AuditFiles) -> str:
    """Return what a log is called in a cursor: the directory that it is in."""
    return log.active.parent.name.translate({ord("="): "_", ord(","): "_"})


def _marks(cursor: str | None) -> dict[str, int]:
    if cursor is None:
        return {}
    if len(cursor) > CURSOR_CHARACTERS or re.fullmatch(CURSOR, cursor) is None:
        message = "a cursor is what `older` of another answer says"
        raise WrongUsage(message)
    pairs = (each.rpartition("=") for each in cursor.split(","))
    return {name: int(number) for name, _, number in pairs}


def _wanted(name: str, log: AuditFiles, query: EventQuery, mark: int | None) -> Iterator[_Found]:
    """Yield what is wanted of one log, the latest first, of what stands before line ``mark``."""
    kind = None if query.kind is None else query.kind.encode()
    node = None if query.node is None else json.dumps(query.node).encode()
    since, until = _written(query.since), _written(query.until)
    for line in _lines(log, mark):
        found = _BEGINNING.match(line)
        if found is None or (mark is not None and int(found[1]) >= mark):
            continue
        if (since is not None and found[2] < since) or (until is not None and found[2] >= until):
            continue
        if kind is not None and found[3] != kind and not found[3].startswith(kind + b"."):
            continue
        if node is not None and found[4] != node:
            continue
        event = _event(line)
        if event is not None:
            yield _Found(-event.time.timestamp(), name, -int(found[1]), event)


def _event(line: bytes) -> schemas.Event | None:
    """Understand a line; ``None`` where that cannot be."""
    try:
        document: Mapping[str, object] = json.loads(line)
        return schemas.Event.model_validate({name: document[name] for name in schemas.Event.model_fields})
    except (ValueError, KeyError, RecursionError, ValidationError):
        return None


def _written(time: datetime | None) -> bytes | None:
    """Return a time as lines have it: texts that can be compared."""
    return None if time is None else schemas.iso(time.astimezone(UTC)).encode()


def _lines(log: AuditFiles, mark: int | None) -> Iterator[bytes]:
    """Yield the lines of all files of a log, the last one first.

    The newest file is opened first: whatever name it has when the others are read, it is read once.
    """
    with ExitStack() as stack:
        newest, same = None, None
        with suppress(FileNotFoundError):
            newest = stack.enter_context(log.active.open("rb"))
            same = os.fstat(newest.fileno()).st_ino
        full = log.full()
        if newest is not None:
            yield from backwards(newest)
        for path in reversed(full):
            if mark is not None and _first(path) >= mark:
                continue
            with suppress(FileNotFoundError), path.open("rb") as file:
                if os.fstat(file.fileno()).st_ino != same:
                    yield from backwards(file)


def _first(path: Path) -> int:
    """Return the number of the first line of a full file, which its name says."""
    found = _NUMBER.search(path.name)
    return 0 if found is None else int(found[1])


def backwards(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file, the last one first. What is longer than a line comes in pieces."""
    position, rest = os.fstat(file.fileno()).st_size, b""
    while position > 0:
        step = min(_BLOCK, position)
        position -= step
        file.seek(position)
        lines: Sequence[bytes] = (file.read(step) + rest).split(b"\n")
        rest = lines[0] if len(lines[0]) <= MAXIMUM_LINE_BYTES else b""
        yield from reversed(lines[1:])
    yield rest
