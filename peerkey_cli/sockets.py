"""Sockets to listen at: Unix ones that only their owner can use, and TCP ones."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from peerkey.errors import Misconfigured
from peerkey_cli.errors import WrongUsage

#: ``sun_path`` of the operating system, with its final zero byte: 108 on Linux, 104 on the BSDs and macOS.
MAXIMUM_PATH_BYTES: Final = 107 if sys.platform == "linux" else 103

#: Connections that wait to be accepted. Beyond it the operating system has a client try again after a second,
#: so that a crowd would be in the way of everybody else.
_BACKLOG: Final = 128
_LAST_PORT: Final = 65_535


def check_length(path: Path) -> None:
    """Refuse a path that no Unix socket can have.

    :raises WrongUsage: it is too long.
    """
    length = len(os.fsencode(path))
    if length > MAXIMUM_PATH_BYTES:
        message = (
            f"{path}: a Unix socket's path has at most {MAXIMUM_PATH_BYTES} bytes, this one has {length}; "
            "use a shorter --state-dir, or --api unix:PATH"
        )
        raise WrongUsage(message)


@contextlib.contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """Listen at ``path`` while the block lasts, with mode 0600; a directory that is made for it has 0700.

    What a process that died has left there is replaced.

    :raises Misconfigured: somebody listens there, something else is there, or it cannot be made.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _clear(path)
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    except OSError as fault:
        raise _cannot_listen(path, fault) from fault
    with made:
        try:
            # The mode of the file is that of the socket at the moment of binding: there is no instant in
            # which others could connect, and no umask of the whole process to change.
            os.fchmod(made.fileno(), 0o600)
            made.bind(str(path))
            path.chmod(0o600)
            made.listen(_BACKLOG)
            made.setblocking(False)
        except OSError as fault:
            raise _cannot_listen(path, fault) from fault
        try:
            yield made
        finally:
            path.unlink(missing_ok=True)


def tcp_address(text: str) -> tuple[str, int]:
    """Return the host and the port of ``127.0.0.1:9464`` or ``[::1]:9464``.

    :raises WrongUsage: it is no such address. Names are not looked up.
    """
    host, _, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    with contextlib.suppress(ValueError):
        address = str(ipaddress.ip_address(bare))
        if port.isascii() and port.isdecimal() and 0 < int(port) <= _LAST_PORT:
            return address, int(port)
    message = f"{text!r} is no address; write one like 127.0.0.1:9464 or [::1]:9464"
    raise WrongUsage(message)


def listening_tcp(address: tuple[str, int]) -> socket.socket:
    """Return a socket that listens at an IP address and a port.

    :raises Misconfigured: nobody can listen there now.
    """
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(_BACKLOG)
        made.setblocking(False)
    except OSError as fault:
        made.close()
        message = f"{address[0]} port {address[1]}: nobody can listen there now: {fault.strerror}"
        raise Misconfigured(message) from fault
    return made


def _cannot_listen(path: Path, fault: OSError) -> Misconfigured:
    return Misconfigured(f"{path}: the admin API cannot listen there: {fault.strerror or fault}")


def _clear(path: Path) -> None:
    """Remove a socket that nobody listens at.

    :raises Misconfigured: somebody does, or it is no socket.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        message = f"{path}: there is a file that is no socket; remove it, or name another path with --api"
        raise Misconfigured(message)
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError as fault:
            message = f"{path}: it cannot be told whether somebody listens there: {fault.strerror or fault}"
            raise Misconfigured(message) from fault
    message = f"{path}: another process listens there; stop it, or name another path with --api"
    raise Misconfigured(message)
