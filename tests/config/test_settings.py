"""Every setting of the specification: its exact name, range, unit and default."""

from __future__ import annotations

from datetime import timedelta

import pytest

from peerkey.config.plan import InvalidCertificateBehavior, Policy
from peerkey.config.planning import plans
from peerkey.config.schema import settings
from tests.config.sample import (
    BRANCH_UUID,
    HUB_UUID,
    TEXT,
    authority,
    edited,
    fault_of,
    faults_of,
    with_policy,
    with_top,
)

POLICY = "authority > security-key-management > "


@pytest.mark.parametrize(
    ("path", "allowed", "unit", "default"),
    [
        ("authority > enhanced-security-key-management", "", "", "false"),
        (POLICY + "peer-key-rekey-interval", "0 to 720", "hours", "24"),
        (POLICY + "peer-key-retransmit-interval", "5 to 3600", "seconds", "30"),
        (POLICY + "peer-key-timeout", "0 to 4294967295", "seconds", "3600"),
        (POLICY + "invalid-certificate-behavior", "fail-soft, fail-hard", "", "fail-soft"),
        (POLICY + "ca-profile > url", "at most 2048 characters", "", ""),
        (POLICY + "ca-profile > revocation-check-interval", "0 to 720", "hours", "48"),
        (
            POLICY + "key-exchange-algorithm",
            "diffie-hellman, ml-kem, diffie-hellman-ml-kem",
            "",
            "diffie-hellman",
        ),
        (POLICY + "diffie-hellman > diffie-hellman-key-size", "1024, 2048, 4096", "bits", "2048"),
        (POLICY + "ml-kem > ml-kem-key-size", "512, 768, 1024", "", "768"),
        (POLICY + "payload-key-rekey-interval", "1 to 720", "hours", "24"),
        (POLICY + "path-probe-interval", "0 to 86400", "seconds", "0"),
        ("authority > certificate-revocation > url", "at most 2048 characters", "", ""),
        ("authority > certificate-revocation > polling-interval", "1 to 168", "hours", "24"),
        ("authority > certificate-revocation > backoff-interval", "0 to 4294967295", "seconds", "60"),
        ("authority > trusted-ca-certificate > validation-mode", "strict, warn", "", "strict"),
        ("authority > router > peer-validation", "", "", "false"),
        ("authority > router > ml-kem-keygen-priority", "0 to 4294967295", "", "0"),
        ("authority > router > peer > generated", "", "", "true"),
        ("authority > router > node > network-interface > port", "1 to 65535", "", "1280"),
        ("authority > router > node > network-interface > mtu", "576 to 9216", "bytes", "1280"),
    ],
)
def test_a_setting_has_the_range_unit_and_default_of_the_specification(
    path: str, allowed: str, unit: str, default: str
) -> None:
    setting = settings()[tuple(path.split(" > "))]
    assert (setting.allowed, setting.unit, setting.default) == (allowed, unit, default)


def test_an_authority_that_says_nothing_has_the_defaults() -> None:
    assert plans(authority())[0].policy == Policy(
        rekey_interval=timedelta(hours=24),
        retransmit_interval=timedelta(seconds=30),
        timeout=timedelta(seconds=3600),
        probe_interval=None,
        invalid_certificate_behavior=InvalidCertificateBehavior.FAIL_SOFT,
        revocation_check_interval=timedelta(hours=48),
    )


@pytest.mark.parametrize(
    ("setting", "least", "most"),
    [
        ("peer-key-rekey-interval", 0, 720),
        ("payload-key-rekey-interval", 1, 720),
        ("peer-key-retransmit-interval", 5, 1_800),
        ("peer-key-timeout", 60, 2**32 - 1),
        ("path-probe-interval", 0, 86_400),
    ],
)
def test_a_policy_number_is_accepted_up_to_its_bounds(setting: str, least: int, most: int) -> None:
    assert not faults_of(with_policy(f"{setting}: {least}"))
    assert not faults_of(with_policy(f"{setting}: {most}"))


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("peer-key-rekey-interval", "-1"),
        ("peer-key-rekey-interval", "721"),
        ("peer-key-rekey-interval", "sometimes"),
        ("peer-key-rekey-interval", "false"),
        ("peer-key-rekey-interval", "24.0"),
        ("payload-key-rekey-interval", "0"),
        ("payload-key-rekey-interval", "721"),
        ("peer-key-retransmit-interval", "4"),
        ("peer-key-retransmit-interval", "3601"),
        ("peer-key-retransmit-interval", "never"),
        ("peer-key-timeout", "-1"),
        ("peer-key-timeout", "4294967296"),
        ("peer-key-timeout", "'3600'"),
        ("path-probe-interval", "-1"),
        ("path-probe-interval", "86401"),
        ("invalid-certificate-behavior", "fail-hart"),
        ("invalid-certificate-behavior", "0"),
        ("key-exchange-algorithm", "rsa"),
        ("key-exchange-algorithm", "2048"),
        ("key-exchange-algorithm", "{}"),
        ("key-exchange-algorithm", "{ml-kem: {}, diffie-hellman: {}}"),
        ("key-exchange-algorithm", "{ml-kem: {diffie-hellman-key-size: 2048}}"),
        ("diffie-hellman", "{diffie-hellman-key-size: 3072}"),
        ("diffie-hellman", "{dh-key-size: 512}"),
        ("diffie-hellman", "2048"),
        ("ml-kem", "{ml-kem-key-size: 2048}"),
        ("ca-profile", "{revocation-check-interval: 721}"),
        ("ca-profile", "{revocation-check-interval: -1}"),
        ("ca-profile", "{url: ca.example}"),
        ("ca-profile", "{url: 'ftp://ca.example/'}"),
    ],
)
def test_a_policy_outside_its_range_is_one_fault(setting: str, value: str) -> None:
    assert fault_of(with_policy(f"{setting}: {value}")).path.startswith(POLICY + setting)


@pytest.mark.parametrize("written", ["0", "never"])
def test_zero_and_never_both_mean_no_rekeying(written: str) -> None:
    text = with_policy(f"peer-key-rekey-interval: {written}")
    assert plans(authority(text))[0].policy.rekey_interval is None


def test_zero_switches_probes_and_revocation_checks_off() -> None:
    text = with_policy("path-probe-interval: 0\nca-profile: {revocation-check-interval: 0}")
    policy = plans(authority(text))[0].policy
    assert (policy.probe_interval, policy.revocation_check_interval) == (None, None)


@pytest.mark.parametrize(
    ("value", "is_good"), [("1", True), ("168", True), ("0", False), ("169", False), ("'24'", False)]
)
def test_the_polling_interval_goes_from_an_hour_to_a_week(value: str, *, is_good: bool) -> None:
    text = with_top(
        f"certificate-revocation: [{{url: 'http://crl.example/a.crl', polling-interval: {value}}}]"
    )
    assert bool(faults_of(text)) != is_good


@pytest.mark.parametrize("name", ["certificate-revocation", "certificate-revocation-list"])
@pytest.mark.parametrize("form", ["{}", "[{}]"])
def test_revocation_lists_are_read_in_both_names_and_both_forms(name: str, form: str) -> None:
    entry = "{url: 'http://crl.example/a.crl', backoff-interval: 5}"
    plan = plans(authority(with_top(f"{name}: {form.replace('{}', entry)}")))[0]
    (source,) = plan.revocation
    assert source.url == "http://crl.example/a.crl"
    assert (source.polling_interval, source.backoff_interval) == (timedelta(hours=24), timedelta(seconds=5))


@pytest.mark.parametrize(
    "url",
    [
        "crl.example/a.crl", "http://", "ldap://crl.example/a", "http://user:secret@crl.example/", "http://h:0/",
        "http://h:99999/", "http://[::1/", "http://crl.example/a b", "http://crl.example/" + "a" * 2_048,
    ],
)  # fmt: skip
def test_a_revocation_list_needs_a_url_without_a_password(url: str) -> None:
    fault = fault_of(with_top(f"certificate-revocation: {{url: '{url}'}}"))
    assert fault.path.startswith("authority > certificate-revocation")
    assert "secret" not in str(fault)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("key-exchange-algorithm: diffie-hellman", "diffie-hellman-2048"),
        ("key-exchange-algorithm: ml-kem", "ml-kem-768"),
        ("key-exchange-algorithm: diffie-hellman-ml-kem", "diffie-hellman-2048-ml-kem-768"),
        ("key-exchange-algorithm: {ml-kem: }", "ml-kem-768"),
        ("key-exchange-algorithm: {ml-kem: {ml-kem-key-size: 1024}}", "ml-kem-1024"),
        ("key-exchange-algorithm: {diffie-hellman: {dh-key-size: 4096}}", "diffie-hellman-4096"),
        (
            "key-exchange-algorithm:\n  diffie-hellman:\n    diffie-hellman-key-size: 1024",
            "diffie-hellman-1024",
        ),
        ("diffie-hellman: {dh-key-size: 4096}", "diffie-hellman-4096"),
        ("diffie-hellman: {diffie-hellman-key-size: 1024}", "diffie-hellman-1024"),
        ("key-exchange-algorithm: ml-kem\nml-kem: {ml-kem-key-size: 512}", "ml-kem-512"),
        (
            "key-exchange-algorithm: {diffie-hellman-ml-kem:\n {ml-kem-key-size: 1024, dh-key-size: 4096}}",
            "diffie-hellman-4096-ml-kem-1024",
        ),
    ],
)
def test_an_algorithm_is_read_in_every_form(written: str, name: str) -> None:
    assert plans(authority(with_policy(written)))[0].peerings[0].algorithm_name == name


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0",
        "10.0.0.256",
        "010.0.0.1",
        "router.example",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "::ffff:10.0.0.1",
    ],
)
def test_an_interface_needs_the_literal_address_of_a_host(address: str) -> None:
    fault = fault_of(
        edited(("{name: wan0, address: 10.0.0.1}", f"{{name: wan9, address: '{address}'}}"), text=LONELY)
    )
    assert fault.path == "authority > router[hub] > node[node0] > network-interface[wan9] > address"


def test_an_address_is_kept_in_its_canonical_form() -> None:
    text = edited(("10.0.0.1}", "'2001:DB8:0::1'}"), text=LONELY)
    assert str(plans(authority(text))[0].interfaces[0].local) == "[2001:db8::1]:1280"


@pytest.mark.parametrize("name", ["a", "A.b_c-1", "x" * 64])
def test_a_name_is_a_word(name: str) -> None:
    assert not faults_of(edited(("name: hub", f"name: {name}"), text=LONELY))


@pytest.mark.parametrize("name", ["a b", "a/b", "a>b", "-a", "ä", "x" * 65, "''", "a\\n"])
def test_a_name_that_would_break_other_names_is_refused(name: str) -> None:
    quoted = name if name.startswith("'") else f'"{name}"'
    assert "is not a name" in fault_of(edited(("name: hub", f"name: {quoted}"), text=LONELY)).message


@pytest.mark.parametrize("name", ["retail-hub", "Hub 1 (north)", "x" * 64])
def test_an_alias_is_what_a_common_name_can_be(name: str) -> None:
    text = edited(("    - name: hub\n", f'    - name: hub\n      peering-common-name: "{name}"\n'))
    hub, branch = plans(authority(text))
    assert (hub.alias, branch.peerings[0].alias) == (name, name)


@pytest.mark.parametrize("name", ["", " hub", "hub ", "x" * 65, "hüb", "a\\tb", HUB_UUID])
def test_an_alias_that_no_certificate_should_have_is_refused(name: str) -> None:
    text = edited(("    - name: hub\n", f'    - name: hub\n      peering-common-name: "{name}"\n'))
    assert fault_of(text).path == "authority > router[hub] > peering-common-name"


@pytest.mark.parametrize(
    "uuid", ["hub", HUB_UUID[:-1],
             HUB_UUID.replace("-", ""), f"'{{{HUB_UUID}}}'", f"urn:uuid:{HUB_UUID}", "7",
             "00000000-0000-0000-0000-000000000000"]
)  # fmt: skip
def test_an_identity_is_a_uuid_in_its_usual_form(uuid: str) -> None:
    fault = fault_of(edited((HUB_UUID, uuid)))
    assert fault.path == "authority > router[hub] > node[node0] > uuid"


def test_a_uuid_may_be_written_in_capitals() -> None:
    assert str(plans(authority(edited((BRANCH_UUID, BRANCH_UUID.upper()))))[1].uuid) == BRANCH_UUID


def test_a_key_with_nothing_behind_it_is_an_absent_key() -> None:
    text = with_policy("peer-key-timeout:\nca-profile:\nml-kem: ~")
    assert plans(authority(text)) == plans(authority())


def test_a_router_has_one_node_or_two() -> None:
    third = "".join(f"        - {{name: n{n}, uuid: {HUB_UUID[:-1]}{n}}}\n" for n in range(2))
    text = edited(("      peer:\n", f"{third}      peer:\n"))
    assert "allowed: 1 to 2 entries" in fault_of(text).message


#: Only the hub, with one interface and no peer, so that a spoiled name or address has no further consequence.
LONELY = TEXT[: TEXT.index("            - {name: wan1")]
