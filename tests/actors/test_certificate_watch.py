"""What is said of a node's own certificates: whole lists in one alarm, and of one that nobody signed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from actors.messages import NodeStatus
from peerkey.pki.laboratory import LEAF_USAGE
from peerkey.testing.ca import Issued, TestCA
from tests.support.fleet import Fleet, eventually, uuid

DAY = timedelta(days=1)
UNSIGNED = (
    "Key management is enabled without a valid signed certificate: it is signed by its own key, "
    "and by no authority."
)


async def test_several_certificates_that_expire_stand_in_one_alarm(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    old, older, past = (
        fleet.ca.authority(name, not_before=fleet.now - 9 * DAY, not_after=fleet.now + days * DAY)
        for name, days in (("old root", 20), ("older root", 5), ("past root", -1))
    )
    fleet.certify(0, fleet.ca.issue(uuid(0), not_after=fleet.now + 25 * DAY))
    with (tmp_path / "ca.pem").open("ab") as trusted:
        for authority in (old, older, past):
            trusted.write(authority.certificate.public_bytes(Encoding.PEM))
    async with fleet:
        await eventually(fleet.keyed)
        first, second = await fleet.status()
        assert texts(first) == [
            ("critical", "The following certificates are expired: `CN=past root`."),
            ("major", "The following certificates are expiring in less than 7 days: `CN=older root`."),
            (
                "minor",
                "The following certificates are expiring in less than 30 days: `r0/node0, CN=old root`.",
            ),
        ]
        assert [severity for severity, _ in texts(second)] == ["critical", "major", "minor"]
        assert len({alarm.identity for alarm in first.alarms}) == 3


async def test_an_intermediate_that_ends_before_the_certificate_below_it_is_named(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    brief = fleet.ca.authority("brief", issuer=fleet.ca.root, not_after=fleet.now + 3 * DAY)
    fleet.certify(0, fleet.ca.issue(uuid(0), issuer=brief))
    async with fleet:
        await eventually(fleet.keyed)
        assert texts((await fleet.status())[0]) == [
            ("major", "The following certificates are expiring in less than 7 days: `CN=brief`.")
        ]


async def test_a_self_signed_certificate_raises_the_alarm_of_one_that_nobody_has_signed(
    tmp_path: Path,
) -> None:
    """With trusted authorities, where it is invalid too, and without any, where peers pin each other."""
    fleet = Fleet(tmp_path)
    for number in range(2):
        fleet.certify(number, self_signed(fleet, number))
        fleet.change(number, peer_validation=False, trusted=())
    async with fleet:
        await eventually(fleet.keyed)
        for node in await fleet.status():
            assert texts(node) == [("critical", UNSIGNED)]
        fleet.change(0, trusted=fleet.plan(0).trusted)
        await fleet.reload()

        async def invalid() -> bool:
            told = [text for _, text in texts((await fleet.status())[0])]
            others = "".join(told[1:])
            return told[0] == UNSIGNED and "certificates are invalid: `r0/node0` - `untrusted" in others

        await eventually(invalid)
        fleet.certify(0, fleet.ca.issue(uuid(0)))
        await fleet.reload()

        async def signed() -> bool:
            return not texts((await fleet.status())[0])

        await eventually(signed)


# --- helpers --------------------------------------------------------------------------------------


def texts(node: NodeStatus) -> list[tuple[str, str]]:
    return [(alarm.severity.value, alarm.message) for alarm in node.alarms]


def self_signed(fleet: Fleet, number: int) -> Issued:
    """Return a certificate that a router has made for itself."""
    name = str(uuid(number))
    own = TestCA(now=fleet.now).authority(
        name, basic=(x509.BasicConstraints(ca=False, path_length=None), True), usage=LEAF_USAGE
    )
    return Issued(own.certificate, (), own.key)
