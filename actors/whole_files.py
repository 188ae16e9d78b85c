"""Files that appear whole or not at all, durable, and with their mode from the first byte on."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def write_whole(path: Path, pieces: Iterable[bytes], mode: int, *, replace: bool = True) -> None:
    """Write a file into a directory that is there; it is on the disk when this returns.

    The content is written under another name first, so that no reader meets half of it, and a crash leaves
    the former file as it was. The draft that a crash may leave begins as :func:`draft_prefix` says.

    Raises:
        FileExistsError: it is there, and ``replace`` is false. Of two that write at once, one gets this.
        OSError: the disk.

    """
    draft = path.with_name(f"{draft_prefix(path)}{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            draft.replace(path)
        else:
            # Unlike a renaming, a link fails where the name is taken.
            path.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)
    sync_directory(path.parent)


def remove_drafts(path: Path) -> None:
    """Remove what writers of this file have left that were killed. Only for who alone writes it."""
    for left in path.parent.glob(f"{draft_prefix(path)}*"):
        left.unlink(missing_ok=True)


def draft_prefix(path: Path) -> str:
    """Return how the names of a file's drafts begin."""
    return f".{path.name}."


def sync_directory(path: Path) -> None:
    """Make what was linked, renamed or removed in a directory survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
