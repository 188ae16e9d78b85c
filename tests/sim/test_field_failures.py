"""Failures that a system of this kind had in the field, each played again with an explicit schedule.

The numbers are those under which its vendor published them. In the authority ``pair`` something is sent again
after five seconds, and a path that hears nothing is given up after thirty.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from actors.messages import NodeStatus
from peerkey.observe.events import KeyActivated, PeeringFailed
from peerkey.protocol.constants import PROTOCOL_VERSION
from peerkey_cli.simulation.faults import FaultKind
from peerkey_cli.simulation.fleet import Fleet
from peerkey_cli.simulation.run import Outcome
from tests.support.story import (
    BEGINS,
    EAST,
    MINUTE,
    SECOND,
    WEST,
    alarms,
    at,
    events,
    fault,
    key_ids,
    kinds,
    path_states,
    play,
    tapped,
    told,
)

RETRANSMIT = 5 * SECOND
TIMEOUT = 30 * SECOND
#: From the first authentic frame to a key in use and a path in service, at both ends.
AT_ONCE = SECOND
HOUR = 60 * MINUTE
WEST_UNREACHABLE = "Peer `west/node0` is not reachable."
EAST_UNREACHABLE = "Peer `east/node0` is not reachable."
MISSING = (
    "Key management is enabled without a valid signed certificate: "
    "/etc/peerkey/node.pem: the certificate base cannot be read: no such file."
)

ACCEPTED, KEYED, IN_USE = "system.peer_certificate_validation", "key.accepted", "key.activated"
UP, DOWN = "path.up", "path.down"
#: What a node tells of a peer that it has never known, when all goes well.
FRESH = [ACCEPTED, KEYED, IN_USE, UP]


def test_i95_65797_a_key_that_comes_late_finds_retransmission_still_going_on() -> None:
    """The timer had fired once and was not set again: whatever came later was never asked for."""
    late = 3 * MINUTE

    async def look(fleet: Fleet) -> None:
        sent = tapped(fleet)
        await at(MINUTE)
        east, west = await told(fleet, EAST), await told(fleet, WEST)
        assert alarms(east) == [WEST_UNREACHABLE]
        assert [peer.security.security_status for peer in east.peers] == ["KEY_EXCH_INIT"]
        assert [peer.security.security_status for peer in west.peers] == ["CERT_EXCH_INIT"]
        await at(late + RETRANSMIT + AT_ONCE)
        assert_keyed(await told(fleet, EAST), await told(fleet, WEST))
        assert kinds(fleet, EAST) == [ACCEPTED, DOWN, KEYED, IN_USE, UP]
        assert kinds(fleet, WEST) == [DOWN, ACCEPTED, KEYED, IN_USE, UP]
        for node in (EAST, WEST):
            instants = [instant for instant, sender in sent if sender == node and instant < late]
            pauses = [after - before for before, after in pairwise(instants)]
            # An invalid path tries every time-out, with copies of what it sends for a moment each time.
            assert max(pauses) <= TIMEOUT + RETRANSMIT, f"{node} stopped asking"

    outcome = play(
        "pair",
        10 * MINUTE,
        fault(BEGINS, FaultKind.ONE_WAY, EAST, late, peer=WEST),
        beside=look,
    )

    assert_well(outcome)


def test_i95_65797_an_own_key_that_is_stored_slowly_is_used_as_soon_as_it_is_there() -> None:
    async def look(fleet: Fleet) -> None:
        fleet.sites[EAST].machine.disk.slow = True
        await at(5 * MINUTE)
        assert_keyed(await told(fleet, EAST), await told(fleet, WEST))
        assert events(fleet, EAST)[-1][0] > RETRANSMIT, "the disk was not slow"
        assert kinds(fleet, EAST).count(KEYED) == kinds(fleet, WEST).count(KEYED) == 1

    assert_well(play("pair", 6 * MINUTE, beside=look))


def test_i95_66278_no_path_leaves_service_in_a_week_of_20_percent_loss_with_hourly_ml_kem_keys() -> None:
    """The timer was that of Diffie-Hellman: answers came later than it, and paths went up and down."""
    outcome = play("pair", timedelta(days=7), loss=0.2)

    assert_well(outcome)
    assert outcome.event_counts[UP] == 2
    assert outcome.event_counts[DOWN] == 0
    # A key is replaced after an hour at the latest, and up to a tenth of it earlier; at both ends.
    assert outcome.event_counts[IN_USE] == outcome.event_counts[KEYED]
    assert 2 * 7 * 24 <= outcome.event_counts[KEYED] <= 2 * 7 * 24 / 0.9
    assert outcome.datagrams["lost"] == pytest.approx(outcome.datagrams["sent"] / 5, rel=0.1)


def test_i95_66331_two_versions_name_each_other_and_key_themselves_after_the_upgrade() -> None:
    """The exchange stalled in its first state, without a word of the reason."""
    upgrade = 10 * MINUTE
    named = f"sent in version {PROTOCOL_VERSION + 1}, this node speaks version {PROTOCOL_VERSION}"

    async def look(fleet: Fleet) -> None:
        await at(upgrade - SECOND)
        for node, peer, alarm in ((EAST, WEST, WEST_UNREACHABLE), (WEST, EAST, EAST_UNREACHABLE)):
            status = await told(fleet, node)
            assert alarms(status) == [alarm]
            assert path_states(status) == ["invalid"]
            assert key_ids(status) == []
            failures = [event for _, event in events(fleet, node) if isinstance(event, PeeringFailed)]
            ((theirs, ours),) = {(each.peer_version, each.own_version) for each in failures}
            assert failures == [PeeringFailed(peer, "unsupported-version", named, "local", theirs, ours)]
            assert {theirs, ours} == {1, 2}
            assert kinds(fleet, node) == ["peering.failed", DOWN]
        await at(upgrade + TIMEOUT + AT_ONCE)
        assert_keyed(await told(fleet, EAST), await told(fleet, WEST))
        for node in (EAST, WEST):
            assert kinds(fleet, node) == ["peering.failed", DOWN, *FRESH]

    outcome = play("pair", 15 * MINUTE, fault(BEGINS, FaultKind.OTHER_VERSION, EAST, upgrade), beside=look)

    assert_well(outcome)


@pytest.mark.parametrize(("choice", "differ"), [(0.2, 5 * MINUTE), (0.3, -5 * MINUTE)], ids=["fast", "slow"])
def test_i95_63547_clocks_that_differ_by_minutes_hinder_nothing(choice: float, differ: timedelta) -> None:
    """A code that went by the time of day failed when clocks differed by more than two seconds."""

    async def look(fleet: Fleet) -> None:
        await at(3 * HOUR)
        here, there = events(fleet, EAST), events(fleet, WEST)
        assert abs(here[0][0] - differ) < SECOND, "the clock was not stepped"
        assert kinds(fleet, EAST)[:4] == kinds(fleet, WEST)[:4] == FRESH
        # Replaced every hour because of their age, at one instant on both sides, and no path has noticed.
        in_use = [
            [instant for instant, event in each if isinstance(event, KeyActivated)] for each in (here, there)
        ]
        assert len(in_use[0]) == len(in_use[1]) == 4
        for one, other in zip(*in_use, strict=True):
            assert abs(one - other - differ) < 2 * SECOND
        assert DOWN not in kinds(fleet, EAST) + kinds(fleet, WEST)
        assert_keyed(await told(fleet, EAST), await told(fleet, WEST))

    clocks = fault(BEGINS, FaultKind.CLOCK_STEP, EAST, choice=choice)

    assert_well(play("pair", 3 * HOUR + MINUTE, clocks, beside=look))


def test_i95_63422_a_certificate_that_is_missing_at_first_start_is_taken_up_when_it_is_there() -> None:
    """A node once started so could not be keyed until its peer had been restarted."""
    there = 10 * MINUTE

    async def look(fleet: Fleet) -> None:
        await at(there - SECOND)
        east, west = await told(fleet, EAST), await told(fleet, WEST)
        assert alarms(east) == [MISSING, WEST_UNREACHABLE]
        assert alarms(west) == [EAST_UNREACHABLE]
        assert key_ids(east) == key_ids(west) == []
        assert kinds(fleet, EAST) == ["certificate.invalid", ACCEPTED]
        assert kinds(fleet, WEST) == [DOWN]
        await at(there + AT_ONCE)
        assert_keyed(await told(fleet, EAST), await told(fleet, WEST))
        assert kinds(fleet, EAST) == ["certificate.invalid", ACCEPTED, "certificate.valid", *FRESH[1:]]
        assert kinds(fleet, WEST) == [DOWN, *FRESH]

    outcome = play(
        "pair", 15 * MINUTE, fault(BEGINS, FaultKind.CERTIFICATE_MISSING, EAST, there), beside=look
    )

    assert_well(outcome)


def test_i95_63422_a_certificate_that_is_expired_at_first_start_is_replaced_under_fail_hard() -> None:
    there = 10 * MINUTE
    bad, good = "r1/node0", ("r2/node0", "r3/node0")

    async def look(fleet: Fleet) -> None:
        fleet.sites[bad].certify(-timedelta(hours=1))
        await at(there)
        refused = await told(fleet, bad)
        assert key_ids(refused) == []
        assert "certificate.invalid" in kinds(fleet, bad)
        assert refused.certificate is not None
        assert refused.certificate.state == "expired"
        for node in good:
            status = await told(fleet, node)
            assert len(key_ids(status)) == 1, "the two good ones are to be keyed with each other"
            assert "Peer `r1/node0` is not reachable." in alarms(status)
        fleet.sites[bad].certify()
        await fleet.sites[bad].reload()
        await at(there + MINUTE)
        for node in (bad, *good):
            status = await told(fleet, node)
            assert len(key_ids(status)) == 2
            assert set(path_states(status)) == {"in-service"}
            assert alarms(status) == []

    assert_well(play("hard", 12 * MINUTE, beside=look))


def test_i95_62074_a_node_whose_feature_is_disabled_sends_not_one_datagram() -> None:
    """It went on asking for keys while the feature was off."""
    enabled = 10 * MINUTE

    async def look(fleet: Fleet) -> None:
        sent = tapped(fleet)
        await at(enabled - SECOND)
        assert [sender for _, sender in sent if sender == EAST] == []
        assert len([sender for _, sender in sent if sender == WEST]) > 10
        east, west = await told(fleet, EAST), await told(fleet, WEST)
        assert [peer.security.security_status for peer in east.peers] == ["ESKM_DISABLED"]
        assert path_states(east) == ["disabled"]
        assert alarms(east) == []
        assert alarms(west) == [EAST_UNREACHABLE]
        assert kinds(fleet, EAST) == []
        assert kinds(fleet, WEST) == [DOWN]
        await at(enabled + AT_ONCE)
        assert_keyed(await told(fleet, EAST), await told(fleet, WEST))
        assert kinds(fleet, EAST) == ["configuration.changed", *FRESH]

    outcome = play("pair", 15 * MINUTE, fault(BEGINS, FaultKind.DISABLED, EAST, enabled), beside=look)

    assert_well(outcome)


# --- helpers --------------------------------------------------------------------------------------


def assert_keyed(one: NodeStatus, other: NodeStatus) -> None:
    for status in (one, other):
        assert [peer.security.security_status for peer in status.peers] == ["MKEY_EXCH_COMP"]
        assert path_states(status) == ["in-service"]
        assert alarms(status) == []
    assert key_ids(one) == key_ids(other)


def assert_well(outcome: Outcome) -> None:
    """Nothing was found, and nobody was restarted."""
    assert outcome.finding is None, "\n".join(outcome.trace)
    assert outcome.settled_in is not None
    assert dict(outcome.deaths) == {}
