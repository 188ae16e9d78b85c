"""``peerkey pki verify``: one answer to whatever it is given, and an exit status that agrees with it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs7
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from peerkey.pki.faults import Fault
from peerkey.testing.ca import NOW, TestCA, new_key
from peerkey.testing.lists import revocation_list
from tests.cli.commands import document, peerkey

NODE = UUID("d66887a3-a556-4782-952b-f8818ec8d8bc")
CA = TestCA()
GOOD = CA.issue(NODE)
AT = ("--at", NOW.isoformat())
SECOND = timedelta(seconds=1)


@pytest.fixture
def pki(tmp_path: Path) -> Path:
    (tmp_path / "root.pem").write_bytes(CA.root.certificate.public_bytes(Encoding.PEM))
    (tmp_path / "good.pem").write_bytes(GOOD.pem)
    (tmp_path / "leaf.der").write_bytes(GOOD.chain[0])
    (tmp_path / "issuing.der").write_bytes(GOOD.chain[1])
    (tmp_path / "list.crl").write_bytes(revocation_list(CA.intermediate).public_bytes(Encoding.DER))
    (tmp_path / "root.crl").write_bytes(revocation_list(CA.root).public_bytes(Encoding.PEM))
    return tmp_path


def test_a_good_chain_is_valid_in_pem_and_in_der(pki: Path) -> None:
    for files in ([pki / "good.pem"], [pki / "leaf.der", pki / "issuing.der"]):
        done = peerkey("pki", "verify", "--trust", pki / "root.pem", *AT, *files)

        assert (done.exit_code, "State:  valid" in done.stdout) == (0, True)


def test_the_document_says_all_of_it(pki: Path) -> None:
    answer = document("pki", "verify", "--trust", pki / "root.pem", *AT, pki / "good.pem")

    assert {key: answer[key] for key in ("valid", "state", "reasons", "remarks")} == {
        "valid": True,
        "state": "valid",
        "reasons": [],
        "remarks": [],
    }
    assert answer["path"] == [f"CN={NODE}", "CN=test issuing", "CN=test root"]
    assert answer["at"] == "2030-06-15T12:00:00.000Z"


def test_a_name_counts_only_where_one_is_asked_for(pki: Path) -> None:
    asked = ("pki", "verify", "--trust", pki / "root.pem", *AT, pki / "good.pem")

    assert peerkey(*asked, "--identity", NODE).exit_code == 0
    assert peerkey(*asked, "--identity", UUID(int=1)).exit_code == 1
    assert reasons(document(*asked, "--identity", UUID(int=1))) == [Fault.IDENTITY_MISMATCH]


def test_the_order_within_and_between_files_does_not_matter(pki: Path) -> None:
    parts = [
        certificate.public_bytes(Encoding.PEM) for certificate in (GOOD.certificate, *GOOD.intermediates)
    ]
    (pki / "turned.pem").write_bytes(b"first the CA\r\n" + parts[1] + b"then the node\n" + parts[0].rstrip())
    (pki / "issuing.pem").write_bytes(parts[1])

    for files in (
        [pki / "turned.pem"],
        [pki / "leaf.der", pki / "root.pem", pki / "issuing.pem", pki / "issuing.der", pki / "leaf.der"],
    ):
        assert document("pki", "verify", "--trust", pki / "root.pem", *AT, *files)["valid"]


def test_an_expired_certificate_ends_with_one_at_the_exact_second(pki: Path) -> None:
    end = GOOD.certificate.not_valid_after_utc
    asked = ("pki", "verify", "--trust", pki / "root.pem", pki / "good.pem", "--at")

    assert peerkey(*asked, end.isoformat()).exit_code == 0
    assert peerkey(*asked, (end + SECOND).isoformat()).exit_code == 1
    assert document(*asked, (end + SECOND).isoformat())["state"] == "expired"


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00"])
def test_the_ends_of_time_are_answered_too(pki: Path, at: str) -> None:
    assert peerkey("pki", "verify", "--trust", pki / "root.pem", pki / "good.pem", "--at", at).exit_code == 1


def test_a_revoked_certificate_is_revoked_in_every_format_of_its_list(pki: Path) -> None:
    revoked = revocation_list(CA.intermediate, GOOD.certificate)
    for encoding in (Encoding.PEM, Encoding.DER):
        (pki / "revoked.crl").write_bytes(revoked.public_bytes(encoding))
        answer = document(
            "pki", "verify", "--trust", pki / "root.pem", "--crl", pki / "revoked.crl", *AT, pki / "good.pem"
        )

        assert (answer["state"], reasons(answer)) == ("revoked", [Fault.REVOKED])


def test_require_crl_wants_a_list_of_every_issuer(pki: Path) -> None:
    asked = ("pki", "verify", "--trust", pki / "root.pem", "--require-crl", *AT, pki / "good.pem")

    assert reasons(document(*asked)) == [Fault.REVOCATION_UNKNOWN] * 2
    # The first list proves little while nobody speaks for whoever signed it.
    assert reasons(document(*asked, "--crl", pki / "list.crl")) == [Fault.REVOCATION_UNKNOWN] * 2
    assert document(*asked, "--crl", pki / "list.crl", "--crl", pki / "root.crl")["valid"]


def test_several_lists_may_stand_in_one_file(pki: Path) -> None:
    lists = [revocation_list(ca).public_bytes(Encoding.PEM) for ca in (CA.intermediate, CA.root)]
    (pki / "both.pem").write_bytes(b"text\n".join(lists))

    assert document(
        *("pki", "verify", "--trust", pki / "root.pem", "--require-crl", "--crl", pki / "both.pem"),
        *(*AT, pki / "good.pem"),
    )["valid"]


def key_file() -> bytes:
    return new_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


ODD = {
    "empty": b"",
    "text": b"no certificate at all\n",
    "zeros": bytes(100_000),
    "truncated DER": GOOD.chain[0][:-7],
    "trailing bytes": GOOD.chain[0] + b"\x00",
    "cut PEM": GOOD.pem[:300],
    "PEM of nonsense": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "a private key": key_file(),
    "PKCS#7": pkcs7.serialize_certificates([GOOD.certificate], Encoding.PEM),
    "PKCS#7 in DER": pkcs7.serialize_certificates([GOOD.certificate], Encoding.DER),
    "a list": revocation_list(CA.root).public_bytes(Encoding.DER),
    "a list in PEM": revocation_list(CA.root).public_bytes(Encoding.PEM),
    "deeply nested": b"\x30\x80" * 50_000,
    "huge length": b"\x30\x84\xff\xff\xff\xff" + bytes(64),
    "too many": GOOD.pem * 600,
    "larger than anything": bytes(5 * 1024 * 1024),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("role", ["leaf", "chain", "trust"])
def test_whatever_a_file_holds_it_gets_an_answer(pki: Path, role: str, odd: str) -> None:
    (pki / "odd").write_bytes(ODD[odd])
    words = {
        "leaf": ["--trust", pki / "root.pem", pki / "odd"],
        "chain": ["--trust", pki / "root.pem", pki / "good.pem", pki / "odd"],
        "trust": ["--trust", pki / "odd", pki / "good.pem"],
    }[role]

    done = peerkey("pki", "verify", *AT, *words)

    assert done.exit_code == 1
    told = done.stdout + done.stderr
    assert "Traceback" not in told
    assert sum("Reason:" in line for line in told.splitlines()) == 1


@pytest.mark.parametrize("odd", [name for name in ODD if not name.startswith("a list")])
def test_what_is_no_list_is_no_answer_about_revocation(pki: Path, odd: str) -> None:
    (pki / "odd").write_bytes(ODD[odd])

    answer = document(
        "pki", "verify", "--trust", pki / "root.pem", "--crl", pki / "odd", *AT, pki / "good.pem"
    )

    assert reasons(answer) == [Fault.MALFORMED]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_no_spoiled_bytes_do_more_than_fail(pki: Path, data: st.DataObject) -> None:
    source = data.draw(st.sampled_from(["leaf.der", "good.pem", "list.crl", "root.crl"]))
    content = bytearray((pki / source).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (pki / "spoiled").write_bytes(content[: data.draw(st.integers(0, len(content)))])
    words = ["--crl", pki / "spoiled", pki / "good.pem"] if source.endswith("crl") else [pki / "spoiled"]

    assert peerkey("pki", "verify", "--trust", pki / "root.pem", *AT, *words).exit_code in {0, 1}


def test_files_that_cannot_be_opened_and_times_that_are_none_are_wrong_usage(pki: Path) -> None:
    for words in (
        [pki / "absent.pem"],
        [pki],
        ["--trust", pki / "absent.pem", pki / "good.pem"],
        ["--crl", pki / "absent.crl", pki / "good.pem"],
        ["--at", "yesterday", pki / "good.pem"],
        ["--identity", "nobody", pki / "good.pem"],
        [],
    ):
        done = peerkey("pki", "verify", *words)

        assert done.exit_code == 2
        assert len(done.stderr.splitlines()) == 1


def test_standard_input_is_a_file_too(pki: Path) -> None:
    done = peerkey("pki", "verify", "--trust", pki / "root.pem", *AT, "-", stdin=GOOD.pem)

    assert done.exit_code == 0


def reasons(answer: dict[str, list[str]]) -> list[Fault]:
    """Return the words of the reasons; each has its sentence behind it."""
    split = [reason.partition(": ") for reason in answer["reasons"]]
    assert all(sentence for _, _, sentence in split)
    return [Fault(word) for word, _, _ in split]
