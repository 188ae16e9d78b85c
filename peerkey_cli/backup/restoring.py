"""Puts a backup in the place of a state directory: whole, or not at all.

Everything is made in a directory of its own beside the one that is there, from a backup that was read to its
very end, and brought to the disk; then the two are exchanged in one step of the kernel (``renameat2``).
Whoever is killed before that has changed nothing, and whoever is killed after it has the new directory. What
was there is not deleted: it is set aside under a name that says when. Meanwhile the lock of the directory is
held, so that no system runs there.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from actors.audit_files import AuditFiles, NoCheckpoint
from actors.restored import OF_NODE
from actors.whole_files import sync_directory
from peerkey.errors import Misconfigured
from peerkey_cli.backup.entries import FileEntry, Manifest, OwnerEntry, RecordEntry, decoded_untrusted
from peerkey_cli.backup.sealing import NoBackup, opened_untrusted
from peerkey_cli.backup.staging import Staged, staged, synced
from peerkey_cli.state import StateDirectory
from runtime.errors import RuntimeFault
from runtime.store.whole import snapshot

if TYPE_CHECKING:
    from peerkey.secret import Secret

_AT_FDCWD: Final = -100
_EXCHANGE: Final = 2
_DRAFT_BYTES: Final = 4

#: Told of each step that is done; a test dies here.
Step = Callable[[str], None]


class StateThere(Misconfigured):
    """There is state where the backup would go, and nobody has allowed to replace it."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a backup holds that was read to its end."""

    manifest: Manifest
    owners: int
    records: int
    #: Each with its size.
    files: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, and where the state of before is now."""

    staged: Staged
    aside: Path | None


def checked(file: BinaryIO, passphrase: Secret) -> Checked:
    """Read a backup to its end and check everything that can be checked without restoring it.

    :raises NoBackup: it is none, or damaged.
    :raises WrongPassphrase: the passphrase is another.
    """
    entries = decoded_untrusted(opened_untrusted(file, passphrase))
    manifest = next(entries)
    if not isinstance(manifest, Manifest):  # pragma: no cover - the reader has seen to it
        message = "a backup begins with its manifest"
        raise NoBackup(message)
    owners = records = 0
    files: list[tuple[str, int]] = []
    for entry in entries:
        match entry:
            case OwnerEntry():
                owners += 1
            case RecordEntry():
                records += 1
            case FileEntry():
                files.append((entry.place, entry.size))
            case Manifest():
                pass
    return Checked(manifest, owners, records, tuple(files))


def restore(
    file: BinaryIO,
    passphrase: Secret,
    state: StateDirectory,
    *,
    node: str | None,
    force: bool,
    now: datetime,
    entropy: Callable[[int], bytes] = os.urandom,
    step: Step = lambda _: None,
) -> Restored:
    """Restore a backup into the directory ``state``.

    :raises NoBackup: it is none, or damaged; nothing has changed.
    :raises WrongPassphrase: the passphrase is another.
    :raises StateThere: there is state already, and ``force`` is false.
    :raises Misconfigured: a system runs there, or the directory cannot be used.
    """
    new = not state.path.exists()
    path = state.path.resolve()
    fresh = StateDirectory(path.with_name(f".{path.name}.restore-{os.urandom(_DRAFT_BYTES).hex()}"))
    held = exchanged = False
    try:
        with state.held():
            held = True
            there = None if _is_bare(state) else state
            if there is not None and not force:
                raise StateThere(_what_is_there(there))
            step("held")
            fresh.path.mkdir(mode=0o700)
            entries = decoded_untrusted(opened_untrusted(file, passphrase))
            found = staged(entries, there, fresh, node=node, now=now, entropy=entropy)
            step("staged")
            synced(fresh.path)
            step("synced")
            _exchange(fresh.path, path)
            exchanged = True
            step("exchanged")
            return Restored(found, _set_aside(fresh.path, path, now, keep=there is not None))
    except (Exception, KeyboardInterrupt):
        # Also where an operator interrupts it: private keys are in the draft. After the exchange the other
        # name is that of the old state.
        if not exchanged:
            shutil.rmtree(fresh.path, ignore_errors=True)
        # What somebody else has made meanwhile, and holds, is theirs.
        if new and held and not exchanged:
            shutil.rmtree(state.path, ignore_errors=True)
        raise


def _is_bare(state: StateDirectory) -> bool:
    """Tell whether nothing is in a directory but what any command leaves there."""
    return {each.name for each in state.path.iterdir()} <= {state.lock.name, state.socket.name}


def _what_is_there(state: StateDirectory) -> str:
    """Say what a restore would replace."""
    nodes: list[str] = []
    try:
        if state.store.exists():
            nodes = [owner for owner, _, _ in snapshot(state.store) if owner.startswith(OF_NODE)]
        known = AuditFiles(state.journal).read_checkpoint()
        events = 0 if known is None else known.head.sequence
    except (RuntimeFault, NoCheckpoint, OSError):
        events = 0
    held = f"the state of {len(nodes)} node{'s' if len(nodes) != 1 else ''} and {events} audit events"
    return (
        f"{state.path}: has {held}. With --force its private keys are replaced by those of the backup and "
        "its peer keys retired; pins, revocations, the audit log and counters stay, and a copy is set aside"
    )


def _exchange(fresh: Path, path: Path) -> None:
    """Exchange two directories in one step.

    :raises Misconfigured: the file system cannot, or the directory is where one is mounted.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    failed = libc.renameat2(
        _AT_FDCWD, os.fsencode(fresh), _AT_FDCWD, os.fsencode(path), ctypes.c_uint(_EXCHANGE)
    )
    if failed:
        number = ctypes.get_errno()
        why = (
            "it is a mount point; restore into a directory below it, or unmount it first"
            if number in {errno.EBUSY, errno.EXDEV}
            else f"its file system cannot exchange directories ({os.strerror(number)})"
        )
        message = f"{path}: {why}; nothing was changed"
        raise Misconfigured(message)
    sync_directory(path.parent)


def _set_aside(old: Path, path: Path, now: datetime, *, keep: bool) -> Path | None:
    """Give what was there a name that says what it is, or delete it where there was nothing."""
    if not keep:
        shutil.rmtree(old, ignore_errors=True)
        return None
    aside = path.with_name(f"{path.name}.before-restore-{now:%Y%m%dT%H%M%SZ}")
    if aside.exists():
        aside = aside.with_name(f"{aside.name}-{old.name[-2 * _DRAFT_BYTES :]}")
    old.rename(aside)
    sync_directory(path.parent)
    return aside
