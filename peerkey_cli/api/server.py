"""The admin API at its Unix socket, and the look at the alarms that gives them their times."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from peerkey_cli.alarm_times import LOOK_EVERY, AlarmTimes
from peerkey_cli.api.routes import application
from peerkey_cli.serving import served
from peerkey_cli.sockets import check_length, listening
from runtime.errors import RuntimeFault

if TYPE_CHECKING:
    from peerkey_cli.fleet import Fleet


@contextlib.asynccontextmanager
async def serving(fleet: Fleet, path: Path) -> AsyncIterator[None]:
    """Answer at the Unix socket ``path`` for as long as the block lasts.

    :raises WrongUsage: the path is too long.
    :raises Misconfigured: nobody can listen there.
    """
    check_length(path)
    times = AlarmTimes()
    with listening(path) as listener:
        async with served(application(fleet, times), listener):
            look = asyncio.create_task(_look(fleet, times), name="alarm times")
            try:
                yield
            finally:
                look.cancel()
                await asyncio.gather(look, return_exceptions=True)


async def _look(fleet: Fleet, times: AlarmTimes) -> None:
    """Take note of alarms although nobody asks."""
    log = structlog.get_logger("api")
    while True:
        await asyncio.sleep(LOOK_EVERY.total_seconds())
        try:
            times.seen(await fleet.noticing(), fleet.now(), fleet.alarm_changed)
        except RuntimeFault as fault:
            log.warning("alarms were not looked at", reason=str(fault))
