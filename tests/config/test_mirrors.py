"""What the two ends of a peering owe each other."""

from __future__ import annotations

import pytest

from tests.config.sample import BRANCH, FOREIGN, HUB, TEXT, edited, fault_of, faults_of

PEER = "authority > router[hub] > peer[branch]"
BRANCH_PEER = "        - name: branch\n          path:"
HUB_PEER = "        - name: hub\n          path:"
FOREIGN_TEXT = edited((BRANCH_PEER, FOREIGN + BRANCH_PEER))


def test_a_peer_that_is_nowhere_is_answered_with_the_nearest_router() -> None:
    faults = faults_of(edited((BRANCH_PEER, BRANCH_PEER.replace("branch", "brunch"))))
    assert [each.path for each in faults] == ["authority > router[hub] > peer[brunch] > name", HUB_SIDE]
    assert faults[0].message.endswith("did you mean 'branch'?")


def test_a_router_is_no_peer_of_itself() -> None:
    assert any(
        each.message == "a router is no peer of itself"
        for each in faults_of(TEXT.replace("name: branch", "name: hub"))
    )


def test_both_routers_have_to_name_each_other() -> None:
    lonely = edited((BRANCH[BRANCH.index("      peer:\n") :], ""), text=TEXT)
    fault = fault_of(lonely)
    assert fault.message == "the router branch has no peer hub; a peering needs both entries"


def test_a_path_without_its_mirror_comes_with_the_text_that_is_missing() -> None:
    lines = BRANCH.splitlines(keepends=True)
    fault = fault_of(edited((BRANCH, "".join(lines[:-1]))))
    assert fault.path == f"{PEER} > path[2]"
    assert fault.message.endswith(
        "it would be {node: node0, network-interface: wan1, peer-node: node0, peer-network-interface: wan1}"
    )


def test_crossed_paths_are_two_faults_on_either_side() -> None:
    crossed = BRANCH.replace("peer-network-interface: wan0}", "peer-network-interface: X}")
    crossed = crossed.replace("peer-network-interface: wan1}", "peer-network-interface: wan0}").replace(
        "X", "wan1"
    )
    faults = faults_of(edited((BRANCH, crossed)))
    assert [each.path for each in faults] == [
        f"{PEER} > path[1]",
        f"{PEER} > path[2]",
        "authority > router[branch] > peer[hub] > path[1]",
        "authority > router[branch] > peer[hub] > path[2]",
    ]


@pytest.mark.parametrize(
    ("old", "new", "path", "message"),
    [
        ("{node: node0, network", "{node: node1, network", "node",
         "'node1' is not a node of hub; did you mean 'node0'?"),
        ("network-interface: wan0, peer", "network-interface: wan, peer", "network-interface",
         "'wan' is not a network-interface of hub/node0; did you mean 'wan1'?"),
        ("peer-node: node0", "peer-node: a", "peer-node", "'a' is not a node of branch; there is node0"),
        ("peer-network-interface: wan0", "peer-network-interface: lte", "peer-network-interface",
         "'lte' is not a network-interface of branch/node0; there is wan0, wan1"),
    ],
)  # fmt: skip
def test_a_path_leads_from_and_to_something_that_exists(old: str, new: str, path: str, message: str) -> None:
    faults = faults_of(edited((old, new)))
    assert [(each.path, each.message) for each in faults] == [(f"{PEER} > path[1] > {path}", message)]


def test_a_path_to_a_router_of_the_file_names_its_interface() -> None:
    faults = faults_of(edited((", peer-network-interface: wan0}", "}")))
    assert faults[0].message == "'peer-network-interface' is missing: where the path ends at branch"


def test_a_path_to_a_foreign_router_needs_an_address() -> None:
    fault = fault_of(edited((", peer-address: 192.0.2.7", ""), text=FOREIGN_TEXT))
    assert fault.message == "'peer-address' is missing: where the foreign peer is to be reached"


def test_a_path_to_a_foreign_router_names_no_interface() -> None:
    fault = fault_of(
        edited(("peer-address: 192", "peer-network-interface: wan0, peer-address: 192"), text=FOREIGN_TEXT)
    )
    assert fault.path == "authority > router[hub] > peer[partner] > path[1] > peer-network-interface"


def test_a_path_to_a_foreign_router_ends_at_a_node_that_is_listed() -> None:
    fault = fault_of(
        edited(("peer-node: node0, peer-address", "peer-node: node7, peer-address"), text=FOREIGN_TEXT)
    )
    assert fault.message == "'node7' is not a node of partner; did you mean 'node0'?"


def test_the_nodes_of_a_router_of_the_file_are_not_listed_again() -> None:
    twice = BRANCH_PEER.replace(
        "path:", "node: [{name: x, uuid: 0d5a5f0b-3a52-4f0f-b3a1-5a2f3a8c7e11}]\n          path:"
    )
    fault = fault_of(edited((BRANCH_PEER, twice)))
    assert fault.path == f"{PEER} > node"


def test_an_alias_is_the_one_that_the_peer_has() -> None:
    aliased = BRANCH_PEER.replace("path:", "peering-common-name: b-1\n          path:")
    fault = fault_of(edited((BRANCH_PEER, aliased)))
    assert fault.message == "the peering-common-name of the router branch is none"
    named = (
        "    - name: branch\n      peer-",
        "    - name: branch\n      peering-common-name: b-1\n      peer-",
    )
    assert not faults_of(edited((BRANCH_PEER, aliased), named))


@pytest.mark.parametrize(
    ("local", "peer", "message"),
    [
        (
            "10.0.0.1",
            "'2001:db8::2'",
            "2001:db8::2 cannot be reached from 10.0.0.1: one is IPv4, the other IPv6",
        ),
        ("'2001:db8::1'", "'::'", ":: is no address to send to; give the path a peer-address"),
    ],
)
def test_a_path_leads_to_an_address_that_can_be_reached(local: str, peer: str, message: str) -> None:
    faults = faults_of(
        edited(("address: 10.0.0.1", f"address: {local}"), ("address: 10.0.0.2", f"address: {peer}"))
    )
    assert faults[0].message == message


def test_an_address_of_its_own_heals_a_path_to_an_unknown_address() -> None:
    """A branch on DHCP listens on 0.0.0.0; the hub is told where to find it."""
    text = edited(
        ("address: 10.0.0.2", "address: 0.0.0.0"),
        ("peer-network-interface: wan0}", "peer-network-interface: wan0, peer-address: 198.51.100.4}"),
    )
    assert not faults_of(text)


def test_two_paths_never_lead_from_one_interface_to_one_endpoint() -> None:
    second = FOREIGN.replace("partner", "another").replace("0d5a", "1d5a")
    fault = fault_of(edited((BRANCH_PEER, second + BRANCH_PEER), text=FOREIGN_TEXT))
    assert "leads from node0/wan0 to 192.0.2.7:1280 too" in fault.message
    moved = second.replace("192.0.2.7", "192.0.2.7, peer-port: 1281")
    assert not faults_of(edited((BRANCH_PEER, moved + BRANCH_PEER), text=FOREIGN_TEXT))


def test_two_different_overrides_of_the_routers_are_a_fault_that_names_both_results() -> None:
    text = edited(
        ("    - name: hub\n", "    - name: hub\n      key-exchange-algorithm-override: ml-kem\n"),
        ("    - name: branch\n      peer-",
         "    - name: branch\n      key-exchange-algorithm-override: diffie-hellman-ml-kem\n      peer-"),
    )  # fmt: skip
    fault = fault_of(text)
    assert fault.path == PEER
    assert "hub would use diffie-hellman-2048-ml-kem-768 and branch ml-kem-768" in fault.message
    same = "key-exchange-algorithm-override: ml-kem\n          path:"
    healed = text.replace(BRANCH_PEER, BRANCH_PEER.replace("path:", same))
    assert not faults_of(healed.replace(HUB_PEER, HUB_PEER.replace("path:", same)))


def test_an_override_that_is_not_copied_is_a_fault_until_it_is_mirrored() -> None:
    text = edited(
        ("    - name: branch\n      peer-",
         "    - name: branch\n      key-exchange-algorithm-override: ml-kem\n      peer-"),
        (BRANCH_PEER, BRANCH_PEER.replace("path:", "generated: false\n          path:")),
    )  # fmt: skip
    assert "hub would use diffie-hellman-2048 and branch ml-kem-768" in fault_of(text).message
    mirrored = "generated: false\n          key-exchange-algorithm-override: ml-kem"
    assert not faults_of(edited(("generated: false", mirrored), text=text))


def test_a_priority_that_is_not_copied_is_a_fault_until_it_is_mirrored() -> None:
    text = edited(
        (
            "    - name: branch\n      peer-",
            "    - name: branch\n      ml-kem-keygen-priority: 10\n      peer-",
        ),
        (BRANCH_PEER, BRANCH_PEER.replace("path:", "generated: false\n          path:")),
    )
    assert "the priority of branch is 0 here and 10 at the router itself" in fault_of(text).message
    mirrored = "generated: false\n          ml-kem-keygen-priority: 10"
    assert not faults_of(edited(("generated: false", mirrored), text=text))


def test_a_foreign_peer_without_nodes_is_one_fault() -> None:
    text = edited(
        ("          node: [{name: node0, uuid: 0d5a5f0b-3a52-4f0f-b3a1-5a2f3a8c7e11}]\n", ""),
        text=FOREIGN_TEXT,
    )
    assert fault_of(text).path == "authority > router[hub] > peer[partner] > name"


def test_the_order_of_the_routers_does_not_matter() -> None:
    hub = HUB.removeprefix("  router:\n")
    assert not faults_of(edited((HUB + BRANCH, "  router:\n" + BRANCH + hub)))


HUB_SIDE = "authority > router[branch] > peer[hub] > name"
