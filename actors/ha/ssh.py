"""The link of a pair over SSH, by asyncssh: one channel, both keys pinned, nothing else.

The node with the higher UUID listens, the other connects. Each end knows one key of the other, from the
configuration, and looks nowhere else: no file of known hosts, no agent, no user's configuration, no
certificate. What is refused of SSH besides, and by which algorithms it is spoken, is in
:mod:`actors.ha.ssh_ends`.

Everything is bounded: how long a handshake may take, how many strangers may be at one at a time, and how much
may wait for a mate that does not read.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

import asyncssh

from actors.ha.ssh_ends import (
    MAXIMUM_STRANGERS,
    SUBSYSTEM,
    ClientEnd,
    Connection,
    ServerEnd,
    Session,
    client_options,
    server_options,
)
from actors.ha.ssh_keys import read_ssh_key
from actors.ha.transport import AttemptFailed, ChannelData, ChannelLost, ChannelOpened, KeyRefused, WrongKey
from peerkey.errors import PeerkeyError

if TYPE_CHECKING:
    from actors.ha.transport import Tell
    from peerkey.config.plan import HaPlan

#: From the first byte to the open channel. A handshake takes two round trips and a few milliseconds.
HANDSHAKE_WITHIN: Final = 5.0
#: What may wait to be sent: the two windows of the link, an inventory of the most records, and beats.
MAXIMUM_WAITING_BYTES: Final = 4 * 1024 * 1024
#: How long a channel that is closed may take to send what is left, in seconds.
FAREWELL_WITHIN: Final = 1.0


@final
class SshTransport:
    """Makes the ends of pairs that meet over SSH."""

    def __init__(self) -> None:
        """See to it that nothing of what asyncssh notes shows what is sent."""
        asyncssh.set_log_level(logging.CRITICAL)
        asyncssh.set_debug_level(1)

    def open(self, plan: HaPlan, tell: Tell) -> SshEnd:
        """See :class:`~actors.ha.transport.SyncTransport`."""
        return SshEnd(plan, tell)


@final
class SshEnd:
    """One end: it connects or listens, and has at most one channel."""

    def __init__(self, plan: HaPlan, tell: Tell) -> None:
        """Stand for the node of ``plan``."""
        self._plan = plan
        self._tell = tell
        self._mate_key = asyncssh.import_public_key(plan.mate_public_key)
        self._attempt: asyncio.Task[None] | None = None
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self._session: Session | None = None
        self._number = 0
        self._closed = False
        #: Connections that have no channel yet, with the timer that ends each.
        self._strangers: dict[Connection, asyncio.TimerHandle] = {}

    # --- see SyncEnd ------------------------------------------------------------------------------

    def attempt(self) -> None:
        """Connect or listen, unless that is so or under way."""
        busy = self._attempt is not None and not self._attempt.done()
        if self._closed or busy or self._session is not None or self._acceptor is not None:
            return
        work = self._listen() if self._plan.listens else self._connect()
        self._attempt = asyncio.get_running_loop().create_task(work, name="ha link")

    def send(self, channel: int, data: bytes) -> None:
        """Write to the channel; drop it where the mate does not read."""
        session = self._session
        if session is None or channel != self._number:
            return
        if session.waiting_bytes + len(data) > MAXIMUM_WAITING_BYTES:
            self._lose("the mate does not read")
        else:
            session.write(data)

    def drop(self, channel: int) -> None:
        """Close the channel after what was written."""
        session = self._session
        if session is not None and channel == self._number:
            self._session = None
            session.close()
            asyncio.get_running_loop().call_later(FAREWELL_WITHIN, session.abort)

    def close(self) -> None:
        """Close everything at once."""
        self._closed = True
        if self._attempt is not None:
            self._attempt.cancel()
        if self._acceptor is not None:
            self._acceptor.close()
        for stranger in list(self._strangers):
            self.settled(stranger)
            stranger.abort()
        if self._session is not None:
            self._session.abort()
            self._session = None

    # --- what the two kinds of end say ------------------------------------------------------------

    def is_mate(self, key: asyncssh.SSHKey, which: WrongKey) -> bool:
        """Tell whether a key is the mate's; say so where it is not."""
        if key.public_data == self._mate_key.public_data:
            return True
        self._say(KeyRefused(which, key.get_fingerprint(), by_mate=False))
        return False

    def stranger(self, connection: Connection) -> None:
        """Give a connection that somebody has made the time of a handshake, if there are not too many."""
        if self._closed or len(self._strangers) >= MAXIMUM_STRANGERS:
            connection.abort()
            return
        self._strangers[connection] = asyncio.get_running_loop().call_later(
            HANDSHAKE_WITHIN, connection.abort
        )

    def settled(self, connection: Connection) -> None:
        """Take up that a connection has its channel, or is gone."""
        timer = self._strangers.pop(connection, None)
        if timer is not None:
            timer.cancel()

    def opened(self, session: Session) -> None:
        """Take a channel that is open; the one before is given up."""
        if self._closed:
            session.abort()
            return
        if self._session is not None:
            self._lose("another channel took its place")
        self._session = session
        self._number += 1
        self._say(ChannelOpened(self._number))

    def came(self, session: Session, data: bytes) -> None:
        """Pass on what has come."""
        if session is self._session and not self._say(ChannelData(self._number, data)):
            self._lose("this node does not keep up")

    def lost(self, session: Session, reason: str) -> None:
        """Take up that a channel is gone."""
        if session is self._session:
            self._session = None
            self._say(ChannelLost(self._number, reason))

    # --- inside -----------------------------------------------------------------------------------

    def _lose(self, reason: str) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.abort()
            self._say(ChannelLost(self._number, reason))

    def _say(self, word: ChannelOpened | ChannelData | ChannelLost | AttemptFailed | KeyRefused) -> bool:
        return not self._closed and self._tell(word)

    async def _key(self) -> asyncssh.SSHKey:
        """Read the node's own key, each time: what was wrong with it may have been mended."""
        file, public = Path(self._plan.key_file), self._plan.public_key
        content = await asyncio.to_thread(read_ssh_key, file, public)
        return asyncssh.import_private_key(content.reveal())

    async def _listen(self) -> None:
        local = self._plan.local
        try:
            options = server_options(await self._key(), lambda: ServerEnd(self))
            self._acceptor = await asyncssh.listen(local.address, local.port, options=options)
        except (OSError, PeerkeyError, asyncssh.Error) as fault:
            self._say(AttemptFailed(f"cannot listen on {local}: {_reason(fault)}"))

    async def _connect(self) -> None:
        remote = self._plan.remote
        connection: asyncssh.SSHClientConnection | None = None
        key: asyncssh.SSHKey | None = None
        opened = False
        try:
            key = await self._key()
            async with asyncio.timeout(HANDSHAKE_WITHIN):
                connection = await asyncssh.connect(
                    remote.address, remote.port, options=client_options(key, lambda: ClientEnd(self))
                )
                await connection.create_session(
                    lambda: Session(self), subsystem=SUBSYSTEM, encoding=None, request_pty=False
                )
            opened = True
        except asyncssh.PermissionDenied:
            shown = "" if key is None else key.get_fingerprint()
            self._say(KeyRefused(WrongKey.CLIENT, shown, by_mate=True))
        except asyncssh.HostKeyNotVerifiable:
            pass  # Told already, with the fingerprint.
        except (OSError, TimeoutError, PeerkeyError, asyncssh.Error) as fault:
            self._say(AttemptFailed(f"cannot connect to {remote}: {_reason(fault)}"))
        finally:
            if connection is not None and not opened:
                connection.abort()


def _reason(fault: Exception) -> str:
    """Say in one line why something failed."""
    if isinstance(fault, TimeoutError):
        return "no answer in time"
    if isinstance(fault, OSError):
        return fault.strerror or type(fault).__name__
    return str(fault) or type(fault).__name__
