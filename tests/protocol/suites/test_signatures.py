"""Every key that may sign, every key that may not, and every signature that must not pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, mldsa, padding, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from peerkey.errors import Misconfigured, PeerFault
from peerkey.protocol.suites import BadSignature, UnsupportedKey, Verifier, signer_for, verifier_for
from tests.protocol.suites.published import published_records

_MlDsaKey: TypeAlias = mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey

DATA = b"peerkey v1" + bytes(1200)

KEYS: dict[str, PrivateKeyTypes] = {
    "ecdsa-p256-sha256": ec.generate_private_key(ec.SECP256R1()),
    "ecdsa-p384-sha384": ec.generate_private_key(ec.SECP384R1()),
    "ecdsa-p521-sha512": ec.generate_private_key(ec.SECP521R1()),
    "rsa-pss-sha256": rsa.generate_private_key(65537, 2048),
    "ml-dsa-44": mldsa.MLDSA44PrivateKey.generate(),
    "ml-dsa-65": mldsa.MLDSA65PrivateKey.generate(),
    "ml-dsa-87": mldsa.MLDSA87PrivateKey.generate(),
}
ECDSA = {name: key for name, key in KEYS.items() if isinstance(key, ec.EllipticCurvePrivateKey)}
SIGNATURES = {name: signer_for(key).sign(DATA) for name, key in KEYS.items()}
VERIFIERS = {name: verifier_for(key.public_key()) for name, key in KEYS.items()}

REFUSED: dict[str, Callable[[], PrivateKeyTypes]] = {
    "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
    "P-224": lambda: ec.generate_private_key(ec.SECP224R1()),
    "brainpool": lambda: ec.generate_private_key(ec.BrainpoolP256R1()),
    "RSA-1024": lambda: rsa.generate_private_key(65537, 1024),  # noqa: S505 - too short on purpose
    "RSA with exponent 3": lambda: rsa.generate_private_key(3, 2048),
    "DSA": lambda: dsa.generate_private_key(2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "X25519": x25519.X25519PrivateKey.generate,
}

every_scheme = pytest.mark.parametrize("scheme", KEYS)


@every_scheme
def test_a_signature_verifies_under_its_key_and_nothing_else(scheme: str) -> None:
    VERIFIERS[scheme].verify(SIGNATURES[scheme], DATA)
    refused(VERIFIERS[scheme], SIGNATURES[scheme], DATA + b"\0")
    refused(VERIFIERS[scheme], SIGNATURES[scheme], DATA[1:])
    refused(VERIFIERS[scheme], SIGNATURES[scheme], b"")
    for other, verifier in VERIFIERS.items():
        if other != scheme:
            refused(verifier, SIGNATURES[scheme], DATA)


@every_scheme
def test_the_key_decides_the_scheme(scheme: str) -> None:
    assert signer_for(KEYS[scheme]).scheme == VERIFIERS[scheme].scheme == scheme


@every_scheme
def test_a_signature_of_any_other_length_is_refused(scheme: str) -> None:
    signature = SIGNATURES[scheme]
    for length in range(0, len(signature), 1 if len(signature) < 1000 else 23):
        refused(VERIFIERS[scheme], signature[:length], DATA)
    for longer in (signature + b"\0", b"\0" + signature, signature * 2, signature + bytes(65536)):
        refused(VERIFIERS[scheme], longer, DATA)


@every_scheme
@given(data=st.data())
def test_a_signature_or_data_changed_in_any_bit_is_refused(scheme: str, data: st.DataObject) -> None:
    refused(VERIFIERS[scheme], flipped(SIGNATURES[scheme], data), DATA)
    refused(VERIFIERS[scheme], SIGNATURES[scheme], flipped(DATA, data))


@every_scheme
@given(noise=st.binary(max_size=5000))
def test_noise_is_refused_and_breaks_nothing(scheme: str, noise: bytes) -> None:
    refused(VERIFIERS[scheme], noise, DATA)


@pytest.mark.parametrize("scheme", ECDSA)
def test_only_the_hash_of_the_curve_is_accepted(scheme: str) -> None:
    own = scheme.rpartition("-")[2]
    for algorithm in (hashes.SHA256(), hashes.SHA384(), hashes.SHA512()):
        signature = ECDSA[scheme].sign(DATA, ec.ECDSA(algorithm))
        if algorithm.name == own:
            VERIFIERS[scheme].verify(signature, DATA)
        else:
            refused(VERIFIERS[scheme], signature, DATA)


@pytest.mark.parametrize("scheme", ECDSA)
def test_an_ecdsa_signature_has_one_encoding(scheme: str) -> None:
    r, s = decode_dss_signature(SIGNATURES[scheme])
    VERIFIERS[scheme].verify(encode_dss_signature(r, s), DATA)
    length = (r.bit_length() + 8) // 8
    padded = der(b"\x02" + der_length(length + 1) + b"\0" + r.to_bytes(length, "big"), s)
    for wrong in (padded, der(b"", r), der(b"", s), encode_dss_signature(0, s), encode_dss_signature(r, 0)):
        refused(VERIFIERS[scheme], wrong, DATA)


def test_only_rsa_pss_with_sha_256_and_a_salt_of_32_bytes_is_accepted() -> None:
    key = KEYS["rsa-pss-sha256"]
    assert isinstance(key, rsa.RSAPrivateKey)
    sha256, sha384 = hashes.SHA256(), hashes.SHA384()
    VERIFIERS["rsa-pss-sha256"].verify(
        key.sign(DATA, padding.PSS(padding.MGF1(sha256), salt_length=32), sha256),
        DATA,
    )
    for signature in (
        key.sign(DATA, padding.PSS(padding.MGF1(sha256), salt_length=20), sha256),
        key.sign(DATA, padding.PSS(padding.MGF1(sha256), salt_length=0), sha256),
        key.sign(DATA, padding.PSS(padding.MGF1(sha384), salt_length=32), sha256),
        key.sign(DATA, padding.PSS(padding.MGF1(sha256), salt_length=32), sha384),
        key.sign(DATA, padding.PKCS1v15(), sha256),
    ):
        refused(VERIFIERS["rsa-pss-sha256"], signature, DATA)


def test_an_ml_dsa_signature_made_for_a_context_is_refused() -> None:
    key = KEYS["ml-dsa-44"]
    assert isinstance(key, mldsa.MLDSA44PrivateKey)
    VERIFIERS["ml-dsa-44"].verify(key.sign(DATA, b""), DATA)
    refused(VERIFIERS["ml-dsa-44"], key.sign(DATA, b"another protocol"), DATA)


def test_published_ml_dsa_signatures_are_genuine_but_belong_to_another_context() -> None:
    readers: dict[int, Callable[[bytes], _MlDsaKey]] = {
        44: mldsa.MLDSA44PublicKey.from_public_bytes,
        65: mldsa.MLDSA65PublicKey.from_public_bytes,
        87: mldsa.MLDSA87PublicKey.from_public_bytes,
    }
    for size, read in readers.items():
        records = list(published_records(f"asymmetric/MLDSA/kat_MLDSA_{size}_det_pure.rsp"))
        for record in records:
            value = {name: bytes.fromhex(record[name]) for name in ("pk", "msg", "sm", "ctx")}
            signature = value["sm"].removesuffix(value["msg"])
            key = read(value["pk"])
            key.verify(signature, value["msg"], value["ctx"])
            refused(verifier_for(key), signature, value["msg"])
        assert len(records) == 100


def test_published_ecdsa_signatures_are_judged_as_published() -> None:
    verdicts = [0, 0]
    for record, verifier in published_ecdsa():
        signature = encode_dss_signature(int(record["R"], 16), int(record["S"], 16))
        message = bytes.fromhex(record["Msg"])
        verdicts[record["Result"][0] == "P"] += 1
        if record["Result"][0] == "P":
            verifier.verify(signature, message)
        else:
            refused(verifier, signature, message)
    assert sum(verdicts) == 45
    assert min(verdicts) >= 3


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_a_key_of_another_kind_curve_or_size_is_refused_on_both_sides(
    make: Callable[[], PrivateKeyTypes],
) -> None:
    key = make()
    with pytest.raises(UnsupportedKey, match="unsupported key"):
        verifier_for(key.public_key())
    with pytest.raises(Misconfigured, match="private key cannot be used"):
        signer_for(key)


@pytest.mark.parametrize(
    ("bits", "exponent"),
    [(2047, 65537), (2040, 65537), (8193, 65537), (8200, 65537), (16384, 65537)]
    + [(2048, exponent) for exponent in (3, 17, 65535, 2**32 + 1, 2**64 + 1)],
)
def test_an_rsa_key_outside_the_bounds_is_refused_before_it_is_used(bits: int, exponent: int) -> None:
    with pytest.raises(UnsupportedKey, match="unsupported key: RSA"):
        verifier_for(rsa_public(bits, exponent))


@pytest.mark.parametrize(
    ("bits", "exponent"),
    [(2048, 65537), (3072, 65539), (4096, 2**32 - 1), (8192, 65537)],
)
def test_an_rsa_key_on_the_bounds_is_accepted(bits: int, exponent: int) -> None:
    verifier = verifier_for(rsa_public(bits, exponent))
    refused(verifier, b"\x01" * (bits // 8), DATA)


def test_an_even_exponent_never_becomes_a_key() -> None:
    """`cryptography` refuses it first; our own bound stands for the day that it does not."""
    with pytest.raises((ValueError, UnsupportedKey)):
        verifier_for(rsa_public(2048, 65538))


def test_only_signers_that_are_slow_say_so() -> None:
    heavy = {scheme: signer_for(key).heavy for scheme, key in KEYS.items()}
    assert [scheme for scheme, slow in heavy.items() if slow] == ["ml-dsa-65", "ml-dsa-87"]
    assert signer_for(rsa.generate_private_key(65537, 3072)).heavy


@every_scheme
def test_nothing_of_a_key_is_printed(scheme: str) -> None:
    assert repr(signer_for(KEYS[scheme])) == f"PrivateKeySigner({scheme})"
    assert repr(VERIFIERS[scheme]) == f"Verifier({scheme})"


def test_a_bad_signature_and_an_unsupported_key_are_the_peer_s_fault() -> None:
    assert issubclass(BadSignature, PeerFault)
    assert issubclass(UnsupportedKey, PeerFault)
    assert not issubclass(Misconfigured, PeerFault)


def refused(verifier: Verifier, signature: bytes, data: bytes) -> None:
    with pytest.raises(BadSignature, match=verifier.scheme):
        verifier.verify(signature, data)


def flipped(original: bytes, data: st.DataObject) -> bytes:
    bit = data.draw(st.integers(0, 8 * len(original) - 1))
    changed = bytearray(original)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def der(first: bytes, second: int) -> bytes:
    """A SEQUENCE of something and an INTEGER, as strict as its caller wants it."""
    size = (second.bit_length() + 8) // 8
    content = first + b"\x02" + der_length(size) + second.to_bytes(size, "big")
    return b"\x30" + der_length(len(content)) + content


def der_length(length: int) -> bytes:
    return bytes((length,)) if length < 128 else bytes((0x81, length))


def rsa_public(bits: int, exponent: int) -> PublicKeyTypes:
    return rsa.RSAPublicNumbers(exponent, (1 << (bits - 1)) + 1).public_key()


def published_ecdsa() -> Iterator[tuple[dict[str, str], Verifier]]:
    curves: dict[str, ec.EllipticCurve] = {
        "P-256,SHA-256": ec.SECP256R1(),
        "P-384,SHA-384": ec.SECP384R1(),
        "P-521,SHA-512": ec.SECP521R1(),
    }
    for record in published_records("asymmetric/ECDSA/FIPS_186-3/SigVer.rsp"):
        curve = curves.get(record["section"])
        if curve is not None:
            point = ec.EllipticCurvePublicNumbers(int(record["Qx"], 16), int(record["Qy"], 16), curve)
            yield record, verifier_for(point.public_key())
