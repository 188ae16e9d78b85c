"""What each end of the link accepts of SSH: one key, one subsystem, modern algorithms, and nothing besides.

No password, no keyboard, no host-based or GSS authentication, no agent, no user's files; no shell, command,
terminal, environment, SFTP or SCP; no forwarding of anything. What is not named here is what asyncssh refuses
unless it is told otherwise, and ``tests/actors/ha/test_openssh.py`` asks OpenSSH's own client for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol, final

import asyncssh

from actors.ha.transport import WrongKey

if TYPE_CHECKING:
    from asyncssh import SSHKey, SSHServerConnection

#: The one thing that can be asked of the end that listens.
SUBSYSTEM: Final = "peerkey-ha"
#: SSH wants the name of a user; the key alone counts.
USER: Final = "peerkey"
#: Connections at the end that listens which have no channel yet. The mate needs one.
MAXIMUM_STRANGERS: Final = 8

#: The hybrid with ML-KEM where the other end has it (OpenSSH 9.9), else X25519 alone (RFC 8731).
KEX_ALGORITHMS: Final = ("mlkem768x25519-sha256", "curve25519-sha256", "curve25519-sha256@libssh.org")
#: Authenticated encryption alone, so that no MAC is chosen beside it.
CIPHERS: Final = ("aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com")
MACS: Final = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com")
SIGNATURES: Final = ("ssh-ed25519",)
#: An hour or a gigabyte, whichever is first, as RFC 4253 section 9 recommends.
REKEY_BYTES: Final = 1 << 30
REKEY_SECONDS: Final = 3600
#: Seconds until who has connected must have proved who it is.
LOGIN_WITHIN: Final = 5


class Connection(Protocol):
    """A connection of asyncssh, as far as it is used here. One may be a key of a mapping."""

    def close(self) -> None: ...  # noqa: D102 - after what is written
    def abort(self) -> None: ...  # noqa: D102 - now
    def __hash__(self) -> int: ...


class End(Protocol):
    """The end that these speak for: :class:`actors.ha.ssh.SshEnd`."""

    def is_mate(self, key: SSHKey, which: WrongKey) -> bool: ...  # noqa: D102 - see there
    def stranger(self, connection: Connection) -> None: ...  # noqa: D102
    def settled(self, connection: Connection) -> None: ...  # noqa: D102
    def opened(self, session: Session) -> None: ...  # noqa: D102
    def came(self, session: Session, data: bytes) -> None: ...  # noqa: D102
    def lost(self, session: Session, reason: str) -> None: ...  # noqa: D102


class _Channel(Protocol):
    def write(self, data: bytes) -> None: ...
    def get_write_buffer_size(self) -> int: ...
    def get_connection(self) -> Connection: ...


class Session(asyncssh.SSHClientSession[bytes], asyncssh.SSHServerSession[bytes]):
    """The one channel, at either end."""

    def __init__(self, end: End) -> None:
        """Speak for ``end``."""
        self._end = end
        self._channel: _Channel | None = None

    @property
    def waiting_bytes(self) -> int:
        """What is written and has not been sent."""
        return 0 if self._channel is None else self._channel.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        """Write, if the channel is still there."""
        if self._channel is not None:
            try:
                self._channel.write(data)
            except OSError:
                # It is closing: that it is gone is told next.
                self._channel = None

    def close(self) -> None:
        """Close the connection once what is written is sent."""
        if self._channel is not None:
            self._channel.get_connection().close()

    def abort(self) -> None:
        """Close the connection now."""
        if self._channel is not None:
            self._channel.get_connection().abort()

    # --- what asyncssh calls ----------------------------------------------------------------------

    def connection_made(self, chan: _Channel) -> None:
        """Take the channel."""
        self._channel = chan

    def subsystem_requested(self, subsystem: str) -> bool:
        """Accept the one subsystem; a shell and a command are refused unless a method says otherwise."""
        return subsystem == SUBSYSTEM

    def session_started(self) -> None:
        """Tell that the channel is open."""
        if self._channel is not None:
            self._end.settled(self._channel.get_connection())
        self._end.opened(self)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Pass on what has come; what stands beside it (as standard error would) means nothing here."""
        if datatype is None:
            self._end.came(self, data)

    def eof_received(self) -> bool:
        """Close: half a channel is of no use."""
        self.close()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that the channel is gone."""
        reason = "the mate has closed it" if exc is None else str(exc) or type(exc).__name__
        channel, self._channel = self._channel, None
        self._end.lost(self, reason)
        if channel is not None:
            channel.get_connection().close()


@final
class ClientEnd(asyncssh.SSHClient):
    """The end that connects: it accepts one host key."""

    def __init__(self, end: End) -> None:
        """Speak for ``end``."""
        self._end = end

    def validate_host_public_key(self, host: str, addr: str, port: int, key: SSHKey) -> bool:  # noqa: ARG002
        """Tell whether it is the mate's."""
        return self._end.is_mate(key, WrongKey.HOST)


@final
class ServerEnd(asyncssh.SSHServer):
    """The end that listens: it accepts one client key, and one session on a connection."""

    def __init__(self, end: End) -> None:
        """Speak for ``end``."""
        self._end = end
        self._connection: SSHServerConnection | None = None
        self._has_session = False

    def connection_made(self, conn: SSHServerConnection) -> None:
        """Begin the time of the handshake."""
        self._connection = conn
        self._end.stranger(conn)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why it left is its own
        """Forget it."""
        if self._connection is not None:
            self._end.settled(self._connection)

    def public_key_auth_supported(self) -> bool:
        """Take keys; passwords and the rest are off unless a method says otherwise."""
        return True

    def validate_public_key(self, username: str, key: SSHKey) -> bool:  # noqa: ARG002 - the key alone counts
        """Tell whether it is the mate's; asyncssh then has it prove that it holds the private half."""
        return self._end.is_mate(key, WrongKey.CLIENT)

    def session_requested(self) -> Session | bool:
        """Open one session."""
        if self._has_session:
            return False
        self._has_session = True
        return Session(self._end)


def client_options(key: SSHKey, factory: Callable[[], ClientEnd]) -> asyncssh.SSHClientConnectionOptions:
    """Return how to connect: by this key, and with nothing of the user's."""
    return asyncssh.SSHClientConnectionOptions(
        client_factory=factory,
        config=None,
        client_version="peerkey",
        username=USER,
        client_keys=[key],
        # Known hosts, of which there are none: whoever answers is asked about.
        known_hosts=asyncssh.import_known_hosts(""),
        x509_trusted_certs=None,
        x509_trusted_cert_paths=(),
        server_host_key_algs=SIGNATURES,
        preferred_auth="publickey",
        disable_trivial_auth=True,
        password_auth=False,
        kbdint_auth=False,
        host_based_auth=False,
        gss_host=None,
        agent_path=None,
        pkcs11_provider=None,
        agent_forwarding=False,
        x11_forwarding=False,
        login_timeout=LOGIN_WITHIN,
        connect_timeout=LOGIN_WITHIN,
        **_algorithms(),
    )


def server_options(key: SSHKey, factory: Callable[[], ServerEnd]) -> asyncssh.SSHServerConnectionOptions:
    """Return how to listen: with this key, for one subsystem."""
    return asyncssh.SSHServerConnectionOptions(
        server_factory=factory,
        config=None,
        server_version="peerkey",
        server_host_keys=[key],
        x509_trusted_certs=None,
        x509_trusted_cert_paths=(),
        public_key_auth=True,
        password_auth=False,
        kbdint_auth=False,
        host_based_auth=False,
        gss_host=None,
        allow_pty=False,
        line_editor=False,
        agent_forwarding=False,
        x11_forwarding=False,
        allow_scp=False,
        encoding=None,
        rdns_lookup=False,
        login_timeout=LOGIN_WITHIN,
        **_algorithms(),
    )


def _algorithms() -> dict[str, object]:
    """Return by which algorithms the link is spoken, at both ends."""
    return {
        "kex_algs": KEX_ALGORITHMS,
        "encryption_algs": CIPHERS,
        "mac_algs": MACS,
        "signature_algs": SIGNATURES,
        "compression_algs": None,
        "rekey_bytes": REKEY_BYTES,
        "rekey_seconds": REKEY_SECONDS,
    }
