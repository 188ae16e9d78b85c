"""Writing the page: as a whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from actors.whole_files import write_whole
from peerkey.errors import Misconfigured

if TYPE_CHECKING:
    from pathlib import Path

#: It tells of names and addresses: whoever makes it decides who else reads it.
_MODE: Final = 0o600


def check(out: Path) -> None:
    """Find out whether a page could be written, before anything is read or simulated for it.

    :raises Misconfigured: it could not.
    """
    # It would be replaced as a whole: a device, a pipe or a directory must not be.
    if out.exists() and not out.is_file():
        message = f"{out}: is no file that could be replaced; name another one"
        raise Misconfigured(message)
    if not out.parent.is_dir() or not os.access(out.parent, os.W_OK):
        message = f"{out}: cannot be written: {out.parent} is no directory that you may write to"
        raise Misconfigured(message)


def write(out: Path, page: str) -> None:
    """Write ``page`` to ``out``, in the place of what was there.

    :raises Misconfigured: it cannot be written.
    """
    check(out)
    try:
        write_whole(out, (page.encode(),), _MODE)
    except OSError as fault:
        message = f"{out}: cannot be written: {fault.strerror}"
        raise Misconfigured(message) from fault
