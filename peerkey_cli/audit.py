"""The audit log, for commands that act on files themselves: where their events go.

One process at a time writes the log of a state directory: the one that holds its lock. While a system runs
that is the system, and it is asked by its admin API to record the event, and counts it; else the command
takes the lock for a moment and writes itself. Whether that is possible is found out before anything is
changed (:meth:`Audit.check`): what cannot be recorded is not done.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pydantic import TypeAdapter, ValidationError

from actors.journal import FileJournal
from peerkey.errors import Misconfigured
from peerkey.observe.events import (
    BackupMade,
    CertificateIngested,
    CertificateRefused,
    CsrFailed,
    CsrGenerated,
    Enrolled,
    EnrollmentFailed,
    PrivateKeyCreated,
    PrivateKeyDeleted,
)
from peerkey_cli import schemas
from peerkey_cli.client import Client
from peerkey_cli.errors import NotFound, WrongUsage
from peerkey_cli.state import DirectoryInUse, StateDirectory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: The events that a command may have recorded by the running system.
CommandEvent: TypeAlias = (
    BackupMade
    | CertificateIngested
    | CertificateRefused
    | CsrGenerated
    | CsrFailed
    | Enrolled
    | EnrollmentFailed
    | PrivateKeyCreated
    | PrivateKeyDeleted
)
_KINDS: Final[dict[str, type[CommandEvent]]] = {
    kind.TYPE: kind
    for kind in (
        BackupMade,
        CertificateIngested,
        CertificateRefused,
        CsrGenerated,
        CsrFailed,
        Enrolled,
        EnrollmentFailed,
        PrivateKeyCreated,
        PrivateKeyDeleted,
    )
}
#: Of a machine rather than of a node: it may have keys for a node that does not run yet.
OF_THE_MACHINE: Final = (BackupMade, PrivateKeyCreated, PrivateKeyDeleted)


class Audit:
    """The audit log of one state directory."""

    def __init__(self, state: StateDirectory, client: Client) -> None:
        """Write to the log of ``state``, or let the system that ``client`` asks do it."""
        self._state = state
        self._client = client

    def check(self, node: str) -> None:
        """Find out whether an event of ``node`` could be recorded now.

        :raises Misconfigured: the directory cannot be used.
        :raises NotFound: a system uses it that does not run this node.
        :raises Unreachable: a system uses it and does not answer.
        """
        try:
            with self._state.held():
                FileJournal(self._state.journal).close()
        except DirectoryInUse:
            running = self._client.get("certificates", schemas.Certificates).nodes
            require_node(node, [(each.node, each.uuid) for each in running])
        except OSError as fault:
            raise self._unwritable(fault) from fault

    def record(self, node: str, event: CommandEvent) -> None:
        """Record an event of ``node``.

        :raises Misconfigured: the directory cannot be used any more.
        :raises NotFound: a system uses it that does not run this node.
        :raises Unreachable: a system uses it and does not answer.
        """
        try:
            with self._state.held():
                journal = FileJournal(self._state.journal)
                try:
                    journal.record(datetime.now(UTC), node, event)
                finally:
                    journal.close()
        except DirectoryInUse:
            _post(self._client, node, event)
        except OSError as fault:
            raise self._unwritable(fault) from fault

    def _unwritable(self, fault: OSError) -> Misconfigured:
        return Misconfigured(f"{self._state.journal}: the audit log cannot be written: {fault.strerror}")


@contextmanager
def recording(state: StateDirectory) -> Iterator[Callable[[datetime, str, CommandEvent], None]]:
    """Yield what records events of this machine while the block lasts. What cannot be recorded is not done.

    :raises Misconfigured: the directory or the audit log cannot be used.
    :raises Unreachable: a system uses it, and does not answer at its own socket.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(state.held())
        except DirectoryInUse:
            client = Client(state.socket)
            client.get("health", schemas.Health)
            yield partial(_posted, client)
            return
        try:
            journal = FileJournal(state.journal)
        except OSError as fault:
            message = f"{state.journal}: the audit log cannot be written: {fault.strerror}"
            raise Misconfigured(message) from fault
        stack.callback(journal.close)
        yield journal.record


def _posted(client: Client, _: datetime, node: str, event: CommandEvent) -> None:
    _post(client, node, event)


def _post(client: Client, node: str, event: CommandEvent) -> None:
    told = schemas.AuditRequest(node=node, type=event.TYPE, fields=_fields(event))
    client.post("audit", schemas.Recorded, told)


def require_node(node: str, running: Iterable[tuple[str, str]]) -> None:
    """See that an event concerns one of the nodes that run here, which are given by name and UUID.

    :raises NotFound: it does not.
    """
    known = tuple(running)
    if not any(node in names for names in known):
        message = (
            f"the system that runs here has no node {node!r}, but {', '.join(name for name, _ in known)}; "
            "name the state directory of that node with --state-dir"
        )
        raise NotFound(message)


def event_of(kind: str, values: Mapping[str, object]) -> CommandEvent:
    """Make the event that a request names.

    :raises WrongUsage: there is no such event, or it has other fields.
    """
    made = _KINDS.get(kind)
    if made is None or set(values) != {field.name for field in fields(made)}:
        message = "no event of this type and these fields is recorded for others"
        raise WrongUsage(message)
    try:
        return TypeAdapter(made).validate_python(values)
    except ValidationError:
        message = f"a field of {kind} is not of its kind"
        raise WrongUsage(message) from None


def _fields(event: CommandEvent) -> dict[str, Any]:
    return {field.name: getattr(event, field.name) for field in fields(event)}
