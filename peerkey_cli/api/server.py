"""The admin API at its Unix socket and, where that is wanted, at an address of TCP; and what it looks at.

Both doors lead to the same application. Each has its own connections: whoever fills the one does not shut the
other.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from actors.names import AUTHORITY
from peerkey_cli.alarm_times import LOOK_EVERY, AlarmTimes
from peerkey_cli.api.gate import Gate
from peerkey_cli.api.routes import application
from peerkey_cli.api.stream import EventFeed
from peerkey_cli.api.visitors import LocalVisitors, RemoteVisitors
from peerkey_cli.api.workers import Workers
from peerkey_cli.serving import served
from peerkey_cli.sockets import check_length, listening, listening_tcp
from runtime.errors import RuntimeFault

if TYPE_CHECKING:
    from peerkey_cli.api.remote import Remote
    from peerkey_cli.api.routes import Reload
    from peerkey_cli.api.token_routes import TokenHolder
    from peerkey_cli.desk import Desk
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
    tokens: TokenHolder | None = None,
    state: Path | None = None,
    reload: Reload | None = None,
    desk: Desk | None = None,
) -> AsyncIterator[Api]:
    """Answer at the Unix socket ``path``, and where ``remote`` says, for as long as the block lasts.

    See :func:`peerkey_cli.api.routes.application` for ``state``, ``reload`` and ``desk``. ``tokens`` are
    those of an :func:`outer_door` that somebody else opens.

    :raises WrongUsage: the path is too long.
    :raises Misconfigured: nobody can listen there.
    """
    check_length(path)
    times, feed = AlarmTimes(), EventFeed(fleet)
    workers = Workers()
    app = application(
        fleet,
        times,
        feed,
        reload=reload,
        desk=desk,
        tokens=remote or tokens,
        state=state,
        workers=workers,
    )
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
