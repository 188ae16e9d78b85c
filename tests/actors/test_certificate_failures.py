"""Failures with certificates that a system of this kind had in the field, each by whole nodes.

The numbers are those under which its vendor published them. Others of the kind are told in
``tests/sim/test_field_failures.py`` and, where a pure function is enough, in ``tests/pki``.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from actors.messages import NodeStatus, RevocationChanged
from peerkey.config.plan import CertificateSource, ValidationMode
from peerkey.testing.ca import TestCA
from peerkey.testing.revocation import RevocationTable
from runtime.store.memory import MemoryStore
from tests.support.fleet import Fleet, eventually, uuid

HOUR = timedelta(hours=1)
PEER_EVENT, OWN_EVENT = "system.peer_certificate_validation", "certificate.invalid"


@pytest.mark.parametrize("behavior", ["fail-soft", "fail-hard"])
async def test_i95_65129_i95_65603_no_path_comes_up_between_nodes_that_trust_different_authorities(
    tmp_path: Path, behavior: str
) -> None:
    """A path was up although each end had a certificate of an authority that the other did not trust."""
    fleet = Fleet(tmp_path, routers=3, fail_hard=behavior == "fail-hard")
    custom = TestCA("custom", now=fleet.now)
    fleet.certify(2, custom.issue(uuid(2)))
    fleet.change(2, trusted=(trusting(tmp_path / "custom.pem", custom),))
    async with fleet:

        async def refused_by_both() -> bool:
            fleet_status = await fleet.status()
            return all(
                "`untrusted: " in peer_alarm(fleet_status[here], there) for here, there in ((0, 2), (2, 0))
            )

        await eventually(refused_by_both)
        await eventually(lambda: keyed_with(fleet, 0, 1))
        for here, there in ((0, 2), (1, 2), (2, 0), (2, 1)):
            peer = await fleet.peer(here, there)
            assert peer.security.keys == ()
            assert {path.state for path in peer.paths}.isdisjoint({"in-service"})
        # One that trusts both is not enough: each end has to trust the other's.
        fleet.change(0, trusted=(*fleet.plans[0].trusted, trusting(tmp_path / "custom.pem", custom)))
        await fleet.reload()

        async def one_sided() -> bool:
            return not peer_alarm((await fleet.status())[0], 2)

        await eventually(one_sided)
        assert (await fleet.peer(0, 2)).security.keys == ()
        fleet.change(2, trusted=(*fleet.plans[2].trusted, *fleet.plan(2).trusted))
        await fleet.reload()
        await eventually(lambda: keyed_with(fleet, 0, 2))
        assert (await fleet.peer(1, 2)).security.keys == ()


async def test_i95_65403_a_certificate_of_a_node_that_says_ca_true_is_refused_and_keys_nobody(
    tmp_path: Path,
) -> None:
    fleet = Fleet(tmp_path)
    fleet.certify(1, fleet.ca.issue(uuid(1), ca=True))
    async with fleet:

        async def refused() -> bool:
            return "`ca-leaf: " in peer_alarm((await fleet.status())[0], 1)

        await eventually(refused)
        assert [event["reason"] for event in fleet.events(OWN_EVENT, 1)] == ["ca-leaf"]
        assert not fleet.events("key.accepted")
        fleet.certify(1, fleet.ca.issue(uuid(1)))
        await fleet.reload()
        await eventually(fleet.keyed)


@pytest.mark.parametrize("behavior", ["fail-soft", "fail-hard"])
async def test_i95_65393_an_upgrade_raises_no_alarm_about_good_certificates_and_keeps_the_peerings(
    tmp_path: Path, behavior: str
) -> None:
    """After an upgrade a false alarm "certificate invalid" took the peering down."""
    store = MemoryStore()
    fleet = Fleet(tmp_path, routers=3, store=store, fail_hard=behavior == "fail-hard")
    async with fleet:
        await eventually(fleet.keyed)
    before = len(fleet.journal.recent())
    async with fleet:
        await eventually(fleet.keyed)
        assert not any(
            "certificate" in alarm.message for node in await fleet.status() for alarm in node.alarms
        )
        since = [entry.event.TYPE for entry in fleet.journal.recent()[before:]]
        assert not {PEER_EVENT, OWN_EVENT, "peering.removed", "peering.failed"} & set(since)


@pytest.mark.parametrize("behavior", ["fail-soft", "fail-hard"])
async def test_i95_65393_an_upgrade_without_its_files_for_a_moment_is_no_verdict_on_the_peers(
    tmp_path: Path, behavior: str
) -> None:
    store = MemoryStore()
    fleet = Fleet(tmp_path, store=store, fail_hard=behavior == "fail-hard")
    async with fleet:
        await eventually(fleet.keyed)
    trusted = (tmp_path / "ca.pem").read_bytes()
    (tmp_path / "ca.pem").unlink()
    async with fleet:
        await eventually(fleet.keyed)
        assert not any(
            "is invalid" in alarm.message for node in await fleet.status() for alarm in node.alarms
        )
        assert not fleet.events("peering.removed")
        (tmp_path / "ca.pem").write_bytes(trusted)
        await fleet.reload()
        await eventually(lambda: calm(fleet))


@pytest.mark.parametrize(
    ("spoilt", "state", "reason"),
    [
        ({"not_after": -HOUR}, "expired", "expired: the certificate expired "),
        ({"not_before": HOUR}, "invalid", "not-yet-valid: the certificate is not valid before "),
        ({"common_names": ["somebody-else"]}, "invalid", "identity-mismatch: "),
        ({}, "revoked", "revoked: the certificate is revoked since "),
    ],
    ids=["expiration", "too early", "name mismatch", "revocation"],
)
async def test_i95_65394_the_alarm_says_why_on_both_sides(
    tmp_path: Path, spoilt: dict[str, Any], state: str, reason: str
) -> None:
    table = RevocationTable()
    fleet = Fleet(tmp_path, revocation=table)
    spoilt = {
        name: fleet.now + value if isinstance(value, timedelta) else value for name, value in spoilt.items()
    }
    fleet.certify(1, fleet.ca.issue(uuid(1), **spoilt))
    if state == "revoked":
        table.revoke(fleet.issued[1].certificate, fleet.now)
    async with fleet:

        async def told() -> bool:
            start = f"Peer `r1/node0` certificate is invalid: `{state}` - `{reason}"
            return peer_alarm((await fleet.status())[0], 1).startswith(start)

        await eventually(told)
        (event,) = fleet.events(OWN_EVENT, 1)
        assert event["state"] == state
        assert str(event["detail_text"]).startswith(reason)
        own = (await fleet.status())[1].certificate
        assert own is not None
        assert own.detail == event["detail_text"]


@pytest.mark.parametrize("behavior", ["fail-soft", "fail-hard"])
@pytest.mark.parametrize("what", ["expired", "revoked", "untrusted", "ca-leaf", "identity-mismatch"])
async def test_i95_63422_a_certificate_that_is_bad_at_first_start_is_replaced_without_any_restart(
    tmp_path: Path, behavior: str, what: str
) -> None:
    """A node that had started so could not be keyed until its peers had been restarted."""
    table = RevocationTable()
    fleet = Fleet(tmp_path, fail_hard=behavior == "fail-hard", revocation=table)
    bad = {
        "expired": lambda: fleet.ca.issue(uuid(1), not_after=fleet.now - HOUR),
        "revoked": lambda: fleet.ca.issue(uuid(1)),
        "untrusted": lambda: TestCA("factory", now=fleet.now).issue(uuid(1)),
        "ca-leaf": lambda: fleet.ca.issue(uuid(1), ca=True),
        "identity-mismatch": lambda: fleet.ca.issue(uuid(9)),
    }[what]()
    fleet.certify(1, bad)
    if what == "revoked":
        table.revoke(bad.certificate, fleet.now)
    async with fleet:

        async def noticed() -> bool:
            return bool(fleet.events(OWN_EVENT, 1))

        await eventually(noticed)
        fleet.certify(1, fleet.ca.issue(uuid(1)))
        await fleet.reload()
        fleet.node(0).tell(RevocationChanged())
        await eventually(fleet.keyed)
        await eventually(lambda: calm(fleet))
        assert not [actor.name for actor in fleet.system.actors() if actor.crashes]


# --- helpers --------------------------------------------------------------------------------------


def trusting(file: Path, ca: TestCA) -> CertificateSource:
    file.write_bytes(ca.root.certificate.public_bytes(Encoding.PEM))
    return CertificateSource(ca.name, str(file), None, ValidationMode.STRICT)


def peer_alarm(node: NodeStatus, number: int) -> str:
    wanted = f"peer-certificate:r{number}/node0"
    return "".join(alarm.message for alarm in node.alarms if alarm.identity == wanted)


async def keyed_with(fleet: Fleet, here: int, there: int) -> bool:
    keyed = [(await fleet.peer(*pair)).security.key_index for pair in ((here, there), (there, here))]
    return None not in keyed


async def calm(fleet: Fleet) -> bool:
    return not any(node.alarms for node in await fleet.status())
