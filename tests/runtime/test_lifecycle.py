"""A process that runs a system, and the signals it gets."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from runtime import Actor
from runtime.backends.local import LocalSystem
from runtime.lifecycle import StopSignals, run_until_signalled

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


@pytest.mark.parametrize("signals", [0, 1])
def test_when_it_is_cancelled_nothing_of_its_own_is_left(signals: int) -> None:
    async def scenario() -> None:
        async with LocalSystem() as system:
            system.spawn(Stubborn, "stubborn")
            await asyncio.sleep(0)
            waiting = asyncio.ensure_future(run_until_signalled(system, signals=(signal.SIGUSR1,)))
            for _ in range(signals):
                await asyncio.sleep(0)
                signal.raise_signal(signal.SIGUSR1)
                # The stop is on its way, and the second signal is waited for.
                while len(asyncio.all_tasks()) < 4:  # noqa: ASYNC110 - only the tasks themselves tell
                    await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await asyncio.sleep(0)
            assert {task.get_name() for task in asyncio.all_tasks()} <= {own_name(), "stubborn"}
            await system.stop(timedelta(0))
        assert len(asyncio.all_tasks()) == 1

    before = signal.getsignal(signal.SIGUSR1)
    asyncio.run(scenario())
    assert signal.getsignal(signal.SIGUSR1) == before


def test_a_signal_that_comes_while_things_are_prepared_stops_what_was_prepared() -> None:
    async def scenario() -> None:
        with StopSignals((signal.SIGUSR1,)) as signals:
            signal.raise_signal(signal.SIGUSR1)
            await asyncio.sleep(0)
            async with LocalSystem() as system:
                assert await signals.stopped(system) is signal.SIGUSR1
                assert system.actors() == ()
            # Nor does one that comes while things are given back meet the default action, which kills.
            for _ in range(3):
                signal.raise_signal(signal.SIGUSR1)
                await asyncio.sleep(0)

    before = signal.getsignal(signal.SIGUSR1)
    asyncio.run(scenario())
    assert signal.getsignal(signal.SIGUSR1) == before


def test_two_signals_while_things_are_prepared_cut_off_what_was_prepared() -> None:
    async def scenario() -> None:
        with StopSignals((signal.SIGUSR1, signal.SIGUSR2)) as signals:
            for number in (signal.SIGUSR1, signal.SIGUSR2):
                signal.raise_signal(number)
            async with LocalSystem() as system:
                system.spawn(Stubborn, "stubborn")
                await asyncio.sleep(0)
                assert await signals.stopped(system, timedelta(hours=1)) is signal.SIGUSR1

    asyncio.run(scenario())


def test_a_handler_that_python_does_not_know_becomes_the_default_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with LocalSystem() as system:
            monkeypatch.setattr(signal, "getsignal", lambda _number: None)
            waiting = asyncio.ensure_future(run_until_signalled(system, signals=(signal.SIGUSR1,)))
            await asyncio.sleep(0)
            signal.raise_signal(signal.SIGUSR1)
            assert await waiting is signal.SIGUSR1
            monkeypatch.undo()

    before = signal.getsignal(signal.SIGUSR1)
    asyncio.run(scenario())
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
    signal.signal(signal.SIGUSR1, before)


def test_on_another_thread_it_says_why_it_cannot_run_there() -> None:
    async def scenario() -> None:
        async with LocalSystem() as system:
            await run_until_signalled(system, signals=(signal.SIGUSR1,))

    told: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(scenario())
        except (RuntimeError, ValueError) as refused:
            told.append(refused)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert "main thread" in str(told[0])


PROGRAM = """
import asyncio, sys
from runtime import Actor
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


class Stubborn(Actor):
    async def stopping(self) -> None:
        await asyncio.sleep(3600)


def own_name() -> str:
    task = asyncio.current_task()
    assert task is not None
    return task.get_name()


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
