"""What is different between two plans, in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from actors.configuration_events import changes
from peerkey.config.plan import CertificateSource, EnrollmentPlan, NodePlan, RevocationSource, ValidationMode
from peerkey.config.plan_difference import MOST_TOLD, differences
from peerkey.observe.events import ConfigurationChanged
from tests.sim.authorities import planned

EAST, WEST = planned("pair")


def test_a_policy_that_changed_is_told_with_both_values() -> None:
    changed = replace(EAST, policy=replace(EAST.policy, rekey_interval=None, timeout=timedelta(hours=2)))

    assert differences(EAST, changed) == (
        ("policy.rekey_interval: 1:00:00 -> none", "policy.timeout: 0:00:30 -> 2:00:00"),
        0,
    )


def test_what_has_a_name_is_found_by_it_wherever_it_stands() -> None:
    (peering,) = EAST.peerings
    (path,) = peering.paths
    other = replace(peering, peer_router="north")
    wider = replace(peering, paths=(replace(path, mtu=1400),))

    told, _ = differences(replace(EAST, peerings=(peering,)), replace(EAST, peerings=(other, wider)))

    assert told == (
        f"peerings.west/node0.paths.{path.name}.mtu: {path.mtu} -> 1400",
        "peerings.north/node0: added",
    )
    assert differences(replace(EAST, peerings=(peering,)), replace(EAST, peerings=()))[0] == (
        "peerings.west/node0: removed",
    )


def test_no_password_and_no_certificate_is_told() -> None:
    pem = "-----BEGIN CERTIFICATE-----\nMIIB\n"
    changed = replace(
        EAST,
        enrollment=EnrollmentPlan("https://user:hunter2@ca/", (), automatic=True),
        revocation=(RevocationSource("http://me:hunter2@ca/list", timedelta(1), timedelta(1)),),
        certificate=CertificateSource("base", None, pem, ValidationMode.STRICT),
    )
    former = replace(EAST, enrollment=EnrollmentPlan("https://ca/", (), automatic=True))

    told = "\n".join(differences(former, changed)[0])

    assert "enrollment.url: https://ca/ -> https://…ca/" in told
    assert "revocation.http://…ca/list: added" in told
    assert "PEM with the SHA-256" in told
    assert "hunter2" not in told
    assert "MIIB" not in told


def test_a_large_difference_is_told_in_part_and_counted_whole() -> None:
    (peering,) = EAST.peerings
    many = tuple(replace(peering, peer_router=f"r{number}") for number in range(100))

    told, left_out = differences(replace(EAST, peerings=()), replace(EAST, peerings=many))

    assert (len(told), left_out) == (MOST_TOLD, 100 - MOST_TOLD)


def test_each_node_that_is_concerned_has_an_event_and_no_other() -> None:
    new: NodePlan = replace(EAST, router="north")
    changed = replace(WEST, enabled=False)

    found = dict(changes({EAST.name: EAST, WEST.name: WEST}, {WEST.name: changed, new.name: new}))

    assert found == {
        EAST.name: ConfigurationChanged("removed", (), 0),
        WEST.name: ConfigurationChanged("changed", ("enabled: True -> False",), 0),
        new.name: ConfigurationChanged("added", (), 0),
    }
    assert list(changes({EAST.name: EAST}, {EAST.name: EAST})) == []
