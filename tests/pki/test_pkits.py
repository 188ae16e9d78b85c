"""NIST's Public Key Interoperability Test Suite, every case of it, through ``peerkey pki verify``.

The certificates and lists are those of 2011 that the distribution ``cryptography_vectors`` ships. What is
expected stands in ``tests/vectors/pkits.txt``; why some valid paths are refused, in ``README.md`` beside it.
A path is looked for among every CA that bears the right names, and with ``--require-crl``, because PKITS
takes a certificate of which no list speaks for a bad one.
"""

from __future__ import annotations

import json
import re
import warnings
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cryptography_vectors
import pytest
from cryptography import x509

from peerkey_cli.verification import Question, answered
from tests.cli.commands import peerkey

DATA = Path(cryptography_vectors.__file__).parent / "x509" / "PKITS_data"
VECTORS = Path(__file__).parents[1] / "vectors"
AT = datetime(2024, 1, 1, tzinfo=UTC)
ROOT = "TrustAnchorRootCertificate"

#: What each departure says, so that a path is refused for exactly that and for nothing else.
DEPARTURES = {
    "dsa": r"signed with dsa-with-sha1|a key of kind DSA",
    "dsa-parameters": r"ShortData",
    "time-format": r"validity dates between 1950 and 2049 must be UtcTime",
    "names": r"no trusted CA stands behind the issuer",
    "basic-constraints": r"a CA whose basicConstraints are not critical",
    "ca-leaf": r"the certificate of a node says CA:TRUE|keyUsage lets a node sign certificates",
    "self-issued": r"candidates exhausted: signature does not match",
    "policies": r"2\.5\.29\.(33|36|54) is critical and not understood",
    "directory-constraints": r"unsupported directoryName constraint",
    "uri-constraints": r"unsupported name constraint",
}


class Case(NamedTuple):
    """A line of the table."""

    number: str
    file: str
    expected: str
    #: ``valid``, or the words of the reasons.
    ours: tuple[str, ...]
    departure: str | None


def cases() -> Iterator[Case]:
    for line in (VECTORS / "pkits.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            number, file, expected, ours, *departure = line.split()
            yield Case(number, file, expected, tuple(ours.split("+")), departure[0] if departure else None)


CASES = tuple(cases())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.number}-{case.file}")
def test_the_path_is_judged_as_pkits_expects_or_refused_for_a_reason_that_is_told(case: Case) -> None:
    answer = answered(question(case.file), AT)
    words = tuple(dict.fromkeys(reason.partition(":")[0] for reason in answer.reasons)) or ("valid",)

    assert words == case.ours, answer.reasons
    assert answer.valid is (case.expected == "valid" and case.departure is None)
    if case.departure is not None:
        told = re.compile(DEPARTURES[case.departure])
        assert all(told.search(reason) for reason in answer.reasons)


@pytest.mark.parametrize("case", CASES[::16], ids=lambda case: case.number)
def test_the_command_line_says_the_same(case: Case) -> None:
    asked = question(case.file)

    done = peerkey(
        *("pki", "verify", "--json", "--require-crl", "--at", AT.isoformat(), "--trust", *asked.trust),
        *(word for name in asked.crls for word in ("--crl", name)),
        *(asked.leaf, *asked.chain),
    )

    answer = json.loads(done.stdout)
    assert answer["reasons"] == list(answered(asked, AT).reasons)
    assert done.exit_code == (0 if answer["valid"] else 1)


def test_no_path_that_pkits_calls_invalid_is_accepted() -> None:
    assert [case for case in CASES if case.expected == "invalid" and case.ours == ("valid",)] == []


def test_every_end_entity_of_the_suite_is_a_case() -> None:
    assert {case.file for case in CASES} == {path.stem for path in (DATA / "certs").glob("*EE.crt")}


def test_the_cases_of_a_section_are_numbered_without_a_gap() -> None:
    numbers = defaultdict(list)
    for case in CASES:
        section, _, number = case.number.rpartition(".")
        numbers[section].append(int(number))

    assert all(found == list(range(1, len(found) + 1)) for found in numbers.values())
    assert list(numbers) == [f"4.{section}" for section in range(1, 17)]


def test_the_table_and_the_names_that_pkits_gives_agree() -> None:
    """PKITS says in the name of most cases what it expects."""
    for case in CASES:
        if case.file.startswith(("Valid", "Invalid")):
            assert case.file.startswith(case.expected.capitalize())


def test_every_departure_is_explained() -> None:
    text = (VECTORS / "README.md").read_text("utf-8")
    used = {case.departure for case in CASES if case.departure is not None}

    assert used == set(DEPARTURES)
    assert [word for word in used if f"| `{word}` |" not in text] == []
    for case in CASES:
        assert (case.departure is not None) == (case.expected == "valid" and case.ours != ("valid",))


# --- what belongs to a case -----------------------------------------------------------------------


def question(leaf: str) -> Question:
    """Ask about this end entity, with every CA and list that its names lead to."""
    chain, names = above(leaf)
    lists = [path for path, issuer in list_issuers().items() if issuer in names]
    return Question(
        at=AT,
        leaf=str(DATA / "certs" / f"{leaf}.crt"),
        chain=tuple(str(DATA / "certs" / f"{name}.crt") for name in chain),
        trust=(str(DATA / "certs" / f"{ROOT}.crt"),),
        crls=tuple(str(path) for path in lists),
        require_crl=True,
    )


def above(leaf: str) -> tuple[list[str], set[x509.Name]]:
    """Return the CAs above a certificate by name, also those that issue its lists, and all these names."""
    chain: list[str] = []
    names: set[x509.Name] = set()
    open_ = [leaf]
    while open_:
        certificate = certificates().get(open_.pop())
        for name in () if certificate is None else issuers(certificate):
            names.add(name)
            new = [ca for ca in authorities().get(name, ()) if ca not in chain]
            chain += new
            open_ += new
    return chain, names


def issuers(certificate: x509.Certificate) -> Iterator[x509.Name]:
    yield certificate.issuer
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.CRLDistributionPoints):
            for point in extension.value:
                yield from (
                    name.value for name in point.crl_issuer or () if isinstance(name, x509.DirectoryName)
                )


@cache
def certificates() -> dict[str, x509.Certificate]:
    """Return every certificate that can be parsed at all; some cannot, on purpose."""
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in sorted((DATA / "certs").glob("*.crt")):
            try:
                found[path.stem] = x509.load_der_x509_certificate(path.read_bytes())
            except ValueError:
                assert "DSAParameter" in path.stem  # what is wrong is not the point here
    return found


@cache
def authorities() -> dict[x509.Name, list[str]]:
    by_name = defaultdict(list)
    for stem, certificate in certificates().items():
        if not stem.endswith("EE") and stem != ROOT:
            by_name[certificate.subject].append(stem)
    return by_name


@cache
def list_issuers() -> dict[Path, x509.Name]:
    paths = sorted((DATA / "crls").glob("*.crl"))
    return {path: x509.load_der_x509_crl(path.read_bytes()).issuer for path in paths}
