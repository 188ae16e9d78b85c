"""``ha-sync``: both nodes of a router have it or neither, and each its own key."""

from __future__ import annotations

from uuid import UUID

import pytest

from peerkey.config.load import load
from peerkey.config.plan import Endpoint, HaPlan, NodePlan
from peerkey.config.planning import plans
from tests.config.sample import BRANCH, HEAD, HUB, HUB_UUID, TEXT, fault_of, faults_of

SECOND_UUID = "7f0c9d1e-5b7a-4c2d-8e3f-0a1b2c3d4e5f"
FIRST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"
SECOND_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC"
SYNC = "          ha-sync: {{address: 10.9.0.{place}, public-key: '{key}'}}\n"
FIRST = SYNC.format(place=1, key=f"{FIRST_KEY} hub/node0")
SECOND = SYNC.format(place=2, key=SECOND_KEY)
PAIR = HEAD + HUB.replace(
    "      peer:\n", f"{FIRST}        - name: node1\n          uuid: {SECOND_UUID}\n{SECOND}      peer:\n"
) + BRANCH  # fmt: skip
ROUTER = "authority > router[hub]"


def test_the_nodes_of_a_pair_know_each_other() -> None:
    first, second = plans_of(PAIR)[:2]
    assert first.ha == HaPlan(
        mate="node1",
        mate_uuid=UUID(SECOND_UUID),
        local=Endpoint("10.9.0.1", 1280),
        remote=Endpoint("10.9.0.2", 1280),
        public_key=FIRST_KEY,
        mate_public_key=SECOND_KEY,
        key_file="/etc/hub-node0.ha.key",
        listens=False,
    )
    assert second.ha is not None
    assert second.ha.listens
    assert (second.ha.mate_uuid, second.ha.local) == (UUID(HUB_UUID), Endpoint("10.9.0.2", 1280))


def test_a_router_without_ha_sync_has_no_pair() -> None:
    assert all(plan.ha is None for plan in plans_of(TEXT))


def test_a_node_without_the_ha_sync_of_the_other_is_named() -> None:
    fault = fault_of(PAIR.replace(SECOND, ""))
    assert fault.path == f"{ROUTER} > node[node1]"
    assert fault.message == "has no ha-sync, which node0 has in line 14; both nodes have it, or neither"


def test_a_single_node_has_nobody_to_meet() -> None:
    fault = fault_of(HEAD + HUB.replace("      peer:\n", f"{FIRST}      peer:\n") + BRANCH)
    assert (fault.path, fault.message) == (
        f"{ROUTER} > node[node0] > ha-sync",
        "needs a second node; the router has one",
    )


@pytest.mark.parametrize(
    ("old", "new", "setting", "words"),
    [
        (SECOND_KEY, FIRST_KEY, "public-key", "is that of the other node, in line 14"),
        ("10.9.0.2", "10.9.0.1", "address", "is that of the other node, in line 14"),
        ("10.9.0.2", "0.0.0.0", "address", "no address that the other node could connect to"),  # noqa: S104
        (SECOND_KEY, SECOND_KEY[:-4], "public-key", "is not an Ed25519 public key; it was cut or changed"),
        (SECOND_KEY, "ssh-rsa AAAA", "public-key", "as `peerkey create ha-key` prints it"),
        (
            f"'{SECOND_KEY}'",
            f"'{SECOND_KEY}', private-key-file: hub-node0.ha.key",
            "private-key-file",
            "belongs to the node hub/node0",
        ),
    ],
)
def test_what_is_wrong_is_said_at_its_line(old: str, new: str, setting: str, words: str) -> None:
    faults = faults_of(PAIR.replace(old, new))
    assert [fault.path for fault in faults] == [f"{ROUTER} > node[node1] > ha-sync > {setting}"]
    assert words in faults[0].message
    assert faults[0].line == 17


# --- helpers --------------------------------------------------------------------------------------


def plans_of(text: str) -> tuple[NodePlan, ...]:
    return plans(load(text, "sample").authority, "/etc")
