"""The periodic check of the base certificate, by whole nodes in virtual time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from actors.messages import ListsWanted
from peerkey.config.plan import NodePlan
from peerkey.observe.events import RevocationChecked
from peerkey.pki.revocation_check import next_check
from peerkey_cli.simulation.fleet import Fleet
from peerkey_cli.simulation.run import Beside, Outcome, simulate
from peerkey_cli.simulation.settings import Settings
from runtime.backends.sim.machine import BEGINNING
from tests.sim.authorities import planned
from tests.support.story import EAST, MINUTE, SECOND, WEST, alarms, at, clock_says, events, told

HOUR = 60 * MINUTE
INTERVAL = HOUR
MICROSECOND = timedelta(microseconds=1)


def test_a_node_checks_its_certificate_at_every_interval_to_the_microsecond() -> None:
    async def look(fleet: Fleet) -> None:
        first = check_of(fleet, EAST)
        await clock_says(fleet, EAST, first - MICROSECOND)
        assert checks(fleet, EAST) == []
        await clock_says(fleet, EAST, first + MICROSECOND)
        assert [instant for instant, _ in checks(fleet, EAST)] == [first]
        await clock_says(fleet, EAST, 5 * HOUR)
        expected = [first + n * INTERVAL for n in range(5) if first + n * INTERVAL <= 5 * HOUR]
        assert [instant for instant, _ in checks(fleet, EAST)] == expected
        assert {event.outcome for _, event in checks(fleet, EAST)} == {"not-revoked"}
        site = fleet.sites[EAST]
        assert site.issued is not None
        assert set(site.lists_wanted) == {ListsWanted(EAST, site.issued.chain)}
        assert len(site.lists_wanted) == len(expected)
        assert check_of(fleet, WEST) != first, "two nodes do not ask at one instant"

    assert_well(run(look, 5 * HOUR + MINUTE))


def test_a_restart_moves_no_check_and_forgets_none() -> None:
    async def look(fleet: Fleet) -> None:
        site, first = fleet.sites[EAST], check_of(fleet, EAST)
        await clock_says(fleet, EAST, first + 10 * MINUTE)
        assert len(checks(fleet, EAST)) == 1
        await site.restart()
        await clock_says(fleet, EAST, first + INTERVAL - MICROSECOND)
        assert len(checks(fleet, EAST)) == 1, "a restart is no reason to check before it is time"
        await clock_says(fleet, EAST, first + INTERVAL + MICROSECOND)
        assert [instant for instant, _ in checks(fleet, EAST)] == [first, first + INTERVAL]
        async with site.held_off():
            await clock_says(fleet, EAST, first + 4 * INTERVAL + 10 * MINUTE)
        await clock_says(fleet, EAST, first + 4 * INTERVAL + 11 * MINUTE)
        # Two were missed while nothing ran: they are made up for by one.
        late = checks(fleet, EAST)[-1][0]
        assert first + 4 * INTERVAL + 10 * MINUTE <= late <= first + 4 * INTERVAL + 10 * MINUTE + SECOND
        assert len(checks(fleet, EAST)) == 3

    assert_well(run(look, 7 * HOUR), deaths=frozenset({"Process"}))


def test_a_check_tells_of_a_revoked_certificate_and_of_one_that_is_missing() -> None:
    async def look(fleet: Fleet) -> None:
        site, first = fleet.sites[EAST], check_of(fleet, EAST)
        assert site.issued is not None
        await clock_says(fleet, EAST, first - MINUTE / 2)
        site.revocation.revoke(site.issued.certificate, BEGINNING)
        await clock_says(fleet, EAST, first + SECOND)
        ((_, revoked),) = checks(fleet, EAST)
        assert (revoked.outcome, revoked.behavior) == ("revoked", "fail-soft")
        assert revoked.detail_text.startswith("revoked: the certificate is revoked since ")
        assert "The following certificates are revoked: `east/node0`." in alarms(await told(fleet, EAST))
        site.revocation.release(site.issued.certificate)
        await clock_says(fleet, EAST, first + INTERVAL + SECOND)
        assert [event.outcome for _, event in checks(fleet, EAST)] == ["revoked", "not-revoked"]
        assert alarms(await told(fleet, EAST)) == []

    assert_well(run(look, 3 * HOUR))


def test_an_interval_of_zero_means_that_nothing_is_checked() -> None:
    async def look(fleet: Fleet) -> None:
        await at(4 * HOUR)
        assert checks(fleet, EAST) == []
        assert not fleet.sites[EAST].lists_wanted

    assert_well(run(look, 4 * HOUR + MINUTE, interval=None))


def test_an_interval_that_is_configured_while_a_node_runs_is_taken_up_at_once() -> None:
    async def look(fleet: Fleet) -> None:
        site, first = fleet.sites[EAST], check_of(fleet, EAST)
        await clock_says(fleet, EAST, 2 * HOUR)
        site.plan = with_interval(site.plan, INTERVAL)
        await site.reload()
        await clock_says(fleet, EAST, 3 * HOUR)
        missed, *later = [instant for instant, _ in checks(fleet, EAST)]
        assert 2 * HOUR <= missed <= 2 * HOUR + SECOND, "one that was due since the node began"
        assert later == [first + 2 * INTERVAL]

    assert_well(run(look, 3 * HOUR + MINUTE, interval=None))


# --- helpers --------------------------------------------------------------------------------------


def run(look: Beside, lasts: timedelta, *, interval: timedelta | None = INTERVAL) -> Outcome:
    plans = tuple(with_interval(plan, interval) for plan in planned("pair"))
    return simulate(plans, Settings(1, lasts, 0.0, schedule=()), beside=look)


def with_interval(plan: NodePlan, interval: timedelta | None) -> NodePlan:
    return replace(plan, policy=replace(plan.policy, revocation_check_interval=interval))


def check_of(fleet: Fleet, node: str) -> timedelta:
    """Return the instant of a node's first check, since the simulation began."""
    return next_check(fleet.sites[node].uuid, BEGINNING, BEGINNING, INTERVAL) - BEGINNING


def checks(fleet: Fleet, node: str) -> list[tuple[timedelta, RevocationChecked]]:
    return [(at, event) for at, event in events(fleet, node) if isinstance(event, RevocationChecked)]


def assert_well(outcome: Outcome, deaths: frozenset[str] = frozenset()) -> None:
    assert outcome.finding is None, "\n".join(outcome.trace)
    assert set(outcome.deaths) == deaths
