"""``peerkey create private-key``: where the key goes, what is told of it, and that it is never shown."""

from __future__ import annotations

import base64
import json
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from actors.keystores.stores import KeyStores
from peerkey.pki.key_types import KeyType
from peerkey_cli.private_keys import fingerprint
from tests.actors.keystores.places import end_software_tpms, pkcs11_place, software_tpm
from tests.cli.commands import document, peerkey

CONFIGURATION = """\
authority:
  name: test
  router:
    - name: east
      node: [{{name: node0, uuid: d66887a3-a556-4782-952b-f8818ec8d8bc, private-key: {key}}}]
"""


@pytest.fixture(autouse=True)
def _own_identity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setattr("peerkey_cli.state.MACHINE_IDENTITY", tmp_path / "etc" / "identity")
    yield
    end_software_tpms()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_it_makes_the_base_key_in_the_state_directory_and_says_which_it_is(state: Path) -> None:
    done = peerkey("create", "private-key", "--state-dir", state)

    path = state / "pki" / "base.key"
    key = load_pem_private_key(path.read_bytes(), None)
    assert done.exit_code == 0
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert done.stdout.splitlines() == [
        f"created {path}",
        "  algorithm    ec-p256",
        f"  fingerprint  {fingerprint(key.public_key())}",
        f"  node         {(state / 'identity').read_text('ascii').strip()}",
    ]


@pytest.mark.parametrize("kind", list(KeyType))
def test_every_algorithm_makes_a_key_of_its_kind(kind: KeyType, state: Path) -> None:
    made = document("create", "private-key", "--algorithm", kind, "--state-dir", state)

    key = load_pem_private_key(Path(made["name"]).read_bytes(), None)
    match key:
        case rsa.RSAPrivateKey():
            assert kind == f"rsa-{key.key_size}"
        case ec.EllipticCurvePrivateKey():
            assert kind == f"ec-p{key.key_size}"
        case _:
            assert isinstance(
                key, mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey
            )
            assert kind.removeprefix("ml-dsa-") in type(key).__name__ + repr(type(key.public_key()))
    assert made["algorithm"] == kind


def test_the_sizes_of_rsa_are_2048_to_4096_in_steps_of_256() -> None:
    sizes = [kind.rsa_bits for kind in KeyType if kind.rsa_bits]

    assert sizes == list(range(2048, 4096 + 1, 256))


def test_nothing_is_replaced_without_force_and_both_ends_of_a_key_are_audited(state: Path) -> None:
    first = document("create", "private-key", "--state-dir", state)
    content = Path(first["name"]).read_bytes()

    refused = peerkey("create", "private-key", "--state-dir", state)
    assert refused.exit_code == 1
    assert refused.stderr.count("\n") == 1
    assert "--force" in refused.stderr
    assert Path(first["name"]).read_bytes() == content

    second = document("create", "private-key", "--force", "--state-dir", state)
    assert (first["replaced"], second["replaced"]) == (False, True)
    assert second["node_uuid"] == first["node_uuid"]
    assert [(each["type"], each["detail"]["fingerprint"]) for each in events(state)] == [
        ("system.create_private_key", first["fingerprint"]),
        ("system.delete_private_key", first["fingerprint"]),
        ("system.create_private_key", second["fingerprint"]),
    ]


def test_a_node_of_a_configuration_gets_its_key_where_the_configuration_has_it(
    state: Path, tmp_path: Path
) -> None:
    config = tmp_path / "authority.yaml"
    config.write_text(CONFIGURATION.format(key="{file: keys/east.key}"))

    made = document("create", "private-key", "--config", config, "--node", "east/node0", "--state-dir", state)

    assert made["name"] == str(tmp_path / "keys" / "east.key")
    assert Path(made["name"]).exists()
    assert (made["node"], made["node_uuid"]) == ("east/node0", "d66887a3-a556-4782-952b-f8818ec8d8bc")
    assert not (state / "identity").exists()
    assert [each["node"] for each in events(state)] == ["east/node0"]


def test_a_node_that_is_installed_anew_around_its_identity_file_is_the_same_node(
    state: Path, tmp_path: Path
) -> None:
    """ "guaranteed to be unique per node, even across RMAs" """
    before = document("create", "private-key", "--state-dir", state)
    identity = (state / "identity").read_bytes()
    shutil.rmtree(state)
    state.mkdir(mode=0o700)
    (state / "identity").write_bytes(identity)

    after = document("create", "private-key", "--state-dir", state)
    elsewhere = document("create", "private-key", "--state-dir", tmp_path / "elsewhere")

    assert after["node_uuid"] == before["node_uuid"] != elsewhere["node_uuid"]
    assert after["fingerprint"] != before["fingerprint"]
    assert (state / "identity").read_bytes() == identity


def test_the_identity_of_the_machine_comes_before_that_of_the_state_directory(
    state: Path, tmp_path: Path
) -> None:
    machine = tmp_path / "etc" / "identity"
    machine.parent.mkdir()
    machine.write_text("d66887a3-a556-4782-952b-f8818ec8d8bc\n")

    made = document("create", "private-key", "--state-dir", state)

    assert made["node_uuid"] == "d66887a3-a556-4782-952b-f8818ec8d8bc"
    assert not (state / "identity").exists()


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["--config", "a.yaml"], 2),
        (["--node", "east/node0"], 2),
        (["base", "--config", "a.yaml", "--node", "east/node0"], 2),
        (["--algorithm", "rsa-1024"], 2),
        ([".."], 1),
        (["two words"], 1),
        (["pkcs11:token=t"], 1),
        (["tpm:a/b"], 1),
        (["--config", "nowhere.yaml", "--node", "east/node0"], 1),
    ],
)
def test_what_cannot_be_is_one_line_and_makes_nothing(words: list[str], status: int, state: Path) -> None:
    refused = peerkey("create", "private-key", *words, "--state-dir", state)

    assert refused.exit_code == status
    assert refused.stderr.count("\n") == 1
    assert not list(state.glob("pki/*"))


@pytest.mark.parametrize("passphrase", ["", "correct horse battery staple"])
def test_no_byte_of_a_key_or_its_passphrase_leaves_its_file(
    passphrase: str, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEERKEY_KEY_PASSPHRASE", passphrase)
    shown = ""
    for words in ((), ("--force",), (), ("--force", "--json")):
        done = peerkey("create", "private-key", *words, "--state-dir", state)
        shown += done.stdout + done.stderr
    path = state / "pki" / "base.key"
    key = load_pem_private_key(path.read_bytes(), passphrase.encode() or None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    everything = shown.encode() + b"".join(
        each.read_bytes() for each in state.rglob("*") if each.is_file() and each != path
    )

    assert b"base.key" in everything
    assert [form for form in forms(key) if form in everything] == []
    assert not passphrase or passphrase.encode() not in everything
    assert b"PRIVATE KEY-----" not in everything


def test_a_key_is_made_in_a_token_for_a_node_of_a_configuration(state: Path, tmp_path: Path) -> None:
    place = pkcs11_place(tmp_path)
    module, token = re.findall("module-path=([^&]+)|token=([^;]+)", place.name("x"))[::-1]
    key = (
        f"{{pkcs11: {{module: {module[0]}, token: '{token[1].replace('%20', ' ')}', label: base, "
        "pin-file: pin}}"
    )
    config = tmp_path / "authority.yaml"
    config.write_text(CONFIGURATION.format(key=key))
    words = ("create", "private-key", "--config", config, "--node", "east/node0", "--state-dir", state)

    made = document(*words)

    assert (made["store"], made["name"]) == ("pkcs11", place.name("base"))
    assert fingerprint(place.opened().public_key(made["name"])) == made["fingerprint"]
    assert peerkey(*words).exit_code == 1
    assert "314159265" not in json.dumps([made, events(state)])


def test_a_key_is_made_in_a_tpm_and_seals_the_store_there_too(state: Path, tmp_path: Path) -> None:
    name = f"tpm:base?tcti={software_tpm(tmp_path)}"

    made = document("create", "private-key", name, "--state-dir", state)

    stores = KeyStores(state / "sealing.key", home=made["name"], environment={})
    assert fingerprint(stores.public_key(name)) == made["fingerprint"]
    sealing = stores.sealing_key()
    assert (state / "sealing.key").read_bytes().startswith(b"-----BEGIN TSS2 PRIVATE KEY-----")
    assert sealing.reveal() not in (state / "sealing.key").read_bytes()
    assert KeyStores(state / "sealing.key", home=made["name"], environment={}).sealing_key() == sealing


# --- helpers --------------------------------------------------------------------------------------


def events(state: Path) -> Any:  # noqa: ANN401 - JSON
    return [json.loads(line) for line in (state / "events.jsonl").read_text("utf-8").splitlines()]


def forms(key: ec.EllipticCurvePrivateKey) -> Iterator[bytes]:
    """Yield every form in which the secret number or its encoding might be written."""
    number = key.private_numbers().private_value
    raw = number.to_bytes(32, "big")
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    for secret in (raw, der):
        yield secret
        yield secret.hex().encode()
        yield secret.hex().upper().encode()
        yield base64.b64encode(secret)
        yield base64.urlsafe_b64encode(secret)
    yield str(number).encode()
