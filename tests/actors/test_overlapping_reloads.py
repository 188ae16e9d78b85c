"""Reloads that overlap, and settings that wait for a restart: what counts, and who is told what."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from actors.deployed import Deployed, restart_alarms
from actors.journal import Entry
from actors.messages import AdoptPlans, GetPlans
from actors.readings import MOST_WAITING, Readings
from peerkey.config.plan import NodePlan
from peerkey.errors import Misconfigured, Unavailable
from peerkey.observe.alarms import Severity
from tests.support.fleet import SECOND, Fleet, eventually


class Gated:
    """Plans that are read at once, and returned when the gate is open."""

    def __init__(self, now: Callable[[], tuple[NodePlan, ...]]) -> None:
        self.now = now
        self.gate = threading.Event()
        self.gate.set()
        self.readings = 0
        self.fault: Exception | None = None

    def __call__(self) -> tuple[NodePlan, ...]:
        self.readings += 1
        found, fault = self.now(), self.fault
        self.gate.wait(20)
        if fault is not None:
            raise fault
        return found


class GatedFleet(Fleet):
    """A fleet whose configuration takes its time to be read."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.reading = Gated(lambda: tuple(self.plans))
        self.read_plans = self.reading


async def test_of_two_reloads_that_overlap_the_later_file_counts(tmp_path: Path) -> None:
    async with GatedFleet(tmp_path) as fleet:
        reading = fleet.reading
        await eventually(lambda: read_so_often(fleet, 1))
        reading.gate.clear()
        fleet.change(0, priority=1)
        first = asyncio.create_task(fleet.reload())
        await eventually(lambda: read_so_often(fleet, 2))
        fleet.change(0, priority=2)
        second = asyncio.create_task(fleet.reload())
        third = asyncio.ensure_future(fleet.authority.ask(AdoptPlans(), 5 * SECOND))
        # Everything that was sent has been received when this is answered.
        await fleet.authority.ask(GetPlans(), 5 * SECOND)
        assert reading.readings == 2
        reading.gate.set()

        assert await first == await second == ("r0/node0", "r1/node0")
        assert await third == ("r0/node0",)
        assert reading.readings == 3
        assert [plan.priority for plan in await fleet.authority.ask(GetPlans(), 5 * SECOND)] == [2, 0]
        assert [each["differences"] for each in fleet.events("configuration.changed")] == [
            ("priority: 0 -> 1",),
            ("priority: 1 -> 2",),
        ]


async def test_a_reading_that_fails_is_told_to_those_alone_who_had_asked_before_it(tmp_path: Path) -> None:
    async with GatedFleet(tmp_path) as fleet:
        reading = fleet.reading
        await eventually(lambda: read_so_often(fleet, 1))
        reading.gate.clear()
        reading.fault = Misconfigured("authority.yaml:1:1: no such thing")
        first = asyncio.create_task(fleet.reload())
        await eventually(lambda: read_so_often(fleet, 2))
        reading.fault = None
        second = asyncio.create_task(fleet.reload())
        await fleet.authority.ask(GetPlans(), 5 * SECOND)
        reading.gate.set()

        with pytest.raises(Misconfigured, match="no such thing"):
            await first
        assert await second == ("r0/node0", "r1/node0")


def test_readings_are_one_at_a_time_and_those_who_wait_are_bounded() -> None:
    begun: list[int] = []
    readings: Readings[int] = Readings(lambda: begun.append(1))

    assert readings.ask(0)
    assert all(readings.ask(number) for number in range(1, MOST_WAITING + 1))
    assert not readings.ask(-1)
    assert len(begun) == 1
    assert readings.ended() == [0]
    readings.go_on()
    assert len(begun) == 2
    assert readings.ended() == list(range(1, MOST_WAITING + 1))
    readings.go_on()
    assert len(begun) == 2
    assert readings.ended() == []


async def test_who_finds_the_waiting_room_full_is_told_to_come_again(tmp_path: Path) -> None:
    async with GatedFleet(tmp_path) as fleet:
        await eventually(lambda: read_so_often(fleet, 1))
        fleet.reading.gate.clear()
        first = asyncio.create_task(fleet.reload())
        await eventually(lambda: read_so_often(fleet, 2))
        waiting = [asyncio.create_task(fleet.reload()) for _ in range(MOST_WAITING)]
        await fleet.authority.ask(GetPlans(), 5 * SECOND)

        with pytest.raises(Unavailable, match="wait for their turn"):
            await fleet.reload()

        fleet.reading.gate.set()
        assert set(await asyncio.gather(first, *waiting)) == {("r0/node0", "r1/node0")}
        assert fleet.reading.readings == 3


async def test_key_management_that_is_enabled_by_a_reload_waits_and_the_rest_is_carried_out(
    tmp_path: Path,
) -> None:
    deployed = Deployed()
    fleet = Fleet(tmp_path, deployed=deployed)
    on = fleet.plans
    fleet.plans = [replace(plan, enabled=False) for plan in on]
    async with fleet:
        await fleet.status()
        fleet.plans = [replace(on[0], priority=5), on[1]]

        assert await fleet.reload() == ("r0/node0", "r1/node0")

        assert [node.enabled for node in await fleet.status()] == [False, False]
        assert [plan.priority for plan in await fleet.authority.ask(GetPlans(), 5 * SECOND)] == [5, 0]
        (alarm,) = restart_alarms("authority", deployed.needed)
        assert alarm.severity is Severity.MAJOR
        assert "`authority > enhanced-security-key-management: false -> true`" in alarm.message
        await fleet.reload()
        assert [each.event.detail() for each in restarts(fleet)] == [
            {"settings": ("authority > enhanced-security-key-management: false -> true",)}
        ]
        fleet.plans = [replace(plan, enabled=False) for plan in on]
        await fleet.reload()
        assert deployed.needed == ()
        assert [each.event.detail() for each in restarts(fleet)][1:] == [{"settings": ()}]

    # An actor that begins anew has not been deployed anew; a process has.
    fleet.plans = on
    async with fleet:
        assert [node.enabled for node in await fleet.status()] == [False, False]
    fleet.deployed = Deployed()
    async with fleet:
        await eventually(fleet.keyed)


# --- helpers --------------------------------------------------------------------------------------


async def read_so_often(fleet: GatedFleet, times: int) -> bool:
    return fleet.reading.readings == times


def restarts(fleet: Fleet) -> list[Entry]:
    return [each for each in fleet.journal.recent() if each.event.TYPE == "configuration.restart_needed"]
