"""What an operator reads: file, line, path, value, range, and the nearest name, all faults at once."""

from __future__ import annotations

import pytest

from peerkey.config import findings
from peerkey.config.findings import ConfigurationFaults, Finding
from peerkey.config.load import load
from tests.config.sample import HEAD, HUB_UUID, TEXT, edited, fault_of, faults_of, with_policy, with_top


def test_a_fault_is_a_line_with_place_path_value_and_range() -> None:
    text = with_policy("peer-key-rekey-interval: 721")
    assert str(fault_of(text)) == (
        "a.yaml:6:30: authority > security-key-management > peer-key-rekey-interval: "
        "721 is out of range; allowed: 0 to 720 hours or never (default 24)"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (with_policy("path-probe-interval: 1 h"),
         "'1 h' is not a whole number; allowed: 0 to 86400 seconds (default 0)"),
        (with_policy("ml-kem: {ml-kem-key-size: 700}"),
         "700 is not accepted; allowed: 512, 768, 1024 (default 768)"),
        (with_policy("invalid-certificate-behavior: fail-hrad"),
         ("'fail-hrad' is not accepted; allowed: fail-soft, fail-hard (default fail-soft); "
          "did you mean 'fail-hard'?")),
        (with_policy("key-exchange-algorithm: ml-kern"),
         "'ml-kern' is not one of diffie-hellman, ml-kem, diffie-hellman-ml-kem; did you mean 'ml-kem'?"),
        (with_policy("ca-profile: http://ca.example/"),
         "'http://ca.example/' is not a container; allowed: container"),
        (edited(("peer-validation: true", "peer-validation: yes")),
         "'yes' is neither true nor false; allowed: true or false (default false)"),
        (edited(("name: example", "name: 7")), "7 is not text; put it in quotes"),
        (edited(("10.0.0.1}", "10.0.0.1, port: 0}")),
         "0 is out of range; allowed: 1 to 65535 (default 1280)"),
        (edited((HUB_UUID, "hub")),
         "'hub' is not a UUID; it has the form 6f0c9d1e-5b7a-4c2d-8e3f-0a1b2c3d4e5f"),
        (edited(("file: ca.pem", "content: hello")),
         "'hello' holds no certificate in PEM (-----BEGIN CERTIFICATE-----)"),
        (edited((" file: ca.pem", " file: ''")), "'' is empty; allowed: at most 1024 characters"),
        ("authority: 7\n", "7 is not a container; allowed: container"),
        ("authority: {name: x, router: {name: hub}}\n",
         "a container is not a list; allowed: 1 to 10000 entries"),
        ("authority: {name: x, router: [7]}\n", "7 is not a container"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_shown_with_what_is_allowed(text: str, message: str) -> None:
    assert fault_of(text).message == message


@pytest.mark.parametrize(
    ("key", "advice"),
    [
        ("peer-key-rekey-intervall", "unknown setting; did you mean 'peer-key-rekey-interval'?"),
        ("peer_key_timeout", "unknown setting; did you mean 'peer-key-timeout'?"),
        ("PEER-KEY-TIMEOUT", "unknown setting; did you mean 'peer-key-timeout'?"),
        ("polling-interval", "does not belong here, but below authority > certificate-revocation"),
        ("peer-validation", "does not belong here, but below authority > router"),
        ("zebra", "unknown setting; known here: peer-key-rekey-interval, payload-key-rekey-interval"),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest_name(key: str, advice: str) -> None:
    fault = fault_of(with_policy(f"{key}: 24"))
    assert (fault.line, fault.column) == (6, 5)
    assert fault.path.endswith(f"> {key}")
    assert fault.message.startswith(advice)


def test_a_missing_setting_is_named_with_its_meaning() -> None:
    fault = fault_of(edited((f"          uuid: {HUB_UUID}\n", "")))
    assert fault.path == "authority > router[hub] > node[node0]"
    assert fault.message.startswith("'uuid' is missing: The router identifier")


def test_a_file_without_an_authority_says_so() -> None:
    faults = faults_of("zebra: 1\n")
    assert [each.message.partition(":")[0] for each in faults] == [
        "'authority' is missing",
        "unknown setting; known here",
    ]


def test_a_misspelt_name_is_not_also_called_missing() -> None:
    assert fault_of(TEXT.replace("authority:", "autority:")).message.endswith("did you mean 'authority'?")


def test_both_names_of_a_setting_count_as_given_twice() -> None:
    text = with_policy("diffie-hellman: {dh-key-size: 2048, diffie-hellman-key-size: 2048}")
    assert fault_of(text).message == "given twice; the first is in line 6"


def test_all_faults_of_every_kind_come_out_at_once_in_the_order_of_the_file() -> None:
    text = edited(
        ("enhanced-security-key-management: true", "enhanced-security-key-managment: true"),
        (
            "  router:\n",
            "  security-key-management: {peer-key-timeout: 20, path-probe-interval: -1}\n  router:\n",
        ),
        ("address: 10.0.0.1}", "address: 10.0.0.1, mtu: 100, mtu: 200}"),
        ("network-interface: wan1, peer-node: node0", "network-interface: wan7, peer-node: node0"),
        ("    - name: branch\n      peer-", "    - name: branch\n      colour: blue\n      peer-"),
        ("10.0.0.2}", "10.1.0.2, port: 4001}"),
    )
    faults = faults_of(text)
    assert [(each.line, each.path.rpartition(" > ")[2]) for each in faults] == [
        (3, "enhanced-security-key-managment"),
        (5, "peer-key-timeout"),
        (5, "path-probe-interval"),
        (13, "mtu"),
        (13, "mtu"),
        (19, "network-interface"),
        (21, "colour"),
        (28, "address"),
    ]


def test_a_setting_that_could_not_be_read_has_no_consequences_elsewhere() -> None:
    """The interface is lost with its address, the paths that use it are not to blame."""
    fault = fault_of(edited(("name: wan0, address: 10.0.0.1}", "name: wan0, address: 10.0.0}")))
    assert fault.path == "authority > router[hub] > node[node0] > network-interface[wan0] > address"


def test_a_router_that_could_not_be_read_is_not_missed_by_its_peers() -> None:
    fault = fault_of(
        edited(
            (
                "    - name: branch\n      peer-validation: true\n      node:",
                "    - name: branch\n      nodes:",
            )
        )
    )
    assert fault.message == "unknown setting; did you mean 'node'?"


def test_a_list_of_invalid_items_is_not_called_too_short() -> None:
    text = f"{HEAD}  router: [{{name: hub, node: [{{name: node0, uuid: 7}}]}}]\n"
    assert fault_of(text).path.endswith("uuid")


def test_faults_beyond_a_bound_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "MAX_FINDINGS", 2)
    with pytest.raises(ConfigurationFaults) as wrong:
        load(with_policy("a: 1\nb: 2\nc: 3\nd: 4\ne: 5"), "a.yaml")
    assert len(wrong.value.faults) == 2
    assert wrong.value.count == 5
    assert str(wrong.value).endswith("\nand 3 more")


def test_a_long_value_is_cut() -> None:
    fault = fault_of(with_policy(f"peer-key-timeout: {'x' * 10_000}"))
    assert len(fault.message) < 200


KEY = '"-----BEGIN PRIVATE KEY-----\\nMC4CAQAwBQYDsecretsecretsecretsecret\\n-----END PRIVATE KEY-----\\n"'
UUID_LINE = f"          uuid: {HUB_UUID}\n"


@pytest.mark.parametrize(
    "text",
    [
        edited((UUID_LINE, f"{UUID_LINE}          private-key: {{content: {KEY}}}\n")),
        edited((UUID_LINE, f"{UUID_LINE}          private-key: {KEY}\n")),
        edited(("file: ca.pem", f"content: {KEY}")),
        edited(("name: example", f"name: {KEY}")),
        edited(("name: example", f"{KEY}: example")),
        edited(("name: example", f"? [{KEY}]\n  : example")),
        edited(("name: example", f"name: [example, {KEY}")),
    ],
)
def test_a_private_key_is_refused_and_never_shown(text: str) -> None:
    with pytest.raises(ConfigurationFaults) as wrong:
        load(text, "a.yaml")
    assert "secretsecret" not in str(wrong.value)
    assert "secretsecret" not in repr(wrong.value)
    assert "BEGIN" not in str(wrong.value)


def test_content_below_private_key_is_answered_with_advice() -> None:
    text = edited((f"uuid: {HUB_UUID}\n", f"uuid: {HUB_UUID}\n          private-key: {{content: abc}}\n"))
    assert fault_of(text).message == "the key itself never stands in a configuration; name its file"


def test_a_list_in_place_of_a_value_is_one_fault() -> None:
    assert (
        fault_of(with_top("certificate-revocation: [{url: [1, 2]}]")).message
        == "a list is not text; a text is wanted"
    )


def test_a_fault_outside_any_line_has_no_line() -> None:
    assert str(Finding("a.yaml", 0, 0, "", "wrong")) == "a.yaml: wrong"
