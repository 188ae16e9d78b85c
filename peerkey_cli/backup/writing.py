"""The file of a backup, and what an operator is shown of it.

It is written whole beside its name and then put there, readable by its owner alone, and never over another
file unless that was said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Final

from actors.whole_files import write_whole
from peerkey.errors import Misconfigured
from peerkey_cli import schemas
from peerkey_cli.backup.entries import Entry, FileEntry, OwnerEntry, RecordEntry, encoded
from peerkey_cli.backup.restoring import Checked, Restored
from peerkey_cli.backup.sealing import sealed

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from peerkey.secret import Secret
    from peerkey_cli.backup.entries import Manifest
    from peerkey_cli.backup.gathering import Gathered
    from peerkey_cli.state import StateDirectory

_MODE: Final = 0o600


def written(
    out: Path, found: Gathered, passphrase: Secret, entropy: Callable[[int], bytes], *, replace: bool
) -> schemas.BackupShown:
    """Write a backup; it is on the disk when this returns.

    :raises Misconfigured: it cannot be written, is there already, or what goes along cannot be read.
    """
    counted = _Counted(found.entries)
    try:
        write_whole(out, sealed(encoded(counted), passphrase, entropy), _MODE, replace=replace)
    except FileExistsError:
        message = f"{out}: is there already; name another file, or replace it with --force"
        raise Misconfigured(message) from None
    except OSError as fault:
        message = f"{out}: cannot be written: {fault.strerror}"
        raise Misconfigured(message) from fault
    checked = Checked(found.manifest, counted.owners, counted.records, tuple(counted.files))
    return shown_of(out, checked)


class _Counted:
    """Entries that are counted on their way."""

    def __init__(self, entries: Iterator[Entry]) -> None:
        self._entries = entries
        self.owners = self.records = 0
        self.files: list[tuple[str, int]] = []

    def __iter__(self) -> Iterator[Entry]:
        for entry in self._entries:
            if isinstance(entry, OwnerEntry):
                self.owners += 1
            elif isinstance(entry, RecordEntry):
                self.records += 1
            elif isinstance(entry, FileEntry):
                self.files.append((entry.place, entry.size))
            yield entry


@contextmanager
def opened(file: Path) -> Iterator[BinaryIO]:
    """Open a backup.

    :raises Misconfigured: it cannot be read.
    """
    try:
        content = file.open("rb")
    except OSError as fault:
        message = f"{file}: cannot be read: {fault.strerror}"
        raise Misconfigured(message) from fault
    with content:
        yield content


def shown_of(file: Path, found: Checked) -> schemas.BackupShown:
    """Return what is shown of a backup: what is in it, and no secret."""
    manifest: Manifest = found.manifest
    return schemas.BackupShown(
        file=str(file),
        made=manifest.made,
        software=manifest.software,
        machine=manifest.machine,
        bytes=file.stat().st_size,
        nodes=tuple(schemas.BackupNode(node=each.name, uuid=each.uuid) for each in manifest.nodes),
        records=found.records,
        files=tuple(schemas.BackupFile(place=place, bytes=size) for place, size in found.files),
        in_hardware=manifest.in_hardware,
        audit_head=manifest.audit_head or None,
    )


def lines(shown: schemas.BackupShown, verb: str) -> Iterator[str]:
    """Yield the same for a person."""
    yield f"{verb} {shown.file}"
    yield f"  made         {schemas.iso(shown.made)} on {shown.machine}, by peerkey {shown.software}"
    yield f"  nodes        {', '.join(each.node for each in shown.nodes) or 'none'}"
    yield f"  peerings     {shown.records}"
    yield f"  files        {len(shown.files)}, {sum(each.bytes for each in shown.files)} bytes"
    yield f"  audit log    {shown.audit_head or 'none'}"
    for name in shown.in_hardware:
        yield f"  stays there  {name}: needed on the machine that restores this, with its PIN"
    if not any(each.place.startswith("outside/") for each in shown.files):
        yield "  not in it    the configuration and what it names: name it with --config"


def restored_shown(state: StateDirectory, done: Restored, now: datetime) -> schemas.BackupRestored:
    """Return what is shown of a restore."""
    manifest = done.staged.manifest
    return schemas.BackupRestored(
        time=now,
        state=str(state.path),
        made=manifest.made,
        machine=manifest.machine,
        nodes=tuple(each.name for each in done.staged.nodes),
        set_aside=None if done.aside is None else str(done.aside),
        outside=tuple(
            schemas.BackupOutside(now=str(state.path / place), was=original)
            for place, original in done.staged.outside
        ),
        other_log=done.staged.audit_aside or None,
        in_hardware=manifest.in_hardware,
    )


def restored_lines(shown: schemas.BackupRestored) -> Iterator[str]:
    """Yield the same for a person."""
    yield f"restored {', '.join(shown.nodes) or 'no node'} into {shown.state}"
    yield f"  from         {schemas.iso(shown.made)} on {shown.machine}"
    yield "  peer keys    none: new ones are agreed with every peer at the next `peerkey run`"
    if shown.set_aside is not None:
        yield f"  set aside    {shown.set_aside}: delete it when all is well, it holds private keys"
    if shown.other_log is not None:
        yield f"  audit log    that of the backup is in {shown.other_log}"
    for each in shown.outside:
        yield f"  copy back    {each.now} -> {each.was}"
    for name in shown.in_hardware:
        yield f"  in hardware  {name}: this machine needs that token or TPM"
    yield "  make sure that the node of before runs nowhere any more"
