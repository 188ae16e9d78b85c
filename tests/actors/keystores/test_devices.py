"""What is particular to devices: a library, a PIN or a device that is missing, and what they promise."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from actors import identity
from actors.keystores.port import KeyStore, NoSuchKey
from actors.keystores.stores import INSTALL_TPM, KeyStores, home_of
from peerkey.config.key_names import Pkcs11Token, Tpm, parse_pkcs11, parse_tpm
from peerkey.config.load import load as load_configuration
from peerkey.config.planning import plans
from peerkey.errors import Misconfigured, PeerkeyError, Unavailable
from peerkey.pki.key_types import KeyType
from peerkey.protocol.suites import Signer
from peerkey.protocol.suites.signatures import verifier_for
from peerkey.testing.ca import TestCA
from tests.actors.keystores.places import PIN, end_software_tpms, pkcs11_place, software_tpm, tpm_place

NODE = UUID("d66887a3-a556-4782-952b-f8818ec8d8bc")
TOKEN_KEY = Pkcs11Token("/lib/nowhere.so", "t", None).name_of("base")


@pytest.fixture(autouse=True)
def _no_tpm_is_left() -> Iterator[None]:
    yield
    end_software_tpms()


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [
        (TOKEN_KEY, "pkcs11", "pip install 'peerkey[pkcs11]'"),
        ("tpm:base", "tpm", "pip install 'peerkey[tpm]'"),
    ],
)
def test_a_missing_package_is_one_line_that_says_what_to_install(
    name: str, module: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, f"actors.keystores.{module}", None)

    line = refusal(KeyStores(tmp_path / "sealing.key"), name)

    assert package in line


def test_each_name_goes_to_the_store_that_it_names(tmp_path: Path) -> None:
    place, device = pkcs11_place(tmp_path), Tpm(software_tpm(tmp_path))
    names = [str(tmp_path / "a.key"), place.name("a"), device.name_of("a")]
    stores = KeyStores(tmp_path / "sealing.key", environment={})
    for name in names:
        stores.create(name, KeyType.EC_P256)

    assert stores.names() == tuple(names)
    for name in names:
        signer, public = KeyStores(tmp_path / "sealing.key", environment={}).signer(name)
        verifier_for(public).verify(signer.sign(b"data"), b"data")
        stores.delete(name)
    assert stores.names() == ()


def test_the_store_is_sealed_where_the_keys_are(tmp_path: Path) -> None:
    token = pkcs11_place(tmp_path).name("a")
    (tmp_path / "file").mkdir()

    assert home_of([token, "tpm:b"]) == token
    assert home_of([token, "b.key"]) == home_of([]) == ""
    assert (
        KeyStores(tmp_path / "file" / "s", home="", environment={}).sealing_key().reveal()
        == (tmp_path / "file" / "s").read_bytes()
    )
    sealing = KeyStores(tmp_path / "s", home=token, environment={}).sealing_key()
    assert sealing.reveal() not in (tmp_path / "s").read_bytes()
    with pytest.raises(Misconfigured, match="was sealed by a device"):
        KeyStores(tmp_path / "s", home="", environment={}).sealing_key()


def test_a_node_proves_who_it_is_with_a_key_that_it_never_sees(tmp_path: Path) -> None:
    place = pkcs11_place(tmp_path)
    name = place.name("base")
    public = place.opened().create(name, KeyType.EC_P256)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    issued = TestCA().issue(NODE, public_key=public)
    token, label = parse_pkcs11(name)
    key = f"module: {token.module}, token: {token.label}, label: {label}, pin-file: pin"
    text = (
        "authority: {name: test, router: [{name: east, node: [{name: node0, "
        f"uuid: {NODE}, private-key: {{pkcs11: {{{key}}}}}}}]}}]}}"
    )
    (plan,) = plans(load_configuration(text, "a.yaml").authority, str(tmp_path))

    found = identity.load(plan, KeyStores(tmp_path / "s", environment={}), lambda _: issued.pem)

    assert found.missing == ""
    assert found.signer is not None
    verifier_for(public).verify(found.signer.sign(b"data"), b"data")


def test_a_sealing_key_in_a_file_stays_in_force_when_the_keys_move_to_hardware(tmp_path: Path) -> None:
    first = KeyStores(tmp_path / "s", environment={}).sealing_key()

    assert KeyStores(tmp_path / "s", home="tpm:base", environment={}).sealing_key() == first


# --- PKCS#11 --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pin", "says"),
    [("271828182", "refuses the PIN"), (None, "the PIN of the token"), ("", "refuses the PIN")],
)
def test_a_wrong_or_missing_pin_is_one_line_without_it(pin: str | None, says: str, tmp_path: Path) -> None:
    token, _ = parse_pkcs11(pkcs11_place(tmp_path).name("base"))
    file = None if pin is None else tmp_path / "another"
    if file is not None:
        file.write_text(pin or "\n")
        file.chmod(0o600)
    name = Pkcs11Token(token.module, token.label, str(file) if file else None).name_of("base")

    line = refusal(KeyStores(tmp_path / "s", environment={}), name)

    assert says in line
    assert "271828182" not in line


def test_a_pin_that_was_refused_is_not_tried_again_before_it_or_an_operator_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token locks itself after a few wrong PINs, and a node looks every minute."""
    place = pkcs11_place(tmp_path)
    token, _ = parse_pkcs11(place.name("base"))
    place.opened().create(place.name("base"), KeyType.EC_P256)
    file = private_file(tmp_path / "another", "271828182")
    name = Pkcs11Token(token.module, token.label, str(file)).name_of("base")
    stores = KeyStores(tmp_path / "s", environment={})
    tries = counted_logins(monkeypatch)

    said = {refusal_to_sign(stores, name) for _ in range(5)}

    (line,) = said
    assert len(tries) == 1
    assert "which is not tried again" in line
    assert f"correct {file}" in line
    assert "`peerkey reload`" in line
    assert "271828182" not in line
    stores.retry()
    assert refusal_to_sign(stores, name) == line
    assert len(tries) == 2
    private_file(file, PIN)
    assert stores.signer(name)[0].sign(b"data")


def test_a_pin_that_is_wrong_only_from_now_on_is_tried_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = pkcs11_place(tmp_path)
    token, _ = parse_pkcs11(place.name("base"))
    place.opened().create(place.name("base"), KeyType.EC_P256)
    file = private_file(tmp_path / "another", PIN)
    name = Pkcs11Token(token.module, token.label, str(file)).name_of("base")
    signer, _ = KeyStores(tmp_path / "s", environment={}).signer(name)
    assert signer.sign(b"data")
    private_file(file, "271828182")
    tries = counted_logins(monkeypatch)

    for _ in range(3):
        with pytest.raises(Misconfigured, match="refuses the PIN"):
            signer.sign(b"data")

    assert len(tries) == 1


def test_the_pin_may_come_from_the_environment(tmp_path: Path) -> None:
    token, _ = parse_pkcs11(pkcs11_place(tmp_path).name("base"))
    name = Pkcs11Token(token.module, token.label, None).name_of("base")

    stores = KeyStores(tmp_path / "s", environment={"PEERKEY_PKCS11_PIN": PIN})
    stores.create(name, KeyType.EC_P256)

    assert stores.signer(name)[0].sign(b"data")


def test_a_token_or_a_library_that_is_missing_is_named(tmp_path: Path) -> None:
    token, _ = parse_pkcs11(pkcs11_place(tmp_path).name("base"))
    stores = KeyStores(tmp_path / "s", environment={"PEERKEY_PKCS11_PIN": PIN})

    assert "the token nobody's is not there" in refusal(
        stores, Pkcs11Token(token.module, "nobody's", None).name_of("base")
    )
    assert "/lib/nowhere.so: there is no such library" in refusal(stores, TOKEN_KEY)


def test_a_key_in_a_token_cannot_be_taken_out_of_it(tmp_path: Path) -> None:
    place = pkcs11_place(tmp_path)
    place.opened().create(place.name("base"), KeyType.EC_P256)
    import pkcs11  # noqa: PLC0415 - an extra

    token, label = parse_pkcs11(place.name("base"))
    with pkcs11.lib(token.module).get_token(token_label=token.label).open(user_pin=PIN) as session:
        (key,) = session.get_objects(
            {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY, pkcs11.Attribute.LABEL: label}
        )
        assert key[pkcs11.Attribute.SENSITIVE]
        assert not key[pkcs11.Attribute.EXTRACTABLE]
        with pytest.raises(pkcs11.PKCS11Error):
            _ = key[pkcs11.Attribute.VALUE]


def test_a_crash_in_a_replacement_leaves_one_key_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = pkcs11_place(tmp_path)
    name = place.name("base")
    store = place.opened()
    first = store.create(name, KeyType.EC_P256)

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("actors.keystores.pkcs11._destroy", crash)
        with pytest.raises(KeyboardInterrupt):
            store.create(name, KeyType.EC_P256, replace=True)

    signer, public = place.opened().signer(name)
    verifier_for(public).verify(signer.sign(b"data"), b"data")
    assert public != first
    assert place.opened().names() == (name,)
    place.opened().delete(name)
    with pytest.raises(NoSuchKey):
        place.opened().signer(name)


# --- TPM ------------------------------------------------------------------------------------------


def test_a_tpm_that_is_not_there_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tpm2_pytss", reason=INSTALL_TPM)
    nowhere = f"swtpm:path={tmp_path / 'nowhere'}"
    stores = KeyStores(tmp_path / "s", environment={"PEERKEY_TPM_TCTI": nowhere})

    with pytest.raises(Unavailable) as caught:
        stores.create("tpm:base", KeyType.EC_P256)

    assert f"no TPM answers at {nowhere}" in str(caught.value)
    assert capfd.readouterr().err == ""
    assert not (tmp_path / "tpm").exists()


def test_a_node_whose_tpm_does_not_answer_runs_without_a_certificate_and_says_why(tmp_path: Path) -> None:
    place = tpm_place(tmp_path)
    place.opened().create(place.name("base"), KeyType.EC_P256)
    end_software_tpms()
    tpm, _ = parse_tpm(place.name("base"))
    text = (
        "authority: {name: test, router: [{name: east, node: [{name: node0, "
        f"uuid: {NODE}, private-key: {{tpm: {{name: base, tcti: '{tpm.tcti}'}}}}}}]}}]}}"
    )
    (plan,) = plans(load_configuration(text, "a.yaml").authority)

    stores = KeyStores(tmp_path / "sealing.key", environment={})
    found = identity.load(plan, stores, lambda _: TestCA().issue(NODE).pem)

    assert found.signer is None
    assert f"no TPM answers at {tpm.tcti}" in found.missing


def test_another_tpm_loads_neither_the_key_nor_the_sealing_key(tmp_path: Path) -> None:
    mine = tpm_place(tmp_path)
    mine.opened().create(mine.name("base"), KeyType.EC_P256)
    mine.opened().sealing_key()
    (tmp_path / "other").mkdir()
    other = Tpm(software_tpm(tmp_path / "other"))
    stores = KeyStores(tmp_path / "sealing.key", home=other.name_of("base"), environment={})

    with pytest.raises(Misconfigured, match="was made by another"):
        stores.signer(other.name_of("base"))
    with pytest.raises(Misconfigured, match="does not open the sealing key"):
        stores.sealing_key()


def test_nothing_stays_loaded_in_the_tpm_however_often_a_key_signs(tmp_path: Path) -> None:
    """A TPM has room for three loaded keys, so that a leak shows at once."""
    place = tpm_place(tmp_path)
    name = place.name("base")
    public = place.opened().create(name, KeyType.RSA_2048)
    signer: Signer = place.opened().signer(name)[0]

    for number in range(8):
        verifier_for(public).verify(signer.sign(bytes([number])), bytes([number]))


def test_a_spoiled_blob_is_one_line_and_no_other_name_reaches_out(tmp_path: Path) -> None:
    place = tpm_place(tmp_path)
    name = place.name("base")
    place.opened().create(name, KeyType.EC_P256)
    (tmp_path / "tpm" / "base.tpm").write_bytes(b"-----BEGIN TSS2 PRIVATE KEY-----\nMIH\n")

    with pytest.raises(Misconfigured, match="not a key of a TPM"):
        place.opened().signer(name)
    with pytest.raises(Misconfigured):
        parse_tpm("tpm:../sealing")


def test_a_signature_of_a_device_always_takes_its_time(tmp_path: Path) -> None:
    for place in (pkcs11_place(tmp_path), tpm_place(tmp_path)):
        place.opened().create(place.name("base"), KeyType.EC_P256)
        assert place.opened().signer(place.name("base"))[0].heavy


# --- helpers --------------------------------------------------------------------------------------


def private_file(path: Path, content: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(content)
    return path


def counted_logins(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows with every PIN that a token is asked about from now on."""
    import pkcs11  # noqa: PLC0415 - an extra

    tries: list[str] = []
    real = pkcs11.lib

    class Token:
        def __init__(self, module: str, label: str) -> None:
            self._token = real(module).get_token(token_label=label)

        def open(self, *, rw: bool, user_pin: str) -> object:
            tries.append(user_pin)
            return self._token.open(rw=rw, user_pin=user_pin)

    class Library:
        def __init__(self, module: str) -> None:
            self._module = module

        def get_token(self, *, token_label: str) -> Token:
            return Token(self._module, token_label)

    monkeypatch.setattr(pkcs11, "lib", Library)
    return tries


def refusal_to_sign(store: KeyStore, name: str) -> str:
    with pytest.raises(Misconfigured) as caught:
        store.signer(name)
    return str(caught.value)


def refusal(store: KeyStore, name: str) -> str:
    with pytest.raises(PeerkeyError) as caught:
        store.create(name, KeyType.EC_P256)
    assert "\n" not in str(caught.value)
    return str(caught.value)
