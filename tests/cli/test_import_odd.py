"""What nobody should hand over, handed over: an import fails in one line and the old certificate stays.

The files that `cryptography` publishes go the same way in ``tests/pki/test_published_files.py``.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs7,
    pkcs12,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from peerkey.pki import laboratory
from peerkey.pki.identity import PeerIdentity
from peerkey.pki.ingest import MAXIMUM_IMPORT_BYTES, Holder, ImportRefused, accepted, handed_over
from peerkey.pki.laboratory import Validity
from peerkey.pki.revocation import NoRevocation
from peerkey.testing.ca import NOW, Issued, TestCA, new_key
from tests.cli.commands import peerkey
from tests.cli.two_routers import UUIDS, TwoRouters, two_routers

EAST = UUIDS["east"]
CA = TestCA()
ISSUED = CA.issue(EAST)


@pytest.fixture
def routers(tmp_path: Path) -> TwoRouters:
    return two_routers(tmp_path)


@pytest.fixture
def old(routers: TwoRouters) -> Issued:
    issued = routers.ca.issue(EAST)
    routers.certify("east", issued)
    return issued


def test_nothing_odd_is_imported(routers: TwoRouters, old: Issued, subtests: pytest.Subtests) -> None:
    sent, place = routers.folder / "sent", routers.folder / "east.pem"
    for name, content in {**keys(routers, old), **shapes(routers, old), **floods()}.items():
        with subtests.test(name):
            sent.write_bytes(content)

            done = peerkey(
                *("import", "certificate", sent, "--config", routers.file, "--node", "east/node0"),
                *("--state-dir", routers.folder / "state"),
            )

            assert done.exit_code == 1
            assert done.stdout == ""
            assert len(done.stderr.splitlines()) == 1
            assert done.stderr.rstrip().endswith("; nothing was changed")
            assert done.stderr.rstrip("\n").isprintable()
            assert place.read_bytes() == old.pem


def test_an_authority_with_a_key_that_takes_forever_is_never_computed_with(
    routers: TwoRouters, old: Issued
) -> None:
    """It has the name of our issuer and is signed by our root; the right one stands behind it."""
    giants = b"".join(
        pem(namesake(routers, key))
        for key in (rsa_key(16_384, 65_537), rsa_key(4_096, (1 << 4_090) + 1), rsa_key(2_048, 3))
    )
    (routers.folder / "sent").write_bytes(giants + old.pem)

    done = peerkey(
        *("import", "certificate", routers.folder / "sent", "--config", routers.file),
        *("--node", "east/node0", "--state-dir", routers.folder / "state"),
    )

    assert (done.exit_code, len(done.stderr.splitlines())) == (0, 0), done.stderr


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_whatever_bytes_of_a_good_certificate_are_spoilt_it_is_ours_or_it_is_refused(
    data: st.DataObject,
) -> None:
    good = data.draw(st.sampled_from([ISSUED.pem, ISSUED.chain[0], *containers(ISSUED)]))
    content = bytearray(good)
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))])
    holder = Holder(PeerIdentity(EAST), ISSUED.key.public_key(), "node.key")

    try:
        taken = accepted(
            handed_over(cut, "f"), "f", holder, trust=CA.trust, revocation=NoRevocation(), at=NOW
        )
    except ImportRefused as refused:
        said = str(refused)
    else:
        said = "taken"
        assert taken.chain[0] == ISSUED.certificate
    assert said.isprintable()


# --- helpers --------------------------------------------------------------------------------------


def keys(routers: TwoRouters, old: Issued) -> dict[str, bytes]:
    """Return certificates and chains that hold keys of every kind that nobody accepts."""
    odd: dict[str, CertificatePublicKeyTypes] = {
        "DSA": dsa.generate_private_key(2_048).public_key(),
        "Ed25519": ed25519.Ed25519PrivateKey.generate().public_key(),
        "Ed448": ed448.Ed448PrivateKey.generate().public_key(),
        "X25519": x25519.X25519PrivateKey.generate().public_key(),
        "secp256k1": ec.generate_private_key(ec.SECP256K1()).public_key(),
        "brainpool": ec.generate_private_key(ec.BrainpoolP256R1()).public_key(),
        "P-192": ec.generate_private_key(ec.SECP192R1()).public_key(),
        "a giant modulus": rsa_key(16_384, 65_537),
        "a giant exponent": rsa_key(4_096, (1 << 4_090) + 1),
        "an exponent of 3": rsa_key(2_048, 3),
    }
    leaf = pem(old.certificate)
    return {
        **{f"a leaf on {name}": routers.ca.issue(EAST, public_key=key).pem for name, key in odd.items()},
        **{f"an issuer on {name}": leaf + pem(namesake(routers, key)) for name, key in odd.items()},
    }


def shapes(routers: TwoRouters, old: Issued) -> dict[str, bytes]:
    """Return what is almost a certificate, or more than one."""
    ca, key, der = routers.ca, old.key, old.certificate.public_bytes(Encoding.DER)
    year = timedelta(days=365)
    renewed = ca.issue(EAST, key=key)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    traditional = key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    store = pkcs12.serialize_key_and_certificates(
        b"n",
        key,  # type: ignore[arg-type]
        renewed.certificate,
        None,
        BestAvailableEncryption(b"p"),
    )
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    serial = f"{old.certificate.serial_number:02x}"
    return {
        "of the past": ca.issue(EAST, key=key, not_before=ca.now - 9 * year, not_after=ca.now - year).pem,
        "of the far future": ca.issue(
            EAST,
            key=key,
            not_before=datetime(9999, 1, 1, tzinfo=UTC),
            not_after=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
        ).pem,
        "of the year 1950": ca.issue(
            EAST,
            key=key,
            not_before=datetime(1950, 1, 1, tzinfo=UTC),
            not_after=datetime(1951, 1, 1, tzinfo=UTC),
        ).pem,
        "with dates the wrong way round": swapped_dates(der),
        "with a negative serial number": patched(der, b"\x02\x01" + bytes.fromhex(serial), b"\x02\x01\xff"),
        "with the serial number 0": patched(der, b"\x02\x01" + bytes.fromhex(serial), b"\x02\x01\x00"),
        "of version 1": der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x00", 1),
        "of version 255": der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\xff", 1),
        "cut in DER": der[:-1],
        "with a byte more": der + b"\0",
        "a length that lies": b"\x30\x84\x7f\xff\xff\xff" + der,
        "deeply nested": b"\x30\x80" * 60_000,
        "nested and definite": nested(3_000),
        "with its key": renewed.pem + private,
        "with its key in front": private + renewed.pem,
        "with its key in DER behind": renewed.pem + traditional,
        "with a key in a line": renewed.pem + private.replace(b"\n", b""),
        "PKCS#12": store,
        "an empty PKCS#7": b"-----BEGIN PKCS7-----\n-----END PKCS7-----\n",
        "PKCS#7 of somebody else": containers(ca.issue(EAST))[0],
        "a request": request_pem(new_key()),
        "a public key": public,
        "a trusted certificate of OpenSSL": renewed.pem.replace(b" CERTIFICATE", b" TRUSTED CERTIFICATE"),
        "the label of another thing": renewed.pem.replace(b" CERTIFICATE", b" X509 CRL"),
        "without its end": renewed.pem[: renewed.pem.index(b"-----END")],
        "without its beginning": renewed.pem[30:],
        "two beginnings": b"-----BEGIN CERTIFICATE-----\n" + renewed.pem,
        "encrypted in the old way": renewed.pem.replace(
            b"CERTIFICATE-----\n", b"CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n\n", 1
        ),
        "base64 that is none": b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
        "twenty of them": b"".join(ca.issue(EAST).pem for _ in range(20)),
        "for two names": ca.issue(EAST, key=key, common_names=["a", "b"]).pem,
        "with a name that a terminal would obey": ca.issue(EAST, key=key, common_names=["\x1b[2J"]).pem,
        "a CA": ca.issue(EAST, key=key, ca=True).pem,
    }


def floods() -> dict[str, bytes]:
    """Return what would take for ever if it were not bounded."""
    size = MAXIMUM_IMPORT_BYTES
    return {
        "zeros": bytes(size),
        "too large": b"A" * (size + 1),
        "beginnings": b"-----BEGIN CERTIFICATE-----" * (size // 27),
        "beginnings of keys": b"BEGIN PRIVATE " * (size // 14),
        "spaces": b"BEGIN" + b" " * (size - 5),
        "dashes": b"-" * size,
        "containers": b"-----BEGIN PKCS7-----\nMAA=\n-----END PKCS7-----\n" * (size // 50),
        "certificates": b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n" * (size // 60),
        "written line ends": b"\\n" * (size // 2),
        "UTF-16": b"\xff\xfe" + b"-\0" * (size // 2 - 1),
    }


def containers(issued: Issued) -> tuple[bytes, ...]:
    certificates = [issued.certificate, *issued.intermediates]
    return tuple(pkcs7.serialize_certificates(certificates, form) for form in (Encoding.PEM, Encoding.DER))


def namesake(routers: TwoRouters, key: CertificatePublicKeyTypes) -> x509.Certificate:
    """Return an authority with the name of the one that issues, signed by the root, on another key."""
    ca = routers.ca
    builder = laboratory.started(
        ca.intermediate.certificate.subject,
        ca.root.certificate.subject,
        key,
        serial=ca.next_serial(),
        validity=Validity(ca.now - timedelta(days=1), ca.now + timedelta(days=1)),
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return laboratory.signed(builder.add_extension(laboratory.CA_USAGE, critical=True), ca.root.key)


def rsa_key(bits: int, exponent: int) -> rsa.RSAPublicKey:
    """Return a public key to which nobody has the private one."""
    return rsa.RSAPublicNumbers(exponent, (1 << bits) - 159).public_key()


def swapped_dates(der: bytes) -> bytes:
    """Return the certificate with notBefore and notAfter in each other's place."""
    place = der.index(b"\x30\x1e\x17\x0d") + 2
    return der[:place] + der[place + 15 : place + 30] + der[place : place + 15] + der[place + 30 :]


def patched(der: bytes, old: bytes, new: bytes) -> bytes:
    assert old in der
    return der.replace(old, new, 1)


def nested(depth: int) -> bytes:
    content = b""
    for _ in range(depth):
        content = b"\x30\x84" + len(content).to_bytes(4) + content
    return content


def request_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)
