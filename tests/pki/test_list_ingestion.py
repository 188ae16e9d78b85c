"""What is taken of a source and what is refused, and that a refusal says why."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from peerkey.pki.der import SEQUENCE, element
from peerkey.pki.laboratory import Authority
from peerkey.pki.list_ingestion import CLOCK_TOLERANCE, Ingested, ListRefused, Refusal, ingest
from peerkey.pki.list_merging import Held
from peerkey.pki.master_list import MasterList
from peerkey.pki.trust import TrustAnchors
from peerkey.testing.ca import NOW, TestCA, new_key
from peerkey.testing.large_lists import entry, large_list
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


def test_a_list_in_pem_with_text_around_is_the_same_list() -> None:
    listed = revocation_list(CA.intermediate, LEAVES[0])
    pem = b"testCrl\r\n" + listed.public_bytes(Encoding.PEM).replace(b"\n", b"\r\n") + b"\r\n"

    assert taken(pem).entries == taken(listed).entries


def test_what_came_and_what_went_since_the_last_list_is_counted() -> None:
    first = taken(revocation_list(CA.intermediate, *LEAVES[:2], number=1))

    second = taken(revocation_list(CA.intermediate, *LEAVES[1:], number=2), before=[first])

    assert (second.facts.total, second.facts.added, second.facts.removed) == (3, 2, 1)


def test_the_same_list_again_changes_nothing() -> None:
    listed = revocation_list(CA.intermediate, *LEAVES[:2])
    first = taken(listed)

    again = taken(listed, before=[first])

    assert (again.facts.added, again.facts.removed, again.facts.digest) == (0, 0, first.facts.digest)
    assert again.entries == first.entries


def test_a_stale_list_is_taken_and_says_so() -> None:
    stale = taken(
        revocation_list(CA.intermediate, LEAVES[0], this_update=NOW - 9 * DAY, next_update=NOW - DAY)
    )

    assert stale.facts.stale(NOW)
    assert not stale.facts.stale(NOW - DAY)
    assert known(MasterList(stale.entries)) == [LEAVES[0]]


def test_a_signer_that_has_ended_has_not_taken_back_what_it_said() -> None:
    later = CA.intermediate.certificate.not_valid_after_utc + DAY

    assert taken(revocation_list(CA.intermediate, LEAVES[0]), at=later).facts.total == 1


def test_where_deltas_are_published_is_told() -> None:
    where = [x509.UniformResourceIdentifier("http://crl.example.org/delta.crl")]
    point = x509.DistributionPoint(full_name=where, relative_name=None, reasons=None, crl_issuer=None)
    listed = revocation_list(CA.intermediate, more=[(x509.FreshestCRL([point]), False)])

    assert taken(listed).facts.freshest == ("http://crl.example.org/delta.crl",)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>404 Not Found</html>",
        b"-----BEGIN X509 CRL-----\nAAAA",
        b"-----BEGIN X509 CRL-----\n!!!!\n-----END X509 CRL-----\n",
        CA.root.certificate.public_bytes(Encoding.DER),
        CA.root.certificate.public_bytes(Encoding.PEM),
        revocation_list(CA.intermediate).public_bytes(Encoding.DER)[:-1],
        revocation_list(CA.intermediate).public_bytes(Encoding.DER) + b"\n",
        revocation_list(CA.intermediate).public_bytes(Encoding.PEM) * 2,
        large_list(CA.intermediate, entry(b"\x01", b"241317163311Z")),
    ],
    ids=["nothing", "a page", "cut PEM", "bad base64", "DER", "PEM", "cut", "more", "two", "an entry"],
)
def test_what_is_no_list_is_refused_as_such(content: bytes) -> None:
    assert refused(content) is Refusal.NOT_A_LIST


def test_a_list_beyond_the_bound_is_refused_unread() -> None:
    with pytest.raises(ListRefused, match="at most 10 are read") as caught:
        ingest(bytes(11), URL, trust=CA.trust, at=NOW, limit=10)

    assert caught.value.refusal is Refusal.TOO_LARGE


def test_a_forged_list_is_refused() -> None:
    forged = revocation_list(CA.intermediate, LEAVES[0], key=new_key())

    assert refused(forged) is Refusal.WRONG_ISSUER


def test_a_list_whose_entries_were_changed_is_refused() -> None:
    content = large_list(CA.intermediate, entry(b"\x01\x02\x03", b"241017163311Z"))

    assert refused(content.replace(b"\x01\x02\x03\x17", b"\x01\x02\x04\x17")) is Refusal.WRONG_ISSUER


def test_a_ca_that_may_not_sign_lists_signs_none() -> None:
    leaf = CA.issue(UUID(int=9))
    listed = revocation_list(Authority(leaf.certificate, leaf.key), LEAVES[0])

    with pytest.raises(ListRefused) as caught:
        ingest(
            listed.public_bytes(Encoding.DER),
            URL,
            certificates=[leaf.certificate, CA.intermediate.certificate],
            trust=CA.trust,
            at=NOW,
        )

    assert caught.value.refusal is Refusal.WRONG_ISSUER


def test_a_list_of_an_authority_that_nobody_trusts_is_refused() -> None:
    other = TestCA()

    assert refused(revocation_list(CA.intermediate), trust=other.trust) is Refusal.NOT_TRUSTED


@pytest.mark.parametrize("ahead", [timedelta(), CLOCK_TOLERANCE, CLOCK_TOLERANCE + SECOND])
def test_a_list_may_be_ahead_of_our_clock_by_the_tolerance_and_no_more(ahead: timedelta) -> None:
    listed = revocation_list(CA.intermediate, this_update=NOW + ahead, next_update=NOW + DAY)

    if ahead <= CLOCK_TOLERANCE:
        assert taken(listed).facts.this_update == NOW + ahead
    else:
        assert refused(listed) is Refusal.FUTURE


@pytest.mark.parametrize("where", ["list", "entry"])
def test_a_critical_extension_that_is_not_understood_is_refused(where: str) -> None:
    foreign = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    content: x509.CertificateRevocationList | bytes
    if where == "list":
        content = revocation_list(CA.intermediate, more=[(foreign, True)])
    else:
        critical = element(SEQUENCE, element(SEQUENCE, bytes.fromhex("06032a03040101ff04020500")))
        content = large_list(CA.intermediate, entry(b"\x01", b"241017163311Z", critical))

    assert refused(content) is Refusal.UNKNOWN_EXTENSION


def test_a_list_of_attribute_certificates_is_refused() -> None:
    assert refused(revocation_list(CA.intermediate, scope=scope(attributes=True))) is Refusal.SCOPE


def test_a_list_that_names_certificates_of_others_must_say_that_it_is_indirect() -> None:
    foreign = CA.intermediate.certificate

    assert refused(revocation_list(CA.intermediate, foreign)) is Refusal.SCOPE
    indirect = taken(revocation_list(CA.intermediate, LEAVES[0], foreign, scope=scope(indirect=True)))
    entries = MasterList(indirect.entries)
    assert indirect.facts.total == 2
    assert known(entries) == [LEAVES[0]]
    assert entries.lookup(foreign.issuer.public_bytes(), foreign.serial_number, foreign) is None


@pytest.mark.parametrize(
    ("number", "days", "expected"),
    [
        (4, 0, Refusal.WENT_BACK),
        (5, -1, Refusal.WENT_BACK),
        (None, -1, Refusal.WENT_BACK),
        (5, 0, None),
        (5, 1, None),
        (6, 0, None),
        (None, 1, None),
    ],
)
def test_neither_the_number_nor_the_date_may_go_back(
    number: int | None, days: int, expected: Refusal | None
) -> None:
    first = taken(revocation_list(CA.intermediate, number=5, this_update=NOW - 2 * DAY))
    then = NOW - 2 * DAY + days * DAY
    listed = revocation_list(CA.intermediate, number=number, this_update=then, next_update=NOW + DAY)

    if expected is None:
        assert taken(listed, before=[first]).facts.number == number
    else:
        assert refused(listed, before=[first]) is expected


def test_another_series_of_the_same_source_stands_beside_the_first() -> None:
    first = taken(revocation_list(CA.intermediate, LEAVES[0], number=9))

    other = taken(revocation_list(CA.intermediate, number=1, scope=scope(ca_only=True)), before=[first])

    assert other.facts.series != first.facts.series
    assert other.facts.removed == 0


def test_a_delta_needs_the_list_that_it_builds_on() -> None:
    whole = taken(revocation_list(CA.intermediate, LEAVES[0], number=5))
    delta = revocation_list(CA.intermediate, LEAVES[1], number=7, base=5)

    assert refused(delta) is Refusal.NO_BASE
    assert refused(delta, known=[taken(revocation_list(CA.intermediate, number=4))]) is Refusal.NO_BASE
    for ingested in (taken(delta, known=[whole]), taken(delta, before=[whole])):
        assert (ingested.facts.base, ingested.facts.number, ingested.facts.total) == (5, 7, 1)


def test_a_refusal_survives_the_way_out_of_another_process() -> None:
    with pytest.raises(ListRefused) as caught:
        taken(b"")

    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own  # our own

    assert (copy.refusal, copy.text, str(copy)) == (Refusal.NOT_A_LIST, caught.value.text, str(caught.value))
    assert "\n" not in copy.text


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


def refused(
    listed: x509.CertificateRevocationList | bytes,
    *,
    before: Iterable[Ingested] = (),
    known: Iterable[Ingested] = (),
    trust: TrustAnchors = CA.trust,
) -> Refusal:
    with pytest.raises(ListRefused) as caught:
        taken(listed, before=before, known=known, trust=trust)
    return caught.value.refusal


def scope(
    *, attributes: bool = False, indirect: bool = False, ca_only: bool = False
) -> x509.IssuingDistributionPoint:
    return x509.IssuingDistributionPoint(
        full_name=None,
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=ca_only,
        only_some_reasons=None,
        indirect_crl=indirect,
        only_contains_attribute_certs=attributes,
    )
