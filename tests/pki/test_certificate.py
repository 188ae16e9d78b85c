"""Bytes to certificates: within bounds from a peer, forgiving from an operator, never by surprise."""

from __future__ import annotations

from itertools import repeat
from typing import Final
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import x448
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from peerkey.errors import Malformed, Misconfigured
from peerkey.pki.certificate import (
    MAXIMUM_BUNDLE_BYTES,
    MAXIMUM_CERTIFICATE_BYTES,
    chain_of,
    fingerprint,
    parse_chain_untrusted,
    read_bundle,
)
from peerkey.pki.chain import validate
from peerkey.pki.revocation import NoRevocation
from peerkey.testing.ca import NOW, TestCA

NODE = UUID("6f0c1c1e-9f4b-4d5f-8a57-0c6b2f6a1d01")
CA: Final = TestCA()
GOOD: Final = CA.issue(NODE)
SPAM: Final = x509.UnrecognizedExtension(
    x509.ObjectIdentifier("1.2.3.4"), b"\x00" * MAXIMUM_CERTIFICATE_BYTES
)


def test_a_chain_is_read_leaf_first() -> None:
    chain = parse_chain_untrusted(GOOD.chain)

    assert chain.certificates == (GOOD.certificate, CA.intermediate.certificate)
    assert chain.fingerprint == fingerprint(GOOD.certificate)
    assert len(chain.fingerprint) == 32
    assert chain_of(chain.certificates) == chain


def test_six_certificates_are_read_and_seven_are_not() -> None:
    assert len(parse_chain_untrusted([GOOD.chain[0]] * 6).certificates) == 6
    with pytest.raises(Malformed, match="a chain of 7 certificates; 1 to 6 are accepted"):
        parse_chain_untrusted([GOOD.chain[0]] * 7)


def test_an_empty_chain_is_malformed() -> None:
    with pytest.raises(Malformed, match="a chain of 0 certificates"):
        parse_chain_untrusted([])


def test_a_certificate_that_is_too_long_is_not_even_parsed() -> None:
    spam = CA.issue(NODE, more=[(SPAM, False)])

    with pytest.raises(Malformed, match="at most 16384 are accepted"):
        parse_chain_untrusted(spam.chain)


def test_more_names_than_can_be_meant_are_malformed() -> None:
    spam = CA.issue(NODE, uris=[f"urn:uuid:{UUID(int=number)}" for number in range(65)])

    with pytest.raises(Malformed, match="more than 64 alternative names"):
        parse_chain_untrusted(spam.chain)


def test_a_key_of_an_unreadable_kind_is_malformed() -> None:
    """X448's OID, changed to one that nobody has."""
    odd = CA.issue(NODE, public_key=x448.X448PrivateKey.generate().public_key())
    der = odd.chain[0].replace(bytes.fromhex("06032b656f"), bytes.fromhex("06032b657f"))

    with pytest.raises(Malformed, match="the key of the leaf cannot be read"):
        parse_chain_untrusted([der])


def test_an_operators_certificate_with_such_a_key_is_refused_too() -> None:
    odd = CA.issue(NODE, public_key=x448.X448PrivateKey.generate().public_key())
    der = odd.chain[0].replace(bytes.fromhex("06032b656f"), bytes.fromhex("06032b657f"))

    with pytest.raises(
        Misconfigured, match=r"^node\.der: the key of certificate 1 cannot be read: 1\.3\.101\.127$"
    ):
        read_bundle(der, "node.der")


def test_an_intermediate_with_such_a_key_is_no_candidate_and_no_obstacle() -> None:
    odd = CA.issue(NODE, public_key=x448.X448PrivateKey.generate().public_key())
    der = odd.chain[0].replace(bytes.fromhex("06032b656f"), bytes.fromhex("06032b657f"))
    chain = parse_chain_untrusted([*GOOD.chain, der])

    assert validate(chain, CA.trust, NoRevocation(), NOW).valid


@pytest.mark.parametrize("version", [0, 1, 3])
def test_other_versions_than_three_are_malformed(version: int) -> None:
    der = GOOD.chain[0].replace(bytes.fromhex("a003020102"), bytes.fromhex(f"a00302010{version}"), 1)

    with pytest.raises(Malformed, match="certificate 0 cannot be read"):
        parse_chain_untrusted([der])


def test_an_extension_given_twice_is_malformed() -> None:
    one = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    two = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.5"), b"\x05\x00")
    der = CA.issue(NODE, more=[(one, False), (two, False)]).chain[0]

    with pytest.raises(Malformed, match="certificate 0 cannot be read: DuplicateExtension"):
        parse_chain_untrusted([der.replace(bytes.fromhex("06032a0305"), bytes.fromhex("06032a0304"))])


def test_a_serial_number_that_is_not_positive_is_malformed_and_warns_nobody() -> None:
    number = GOOD.certificate.serial_number
    der = GOOD.chain[0].replace(bytes([2, 1, number]), bytes([2, 1, 0x80 | number]), 1)

    with pytest.raises(Malformed, match="certificate 0 cannot be read"):
        parse_chain_untrusted([der])


def test_unused_bits_in_a_signature_are_malformed() -> None:
    """The verifier reads over an unused bit that is zero; the fingerprint would be another."""
    issued = next(one for one in map(CA.issue, repeat(NODE)) if one.certificate.signature[-1] % 2 == 0)
    signature = issued.certificate.signature
    der = issued.chain[0][: -len(signature) - 1] + b"\x01" + signature

    with pytest.raises(Malformed, match="a signature that is not whole bytes"):
        parse_chain_untrusted([der])


def test_a_name_of_more_parts_than_can_be_meant_is_malformed() -> None:
    with pytest.raises(Malformed, match="a name of more than 64 parts"):
        parse_chain_untrusted(CA.issue(NODE, common_names=[str(number) for number in range(65)]).chain)


def test_a_validity_that_ends_before_it_begins_is_malformed() -> None:
    issued = CA.issue(NODE, not_before=NOW, not_after=NOW)
    time = f"{NOW:%y%m%d%H%M%SZ}".encode()
    der = issued.chain[0].replace(time, b"300615120001Z", 1)

    assert parse_chain_untrusted(issued.chain).leaf.not_valid_before_utc == NOW
    with pytest.raises(Malformed, match="notBefore lies after notAfter"):
        parse_chain_untrusted([der])


def test_a_general_name_of_a_kind_that_nobody_supports_is_malformed() -> None:
    """``cryptography`` raises an exception of its own here that is no ``ValueError``."""
    uri = f"urn:uuid:{NODE}".encode()
    der = GOOD.chain[0].replace(bytes([0x86, len(uri)]) + uri, bytes([0xA3, len(uri)]) + uri)

    with pytest.raises(Malformed, match="are not supported types"):
        parse_chain_untrusted([der])


def test_a_name_that_is_longer_than_it_should_be_is_read_and_warns_nobody() -> None:
    """``C=Switzerland``, as some authorities write it; RFC 5280 wants two letters."""
    der = GOOD.chain[0].replace(bytes.fromhex("0603550403"), bytes.fromhex("0603550406"))

    chain = parse_chain_untrusted([der])

    assert chain.names.common_names == ()
    assert len(chain.leaf.issuer) == 1
    assert chain.leaf.subject.rfc4514_string() == f"C={NODE}"


def test_a_fault_in_an_intermediate_says_which_one() -> None:
    with pytest.raises(Malformed, match="certificate 1 cannot be read"):
        parse_chain_untrusted([GOOD.chain[0], GOOD.chain[1][:-1]])


@given(st.integers(0, len(GOOD.chain[0]) - 1))
def test_every_truncated_certificate_is_malformed(length: int) -> None:
    with pytest.raises(Malformed):
        parse_chain_untrusted([GOOD.chain[0][:length], GOOD.chain[1]])


@given(st.binary(min_size=1, max_size=64))
def test_trailing_bytes_are_malformed(tail: bytes) -> None:
    with pytest.raises(Malformed):
        parse_chain_untrusted([GOOD.chain[0] + tail])


@given(st.binary(max_size=4096))
def test_noise_is_malformed(noise: bytes) -> None:
    with pytest.raises(Malformed):
        parse_chain_untrusted([noise])


@settings(max_examples=500)
@given(st.integers(0, len(GOOD.chain[0]) - 1), st.integers(1, 255), st.sampled_from([0, 1]))
def test_a_changed_byte_is_malformed_or_never_valid(place: int, change: int, which: int) -> None:
    """Whatever is changed in the leaf or the intermediate: no other error, and no valid verdict."""
    chain = [bytearray(der) for der in GOOD.chain]
    chain[which][place % len(chain[which])] ^= change
    try:
        parsed = parse_chain_untrusted([bytes(der) for der in chain])
    except Malformed:
        return
    verdict = validate(parsed, CA.trust, NoRevocation(), NOW)

    assert not verdict.valid
    assert verdict.explain().isprintable()


@settings(max_examples=200)
@given(st.data())
def test_nested_lengths_do_not_exhaust_anything(data: st.DataObject) -> None:
    depth = data.draw(st.integers(1, 1000))
    der = b"\x05\x00"
    for _ in range(depth):
        length = len(der)
        header = bytes([0x30, length]) if length < 128 else b"\x30\x82" + length.to_bytes(2)
        der = header + der
    with pytest.raises(Malformed):
        parse_chain_untrusted([der])


def test_pem_is_found_wherever_it_stands_in_a_text() -> None:
    text = b"issued for node0 \xe2\x80\x94 keep\n\n" + GOOD.pem.replace(b"\n", b"\r\n") + b"that was all"

    assert read_bundle(text, "node.pem") == (GOOD.certificate, CA.intermediate.certificate)


def test_der_is_read_too() -> None:
    assert read_bundle(GOOD.chain[0], "node.der") == (GOOD.certificate,)


def test_files_appended_without_a_line_end_between_them_are_read() -> None:
    """Field failure I95-65819: a bundle of CAs that was concatenated wrongly."""
    pem = GOOD.certificate.public_bytes(Encoding.PEM).rstrip(b"\n")

    assert read_bundle(pem + pem + pem, "cas.pem") == (GOOD.certificate,) * 3


def test_a_paste_that_lost_its_line_breaks_is_read() -> None:
    """Field failure I95-65559: a certificate pasted in one piece was dropped silently."""
    assert read_bundle(GOOD.pem.replace(b"\n", b" "), "paste") == (
        GOOD.certificate,
        CA.intermediate.certificate,
    )
    assert read_bundle(GOOD.pem.replace(b"\n", b""), "paste") == (
        GOOD.certificate,
        CA.intermediate.certificate,
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "node.pem: holds no certificate, neither in PEM nor in DER"),
        (b"hello", "node.pem: holds no certificate, neither in PEM nor in DER"),
        (b"\x30\x03abc", "node.pem: certificate 1 cannot be read"),
        (GOOD.pem[:-30], "node.pem: 2 certificates begin but 1 end; was the text cut?"),
        (GOOD.pem.replace(b"MII", b"MI!"), "node.pem: certificate 1 cannot be read"),
        (b" " * (MAXIMUM_BUNDLE_BYTES + 1), "node.pem: 4194305 bytes; at most 4194304 are read"),
    ],
)
def test_what_an_operator_must_change_is_said_in_one_line(content: bytes, message: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        read_bundle(content, "node.pem")

    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_private_key_in_place_of_a_certificate_is_named_but_not_shown() -> None:
    key = GOOD.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    with pytest.raises(Misconfigured) as caught:
        read_bundle(key, "node.pem")

    assert str(caught.value) == "node.pem: holds no certificate, but a PRIVATE KEY"


def test_a_bundle_of_too_many_certificates_is_refused() -> None:
    with pytest.raises(Misconfigured, match="1025 certificates; at most 1024 are read"):
        read_bundle(GOOD.certificate.public_bytes(Encoding.PEM) * 1025, "cas.pem")


@settings(max_examples=200)
@given(st.binary(max_size=256), st.integers(0, len(GOOD.pem)), st.integers(0, len(GOOD.pem)))
def test_no_file_does_more_than_fail_with_one_line(noise: bytes, start: int, stop: int) -> None:
    spliced = GOOD.pem[:start] + noise + GOOD.pem[stop:]
    try:
        certificates: tuple[x509.Certificate, ...] = read_bundle(spliced, "file")
        told = "file: "
    except Misconfigured as error:
        certificates, told = (), str(error)

    assert told.startswith("file: ")
    assert "\n" not in told
    assert set(certificates) <= {GOOD.certificate, CA.intermediate.certificate}
