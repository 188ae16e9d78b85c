"""From a state directory to the entries of a backup, while a system runs there or not.

The store is read in one transaction beside the system that writes it. Files are read one after another: each
is replaced as a whole or appended to, so that what is read of it is of one moment. Of the audit log the
checkpoint is read first, and then no line is older than what it speaks of.

Peer keys are left out here (:mod:`actors.restored`), and so is the sealing key: a restored store is sealed
anew. A private key in a token or a TPM stays there, and the manifest names it.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from actors.audit_files import AuditFiles, NoCheckpoint
from actors.keystores.stores import KeyStores, home_of
from actors.restored import OF_MATE, OF_NODE, kept
from peerkey.config.key_names import is_file
from peerkey.errors import Misconfigured
from peerkey.observe.audit_chain import MAXIMUM_LINE_BYTES, Broken, read_line_untrusted
from peerkey_cli.backup.entries import (
    OUTSIDE,
    PLACES,
    Entry,
    FileEntry,
    Manifest,
    NodeName,
    OwnerEntry,
    RecordEntry,
)
from peerkey_cli.errors import NotFound
from peerkey_cli.versions import own_version
from runtime.errors import RuntimeFault, Unsealable
from runtime.store.memory import MemoryStore
from runtime.store.sealed import AesGcmSealer, SealedStore
from runtime.store.whole import snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from actors.restored import Owned
    from peerkey.config.plan import CertificateSource, NodePlan
    from peerkey.observe.audit_chain import Head
    from peerkey_cli.state import StateDirectory

#: A configuration, a bundle of certificates or a key that is larger is none.
MAXIMUM_OUTSIDE_BYTES: Final = 32 * 1024 * 1024
#: Files of one kind in a state directory: an address, a key or a full log each.
MAXIMUM_FILES: Final = 10_000
_PIECE_BYTES: Final = 256 * 1024
#: How often the audit log is looked at again, where it begins a new file meanwhile.
_LOOKS: Final = 5


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be backed up."""

    state: StateDirectory
    #: The nodes by name, where anybody knows names: a configuration, or the system that runs.
    nodes: tuple[NodeName, ...]
    #: Only this node.
    node: str | None = None
    #: The plans of a configuration, and its file; what it names is backed up too.
    plans: tuple[NodePlan, ...] = ()
    configuration: Path | None = None
    #: Other files that the operator named.
    include: tuple[Path, ...] = ()
    #: Whether full files of the audit log go along.
    logs: bool = False


@dataclass(frozen=True, slots=True)
class Gathered:
    """The entries of a backup, and what is said of them."""

    manifest: Manifest
    entries: Iterator[Entry]


def gathered(wanted: Wanted, now: datetime) -> Gathered:
    """Read the store and find the files. Nothing is written; files are read as the entries are.

    :raises Misconfigured: there is nothing to back up, or it cannot be read.
    :raises NotFound: there is no such node.
    """
    owners = _owners(wanted)
    uuids = [each.owner.removeprefix(OF_NODE) for each in owners if each.owner.startswith(OF_NODE)]
    names = {each.uuid: each for each in wanted.nodes}
    nodes = tuple(names.get(uuid, NodeName(uuid, uuid)) for uuid in uuids)
    if wanted.node is not None:
        node = next((each for each in nodes if wanted.node in {each.name, each.uuid}), None)
        if node is None:
            known = ", ".join(each.name for each in nodes) or "none"
            message = f"{wanted.state.path}: there is no node {wanted.node!r} in its store, but {known}"
            raise NotFound(message)
        nodes = (node,)
        chosen = {f"{OF_NODE}{node.uuid}", f"{OF_MATE}{node.mate_uuid}"}
        owners = [each for each in owners if each.owner in chosen]
    files, head = _files(wanted)
    manifest = Manifest(
        made=now,
        software=own_version(),
        machine=socket.gethostname(),
        nodes=nodes,
        in_hardware=tuple(sorted({plan.key_file for plan in _chosen(wanted) if not is_file(plan.key_file)})),
        audit_head=head,
    )
    return Gathered(manifest, _entries(manifest, owners, files))


def _entries(manifest: Manifest, owners: Sequence[Owned], files: Sequence[_Source]) -> Iterator[Entry]:
    yield manifest
    for owned in owners:
        yield OwnerEntry(owned.owner, owned.epoch)
        for name, value in owned.records:
            yield RecordEntry(name, value)
    for each in files:
        yield from each.entry()


# --- the store --------------------------------------------------------------------------------------


def _owners(wanted: Wanted) -> list[Owned]:
    """Read what the store has of nodes and their mates, and leave the keys there."""
    state = wanted.state
    if not state.store.exists():
        if (state.path / "hosts").is_dir():
            message = (
                f"{state.path}: is of a cluster, whose store is its Redis, which must never go back: keep "
                "the sealing key, the configuration, certificates and private keys (docs/guides/cluster.md); "
                "without a Redis nothing of it outlasts its machine"
            )
            raise Misconfigured(message)
        message = f"{state.store}: is not there; name the directory of a node that has run with --state-dir"
        raise Misconfigured(message)
    if not state.sealing_key.exists():
        message = f"{state.sealing_key}: is not there, and only it opens {state.store}"
        raise Misconfigured(message)
    home = home_of(plan.key_file for plan in wanted.plans)
    key = KeyStores(state.sealing_key, home=home).sealing_key()
    store = SealedStore(MemoryStore(), AesGcmSealer(key.reveal(), os.urandom))
    try:
        return [
            kept(owner, epoch, (store.opened(owner, each) for each in records))
            for owner, epoch, records in snapshot(state.store)
            if owner.startswith((OF_NODE, OF_MATE))
        ]
    except Unsealable as fault:
        message = f"{state.sealing_key} does not open {state.store}: restore the key that belongs to it"
        raise Misconfigured(message) from fault
    except RuntimeFault as fault:
        raise Misconfigured(str(fault)) from fault


# --- files ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Source:
    """A file that goes along: opened already where it must be the one of now, else when its turn has come."""

    place: str
    path: Path
    original: str = ""
    most: int | None = None
    #: An open file, and how much of it.
    opened: tuple[BinaryIO, int] | None = None

    def entry(self) -> Iterator[FileEntry]:
        """Yield its entry, which is to be read before the next call; none where it is gone meanwhile.

        :raises Misconfigured: it cannot be read, or is larger than any such file.
        """
        try:
            if self.opened is not None:
                file, size = self.opened
                with file:
                    yield FileEntry(self.place, self.original, 0o600, size, _pieces(file))
                return
            # What is no file, a pipe say, must not be waited for.
            with os.fdopen(os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
                found = os.fstat(file.fileno())
                if not stat.S_ISREG(found.st_mode):
                    message = f"{self.path}: is no file that could be backed up"
                    raise Misconfigured(message)
                if self.most is not None and found.st_size > self.most:
                    message = (
                        f"{self.path}: larger than {self.most >> 20} MiB, so it is none of a node's files"
                    )
                    raise Misconfigured(message)
                mode = found.st_mode & 0o777
                yield FileEntry(self.place, self.original, mode, found.st_size, _pieces(file))
        except FileNotFoundError:
            if self.original:
                message = f"{self.path}: cannot be read: it is not there"
                raise Misconfigured(message) from None
        except OSError as fault:
            message = f"{self.path}: cannot be read: {fault.strerror}"
            raise Misconfigured(message) from fault


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_PIECE_BYTES):
        yield piece


def _chosen(wanted: Wanted) -> tuple[NodePlan, ...]:
    return tuple(plan for plan in wanted.plans if wanted.node in {None, plan.name, str(plan.uuid)})


def _files(wanted: Wanted) -> tuple[list[_Source], str]:
    """Find the files that go along, each once, and where the audit log ends."""
    state = wanted.state
    audit, head = _audit(AuditFiles(state.journal), logs=wanted.logs)
    found = {each.place: each for each in audit}
    for pattern in ("identity", "pki/*", "tpm/*", "crl/master", "crl/*.list"):
        for path in sorted(state.path.glob(pattern))[:MAXIMUM_FILES]:
            place = str(path.relative_to(state.path))
            if PLACES.fullmatch(place) and path.is_file() and not path.is_symlink():
                found[place] = _Source(place, path)
    for path in (each.absolute() for each in _outside(wanted)):
        inside = path.is_relative_to(state.path.absolute())
        if inside and str(path.relative_to(state.path.absolute())) in found:
            continue
        place = f"{OUTSIDE}/{str(path).lstrip('/')}"
        found[place] = _Source(place, path, str(path), MAXIMUM_OUTSIDE_BYTES)
    return list(found.values()), head


def _outside(wanted: Wanted) -> Iterator[Path]:
    """Yield the files that the configuration and the operator name. What the first lacks is passed over."""
    for plan in _chosen(wanted):
        sources: list[CertificateSource] = [plan.certificate, *plan.trusted]
        if plan.enrollment is not None:
            sources += plan.enrollment.server_trust
        named = [source.file for source in sources if source.file is not None]
        named += [plan.key_file] if is_file(plan.key_file) else []
        named += [plan.ha.key_file] if plan.ha is not None else []
        yield from (path for path in map(Path, named) if path.is_file())
    if wanted.configuration is not None:
        yield wanted.configuration
    yield from wanted.include


def _audit(files: AuditFiles, *, logs: bool) -> tuple[list[_Source], str]:
    """Open the files of the audit log, so that a log goes on from them; say where it ends.

    The writer may begin a new file between two looks: then it is looked at again.
    """
    for _ in range(_LOOKS):
        try:
            checkpoint = files.read_checkpoint()
        except NoCheckpoint:
            checkpoint = None
        if checkpoint is None:
            break
        full = files.full()
        # The last full file goes along always: the checkpoint may speak of it.
        chosen = full if logs else full[-1:]
        try:
            found = [_opened(path) for path in (*chosen, files.active)]
        except FileNotFoundError:
            continue
        if files.full() == full:
            noted = BytesIO(checkpoint.encode())
            place = files.checkpoint.name
            head = _head(found[-1]) or checkpoint.head
            found.append(_Source(place, files.checkpoint, opened=(noted, len(noted.getvalue()))))
            return found, f"{head.sequence}:{head.digest.hex()}"
        for each in found:
            if each.opened is not None:
                each.opened[0].close()
    return [], ""


def _opened(path: Path) -> _Source:
    """Open a log, and find the end of its last whole line."""
    file = path.open("rb")
    size = file.seek(0, os.SEEK_END)
    begin = max(0, size - MAXIMUM_LINE_BYTES - 1)
    file.seek(begin)
    whole = begin + file.read(size - begin).rfind(b"\n") + 1
    file.seek(0)
    return _Source(path.name, path, opened=(file, whole))


def _head(source: _Source) -> Head | None:
    """Return the head that the last line of an open log is; ``None`` where it has none that can be read."""
    if source.opened is None:  # pragma: no cover - a log is
        return None
    file, size = source.opened
    begin = max(0, size - MAXIMUM_LINE_BYTES - 1)
    file.seek(begin)
    last = file.read(size - begin).rstrip(b"\n").rpartition(b"\n")[2]
    file.seek(0)
    try:
        return read_line_untrusted(last).head
    except Broken:
        return None


def names_of(plans: Iterable[NodePlan]) -> tuple[NodeName, ...]:
    """Return the nodes of a configuration."""
    return tuple(
        NodeName(plan.name, str(plan.uuid), "" if plan.ha is None else str(plan.ha.mate_uuid))
        for plan in plans
    )
