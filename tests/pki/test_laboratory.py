"""The laboratory's authority: what it issues is good, and the same call issues the same."""

from __future__ import annotations

import shutil
import subprocess
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from peerkey.pki.examination import Examiner
from peerkey.pki.identity import PeerIdentity, names_of
from peerkey.pki.laboratory import Authority, SigningKey, Validity, issue, new_intermediate, new_root
from peerkey.pki.revocation import NoRevocation
from peerkey.pki.trust import TrustAnchors
from peerkey.testing.ca import NOW

if TYPE_CHECKING:
    from pathlib import Path

NODE = PeerIdentity(UUID("6f0c1c1e-9f4b-4d5f-8a57-0c6b2f6a1d01"), "hub-1")
VALIDITY = Validity(NOW, NOW + timedelta(days=30))
KEYS: dict[str, SigningKey] = {
    "EC": ec.generate_private_key(ec.SECP256R1()),
    "RSA": rsa.generate_private_key(65537, 2048),
}


@pytest.mark.parametrize("kind", sorted(KEYS))
def test_what_the_laboratory_issues_is_valid(kind: str) -> None:
    root, intermediate, leaf = laboratory_chain(KEYS[kind])
    examiner = Examiner(
        NODE,
        peer_validation=True,
        trust=TrustAnchors.of([root.certificate]),
        revocation=NoRevocation(),
    )

    examination = examiner.examine(
        (leaf.public_bytes(Encoding.DER), intermediate.certificate.public_bytes(Encoding.DER)), NOW
    )

    assert examination.verdict.explain() == ""


@pytest.mark.parametrize("kind", sorted(KEYS))
def test_the_same_call_issues_the_same_certificate(kind: str) -> None:
    assert laboratory_chain(KEYS[kind])[2] == laboratory_chain(KEYS[kind])[2]


def test_a_node_is_named_by_uuid_and_alias() -> None:
    names = names_of(laboratory_chain(KEYS["EC"])[2])

    assert names.common_names == (str(NODE.uuid),)
    assert names.uuids == (NODE.uuid,)
    assert names.aliases == ("hub-1",)


def test_a_node_without_an_alias_is_named_by_its_uuid_alone() -> None:
    root = new_root("root", KEYS["EC"], serial=1, validity=VALIDITY)
    leaf = issue(PeerIdentity(NODE.uuid), KEYS["EC"].public_key(), root, serial=2, validity=VALIDITY)

    assert names_of(leaf).aliases == ()


def test_addresses_of_revocation_lists_are_named() -> None:
    root = new_root("root", KEYS["EC"], serial=1, validity=VALIDITY)
    url = "http://crl.example.com/ca.crl"
    leaf = issue(NODE, KEYS["EC"].public_key(), root, serial=2, validity=VALIDITY, crl_urls=[url])

    (point,) = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert point.full_name == [x509.UniformResourceIdentifier(url)]


def test_an_authority_does_not_show_its_key() -> None:
    root = new_root("root", KEYS["EC"], serial=1, validity=VALIDITY)

    assert "key" not in repr(root).lower()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command line")
@pytest.mark.parametrize("kind", sorted(KEYS))
def test_openssl_verifies_what_the_laboratory_issues(tmp_path: Path, kind: str) -> None:
    root, intermediate, leaf = laboratory_chain(KEYS[kind])
    for name, certificate in (
        ("root", root.certificate),
        ("issuing", intermediate.certificate),
        ("leaf", leaf),
    ):
        (tmp_path / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    arguments = ["-x509_strict", "-purpose", "sslclient", "-attime", str(int(NOW.timestamp()))]
    done = subprocess.run(
        ["openssl", "verify", *arguments, "-CAfile", "root.pem", "-untrusted", "issuing.pem", "leaf.pem"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        timeout=60,
    )

    assert done.stdout == b"leaf.pem: OK\n", done.stderr.decode()


def laboratory_chain(key: SigningKey) -> tuple[Authority, Authority, x509.Certificate]:
    root = new_root("root", key, serial=1, validity=VALIDITY)
    intermediate = new_intermediate("issuing", key, root, serial=2, validity=VALIDITY)
    return root, intermediate, issue(NODE, key.public_key(), intermediate, serial=3, validity=VALIDITY)
