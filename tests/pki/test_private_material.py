"""A private key is seen in whatever form and place it accompanies a certificate, and nothing else is."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs7,
    pkcs12,
)

from peerkey.pki import laboratory
from peerkey.pki.private_material import private_key_in
from peerkey.testing.ca import TestCA, new_key

CA = TestCA()
NODE = CA.issue(UUID(int=7))
RSA_KEY = rsa.generate_private_key(65_537, 2_048)
KEYS: dict[str, laboratory.SigningKey] = {
    "ec": new_key(),
    "p-521": ec.generate_private_key(ec.SECP521R1()),
    "rsa": RSA_KEY,
    "ml-dsa": mldsa.MLDSA44PrivateKey.generate(),
}
PLACES: dict[str, Callable[[bytes, bytes], bytes]] = {
    "before": lambda key, pem: key + pem,
    "behind": lambda key, pem: pem + key,
    "between": lambda key, pem: pem + key + pem,
    "in a text": lambda key, pem: b"Bag Attributes\r\n" + pem + b"\r\nKey:\r\n" + key.replace(b"\n", b"\r\n"),
    "without line ends": lambda key, pem: pem + key.replace(b"\n", b""),
    "with spaces for line ends": lambda key, pem: pem + key.replace(b"\n", b" "),
    "with line ends written out": lambda key, pem: pem + key.replace(b"\n", rb"\n"),
    "in UTF-16": lambda key, pem: (pem + key).decode().encode("utf-16"),
    "cut": lambda key, pem: pem + key[: len(key) // 2],
    "without dashes": lambda key, pem: pem + key.strip(b"-\n"),
    "under another label": lambda key, pem: pem + key.replace(b"PRIVATE KEY", b"CERTIFICATE"),
}
PASSWORD = BestAvailableEncryption(b"secret")


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
@pytest.mark.parametrize("encrypted", [False, True])
def test_a_key_in_pkcs8_is_seen(kind: str, encoding: Encoding, *, encrypted: bool) -> None:
    key = KEYS[kind].private_bytes(encoding, PrivateFormat.PKCS8, PASSWORD if encrypted else NoEncryption())

    assert private_key_in(key) is not None


@pytest.mark.parametrize("kind", ["ec", "rsa"])
@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_key_in_the_older_forms_is_seen(kind: str, encoding: Encoding) -> None:
    key = KEYS[kind].private_bytes(encoding, PrivateFormat.TraditionalOpenSSL, NoEncryption())

    assert private_key_in(key) is not None


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_a_key_of_openssh_is_seen(kind: str) -> None:
    key = KEYS[kind].private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())

    assert private_key_in(key) == "an OpenSSH private key"
    assert private_key_in(base64.b64decode(b"".join(key.splitlines()[1:-1]))) == "an OpenSSH private key"


@pytest.mark.parametrize("encryption", [NoEncryption(), PASSWORD], ids=["open", "encrypted"])
def test_pkcs12_is_seen_also_in_base64(encryption: NoEncryption | BestAvailableEncryption) -> None:
    assert isinstance(NODE.key, ec.EllipticCurvePrivateKey)
    store = pkcs12.serialize_key_and_certificates(b"node", NODE.key, NODE.certificate, None, encryption)

    assert private_key_in(store) == "a key store in PKCS#12"
    assert private_key_in(base64.encodebytes(store)) == "a key store in PKCS#12"
    assert private_key_in(b"-----BEGIN PKCS12-----\n" + base64.encodebytes(store)) == "a key store in PKCS#12"


@pytest.mark.parametrize("place", PLACES)
def test_a_key_is_seen_in_any_position_and_however_it_was_pasted(place: str) -> None:
    key = KEYS["ec"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    assert private_key_in(PLACES[place](key, NODE.pem)) is not None


def test_a_key_appended_to_a_certificate_in_der_is_seen() -> None:
    key = KEYS["ec"].private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    assert private_key_in(NODE.chain[0] + key) == "a private key in DER"


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("written", ["in DER", "in base64", "in one line of base64"])
def test_a_key_without_its_armour_is_seen_beside_a_certificate_in_pem(
    kind: str, written: str, *, encrypted: bool
) -> None:
    """Whoever looks for PEM alone takes it for text around the certificate."""
    encryption = PASSWORD if encrypted else NoEncryption()
    key = KEYS[kind].private_bytes(Encoding.DER, PrivateFormat.PKCS8, encryption)
    bare = {
        "in DER": key,
        "in base64": base64.encodebytes(key),
        "in one line of base64": base64.b64encode(key),
    }[written]

    assert private_key_in(NODE.pem + bare) is not None
    assert private_key_in(b"first:\n" + bare + b"\n\nthen:\n" + NODE.pem) is not None


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_a_key_in_the_older_forms_is_seen_in_der_behind_a_certificate_in_pem(kind: str) -> None:
    key = KEYS[kind].private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())

    assert private_key_in(NODE.pem + key) == "a private key in DER"


def test_a_key_store_is_seen_in_der_behind_a_certificate_in_pem() -> None:
    assert isinstance(NODE.key, ec.EllipticCurvePrivateKey)
    store = pkcs12.serialize_key_and_certificates(b"node", NODE.key, NODE.certificate, None, PASSWORD)

    assert private_key_in(NODE.pem + store) is not None


def test_a_key_of_putty_is_seen() -> None:
    assert private_key_in(NODE.pem + b"PuTTY-User-Key-File-3: ssh-rsa\n") == "a PuTTY private key"


@pytest.mark.parametrize(
    "content",
    [
        b"The private key stays where it is.\n" + NODE.pem,
        NODE.chain[0],
        pkcs7.serialize_certificates([NODE.certificate], Encoding.DER),
        pkcs7.serialize_certificates([NODE.certificate], Encoding.PEM),
        RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        RSA_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1),
        NODE.pem + NODE.chain[1],
        NODE.pem + base64.encodebytes(NODE.chain[1]) + b"0" * 500,
        NODE.pem + RSA_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        NODE.pem + RSA_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1),
        b"",
        b"0",
        b"0\x80",
        b"0\xff" + b"\xff" * 300,
    ],
    ids=itertools.count(),
)
def test_what_is_no_private_key_is_not_taken_for_one(content: bytes) -> None:
    assert private_key_in(content) is None
