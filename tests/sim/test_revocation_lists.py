"""Revocation lists in a simulated fleet: they arrive, are never forgotten, and no fault of theirs harms."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from cryptography import x509

from actors.crl.index import RevocationIndex
from actors.crl.known import KnownRevocations
from peerkey.pki.list_ingestion import ingest
from peerkey.pki.list_merging import Held
from peerkey.pki.master_list import MasterList
from peerkey.pki.trust import TrustAnchors
from peerkey_cli.simulation.faults import Fault, FaultKind
from peerkey_cli.simulation.fleet import Fleet
from peerkey_cli.simulation.list_authority import LASTS, ListAuthority
from peerkey_cli.simulation.list_machine import FAILURES, LIES, ServerTrouble
from peerkey_cli.simulation.list_watch import SLACK
from peerkey_cli.simulation.run import Beside, Outcome, simulate
from peerkey_cli.simulation.settings import Settings
from runtime.backends.sim.machine import BEGINNING
from tests.sim.authorities import planned
from tests.support.story import EAST, MINUTE, WEST, alarms, at, fault, key_ids, told

HOUR = 60 * MINUTE
#: How often a simulated node polls, and how long it may take until it knows and has acted.
POLLING = HOUR
IN_TIME = POLLING + SLACK + MINUTE
#: A kind that happens nowhere in these runs, and lets the CA publish lists.
LISTS = frozenset({FaultKind.CRL_STALE})
REVOKED = "Peer `west/node0` certificate is invalid: `revoked`"


def test_a_revocation_arrives_within_a_polling_interval_and_raises_the_alarm_under_fail_soft() -> None:
    async def look(fleet: Fleet) -> None:
        await at(10 * MINUTE)
        assert alarms(await told(fleet, EAST)) == []
        revoke(fleet, WEST)
        await at(10 * MINUTE + IN_TIME)
        status = await told(fleet, EAST)
        assert [text for text in alarms(status) if text.startswith(REVOKED)]
        assert key_ids(status), "fail-soft keeps the peering"

    assert_well(run("pair", 2 * HOUR, beside=look))


def test_a_revoked_node_loses_every_peering_within_a_polling_interval_under_fail_hard() -> None:
    async def look(fleet: Fleet) -> None:
        await at(10 * MINUTE)
        assert len(key_ids(await told(fleet, "r1/node0"))) == 2
        revoke(fleet, "r2/node0")
        await at(10 * MINUTE + IN_TIME)
        kept = {name: len(key_ids(await told(fleet, name))) for name in fleet.sites}
        assert kept == {"r1/node0": 1, "r2/node0": 0, "r3/node0": 1}
        fleet.sites["r2/node0"].certify()
        await fleet.sites["r2/node0"].reload()
        await at(10 * MINUTE + IN_TIME + 10 * MINUTE)
        assert len(key_ids(await told(fleet, "r2/node0"))) == 2, "with another certificate it is back"

    assert_well(run("hard", 3 * HOUR, beside=look))


def test_a_certificate_that_is_released_is_good_again() -> None:
    async def look(fleet: Fleet) -> None:
        authority = lists_of(fleet)
        await at(MINUTE)
        authority.hold(certificate_of(fleet, WEST))
        await at(MINUTE + IN_TIME)
        assert [text for text in alarms(await told(fleet, EAST)) if text.startswith(REVOKED)]
        authority.release(certificate_of(fleet, WEST))
        await at(MINUTE + 2 * IN_TIME)
        assert alarms(await told(fleet, EAST)) == []

    assert_well(run("pair", 4 * HOUR, beside=look))


@pytest.mark.parametrize(
    ("bad", "alarm"),
    [
        (fault(MINUTE, FaultKind.CRL_STALE, EAST, 6 * HOUR), "stale"),
        (fault(MINUTE, FaultKind.CRL_SERVER_FAILS, EAST, 6 * HOUR, choice=0.2), "refused"),
        (fault(0 * MINUTE, FaultKind.CRL_SERVER_FAILS, EAST, 6 * HOUR, choice=0.2), "refused"),
    ],
    ids=["it goes stale", "its server is gone", "there never was one"],
)
def test_a_stale_or_missing_list_is_an_alarm_of_its_own_and_makes_no_certificate_invalid(
    bad: Fault, alarm: str
) -> None:
    async def look(fleet: Fleet) -> None:
        await at(LASTS + 2 * HOUR)
        for site in fleet.sites.values():
            assert alarms(await told(fleet, site.name)) == []
            assert key_ids(await told(fleet, site.name))
            assert site.lists is not None
            status = await site.lists.status()
            assert status is not None
            assert any(alarm in each.message or alarm in each.identity for each in status.alarms)

    assert_well(run("pair", 5 * HOUR, bad, beside=look))


@pytest.mark.parametrize("trouble", [*FAILURES, *LIES], ids=lambda each: each.value)
def test_a_server_that_fails_or_lies_makes_no_node_forget_not_even_over_a_restart(
    trouble: ServerTrouble,
) -> None:
    async def look(fleet: Fleet) -> None:
        site = fleet.sites[EAST]
        assert site.lists is not None
        await at(10 * MINUTE)
        revoke(fleet, WEST)
        await at(10 * MINUTE + IN_TIME)
        with site.lists.server.troubled(trouble, 0.0):
            for restart in (site.restart, lambda: crashed(fleet, EAST), site.reload):
                await restart()
                await asyncio.sleep(HOUR.total_seconds())
                assert [text for text in alarms(await told(fleet, EAST)) if text.startswith(REVOKED)]

    outcome = run("pair", 6 * HOUR, beside=look)
    assert outcome.finding is None, "\n".join(outcome.trace)


def test_a_clock_that_is_set_back_before_a_restart_makes_no_node_forget() -> None:
    async def look(fleet: Fleet) -> None:
        site = fleet.sites[EAST]
        await at(10 * MINUTE)
        revoke(fleet, WEST)
        await at(10 * MINUTE + IN_TIME)
        site.machine.oscillator.offset = -26 * HOUR
        await site.restart()
        await asyncio.sleep(60)
        assert [text for text in alarms(await told(fleet, EAST)) if text.startswith(REVOKED)]

    assert_well(run("pair", 3 * HOUR, beside=look))


@pytest.mark.parametrize("choice", [0.0, 0.13, 0.26, 0.38, 0.51, 0.63, 0.76, 0.88])
def test_a_process_that_dies_at_any_step_of_writing_a_list_loses_nothing_that_it_has_used(
    choice: float,
) -> None:
    async def look(fleet: Fleet) -> None:
        await at(10 * MINUTE)
        revoke(fleet, WEST)

    dies = fault(9 * MINUTE, FaultKind.CRL_WRITE_CRASH, EAST, MINUTE, choice=choice)
    outcome = run("pair", 3 * HOUR, dies, beside=look)

    assert outcome.finding is None, "\n".join(outcome.trace)
    assert sum(outcome.deaths[each] for each in ("Process", "Power")) == 1


def test_a_run_in_which_nothing_is_wrong_with_lists_has_none() -> None:
    outcome = simulate(planned("pair"), Settings(1, 2 * HOUR, kinds=frozenset({FaultKind.REKEY})))

    assert "system.crl_update" not in outcome.event_counts
    assert_well(outcome)


# --- what the watch finds ---------------------------------------------------------------------------


def test_a_revocation_that_is_forgotten_is_found() -> None:
    async def look(fleet: Fleet) -> None:
        await at(10 * MINUTE)
        revoke(fleet, WEST)
        await at(10 * MINUTE + IN_TIME)
        known = known_of(fleet, EAST)
        known.publish(())
        await fleet.sites[EAST].status()

    assert found(look).endswith("no newer list has released it, and it is forgotten")


def test_an_innocent_certificate_that_is_revoked_is_found() -> None:
    async def look(fleet: Fleet) -> None:
        await at(10 * MINUTE)
        revoke(fleet, WEST)
        named = lists_of(fleet).current().content
        ingested = ingest(
            named, "", certificates=authorities(fleet), trust=trusted(fleet), at=BEGINNING + HOUR
        )
        # It was given no list that names it yet: somebody else's list has come into the master list.
        known_of(fleet, EAST).publish([Held(ingested.facts, MasterList(ingested.entries))])
        await fleet.sites[EAST].status()

    assert found(look).endswith("is revoked, and no list has named it")


@pytest.mark.parametrize("named", [True, False], ids=["revoked", "released"])
def test_a_change_that_does_not_arrive_in_time_is_found(named: bool) -> None:  # noqa: FBT001
    async def look(fleet: Fleet) -> None:
        site = fleet.sites[EAST]
        assert site.lists is not None
        authority, certificate = lists_of(fleet), certificate_of(fleet, WEST)
        if not named:
            authority.hold(certificate)
            await at(IN_TIME)
        # Nobody tells the watch that the server fails: to it, it does what it should.
        with site.lists.server.troubled(ServerTrouble.UNCHANGED, 0.0):
            await at(IN_TIME + MINUTE)
            if named:
                authority.revoke(certificate)
            else:
                authority.release(certificate)
            await at(3 * IN_TIME)

    what = "revoked" if named else "released"
    assert f"was {what} 1:0" in found(look)


# --- helpers ----------------------------------------------------------------------------------------


def run(authority: str, lasts: timedelta, *faults: Fault, beside: Beside | None = None) -> Outcome:
    return simulate(planned(authority), Settings(1, lasts, 0.0, LISTS, schedule=faults), beside=beside)


def found(look: Beside) -> str:
    outcome = run("pair", 6 * HOUR, beside=look)
    assert outcome.finding is not None
    assert outcome.finding.nodes == (EAST,)
    return outcome.finding.what


def lists_of(fleet: Fleet) -> ListAuthority:
    assert fleet.lists is not None
    return fleet.lists.authority


def authorities(fleet: Fleet) -> list[x509.Certificate]:
    return [lists_of(fleet).issuer.certificate]


def trusted(fleet: Fleet) -> TrustAnchors:
    return TrustAnchors.of(x509.load_pem_x509_certificates(fleet.root_pem))


def certificate_of(fleet: Fleet, node: str) -> x509.Certificate:
    issued = fleet.sites[node].issued
    assert issued is not None
    return issued.certificate


def revoke(fleet: Fleet, node: str) -> None:
    lists_of(fleet).revoke(certificate_of(fleet, node))


def known_of(fleet: Fleet, node: str) -> KnownRevocations:
    system = fleet.sites[node].system
    assert system is not None
    index = system.instance("authority/revocation")
    assert isinstance(index, RevocationIndex)
    return index._ports.known  # noqa: SLF001 - what it knows is spoilt


async def crashed(fleet: Fleet, node: str) -> None:
    async with fleet.sites[node].held_off(power=True):
        await asyncio.sleep(10)


def assert_well(outcome: Outcome) -> None:
    assert outcome.finding is None, "\n".join(outcome.trace)
    assert set(outcome.deaths) == set()
