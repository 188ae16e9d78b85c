"""A table finds what was put into it, nothing else, whatever serial numbers an issuer chooses."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerkey.pki.revocation import RevokedEntry
from peerkey.pki.revocation_table import Table
from peerkey.pki.table_building import build
from peerkey.pki.when import FIRST, LAST, NO_REASON, REASONS, REMOVE_FROM_CRL, when_of

AT = datetime(2024, 10, 17, 16, 33, 11, tzinfo=UTC)
WHEN = when_of(AT, 1)


@given(
    st.integers(1, 24).flatmap(
        lambda width: st.dictionaries(
            st.binary(min_size=width, max_size=width), st.sampled_from([1, 4, NO_REASON]), max_size=60
        ).map(lambda named: (width, named))
    )
)
def test_every_serial_number_is_found_with_its_own_reason(named: tuple[int, dict[bytes, int]]) -> None:
    width, reasons = named
    table = made(width, b"".join(serial + when_of(AT, reason) for serial, reason in reasons.items()))

    for serial, reason in reasons.items():
        assert table.find(serial) == when_of(AT, reason)
        near = (int.from_bytes(serial, "big") ^ 1).to_bytes(width, "big")
        assert (table.find(near) is not None) is (near in reasons)
    assert sorted(table.serials()) == sorted(reasons)


@pytest.mark.parametrize("count", [100, 140_000], ids=["one byte", "two bytes"])
@pytest.mark.parametrize("kind", ["random", "counted", "counted in front", "alike"])
def test_however_serial_numbers_are_chosen_all_are_found_and_no_other(kind: str, count: int) -> None:
    random = Random(count)
    several: dict[str, set[bytes]] = {
        "random": {random.randbytes(12) for _ in range(count)},
        "counted": {number.to_bytes(12, "big") for number in range(count)},
        "counted in front": {number.to_bytes(4, "big") + bytes(8) for number in range(count)},
        # Only two bits of each byte differ: no rotation spreads them.
        "alike": {bytes(number >> shift & 3 for shift in range(0, 24, 2)) for number in range(count)},
    }
    serials = several[kind]
    table = made(12, b"".join(serial + WHEN for serial in serials))

    assert table.shape.count == len(serials)
    assert table.shape.indexed == (1 if count == 100 else 2)
    assert all(table.find(serial) == WHEN for serial in random.sample(sorted(serials), 100))
    strangers = {random.randbytes(12) for _ in range(100)} - serials
    assert not any(table.find(serial) for serial in strangers)
    assert set(table.serials()) == serials


def test_serial_numbers_that_a_ca_counts_lie_under_many_entries_of_the_index() -> None:
    counted = b"".join(number.to_bytes(8, "big") + WHEN for number in range(20_000))

    assert made(8, counted).shape.rotation == 7


def test_a_serial_number_that_crosses_two_records_is_not_found() -> None:
    inside = (b"\x01\x02" + WHEN)[1:4] + b"\x01"
    table = made(4, b"\x01\x01\x01\x01" + WHEN + b"\x01\x01\x01\x02" + WHEN)

    assert table.find(b"\x01" + inside[:3]) is None
    assert table.find(b"\x01\x01\x01\x02") == WHEN


@pytest.mark.parametrize("order", [1, -1], ids=["as they are", "turned round"])
def test_of_several_entries_for_one_certificate_the_earliest_that_revokes_counts(order: int) -> None:
    entries = [
        when_of(datetime(2023, 1, 2, tzinfo=UTC), REMOVE_FROM_CRL),
        when_of(datetime(2024, 1, 1, tzinfo=UTC), 6),
        when_of(datetime(2024, 1, 2, tzinfo=UTC), 1),
    ][::order]

    table = made(2, b"".join(b"\x01\x02" + each for each in entries) + b"\x01\x03" + WHEN)

    assert table.shape.count == 2
    assert table.find(b"\x01\x02") == when_of(datetime(2024, 1, 1, tzinfo=UTC), 6)


@given(
    st.datetimes(FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None)),
    st.sampled_from([*REASONS, NO_REASON]),
)
def test_a_record_keeps_the_second_and_the_reason(at: datetime, reason: int) -> None:
    at = at.replace(microsecond=0, tzinfo=UTC)

    said = RevokedEntry(7, when_of(at, reason))

    assert (said.since, said.reason) == (at, REASONS.get(reason))


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (datetime(1910, 5, 5, tzinfo=UTC), FIRST),
        (datetime(2208, 2, 29, tzinfo=UTC), LAST),
    ],
)
def test_a_date_beyond_what_a_record_can_say_is_told_as_the_nearest(at: datetime, told: datetime) -> None:
    assert RevokedEntry(7, when_of(at, NO_REASON)).since == told


def test_what_came_and_went_is_counted_whatever_the_rotation() -> None:
    before = made(3, b"".join(number.to_bytes(3, "big") + WHEN for number in range(100)))
    after = made(3, b"".join((number << 8).to_bytes(3, "big") + WHEN for number in range(100)))

    assert after.changed_since(before) == (99, 99)
    assert after.changed_since(after) == (0, 0)
    assert after.changed_since(None) == (100, 0)


def test_an_index_that_does_not_fit_its_records_is_refused() -> None:
    built = build(2, b"\x01\x02" + WHEN)

    with pytest.raises(ValueError, match="index"):
        Table(built.shape, bytes(len(built.index)) + built.records, 0)


def made(width: int, records: bytes) -> Table:
    built = build(width, records)
    assert len(built.index) + len(built.records) == built.shape.size
    return Table(built.shape, b"in front" + built.index + built.records, len(b"in front"))
