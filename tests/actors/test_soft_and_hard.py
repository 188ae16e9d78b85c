"""fail-soft and fail-hard, for each side and each way in which a certificate goes bad, and back again.

Three routers are peers of each other. The certificate of ``r1`` goes bad in the eyes of one alone: of its own
node, or of its peer ``r0``. The others do not look at dates, trust and revocation, so that what happens is
that one's doing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from actors.messages import NodeStatus, RevocationChanged
from peerkey.config.plan import CertificateSource
from peerkey.testing.ca import TestCA
from peerkey.testing.revocation import RevocationTable
from tests.support.fleet import Fleet, eventually, uuid

#: For how long a certificate is good that is to expire: until everybody has accepted it.
BRIEFLY = timedelta(seconds=6)
OWN_EVENT, PEER_EVENT, REMOVED = (
    "certificate.invalid",
    "system.peer_certificate_validation",
    "peering.removed",
)
AT_FAULT, JUDGE = 1, 0


@dataclass(frozen=True, slots=True)
class Cell:
    behavior: str
    whose: str
    what: str

    @property
    def hard(self) -> bool:
        return self.behavior == "fail-hard"

    @property
    def judge(self) -> int:
        """Return the router that sees it go bad."""
        return AT_FAULT if self.whose == "own" else JUDGE

    @property
    def removed(self) -> set[tuple[int, int]]:
        """Return the peerings, seen from either end, that are gone under fail-hard."""
        others = (0, 2) if self.whose == "own" else (JUDGE,)
        return {pair for other in others for pair in ((AT_FAULT, other), (other, AT_FAULT))}


TABLE = [
    Cell(behavior, whose, what)
    for behavior in ("fail-soft", "fail-hard")
    for whose in ("own", "peer")
    for what in ("expired", "revoked", "invalid")
]
PAIRS = [(one, other) for one in range(3) for other in range(3) if one != other]


@pytest.mark.parametrize("cell", TABLE, ids=lambda cell: f"{cell.behavior}, {cell.whose}, {cell.what}")
async def test_a_certificate_that_goes_bad_is_told_of_and_acted_on_and_a_good_one_mends_it(
    tmp_path: Path, cell: Cell
) -> None:
    table = RevocationTable()
    other = TestCA("other", now=datetime.now(UTC).replace(microsecond=0))
    fleet = prepared(tmp_path, cell, table, other)
    async with fleet:
        await eventually(fleet.keyed)
        keys = {pair: (await fleet.peer(*pair)).security.keys for pair in PAIRS}
        began = {actor.name: actor.incarnation for actor in fleet.system.actors()}
        await spoil(fleet, cell, table)

        await eventually(lambda: alarmed(fleet, cell))
        if cell.hard:
            await eventually(lambda: gone(fleet, cell))
        for pair in PAIRS:
            kept = (await fleet.peer(*pair)).security.keys == keys[pair]
            assert kept is not (cell.hard and pair in cell.removed), pair
        (event,) = [each for each in told(fleet, cell) if each["state"] == cell.what]
        assert event["behavior"] == cell.behavior
        assert str(event["detail_text"]).startswith(f"{event['reason']}: ")
        removals = {node: fleet.events(REMOVED, node) for node in range(3)}
        assert sum(map(len, removals.values())) == (len(cell.removed) if cell.hard else 0)
        assert all(not each["by_peer"] for each in removals[cell.judge])

        await mend(fleet)
        await eventually(fleet.keyed)
        await eventually(lambda: calm(fleet))
        assert {actor.name: actor.incarnation for actor in fleet.system.actors()} == began, (
            "without a restart"
        )


async def test_a_peering_goes_on_and_is_rekeyed_under_fail_soft(tmp_path: Path) -> None:
    table = RevocationTable()
    async with Fleet(tmp_path, revocation=table) as fleet:
        await eventually(fleet.keyed)
        for number in range(2):
            table.revoke(fleet.issued[number].certificate, fleet.now)
        for number in range(2):
            fleet.node(number).tell(RevocationChanged())

        async def noticed() -> bool:
            return all(len(node.alarms) == 2 for node in await fleet.status())

        await eventually(noticed)
        await fleet.rekey()

        async def rekeyed() -> bool:
            return len(fleet.events("key.accepted")) == 4

        await eventually(rekeyed)
        assert not fleet.events("path.down")


async def test_a_peer_that_was_removed_and_shows_another_bad_certificate_is_alarmed_for_that_one(
    tmp_path: Path,
) -> None:
    """Of the revoked one nothing is said again, however often it is looked at."""
    table = RevocationTable()
    async with Fleet(tmp_path, fail_hard=True, revocation=table) as fleet:
        await eventually(fleet.keyed)
        table.revoke(fleet.issued[1].certificate, fleet.now)
        fleet.node(0).tell(RevocationChanged())

        async def removed() -> bool:
            return bool(fleet.events(REMOVED, 0))

        await eventually(removed)
        # Its own node trusts both authorities, and shows it; its peer trusts one.
        other = TestCA("other", now=fleet.now)
        (tmp_path / "both.pem").write_bytes(pem(fleet.ca) + pem(other))
        fleet.change(1, trusted=trusting(fleet, tmp_path / "both.pem"))
        fleet.certify(1, other.issue(uuid(1)))
        await fleet.reload()

        async def refused() -> bool:
            return "untrusted: " in peer_alarm((await fleet.status())[0])

        await eventually(refused)
        for _ in range(5):
            # Everything is judged again for a change that concerns nobody here.
            table.revoke(other.issue(uuid(7)).certificate, fleet.now)
            fleet.node(0).tell(RevocationChanged())
            await fleet.status()
            assert "untrusted: " in peer_alarm((await fleet.status())[0])
        assert [event.get("reason") for event in fleet.events(PEER_EVENT, 0)][1:] == ["revoked", "untrusted"]


# --- helpers --------------------------------------------------------------------------------------


def prepared(folder: Path, cell: Cell, table: RevocationTable, other: TestCA) -> Fleet:
    """Return a fleet in which one router alone judges the certificate of ``r1``, by another CA."""
    fleet = Fleet(folder, routers=3, fail_hard=cell.hard, revocation=table)
    (folder / "both.pem").write_bytes(pem(fleet.ca) + pem(other))
    fleet.certify(AT_FAULT, other.issue(uuid(AT_FAULT)))
    for number in range(3):
        fleet.change(
            number,
            peer_validation=number == JUDGE and cell.whose == "peer",
            # A node without any trusted authority does not judge its own chain, and pins those of others.
            trusted=()
            if number == AT_FAULT and cell.whose == "peer"
            else trusting(fleet, folder / "both.pem"),
        )
    if cell.what == "expired":
        fleet.certify(AT_FAULT, other.issue(uuid(AT_FAULT), not_after=datetime.now(UTC) + BRIEFLY))
    return fleet


async def spoil(fleet: Fleet, cell: Cell, table: RevocationTable) -> None:
    match cell.what:
        case "expired":
            pass
        case "revoked":
            table.revoke(fleet.issued[AT_FAULT].certificate, fleet.now)
            for number in range(3):
                fleet.node(number).tell(RevocationChanged())
        case _:
            fleet.change(cell.judge, trusted=trusting(fleet, fleet.folder / "ca.pem"))
            await fleet.reload()


async def mend(fleet: Fleet) -> None:
    """Give ``r1`` another certificate, by the authority that everybody trusts; the bad one stays bad."""
    fleet.certify(AT_FAULT, fleet.ca.issue(uuid(AT_FAULT)))
    await fleet.reload()


async def alarmed(fleet: Fleet, cell: Cell) -> bool:
    status = (await fleet.status())[cell.judge]
    if cell.whose == "peer":
        return f"Peer `r1/node0` certificate is invalid: `{cell.what}` - `" in peer_alarm(status)
    text = f"The following certificates are {cell.what}: `r1/node0`"
    return any(alarm.message.startswith(text) for alarm in status.alarms)


async def gone(fleet: Fleet, cell: Cell) -> bool:
    peers = [await fleet.peer(*pair) for pair in cell.removed]
    return all(peer.security.security_status == "REMOVED" and not peer.security.keys for peer in peers)


async def calm(fleet: Fleet) -> bool:
    return not any(node.alarms for node in await fleet.status())


def told(fleet: Fleet, cell: Cell) -> list[dict[str, object]]:
    """Return the events in which the router that judges tells of a certificate that went bad."""
    kind = OWN_EVENT if cell.whose == "own" else PEER_EVENT
    return [event for event in fleet.events(kind, cell.judge) if "behavior" in event]


def peer_alarm(status: NodeStatus) -> str:
    return "".join(alarm.message for alarm in status.alarms if alarm.identity.startswith("peer-certificate"))


def pem(ca: TestCA) -> bytes:
    return ca.root.certificate.public_bytes(Encoding.PEM)


def trusting(fleet: Fleet, file: Path) -> tuple[CertificateSource, ...]:
    (root,) = fleet.plan(0).trusted
    return (replace(root, file=str(file)),)
