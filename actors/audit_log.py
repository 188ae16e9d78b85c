"""The audit log on disk: append-only, chained, rotated, and repaired where its writer was killed.

::

    log, found = AuditLog.open(path)
    log.append({"time": …, "type": …}, node="hub/node0", counted={Counter.CSR_SUCCESS: 1}, time=now)
    log.close()

A line is *acknowledged* when :meth:`AuditLog.append` returns: the operating system has it, in one call, so
it survives the death of this process, however it dies. A thread brings what is new to the disk within
:data:`SYNC_WITHIN` and notes the head and the counters beside the log (:mod:`actors.audit_files`), so a power
cut takes at most what is newer than that. The file that is full is renamed by the number of its first line;
the chain goes on in the next.

Statistics are the checkpoint plus what the lines after it say: a line is counted once, whatever dies when.

One process at a time writes a log; the lock of the state directory sees to that.
"""

from __future__ import annotations

import errno
import os
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import structlog

from actors.audit_files import AuditFiles, Checkpoint, NoCheckpoint, counted_of, file_lines
from actors.whole_files import remove_drafts, sync_directory
from peerkey.observe.audit_chain import (
    BEGINNING,
    Broken,
    Head,
    Line,
    chained,
    read_line_untrusted,
    require_next,
    sequence_untrusted,
)
from peerkey.observe.events import AuditDamaged, AuditRepaired, StatisticsCleared
from peerkey.observe.security_stats import SecurityStatistics

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from peerkey.observe.security_stats import Counter

_log = structlog.get_logger("journal")

#: How long a line may be in the hands of the operating system alone.
SYNC_WITHIN: Final = timedelta(seconds=1)
#: A file is full when the next line would make it longer.
FILE_BYTES: Final = 8 * 1024 * 1024
#: Files beside the one that is appended to; the oldest beyond them are deleted.
FULL_FILES: Final = 15
#: How much of a torn line is told.
_TOLD_OF_TORN: Final = 1_024
_MODE: Final = 0o600
_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


@dataclass(slots=True)
class _Tail:
    """What the end of a log has turned out to be."""

    statistics: SecurityStatistics
    #: The last line that can be read, or the checkpoint.
    head: Head = BEGINNING
    #: Of the file that is appended to: bytes up to the end of its last whole line, and its first number.
    size: int = 0
    first: int = 0
    torn: bytes = b""
    damage: list[str] = field(default_factory=list)

    def events(self) -> tuple[AuditRepaired | AuditDamaged, ...]:
        """Return what the log is to tell of it."""
        found: list[AuditRepaired | AuditDamaged] = [AuditDamaged(reason) for reason in self.damage[:1]]
        if self.torn:
            text = self.torn[:_TOLD_OF_TORN].decode("ascii", "replace")
            found.append(AuditRepaired(len(self.torn), sha256(self.torn).hexdigest(), text))
        return tuple(found)


class AuditLog:
    """See the module."""

    def __init__(
        self, files: AuditFiles, tail: _Tail, descriptor: int, *, file_bytes: int, full_files: int
    ) -> None:
        """Go on at the end; see :meth:`open`."""
        self.statistics = tail.statistics
        self._files = files
        self._descriptor = descriptor
        self._size = tail.size
        self._first = tail.first
        self._head = tail.head
        self._file_bytes = file_bytes
        self._full_files = full_files
        self._sound = True
        self._closed = False
        #: Held for a moment by whoever appends, and by the thread that sees what there is to sync.
        self._turn = threading.Lock()
        self._retired: list[int] = []
        self._synced = tail.head
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()

    @classmethod
    def open(
        cls, path: Path, *, file_bytes: int = FILE_BYTES, full_files: int = FULL_FILES
    ) -> tuple[AuditLog, tuple[AuditRepaired | AuditDamaged, ...]]:
        """Open the log at ``path``, made where it is missing; return it with what is to be told in it.

        :raises OSError: it cannot be read or written.
        """
        files = AuditFiles(path)
        tail = _examined(files)
        descriptor = os.open(path, _FLAGS, _MODE)
        try:
            os.ftruncate(descriptor, tail.size)
            remove_drafts(files.checkpoint)
            log = cls(files, tail, descriptor, file_bytes=file_bytes, full_files=full_files)
            log._note(closed=False)
        except BaseException:
            os.close(descriptor)
            raise
        return log, tail.events()

    @property
    def head(self) -> Head:
        """Where the log ends."""
        return self._head

    def append(
        self, document: Mapping[str, object], *, node: str, counted: Mapping[Counter, int], time: datetime
    ) -> Head:
        """Append a line, and count what it is counted as; return the head. It is acknowledged then.

        :raises OSError: it was not written, and nothing is counted.
        :raises ValueError: it is longer than a line may be.
        """
        named = {name.value: number for name, number in counted.items()}
        line, head = chained({**document, "counted": named} if named else document, self._head)
        with self._turn:
            self._mend()
            if self._size and self._size + len(line) > self._file_bytes:
                self._begin_next()
            self._write(line)
            if not self._first:
                self._first = head.sequence
            self._head = head
            # As the line has it, so that reading it again gives the same.
            _count(self.statistics, document["type"], node, counted, _time_of(document) or time)
        self._want_sync()
        return head

    def close(self) -> None:
        """Bring everything to the disk, note that this is the end, and close the files."""
        if self._closed:
            return
        self._closed = True
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
        try:
            self._sync()
            self._note(closed=True)
        except OSError as fault:
            _log.error("the end of the audit log was not noted", reason=fault.strerror)
        os.close(self._descriptor)

    def abandon(self) -> None:
        """Leave everything as the death of the process would. For tests and simulations."""
        self._closed = True
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
        for each in (*self._retired, self._descriptor):
            os.close(each)

    # --- writing ------------------------------------------------------------------------------------

    def _mend(self) -> None:
        """Take back what there is of a line that was not written as a whole."""
        if not self._sound:
            os.ftruncate(self._descriptor, self._size)
            self._sound = True
        if self._overtaken():
            # A process that was thought dead and wakes up beside its successor must not break the chain.
            raise OSError(errno.ESTALE, "another process has written to it")

    def _overtaken(self) -> bool:
        """Tell whether another process has written to the file."""
        return self._sound and os.fstat(self._descriptor).st_size != self._size

    def _write(self, line: bytes) -> None:
        """Write a whole line.

        :raises OSError: it was not; what there is of it is taken back before the next one.
        """
        self._sound = False
        written = os.write(self._descriptor, line)
        while written < len(line):
            # The disk is nearly full: either the rest has room, or the next call says why it has not.
            written += os.write(self._descriptor, line[written:])
        self._size += len(line)
        self._sound = True

    def _begin_next(self) -> None:
        """Give the full file its name, begin another, and delete what there is too much of."""
        active, name = self._files.active, self._files.full_name(self._first)
        active.rename(name)
        try:
            descriptor = os.open(active, _FLAGS, _MODE)
        except OSError:
            name.rename(active)
            raise
        self._retired.append(self._descriptor)
        self._descriptor, self._size, self._first = descriptor, 0, 0
        full = self._files.full()
        for old in full[: max(0, len(full) - self._full_files)]:
            old.unlink(missing_ok=True)

    # --- the disk -----------------------------------------------------------------------------------

    def _want_sync(self) -> None:
        """Have a thread bring what is new to the disk, soon."""
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._work, name="audit log", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        """Bring what is new to the disk, again and again until the log is closed."""
        told = ""
        while not self._ending.wait(SYNC_WITHIN.total_seconds()):
            if self._synced == self._head:
                continue
            try:
                self._sync()
                told = ""
            except OSError as fault:
                if told != str(fault):
                    told = str(fault)
                    _log.error("the audit log is not on the disk", reason=fault.strerror)

    def _sync(self) -> None:
        """Bring the log to the disk as it is now, then the checkpoint that speaks of it."""
        with self._turn:
            checkpoint = self._checkpoint(closed=False)
            retired, self._retired = self._retired, []
            current = os.dup(self._descriptor)
        failed: OSError | None = None
        for each in (*retired, current):
            try:
                os.fsync(each)
            except OSError as fault:
                failed = fault
            os.close(each)
        if failed is not None:
            raise failed
        if retired:
            sync_directory(self._files.active.parent)
        if not self._overtaken():
            self._files.write_checkpoint(checkpoint)
        self._synced = checkpoint.head

    def _note(self, *, closed: bool) -> None:
        if not self._overtaken():
            self._files.write_checkpoint(self._checkpoint(closed=closed))

    def _checkpoint(self, *, closed: bool) -> Checkpoint:
        return Checkpoint(self._head, closed, self.statistics.since, self.statistics.numbers())


# --- opening ----------------------------------------------------------------------------------------


def _examined(files: AuditFiles) -> _Tail:
    """Read the end of a log: from the checkpoint on, or all of it where there is none."""
    damage = _set_aside(files)
    there = (*files.full(), *((files.active,) if files.active.exists() else ()))
    try:
        known = files.read_checkpoint()
        if known is None and any(each.stat().st_size for each in there):
            damage.append("the checkpoint beside it is missing; what is counted is what its lines say")
    except NoCheckpoint:
        known = None
        damage.append("the checkpoint beside it cannot be read; what is counted is what its lines say")
    checkpoint = known or Checkpoint(closed=False)
    statistics = SecurityStatistics(checkpoint.since)
    for node, numbers in (checkpoint.counted or {}).items():
        statistics.add(node, numbers, checkpoint.since)
    tail = _Tail(statistics, head=checkpoint.head, damage=damage)
    _follow(tail, files, there, checkpoint, noted=known is not None)
    return tail


def _set_aside(files: AuditFiles) -> list[str]:
    """Give a log that has no chain, from before there was one, another name; return what is to be told."""
    if not files.active.exists() or files.checkpoint.exists() or files.full():
        return []
    first = next(file_lines(files.active), None)
    if first is None or not first.whole or sequence_untrusted(first.content) is not None:
        return []
    aside = files.active.with_name(f"{files.active.stem}.unchained{files.active.suffix}")
    files.active.rename(aside)
    return [f"there was one without a chain, which is {aside.name} now"]


def _follow(
    tail: _Tail, files: AuditFiles, there: tuple[Path, ...], checkpoint: Checkpoint, *, noted: bool
) -> None:
    """Read the lines that the checkpoint does not cover, count them, and find where the log ends."""
    noted_at = checkpoint.head.sequence
    former: Head | None = None
    newest = 0
    for path in there:
        tail.size = tail.first = 0
        tail.torn = b""
        for each in file_lines(path):
            if not each.whole:
                tail.torn += each.content
                continue
            tail.size += len(tail.torn) + len(each.content) + 1
            if tail.torn:
                tail.torn = b""
            number = sequence_untrusted(each.content)
            tail.first = tail.first or number or 0
            newest = max(newest, number or 0)
            if number is not None and number < noted_at and former is None:
                continue
            if former is None and noted and number != noted_at:
                former = checkpoint.head
            line = _taken(tail, each.content, checkpoint, former, f"{path.name}, line {each.number}")
            if line is not None:
                former = tail.head = line.head
    if files.active not in there:
        tail.size, tail.first, tail.torn = 0, 0, b""
    if noted and newest < noted_at:
        many = noted_at - newest
        tail.damage.append(f"its last {many} line{'s are' if many != 1 else ' is'} missing, up to {noted_at}")
    elif noted and checkpoint.closed and (tail.head.sequence > noted_at or tail.torn):
        tail.damage.append("lines were appended after it had been closed")


def _taken(
    tail: _Tail, content: bytes, checkpoint: Checkpoint, former: Head | None, place: str
) -> Line | None:
    """Count a line that the checkpoint does not cover; return it if it can be read."""
    try:
        line = read_line_untrusted(content)
        if former is None and line.head.sequence == checkpoint.head.sequence:
            if line.head != checkpoint.head:
                tail.damage.append(f"{place}: it is another than the one that was noted")
            return line
        document = line.document()
        try:
            require_next(line, former)
        except Broken as fault:
            tail.damage.append(f"{place}: {fault}")
            if former is not None and line.head.sequence <= former.sequence:
                return None
    except Broken as fault:
        tail.damage.append(f"{place}: {fault}")
        return None
    _count(
        tail.statistics,
        document.get("type"),
        str(document.get("node")),
        counted_of(document),
        _time_of(document),
    )
    return line


def _count(
    statistics: SecurityStatistics,
    kind: object,
    node: str,
    counted: Mapping[Counter, int],
    time: datetime | None,
) -> None:
    """Count a line; the one that tells of clearing clears."""
    if kind == StatisticsCleared.TYPE:
        statistics.clear(time)
        return
    statistics.add(node, counted, time)


def _time_of(document: Mapping[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(document["time"])
    except (KeyError, TypeError, ValueError):
        return None
