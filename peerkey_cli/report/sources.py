"""Where the events of a run come from: the audit logs of a state directory, or a document of `simulate`.

Lines are read one after the other and none is kept. Several logs (those of the hosts of a cluster, or of the
nodes of an HA router) are merged by their times. A line that cannot be read is counted and left out: whether
a log is as it was written says ``peerkey events verify``.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from actors.audit_files import AuditFiles, lines_of
from peerkey.errors import Misconfigured
from peerkey_cli.errors import NotFound
from peerkey_cli.report.chronicle import Chronicle
from peerkey_cli.report.page import Heading
from runtime.backends.sim.machine import BEGINNING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from peerkey_cli.simulation.faults import Fault
    from peerkey_cli.simulation.report import Simulation

_LOG: Final = "events.jsonl"
#: The largest document of a simulation that is read; a hundred nodes with fifty events each have a tenth.
_MAXIMUM_DOCUMENT_BYTES: Final = 64 * 1024 * 1024
#: Logs of one run: a cluster of a hundred hosts.
_MOST_LOGS: Final = 256
#: How deep they lie: ``demo --keep DIR`` has ``DIR/state/hosts/HOST/events.jsonl``.
_DEPTH: Final = 4


@dataclass(slots=True)
class _Read:
    """What was noticed while lines were read."""

    unreadable: int = 0
    #: How many lines are gone from before the first: full files are deleted in the end.
    missing: int = 0


def of_run(path: Path) -> tuple[Heading, Chronicle]:
    """Return what happened in a run, by its directory, its audit log, or the document of a simulation.

    :raises NotFound: there is no audit log.
    :raises Misconfigured: something cannot be read, or is no such document.
    """
    try:
        if path.is_file() and path.suffix != ".jsonl":
            return _of_document(path)
        return _of_logs(path, _logs(path))
    except OSError as fault:
        message = f"{fault.filename or path}: cannot be read: {fault.strerror}"
        raise Misconfigured(message) from fault


def _logs(path: Path) -> list[AuditFiles]:
    if path.suffix == ".jsonl":
        found = [AuditFiles(path)]
    else:
        levels = ("/".join([*["*"] * depth, _LOG]) for depth in range(_DEPTH))
        found = [AuditFiles(each) for level in levels for each in sorted(path.glob(level))]
    there = [each for each in found if each.active.exists() or each.full()]
    if not there:
        message = (
            f"{path}: there is no audit log ({_LOG}); name a state directory, or what `demo --keep` left"
        )
        raise NotFound(message)
    if len(there) > _MOST_LOGS:
        message = (
            f"{path}: there are {len(there)} audit logs, {_MOST_LOGS} at most are drawn; name one of them"
        )
        raise Misconfigured(message)
    return there


def _of_logs(path: Path, logs: Iterable[AuditFiles]) -> tuple[Heading, Chronicle]:
    chronicle, read = Chronicle(), _Read()
    # By time alone: what two logs say of one instant has no order, and a detail cannot be compared.
    for time, kind, node, detail in heapq.merge(
        *(_events(each, read) for each in logs), key=lambda each: each[0]
    ):
        chronicle.take(time, kind, node, detail)
    chronicle.finish()
    remarks = []
    if read.missing:
        remarks.append(
            f"The first {read.missing} lines of a log are gone: files that are full are deleted in the end."
        )
    if read.unreadable:
        remarks.append(
            f"{read.unreadable} lines could not be read and are left out; see `peerkey events verify`."
        )
    return Heading(
        title=f"Run of {path.resolve().name}", remarks=(*remarks, *of_clocks(chronicle))
    ), chronicle


def of_clocks(chronicle: Chronicle) -> list[str]:
    """Return the remark that times were not in order, where they were not."""
    if not chronicle.times_back:
        return []
    return [
        f"{chronicle.times_back} times an event was earlier than the one before it: a clock was set back."
    ]


def _events(files: AuditFiles, read: _Read) -> Iterator[tuple[datetime, str, str, Mapping[str, Any]]]:
    first = True
    for line in lines_of(files):
        try:
            found = json.loads(line.content)
            time = datetime.fromisoformat(found["time"])
            kind, node, detail, number = found["type"], found["node"], found["detail"], found["sequence"]
        except (ValueError, KeyError, TypeError, RecursionError):
            read.unreadable += 1
            continue
        if not (isinstance(kind, str) and isinstance(node, str) and isinstance(detail, dict) and time.tzinfo):
            read.unreadable += 1
            continue
        if first and isinstance(number, int):
            read.missing = max(read.missing, number - 1)
        first = False
        yield time, kind, node, detail


def _of_document(path: Path) -> tuple[Heading, Chronicle]:
    """Read what ``simulate --json`` printed: the latest events of each node, and all counts."""
    from peerkey_cli.simulation.faults import Fault
    from peerkey_cli.simulation.report import Simulation

    with path.open("rb") as file:
        content = file.read(_MAXIMUM_DOCUMENT_BYTES + 1)
    try:
        document = Simulation.model_validate_json(content[:_MAXIMUM_DOCUMENT_BYTES])
        faults = [Fault.of(each) for violation in document.violations[:1] for each in violation.faults]
    except (ValidationError, ValueError, LookupError, TypeError):
        message = f"{path}: no document of `peerkey simulate --json`, and no audit log (.jsonl)"
        raise Misconfigured(message) from None
    chronicle = Chronicle()
    begin, end = BEGINNING, BEGINNING + timedelta(seconds=document.virtual_seconds)
    elsewhere = sum(not begin <= event.time <= end for event in document.events)
    for event in sorted(document.events, key=lambda each: each.time):
        chronicle.take(min(max(event.time, begin), end), event.type, event.node, event.detail)
    remarks = [
        "This document has the latest events of each node; `peerkey simulate --report` draws all of them."
    ]
    if elsewhere:
        remarks.append(
            f"{elsewhere} events are at an edge of the picture: the clock of their node was wrong."
        )
    heading = of_simulation(document, chronicle, faults)
    return replace(heading, remarks=(*remarks, *heading.remarks)), chronicle


def of_simulation(document: Simulation, chronicle: Chronicle, faults: Iterable[Fault]) -> Heading:
    """Return what a report of a simulation is of. The chronicle takes its faults, and is finished then."""
    end = BEGINNING + timedelta(seconds=document.virtual_seconds)
    for fault in faults:
        begin = BEGINNING + fault.at
        about = f"{fault.node} - {fault.peer}" if fault.peer else fault.node
        chronicle.take_fault(fault.kind.value, about, begin, min(begin + fault.lasts, end))
    chronicle.finish(end)
    return Heading(
        title=f"Simulation of {Path(document.file).name}",
        facts=(
            ("Seed", str(document.seed)),
            ("Days of faults", f"{document.days:g}"),
            ("Faults", str(sum(document.faults.values()))),
            ("Digest", document.digest[:12]),
        ),
        violations=[
            f"Violation of {f'invariant {each.invariant}' if each.invariant else 'a rule'} after "
            f"{timedelta(seconds=round(each.at_seconds))}: {each.what}"
            for each in document.violations
        ],
        remarks=of_clocks(chronicle),
    )


def at(virtual: float) -> datetime:
    """Return a moment of a simulation by its virtual seconds, whatever the clocks of its machines say."""
    return (BEGINNING + timedelta(seconds=virtual)).astimezone(UTC)
