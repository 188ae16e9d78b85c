"""``peerkey run``: a composed system, its admin API, and the signals that speak to it.

SIGTERM and SIGINT stop it in order; a second one cuts it off. SIGHUP reads the configuration and the
certificates again.
"""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from metrics.detail import WantedDetail
from peerkey.config.findings import ConfigurationFaults
from peerkey.errors import PeerkeyError
from peerkey_cli.alarm_file import AlarmFile
from peerkey_cli.api.remote import Remote
from peerkey_cli.api.routes import Hands
from peerkey_cli.api.server import serving
from peerkey_cli.compose import composed
from peerkey_cli.configuration_file import ConfigurationFile
from peerkey_cli.custody import Custody
from peerkey_cli.desk import LocalDesk
from peerkey_cli.one_at_a_time import OneAtATime
from peerkey_cli.serving import served
from peerkey_cli.sockets import listening_tcp
from peerkey_cli.targets import reached_at
from runtime.errors import RuntimeFault
from runtime.lifecycle import StopSignals
from runtime.threads import Threads

if TYPE_CHECKING:
    from datetime import datetime

    from peerkey_cli.api.remote import RemoteSettings
    from peerkey_cli.fleet import Fleet
    from peerkey_cli.plans import PlansReader
    from peerkey_cli.state import StateDirectory
    from peerkey_cli.syslog import SyslogAddress

#: What asyncio has threads for is waiting for names: each address of a list may wait for one, and for another
#: that it has given up.
_MAXIMUM_THREADS: Final = 64


async def serve(
    plans: PlansReader,
    state: StateDirectory,
    api: Path,
    metrics: tuple[str, int] | None = None,
    syslog: SyslogAddress | None = None,
    remote: RemoteSettings | None = None,
    detail: WantedDetail = WantedDetail.AUTO,
) -> None:
    """Run until a signal says stop.

    ``metrics`` is where Prometheus may ask, ``detail`` how finely, and ``remote`` where the admin API
    listens beside its Unix socket ``api``, if anywhere; ``syslog`` gets a copy of the audit log.

    :raises PeerkeyError: it cannot start: see :func:`peerkey_cli.compose.composed` and
        :func:`peerkey_cli.api.server.serving`.
    """
    log = structlog.get_logger("peerkey")
    # What is loaded stays: each collection of garbage that looks through it holds the loop for 40 ms.
    gc.collect()
    gc.freeze()
    # A name server that does not answer must not delay the end by more than the deadline of it.
    asyncio.get_running_loop().set_default_executor(Threads("asyncio", _MAXIMUM_THREADS))
    # Around everything: a signal while it starts, or while it gives things back, must not leave half of them.
    with StopSignals() as signals:
        # What is wrong with its files is told before anything starts.
        door = Remote(remote) if remote is not None else None
        async with composed(plans, state, syslog=syslog, plans_of=plans.of_text) as composition:
            running = replace(composition, scraped=reached_at(metrics))
            custody = Custody(lambda: plans.latest, running.keystore, state)
            reload = reloading(running, door)
            desk = LocalDesk(custody, running.record, running.reload)
            for warning in plans.warnings:
                log.warning("configuration", finding=str(warning))
            if door is not None:
                running.own.add(door.alarms)
            answering = serving(
                running,
                api,
                remote=door,
                hands=Hands(
                    reload=reload, desk=desk, configuration=ConfigurationFile(plans), state=state.path
                ),
                kept=AlarmFile(state.alarms),
            )
            scraped = measured(running, metrics, detail, lambda: None if door is None else door.not_after)
            async with Reloads(reload), desk, answering, scraped:
                nodes = [plan.name for plan in plans.latest]
                more = {} if remote is None else {"remote": remote.url}
                log.info("ready", nodes=nodes, api=f"unix:{api}", state=str(state.path), **more)
                await signals.stopped(running.system)
        log.info("stopped")


def reloading(fleet: Fleet, door: Remote | None) -> Callable[[], Awaitable[tuple[str, ...]]]:
    """Return what reads the configuration again, and the certificate and the tokens of the admin API.

    A fault in any of them changes nothing of all. It is done once at a time.
    """

    async def reload() -> tuple[str, ...]:
        read = await asyncio.to_thread(door.read) if door is not None else None
        nodes = await fleet.reload()
        if door is not None and read is not None:
            door.take(read)
        return nodes

    return OneAtATime(reload)


@asynccontextmanager
async def measured(
    fleet: Fleet,
    address: tuple[str, int] | None,
    detail: WantedDetail = WantedDetail.AUTO,
    api_ends: Callable[[], datetime | None] = lambda: None,
) -> AsyncIterator[None]:
    """Let Prometheus ask at this address, and be answered in this detail.

    It is told, too, when the certificate of the admin API ends, where it has one.
    """
    if address is None:
        yield
        return
    from metrics.detail import Chooser
    from peerkey_cli.scrape import Scraper, application

    scraper = Scraper(fleet, Chooser(detail), api_ends=api_ends)
    try:
        with listening_tcp(address) as listener:
            async with served(application(fleet, scraper), listener):
                yield
    finally:
        scraper.end()


class Reloads:
    """Reloads at SIGHUP, one after the other."""

    def __init__(self, reload: Callable[[], Awaitable[Iterable[str]]]) -> None:
        """Await ``reload()`` at each signal; it returns the names of the nodes."""
        self._reload = reload
        self._wanted = asyncio.Event()

    async def __aenter__(self) -> None:
        """Begin to listen."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._wanted.set)
        self._task = asyncio.create_task(self._work(), name="reload at SIGHUP")

    async def __aexit__(self, *_: object) -> None:
        """Listen no more."""
        asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _work(self) -> None:
        log = structlog.get_logger("peerkey")
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                nodes = await self._reload()
            except ConfigurationFaults as faults:
                log.error("not reloaded", faults=faults.lines())  # noqa: TRY400 - an operator's mistake
            except (PeerkeyError, RuntimeFault) as fault:
                log.error("not reloaded", reason=str(fault))  # noqa: TRY400 - nor is this a bug
            else:
                log.info("reloaded", nodes=list(nodes))
