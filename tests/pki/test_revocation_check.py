"""When the base certificate is checked next: fixed instants, whatever happens to the process."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerkey.pki.revocation_check import next_check

NODE = UUID("d66887a3-a556-4782-952b-f8818ec8d8bc")
NOW = datetime(2030, 6, 15, 12, 0, 0, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
INTERVAL = timedelta(hours=48)

instants = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
intervals = st.integers(1, 720).map(lambda hours: timedelta(hours=hours))


@given(st.uuids(), instants, intervals)
def test_a_check_comes_after_the_last_and_within_an_interval(
    node: UUID, last: datetime, interval: timedelta
) -> None:
    assert last < next_check(node, last, last, interval) <= last + interval


@given(st.uuids(), instants, intervals)
def test_one_check_follows_the_other_by_exactly_an_interval(
    node: UUID, last: datetime, interval: timedelta
) -> None:
    first = next_check(node, last, last, interval)

    assert next_check(node, first, first, interval) == first + interval


@pytest.mark.parametrize(("after", "due"), [(-MICROSECOND, False), (timedelta(0), True), (MICROSECOND, True)])
def test_a_check_is_due_exactly_at_its_instant(after: timedelta, due: bool) -> None:  # noqa: FBT001
    instant = next_check(NODE, NOW, NOW, INTERVAL)
    now = instant + after

    assert (next_check(NODE, NOW, now, INTERVAL) <= now) is due


def test_a_check_at_its_instant_is_not_followed_by_another_of_the_same_instant() -> None:
    instant = next_check(NODE, NOW, NOW, INTERVAL)

    assert next_check(NODE, instant - MICROSECOND, instant, INTERVAL) == instant
    assert next_check(NODE, instant, instant, INTERVAL) == instant + INTERVAL


def test_a_restart_moves_no_check_and_one_that_was_missed_is_due_at_once() -> None:
    instant = next_check(NODE, NOW, NOW, INTERVAL)
    later = instant + timedelta(days=9, seconds=1)

    assert next_check(NODE, NOW, instant - timedelta(hours=1), INTERVAL) == instant
    assert next_check(NODE, NOW, later, INTERVAL) <= later
    assert later < next_check(NODE, later, later, INTERVAL) <= later + INTERVAL


def test_a_clock_that_is_set_back_by_a_year_does_not_put_checks_off_for_a_year() -> None:
    ahead = NOW + timedelta(days=365)

    assert NOW < next_check(NODE, ahead, NOW, INTERVAL) <= NOW + INTERVAL


def test_the_nodes_of_a_fleet_are_spread_over_the_interval() -> None:
    instants = sorted(next_check(UUID(int=n * 2**120 // 16 + n), NOW, NOW, INTERVAL) for n in range(16))

    assert len(set(instants)) == 16
    assert all(one < other for one, other in pairwise(instants))
