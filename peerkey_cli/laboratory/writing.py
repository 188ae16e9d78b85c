"""Files that appear whole or not at all, with their mode from the first byte on."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from actors.whole_files import write_whole
from peerkey.errors import Misconfigured

#: A private key: for its owner alone.
PRIVATE: Final = 0o600
#: A certificate: everybody may read it.
PUBLIC: Final = 0o644


def refuse_existing(paths: Iterable[Path], *, force: bool) -> None:
    """Say so, before anything is made, if a file would be replaced that nobody has allowed to be.

    :raises Misconfigured: one of ``paths`` exists, and ``force`` is false.
    """
    existing = [str(path) for path in paths if os.path.lexists(path)]
    if existing and not force:
        verb = "exists" if len(existing) == 1 else "exist"
        message = f"{', '.join(existing)} {verb} already; use --force to replace what is there"
        raise Misconfigured(message)


def write(path: Path, content: bytes, mode: int, *, force: bool) -> None:
    """Write a file and the directories above it.

    The content is written under another name first, so that no reader meets half of it, and a crash leaves
    the former file as it was.

    :raises Misconfigured: it cannot be written; or it exists, and ``force`` is false.
    """
    try:
        _make_directory(path)
        write_whole(path, (content,), mode, replace=force)
    except FileExistsError:
        refuse_existing([path], force=False)
        raise
    except OSError as fault:
        message = f"{path}: cannot be written: {fault.strerror}"
        raise Misconfigured(message) from fault


def _make_directory(path: Path) -> None:
    """Make the directory of a file, and those above it, where they are missing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        message = f"{path}: cannot be written: {path.parent} is not a directory"
        raise Misconfigured(message) from None


def remove(path: Path) -> None:
    """Remove a file, if there is one.

    :raises Misconfigured: it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as fault:
        message = f"{path}: cannot be removed: {fault.strerror}"
        raise Misconfigured(message) from fault
