"""Certificates that we did not make: the ``openssl`` command line as the certificate authority."""

from __future__ import annotations

import shutil
import subprocess
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from peerkey.errors import Malformed
from peerkey.pki.certificate import parse_chain_untrusted, read_bundle
from peerkey.pki.examination import Examination, Examiner
from peerkey.pki.faults import Fault
from peerkey.pki.identity import PeerIdentity
from peerkey.pki.revocation import NoRevocation
from peerkey.pki.trust import TrustAnchors

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command line")

NODE = UUID("6f0c1c1e-9f4b-4d5f-8a57-0c6b2f6a1d01")
KEYS = {
    "P-256": ("EC", "ec_paramgen_curve:P-256"),
    "P-384": ("EC", "ec_paramgen_curve:P-384"),
    "P-521": ("EC", "ec_paramgen_curve:P-521"),
    "RSA-2048": ("RSA", "rsa_keygen_bits:2048"),
    "RSA-3072": ("RSA", "rsa_keygen_bits:3072"),
    "RSA-PSS-2048": ("RSA-PSS", "rsa_keygen_bits:2048"),
}
CA_EXTENSIONS = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
LEAF_EXTENSIONS = "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=clientAuth\n"
#: Shown by the vendor's "show peers certificate": keyUsage not critical, DNS name, nothing else.
VENDOR_EXTENSIONS = "keyUsage=digitalSignature,keyEncipherment\nsubjectAltName=DNS:SSR_701_spoke1_peering\n"


@pytest.mark.parametrize("kind", ["P-256", "P-384", "P-521", "RSA-2048", "RSA-3072"])
def test_a_chain_with_an_intermediate_is_accepted(tmp_path: Path, kind: str) -> None:
    certify(tmp_path, "root", kind, "root", CA_EXTENSIONS)
    certify(tmp_path, "issuing", kind, "root", CA_EXTENSIONS)
    certify(tmp_path, "leaf", kind, "issuing", LEAF_EXTENSIONS, common_name=str(NODE))

    examination = examined(tmp_path, "leaf", "issuing", trusted="root")

    assert examination.verdict.explain() == ""
    assert examination.chained


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("kind", ["P-256", "P-521", "RSA-2048"])
def test_the_hash_is_taken_from_the_certificate(tmp_path: Path, kind: str, digest: str) -> None:
    """Field failure I95-63299: SHA-256 was assumed whatever the certificate said."""
    certify(tmp_path, "root", kind, "root", CA_EXTENSIONS)
    certify(
        tmp_path, "leaf", "P-384", "root", LEAF_EXTENSIONS, common_name=str(NODE), options=(f"-{digest}",)
    )

    assert examined(tmp_path, "leaf", trusted="root").verdict.valid


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_a_pss_signature_of_an_ordinary_rsa_key_is_accepted(tmp_path: Path, digest: str) -> None:
    certify(tmp_path, "root", "RSA-2048", "root", CA_EXTENSIONS)
    options = (f"-{digest}", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest")
    certify(tmp_path, "leaf", "P-256", "root", LEAF_EXTENSIONS, common_name=str(NODE), options=options)

    assert examined(tmp_path, "leaf", trusted="root").verdict.valid


def test_a_key_marked_as_pss_only_is_accepted_of_a_node_but_not_of_a_ca(tmp_path: Path) -> None:
    certify(tmp_path, "root", "P-256", "root", CA_EXTENSIONS)
    certify(tmp_path, "issuing", "RSA-PSS-2048", "root", CA_EXTENSIONS)
    certify(tmp_path, "node", "RSA-PSS-2048", "root", LEAF_EXTENSIONS, common_name=str(NODE))
    certify(tmp_path, "below", "P-256", "issuing", LEAF_EXTENSIONS, common_name=str(NODE))

    assert examined(tmp_path, "node", trusted="root").verdict.valid
    (finding,) = examined(tmp_path, "below", "issuing", trusted="root").verdict.faults
    assert finding.fault is Fault.FORBIDDEN_ALGORITHM
    assert "CA CN=issuing: the key of a CA is marked as RSASSA-PSS only" in finding.detail


@pytest.mark.parametrize("digest", ["sha1", "md5"])
def test_sha_1_and_md5_are_refused(tmp_path: Path, digest: str) -> None:
    certify(tmp_path, "root", "RSA-2048", "root", CA_EXTENSIONS)
    certify(
        tmp_path, "leaf", "P-256", "root", LEAF_EXTENSIONS, common_name=str(NODE), options=(f"-{digest}",)
    )

    examination = examined(tmp_path, "leaf", trusted="root")

    assert examination.verdict.has(Fault.FORBIDDEN_ALGORITHM)
    assert not examination.chained


@pytest.mark.parametrize("digest", ["sha1", "sha224"])
def test_a_pss_signature_over_a_weak_hash_is_refused(tmp_path: Path, digest: str) -> None:
    """PSS has one object identifier for all hashes: the hash stands in its parameters."""
    certify(tmp_path, "root", "RSA-2048", "root", CA_EXTENSIONS)
    options = (f"-{digest}", "-sigopt", "rsa_padding_mode:pss")
    certify(tmp_path, "leaf", "P-256", "root", LEAF_EXTENSIONS, common_name=str(NODE), options=options)

    verdict = examined(tmp_path, "leaf", trusted="root").verdict

    assert verdict.has(Fault.FORBIDDEN_ALGORITHM)
    assert f"signed over {digest}" in verdict.explain()


def test_an_alias_in_the_common_name_as_the_vendor_issues_it_is_accepted(tmp_path: Path) -> None:
    alias = "SSR_701_spoke1_peering"
    certify(tmp_path, "root", "P-384", "root", CA_EXTENSIONS)
    certify(tmp_path, "leaf", "P-521", "root", VENDOR_EXTENSIONS, common_name=alias)

    assert examined(tmp_path, "leaf", trusted="root", identity=PeerIdentity(NODE, alias)).verdict.valid


def test_a_self_signed_certificate_with_the_defaults_of_openssl_req_is_a_ca(tmp_path: Path) -> None:
    """``openssl req -x509`` makes CA:TRUE unless told otherwise: the usual way into that mistake."""
    make_key(tmp_path, "leaf", "P-256")
    openssl(tmp_path, "req", "-x509", "-key", "leaf.key", "-out", "leaf.pem", "-subj", f"/CN={NODE}")

    assert examined(tmp_path, "leaf", trusted="leaf").verdict.has(Fault.CA_LEAF)


def test_a_certificate_of_version_1_is_malformed(tmp_path: Path) -> None:
    """``openssl x509 -req`` makes these where no extension is asked for."""
    certify(tmp_path, "root", "P-256", "root", CA_EXTENSIONS)
    certify(tmp_path, "leaf", "P-256", "root", "", common_name=str(NODE))
    openssl(tmp_path, "x509", "-in", "leaf.pem", "-outform", "DER", "-out", "leaf.der")

    if b"Version: 1 (0x0)" not in openssl(tmp_path, "x509", "-in", "leaf.pem", "-noout", "-text"):
        pytest.skip("this openssl makes version 3 always")
    with pytest.raises(Malformed, match="version v1, not v3"):
        parse_chain_untrusted([(tmp_path / "leaf.der").read_bytes()])


def test_text_that_openssl_prints_around_certificates_is_read_over(tmp_path: Path) -> None:
    certify(tmp_path, "root", "P-256", "root", CA_EXTENSIONS)
    text = openssl(tmp_path, "x509", "-in", "root.pem", "-text")

    (certificate,) = read_bundle(text, "root.txt")

    assert certificate.public_bytes(Encoding.DER) == openssl(
        tmp_path, "x509", "-in", "root.pem", "-outform", "DER"
    )


def make_key(folder: Path, name: str, kind: str) -> None:
    algorithm, option = KEYS[kind]
    openssl(folder, "genpkey", "-algorithm", algorithm, "-pkeyopt", option, "-out", f"{name}.key")


def certify(
    folder: Path,
    name: str,
    kind: str,
    issuer: str,
    extensions: str,
    *,
    common_name: str | None = None,
    options: tuple[str, ...] = (),
) -> None:
    """Make ``<name>.key`` and, signed by ``issuer``, ``<name>.pem``."""
    make_key(folder, name, kind)
    (folder / f"{name}.ext").write_text(extensions)
    openssl(
        folder,
        "req",
        "-new",
        "-key",
        f"{name}.key",
        "-out",
        f"{name}.csr",
        "-subj",
        f"/CN={common_name or name}",
    )
    signer = (
        ("-signkey", f"{name}.key") if issuer == name else ("-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key")
    )
    openssl(
        folder,
        "x509",
        "-req",
        *("-in", f"{name}.csr", "-out", f"{name}.pem", "-extfile", f"{name}.ext"),
        *("-days", "30", "-set_serial", str(1 + len(list(folder.glob("*.pem"))))),
        *signer,
        *options,
    )


def examined(
    folder: Path,
    *chain: str,
    trusted: str,
    identity: PeerIdentity = PeerIdentity(NODE),  # noqa: B008  # immutable
) -> Examination:
    """Examine the chain of these names, a day after its leaf begins."""
    certificates = [
        certificate
        for name in chain
        for certificate in read_bundle((folder / f"{name}.pem").read_bytes(), name)
    ]
    trust = TrustAnchors.read([((folder / f"{trusted}.pem").read_bytes(), trusted)])
    examiner = Examiner(identity, peer_validation=True, trust=trust, revocation=NoRevocation())
    at = certificates[0].not_valid_before_utc + timedelta(days=1)
    return examiner.examine(tuple(certificate.public_bytes(Encoding.DER) for certificate in certificates), at)


def openssl(folder: Path, *arguments: str) -> bytes:
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout
