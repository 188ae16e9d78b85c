"""Reading files that an operator named: bounded, and with errors that say what to do."""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from peerkey.errors import Misconfigured
from peerkey.pki.certificate import MAXIMUM_BUNDLE_BYTES
from peerkey_cli.errors import WrongUsage

#: The largest configuration; what fits is bounded again, in characters, where it is read.
MAXIMUM_CONFIGURATION_BYTES: Final = 32 * 1024 * 1024
#: What stands for standard input where a file is named.
STANDARD_INPUT: Final = "-"


def read_file(path: str) -> bytes:
    """Return a file of certificates as a whole.

    :raises OSError: it cannot be read, or is larger than any bundle that is accepted.
    """
    return read_bounded(Path(path), MAXIMUM_BUNDLE_BYTES)


def read_configuration(path: Path) -> str:
    """Return the text of a configuration file.

    :raises Misconfigured: it cannot be read, is too large, or is not UTF-8.
    """
    try:
        return read_bounded(path, MAXIMUM_CONFIGURATION_BYTES).decode("utf-8-sig")
    except OSError as fault:
        message = f"{path}: cannot be read: {fault.strerror}; name a configuration file that is there"
        raise Misconfigured(message) from fault
    except UnicodeDecodeError as fault:
        before = fault.object[: fault.start]
        line, column = before.count(b"\n") + 1, fault.start - before.rfind(b"\n")
        message = f"{path}:{line}:{column}: byte {fault.start} is not UTF-8; save the file as UTF-8"
        raise Misconfigured(message) from fault


def read_bounded(path: Path, limit: int) -> bytes:
    """Return the contents of a file.

    :raises OSError: it cannot be read, or has more than ``limit`` bytes.
    """
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"larger than {limit} bytes", str(path))
    return content


def given_content(name: str, limit: int) -> bytes:
    """Return a file of a command line as a whole, or standard input for ``-``.

    One byte more than ``limit`` is enough for whoever reads it to refuse it.

    :raises WrongUsage: the file cannot be opened.
    """
    try:
        if name == STANDARD_INPUT:
            return sys.stdin.buffer.read(limit + 1)
        with Path(name).open("rb") as file:
            return file.read(limit + 1)
    except (OSError, ValueError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else "this is no name of a file"
        message = f"{name!r} cannot be read: {reason}"
        raise WrongUsage(message) from fault


@contextmanager
def alone_in(directory: Path) -> Iterator[None]:
    """Keep another process from changing a file of ``directory`` at the same time; one change would be lost.

    :raises Misconfigured: the directory cannot be made or used.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as fault:
        message = f"{directory}: cannot be used: {fault.strerror}"
        raise Misconfigured(message) from fault
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
