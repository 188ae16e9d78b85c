"""What is known to be revoked, as a port of the node: who is judged by it, when, and how often."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from actors.messages import RevocationChanged
from peerkey.observe import alarms
from peerkey.pki.revocation import RevokedEntry
from peerkey.testing.revocation import RevocationTable
from tests.support.fleet import Fleet, eventually

PEER_EVENT, OWN_EVENT, REMOVED = (
    "system.peer_certificate_validation",
    "certificate.invalid",
    "peering.removed",
)
#: A leaf, the CA that issued it, and the root: each is looked up in one judgement.
CERTIFICATES_IN_A_CHAIN = 3


async def test_a_revoked_peer_loses_its_peering_at_once_under_fail_hard_and_recovers_when_it_is_released(
    tmp_path: Path,
) -> None:
    table = RevocationTable()
    async with Fleet(tmp_path, routers=3, revocation=table, fail_hard=True) as fleet:
        await eventually(fleet.keyed)
        revoke(fleet, table, 1)
        tell(fleet, 0)

        async def removed() -> bool:
            return (await fleet.peer(0, 1)).security.security_status == "REMOVED"

        await eventually(removed)
        assert (await fleet.peer(0, 2)).security.security_status == "MKEY_EXCH_COMP"
        (event,) = fleet.events(REMOVED, 0)
        assert str(event["reason"]).startswith("revoked: the certificate is revoked since ")
        release(fleet, table, 1)
        tell(fleet, 0)
        await eventually(fleet.keyed)
        assert not crashes(fleet)


async def test_a_revoked_peer_keeps_its_peering_under_fail_soft_with_an_alarm_that_clears(
    tmp_path: Path,
) -> None:
    table = RevocationTable()
    async with Fleet(tmp_path, revocation=table) as fleet:
        await eventually(fleet.keyed)
        keys = (await fleet.peer(0, 1)).security.keys
        revoke(fleet, table, 1)
        tell(fleet, 0)

        async def alarmed() -> bool:
            return [alarm.identity for alarm in (await fleet.status())[0].alarms] == [
                "peer-certificate:r1/node0"
            ]

        await eventually(alarmed)
        (alarm,) = (await fleet.status())[0].alarms
        assert alarm.severity is alarms.Severity.CRITICAL
        assert alarm.message.startswith(
            "Peer `r1/node0` certificate is invalid: `revoked` - `revoked: the certificate is revoked since "
        )
        assert (await fleet.peer(0, 1)).security.keys == keys
        release(fleet, table, 1)
        tell(fleet, 0)
        await eventually(lambda: calm(fleet))
        assert [event.get("state") for event in fleet.events(PEER_EVENT, 0)] == [None, "revoked", None]
        assert (await fleet.peer(0, 1)).security.keys == keys
        assert not fleet.events(REMOVED)


@pytest.mark.parametrize("behavior", ["fail-soft", "fail-hard"])
async def test_an_own_certificate_that_is_revoked_is_told_and_recovers_when_it_is_released(
    tmp_path: Path, behavior: str
) -> None:
    table, fail_hard = RevocationTable(), behavior == "fail-hard"
    async with Fleet(tmp_path, revocation=table, fail_hard=fail_hard) as fleet:
        await eventually(fleet.keyed)
        keys = (await fleet.peer(1, 0)).security.keys
        revoke(fleet, table, 1)
        tell(fleet, 1)

        async def noticed() -> bool:
            own = (await fleet.status())[1].certificate
            return own is not None and own.state == "revoked"

        await eventually(noticed)
        (event,) = fleet.events(OWN_EVENT, 1)
        assert (event["state"], event["behavior"]) == ("revoked", behavior)
        texts = [alarm.message for alarm in (await fleet.status())[1].alarms]
        assert "The following certificates are revoked: `r1/node0`." in texts
        if fail_hard:

            async def removed() -> bool:
                return (await fleet.peer(1, 0)).security.security_status == "REMOVED"

            await eventually(removed)
        release(fleet, table, 1)
        tell(fleet, 1)
        await eventually(fleet.keyed)
        await eventually(lambda: calm(fleet))
        assert ((await fleet.peer(1, 0)).security.keys == keys) is not fail_hard


async def test_a_certificate_that_is_shown_on_several_paths_is_judged_once(tmp_path: Path) -> None:
    table = RevocationTable()
    async with Fleet(tmp_path, paths=4, revocation=table) as fleet:
        await eventually(fleet.keyed)
        # Each of the two nodes judges its own and the other's.
        assert table.lookups == 4 * CERTIFICATES_IN_A_CHAIN


async def test_nothing_is_judged_again_while_the_generation_is_the_same(tmp_path: Path) -> None:
    table = RevocationTable()
    async with Fleet(tmp_path, revocation=table) as fleet:
        await eventually(fleet.keyed)
        known = table.lookups
        for _ in range(3):
            tell(fleet, 0)
        await fleet.status()
        assert table.lookups == known

        # Nothing of this fleet is named by the change, and yet everything is judged once more.
        table.revoke(fleet.ca.issue(fleet.plans[0].uuid).certificate, fleet.now)
        for _ in range(3):
            tell(fleet, 0)

        async def judged_again() -> bool:
            return table.lookups == known + 2 * CERTIFICATES_IN_A_CHAIN

        await eventually(judged_again)
        tell(fleet, 0)
        await fleet.status()
        assert table.lookups == known + 2 * CERTIFICATES_IN_A_CHAIN


async def test_a_change_in_the_middle_of_a_round_is_found_at_its_end_without_a_word(tmp_path: Path) -> None:
    table = Restless()
    async with Fleet(tmp_path, routers=12, revocation=table) as fleet:
        await eventually(fleet.keyed)
        # When the last of the peers is looked up, the one that was looked up first is revoked.
        table.peers = {number: fleet.issued[number].certificate for number in range(1, 12)}
        tell_of_a_stranger(fleet, table)

        async def noticed() -> bool:
            sources = [alarm.source for alarm in (await fleet.status())[0].alarms]
            return bool(table.order) and sources == [f"r{table.order[0]}/node0"]

        # Far less than the minute after which a node looks in any case.
        await eventually(noticed, within=20)


async def test_changes_that_follow_each_other_quickly_are_told_of_once_each(tmp_path: Path) -> None:
    table = RevocationTable()
    async with Fleet(tmp_path, routers=12, revocation=table) as fleet:
        await eventually(fleet.keyed)
        for other in range(1, 12):
            revoke(fleet, table, other)
            tell(fleet, 0)

        async def all_noticed() -> bool:
            return [alarm.message.count("`revoked`") for alarm in (await fleet.status())[0].alarms] == [
                1
            ] * 11

        await eventually(all_noticed)
        assert len(fleet.events(PEER_EVENT, 0)) == 2 * 11


# --- helpers --------------------------------------------------------------------------------------


class Restless(RevocationTable):
    """A table that changes in the middle of a round: as soon as each of the peers was looked up."""

    def __init__(self) -> None:
        super().__init__()
        self.peers: dict[int, x509.Certificate] = {}
        #: The peers in the order in which they were looked up.
        self.order: list[int] = []

    def lookup(
        self, issuer_name_der: bytes, serial: int, certificate: x509.Certificate | None = None
    ) -> RevokedEntry | None:
        found = super().lookup(issuer_name_der, serial, certificate)
        for number, of_peer in self.peers.items():
            if of_peer.serial_number == serial and number not in self.order:
                self.order.append(number)
                if len(self.order) == len(self.peers):
                    first = self.peers[self.order[0]]
                    self.revoke(first, first.not_valid_before_utc)
        return found


def tell_of_a_stranger(fleet: Fleet, table: RevocationTable) -> None:
    """Revoke a certificate that nobody here has, and tell the first router."""
    table.revoke(fleet.ca.issue(fleet.plans[0].uuid).certificate, fleet.now)
    tell(fleet, 0)


def revoke(fleet: Fleet, table: RevocationTable, number: int) -> None:
    table.revoke(fleet.issued[number].certificate, fleet.now - timedelta(hours=1))


def release(fleet: Fleet, table: RevocationTable, number: int) -> None:
    table.release(fleet.issued[number].certificate)


def tell(fleet: Fleet, number: int) -> None:
    fleet.node(number).tell(RevocationChanged())


async def calm(fleet: Fleet) -> bool:
    return not any(node.alarms for node in await fleet.status())


def crashes(fleet: Fleet) -> dict[str, str | None]:
    return {actor.name: actor.last_error for actor in fleet.system.actors() if actor.crashes}
