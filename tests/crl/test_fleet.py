"""From a list at a server to a peering that is gone, and back: real routers, a real server, real files."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from actors.certificate_watch import WATCH_INTERVAL
from actors.crl.index import RevocationPorts
from actors.crl.status import GetRevocation, RevocationStatus
from peerkey.config.plan import RevocationSource
from peerkey.observe.events import CrlUpdated, PeeringRemoved
from peerkey.testing.ca import Issued
from peerkey.testing.lists import revocation_list
from tests.crl.test_servers import RealWorld
from tests.support import rude_server as rude
from tests.support.fleet import SECOND, Fleet, eventually, uuid
from tests.support.revocation import points
from tests.support.rude_server import RudeServer

PATH = "/ca.crl"
HOUR = timedelta(hours=1)


async def test_a_revoked_peer_loses_its_peering_when_its_list_is_ingested_and_gets_it_back(
    tmp_path: Path,
) -> None:
    async with RudeServer() as server:
        fleet = Fleet(tmp_path, routers=3, fail_hard=True)
        fleet.lists = manager(tmp_path, fleet)
        for number in range(3):
            fleet.change(number, revocation=(source(server),))
        publish(server, fleet, 1)
        async with fleet:
            await eventually(fleet.keyed)
            publish(server, fleet, 2, fleet.issued[1])
            await fleet.reload()
            await eventually(lambda: removed(fleet, 0, 1))
            await eventually(lambda: removed(fleet, 2, 1))
            assert (await fleet.peer(0, 2)).security.security_status == "MKEY_EXCH_COMP"
            # It was the word of the manager and not a look at the clock: that comes once a minute.
            assert delay(fleet) < WATCH_INTERVAL / 2

            publish(server, fleet, 3)
            await fleet.reload()
            await eventually(fleet.keyed)
            assert (await known(fleet)).entries == 0
            assert not [actor for actor in fleet.system.actors() if actor.crashes]


async def test_the_address_in_the_certificates_is_enough(tmp_path: Path) -> None:
    async with RudeServer() as server:
        fleet = Fleet(tmp_path, fail_hard=True)
        fleet.lists = manager(tmp_path, fleet)
        publish(server, fleet, 1)
        for number in range(2):
            fleet.certify(number, fleet.ca.issue(uuid(number), more=[points(server.url(PATH))]))
        async with fleet:
            await eventually(fleet.keyed)
            await eventually(lambda: followed(fleet, server.url(PATH)))
            publish(server, fleet, 2, fleet.issued[1])
            await fleet.reload()
            await eventually(lambda: removed(fleet, 0, 1))


async def test_the_address_in_a_peers_certificate_alone_is_followed_once_the_peer_is_authenticated(
    tmp_path: Path,
) -> None:
    """Each router runs in a system of its own: what the other's configuration says is not known here."""
    async with RudeServer() as server:
        fleet = Fleet(tmp_path)
        publish(server, fleet, 1, fleet.ca.issue(uuid(9)))
        fleet.certify(1, fleet.ca.issue(uuid(1), more=[points(server.url(PATH))]))
        others = fleet.plans.pop()
        fleet.lists = manager(tmp_path, fleet)
        async with fleet, Beside(fleet, others):
            await eventually(lambda: followed(fleet, server.url(PATH)))
            await eventually(lambda: one_is_known(fleet))


async def test_what_was_revoked_is_revoked_from_the_start_after_a_restart_without_any_server(
    tmp_path: Path,
) -> None:
    async with RudeServer() as server:
        first = Fleet(tmp_path, fail_hard=True)
        first.lists = manager(tmp_path, first)
        for number in range(2):
            first.change(number, revocation=(source(server),))
        publish(server, first, 1, first.issued[1])
        async with first:
            await eventually(lambda: removed(first, 0, 1))
        entry = source(server)
    again = Fleet(tmp_path, fail_hard=True)
    again.ca, again.store, again.plans = first.ca, first.store, first.plans
    (tmp_path / "ca.pem").write_bytes(first.ca.root.certificate.public_bytes(Encoding.PEM))
    for number in range(2):
        again.certify(number, first.issued[number])
    again.lists = manager(tmp_path, again)
    async with again:
        await eventually(lambda: removed(again, 0, 1))
        await eventually(lambda: unreachable(again, entry.url))
        assert "key.accepted" not in {each.event.TYPE for each in again.journal.recent()}


# --- helpers --------------------------------------------------------------------------------------


class Beside(Fleet):
    """A router of another fleet's, in a system of its own and without a CRL manager."""

    def __init__(self, fleet: Fleet, plan: object) -> None:
        self.folder, self.store, self.wire, self.journal = (
            fleet.folder, type(fleet.store)(), fleet.wire, type(fleet.journal)()
        )  # fmt: skip
        self.keystore, self.revocation, self.lists = fleet.keystore, fleet.revocation, None
        self.plans, self.deployed = [plan], None  # type: ignore[list-item]
        self.read_plans = lambda: tuple(self.plans)


def manager(folder: Path, fleet: Fleet) -> RevocationPorts:
    """Return a CRL manager as in production, whose events go where the fleet's go."""
    world = RealWorld(folder)
    world.journal = fleet.journal
    ports = world.ports
    return RevocationPorts(ports.source, ports.known, lambda path: Path(path).read_bytes())


def source(server: RudeServer) -> RevocationSource:
    return RevocationSource(server.url(PATH), 24 * HOUR, 60 * SECOND)


def publish(server: RudeServer, fleet: Fleet, number: int, *revoked: Issued) -> None:
    crl: x509.CertificateRevocationList = revocation_list(
        fleet.ca.intermediate,
        *(each.certificate for each in revoked),
        this_update=fleet.now - HOUR,
        next_update=fleet.now + 24 * HOUR,
        number=number,
    )
    server.answers[PATH] = rude.whole(crl.public_bytes(Encoding.DER))


async def removed(fleet: Fleet, number: int, other: int) -> bool:
    return (await fleet.peer(number, other)).security.security_status == "REMOVED"


async def known(fleet: Fleet) -> RevocationStatus:
    return await fleet.authority.ask(GetRevocation(), 5 * SECOND)


async def one_is_known(fleet: Fleet) -> bool:
    return (await known(fleet)).entries == 1


async def followed(fleet: Fleet, url: str) -> bool:
    return [(each.url, each.latest is not None) for each in (await known(fleet)).sources] == [(url, True)]


async def unreachable(fleet: Fleet, url: str) -> bool:
    return any(f"unreachable: `{url} (" in alarm.message for alarm in (await known(fleet)).alarms)


def delay(fleet: Fleet) -> timedelta:
    """Return how long after the ingestion of a revocation the last peering was removed."""
    times: dict[type, datetime] = {}
    for entry in fleet.journal.recent():
        match entry.event:
            case CrlUpdated(added_entries=added) if added:
                times[CrlUpdated] = entry.time
            case PeeringRemoved():
                times[PeeringRemoved] = entry.time
    return times[PeeringRemoved] - times[CrlUpdated]
