"""What must hold within one authority: unique names and identities, files, intervals, sockets."""

from __future__ import annotations

import pytest

from tests.config.sample import (
    BRANCH_UUID,
    FOREIGN,
    FOREIGN_UUID,
    HEAD,
    HUB_UUID,
    TEXT,
    edited,
    fault_of,
    faults_of,
    with_policy,
)

INTERFACES = "          network-interface:\n"
BRANCH_PEER = "        - name: branch\n          path:"


def test_the_sample_has_no_fault() -> None:
    assert not faults_of(TEXT)
    assert not faults_of(edited((BRANCH_PEER, FOREIGN + BRANCH_PEER)))


def test_two_nodes_never_have_one_uuid() -> None:
    fault = fault_of(edited((BRANCH_UUID, HUB_UUID)))
    assert fault.message == f"{HUB_UUID} is the node hub/node0 in line 10; every node has its own"


def test_a_foreign_node_never_has_the_uuid_of_one_of_ours() -> None:
    fault = fault_of(edited((BRANCH_PEER, FOREIGN.replace(FOREIGN_UUID, BRANCH_UUID) + BRANCH_PEER)))
    assert fault.path == "authority > router[hub] > peer[partner] > node[node0] > uuid"


def test_a_foreign_node_has_the_same_uuid_for_everyone() -> None:
    hub_peer = "        - name: hub\n          path:"
    other = FOREIGN.replace(FOREIGN_UUID, FOREIGN_UUID[:-1] + "0")
    assert not faults_of(edited((BRANCH_PEER, FOREIGN + BRANCH_PEER), (hub_peer, FOREIGN + hub_peer)))
    fault = fault_of(edited((BRANCH_PEER, FOREIGN + BRANCH_PEER), (hub_peer, other + hub_peer)))
    assert fault.path == "authority > router[branch] > peer[partner] > node[node0] > uuid"
    assert f"the node partner/node0 is {FOREIGN_UUID}" in fault.message


@pytest.mark.parametrize(
    ("old", "new", "setting"),
    [
        ("    - name: branch\n      peer-", "    - name: hub\n      peer-", "router[hub] > name"),
        ("[{name: root,", "[{name: root, file: b.pem}, {name: root,", "trusted-ca-certificate[root] > name"),
        (
            "{name: wan1, address: 10.1.0.1",
            "{name: wan0, address: 10.1.0.1",
            "network-interface[wan0] > name",
        ),
        (
            BRANCH_PEER,
            FOREIGN + FOREIGN.replace("192.0.2.7", "192.0.2.8") + BRANCH_PEER,
            "peer[partner] > name",
        ),
    ],
)
def test_a_name_belongs_to_one_thing(old: str, new: str, setting: str) -> None:
    faults = faults_of(edited((old, new)))
    assert any(each.path.endswith(setting) and "is given twice" in each.message for each in faults)


def test_an_alias_belongs_to_one_router() -> None:
    text = TEXT.replace("      peer-validation", "      peering-common-name: same\n      peer-validation")
    assert fault_of(text).path == "authority > router[branch] > peering-common-name"


def test_a_revocation_list_is_named_once() -> None:
    lists = "certificate-revocation: [{url: 'http://h/a'}, {url: 'http://h/a'}]"
    assert "is given twice" in fault_of(edited(("  router:", f"  {lists}\n  router:"))).message


@pytest.mark.parametrize("source", ["", ", file: ca.pem, content: '-----BEGIN CERTIFICATE-----'"])
def test_a_trusted_certificate_has_exactly_one_source(source: str) -> None:
    fault = fault_of(edited((", file: ca.pem", source)))
    assert fault.message == "needs exactly one of 'file' and 'content'"


def test_a_certificate_has_at_most_one_source() -> None:
    both = "          client-certificate: {file: a.pem, content: '-----BEGIN CERTIFICATE-----'}\n"
    assert fault_of(edited((INTERFACES, both + INTERFACES))).path.endswith("client-certificate > content")


@pytest.mark.parametrize("setting", ["client-certificate", "private-key"])
def test_certificates_and_keys_are_not_shared_between_nodes(setting: str) -> None:
    shared = f"          {setting}: {{file: same}}\n"
    text = TEXT.replace(INTERFACES, shared + INTERFACES)
    fault = fault_of(text)
    assert fault.path == f"authority > router[branch] > node[node0] > {setting} > file"
    assert "belongs to the node hub/node0" in fault.message


@pytest.mark.parametrize(
    ("key", "setting"),
    [
        ("pkcs11: {module: /lib/p11.so, token: t, label: base}", "pkcs11"),
        ("tpm: {name: base}", "tpm"),
    ],
)
def test_keys_in_hardware_are_not_shared_between_nodes_either(key: str, setting: str) -> None:
    fault = fault_of(TEXT.replace(INTERFACES, f"          private-key: {{{key}}}\n{INTERFACES}"))
    assert fault.path == f"authority > router[branch] > node[node0] > private-key > {setting}"
    assert "belongs to the node hub/node0" in fault.message


def test_a_private_key_is_in_one_place() -> None:
    both = "          private-key: {file: a.key, tpm: {name: a}}\n"
    fault = fault_of(edited((INTERFACES, both + INTERFACES)))
    assert fault.path.endswith("private-key > tpm")
    assert fault.message == "'file' is given too; a private key is in one place"


def test_one_file_may_hold_both_the_certificate_and_the_key_of_a_node() -> None:
    both = "          client-certificate: {file: hub.pem}\n          private-key: {file: hub.pem}\n"
    assert not faults_of(edited((INTERFACES, both + INTERFACES)))


def test_default_files_that_collide_are_a_fault_at_the_node() -> None:
    """``a-b`` with a node ``c``, and ``a`` with a node ``b-c``."""
    first = f"{{name: a-b, node: [{{name: c, uuid: {HUB_UUID}}}]}}"
    second = f"{{name: a, node: [{{name: b-c, uuid: {BRANCH_UUID}}}]}}"
    faults = faults_of(f"{HEAD}  router: [{first}, {second}]\n")
    assert {each.path for each in faults} == {"authority > router[a] > node[b-c]"}
    assert sorted(each.message for each in faults) == [
        f"'a-b-c.{kind}' belongs to the node a-b/c; certificates and keys are not shared"
        for kind in ("key", "pem")
    ]


@pytest.mark.parametrize(
    ("policy", "is_good"),
    [
        ("peer-key-timeout: 60", True),
        ("peer-key-timeout: 59", False),
        ("peer-key-retransmit-interval: 1800", True),
        ("peer-key-retransmit-interval: 1801", False),
        ("peer-key-retransmit-interval: 5\npeer-key-timeout: 10", True),
        ("peer-key-retransmit-interval: 5\npeer-key-timeout: 9", False),
    ],
)
def test_the_time_out_leaves_room_for_a_retransmission(policy: str, *, is_good: bool) -> None:
    if is_good:
        assert not faults_of(with_policy(policy))
    else:
        assert "leave no room for an answer" in fault_of(with_policy(policy)).message


def test_the_time_out_is_not_compared_with_an_interval_that_could_not_be_read() -> None:
    fault = fault_of(with_policy("peer-key-retransmit-interval: x\npeer-key-timeout: 20"))
    assert fault.path.endswith("peer-key-retransmit-interval")


@pytest.mark.parametrize(
    ("inner", "outer", "is_good"),
    [(2048, 2048, True), (4096, 2048, False)],
)
def test_a_size_is_not_given_twice_with_two_values(inner: int, outer: int, *, is_good: bool) -> None:
    chosen = f"key-exchange-algorithm: {{diffie-hellman: {{dh-key-size: {inner}}}}}"
    general = f"diffie-hellman: {{dh-key-size: {outer}}}"
    assert bool(faults_of(with_policy(f"{chosen}\n{general}"))) != is_good


def test_an_ml_kem_size_is_not_given_twice_with_two_values() -> None:
    policy = "key-exchange-algorithm: {ml-kem: {ml-kem-key-size: 512}}\nml-kem: {ml-kem-key-size: 768}"
    assert "the key size of ml-kem is 512 here and 768" in fault_of(with_policy(policy)).message


def test_validation_needs_somebody_to_trust() -> None:
    faults = faults_of(edited(("  trusted-ca-certificate: [{name: root, file: ca.pem}]\n", "")))
    assert [each.path.rpartition(" > ")[2] for each in faults] == ["peer-validation"] * 2


@pytest.mark.parametrize(
    ("first", "second", "collide"),
    [
        ("address: 10.0.0.1", "address: 10.0.0.1", True),
        ("address: 10.0.0.1", "address: 10.0.0.1, port: 1281", False),
        ("address: 10.0.0.1", "address: 10.0.0.9", False),
        ("address: 10.0.0.1", "address: 0.0.0.0", True),
        ("address: 0.0.0.0", "address: 10.0.0.1", True),
        ("address: 0.0.0.0", "address: '::'", False),
        ("address: '2001:db8::1'", "address: '2001:DB8::1'", True),
        ("address: '2001:db8::1'", "address: '::'", True),
    ],
)
def test_two_interfaces_of_a_node_never_want_one_socket(first: str, second: str, *, collide: bool) -> None:
    lonely = TEXT[: TEXT.index("            - {name: wan1")] + f"            - {{name: wan1, {second}}}\n"
    faults = faults_of(edited(("address: 10.0.0.1", first), text=lonely))
    assert [each.message.partition(" ")[2] for each in faults] == [
        "collides with the interface wan0; change address or port"
    ] * collide


def test_ipv6_needs_what_every_ipv6_link_carries() -> None:
    lonely = TEXT[: TEXT.index("            - {name: wan1")]
    assert not faults_of(edited(("address: 10.0.0.1", "address: 10.0.0.1, mtu: 576"), text=lonely))
    fault = fault_of(edited(("address: 10.0.0.1", "address: '::1', mtu: 1279"), text=lonely))
    assert fault.message == "1279 is too small for IPv6; allowed: 1280 to 9216 bytes"
