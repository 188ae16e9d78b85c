"""Taking up changed plans and nothing else, and the status of one node in pages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.messages import AdoptPlans, GetNodeStatus, NodeStatus, PeerStatus
from actors.node_status import PAGE_BYTES, page_of
from peerkey.observe.alarms import Alarm, node_unplaced
from peerkey.protocol.peering import PeeringStatus
from runtime.errors import Undeliverable
from tests.support.fleet import SECOND, Fleet, eventually, uuid


async def test_only_a_changed_plan_has_its_node_read_its_certificate_again(tmp_path: Path) -> None:
    async with Fleet(tmp_path, routers=3) as fleet:
        await eventually(fleet.keyed)
        before = await fingerprints(fleet)
        for number in range(3):
            fleet.certify(number, fleet.ca.issue(uuid(number)))
        fleet.change(1, priority=3)

        assert await fleet.authority.ask(AdoptPlans(), 5 * SECOND) == ("r1/node0",)

        async def taken_up() -> bool:
            return (await fingerprints(fleet))[1] != before[1]

        await eventually(taken_up)
        assert [(await fingerprints(fleet))[number] for number in (0, 2)] == [before[0], before[2]]
        assert await fleet.authority.ask(AdoptPlans(), 5 * SECOND) == ()

        await fleet.reload()

        async def all_again() -> bool:
            return all(new != old for new, old in zip(await fingerprints(fleet), before, strict=True))

        await eventually(all_again)


async def test_nodes_that_are_new_start_and_those_that_are_gone_stop(tmp_path: Path) -> None:
    async with Fleet(tmp_path, routers=3) as fleet:
        await eventually(fleet.keyed)
        plans = list(fleet.plans)
        del fleet.plans[2]

        assert await fleet.authority.ask(AdoptPlans(), 5 * SECOND) == ("r2/node0",)
        assert [each.node for each in await fleet.status()] == ["r0/node0", "r1/node0"]
        with pytest.raises(Undeliverable, match="does not run here"):
            await fleet.authority.ask(GetNodeStatus("r2/node0"), 5 * SECOND)

        fleet.plans = plans
        assert await fleet.authority.ask(AdoptPlans(), 5 * SECOND) == ("r2/node0",)
        await eventually(fleet.keyed)


async def test_the_status_of_one_node_is_what_that_of_all_says(tmp_path: Path) -> None:
    async with Fleet(tmp_path) as fleet:
        await eventually(fleet.keyed)

        page = await fleet.authority.ask(GetNodeStatus("r1/node0"), 5 * SECOND)

        assert page.following is None
        assert page.status.certificate == (await fleet.status())[1].certificate
        assert [peer.peer for peer in page.status.peers] == ["r0/node0"]


@given(sizes=st.lists(st.integers(0, 60_000), max_size=60), alarms=st.integers(0, 400))
def test_pages_put_together_are_the_whole_and_none_is_too_large(sizes: list[int], alarms: int) -> None:
    whole = node(sizes, alarms)
    first: int | None = 0
    peers: list[PeerStatus] = []
    found: list[Alarm] = []
    while first is not None:
        page = page_of(whole, first)
        assert page.following is None or page.following > first
        first = page.following
        peers += page.status.peers
        found += page.status.alarms
        assert sum(len(peer.security.peer_chain[0]) for peer in page.status.peers) <= PAGE_BYTES

    assert replace(whole, peers=tuple(peers), alarms=tuple(found)) == whole
    assert page_of(whole, len(sizes) + alarms).status.peers == ()


# --- helpers ----------------------------------------------------------------------------------------


async def fingerprints(fleet: Fleet) -> list[str]:
    """Return those of the nodes' own certificates, in order."""
    return [each.certificate.fingerprint for each in await fleet.status() if each.certificate is not None]


def node(sizes: list[int], alarms: int) -> NodeStatus:
    """Return the status of a node whose peers have chains of such sizes, in bytes."""
    security = PeeringStatus(
        peer="p",
        security_status="MKEY_EXCH_COMP",
        algorithm="ml-kem-768",
        keys=(),
        key_index=1,
        peer_seals_with=1,
        certificate_received=True,
        certificate_acknowledged=True,
        key_received=True,
        key_acknowledged=True,
        key_changes=1,
        last_rekey=None,
        next_rekey_seconds=None,
        last_error="",
        peer_certificate_fault="",
    )
    return NodeStatus(
        node="r0/node0",
        uuid="u",
        enabled=True,
        certificate=None,
        peers=tuple(
            PeerStatus(f"p{number}", "u", replace(security, peer_chain=(b"0" * size,)), (), ())
            for number, size in enumerate(sizes)
        ),
        alarms=tuple(node_unplaced(f"n{number}", "why") for number in range(alarms)),
        rekey_interval_hours=None,
    )
