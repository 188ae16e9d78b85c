"""What one node has to do, as the rest of peerkey sees it."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerkey.config.plan import Endpoint, NodePlan, PeeringPlan, ValidationMode
from peerkey.config.planning import plan_for, plans
from tests.config.sample import (
    BRANCH_UUID,
    FOREIGN,
    FOREIGN_UUID,
    HEAD,
    HUB_UUID,
    TEXT,
    authority,
    edited,
    with_policy,
)

BRANCH_PEER = "        - name: branch\n          path:"
HUB_PEER = "        - name: hub\n          path:"
INTERFACE = "{name: wan0, address: 10.0.0.3}"
ROUTER = "    - name: {}\n      peer-"


def test_a_node_learns_who_it_is_whom_it_trusts_and_with_whom_it_shares_keys() -> None:
    hub = plan_for(authority(), "hub", "node0", "/etc/peerkey")
    assert (hub.name, hub.authority, hub.uuid, hub.enabled, hub.peer_validation) == (
        "hub/node0", "example", UUID(HUB_UUID), True, True,
    )  # fmt: skip
    assert [(each.name, each.file, each.validation_mode) for each in hub.trusted] == [
        ("root", "/etc/peerkey/ca.pem", ValidationMode.STRICT)
    ]
    assert (hub.certificate.file, hub.key_file) == (
        "/etc/peerkey/hub-node0.pem",
        "/etc/peerkey/hub-node0.key",
    )
    assert [(each.name, str(each.local), each.mtu) for each in hub.interfaces] == [
        ("wan0", "10.0.0.1:1280", 1280),
        ("wan1", "10.1.0.1:4000", 1500),
    ]
    (peering,) = hub.peerings
    assert (peering.peer_router, peering.peer_node, peering.peer_uuid) == (
        "branch",
        "node0",
        UUID(BRANCH_UUID),
    )
    assert [(each.name, each.interface, each.local, each.peer, each.mtu) for each in peering.paths] == [
        (
            "wan0>branch/node0@10.0.0.2:1280",
            "wan0",
            Endpoint("10.0.0.1", 1280),
            Endpoint("10.0.0.2", 1280),
            1280,
        ),
        (
            "wan1>branch/node0@10.1.0.2:4001",
            "wan1",
            Endpoint("10.1.0.1", 4000),
            Endpoint("10.1.0.2", 4001),
            1400,
        ),
    ]


def test_a_foreign_peer_is_known_by_its_entry_alone() -> None:
    foreign = FOREIGN.replace("peering-common", "ml-kem-keygen-priority: 7\n          peering-common")
    hub = plans(authority(edited((BRANCH_PEER, foreign + BRANCH_PEER))))[0]
    partner = hub.peerings[0]
    assert (partner.peer_uuid, partner.alias, partner.peer_priority) == (UUID(FOREIGN_UUID), "partner-1", 7)
    (path,) = partner.paths
    assert (path.peer, path.mtu) == (Endpoint("192.0.2.7", 1280), 1280)


def test_an_address_of_the_path_comes_before_the_one_of_the_interface() -> None:
    text = edited(
        ("peer-network-interface: wan0}", "peer-network-interface: wan0, peer-address: 198.51.100.4}")
    )
    hub, branch = plans(authority(text))
    assert hub.peerings[0].paths[0].peer == Endpoint("198.51.100.4", 1280)
    assert branch.peerings[0].paths[0].peer == Endpoint("10.0.0.1", 1280)


@pytest.mark.parametrize(
    ("hub", "branch", "entry", "name"),
    [
        ("", "", "", "diffie-hellman-4096"),
        ("ml-kem", "", "", "ml-kem-512"),
        ("", "ml-kem", "", "ml-kem-512"),
        ("ml-kem", "ml-kem", "", "ml-kem-512"),
        ("", "", "ml-kem", "ml-kem-512"),
        ("ml-kem", "diffie-hellman", "diffie-hellman-ml-kem", "diffie-hellman-4096-ml-kem-512"),
        ("", "", "{ml-kem: {ml-kem-key-size: 1024}}", "ml-kem-1024"),
        ("{diffie-hellman: {dh-key-size: 1024}}", "", "", "diffie-hellman-1024"),
        ("{diffie-hellman-ml-kem: {dh-key-size: 2048}}", "", "", "diffie-hellman-2048-ml-kem-512"),
    ],
)
def test_an_override_decides_in_the_order_peer_router_authority(
    hub: str, branch: str, entry: str, name: str
) -> None:
    """ "Override precedence: (1) router/peer override; (2) local router override; (3) authority value." """
    text = with_policy("diffie-hellman: {diffie-hellman-key-size: 4096}\nml-kem: {ml-kem-key-size: 512}")
    for router, override in (("hub", hub), ("branch", branch)):
        if override:
            old = ROUTER.format(router)
            text = edited(
                (old, old.replace("peer-", f"key-exchange-algorithm-override: {override}\n      peer-")),
                text=text,
            )
    if entry:
        for old in (BRANCH_PEER, HUB_PEER):
            new = old.replace("path:", f"key-exchange-algorithm-override: {entry}\n          path:")
            text = edited((old, new), text=text)
    assert {each.peerings[0].algorithm_name for each in plans(authority(text))} == {name}


def test_a_priority_is_known_at_both_ends() -> None:
    old = ROUTER.format("branch")
    text = edited((old, old.replace("peer-", "ml-kem-keygen-priority: 10\n      peer-")))
    hub, branch = plans(authority(text))
    assert (hub.priority, hub.peerings[0].local_priority, hub.peerings[0].peer_priority) == (0, 0, 10)
    assert (branch.priority, branch.peerings[0].local_priority, branch.peerings[0].peer_priority) == (
        10,
        10,
        0,
    )


def test_the_two_nodes_of_an_ha_router_have_their_own_peerings() -> None:
    second = f"        - {{name: node1, uuid: {FOREIGN_UUID}, network-interface: [{INTERFACE}]}}\n"
    path = "            - {node: %s, network-interface: wan0, peer-node: %s, peer-network-interface: wan0}\n"
    text = edited(
        ("      peer:\n        - name: branch", f"{second}      peer:\n        - name: branch"),
        (BRANCH_PEER + "\n", BRANCH_PEER + "\n" + path % ("node1", "node0")),
        (HUB_PEER + "\n", HUB_PEER + "\n" + path % ("node0", "node1")),
    )
    first, mate, branch = plans(authority(text))
    assert (len(first.peerings), len(mate.peerings)) == (1, 1)
    assert [(each.peer_node, len(each.paths)) for each in branch.peerings] == [("node1", 1), ("node0", 2)]
    assert mate.certificate.file == "hub-node1.pem"


def test_files_and_content_are_kept_as_written() -> None:
    pem = "-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----"
    text = edited(
        ("file: ca.pem", f'content: "{pem}", validation-mode: warn'),
        (
            "          network-interface",
            "          client-certificate: {name: new, file: /abs/hub.pem}\n          network-interface",
        ),
        (
            "          network-interface",
            "          private-key: {file: ../hub.key}\n          network-interface",
        ),
    )
    hub = plans(authority(text), "conf")[0]
    assert (hub.certificate.name, hub.certificate.file, hub.key_file) == (
        "new",
        "/abs/hub.pem",
        "conf/../hub.key",
    )
    assert (hub.trusted[0].file, hub.trusted[0].validation_mode) == (None, ValidationMode.WARN)
    assert (hub.trusted[0].content or "").startswith("-----BEGIN")


def test_plans_compare_by_value_so_that_a_reload_sees_what_changed() -> None:
    before = plans(authority())
    assert before == plans(authority("# a comment\n" + TEXT))
    after = plans(authority(edited(("10.0.0.2}", "10.0.0.9}"))))
    assert before[0] != after[0]
    assert hash(before[0]) == hash(plans(authority())[0])


def test_a_plan_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        plans(authority())[0].enabled = False  # type: ignore[misc]


def test_there_is_no_plan_for_a_node_that_does_not_exist() -> None:
    with pytest.raises(KeyError, match="hub/node7"):
        plan_for(authority(), "hub", "node7")


@given(st.data())
def test_the_plans_of_a_whole_fleet_mirror_each_other(data: st.DataObject) -> None:
    """Every path has one that leads back; both ends know the same algorithm, priorities and identities."""
    everyone = plans(authority(fleet(data)))
    for plan in everyone:
        names = [path.name for peering in plan.peerings for path in peering.paths]
        assert len(names) == len(set(names))
        for peering in plan.peerings:
            back = opposite(plan, peering, everyone)
            assert back.peer_uuid == plan.uuid
            assert back.algorithm_name == peering.algorithm_name
            assert (back.local_priority, back.peer_priority) == (
                peering.peer_priority,
                peering.local_priority,
            )
            assert {(path.local, path.peer, path.mtu) for path in peering.paths} == {
                (path.peer, path.local, path.mtu) for path in back.paths
            }


def opposite(plan: NodePlan, peering: PeeringPlan, everyone: tuple[NodePlan, ...]) -> PeeringPlan:
    """Return the same peering from the other chair."""
    (other,) = [each for each in everyone if each.name == f"{peering.peer_router}/{peering.peer_node}"]
    (back,) = [
        each for each in other.peerings if (each.peer_router, each.peer_node) == (plan.router, plan.node)
    ]
    return back


def fleet(data: st.DataObject) -> str:
    """Return the text of a fleet of two to five routers with drawn peerings, overrides and priorities."""
    count = data.draw(st.integers(2, 5))
    pairs = [(a, b) for a in range(count) for b in range(a + 1, count)]
    linked = data.draw(st.lists(st.sampled_from(pairs), min_size=1, unique=True))
    general = data.draw(st.sampled_from(["", "ml-kem", "diffie-hellman-ml-kem"]))
    lines = [HEAD]
    if general:
        lines.append(f"  security-key-management: {{key-exchange-algorithm: {general}}}\n")
    lines.append("  router:\n")
    override_at = data.draw(st.integers(0, count))
    for me in range(count):
        lines.append(
            f"    - name: r{me}\n      ml-kem-keygen-priority: {data.draw(st.integers(0, 2**32 - 1))}\n"
        )
        if me == override_at:
            lines.append("      key-exchange-algorithm-override: {diffie-hellman: {dh-key-size: 4096}}\n")
        ports = [
            f"{{name: i{n}, address: 10.0.{n}.{me}, mtu: {data.draw(st.integers(576, 9216))}}}"
            for n in range(2)
        ]
        uuid = f"6f0c9d1e-5b7a-4c2d-8e3f-0a1b2c3d4e{me:02}"
        lines.append(f"      node: [{{name: n0, uuid: {uuid}, network-interface: [{', '.join(ports)}]}}]\n")
        peers = [b if a == me else a for a, b in linked if me in (a, b)]
        lines.append("      peer:\n" if peers else "")
        for peer in peers:
            paths = [
                f"{{node: n0, network-interface: i{n}, peer-node: n0, peer-network-interface: i{n}}}"
                for n in range(1 + (me + peer) % 2)
            ]
            lines.append(f"        - {{name: r{peer}, path: [{', '.join(paths)}]}}\n")
    return "".join(lines)
