"""What is taken of a source and what is refused, and that a refusal says why."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from peerkey.pki.list_ingestion import (
    Ingested,
    ingest,
)
from peerkey.pki.list_merging import Held
from peerkey.pki.master_list import MasterList
from peerkey.pki.trust import TrustAnchors
from peerkey.testing.ca import NOW, TestCA
from peerkey.testing.lists import revocation_list

CA = TestCA()
LEAVES = tuple(CA.issue(UUID(int=number)).certificate for number in range(1, 5))
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
URL = "http://crl.example.org/1.crl"


def test_a_good_list_is_taken_with_all_that_an_operator_asks() -> None:
    listed = revocation_list(CA.intermediate, *LEAVES[:2], number=7)
    content = listed.public_bytes(Encoding.DER)

    facts = taken(listed).facts

    assert (facts.source, facts.number, facts.base) == (URL, 7, None)
    assert (facts.total, facts.added, facts.removed) == (2, 2, 0)
    assert facts.size == len(content)
    assert facts.issuer == CA.intermediate.certificate.subject.rfc4514_string()
    assert facts.authority == "/CN=test issuing"
    assert (facts.last_updated, facts.next_updated) == (
        "Jun 14 12:00:00 2030 GMT",
        "Jun 16 12:00:00 2030 GMT",
    )


def test_its_entries_are_found_by_issuer_and_serial_number() -> None:
    entries = MasterList(taken(revocation_list(CA.intermediate, LEAVES[0])).entries)

    assert known(entries) == [LEAVES[0]]


# --- helpers --------------------------------------------------------------------------------------


def taken(
    listed: x509.CertificateRevocationList | bytes,
    *,
    before: Iterable[Ingested] = (),
    known: Iterable[Ingested] = (),
    trust: TrustAnchors = CA.trust,
    at: datetime = NOW,
) -> Ingested:
    return ingest(
        listed if isinstance(listed, bytes) else listed.public_bytes(Encoding.DER),
        URL,
        before=[held(each) for each in before],
        known=[each.facts for each in known],
        certificates=[CA.intermediate.certificate],
        trust=trust,
        at=at,
    )


def held(ingested: Ingested) -> Held:
    return Held(ingested.facts, MasterList(ingested.entries))


def known(entries: MasterList) -> list[x509.Certificate]:
    return [each for each in LEAVES if entries.lookup(each.issuer.public_bytes(), each.serial_number)]
