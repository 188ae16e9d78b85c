"""The names of keys in hardware: what a configuration says of them, read back by the key stores."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerkey.config.key_names import Pkcs11Token, Tpm, is_file, parse_pkcs11, parse_tpm
from peerkey.config.load import load
from peerkey.config.planning import plans
from peerkey.errors import Misconfigured
from tests.config.sample import edited

#: What follows the UUID of the first node.
INTERFACES = "          network-interface:\n"
TEXT = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=32)


@given(TEXT, TEXT, TEXT, st.none() | TEXT.map("/{}".format))
def test_what_is_written_into_a_name_is_read_back(
    module: str, label: str, key: str, pin_file: str | None
) -> None:
    token = Pkcs11Token(module, label, pin_file)

    assert parse_pkcs11(token.name_of(key)) == (token, key)
    assert parse_tpm(Tpm(module).name_of("base")) == (Tpm(module), "base")


def test_a_pin_in_a_name_is_refused_and_not_repeated() -> None:
    with pytest.raises(Misconfigured) as caught:
        parse_pkcs11("pkcs11:token=t;object=o?module-path=/lib.so&pin-value=314159265")
    assert "314159265" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["pkcs11:", "pkcs11:token=t;object=o", "pkcs11:token=t;token=u", "pkcs11:token", "tpm:", "tpm:../x"],
)
def test_what_is_no_name_is_one_line(name: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        (parse_tpm if name.startswith("tpm") else parse_pkcs11)(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (
            "pkcs11: {module: /lib/p11.so, token: a token, label: base, pin-file: pin}",
            "pkcs11:token=a%20token;object=base?module-path=/lib/p11.so&pin-source=file:/etc/peerkey/pin",
        ),
        ("tpm: {name: base}", "tpm:base"),
        ("tpm: {name: base, tcti: 'swtpm:port=2321'}", "tpm:base?tcti=swtpm%3Aport%3D2321"),
        ("file: base.key", "/etc/peerkey/base.key"),
    ],
)
def test_the_plan_of_a_node_names_its_key_in_one_word(written: str, name: str) -> None:
    text = edited((INTERFACES, f"          private-key: {{{written}}}\n{INTERFACES}"))

    assert plans(load(text, "a.yaml").authority, "/etc/peerkey")[0].key_file == name


def test_a_file_that_is_called_like_a_key_in_hardware_stays_a_file() -> None:
    text = edited((INTERFACES, f"          private-key: {{file: 'tpm:base'}}\n{INTERFACES}"))

    name = plans(load(text, "a.yaml").authority)[0].key_file

    assert is_file(name)
    assert name == "./tpm:base"
