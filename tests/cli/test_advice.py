"""What is said of a peering that is not as it should be: the nearest cause, and the next step."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from actors.messages import CertificateStatus, DrainedNode, NodeStatus, PathStatus, PeerStatus
from peerkey.pki.faults import Fault
from peerkey.protocol.messages import Reason
from peerkey.protocol.peering import PeeringStatus
from peerkey.testing.ca import TestCA
from peerkey_cli import advice
from peerkey_cli.advice import NOTHING

NOW = datetime(2030, 6, 15, 12, 0, 0, tzinfo=UTC)
GOOD = CertificateStatus("CN=east", "CN=lab", "", "", "", "valid", "")


def test_of_a_peering_that_is_in_order_nothing_is_said() -> None:
    assert advice.of_peering(node(), peer(), NOW) == NOTHING


def test_key_management_that_is_off_is_the_first_cause() -> None:
    found = advice.of_peering(replace(node(), enabled=False), peer(error="pinned: x", up=False), NOW)

    assert found.fault == "key management is disabled here"


def test_of_a_drained_node_the_configuration_is_not_blamed() -> None:
    out = DrainedNode("east/node0", "drained", "2030-06-15T11:00:00.000Z")

    found = advice.of_peering(replace(node(), enabled=False, drained=out), peer(up=False), NOW)

    assert found.fault == "this node is drained"
    assert "`peerkey drain --undo --node east/node0`" in found.step


def test_the_own_certificate_comes_before_the_peers() -> None:
    bad = replace(GOOD, state="revoked", detail="revoked: since yesterday")

    found = advice.of_peering(node(bad), peer(fault="expired: it ended", up=False), NOW)

    assert found.fault == "certificate of this node: revoked: since yesterday"


def test_a_node_without_a_certificate_is_told_how_to_get_one() -> None:
    nothing = replace(node(), certificate=None)

    assert advice.of_peering(nothing, peer(up=False), NOW).fault == "this node has no certificate"
    assert "`peerkey enroll`" in advice.of_certificate(nothing, NOW)


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_of_a_certificate_has_a_step_at_all_three_places(fault: Fault) -> None:
    detail = f"{fault}: what was found"
    own = node(replace(GOOD, state="invalid", detail=detail))

    assert advice.of_certificate(own, NOW)
    assert advice.of_peering(node(), peer(fault=detail), NOW).step
    told = advice.of_peering(node(), peer(error=detail, up=False), NOW)
    assert told.fault == f"the peer refuses the certificate of this node: {detail}"
    assert told.step


@pytest.mark.parametrize("fault", [Fault.EXPIRED, Fault.NOT_YET_VALID])
def test_where_a_date_decides_the_clock_here_is_named(fault: Fault) -> None:
    for each in (peer(fault=f"{fault}: x"), peer(error=f"{fault}: x", up=False)):
        assert "2030-06-15 12:00:00Z" in advice.of_peering(node(), each, NOW).step


@pytest.mark.parametrize("reason", Reason)
def test_a_cause_that_passes_by_itself_is_none(reason: Reason) -> None:
    passing = {Reason.STALE, Reason.BUSY, Reason.UNKNOWN_EXCHANGE, Reason.CERTIFICATE_CHANGED}
    error = f"{reason}: what was said"

    found = advice.of_peering(node(), peer(error=error, up=False), NOW)

    assert (found.fault == error) is (reason not in passing)
    assert ("see whether `peerkey run` runs on the peer" in found.step) is (reason in passing)


def test_an_error_that_is_overcome_is_no_cause_while_the_paths_are_in_service() -> None:
    assert advice.of_peering(node(), peer(error="algorithm-mismatch: a and b"), NOW) == NOTHING


def test_another_algorithm_does_not_take_a_path_out_of_service_whose_key_is_in_use() -> None:
    differs = peer(error="algorithm-mismatch: a and b", up=False)
    keyed = replace(differs, security=replace(differs.security, key_index=7))

    assert advice.of_peering(node(), differs, NOW).fault == "algorithm-mismatch: a and b"
    assert advice.of_peering(node(), keyed, NOW).fault.startswith("path by wan0: ")


def test_a_pin_is_released_by_the_name_of_the_peer() -> None:
    found = advice.of_peering(node(), peer(error="pinned: another", up=False), NOW)

    assert "`peerkey release-pin --peer west/node0`" in found.step


def test_a_path_is_explained_by_what_was_said_on_it() -> None:
    said = advice.of_peering(node(), peer(up=False, reason="wrong-sender: another one"), NOW)
    silent = advice.of_peering(node(), peer(up=False, reason=""), NOW)
    down = advice.of_peering(node(), peer(state="down", reason="the interface is down"), NOW)

    assert said.fault == "path by wan0: wrong-sender: another one"
    assert "compare peer-address" in said.step
    assert silent.fault == "path by wan0: nothing has come from the peer yet"
    assert "from 192.0.2.1:1280 to 192.0.2.7:1280" in silent.step
    assert down.step == "see why no interface that is up has the address 192.0.2.1"


@pytest.mark.parametrize(
    ("left", "told"), [(31, ""), (29, "in 29 days"), (1, "in 1 day:"), (-1, "ended 2030-06-14")], ids=str
)
def test_an_end_within_a_month_is_no_fault_and_has_a_step(left: int, told: str) -> None:
    ends = NOW + timedelta(days=left)
    chain = TestCA(now=NOW - timedelta(days=9)).issue(UUID(int=7), not_after=ends).chain

    found = advice.of_peering(node(), peer(chain=chain), NOW)
    own = advice.of_certificate(node(replace(GOOD, chain=chain)), NOW)

    assert found.fault == ""
    assert told in found.step
    assert bool(found.step) is bool(own) is (left < 30)


def test_a_certificate_that_cannot_be_read_ends_nowhere() -> None:
    assert advice.of_peering(node(), peer(chain=(b"nonsense",)), NOW) == NOTHING


# --- helpers --------------------------------------------------------------------------------------


def node(certificate: CertificateStatus = GOOD) -> NodeStatus:
    return NodeStatus(
        "east/node0",
        "u",
        enabled=True,
        certificate=certificate,
        peers=(),
        alarms=(),
        rekey_interval_hours=24.0,
    )


def peer(
    *,
    up: bool = True,
    state: str = "",
    reason: str = "a probe was answered",
    error: str = "",
    fault: str = "",
    chain: tuple[bytes, ...] = (),
) -> PeerStatus:
    state = state or ("in-service" if up else "invalid")
    security = PeeringStatus(
        peer="west/node0",
        security_status="",
        algorithm="ml-kem-768",
        keys=(),
        key_index=None,
        peer_seals_with=0,
        certificate_received=True,
        certificate_acknowledged=True,
        key_received=True,
        key_acknowledged=True,
        key_changes=0,
        last_rekey=None,
        next_rekey_seconds=None,
        last_error=error,
        peer_certificate_fault=fault,
        peer_chain=chain,
    )
    path = PathStatus(
        "wan0>west/node0@192.0.2.7:1280", state, reason, "192.0.2.1:1280", "192.0.2.7:1280", 1500
    )
    return PeerStatus("west/node0", "v", security, (path,), ())
