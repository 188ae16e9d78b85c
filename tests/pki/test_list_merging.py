"""Of many lists one master list: the newest of each series, deltas applied, nothing forgotten."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from random import Random
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from peerkey.pki.list_ingestion import ingest
from peerkey.pki.list_merging import Held, differences, publish
from peerkey.pki.master_list import MasterList
from peerkey.testing.ca import NOW, TestCA
from peerkey.testing.large_lists import entry, large_list
from peerkey.testing.lists import revocation_list

CA = TestCA()
LEAVES = tuple(CA.issue(UUID(int=number)).certificate for number in range(1, 6))
ONE, TWO, THREE, FOUR, FIVE = LEAVES
DAY = timedelta(days=1)
HOLD = x509.ReasonFlags.certificate_hold
RELEASE = x509.ReasonFlags.remove_from_crl
ISSUER = CA.intermediate.certificate.subject.public_bytes()
DATE = b"241017163311Z"


def test_lists_of_two_issuers_are_both_asked() -> None:
    intermediate = CA.intermediate.certificate
    both = merged(of(ONE), held(revocation_list(CA.root, intermediate)))

    assert revoked(both) == {ONE}
    assert both.lookup(intermediate.issuer.public_bytes(), intermediate.serial_number) is not None


def test_of_one_series_the_newest_counts_whoever_gave_it() -> None:
    old, new = of(ONE, TWO, number=1), of(TWO, number=2)

    assert revoked(merged(old, new)) == revoked(merged(new, old)) == {TWO}


def test_lists_of_two_scopes_are_both_asked_although_their_numbers_differ() -> None:
    assert revoked(
        merged(of(ONE, number=9), of(TWO, number=1, scope=shard(1)), of(THREE, scope=shard(2)))
    ) == {
        ONE,
        TWO,
        THREE,
    }


def test_the_same_list_from_two_sources_counts_once() -> None:
    listed = revocation_list(CA.intermediate, ONE, TWO)

    assert merged(held(listed, "http://one"), held(listed, "http://two")).total == 2


def test_a_delta_adds_and_releases() -> None:
    whole = of(ONE, TWO, number=3, reasons={ONE.serial_number: HOLD})
    delta = of(ONE, THREE, number=4, base=3, reasons={ONE.serial_number: RELEASE}, known=[whole])

    assert revoked(merged(whole, delta)) == {TWO, THREE}


def test_a_delta_without_its_base_counts_for_nothing() -> None:
    whole = of(ONE, number=3)
    delta = of(THREE, number=4, base=3, known=[whole])

    assert revoked(merged(delta)) == set()


def test_a_delta_that_the_next_complete_list_has_overtaken_counts_for_nothing() -> None:
    whole = of(ONE, number=3)
    delta = of(ONE, number=4, base=3, reasons={ONE.serial_number: RELEASE}, known=[whole])
    newer = of(ONE, TWO, number=5)

    assert revoked(merged(whole, delta, newer)) == {ONE, TWO}


def test_the_later_of_two_deltas_has_the_last_word() -> None:
    whole = of(number=3)
    held_, released = (
        of(ONE, number=number, base=3, reasons={ONE.serial_number: why}, known=[whole])
        for number, why in ((4, HOLD), (5, RELEASE))
    )

    assert revoked(merged(whole, released, held_)) == set()
    assert revoked(merged(whole, held_)) == {ONE}


def test_a_release_in_one_series_says_nothing_of_another() -> None:
    whole, other = of(ONE, number=3), of(ONE, number=1, scope=shard(1))
    delta = of(ONE, number=4, base=3, reasons={ONE.serial_number: RELEASE}, known=[whole])

    assert revoked(merged(whole, other, delta)) == {ONE}


def test_fifty_sources_of_one_issuer_become_one_table() -> None:
    random = Random(5)
    shards = []
    for number in range(50):
        serials = [random.randbytes(16) for _ in range(200)]
        content = large_list(
            CA.intermediate, b"".join(entry(serial, DATE) for serial in serials), scope=shard(number)
        )
        shards.append((content, serials))

    whole = merged(*(held(content, f"http://{place}") for place, (content, _) in enumerate(shards)))

    assert whole.total == 50 * 200
    assert len([key for key in whole.tables if key[2] == 16]) == 1
    for _, serials in shards:
        assert all(whole.lookup(ISSUER, int.from_bytes(serial, "big")) for serial in serials)


@given(
    st.lists(
        st.lists(st.integers(0, 2**24), max_size=12, unique=True),
        min_size=1,
        max_size=4,
    )
)
def test_the_master_list_names_exactly_what_its_lists_name(lists: list[list[int]]) -> None:
    sources = [
        held(large_list(CA.intermediate, b"".join(map(small, serials)), scope=shard(number)))
        for number, serials in enumerate(lists)
    ]

    whole = merged(*sources)

    named = {serial for serials in lists for serial in serials}
    assert whole.total == len(named)
    assert all(whole.lookup(ISSUER, serial) for serial in named)
    assert not any(whole.lookup(ISSUER, serial + 1) for serial in named if serial + 1 not in named)
    assert differences(None, whole) == (len(named), 0)
    assert differences(whole, whole) == (0, 0)


# --- helpers --------------------------------------------------------------------------------------


def small(serial: int) -> bytes:
    return entry(serial.to_bytes(4, "big"), DATE)


def of(  # each departs from a good list
    *revoked: x509.Certificate,
    number: int = 1,
    base: int | None = None,
    scope: x509.IssuingDistributionPoint | None = None,
    reasons: dict[int, x509.ReasonFlags] | None = None,
    known: Iterable[Held] = (),
) -> Held:
    listed = revocation_list(
        CA.intermediate, *revoked, number=number, base=base, scope=scope, reasons=reasons
    )
    return held(listed, known=known)


def held(
    listed: x509.CertificateRevocationList | bytes, source: str = "http://crl", *, known: Iterable[Held] = ()
) -> Held:
    ingested = ingest(
        listed if isinstance(listed, bytes) else listed.public_bytes(Encoding.DER),
        source,
        known=[each.facts for each in known],
        certificates=[CA.intermediate.certificate],
        trust=CA.trust,
        at=NOW,
    )
    return Held(ingested.facts, MasterList(ingested.entries))


def merged(*lists: Held) -> MasterList:
    return MasterList(b"".join(publish(lists, 1)))


def revoked(entries: MasterList) -> set[x509.Certificate]:
    return {each for each in LEAVES if entries.lookup(ISSUER, each.serial_number)}


def shard(number: int) -> x509.IssuingDistributionPoint:
    return x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier(f"http://crl.example.org/{number}.crl")],
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )
