"""What works and should be known all the same."""

from __future__ import annotations

import pytest

from tests.config.sample import FOREIGN, TEXT, edited, warnings_of, with_policy

BRANCH_PEER = "        - name: branch\n          path:"


def test_a_good_configuration_has_no_warning() -> None:
    assert warnings_of(TEXT) == ()
    assert warnings_of(with_policy("key-exchange-algorithm: diffie-hellman-ml-kem")) == ()


@pytest.mark.parametrize(
    ("text", "line", "setting", "words"),
    [
        (edited(("enhanced-security-key-management: true", "enhanced-security-key-management: false")), 3,
         "enhanced-security-key-management", "no peering is keyed"),
        (edited(("  enhanced-security-key-management: true\n", "")), 2, "authority", "no peering is keyed"),
        (with_policy("peer-key-rekey-interval: never"), 6, "peer-key-rekey-interval", "never replaced"),
        (with_policy("peer-key-rekey-interval: 0"), 6, "peer-key-rekey-interval", "never replaced"),
        (with_policy("payload-key-rekey-interval: 24"), 6, "payload-key-rekey-interval", "without effect"),
        (with_policy("key-exchange-algorithm: ml-kem"), 6, "key-exchange-algorithm", "FIPS 140-3"),
        (with_policy("diffie-hellman: {dh-key-size: 1024}"), 6,
         "security-key-management", "1024-bit group is weak"),
        (edited(("peer-validation: true", "peer-validation: false")), 7,
         "peer-validation", "are not checked"),
        (edited(("      peer-validation: true\n", "")), 6, "router[hub]", "are not checked"),
        (edited((BRANCH_PEER, FOREIGN.replace("peering-common-name: partner-1",
                                              "key-exchange-algorithm-override: ml-kem") + BRANCH_PEER)),
         16, "key-exchange-algorithm-override", "FIPS 140-3"),
        (TEXT + "    - {name: idle, node: [{name: n, uuid: 0d5a5f0b-3a52-4f0f-b3a1-5a2f3a8c7e11}]}\n", 32,
         "router[idle]", "no peer, and so no key"),
    ],
)  # fmt: skip
def test_what_is_given_up_is_said_once_where_it_is_chosen(
    text: str, line: int, setting: str, words: str
) -> None:
    (warning,) = warnings_of(text)
    assert (warning.line, warning.path.rpartition(" > ")[2]) == (line, setting)
    assert words in warning.message


def test_an_override_of_the_other_router_is_remarked_at_that_router() -> None:
    old = "    - name: branch\n"
    text = edited((f"{old}      peer-", f"{old}      key-exchange-algorithm-override: ml-kem\n      peer-"))
    (warning,) = warnings_of(text)
    assert warning.path == "authority > router[branch] > key-exchange-algorithm-override"


def test_one_address_at_two_routers_is_remarked() -> None:
    foreign = FOREIGN.replace("192.0.2.7", "192.0.2.7, peer-port: 7")
    twin = TEXT.replace("10.0.0.2}", "10.0.0.1}").replace("{node: node0, network-interface: wan0, ", "{X")
    lines = [line for line in twin.splitlines(keepends=True) if "{X" not in line]
    (warning,) = warnings_of("".join(lines).replace(BRANCH_PEER, foreign + BRANCH_PEER))
    assert "hub/node0 has the same address and port" in warning.message
