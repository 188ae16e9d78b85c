"""Revocations that nobody has told a node of: it looks by itself, every minute."""

from __future__ import annotations

from datetime import timedelta

from cryptography import x509

from peerkey_cli.simulation.fleet import Fleet, Site
from runtime.backends.sim.machine import BEGINNING
from tests.support.story import EAST, MINUTE, SECOND, WEST, alarms, at, events, play, told


def test_a_node_that_was_told_nothing_finds_a_changed_generation_within_a_minute() -> None:
    revoked, released = 10 * MINUTE, 20 * MINUTE

    async def look(fleet: Fleet) -> None:
        east, west = fleet.sites[EAST], fleet.sites[WEST]
        await at(revoked)
        assert alarms(await told(fleet, EAST)) == []
        east.revocation.revoke(certificate_of(west), BEGINNING, x509.ReasonFlags.certificate_hold)
        await at(revoked + MINUTE + SECOND)
        (alarm,) = alarms(await told(fleet, EAST))
        assert alarm == (
            "Peer `west/node0` certificate is invalid: `revoked` - `revoked: the certificate is revoked "
            f"since {BEGINNING:%Y-%m-%d %H:%M:%S}Z (certificateHold)`."
        )
        await at(released)
        east.revocation.release(certificate_of(west))
        await at(released + MINUTE + SECOND)
        assert alarms(await told(fleet, EAST)) == []
        noticed = [instant for instant, event in events(fleet, EAST) if event.TYPE == EVENT][1:]
        assert [revoked <= noticed[0] <= revoked + MINUTE, released <= noticed[1] <= released + MINUTE] == [
            True,
            True,
        ]

    outcome = play("pair", timedelta(minutes=25), beside=look)
    assert outcome.finding is None, "\n".join(outcome.trace)


EVENT = "system.peer_certificate_validation"


def certificate_of(site: Site) -> x509.Certificate:
    assert site.issued is not None
    return site.issued.certificate
