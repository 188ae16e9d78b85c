"""What every key store promises, wherever it keeps the keys."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from actors.keystores.port import KeyExists, NoSuchKey
from peerkey.errors import Misconfigured
from peerkey.pki.key_types import KeyType
from peerkey.pki.laboratory import SigningKey, common_name, hash_of
from peerkey.protocol.suites.signatures import BadSignature, verifier_for
from tests.actors.keystores.places import (
    Place,
    encrypted_file_place,
    end_software_tpms,
    file_place,
    pkcs11_place,
    tpm_place,
)

PLACES: dict[str, Callable[[Path], Place]] = {
    "file": file_place,
    "encrypted file": encrypted_file_place,
    "PKCS#11": pkcs11_place,
    "TPM": tpm_place,
}


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    make: Callable[[Path], Place] = PLACES[request.param]
    yield make(tmp_path)
    end_software_tpms()


def test_a_key_of_every_kind_signs_what_its_public_key_verifies(place: Place) -> None:
    store = place.opened()
    for kind in place.kinds:
        name = place.name(f"key-{kind}")
        public = store.create(name, kind)

        signer, same = place.opened().signer(name)
        signature = signer.sign(b"announcement")

        assert spki(same) == spki(public) == spki(store.public_key(name))
        verifier_for(public).verify(signature, b"announcement")
        with pytest.raises(BadSignature):
            verifier_for(public).verify(signature, b"another")


def test_a_certificate_request_is_signed_by_a_key_of_every_kind(place: Place) -> None:
    store = place.opened()
    for kind in place.kinds:
        name = place.name(f"key-{kind}")
        public = store.create(name, kind)

        request = requested(store.certifier(name))
        read = x509.load_pem_x509_csr(request.public_bytes(Encoding.PEM))

        assert read.is_signature_valid
        assert spki(read.public_key()) == spki(public)


def test_nothing_is_replaced_unless_that_is_allowed(place: Place) -> None:
    store = place.opened()
    name = place.name("base")
    first = store.create(name, place.kinds[0])

    with pytest.raises(KeyExists):
        store.create(name, place.kinds[0])
    assert spki(place.opened().public_key(name)) == spki(first)

    second = store.create(name, place.kinds[0], replace=True)
    assert spki(second) != spki(first)
    assert spki(store.public_key(name)) == spki(place.opened().public_key(name)) == spki(second)
    assert place.opened().names() == (name,)


def test_what_is_made_is_listed_and_what_is_deleted_is_gone(place: Place) -> None:
    store = place.opened()
    names = tuple(place.name(short) for short in ("a", "b"))
    assert store.names() == ()
    for name in reversed(names):
        store.create(name, place.kinds[0])
    assert store.names() == names

    store.delete(names[0])

    assert store.names() == place.opened().names() == names[1:]
    with pytest.raises(NoSuchKey):
        store.signer(names[0])
    with pytest.raises(NoSuchKey):
        store.delete(names[0])


def test_a_key_that_is_not_there_is_one_line(place: Place) -> None:
    for ask in (place.opened().signer, place.opened().certifier, place.opened().public_key):
        with pytest.raises(NoSuchKey) as caught:
            ask(place.name("nobody"))
        assert "\n" not in str(caught.value)
        assert "nobody" in str(caught.value)


def test_a_kind_that_cannot_be_held_is_told_plainly(place: Place) -> None:
    if place.foreign is None:
        assert set(place.kinds) <= set(KeyType)
        return
    with pytest.raises(Misconfigured) as caught:
        place.opened().create(place.name("base"), place.foreign)
    assert place.foreign in str(caught.value)
    assert place.opened().names() == ()


def test_the_sealing_key_is_made_once_and_is_the_same_ever_after(place: Place) -> None:
    first = place.opened().sealing_key()

    assert len(first.reveal()) == 32
    assert place.opened().sealing_key() == first


def test_a_key_in_use_can_be_neither_read_nor_copied_out_nor_shown(place: Place) -> None:
    store = place.opened()
    name = place.name("base")
    store.create(name, place.kinds[0])
    signer, _ = store.signer(name)
    key = store.certifier(name)

    ways: tuple[Callable[[], object], ...] = (
        lambda: key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        lambda: pickle.dumps(key),
        lambda: pickle.dumps(signer),
    )
    for take in ways:
        with pytest.raises((Misconfigured, pickle.PicklingError, TypeError, AttributeError)):
            take()
    assert copy.deepcopy(key) is key
    assert repr(key).endswith("Key()")
    assert repr(signer).startswith("PrivateKeySigner(")
    shown = f"{store!r}{store.__dict__.get('_loaded')!r}{key!r}{signer!r}"
    assert not any(secret in shown for secret in place.passwords)


# --- helpers --------------------------------------------------------------------------------------


def spki(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def requested(key: SigningKey) -> x509.CertificateSigningRequest:
    builder = x509.CertificateSigningRequestBuilder().subject_name(common_name("node"))
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return builder.sign(key, hash_of(key.curve))
    return builder.sign(key, hashes.SHA256() if isinstance(key, rsa.RSAPrivateKey) else None)
