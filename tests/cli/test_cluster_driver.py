"""What signals mean to the driver of a fleet on a cluster, without a cluster."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, cast

import pytest

from peerkey.errors import Misconfigured
from peerkey_cli.cluster import driver
from peerkey_cli.cluster.settings import ClusterSettings
from peerkey_cli.errors import Unreachable
from runtime.backends.ray.connecting import ClusterUnavailable
from runtime.cluster.machines import Machine


class NoPlans:
    """A configuration without a node."""

    warnings = ()
    latest = ()


class Silence:
    """A client of a machine for which nobody speaks yet; a signal comes while it is asked."""

    def __init__(self, arriving: list[signal.Signals], asked: list[str]) -> None:
        self.arriving = arriving
        self.asked = asked

    def get(self, what: str, _schema: object) -> object:
        self.asked.append(what)
        if self.arriving:
            os.kill(os.getpid(), self.arriving.pop(0))
        raise Unreachable("nobody")

    def post(self, what: str, _schema: object) -> object:
        self.asked.append(what)
        raise Unreachable("nobody")


def run_until(
    signals: list[signal.Signals],
    monkeypatch: pytest.MonkeyPatch,
    state: Path,
    *,
    detach: bool,
    away: bool = False,
) -> tuple[list[str], list[str]]:
    """Run a driver until ``signals`` have come; return what it ended, and what it asked for."""
    ended: list[str] = []
    asked: list[str] = []

    class Head:
        async def living(self) -> tuple[Machine, ...]:
            if away:
                raise ClusterUnavailable("no answer of the cluster within 15 s (machines)")
            return ()

    @asynccontextmanager
    async def started(*_: object) -> AsyncIterator[Head]:
        yield Head()

    async def end(settings: ClusterSettings) -> None:
        ended.append(settings.authority)

    monkeypatch.setattr(driver, "started", started)
    monkeypatch.setattr(driver, "ended", end)
    monkeypatch.setattr(driver, "_LOOK_EVERY", 0.01)
    monkeypatch.setattr(driver, "Client", lambda _: Silence(signals, asked))
    settings = ClusterSettings(authority="demo", file=state / "authority.yaml", state=state, hosts=1)
    asyncio.run(driver.serve(cast("Any", NoPlans()), settings, "127.0.0.1:1", detach=detach))
    return ended, asked


def test_a_detached_driver_that_waits_leaves_the_fleet_as_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert run_until([signal.SIGTERM], monkeypatch, tmp_path, detach=True)[0] == []


def test_one_that_stays_ends_the_fleet_also_while_it_waits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert run_until([signal.SIGTERM], monkeypatch, tmp_path, detach=False)[0] == ["demo"]


def test_one_that_cannot_end_the_fleet_says_so_and_does_not_hang(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(Unreachable, match="no answer of the cluster"):
        run_until([signal.SIGTERM], monkeypatch, tmp_path, detach=False, away=True)


def test_one_that_waits_has_the_configuration_read_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    signals = [signal.SIGHUP, signal.SIGTERM]
    former = signal.signal(signal.SIGHUP, lambda *_: None)
    try:
        assert "reload" in run_until(signals, monkeypatch, tmp_path, detach=False)[1]
    finally:
        signal.signal(signal.SIGHUP, former)


@pytest.mark.parametrize(
    ("name", "refused"), [("192.0.2.10-0a1b2c3d", True), ("edge", False), ("a-b", False)]
)
def test_files_of_a_machine_whose_name_does_not_last_are_refused(
    name: str, tmp_path: Path, *, refused: bool
) -> None:
    class OneMachine:
        async def living(self) -> tuple[Machine, ...]:
            return (Machine(name, frozenset({"127.0.0.1", "192.0.2.10"}), 2, 1 << 30),)

    settings = ClusterSettings(authority="demo", file=tmp_path, state=tmp_path, hosts=1)
    found = driver.home_of_control(cast("Any", OneMachine()), settings, ())
    with pytest.raises(Misconfigured, match="--node-name") if refused else nullcontext():
        assert asyncio.run(found) == name
