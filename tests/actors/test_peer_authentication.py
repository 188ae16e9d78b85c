"""Peer authentication, by whole nodes: every outcome with its reason, once, and what begins it anew."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from actors.messages import RevocationChanged
from metrics.catalogue import PEER_AUTHENTICATIONS
from peerkey.testing.ca import TestCA
from peerkey.testing.revocation import RevocationTable
from tests.support.fleet import Fleet, eventually, uuid

EVENT = "system.peer_certificate_validation"
HOUR = timedelta(hours=1)

SPOILT: dict[str, dict[str, Any]] = {
    "identity-mismatch": {"common_names": ["somebody-else"]},
    "names-two-identities": {"common_names": [str(uuid(1)), str(uuid(7))]},
    "ca-leaf": {"ca": True},
    "bad-key-usage": {
        "usage": x509.KeyUsage(False, False, True, False, False, False, False, False, False)  # noqa: FBT003
    },
    "bad-extended-key-usage": {"purposes": x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])},
    "unknown-critical-extension": {
        "more": [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)]
    },
}


@pytest.mark.parametrize("reason", [*SPOILT, "expired", "not-yet-valid", "revoked", "untrusted"])
async def test_a_certificate_that_is_refused_is_one_event_with_its_reason_whatever_number_of_paths(
    tmp_path: Path, reason: str
) -> None:
    table = RevocationTable()
    fleet = Fleet(tmp_path, paths=3, revocation=table)
    ca = TestCA("stranger", now=fleet.now) if reason == "untrusted" else fleet.ca
    spoilt = dict(SPOILT.get(reason, {}))
    if reason == "expired":
        spoilt["not_after"] = fleet.now - HOUR
    if reason == "not-yet-valid":
        spoilt["not_before"] = fleet.now + HOUR
    fleet.certify(1, ca.issue(uuid(1), **spoilt))
    if reason == "revoked":
        table.revoke(fleet.issued[1].certificate, fleet.now)
    async with fleet:

        async def refused() -> bool:
            return bool(fleet.events(EVENT, 0))

        await eventually(refused)
        await pause(fleet)
        (event,) = fleet.events(EVENT, 0)
        assert (event["reason"], event["fingerprint"]) == (reason, fingerprint(fleet, 1))
        assert str(event["detail_text"]).startswith(f"{reason}: ")
        assert counts(fleet, 0) == {("refused", reason): 1}
        (alarm,) = [each for each in (await fleet.status())[0].alarms if "certificate" in each.identity]
        assert f"`{event['state']}` - `{event['detail_text']}`" in alarm.message, "the alarm says why"


@pytest.mark.parametrize(("validated", "outcome"), [(True, "validated"), (False, "pinned")])
async def test_a_certificate_that_is_accepted_is_one_event_whatever_number_of_paths(
    tmp_path: Path,
    validated: bool,  # noqa: FBT001
    outcome: str,
) -> None:
    fleet = Fleet(tmp_path, paths=3)
    if not validated:
        fleet.certify(1, TestCA("stranger", now=fleet.now).issue(uuid(1)))
        fleet.change(0, peer_validation=False)
        fleet.change(1, peer_validation=False)
    async with fleet:
        await eventually(fleet.keyed)
        assert counts(fleet, 0) == {("accepted", outcome): 1}
        (event,) = fleet.events(EVENT, 0)
        assert (event["validated"], event["pinned"]) == (validated, not validated)


async def test_a_pinned_certificate_lets_no_other_in_and_that_is_told_once(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, paths=2)
    for number in range(2):
        fleet.certify(number, TestCA("stranger", now=fleet.now).issue(uuid(number)))
        fleet.change(number, peer_validation=False)
    async with fleet:
        await eventually(fleet.keyed)
    # Another process, so that no key of before vouches for its successor.
    fleet.certify(1, TestCA("another", now=fleet.now).issue(uuid(1)))
    async with fleet:

        async def refused() -> bool:
            return counts(fleet, 0).get(("refused", "pinned")) == 1

        await eventually(refused)
        await pause(fleet)
        assert await refused()


async def test_a_new_certificate_begins_authentication_anew(tmp_path: Path) -> None:
    async with Fleet(tmp_path, paths=2) as fleet:
        await eventually(fleet.keyed)
        first = fingerprint(fleet, 1)
        fleet.certify(1, fleet.ca.issue(uuid(1)))
        await fleet.reload()

        async def accepted() -> bool:
            return [event["fingerprint"] for event in fleet.events(EVENT, 0)] == [
                first,
                fingerprint(fleet, 1),
            ]

        await eventually(accepted)
        assert counts(fleet, 0) == {("accepted", "validated"): 2}


async def test_a_changed_peer_configuration_begins_authentication_anew(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    fleet.certify(1, fleet.ca.issue(uuid(1), common_names=["branch-1"]))
    (peering,) = fleet.plans[0].peerings
    fleet.change(0, peerings=(replace(peering, alias="branch-1"),))
    fleet.change(1, alias="branch-1")
    async with fleet:
        await eventually(fleet.keyed)
        fleet.change(0, peerings=(replace(peering, alias="branch-2"),))
        before = counts(fleet, 0)
        await fleet.reload()

        async def went_bad() -> bool:
            return counts(fleet, 0).get(("went-bad", "identity-mismatch")) == 1

        await eventually(went_bad)
        fleet.change(0, peerings=(replace(peering, alias="branch-1"),))
        await fleet.reload()
        await eventually(lambda: calm(fleet))
        assert counts(fleet, 0) == {
            **before,
            ("went-bad", "identity-mismatch"): 1,
            ("recovered", "valid"): 1,
        }


async def test_changed_trust_begins_authentication_anew(tmp_path: Path) -> None:
    async with Fleet(tmp_path) as fleet:
        await eventually(fleet.keyed)
        ours = (tmp_path / "ca.pem").read_bytes()
        theirs = TestCA("other", now=fleet.now).root.certificate.public_bytes(Encoding.PEM)
        (tmp_path / "ca.pem").write_bytes(theirs)
        await fleet.reload()

        async def went_bad() -> bool:
            return counts(fleet, 0).get(("went-bad", "untrusted")) == 1

        await eventually(went_bad)
        (tmp_path / "ca.pem").write_bytes(theirs + ours)
        await fleet.reload()
        await eventually(lambda: calm(fleet))
        assert counts(fleet, 0) == {
            ("accepted", "validated"): 1,
            ("went-bad", "untrusted"): 1,
            ("recovered", "valid"): 1,
        }


async def test_a_changed_generation_of_revocations_begins_authentication_anew(tmp_path: Path) -> None:
    table = RevocationTable()
    async with Fleet(tmp_path, revocation=table) as fleet:
        await eventually(fleet.keyed)
        table.revoke(fleet.issued[1].certificate, fleet.now)
        fleet.node(0).tell(RevocationChanged())

        async def went_bad() -> bool:
            return counts(fleet, 0).get(("went-bad", "revoked")) == 1

        await eventually(went_bad)
        table.release(fleet.issued[1].certificate)
        fleet.node(0).tell(RevocationChanged())
        await eventually(lambda: calm(fleet))
        assert counts(fleet, 0)["recovered", "valid"] == 1


async def test_a_refused_certificate_whose_reason_becomes_another_is_told_again_and_so_is_its_alarm(
    tmp_path: Path,
) -> None:
    table = RevocationTable()
    fleet = Fleet(tmp_path, revocation=table)
    other = TestCA("other", now=fleet.now)
    fleet.certify(1, other.issue(uuid(1)))
    table.revoke(fleet.issued[1].certificate, fleet.now)
    async with fleet:

        async def untrusted() -> bool:
            return counts(fleet, 0) == {("refused", "untrusted"): 1}

        await eventually(untrusted)
        with (tmp_path / "ca.pem").open("ab") as trusted:
            trusted.write(other.root.certificate.public_bytes(Encoding.PEM))
        await fleet.reload()

        async def revoked() -> bool:
            alarms = (await fleet.status())[0].alarms
            told = [alarm for alarm in alarms if alarm.identity.startswith("peer-certificate:")]
            return "is invalid: `revoked`" in told[0].message and len(told) == 1

        await eventually(revoked)
        assert counts(fleet, 0) == {("refused", "untrusted"): 1, ("refused", "revoked"): 1}


# --- helpers --------------------------------------------------------------------------------------


def counts(fleet: Fleet, number: int) -> dict[tuple[str, ...], float]:
    """Return what a router has counted of its peers, by outcome and reason."""
    samples = fleet.journal.tally.samples().get(PEER_AUTHENTICATIONS, Counter())
    return {labels[1:]: value for labels, value in samples.items() if labels[0] == fleet.plans[number].name}


def fingerprint(fleet: Fleet, number: int) -> str:
    return sha256(fleet.issued[number].chain[0]).digest().hex(":")


async def pause(fleet: Fleet) -> None:
    """Let every path bring what is under way: a few questions there and back."""
    for _ in range(20):
        await fleet.status()


async def calm(fleet: Fleet) -> bool:
    return not any(node.alarms for node in await fleet.status())
