"""A process that runs a system, and the signals it gets."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runtime.backends.local import LocalSystem
from runtime.lifecycle import run_until_signalled

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_stops_gracefully(number: signal.Signals) -> None:
    with program(leave_seconds=0.2) as process:
        process.send_signal(number)
        output, _ = process.communicate(timeout=30)
    assert output.splitlines() == ["leaving", "left", number.name]
    assert process.returncode == 0


def test_the_second_signal_stops_at_once() -> None:
    with program(leave_seconds=3600) as process:
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        assert process.stdout.readline() == "leaving\n"
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=30)
    assert output.splitlines() == ["SIGTERM"]
    assert process.returncode == 0


def test_the_former_handlers_come_back() -> None:
    async def scenario() -> None:
        async with LocalSystem() as system:
            waiting = asyncio.ensure_future(run_until_signalled(system, signals=(signal.SIGUSR1,)))
            await asyncio.sleep(0)
            signal.raise_signal(signal.SIGUSR1)
            assert await waiting is signal.SIGUSR1

    before = signal.getsignal(signal.SIGUSR1)
    asyncio.run(scenario())
    assert signal.getsignal(signal.SIGUSR1) == before


PROGRAM = """
import asyncio, sys
from runtime import Actor
from runtime.backends.local import LocalSystem
from runtime.lifecycle import run_until_signalled

class Leaving(Actor):
    async def started(self):
        print("ready", flush=True)
    async def stopping(self):
        print("leaving", flush=True)
        await asyncio.sleep(float(sys.argv[1]))
        print("left", flush=True)

async def main():
    async with LocalSystem() as system:
        system.spawn(Leaving, "leaving")
        print((await run_until_signalled(system)).name, flush=True)

import structlog
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
asyncio.run(main())
"""


@contextmanager
def program(leave_seconds: float) -> Iterator[subprocess.Popen[str]]:
    """Start a process with one actor that takes so long to leave; yield when it is ready."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(leave_seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()
