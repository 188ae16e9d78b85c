"""The waits between two tries for a channel: ha.md, sections 3 (L4) and 8."""

from __future__ import annotations

from datetime import timedelta

import pytest

from peerkey.ha.constants import RETRY_AT_FIRST, RETRY_AT_MOST, RETRY_UNSTEADY
from peerkey.ha.redial import RETRY_JITTER, Redial


def test_each_wait_for_a_mate_that_does_not_greet_is_twice_the_one_before_up_to_four_seconds() -> None:
    redial = Redial(no_chance)

    waits = [redial.again(0).total_seconds() for _ in range(7)]

    assert waits == [0.25, 0.5, 1, 2, 4, 4, 4]
    assert timedelta(seconds=4) == RETRY_AT_MOST


def test_a_mate_that_has_greeted_is_tried_for_soon_again() -> None:
    redial = Redial(no_chance)
    for _ in range(10):
        redial.again(0)
    redial.greeted()

    assert redial.again(0) == RETRY_AT_FIRST


def test_connections_that_do_not_last_are_tried_for_less_and_less_often_whoever_greets() -> None:
    redial = Redial(no_chance)
    waits = []
    for unsteady in range(10):
        redial.greeted()
        waits.append(redial.again(unsteady).total_seconds())

    assert waits == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_the_longer_of_the_two_waits_counts() -> None:
    redial = Redial(no_chance)
    for _ in range(10):
        redial.again(0)

    assert redial.again(2) == RETRY_AT_MOST
    assert redial.again(6) == timedelta(seconds=16)


def test_a_quarter_of_a_wait_is_chance() -> None:
    assert RETRY_JITTER == 0.25
    assert Redial(lambda size: b"\xff" * size).again(0) == pytest.approx(
        RETRY_AT_FIRST * 3 / 4, abs=timedelta(microseconds=1)
    )


def test_no_number_of_times_is_too_great() -> None:
    redial = Redial(no_chance)
    for _ in range(10_000):
        redial.again(0)

    assert redial.again(10**9) == RETRY_UNSTEADY


# --- helpers ------------------------------------------------------------------------------------------


def no_chance(size: int) -> bytes:
    return bytes(size)
