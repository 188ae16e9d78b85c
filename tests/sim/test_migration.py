"""From one certificate authority to another, while the fleet runs: no peering loses its key on the way.

Three routers under fail-hard, so that whatever is wrong for a moment removes a peering and an event tells of
it. Keys are replaced every hour; an operator changes a file a minute and reloads. At the end the model asks
whether every key was agreed under the certificates that are in use.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from peerkey.config.plan import CertificateSource, ValidationMode
from peerkey.pki import laboratory
from peerkey.pki.laboratory import Authority, Validity
from peerkey.testing.ca import TestCA
from peerkey_cli.simulation.fleet import Fleet, Site
from peerkey_cli.simulation.run import Outcome
from tests.support.story import MINUTE, alarms, at, events, play, told

#: Where a simulated machine has its trusted CAs, and its certificate.
TRUSTED, CERTIFICATE = "/etc/peerkey/ca.pem", "/etc/peerkey/node.pem"
NODES = ("r1/node0", "r2/node0", "r3/node0")
LASTS = timedelta(hours=4)


def test_a_fleet_moves_to_another_ca_and_no_peering_is_without_its_key() -> None:
    async def migrate(fleet: Fleet) -> None:
        old, new = roots(fleet)
        clock = Operator()
        for site in fleet.sites.values():
            await clock.trusts(site, old, new)
        for site in fleet.sites.values():
            site.certify(by_new_authority=True)
            await clock.reloads(site)
        for site in fleet.sites.values():
            await clock.trusts(site, new)
        await at(timedelta(hours=3))
        for site in fleet.sites.values():
            assert await issuers(site) == {"CN=migration issuing"}
            assert trouble(fleet, site) == []
        await ends(fleet)

    assert_well(play("hard", LASTS, beside=migrate))


def test_a_cross_signed_root_lets_routers_that_know_only_the_old_one_follow() -> None:
    async def migrate(fleet: Fleet) -> None:
        (old, new), clock = roots(fleet), Operator()
        across = cross_signed(*reversed(authorities(fleet)))
        # Certificates first: who trusts the old root alone gets to it over the cross-certificate.
        for site in fleet.sites.values():
            certify_across(site, across)
            await clock.reloads(site)
        # Keys are agreed under them for an hour.
        await clock.wait(timedelta(hours=1))
        # Who trusts both, and then the new root alone, does not stumble over it.
        for site in fleet.sites.values():
            await clock.trusts(site, old, new)
        for site in fleet.sites.values():
            await clock.trusts(site, new)
        await at(timedelta(hours=3))
        for site in fleet.sites.values():
            assert await issuers(site) == {"CN=migration issuing"}
            assert trouble(fleet, site) == []
        await ends(fleet)

    assert_well(play("hard", LASTS, beside=migrate))


def test_roots_that_have_signed_each_other_are_trusted_side_by_side() -> None:
    async def migrate(fleet: Fleet) -> None:
        (old, new), clock = roots(fleet), Operator()
        there = cross_signed(*reversed(authorities(fleet)))
        back = cross_signed(*authorities(fleet))
        first, second, third = fleet.sites.values()
        await clock.trusts(first, old, new, there, back)
        await clock.trusts(second, back, new)
        await clock.trusts(third, there, old)
        for site in fleet.sites.values():
            site.certify(by_new_authority=True)
            await clock.reloads(site)
        await at(timedelta(hours=3))
        for site in fleet.sites.values():
            assert trouble(fleet, site) == []

    assert_well(play("hard", LASTS, beside=migrate))


def test_a_ca_that_is_removed_too_early_takes_the_peerings_and_brings_them_back() -> None:
    """I95-65129 and I95-65603: a path stayed up between different trust anchors, fail-hard or not."""

    async def migrate(fleet: Fleet) -> None:
        (old, new), clock = roots(fleet), Operator()
        hasty = fleet.sites[NODES[0]]
        await clock.trusts(hasty, new)
        status = await told(fleet, hasty.name)
        assert [peer.security.key_index for peer in status.peers] == [None, None]
        assert any("no trusted CA stands behind the issuer" in each for each in alarms(status))

        await clock.trusts(hasty, old, new)
        status = await told(fleet, hasty.name)
        assert all(peer.security.key_index is not None for peer in status.peers)

    assert_well(play("hard", LASTS, beside=migrate))


@pytest.mark.parametrize("between", [b"", b"\n", b"\r\n", b"# the new one\n"])
def test_a_bundle_counts_whatever_stands_between_its_certificates(between: bytes) -> None:
    """I95-65819: the CA bundle was concatenated wrongly, without a line end between two certificates."""

    async def migrate(fleet: Fleet) -> None:
        clock = Operator()
        for site in fleet.sites.values():
            site.files[TRUSTED] = between.join(pem(root).strip() for root in roots(fleet))
            await clock.reloads(site)
        for site in fleet.sites.values():
            site.certify(by_new_authority=True)
            await clock.reloads(site)
        for site in fleet.sites.values():
            assert trouble(fleet, site) == []

    assert_well(play("hard", timedelta(hours=1), beside=migrate))


def test_the_file_of_a_trusted_ca_is_read_and_not_one_that_has_its_name() -> None:
    """I95-65914: `file` was ignored in favour of `name`."""

    async def migrate(fleet: Fleet) -> None:
        (old, new), clock = roots(fleet), Operator()
        site = fleet.sites[NODES[0]]
        site.files["/etc/peerkey/other.pem"] = pem(old)
        for name in ("root", "root.pem", "/etc/peerkey/root", "/etc/peerkey/root.pem", TRUSTED):
            site.files[name] = pem(new)
        before = site.plan
        site.plan = replace(before, trusted=(source("root", "/etc/peerkey/other.pem"),))
        await clock.reloads(site)
        assert trouble(fleet, site) == []
        site.files[TRUSTED] = pem(old)
        site.plan = before
        await clock.reloads(site)

    assert_well(play("hard", timedelta(hours=1), beside=migrate))


def test_a_trusted_ca_whose_file_is_missing_is_an_alarm_that_names_the_file() -> None:
    """I95-65488: nothing was said when the file was missing."""

    async def migrate(fleet: Fleet) -> None:
        clock, site = Operator(), fleet.sites[NODES[0]]
        before = site.plan
        site.plan = replace(before, trusted=(*before.trusted, source("other", "/etc/peerkey/absent.pem")))
        await clock.reloads(site)
        assert any("/etc/peerkey/absent.pem" in each for each in alarms(await told(fleet, site.name)))
        assert trouble(fleet, site) == []
        site.plan = before
        await clock.reloads(site)
        assert alarms(await told(fleet, site.name)) == []

    assert_well(play("hard", timedelta(hours=1), beside=migrate))


def test_a_certificate_that_is_missing_at_the_start_is_taken_when_it_is_there() -> None:
    """I95-64627: no local certificate was available after an upgrade, and none was looked for again."""

    async def look(fleet: Fleet) -> None:
        clock, site = Operator(), fleet.sites[NODES[0]]
        await clock.wait(MINUTE)
        site.hide_certificate()
        async with site.held_off():
            await clock.wait(MINUTE)
        await clock.wait(MINUTE)
        status = await told(fleet, site.name)
        assert any(CERTIFICATE in each for each in alarms(status))
        # What cannot be read takes nothing away, fail-hard or not.
        assert all(peer.security.key_index is not None for peer in status.peers)
        site.show_certificate()
        # Nobody reloads: what could not be read is looked for again.
        await clock.wait(5 * MINUTE)
        status = await told(fleet, site.name)
        assert alarms(status) == []
        assert all(peer.security.key_index is not None for peer in status.peers)

    assert_well(play("hard", timedelta(hours=1), beside=look))


# --- helpers --------------------------------------------------------------------------------------


class Operator:
    """Changes one thing a minute, beginning once all peerings have their first key."""

    def __init__(self) -> None:
        self._now = MINUTE

    async def wait(self, time: timedelta) -> None:
        await at(self._now)
        self._now += time
        await at(self._now)

    async def trusts(self, site: Site, *certificates: x509.Certificate) -> None:
        """Let a router trust these CAs alone."""
        await at(self._now)
        site.files[TRUSTED] = b"".join(map(pem, certificates))
        await self.reloads(site)

    async def reloads(self, site: Site) -> None:
        await at(self._now)
        await site.reload()
        await self.wait(MINUTE)


async def ends(fleet: Fleet) -> None:
    """Trust both again: a simulation puts everything right with the CA that it began with."""
    for site in fleet.sites.values():
        site.trust_both()
        await site.reload()


def roots(fleet: Fleet) -> tuple[x509.Certificate, x509.Certificate]:
    """Return the CA that is and the CA that is to come."""
    old, new = authorities(fleet)
    return old.certificate, new.certificate


def authorities(fleet: Fleet) -> tuple[Authority, Authority]:
    return fleet._ca.root, fleet._new_ca.root  # noqa: SLF001 - the simulation's own, which faults use


def certify_across(site: Site, across: x509.Certificate) -> None:
    """Give a node a certificate of the new CA, announced with the cross-certificate."""
    site.certify(by_new_authority=True)
    assert site.issued is not None
    site.issued = replace(site.issued, intermediates=(*site.issued.intermediates, across))
    site.files[CERTIFICATE] = site.issued.pem


async def issuers(site: Site) -> set[str]:
    """Return who has issued the certificates that a node has of its peers."""
    status = await site.status()
    assert status is not None
    chains = [peer.security.peer_chain for peer in status.peers]
    return {x509.load_der_x509_certificate(chain[0]).issuer.rfc4514_string() for chain in chains}


def trouble(fleet: Fleet, site: Site) -> list[str]:
    """Return what an operator would not want to read after a migration."""
    return [event.description() for _, event in events(fleet, site.name) if _bad(event.TYPE, event.detail())]


def _bad(kind: str, detail: Iterable[str]) -> bool:
    if kind == "system.peer_certificate_validation":
        return "state" in detail
    return kind in {"path.down", "peering.removed", "peering.failed", "certificate.invalid"}


def cross_signed(subject: Authority, issuer: Authority) -> x509.Certificate:
    """Return a certificate of ``subject`` under its own name and key, from another root."""
    certificate = subject.certificate
    builder = laboratory.started(
        certificate.subject,
        issuer.certificate.subject,
        certificate.public_key(),
        serial=TestCA().next_serial() + 1_000,
        validity=Validity(certificate.not_valid_before_utc, certificate.not_valid_after_utc),
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(laboratory.CA_USAGE, critical=True)
    return laboratory.signed(builder, issuer.key)


def source(name: str, file: str) -> CertificateSource:
    return CertificateSource(name, file, None, ValidationMode.STRICT)


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def assert_well(outcome: Outcome) -> None:
    assert outcome.finding is None, "\n".join(outcome.trace)
    assert outcome.settled_in is not None
