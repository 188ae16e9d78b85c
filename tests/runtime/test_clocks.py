"""The clocks: what goes on, what can be stepped, and what never goes back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from runtime.clock import Clock, StoppedClock, SystemClock
from runtime.system import ActorSystem
from runtime.testing import pass_time, run

HOUR = timedelta(hours=1)


def test_the_system_clock_goes_on_and_knows_its_zone() -> None:
    clock: Clock = SystemClock()
    readings = [clock.monotonic() for _ in range(1000)]
    assert readings == sorted(readings)
    assert clock.wall().tzinfo is UTC
    assert abs(clock.wall() - datetime.now(UTC)) < HOUR


def test_a_stopped_clock_moves_only_when_told() -> None:
    clock = StoppedClock()
    before = clock.monotonic(), clock.wall()
    assert (clock.monotonic(), clock.wall()) == before
    clock.advance(HOUR)
    assert (clock.monotonic() - before[0], clock.wall() - before[1]) == (HOUR, HOUR)


def test_stepping_the_wall_clock_leaves_the_monotonic_one_alone() -> None:
    clock = StoppedClock()
    wall = clock.wall()
    clock.step_wall(-HOUR)
    assert (clock.monotonic(), clock.wall()) == (timedelta(0), wall - HOUR)


def test_a_monotonic_clock_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="go back"):
        StoppedClock().advance(-HOUR)


def test_virtual_time_moves_both_clocks_and_can_be_stepped() -> None:
    async def scenario(system: ActorSystem) -> None:
        wall = system.clock.wall()
        await pass_time(30 * 24 * HOUR)
        assert system.clock.monotonic() == 30 * 24 * HOUR
        assert system.clock.wall() - wall == 30 * 24 * HOUR

    run(scenario)
