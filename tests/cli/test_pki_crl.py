"""``peerkey pki crl``: what a revocation list holds, and whether it is signed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from peerkey.pki.laboratory import Authority
from peerkey.testing.ca import NOW, TestCA
from peerkey.testing.lists import revocation_list
from tests.cli.commands import document, peerkey

CA = TestCA()
STRANGER = TestCA("stranger")
ISSUED = CA.issue(UUID(int=7))
LEAF = ISSUED.certificate
LIST = revocation_list(
    CA.intermediate, LEAF, number=12, reasons={LEAF.serial_number: x509.ReasonFlags.key_compromise}
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "list.crl").write_bytes(LIST.public_bytes(Encoding.DER))
    (tmp_path / "issuing.pem").write_bytes(CA.intermediate.certificate.public_bytes(Encoding.PEM))
    (tmp_path / "root.pem").write_bytes(CA.root.certificate.public_bytes(Encoding.PEM))
    (tmp_path / "stranger.pem").write_bytes(STRANGER.root.certificate.public_bytes(Encoding.PEM))
    return tmp_path


def test_the_document_says_all_of_it(folder: Path) -> None:
    (said,) = document("pki", "crl", folder / "list.crl", "--issuer", folder / "issuing.pem")["lists"]

    assert said == {
        "issuer": "CN=test issuing",
        "number": 12,
        "delta_base": None,
        "this_update": "2030-06-14T12:00:00.000Z",
        "next_update": "2030-06-16T12:00:00.000Z",
        "state": said["state"],
        "signature_algorithm": "ecdsa-with-SHA256",
        "signature": "valid",
        "unknown_extension": None,
        "indirect": False,
        "total_entries": 1,
        "entries": [
            {
                "serial": f"{LEAF.serial_number:x}",
                "since": "2030-06-14T12:00:00.000Z",
                "reason": "keyCompromise",
                "issuer": None,
            }
        ],
    }


def test_a_person_sees_a_block_and_the_first_twenty_entries(folder: Path) -> None:
    many = [CA.issue(UUID(int=number + 1)).certificate for number in range(25)]
    (folder / "list.crl").write_bytes(revocation_list(CA.intermediate, *many).public_bytes(Encoding.PEM))

    said = peerkey("pki", "crl", folder / "list.crl").stdout.splitlines()

    assert any(line.split() == ["Entries:", "25"] for line in said)
    assert sum("2030-06-14T12:00:00.000Z   N/A" in line for line in said) == 20
    assert said[-1] == " and 5 more, which --json has too"


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({"this_update": NOW - timedelta(days=9_000), "next_update": NOW - timedelta(days=8_000)}, "stale"),
        ({"this_update": NOW + timedelta(days=9_000), "next_update": NOW + timedelta(days=9_001)}, "not-yet"),
        ({"this_update": NOW - timedelta(days=9_000), "next_update": NOW + timedelta(days=9_000)}, "current"),
    ],
    ids=["stale", "not-yet", "current"],
)
def test_the_dates_say_whether_it_is_current(folder: Path, change: Any, state: str) -> None:  # noqa: ANN401
    (folder / "list.crl").write_bytes(revocation_list(CA.root, **change).public_bytes(Encoding.DER))

    assert only(folder, "list.crl")["state"] == state


def test_a_delta_names_its_base_and_an_indirect_list_its_issuers(folder: Path) -> None:
    scope = x509.IssuingDistributionPoint(
        None,
        None,
        only_contains_user_certs=False,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=True,
        only_contains_attribute_certs=False,
    )
    delta = revocation_list(CA.root, LEAF, number=3, base=2, scope=scope)
    (folder / "list.crl").write_bytes(delta.public_bytes(Encoding.DER))

    said = only(folder, "list.crl")

    assert (said["delta_base"], said["number"], said["indirect"]) == (2, 3, True)
    assert said["entries"][0]["issuer"] == "CN=test issuing"


@pytest.mark.parametrize(
    ("issuer", "signature", "status"),
    [
        ("issuing.pem", "valid", 0),
        ("root.pem", "other-issuer", 1),
        ("stranger.pem", "other-issuer", 1),
        ("namesake.pem", "invalid", 1),
        ("leaf.pem", "not-a-signer", 1),
        (None, "unchecked", 0),
    ],
)
def test_the_signature_is_checked_with_the_ca_that_is_given(
    folder: Path, issuer: str | None, signature: str, status: int
) -> None:
    namesake = TestCA("test").intermediate.certificate
    (folder / "namesake.pem").write_bytes(namesake.public_bytes(Encoding.PEM))
    (folder / "leaf.pem").write_bytes(LEAF.public_bytes(Encoding.PEM))
    if signature == "not-a-signer":
        impostor = revocation_list(Authority(LEAF, ISSUED.key))
        (folder / "list.crl").write_bytes(impostor.public_bytes(Encoding.DER))
    words = () if issuer is None else ("--issuer", folder / issuer)

    assert only(folder, "list.crl", *words)["signature"] == signature
    assert peerkey("pki", "crl", folder / "list.crl", *words).exit_code == status


def test_a_spoiled_signature_is_told(folder: Path) -> None:
    spoiled = bytearray(LIST.public_bytes(Encoding.DER))
    spoiled[-1] ^= 1
    (folder / "list.crl").write_bytes(spoiled)

    assert only(folder, "list.crl", "--issuer", folder / "issuing.pem")["signature"] == "invalid"


def test_several_lists_stand_in_one_file_and_standard_input_is_a_file_too(folder: Path) -> None:
    both = b"text\n".join(revocation_list(ca).public_bytes(Encoding.PEM) for ca in (CA.root, CA.intermediate))

    done = peerkey("pki", "crl", "-", stdin=both)

    assert done.exit_code == 0
    assert done.stdout.count(" Revocation List\n") == 2


@pytest.mark.parametrize("content", [b"", b"none", ISSUED.pem, b"\x30\x80" * 50_000])
def test_what_is_no_list_is_refused_in_one_line(folder: Path, content: bytes) -> None:
    (folder / "list.crl").write_bytes(content)

    done = peerkey("pki", "crl", folder / "list.crl")

    assert (done.exit_code, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)


def test_a_file_that_cannot_be_opened_is_wrong_usage(folder: Path) -> None:
    assert peerkey("pki", "crl", folder / "absent").exit_code == 2
    assert peerkey("pki", "crl", folder / "list.crl", "--issuer", folder / "absent").exit_code == 2


def only(folder: Path, name: str, *words: object) -> Any:  # noqa: ANN401 - JSON
    (each,) = document("pki", "crl", folder / name, *words)["lists"]
    return each
