"""One machine, several hosts: one of them follows the revocation lists for all, and nothing is forgotten."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from actors.crl.following import MAXIMUM_CHAINS_BYTES, TELL_AFTER, _parts
from actors.crl.index import OTHERS_WITHIN
from actors.crl.known import KnownRevocations
from actors.crl.leading import GATHERING
from actors.crl.needs import MAXIMUM_CHARACTERS, Needs, needs_of, portable
from actors.crl.port import FetchFailed, FetchFault
from actors.crl.roles import Follow, Lead
from peerkey.config.plan import CertificateSource, RevocationSource, ValidationMode
from peerkey.errors import Unavailable
from peerkey.observe.events import CrlUpdateFailed
from peerkey.pki.crl_polling import Validators
from peerkey.testing.ca import Issued, TestCA
from peerkey.testing.lists import revocation_list
from runtime.errors import RuntimeFault
from tests.support.fleet import Fleet, uuid
from tests.support.machine import Machine, on_a_machine
from tests.support.revocation import MasterMemory, points

HOUR = timedelta(hours=1)
URL, EASTERN, WESTERN = (f"http://crl.example/{name}.crl" for name in ("ca", "eastern", "western"))


def test_a_list_is_fetched_once_for_all_hosts_and_every_node_is_told(tmp_path: Path) -> None:
    fleet = a_fleet(tmp_path, URL, URL)

    async def scenario(machine: Machine) -> None:
        east, west = machine.start("east", 0), machine.start("west", 1)
        serve(machine, URL, 1)
        machine.lead("east")
        await asyncio.sleep(60)
        assert machine.servers.counts == {URL: 1}
        assert [await security(machine, name) for name in ("east", "west")] == ["MKEY_EXCH_COMP"] * 2

        serve(machine, URL, 2, fleet.issued[0], fleet.issued[1])
        assert await west.reload() == ("r1/node0",)
        await asyncio.sleep(10)
        assert machine.servers.counts == {URL: 2}
        assert east.revoked(*fleet.issued.values())
        assert west.revoked(*fleet.issued.values())
        assert west.known.generation == east.known.generation
        # Both under fail-hard: each has seen that the other is revoked.
        assert [await security(machine, name) for name in ("east", "west")] == ["REMOVED"] * 2

    on_a_machine(fleet, scenario)


def test_what_only_the_nodes_of_another_host_want_and_trust_is_followed_too(tmp_path: Path) -> None:
    fleet = a_fleet(tmp_path, EASTERN, WESTERN)
    other = estrange(fleet, tmp_path)
    gone = other.issue(UUID(int=7))

    async def scenario(machine: Machine) -> None:
        serve(machine, EASTERN, 1)
        serve(machine, WESTERN, 1, gone, ca=other)
        machine.start("east", 0)
        west = machine.start("west", 1)
        machine.lead("east")
        await asyncio.sleep(60)
        assert machine.servers.counts == {EASTERN: 1, WESTERN: 1}
        assert west.revoked(gone)

        # Named later, and only there.
        fleet.change(1, revocation=(source(WESTERN), source(URL)))
        serve(machine, URL, 2, fleet.issued[0])
        await west.reload()
        await asyncio.sleep(10)
        assert machine.servers.counts[URL] == 1
        assert west.revoked(gone, fleet.issued[0])

    on_a_machine(fleet, scenario)


def test_the_address_in_a_certificate_of_another_host_is_followed_by_whoever_leads(tmp_path: Path) -> None:
    fleet = a_fleet(tmp_path, None, None)
    issued = fleet.ca.issue(uuid(1), more=[points(URL)])
    fleet.certify(1, issued)
    # Not a file: only the node itself knows it.
    fleet.change(
        1,
        certificate=CertificateSource("own", None, issued.pem.decode(), ValidationMode.STRICT),
        peerings=(),
    )
    fleet.change(0, peerings=())
    gone = fleet.ca.issue(UUID(int=7))

    async def scenario(machine: Machine) -> None:
        serve(machine, URL, 1, gone)
        machine.start("east", 0)
        west = machine.start("west", 1)
        machine.lead("east")
        await asyncio.sleep(90)
        assert machine.servers.counts == {URL: 1}
        assert west.revoked(gone)

        # The one who leads then has to be shown it again; of the old one nothing is left.
        machine.shelf.kept.clear()
        await machine.kill("east")
        east = machine.start("east", 0)
        machine.lead("east")
        await asyncio.sleep(90)
        assert machine.servers.counts == {URL: 2}
        assert east.revoked(gone)
        assert west.revoked(gone)

    on_a_machine(fleet, scenario)


def test_a_leader_that_dies_takes_nothing_along_and_whoever_leads_then_goes_on_from_the_files(
    tmp_path: Path,
) -> None:
    fleet = a_fleet(tmp_path, EASTERN, WESTERN)
    other = estrange(fleet, tmp_path)
    first, second = fleet.ca.issue(UUID(int=7)), other.issue(UUID(int=8))

    async def scenario(machine: Machine) -> None:
        serve(machine, EASTERN, 1, first)
        serve(machine, WESTERN, 1, second, ca=other)
        machine.start("east", 0)
        west = machine.start("west", 1)
        machine.lead("east")
        await asyncio.sleep(60)
        before = west.known.generation
        assert west.revoked(first, second)

        fails(machine, EASTERN, WESTERN)
        await machine.kill("east")
        west.authority.tell(Lead())
        # What east alone wanted stays while it may come back, and does for good since it does.
        for _ in range(30):
            await asyncio.sleep(1)
            assert west.revoked(first, second)
        east = machine.start("east", 0)
        await asyncio.sleep(1)
        assert east.revoked(first, second), "loaded before anybody has said who leads"
        east.authority.tell(Follow("west"))
        for _ in range(60):
            await asyncio.sleep(10)
            assert west.revoked(first, second)
            assert east.revoked(first, second)
        assert west.known.generation > before
        assert east.known.generation == west.known.generation
        assert set(machine.shelf.kept) == {EASTERN, WESTERN}

        # The servers are back: one host asks them, as ever.
        serve(machine, WESTERN, 2, ca=other)
        asked = machine.servers.counts[WESTERN]
        await east.reload()
        await asyncio.sleep(10)
        assert machine.servers.counts[WESTERN] == asked + 1
        assert not east.revoked(second)
        assert east.revoked(first)

    on_a_machine(fleet, scenario)


def test_what_a_host_wanted_that_never_comes_back_is_given_up_in_the_end(tmp_path: Path) -> None:
    fleet = a_fleet(tmp_path, EASTERN, WESTERN)
    other = estrange(fleet, tmp_path)
    first, second = fleet.ca.issue(UUID(int=7)), other.issue(UUID(int=8))

    async def scenario(machine: Machine) -> None:
        serve(machine, EASTERN, 1, first)
        serve(machine, WESTERN, 1, second, ca=other)
        machine.start("east", 0)
        west = machine.start("west", 1)
        machine.lead("east")
        await asyncio.sleep(60)
        await machine.kill("east")
        machine.lead("west")
        await asyncio.sleep((GATHERING + OTHERS_WITHIN).total_seconds() - 5)
        assert west.revoked(first, second)
        await asyncio.sleep(60)
        assert west.revoked(second)
        assert not west.revoked(first)
        assert set(machine.shelf.kept) == {WESTERN}

    on_a_machine(fleet, scenario)


@pytest.mark.parametrize("late", [1, 60])
def test_a_machine_that_starts_again_judges_what_another_host_trusts_when_that_has_come(
    tmp_path: Path, late: int
) -> None:
    fleet = a_fleet(tmp_path, EASTERN, None)
    other = estrange(fleet, tmp_path)
    fleet.certify(1, other.issue(uuid(1), more=[points(WESTERN)]))
    first, second = fleet.ca.issue(UUID(int=7)), other.issue(UUID(int=8))

    async def scenario(machine: Machine) -> None:
        serve(machine, EASTERN, 1, first)
        serve(machine, WESTERN, 1, second, ca=other)
        east, west = machine.start("east", 0), machine.start("west", 1)
        machine.lead("east")
        await asyncio.sleep(60)
        assert west.revoked(first, second)

        for name in ("east", "west"):
            await machine.kill(name)
        before = len(crl_failures(fleet))
        east = machine.start("east", 0)
        machine.lead("east")
        await asyncio.sleep(late)
        if late > GATHERING.total_seconds():
            fails(machine, EASTERN, WESTERN)
        west = machine.start("west", 1)
        machine.lead("east")
        for _ in range(60):
            await asyncio.sleep(10)
            assert east.revoked(first, second)
            assert west.revoked(first, second)
        assert set(machine.shelf.kept) == {EASTERN, WESTERN}
        assert (late > GATHERING.total_seconds()) or len(crl_failures(fleet)) == before

    on_a_machine(fleet, scenario)


def test_a_word_that_was_lost_is_made_up_for(tmp_path: Path) -> None:
    fleet = a_fleet(tmp_path, URL, URL)
    gone = fleet.ca.issue(UUID(int=7))

    async def scenario(machine: Machine) -> None:
        serve(machine, URL, 1)
        east, west = machine.start("east", 0), machine.start("west", 1)
        machine.lead("east")
        await asyncio.sleep(60)
        machine.fabric.cut("east", "west")
        await asyncio.sleep(20)
        serve(machine, URL, 2, gone)
        await east.reload()
        await asyncio.sleep(10)
        assert east.revoked(gone)
        assert not west.revoked(gone)
        machine.fabric.mend()
        await asyncio.sleep(TELL_AFTER.total_seconds() + 5)
        assert west.revoked(gone)

    on_a_machine(fleet, scenario)


def test_orders_of_all_hosts_at_one_time_are_one(tmp_path: Path) -> None:
    fleet = a_fleet(tmp_path, URL, URL)

    async def scenario(machine: Machine) -> None:
        serve(machine, URL, 1)
        east, west = machine.start("east", 0), machine.start("west", 1)
        machine.lead("east")
        await asyncio.sleep(60)
        assert machine.servers.counts == {URL: 1}
        await asyncio.gather(east.reload(), west.reload())
        await asyncio.sleep(30)
        assert machine.servers.counts == {URL: 2}

    on_a_machine(fleet, scenario)


def test_a_follower_passes_the_question_on_how_it_stands_with_the_lists(tmp_path: Path) -> None:
    fleet = a_fleet(tmp_path, URL, WESTERN)

    async def scenario(machine: Machine) -> None:
        serve(machine, URL, 1, fleet.ca.issue(UUID(int=7)))
        fails(machine, WESTERN)
        east, west = machine.start("east", 0), machine.start("west", 1)
        with pytest.raises(Unavailable, match="not known yet which host"):
            await west.status()
        machine.lead("east")
        await asyncio.sleep(60)
        status = await west.status()
        assert status == await east.status()
        assert [(each.url, each.latest is not None) for each in status.sources] == [
            (URL, True),
            (WESTERN, False),
        ]
        assert len(status.alarms) == 1
        # One that is told to follow a host that does not lead says so.
        east.authority.tell(Follow("west"))
        await asyncio.sleep(10)
        with pytest.raises(RuntimeFault):
            await west.status()

    on_a_machine(fleet, scenario)


def test_roles_that_change_back_and_forth_end_with_one_that_leads(tmp_path: Path) -> None:
    fleet = a_fleet(tmp_path, URL, URL)
    gone = fleet.ca.issue(UUID(int=7))

    async def scenario(machine: Machine) -> None:
        serve(machine, URL, 1, gone)
        east, west = machine.start("east", 0), machine.start("west", 1)
        machine.lead("east")
        await asyncio.sleep(60)
        for _ in range(5):
            machine.lead("west")
            machine.lead("east")
            machine.lead("east")
        await asyncio.sleep(60)
        assert [actor.name for actor in east.system.actors() if actor.name.endswith("/revocation")] == [
            "authority/revocation"
        ]
        assert not [actor for actor in west.system.actors() if "/revocation" in actor.name]
        assert east.revoked(gone)
        assert west.revoked(gone)
        assert (await west.status()).generation == west.known.generation

    on_a_machine(fleet, scenario)


def test_whatever_becomes_of_hosts_and_roles_nothing_is_forgotten_and_all_agree_in_the_end(
    tmp_path: Path,
) -> None:
    fleet = a_fleet(tmp_path, EASTERN, WESTERN)
    other = estrange(fleet, tmp_path)
    first, second, third = fleet.ca.issue(UUID(int=7)), other.issue(UUID(int=8)), other.issue(UUID(int=9))

    async def scenario(machine: Machine, random: Random) -> None:
        serve(machine, EASTERN, 1, first)
        serve(machine, WESTERN, 1, second, ca=other)
        routers = {"east": 0, "west": 1}
        for name, number in routers.items():
            machine.start(name, number)
        machine.lead("east")
        await asyncio.sleep(60)
        for _ in range(20):
            match random.randrange(6):
                case 0:
                    for name in tuple(machine.hosts)[: random.randint(1, 2)]:
                        await machine.kill(name)
                case 1 | 2:
                    machine.lead(random.choice(machine.names))
                case 3:
                    machine.fabric.cut("east", "west")
                case 4:
                    fails(machine, EASTERN, WESTERN)
                case 5:
                    # Two that lead, for a while.
                    for one in machine.hosts.values():
                        one.authority.tell(Lead())
            await passes(machine, random.randint(1, 50), first, second)
            machine.fabric.mend()
            for name, number in routers.items():
                if name not in machine.hosts:
                    machine.start(name, number)
            await asyncio.sleep(0.1)
            machine.lead(random.choice(machine.names))
            await passes(machine, random.randint(1, 50), first, second)
        serve(machine, EASTERN, 2, first)
        serve(machine, WESTERN, 2, second, third, ca=other)
        machine.lead("west")
        await passes(machine, 60, first, second)
        await machine.hosts["east"].reload()
        await passes(machine, 60, first, second)
        east, west = (machine.hosts[name] for name in machine.names)
        assert east.revoked(third)
        assert west.revoked(third)
        assert east.known.generation == west.known.generation
        assert set(machine.shelf.kept) == {EASTERN, WESTERN}

    for seed in range(2):
        on_a_machine(fleet, partial(scenario, random=Random(seed)))


def test_one_who_led_once_does_not_put_an_older_master_list_in_the_place_of_a_newer() -> None:
    file = MasterMemory()
    old, new = KnownRevocations(file), KnownRevocations(file)
    old.publish([])
    new.load()
    new.publish([])
    new.publish([])
    old.publish([])
    assert old.generation == 4
    new.load()
    assert new.generation == 4


def test_a_master_list_that_can_be_read_again_is_no_fault_any_more() -> None:
    file = MasterMemory()
    leader, follower = KnownRevocations(file), KnownRevocations(file)
    leader.publish([])
    follower.fault = "master: cannot be read"
    follower.load()
    assert follower.fault == ""


def test_chains_travel_in_messages_of_a_bounded_size() -> None:
    chains = frozenset((bytes([number]) * 60_000, b"issuer") for number in range(20))
    parts = list(_parts(chains))
    assert frozenset().union(*parts) == chains
    assert len(parts) == 5
    assert all(sum(len(der) for chain in part for der in chain) <= MAXIMUM_CHAINS_BYTES for part in parts)
    # That a node has none is a word too.
    assert list(_parts(frozenset())) == [frozenset()]


def test_what_the_plans_want_travels_within_bounds_and_whom_they_trust_comes_first(tmp_path: Path) -> None:
    fleet = a_fleet(tmp_path, URL, URL)
    needs = needs_of(fleet.plans)
    assert needs.revocation == (source(URL),)
    assert len(needs.certificates) == 2
    assert portable(needs) == (needs, False)

    inline = tuple(
        CertificateSource(f"c{number}", None, "x" * 100_000, ValidationMode.STRICT) for number in range(8)
    )
    # What is no file is shown by the nodes themselves.
    assert portable(replace(needs, certificates=inline)) == (replace(needs, certificates=()), False)
    cut, whole = portable(Needs(trusted=inline, certificates=needs.certificates))
    assert whole
    assert len(cut.trusted) == MAXIMUM_CHARACTERS // 100_000
    assert cut.certificates == needs.certificates


# --- helpers --------------------------------------------------------------------------------------


def a_fleet(folder: Path, *urls: str | None) -> Fleet:
    """Return a fleet whose routers want a list each, or none."""
    fleet = Fleet(folder, fail_hard=True)
    for number, url in enumerate(urls):
        fleet.change(number, revocation=() if url is None else (source(url),))
    return fleet


def estrange(fleet: Fleet, folder: Path) -> TestCA:
    """Let the second router have and trust another authority, and neither speak to the other."""
    other = TestCA("other", now=fleet.now)
    path = folder / "other.pem"
    path.write_bytes(other.root.certificate.public_bytes(Encoding.PEM))
    fleet.certify(1, other.issue(uuid(1)))
    trusted = (CertificateSource("other", str(path), None, ValidationMode.STRICT),)
    fleet.change(1, trusted=trusted, peerings=())
    fleet.change(0, peerings=())
    return other


def source(url: str) -> RevocationSource:
    return RevocationSource(url, 24 * HOUR, timedelta(seconds=60))


def serve(machine: Machine, url: str, number: int, *revoked: Issued, ca: TestCA | None = None) -> None:
    crl: x509.CertificateRevocationList = revocation_list(
        (machine.fleet.ca if ca is None else ca).intermediate,
        *(each.certificate for each in revoked),
        this_update=machine.fleet.now - HOUR,
        next_update=machine.fleet.now + 24 * HOUR,
        number=number,
    )
    machine.servers.failures.pop(url, None)
    machine.servers.lists[url] = crl.public_bytes(Encoding.DER), Validators(etag=f'"{url} {number}"')


def fails(machine: Machine, *urls: str) -> None:
    for url in urls:
        machine.servers.failures[url] = FetchFailed(FetchFault.STATUS, url, "the server answers 500")


def crl_failures(fleet: Fleet) -> list[CrlUpdateFailed]:
    return [entry.event for entry in fleet.journal.recent() if isinstance(entry.event, CrlUpdateFailed)]


async def passes(machine: Machine, seconds: int, *revoked: Issued) -> None:
    """Let time pass, in which all hosts that are there know that these are revoked."""
    for _ in range(seconds):
        await asyncio.sleep(1)
        assert all(one.revoked(*revoked) for one in machine.hosts.values())


async def security(machine: Machine, host: str) -> str:
    (node,) = await machine.hosts[host].nodes()
    return node.peers[0].security.security_status
