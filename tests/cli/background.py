"""A composed system with its admin API, on a thread of its own: commands run in the test's thread."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import structlog

from peerkey_cli.alarm_file import AlarmFile
from peerkey_cli.api.remote import Remote, RemoteSettings
from peerkey_cli.api.routes import Hands
from peerkey_cli.api.server import serving
from peerkey_cli.compose import composed
from peerkey_cli.configuration_file import ConfigurationFile
from peerkey_cli.custody import Custody
from peerkey_cli.daemon import reloading
from peerkey_cli.desk import LocalDesk
from peerkey_cli.embedded import Running
from peerkey_cli.plans import PlansReader
from peerkey_cli.state import StateDirectory

T = TypeVar("T")

#: How long anything here may take.
WITHIN_SECONDS = 30.0


@dataclass
class Background:
    """A system that runs, seen from another thread."""

    running: Running
    loop: asyncio.AbstractEventLoop

    def call(self, work: Callable[[Running], Awaitable[T]]) -> T:
        """Await something on the system's own loop."""

        async def awaited() -> T:
            return await work(self.running)

        return asyncio.run_coroutine_threadsafe(awaited(), self.loop).result(WITHIN_SECONDS)


@contextmanager
def in_background(file: Path, state: Path, remote: RemoteSettings | None = None) -> Iterator[Background]:
    """Run the authority of ``file`` while the block lasts, its admin API in ``state`` and at ``remote``."""
    made: list[Background] = []
    failed: list[BaseException] = []
    up, stop = threading.Event(), threading.Event()

    async def work() -> None:
        loop = asyncio.get_running_loop()
        directory = StateDirectory(state)
        plans = PlansReader(file)
        door = None if remote is None else Remote(remote)
        async with (
            composed(plans, directory, plans_of=plans.of_text) as running,
            LocalDesk(
                Custody(lambda: plans.latest, running.keystore, directory), running.record, running.reload
            ) as desk,
            serving(
                running,
                directory.socket,
                remote=door,
                hands=Hands(
                    reload=reloading(running, door),
                    desk=desk,
                    configuration=ConfigurationFile(plans),
                    state=directory.path,
                ),
                kept=AlarmFile(directory.alarms),
            ),
        ):
            if door is not None:
                running.own.add(door.alarms)
            made.append(Background(running, loop))
            up.set()
            await asyncio.to_thread(stop.wait)

    def run() -> None:
        try:
            asyncio.run(work())
        except BaseException as error:  # noqa: BLE001 - told on the test's thread
            failed.append(error)
        finally:
            up.set()

    thread = threading.Thread(target=run, name="composed system")
    before = structlog.get_config()
    # A command in the test's thread has standard output for its own document alone.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    thread.start()
    try:
        assert up.wait(WITHIN_SECONDS)
        if failed:
            raise failed[0]
        yield made[0]
    finally:
        stop.set()
        thread.join(WITHIN_SECONDS)
        structlog.configure(**before)
    assert not thread.is_alive()
    if failed:
        raise failed[0]
