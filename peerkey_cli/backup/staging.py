"""From the entries of a backup to a fresh directory, which nobody uses before it is whole.

What is there already, where anything is, is brought along: what only it has stays, and of what both have

===================  ======================================================================================
records of a node    as :mod:`actors.restored` says: pins stay, no number goes back, keys are retired
the audit log        the one that is there goes on; that of the backup is put under ``outside/audit``
statistics           no counter is less than it was on either side: ``node.restored`` counts the difference
the master list      names whatever either of the two names; nothing is forgotten
lists of an address  the one that was fetched later
private keys, files  that of the backup; the other one is in the directory that is set aside
===================  ======================================================================================
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from actors.audit_files import AuditFiles, NoCheckpoint
from actors.audit_log import AuditLog
from actors.crl.kept_lists import KeptFiles
from actors.journal import Entry as JournalEntry
from actors.keystores.stores import KeyStores
from actors.master_list_file import MasterListFile
from actors.restored import OF_MATE, OF_NODE, Owned, restored
from actors.whole_files import sync_directory
from peerkey.errors import Misconfigured, Unavailable
from peerkey.observe.events import NodeRestored
from peerkey.observe.security_stats import Counter
from peerkey.pki.list_merging import union
from peerkey.protocol.restoring import floor
from peerkey_cli.backup.entries import OUTSIDE, FileEntry, Manifest, NodeName, OwnerEntry, RecordEntry
from peerkey_cli.errors import NotFound
from peerkey_cli.state import StateDirectory
from runtime.errors import RuntimeFault, Unsealable
from runtime.store.memory import MemoryStore
from runtime.store.port import Record
from runtime.store.sealed import AesGcmSealer, SealedStore
from runtime.store.whole import fill, snapshot

if TYPE_CHECKING:
    from peerkey.pki.master_list import MasterList
    from peerkey_cli.backup.entries import Entry

#: What a restored directory gets anew, or belongs to a process.
_NOT_BROUGHT: Final = frozenset({"store.sqlite", "store.sqlite-wal", "store.sqlite-shm", "api.sock", "lock"})
_OLD_AUDIT: Final = Path(OUTSIDE) / "audit"
_DIRECTORY_MODE: Final = 0o700


@dataclass(slots=True)
class Staged:
    """What has been put into the fresh directory."""

    manifest: Manifest
    nodes: tuple[NodeName, ...] = ()
    #: Files of elsewhere: where each lies now, below the state directory, and where it was.
    outside: list[tuple[str, str]] = field(default_factory=list)
    #: Where the log of the backup is, if another one was there; empty else.
    audit_aside: str = ""


def staged(
    entries: Iterator[Entry],
    there: StateDirectory | None,
    fresh: StateDirectory,
    *,
    node: str | None,
    now: datetime,
    entropy: Callable[[int], bytes],
) -> Staged:
    """Fill the directory ``fresh``, which is empty, from a backup and from what is ``there``.

    ``node`` picks one node of the backup; of the files then only those that are missing are taken.

    :raises NoBackup: the backup is damaged, or not what a backup holds.
    :raises Misconfigured: the two cannot be brought together, or the disk does not do its part.
    :raises NotFound: the backup has no such node.
    """
    try:
        return _staged(entries, there, fresh, node=node, now=now, entropy=entropy)
    except shutil.Error as fault:
        # One for each file: its name, that of the copy, and why.
        name, _, why = fault.args[0][0]
        message = f"{name}: cannot be brought along: {why}"
        raise Misconfigured(message) from fault
    except OSError as fault:
        message = f"{fresh.path}: cannot be written: {fault.strerror}"
        raise Misconfigured(message) from fault
    except RuntimeFault as fault:
        raise Misconfigured(str(fault)) from fault


def _staged(
    entries: Iterator[Entry],
    there: StateDirectory | None,
    fresh: StateDirectory,
    *,
    node: str | None,
    now: datetime,
    entropy: Callable[[int], bytes],
) -> Staged:
    if there is not None:
        shutil.copytree(there.path, fresh.path, symlinks=True, dirs_exist_ok=True, ignore=_left)
        _require_no_links(fresh)
    manifest = next(entries)
    if not isinstance(manifest, Manifest):
        message = "a backup begins with its manifest"
        raise Misconfigured(message)
    found = Staged(manifest, _nodes(manifest, node))
    least = floor(manifest.made, now)
    store = _sealing(fresh)
    owners: list[Owned] = []
    for entry in _owned(entries, owners):
        _take_file(entry, there, fresh, found, only_missing=node is not None)
    chosen = None if node is None else {owner for each in found.nodes for owner in _owners_of(each)}
    taken = {each.owner: each for each in owners if chosen is None or each.owner in chosen}
    fill(fresh.store, _filled(taken, there, store, least, entropy))
    _audit(there, fresh, found, now)
    return found


def _require_no_links(fresh: StateDirectory) -> None:
    """See that nothing that is written below the directory goes elsewhere.

    :raises Misconfigured: a directory below it is a link, or the audit log, to which is appended.
    """
    for each in fresh.path.rglob("*"):
        if each.is_symlink() and (each.is_dir() or each == fresh.journal):
            message = f"{each.name} in the state directory is a link that leads out of it; remove it first"
            raise Misconfigured(message)


def _left(directory: str, names: list[str]) -> set[str]:
    """Return what is not brought along: what is made anew, drafts, sockets, and backups of their own."""
    return {
        name
        for name in names
        if name in _NOT_BROUGHT
        or name.startswith(".events.checkpoint.")
        or not ((path := Path(directory) / name).is_file() or path.is_dir() or path.is_symlink())
    }


def _nodes(manifest: Manifest, node: str | None) -> tuple[NodeName, ...]:
    if node is None:
        return manifest.nodes
    chosen = tuple(each for each in manifest.nodes if node in {each.name, each.uuid})
    if not chosen:
        known = ", ".join(each.name for each in manifest.nodes) or "none"
        message = f"the backup has no node {node!r}, but {known}"
        raise NotFound(message)
    return chosen


def _owners_of(node: NodeName) -> tuple[str, ...]:
    return (f"{OF_NODE}{node.uuid}", f"{OF_MATE}{node.mate_uuid}")


# --- records ----------------------------------------------------------------------------------------


def _sealing(fresh: StateDirectory) -> SealedStore:
    """Return what seals records under the key of the directory, made where none was brought along."""
    key = KeyStores(fresh.sealing_key).sealing_key()
    return SealedStore(MemoryStore(), AesGcmSealer(key.reveal(), os.urandom))


def _owned(entries: Iterator[Entry], owners: list[Owned]) -> Iterator[FileEntry]:
    """Gather owners with their records, and yield the files."""
    records: list[tuple[str, bytes]] = []
    owner: OwnerEntry | None = None
    for entry in entries:
        if isinstance(entry, RecordEntry):
            records.append((entry.name, entry.value))
            continue
        if owner is not None:
            owners.append(Owned(owner.owner, owner.epoch, tuple(records)))
            owner, records = None, []
        if isinstance(entry, OwnerEntry):
            owner = entry
        elif isinstance(entry, FileEntry):
            yield entry
    if owner is not None:
        owners.append(Owned(owner.owner, owner.epoch, tuple(records)))


def _filled(
    taken: dict[str, Owned],
    there: StateDirectory | None,
    store: SealedStore,
    least: int,
    entropy: Callable[[int], bytes],
) -> Iterator[tuple[str, int, Iterable[Record]]]:
    """Yield the owners of the new store: those of the backup, and what else is there as it is."""
    known: dict[str, tuple[int, tuple[Record, ...]]] = {}
    try:
        if there is not None and there.store.exists():
            for owner, epoch, records in snapshot(there.store):
                if owner in taken:
                    known[owner] = epoch, tuple(store.opened(owner, each) for each in records)
                else:
                    yield owner, epoch, records
        for owner, backed_up in taken.items():
            now = known.get(owner)
            here = None if now is None else Owned(owner, now[0], tuple((r.name, r.value) for r in now[1]))
            made = restored(backed_up, here, least, entropy)
            plain = (Record(name, 1, made.epoch, value) for name, value in made.records)
            yield owner, made.epoch, tuple(store.sealed(owner, each) for each in plain)
    except Unsealable as fault:
        message = "the sealing key that is there does not open the store that is there: move both away first"
        raise Misconfigured(message) from fault
    except RuntimeFault as fault:
        raise Misconfigured(str(fault)) from fault


# --- files ------------------------------------------------------------------------------------------


def _take_file(
    entry: FileEntry,
    there: StateDirectory | None,
    fresh: StateDirectory,
    found: Staged,
    *,
    only_missing: bool,
) -> None:
    """Put one file where it belongs, or bring it together with the one that is there."""
    target = fresh.path / entry.place
    audit = entry.place.startswith("events.")
    if audit and there is not None and _has_log(there):
        target = fresh.path / _OLD_AUDIT / entry.place
        found.audit_aside = str(_OLD_AUDIT)
    elif target.exists() and entry.place == "crl/master":
        _merge_master(target, entry)
        return
    elif target.exists() and entry.place.endswith(".list"):
        _merge_list(target, entry)
        return
    elif target.exists() and only_missing:
        return
    _write(target, entry.pieces, entry.mode or 0o600)
    if entry.place.startswith(f"{OUTSIDE}/"):
        found.outside.append((entry.place, entry.original))


def _write(target: Path, pieces: Iterable[bytes], mode: int) -> None:
    target.parent.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        for piece in pieces:
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())


def _merge_master(target: Path, entry: FileEntry) -> None:
    """Let the master list name whatever either of the two names."""
    other = target.with_name("master.of-backup")
    _write(other, entry.pieces, 0o644)
    mine, theirs = _readable(target), _readable(other)
    if mine is not None and theirs is not None:
        MasterListFile(target).publish(union(mine, theirs))
    elif theirs is not None:
        other.replace(target)
    other.unlink(missing_ok=True)


def _readable(path: Path) -> MasterList | None:
    """Return a master list; none where what is there cannot be read, so that nothing is lost with it."""
    try:
        return MasterListFile(path).read()
    except Unavailable:
        return None


def _merge_list(target: Path, entry: FileEntry) -> None:
    """Keep, of two lists of one address, the one that was fetched later."""
    beside = target.parent / "of-backup"
    _write(beside / target.name, entry.pieces, entry.mode)
    mine, theirs = dict(KeptFiles(target.parent).fetched()), dict(KeptFiles(beside).fetched())
    for url, fetched in theirs.items():
        if url not in mine or mine[url] < fetched:
            (beside / target.name).replace(target)
    shutil.rmtree(beside)


# --- the audit log ----------------------------------------------------------------------------------


def _has_log(state: StateDirectory) -> bool:
    """Tell whether there is anything of a log: whoever was killed as a file was full has begun no line."""
    files = AuditFiles(state.journal)
    return (
        bool(files.full())
        or files.checkpoint.exists()
        or (state.journal.exists() and state.journal.stat().st_size > 0)
    )


def _audit(there: StateDirectory | None, fresh: StateDirectory, found: Staged, now: datetime) -> None:
    """Let the log go on with ``node.restored`` for each node, which counts what the backup had more."""
    missing = _missing(fresh, found) if there is not None and found.audit_aside else {}
    log, told = AuditLog.open(fresh.journal)
    try:
        for damage in told:
            log.append(
                JournalEntry(now, "authority", damage).document(), node="authority", counted={}, time=now
            )
        made = found.manifest.made
        text = f"{made:%Y-%m-%dT%H:%M:%S}.{made.microsecond // 1000:03d}Z"
        names = {each.name for each in found.nodes} | set(missing)
        for name in sorted(names):
            event = NodeRestored(text, found.manifest.machine, found.manifest.audit_head, found.audit_aside)
            log.append(
                JournalEntry(now, name, event).document(), node=name, counted=missing.get(name, {}), time=now
            )
    finally:
        log.close()


def _missing(fresh: StateDirectory, found: Staged) -> dict[str, dict[Counter, int]]:
    """Return by how much the backup had counted more, of each node."""
    here, then = _counted(fresh.journal), _counted(fresh.path / found.audit_aside / fresh.journal.name)
    missing: dict[str, dict[Counter, int]] = {}
    for node, numbers in then.items():
        more = {name: number - here.get(node, {}).get(name, 0) for name, number in numbers.items()}
        if any(number > 0 for number in more.values()):
            missing[node] = {name: number for name, number in more.items() if number > 0}
    return missing


def _counted(journal: Path) -> dict[str, dict[Counter, int]]:
    with suppress(NoCheckpoint):
        known = AuditFiles(journal).read_checkpoint()
        if known is not None:
            return {node: dict(numbers) for node, numbers in (known.counted or {}).items()}
    return {}


def synced(directory: Path) -> None:
    """Bring a directory and all that is in it to the disk."""
    for path, _, files in os.walk(directory, topdown=False):
        for name in files:
            full = Path(path) / name
            if full.is_file() and not full.is_symlink():
                descriptor = os.open(full, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
        sync_directory(Path(path))
