"""Files that only their owner can read: whole, durable, and refused where others can read them."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from actors.whole_files import write_whole
from peerkey.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    from pathlib import Path

#: An RSA-8192 key in PEM has 6.4 KB.
MAXIMUM_KEY_FILE_BYTES: Final = 64 * 1024
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_MODE: Final = 0o600


def read_private(path: Path) -> bytes:
    """Read a small file that nobody but its owner may read.

    Raises:
        Misconfigured: it is not there, not readable, too large, or readable by others.

    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & _OTHERS:
                message = (
                    f"{path}: others can read it (mode {stat.S_IMODE(mode):04o}); run `chmod 600 {path}`"
                )
                raise Misconfigured(message)
            content = file.read(MAXIMUM_KEY_FILE_BYTES + 1)
    except OSError as fault:
        message = f"{path}: cannot be read: {fault.strerror}"
        raise Misconfigured(message) from fault
    if len(content) > MAXIMUM_KEY_FILE_BYTES:
        message = f"{path}: larger than {MAXIMUM_KEY_FILE_BYTES} bytes, so it is no key"
        raise Misconfigured(message)
    return content


def write_private(path: Path, content: bytes, *, replace: bool) -> None:
    """Write a file that only its owner may read, all of it or none of it, and on the disk when this returns.

    Raises:
        FileExistsError: it is there, and ``replace`` is false. Of two that write at once, one gets this.
        Unavailable: it cannot be written.

    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(path, (content,), _MODE, replace=replace)
    except FileExistsError:
        if path.parent.is_dir():
            raise
        message = f"{path}: cannot be written: {path.parent} is not a directory"
        raise Unavailable(message) from None
    except OSError as fault:
        message = f"{path}: cannot be written: {fault.strerror}"
        raise Unavailable(message) from fault
