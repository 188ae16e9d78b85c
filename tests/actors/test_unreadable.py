"""Files that cannot be read: they take nothing away (docs/decisions/0060-what-cannot-be-read.md)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from peerkey.config.plan import ValidationMode
from runtime.store.memory import MemoryStore
from tests.support.fleet import Fleet, eventually, uuid


async def alarm_texts(fleet: Fleet, number: int) -> str:
    return " ".join(alarm.message for alarm in (await fleet.status())[number].alarms)


@pytest.mark.parametrize("content", [None, b"half a fi"])
async def test_trust_that_cannot_be_read_again_removes_no_peering_under_fail_hard(
    tmp_path: Path, content: bytes | None
) -> None:
    async with Fleet(tmp_path, fail_hard=True) as fleet:
        await eventually(fleet.keyed)
        before = (await fleet.peer(0, 1)).security.keys
        (tmp_path / "ca.pem").unlink()
        if content is not None:
            (tmp_path / "ca.pem").write_bytes(content)
        await fleet.reload()

        async def alarmed() -> bool:
            return "Trusted certificates need attention" in await alarm_texts(fleet, 0)

        await eventually(alarmed)
        assert (await fleet.peer(0, 1)).security.keys == before
        assert not fleet.events("peering.removed")
        assert "invalid" not in await alarm_texts(fleet, 0)


async def test_a_start_without_readable_trust_keeps_the_peerings_that_were_in_force(tmp_path: Path) -> None:
    store = MemoryStore()
    fleet = Fleet(tmp_path, fail_hard=True, store=store)
    async with fleet:
        await eventually(fleet.keyed)
    trust = (tmp_path / "ca.pem").read_bytes()
    (tmp_path / "ca.pem").unlink()
    async with fleet:
        await eventually(fleet.keyed)
        assert "Trusted certificates need attention" in await alarm_texts(fleet, 0)
        (tmp_path / "ca.pem").write_bytes(trust)
        await fleet.reload()

        async def quiet() -> bool:
            return not await alarm_texts(fleet, 0)

        await eventually(quiet)
        assert not fleet.events("peering.removed")
        assert not fleet.events("key.erased")


async def test_without_readable_trust_no_certificate_is_accepted_that_was_not_in_force(
    tmp_path: Path,
) -> None:
    fleet = Fleet(tmp_path)
    (tmp_path / "ca.pem").unlink()
    async with fleet:

        async def refused() -> bool:
            judged = fleet.events("system.peer_certificate_validation", 0)
            return any(detail.get("reason") == "untrusted" for detail in judged)

        await eventually(refused)
        assert not (await fleet.peer(0, 1)).security.certificate_received
        assert not (await fleet.peer(0, 1)).security.keys


@pytest.mark.parametrize("name", ["r0.pem", "r0.key"])
async def test_a_certificate_that_cannot_be_read_again_stays_in_use_under_an_alarm(
    tmp_path: Path, name: str
) -> None:
    async with Fleet(tmp_path, fail_hard=True) as fleet:
        await eventually(fleet.keyed)
        (tmp_path / name).unlink()
        await fleet.reload()

        async def alarmed() -> bool:
            return "the certificate that was read before stays in use" in await alarm_texts(fleet, 0)

        await eventually(alarmed)
        await fleet.rekey()

        async def rekeyed() -> bool:
            return len(fleet.events("key.accepted", 0)) == 2

        await eventually(rekeyed)
        assert not fleet.events("peering.removed")
        fleet.certify(0, fleet.ca.issue(uuid(0)))
        await fleet.reload()

        async def quiet() -> bool:
            return not await alarm_texts(fleet, 0)

        await eventually(quiet)


@pytest.mark.parametrize("what", ["certificate", "trusted"])
async def test_a_system_that_runs_is_strict_whatever_validation_mode_says(tmp_path: Path, what: str) -> None:
    fleet = Fleet(tmp_path, fail_hard=True)
    (trusted,) = fleet.plans[0].trusted
    fleet.change(0, certificate=replace(fleet.plans[0].certificate, validation_mode=ValidationMode.WARN))
    fleet.change(0, trusted=(replace(trusted, validation_mode=ValidationMode.WARN),))
    if what == "certificate":
        fleet.certify(0, fleet.ca.issue(uuid(0), common_names=["somebody else"]))
    else:
        lax = fleet.ca.authority("lax", basic=(x509.BasicConstraints(ca=True, path_length=None), False))
        (tmp_path / "ca.pem").write_bytes(lax.certificate.public_bytes(Encoding.PEM))
        fleet.certify(0, fleet.ca.issue(uuid(0), issuer=lax))
    async with fleet:

        async def refused() -> bool:
            return bool(fleet.events("certificate.invalid", 0))

        await eventually(refused)
        (peer,) = (await fleet.status())[0].peers
        assert peer.security.key_index is None
