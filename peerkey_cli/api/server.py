"""The admin API at its Unix socket and, where that is wanted, at an address of TCP; and what it looks at.

Both doors lead to the same application. Each has its own connections: whoever fills the one does not shut the
other.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from actors.names import AUTHORITY
from peerkey.errors import Unavailable
from peerkey_cli.alarm_times import LOOK_EVERY, AlarmTimes
from peerkey_cli.api.gate import Gate
from peerkey_cli.api.routes import NO_HANDS, Hands, application
from peerkey_cli.api.stream import EventFeed
from peerkey_cli.api.visitors import LocalVisitors, RemoteVisitors
from peerkey_cli.api.workers import Workers
from peerkey_cli.serving import served
from peerkey_cli.sockets import check_length, listening, listening_tcp
from runtime.errors import RuntimeFault

if TYPE_CHECKING:
    from peerkey_cli.alarm_file import AlarmFile
    from peerkey_cli.api.remote import Remote
    from peerkey_cli.fleet import Fleet


@dataclass(frozen=True, slots=True)
class Api:
    """What is behind every door."""

    application: Any
    fleet: Fleet


@contextlib.asynccontextmanager
async def serving(
    fleet: Fleet,
    path: Path,
    *,
    remote: Remote | None = None,
    hands: Hands = NO_HANDS,
    kept: AlarmFile | None = None,
) -> AsyncIterator[Api]:
    """Answer at the Unix socket ``path``, and where ``remote`` says, for as long as the block lasts.

    ``hands.tokens`` are those of an :func:`outer_door` that somebody else opens; else those of ``remote`` are
    taken. ``kept`` is the file that says since when alarms are there, also after a restart.

    :raises WrongUsage: the path is too long.
    :raises Misconfigured: nobody can listen there.
    """
    check_length(path)
    times, feed = AlarmTimes(fleet.shelf, kept, fleet.now()), EventFeed(fleet)
    workers = Workers()
    hands = replace(hands, tokens=remote or hands.tokens)
    app = application(fleet, times, feed, hands=hands, workers=workers)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(workers.end)
        listener = stack.enter_context(listening(path))
        await stack.enter_async_context(served(Gate(app, LocalVisitors()), listener))
        api = Api(app, fleet)
        if remote is not None:
            await stack.enter_async_context(outer_door(api, remote))
        tasks = [
            asyncio.create_task(_look(fleet, times), name="alarm times"),
            asyncio.create_task(feed.work(), name="event feed"),
        ]
        try:
            yield api
        finally:
            feed.end()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await _keep(times)


@contextlib.asynccontextmanager
async def outer_door(api: Api, remote: Remote) -> AsyncIterator[None]:
    """Let the owners of tokens in where ``remote`` says, for as long as the block lasts.

    :raises Misconfigured: nobody can listen there.
    """
    fleet = api.fleet
    visitors = RemoteVisitors(
        remote.admitted,
        lambda event: fleet.record(AUTHORITY, event),
        allowances=remote.settings.allowances,
    )
    with listening_tcp(remote.settings.address) as listener:
        async with served(Gate(api.application, visitors), listener, remote.tls):
            yield


async def _look(fleet: Fleet, times: AlarmTimes) -> None:
    """Take note of alarms although nobody asks."""
    log = structlog.get_logger("api")
    while True:
        await asyncio.sleep(LOOK_EVERY.total_seconds())
        try:
            times.seen(await fleet.noticing(), fleet.now(), fleet.alarm_changed)
        except RuntimeFault as fault:
            log.warning("alarms were not looked at", reason=str(fault))
        await _keep(times)


async def _keep(times: AlarmTimes) -> None:
    """Write down what has changed; where that fails, the next look tries again, and one line says so."""
    former = times.fault
    try:
        await times.keep()
    except Unavailable as fault:
        if times.fault != former:
            structlog.get_logger("api").warning("alarms are not kept", reason=str(fault))
