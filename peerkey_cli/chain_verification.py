"""``events verify``: reads an audit log as it is and says where it is not as it was written.

Every line must be whole, name its own hash rightly, and follow the one before it; the checkpoint beside the
log, and a head that an operator has noted, must be on the chain. What none of these can show is said in
``docs/formats/audit-log.md``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from actors.audit_files import AuditFiles, Checkpoint, NoCheckpoint, lines_of
from peerkey.errors import Misconfigured
from peerkey.observe.audit_chain import Broken, Head, read_line_untrusted, require_next, sequence_untrusted
from peerkey_cli import schemas
from peerkey_cli.errors import NotFound
from peerkey_cli.state import StateDirectory, default_directory

if TYPE_CHECKING:
    from actors.audit_files import FileLine


def logs_of(file: Path | None, state_dir: Path | None) -> tuple[AuditFiles, ...]:
    """Return the logs that are meant: one by its file, or all of a state directory.

    :raises NotFound: there is none.
    """
    if file is not None:
        found = [AuditFiles(file)]
    else:
        state = StateDirectory(state_dir or default_directory())
        hosts = sorted((state.path / "hosts").glob(f"*/{state.journal.name}"))
        found = [AuditFiles(path) for path in (state.journal, *hosts)]
    there = tuple(each for each in found if each.active.exists() or each.full())
    if not there:
        where = file or found[0].active
        message = f"{where}: there is no audit log; name one, or its --state-dir"
        raise NotFound(message)
    return there


def verified(logs: Iterable[AuditFiles], noted: Head | None = None) -> schemas.AuditVerified:
    """Verify logs. ``noted`` is a head that one of them must have.

    :raises Misconfigured: a file cannot be read.
    """
    read = []
    for files in logs:
        try:
            read.append(_read(files, noted))
        except OSError as fault:
            message = f"{fault.filename or files.active}: cannot be read: {fault.strerror}"
            raise Misconfigured(message) from fault
    if noted is not None and len(read) > 1 and any(each.noted for each in read):
        # It is the head of one of them, and says nothing of the others.
        for each in read:
            each.noted = True
    found = tuple(each.document(noted) for each in read)
    return schemas.AuditVerified(
        time=datetime.now(UTC), valid=all(each.fault is None for each in found), logs=found
    )


@dataclass(slots=True)
class _Reading:
    """What has been seen of one log so far."""

    files: AuditFiles
    checkpoint: Checkpoint | None
    lines: int = 0
    first: int | None = None
    head: Head | None = None
    seen: set[Path] = field(default_factory=set)
    fault: schemas.ChainFault | None = None
    remarks: list[str] = field(default_factory=list)
    noted: bool = False
    #: The latest end of a file that is no whole line.
    torn: FileLine | None = None

    def take(self, line: FileLine, noted: Head | None) -> None:
        """Look at one line."""
        self.seen.add(line.file)
        if not line.whole:
            self._take_torn(line)
            return
        self.lines += 1
        try:
            found = read_line_untrusted(line.content)
            require_next(found, self.head)
            self._require_noted(found.head)
        except Broken as fault:
            self._broken(line, str(fault))
            return
        if self.first is None:
            self.first = found.head.sequence
        self.head = found.head
        self.noted = self.noted or found.head == noted

    def _take_torn(self, line: FileLine) -> None:
        """Remember the end of a file that is no whole line. Only one piece can be such an end."""
        if self.torn is not None and self.torn.file == line.file:
            self._broken(line, "it is longer than a line may be")
            return
        self.torn = line
        torn = f"{line.file.name} ends with {len(line.content)} bytes of a line that nobody was promised"
        self.remarks.append(
            f"its last line is torn: {torn}; they are taken out, and told of, when the log is opened next"
        )

    def ended(self) -> None:
        """See that the end is there."""
        if self.checkpoint is None and self.head is None and self.torn is not None:
            self._broken(self.torn, "no line of it is whole: it is no audit log, or its first line is torn")
            return
        checkpoint, last = self.checkpoint, self.head.sequence if self.head else 0
        if checkpoint is None:
            self.remarks.append("there is no checkpoint beside it: an end that was cut off does not show")
        elif checkpoint.head.sequence > last:
            many = f"{checkpoint.head.sequence - last} of its last lines"
            self._missing(f"{many} are missing: it went on to {checkpoint.head.sequence}")
        elif checkpoint.closed and last > checkpoint.head.sequence:
            self._missing(f"it was closed after {checkpoint.head.sequence}; who wrote the rest is not known")

    def document(self, noted: Head | None) -> schemas.AuditLogInfo:
        """Return what was found."""
        if self.fault is None and noted is not None and not self.noted:
            self._missing(f"no line of it is {noted}")
        return schemas.AuditLogInfo(
            file=str(self.files.active),
            files=len(self.seen),
            lines=self.lines,
            first=self.first,
            head="" if self.head is None else str(self.head),
            fault=self.fault,
            remarks=tuple(self.remarks),
        )

    def _require_noted(self, head: Head) -> None:
        """Compare a line with the checkpoint.

        :raises Broken: it is another than the one that was noted.
        """
        known = self.checkpoint
        if known is not None and head.sequence == known.head.sequence and head != known.head:
            message = "it is another than the one that the checkpoint has noted"
            raise Broken(message)

    def _broken(self, line: FileLine, reason: str) -> None:
        sequence = sequence_untrusted(line.content)
        self.fault = schemas.ChainFault(
            file=str(line.file), line=line.number, sequence=sequence, reason=reason
        )

    def _missing(self, reason: str) -> None:
        self.fault = schemas.ChainFault(file=str(self.files.active), line=None, sequence=None, reason=reason)


def _read(files: AuditFiles, noted: Head | None) -> _Reading:
    """Read a log up to its end, or to the first line that is wrong."""
    # The checkpoint first: a log that is being written goes beyond it meanwhile.
    try:
        reading = _Reading(files, files.read_checkpoint())
    except NoCheckpoint:
        reading = _Reading(files, None)
        reading.remarks.append(f"{files.checkpoint.name} cannot be read")
    for line in lines_of(files):
        reading.take(line, noted)
        if reading.fault is not None:
            return reading
    reading.ended()
    return reading
