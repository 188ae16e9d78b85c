"""Which Redis server a store is on, and how to speak to it.

An address is ``redis://[USER@]HOST[:PORT][/DATABASE]``, ``rediss://…`` for the same under TLS, or
``unix://[USER@]/PATH``. The password is in a file, which is read anew for each connection, so that it can be
changed while a system runs. It stands in no address, and this module keeps no copy of it.
"""

from __future__ import annotations

import os
import ssl
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, Self, cast
from urllib.parse import unquote, urlsplit

from redis.asyncio import Connection, SSLConnection, UnixDomainSocketConnection
from redis.credentials import CredentialProvider

from runtime.errors import StoreUnusable

PORT: Final = 6379

#: The longest password that a file may have; a longer one is some other file.
MAX_PASSWORD_BYTES: Final = 4096


class Wire(Protocol):
    """What is used of a connection of the library, which has few types."""

    @property
    def is_connected(self) -> bool:
        """Whether it has been connected, and no error has ended that."""
        ...

    async def connect(self) -> None:
        """Connect, and say who asks."""
        ...

    async def can_read(self) -> bool:
        """Tell whether there is something to be read, which may be the end."""
        ...

    async def send_packed_command(self, command: Iterable[bytes], check_health: bool = ...) -> None:  # noqa: FBT001
        """Send what :meth:`pack_command` has made."""
        ...

    async def read_response(self) -> Any:  # noqa: ANN401 - what a server sends is anything
        """Return the next answer; raise it if it is an error."""
        ...

    async def disconnect(self, nowait: bool = ...) -> None:  # noqa: FBT001
        """Let go of the socket."""
        ...

    def pack_command(self, *args: bytes | str | int) -> list[bytes]:
        """Return a command as it is sent."""
        ...


async def ask(wire: Wire, *command: bytes | str | int) -> Any:  # noqa: ANN401 - what a server sends is anything
    """Send one command; return its answer, or raise it."""
    await wire.send_packed_command(wire.pack_command(*command), check_health=False)
    return await wire.read_response()


@dataclass(frozen=True, slots=True)
class RedisServer:
    """An address, and who asks. ``str`` of it may be shown to anybody."""

    host: str = ""
    port: int = PORT
    #: A Unix socket, in the place of host and port.
    socket: str = ""
    database: int = 0
    tls: bool = False
    user: str = ""
    password_file: Path | None = None
    #: Who vouches for the server; ``None``: whoever the machine trusts.
    ca_file: Path | None = None
    #: A certificate with its key, for a server that asks for one.
    certificate_file: Path | None = None
    key_file: Path | None = None

    @classmethod
    def at(
        cls,
        address: str,
        *,
        password_file: Path | None = None,
        ca_file: Path | None = None,
        certificate_file: Path | None = None,
        key_file: Path | None = None,
    ) -> Self:
        """Read an address of the module's forms.

        :raises StoreUnusable: it is none, or has a password in it. The message does not repeat it.
        """
        try:
            parts = urlsplit(address)
            port = parts.port or PORT
            database = int(parts.path.strip("/") or 0) if parts.scheme != "unix" else 0
        except ValueError:
            raise StoreUnusable(_FORMS) from None
        if parts.password is not None:
            message = (
                "the address of Redis has a password in it: put it into a file that only its owner can read"
            )
            raise StoreUnusable(message)
        there = parts.path if parts.scheme == "unix" else parts.hostname
        if parts.scheme not in {"redis", "rediss", "unix"} or not there or parts.query or parts.fragment:
            raise StoreUnusable(_FORMS)
        return cls(
            host="" if parts.scheme == "unix" else there,
            port=port,
            socket=there if parts.scheme == "unix" else "",
            database=database,
            tls=parts.scheme == "rediss",
            user=unquote(parts.username or ""),
            password_file=password_file,
            ca_file=ca_file,
            certificate_file=certificate_file,
            key_file=key_file,
        )

    def __str__(self) -> str:
        """Return the address."""
        if self.socket:
            return f"unix://{self.socket}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.tls else 'redis'}://{host}:{self.port}/{self.database}"

    def wire(self) -> Wire:
        """Return a connection that is not connected yet. Deadlines and new attempts are the caller's.

        :raises StoreUnusable: a file of the TLS settings cannot be read.
        """
        how: dict[str, Any] = {
            "db": self.database,
            "protocol": 2,
            "socket_timeout": None,
            "socket_connect_timeout": None,
            "driver_info": None,
            "credential_provider": _Password(self.user, self.password_file)
            if self.password_file is not None
            else None,
        }
        if self.socket:
            return cast("Wire", UnixDomainSocketConnection(path=self.socket, **how))
        if not self.tls:
            return cast("Wire", Connection(host=self.host, port=self.port, **how))
        connection = SSLConnection(host=self.host, port=self.port, **how)
        # The library would trust the machine's authorities beside the one that is named.
        connection.ssl_context.context = self._trust()
        return cast("Wire", connection)

    def _trust(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.certificate_file is not None:
                context.load_cert_chain(self.certificate_file, self.key_file)
        except (OSError, ssl.SSLError) as error:
            files = [
                str(file) for file in (self.ca_file, self.certificate_file, self.key_file) if file is not None
            ]
            message = f"{self}: cannot use {', '.join(files)}: {error.strerror or error}"
            raise StoreUnusable(message) from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


class _Password(CredentialProvider):
    """Reads the password whenever the library asks for it."""

    def __init__(self, user: str, file: Path) -> None:
        self._user = user
        self._file = file

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        password = read_password(self._file)
        return (self._user, password) if self._user else (password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        return self.get_credentials()


def read_password(file: Path) -> str:
    """Return the first line of a file that not everybody can read.

    The file's group may read it: that is how orchestrators hand secrets to a process that is not root.

    :raises StoreUnusable: it cannot be read, everybody can read it, or it is empty, too long or not text.
    """
    try:
        with file.open("rb") as opened:
            mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
            content = opened.read(MAX_PASSWORD_BYTES + 1)
    except OSError as error:
        message = f"{file}: the password of Redis cannot be read: {error.strerror}"
        raise StoreUnusable(message) from error
    if mode & stat.S_IRWXO:
        message = f"{file}: everybody can use it (mode {mode:04o}); run `chmod o= {file}`"
        raise StoreUnusable(message)
    try:
        password = content.decode().split("\n", 1)[0].rstrip("\r")
    except UnicodeDecodeError:
        # Its text would quote the contents.
        password = ""
    if not password or len(content) > MAX_PASSWORD_BYTES:
        message = f"{file}: no password: one line of at most {MAX_PASSWORD_BYTES} bytes of text is expected"
        raise StoreUnusable(message)
    return password


_FORMS: Final = "this is no address of Redis: redis://[USER@]HOST[:PORT][/DATABASE], rediss://… for TLS, or unix://[USER@]/PATH"
