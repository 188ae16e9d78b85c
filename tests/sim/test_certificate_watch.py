"""The watch over a node's own certificate, by a whole node: exact at each boundary, and gone by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from peerkey.observe.alarms import Severity
from peerkey_cli.simulation.fleet import Fleet
from peerkey_cli.simulation.run import Outcome, simulate
from peerkey_cli.simulation.settings import Settings
from tests.sim.authorities import planned
from tests.support.story import EAST, MINUTE, SECOND, alarms, clock_says, events, kinds, play, told

MICROSECOND = timedelta(microseconds=1)
DAY = timedelta(days=1)
#: When the boundary under test is reached.
THEN = 5 * MINUTE

MONTH = "The following certificates are expiring in less than 30 days: `east/node0`."
WEEK = "The following certificates are expiring in less than 7 days: `east/node0`."
EXPIRED = "The following certificates are expired: `east/node0`."


@pytest.mark.parametrize(
    ("lifetime", "boundary", "before", "after"),
    [
        # Exactly thirty days are not yet less than thirty.
        (THEN + 30 * DAY, THEN + MICROSECOND, [], [(Severity.MINOR, MONTH)]),
        (THEN + 7 * DAY, THEN + MICROSECOND, [(Severity.MINOR, MONTH)], [(Severity.MAJOR, WEEK)]),
        # "through notAfter, inclusive": the whole last second is good.
        (THEN, THEN + SECOND, [(Severity.MAJOR, WEEK)], [(Severity.CRITICAL, EXPIRED)]),
    ],
    ids=["30 days", "7 days", "the end"],
)
def test_the_alarm_is_exact_at_its_boundary(
    lifetime: timedelta,
    boundary: timedelta,
    before: list[tuple[Severity, str]],
    after: list[tuple[Severity, str]],
) -> None:
    async def look(fleet: Fleet) -> None:
        fleet.sites[EAST].certify(lifetime)
        for instant, expected in (
            (boundary - MICROSECOND, before),
            (boundary, after),
            (boundary + MICROSECOND, after),
        ):
            await clock_says(fleet, EAST, instant)
            status = await told(fleet, EAST)
            assert [(alarm.severity, alarm.message) for alarm in status.alarms] == expected, instant
        fleet.sites[EAST].certify()
        await fleet.sites[EAST].reload()
        await clock_says(fleet, EAST, boundary + MINUTE)
        assert alarms(await told(fleet, EAST)) == []

    assert_well(play("pair", 7 * MINUTE, beside=look))


def test_the_alarms_of_one_certificate_follow_each_other_without_a_word_from_anybody() -> None:
    """From more than a month to the end, in which nobody reloads, restarts or asks for anything."""

    async def look(fleet: Fleet) -> None:
        fleet.sites[EAST].certify(31 * DAY)
        seen: list[str] = []
        for hours in range(0, 32 * 24, 12):
            await clock_says(fleet, EAST, timedelta(hours=hours) + MINUTE)
            (state,) = [text for text in alarms(await told(fleet, EAST)) if "`east/node0`" in text] or [""]
            if not seen or seen[-1] != state:
                seen.append(state)
        assert seen == ["", MONTH, WEEK, EXPIRED]
        assert kinds(fleet, EAST).count("certificate.invalid") == 1
        (invalid,) = [
            instant for instant, event in events(fleet, EAST) if event.TYPE == "certificate.invalid"
        ]
        assert invalid == 31 * DAY + SECOND, "and the event comes at the very instant"

    plans = tuple(replace(plan, policy=replace(plan.policy, rekey_interval=None)) for plan in planned("pair"))
    assert_well(simulate(plans, Settings(1, 32 * DAY, 0.0, schedule=()), beside=look))


def test_i95_64929_seconds_are_not_taken_for_milliseconds() -> None:
    """A conversion ended certificates early: one of a month is good for a month, and one of years too."""

    async def look(fleet: Fleet) -> None:
        for lifetime, instant, expected in (
            (1000 * DAY, MINUTE, []),
            (31 * DAY, 3 * MINUTE, []),
            (2 * DAY, 5 * MINUTE, [WEEK]),
        ):
            fleet.sites[EAST].certify(lifetime)
            await fleet.sites[EAST].reload()
            await clock_says(fleet, EAST, instant)
            status = await told(fleet, EAST)
            assert alarms(status) == expected
            assert status.certificate is not None
            assert status.certificate.state == "valid"

    assert_well(play("pair", 6 * MINUTE, beside=look))


def test_key_management_that_is_enabled_without_a_certificate_is_told_then_and_not_before() -> None:
    async def look(fleet: Fleet) -> None:
        site = fleet.sites[EAST]
        site.hide_certificate()
        site.plan = replace(site.plan, enabled=False)
        await clock_says(fleet, EAST, MINUTE)
        assert alarms(await told(fleet, EAST)) == []
        assert "certificate.invalid" not in kinds(fleet, EAST)
        site.plan = replace(site.plan, enabled=True)
        await site.reload()
        await clock_says(fleet, EAST, 2 * MINUTE)
        missing, *_ = alarms(await told(fleet, EAST))
        assert missing.startswith("Key management is enabled without a valid signed certificate: ")
        assert kinds(fleet, EAST).count("certificate.invalid") == 1
        site.show_certificate()
        # Nobody reloads: what could not be read is read again every minute.
        await clock_says(fleet, EAST, 4 * MINUTE)
        assert alarms(await told(fleet, EAST)) == []

    assert_well(play("pair", 5 * MINUTE, beside=look))


def test_a_plan_that_comes_while_certificates_are_to_be_read_again_is_not_undone_by_the_one_before() -> None:
    """The minute at which a node tries to read what is missing is the minute at which it is reconfigured."""

    async def look(fleet: Fleet) -> None:
        site = fleet.sites[EAST]
        site.hide_certificate()
        for minutes in range(1, 6):
            await clock_says(fleet, EAST, minutes * MINUTE)
            site.plan = replace(site.plan, enabled=minutes % 2 == 0)
            await site.reload()
            await clock_says(fleet, EAST, minutes * MINUTE + MINUTE / 2)
            assert (await told(fleet, EAST)).enabled is site.plan.enabled

    assert_well(play("pair", 7 * MINUTE, beside=look))


# --- helpers --------------------------------------------------------------------------------------


def assert_well(outcome: Outcome) -> None:
    assert outcome.finding is None, "\n".join(outcome.trace)
    assert dict(outcome.deaths) == {}
