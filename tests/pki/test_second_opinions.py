"""``pki verify`` beside two judges that we did not write: OpenSSL and pyhanko-certvalidator.

Five hundred paths, good and bad. Where a judge says something else than we do it does so for every path of
that kind and for no other, and ``docs/decisions/0024`` says why.
"""

from __future__ import annotations

import asyncio
import base64
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import x509 as asn1_x509  # type: ignore[import-untyped]  # it ships no types
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import PathBuildingError, PathError, ValidationError

from peerkey_cli.verification import Question, answered
from tests.support.certificate_paths import KINDS, Sample, samples

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command line")

WANTED = 500
DECISION = Path(__file__).parents[2] / "docs" / "decisions" / "0024-where-other-judges-differ.md"

#: Kinds of which each says the opposite of what we say.
OPENSSL_DIFFERS = {
    "cross signed",
    "ends this second",
    "basic constraints that are not critical",
    "signed with sha 224",
    "a leaf that is an authority",
    "curve that is not accepted",
    "trusts itself",
}
PYHANKO_DIFFERS = {
    "neither usage nor purpose",
    "expired root",
    "basic constraints that are not critical",
    "rsa with 1024 bits",
    "a leaf that is an authority",
    "curve that is not accepted",
    "trusts itself",
}
#: What is accepted here; every other kind is refused.
GOOD = {
    "good",
    "strangers in the chain",
    "duplicates and the root in the chain",
    "cross signed",
    "old and new root side by side",
    "neither usage nor purpose",
    "names within constraints",
    "begins this second",
    "ends this second",
    "unknown extension",
    "not on any list",
    "serial listed by another issuer",
}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Sample, Path]]:
    """Return every sample with the folder that holds its files."""
    folder = tmp_path_factory.mktemp("paths")
    return [(sample, written(sample, folder / str(place))) for place, sample in enumerate(samples(WANTED))]


def test_openssl_agrees_but_for_the_kinds_that_are_explained(asked: list[tuple[Sample, Path]]) -> None:
    assert differing(asked, openssl_accepts) == OPENSSL_DIFFERS


def test_pyhanko_agrees_but_for_the_kinds_that_are_explained(asked: list[tuple[Sample, Path]]) -> None:
    assert differing(asked, lambda sample, _: pyhanko_accepts(sample)) == PYHANKO_DIFFERS


def test_every_kind_is_judged_as_it_was_made(asked: list[tuple[Sample, Path]]) -> None:
    for sample, folder in asked:
        answer = answered(question(sample, folder), sample.at)

        assert answer.valid is (sample.kind in GOOD), (sample.kind, answer.reasons)


def test_openssl_x509_reads_the_same_in_each_kind(asked: list[tuple[Sample, Path]]) -> None:
    for sample, folder in asked[: len(KINDS)]:
        leaf = x509.load_der_x509_certificate(sample.leaf)
        told = openssl(
            "x509", "-in", folder / "leaf.pem", "-noout", "-serial", "-dates", "-fingerprint", "-sha256"
        )

        assert told.splitlines() == [
            f"serial={leaf.serial_number:02X}"
            if leaf.serial_number > 15
            else f"serial=0{leaf.serial_number:X}",
            f"notBefore={spoken(leaf.not_valid_before_utc)}",
            f"notAfter={spoken(leaf.not_valid_after_utc)}",
            f"sha256 Fingerprint={leaf.fingerprint(hashes.SHA256()).hex(':').upper()}",
        ]


def test_every_difference_is_explained() -> None:
    text = DECISION.read_text("utf-8")
    kinds = set(re.findall(r"^\| ([a-z0-9 -]+?) \|", text, re.MULTILINE)) - {"kind"}

    assert kinds == OPENSSL_DIFFERS | PYHANKO_DIFFERS
    assert kinds <= set(KINDS)
    assert set(KINDS) >= GOOD


# --- the judges -----------------------------------------------------------------------------------


def differing(asked: list[tuple[Sample, Path]], accepts: Callable[[Sample, Path], bool]) -> set[str]:
    """Return the kinds of which a judge says otherwise; it has to do so throughout."""
    said: dict[str, set[bool]] = defaultdict(set)
    for sample, folder in asked:
        said[sample.kind].add(accepts(sample, folder) is (sample.kind in GOOD))
    assert [kind for kind, agreed in said.items() if len(agreed) > 1] == []
    return {kind for kind, agreed in said.items() if agreed == {False}}


def written(sample: Sample, folder: Path) -> Path:
    folder.mkdir()
    parts = {"leaf": (sample.leaf,), "chain": sample.chain, "trust": sample.trust, "crls": sample.crls}
    for name, ders in parts.items():
        label = "X509 CRL" if name == "crls" else "CERTIFICATE"
        (folder / f"{name}.pem").write_text("".join(armoured(der, label) for der in ders))
    return folder


def armoured(der: bytes, label: str) -> str:
    return f"-----BEGIN {label}-----\n{base64.encodebytes(der).decode()}-----END {label}-----\n"


def question(sample: Sample, folder: Path) -> Question:
    return Question(
        at=sample.at,
        leaf=str(folder / "leaf.pem"),
        chain=(str(folder / "chain.pem"),) if sample.chain else (),
        trust=(str(folder / "trust.pem"),),
        crls=(str(folder / "crls.pem"),) if sample.crls else (),
        require_crl=sample.require_crl,
    )


def openssl_accepts(sample: Sample, folder: Path) -> bool:
    """Ask for what our policy asks for too: 112 bits of security, and use as a TLS client."""
    words = ["-attime", str(int(sample.at.timestamp())), "-auth_level", "2", "-purpose", "sslclient"]
    words += ["-trusted", str(folder / "trust.pem")]
    if sample.chain:
        words += ["-untrusted", str(folder / "chain.pem")]
    if sample.require_crl:
        words += ["-crl_check_all", "-CRLfile", str(folder / "crls.pem")]
    done = subprocess.run(
        ["openssl", "verify", *words, str(folder / "leaf.pem")], capture_output=True, check=False, timeout=60
    )
    assert done.returncode in {0, 2}, done.stderr
    return done.returncode == 0


def openssl(*words: str | Path) -> str:
    return subprocess.run(["openssl", *words], capture_output=True, check=True, text=True, timeout=60).stdout


def pyhanko_accepts(sample: Sample) -> bool:
    """Ask without any tolerance of time, and for the uses that our policy asks for too."""
    context = ValidationContext(
        trust_roots=[read(der) for der in sample.trust],
        crls=list(sample.crls),
        moment=sample.at,
        revocation_mode="require" if sample.require_crl else "soft-fail",
        weak_hash_algos={"md2", "md5", "sha1", "sha224"},
        time_tolerance=timedelta(),
        allow_fetching=False,
    )
    validator: Any = CertificateValidator(read(sample.leaf), [read(der) for der in sample.chain], context)
    try:
        asyncio.run(
            validator.async_validate_usage({"digital_signature"}, {"client_auth"}, extended_optional=True)
        )
    except (PathBuildingError, PathError, ValidationError):
        return False
    except (NotImplementedError, AssertionError):
        # It knows no constraints on addresses, and stumbles over a list signed with another kind of key than
        # its issuer's. Whoever gives no answer has not accepted.
        return False
    return True


def read(der: bytes) -> Any:  # noqa: ANN401 - it ships no types
    return asn1_x509.Certificate.load(der)


def spoken(time: datetime) -> str:
    """Return a time as OpenSSL prints it."""
    return f"{time:%b} {time.day:2} {time:%H:%M:%S %Y} GMT"
