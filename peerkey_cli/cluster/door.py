"""The outer door of one machine of a cluster: open as soon as its files allow it, whatever else there is.

Certificate, key and tokens are this machine's own, under the names that all machines have in common. A file
that is missing or faulty here closes this door and no other, and an operator on the machine still has the
Unix socket. It is tried again, and what keeps it shut is an alarm.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from peerkey.errors import PeerkeyError
from peerkey.observe.alarms import cluster_limited
from peerkey_cli.api.remote import Remote, RemoteSettings
from peerkey_cli.api.server import outer_door
from peerkey_cli.errors import NotFound

if TYPE_CHECKING:
    from datetime import datetime

    from peerkey.observe.alarms import Alarm
    from peerkey_cli.api.server import Api
    from peerkey_cli.api.tokens import Token

#: The source of its alarms. They are the machine's own: no other sees this door.
DOOR: Final = "api"
#: Before a door that could not be opened is tried again, in seconds.
AGAIN_AFTER: Final = 5.0

_log = structlog.get_logger("peerkey")


class MachineDoor:
    """See the module."""

    def __init__(self, settings: RemoteSettings | None, machine: str) -> None:
        """Open where ``settings`` of this ``machine`` says, if anywhere."""
        self._settings = settings
        self._machine = machine
        self._remote: Remote | None = None
        self._changed = asyncio.Event()
        #: Why it is shut although it should be open; empty where all is well.
        self.fault = ""

    def known(self) -> tuple[Token, ...]:
        """See :class:`peerkey_cli.api.token_routes.TokenHolder`."""
        return self._open().known()

    def revoke(self, name: str) -> None:
        """See :class:`peerkey_cli.api.token_routes.TokenHolder`."""
        self._open().revoke(name)

    def not_after(self) -> datetime | None:
        """When the certificate ends that clients are shown; ``None`` while the door is shut."""
        return None if self._remote is None else self._remote.not_after

    def alarms(self, at: datetime) -> tuple[Alarm, ...]:
        """Say what keeps the door shut, or whether the certificate that it shows counts, and for how long."""
        if self._remote is not None:
            return tuple(replace(each, source=DOOR) for each in self._remote.alarms(at))
        if not self.fault:
            return ()
        text = f"the admin API over TCP is shut on {self._machine}: {self.fault}"
        return (cluster_limited(DOOR, text),)

    def check(self) -> None:
        """See that the files can be used as they are now. Blocks.

        :raises PeerkeyError: they cannot.
        """
        if self._remote is not None:
            self._remote.read()

    def look_again(self) -> None:
        """Take what the files say now, soon: an operator has reloaded, on whichever machine."""
        self._changed.set()

    async def keep_open(self, api: Api) -> None:
        """Let clients of ``api`` in, until this is cancelled."""
        while self._settings is not None:
            self._changed.clear()
            try:
                remote = await asyncio.to_thread(Remote, self._settings)
                async with outer_door(api, remote):
                    self._remote, self.fault = remote, ""
                    _log.info("the admin API is open", at=remote.settings.url)
                    await self._follow(remote)
            except (PeerkeyError, OSError) as fault:
                if str(fault) != self.fault:
                    self.fault = str(fault)
                    _log.error("the admin API over TCP is shut", reason=self.fault)
            finally:
                self._remote = None
            await asyncio.sleep(AGAIN_AFTER)

    async def _follow(self, remote: Remote) -> None:
        """Take new files whenever somebody has reloaded; what is faulty in them changes nothing."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                remote.take(await asyncio.to_thread(remote.read))
            except PeerkeyError as fault:
                _log.error("certificate and tokens stay as they were", reason=str(fault))

    def _open(self) -> Remote:
        if self._remote is None:
            message = "there are no tokens: the admin API over TCP is shut on this machine"
            raise NotFound(message)
        return self._remote
