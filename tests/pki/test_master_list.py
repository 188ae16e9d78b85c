"""The master list: what is published is found, and what is torn, foreign or half written is never read."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from uuid import UUID

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from peerkey.pki.list_merging import union
from peerkey.pki.master_list import ForeignList, MasterList, Section, write
from peerkey.pki.revocation import Revocation
from peerkey.pki.revocation_table import PIECE, width_of
from peerkey.pki.table_building import build
from peerkey.pki.when import NO_REASON, REMOVE_FROM_CRL, when_of
from peerkey.testing.ca import TestCA

CA = TestCA()
LEAF = CA.issue(UUID(int=1)).certificate
HERE = LEAF.issuer.public_bytes()
THERE = CA.root.certificate.subject.public_bytes()
AT = datetime(2024, 10, 17, 16, 33, 11, tzinfo=UTC)


def test_a_master_list_answers_the_question_that_chains_ask() -> None:
    revocation: Revocation = listed({5: 1, 600: NO_REASON}, generation=3)

    assert revocation.generation == 3
    assert str(revocation.lookup(HERE, 5)) == "since 2024-10-17 16:33:11Z (keyCompromise)"
    assert str(revocation.lookup(HERE, 600)) == "since 2024-10-17 16:33:11Z"
    assert hash(revocation) == hash(revocation)


@pytest.mark.parametrize("serial", [0, 4, 6, 601, 2**64, 2**2000, -5])
def test_what_no_list_names_is_not_revoked(serial: int) -> None:
    assert listed({5: 1, 600: 1}).lookup(HERE, serial) is None


def test_the_same_serial_number_of_another_issuer_is_not_revoked() -> None:
    assert listed({5: 1}).lookup(THERE, 5) is None


def test_serial_number_nought_is_one_like_others() -> None:
    assert listed({0: 1}).lookup(HERE, 0) is not None


def test_what_was_released_is_no_longer_an_entry() -> None:
    assert listed({5: REMOVE_FROM_CRL}).lookup(HERE, 5) is None


def test_an_empty_master_list_knows_nothing() -> None:
    nothing = MasterList(b"".join(write([], 9)))

    assert (nothing.generation, nothing.total, nothing.lookup(HERE, 5)) == (9, 0, None)


def test_a_list_of_somebody_else_counts_for_certificates_that_name_its_issuer_and_no_others() -> None:
    other = x509.Name.from_rfc4514_string("CN=lists of others")
    delegating = CA.issue(UUID(int=2), more=[(points(other), False)]).certificate
    serials = [delegating.serial_number, LEAF.serial_number]
    revocation = MasterList(
        b"".join(write([section(other.public_bytes(), HERE, dict.fromkeys(serials, 1))], 1))
    )

    assert revocation.lookup(HERE, delegating.serial_number, delegating) is not None
    assert revocation.lookup(HERE, delegating.serial_number) is None
    assert revocation.lookup(HERE, LEAF.serial_number, LEAF) is None


@given(st.integers(0, 2**32), st.integers(1, 255))
def test_no_byte_can_change_unnoticed(place: int, change: int) -> None:
    content = bytearray(CONTENT)
    content[place % len(content)] ^= change

    with pytest.raises(ForeignList):
        MasterList(bytes(content))


def test_one_that_was_not_written_to_its_end_is_refused_wherever_it_ends() -> None:
    for length in range(0, len(CONTENT), 7):
        with pytest.raises(ForeignList):
            MasterList(CONTENT[:length])
    with pytest.raises(ForeignList):
        MasterList(CONTENT + b"\0")


@given(st.binary(max_size=300))
def test_something_else_is_refused(content: bytes) -> None:
    with pytest.raises(ForeignList):
        MasterList(content)


def test_one_of_another_version_says_so() -> None:
    with pytest.raises(ForeignList, match="another version"):
        MasterList(CONTENT[:16] + b"\xff\xff" + CONTENT[18:])


def test_it_is_written_in_small_pieces() -> None:
    random = Random(1)
    records = b"".join(random.randbytes(16) + when_of(AT, 1) for _ in range(100_000))
    pieces = list(write([Section(HERE, HERE, build(16, records))], 1))

    assert max(map(len, pieces)) <= PIECE
    assert MasterList(b"".join(pieces)).total == 100_000


def test_a_large_list_takes_less_than_24_bytes_an_entry() -> None:
    random = Random(1)
    records = b"".join(random.randbytes(20) + when_of(AT, 1) for _ in range(300_000))
    content = b"".join(write([Section(HERE, HERE, build(20, records))], 1))

    assert MasterList(content).total == 300_000

    assert len(content) / 300_000 < 24


def test_what_either_of_two_master_lists_names_their_union_names_and_what_was_released_it_does_not() -> None:
    one, other = listed({5: 1, 7: REMOVE_FROM_CRL}, generation=4), listed({600: 1, 7: 1}, generation=9)

    both = MasterList(b"".join(union(one, other)))

    assert [serial for serial in (4, 5, 7, 600) if both.lookup(HERE, serial)] == [5, 7, 600]
    assert both.generation == 10


# --- helpers --------------------------------------------------------------------------------------


def section(speaker: bytes, issuer: bytes, named: dict[int, int]) -> Section:
    (width,) = {width_of(serial) for serial in named}
    records = b"".join(
        serial.to_bytes(width, "big") + when_of(AT, reason) for serial, reason in named.items()
    )
    return Section(speaker, issuer, build(width, records))


def listed(named: dict[int, int], *, generation: int = 1) -> MasterList:
    widths = {width_of(serial) for serial in named}
    sections = [
        section(HERE, HERE, {serial: why for serial, why in named.items() if width_of(serial) == width})
        for width in sorted(widths)
    ]
    return MasterList(b"".join(write(sections, generation)))


def points(issuer: x509.Name) -> x509.CRLDistributionPoints:
    point = x509.DistributionPoint(
        full_name=None, relative_name=None, reasons=None, crl_issuer=[x509.DirectoryName(issuer)]
    )
    return x509.CRLDistributionPoints([point])


CONTENT = b"".join(write([section(HERE, HERE, {5: 1, 6: 4}), section(HERE, THERE, {700: 1})], 1))
