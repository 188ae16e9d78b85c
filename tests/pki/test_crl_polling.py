"""When a revocation list is fetched again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from peerkey.moment import Moment
from peerkey.pki.crl_polling import (
    LEAST_BACKOFF,
    POLL_EDGES,
    UPDATE_SPREAD,
    Intervals,
    Polling,
    PollState,
    PollStep,
    Validators,
    Wanted,
)

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
ZERO = timedelta(0)
DAILY = Intervals(24 * HOUR, 60 * SECOND)
START = Moment(5 * HOUR, datetime(2030, 6, 15, 12, tzinfo=UTC))
TAG = Validators(etag='"1"')


def test_the_first_fetch_is_due_at_once() -> None:
    polling = Polling(DAILY)

    assert polling.wait(START) == ZERO
    assert polling.begin(START) == Wanted(forced=False, validators=Validators())


def test_while_a_fetch_is_under_way_nothing_is_due() -> None:
    polling = Polling(DAILY)
    polling.begin(START)

    assert polling.wait(START.after(1000 * HOUR)) is None
    assert polling.begin(START.after(1000 * HOUR)) is None


@pytest.mark.parametrize(("luck", "wait"), [(0.0, 24 * HOUR), (1.0, 21.6 * HOUR), (0.5, 22.8 * HOUR)])
def test_the_next_poll_comes_after_the_interval_or_a_little_earlier(luck: float, wait: timedelta) -> None:
    assert fetched(luck=luck).wait(START) == wait


def test_a_poll_asks_for_changes_alone() -> None:
    polling = fetched(TAG)

    assert polling.begin(START.after(24 * HOUR)) == Wanted(forced=False, validators=TAG)


def test_a_list_that_was_kept_from_before_is_asked_for_by_its_validators() -> None:
    polling = Polling(DAILY)
    polling.holds(TAG, START.wall + HOUR)

    assert polling.begin(START) == Wanted(forced=False, validators=TAG)


def test_a_list_is_asked_for_when_it_says_that_the_next_is_there() -> None:
    assert fetched(next_update=START.wall + HOUR).wait(START) == HOUR
    assert fetched(next_update=START.wall + HOUR, luck=1.0).wait(START) == HOUR + UPDATE_SPREAD
    assert fetched(next_update=START.wall + 1000 * HOUR).wait(START) == 24 * HOUR


def test_a_wall_clock_that_is_stepped_brings_the_next_update_closer() -> None:
    polling = fetched(next_update=START.wall + 10 * HOUR)

    assert polling.wait(Moment(START.instant, START.wall + 10 * HOUR)) == ZERO


def test_failures_wait_for_twice_as_long_each_up_to_the_polling_interval() -> None:
    assert waits_after_failures(Intervals(HOUR, 60 * SECOND), 9) == [
        1 * MINUTE, 2 * MINUTE, 4 * MINUTE, 8 * MINUTE, 16 * MINUTE, 32 * MINUTE, HOUR, HOUR, HOUR,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("backoff", "first", "second"),
    [(ZERO, LEAST_BACKOFF, 2 * LEAST_BACKOFF), (timedelta(seconds=2**32 - 1), HOUR, HOUR)],
)
def test_extreme_backoff_intervals_are_bounded(
    backoff: timedelta, first: timedelta, second: timedelta
) -> None:
    assert waits_after_failures(Intervals(HOUR, backoff), 2) == [first, second]


def test_a_repetition_comes_up_to_a_quarter_early() -> None:
    polling = Polling(DAILY)
    polling.begin(START)
    polling.failed(START, luck=1.0)

    assert polling.wait(START) == 45 * SECOND


def test_a_thousand_failures_are_no_more_than_many() -> None:
    assert waits_after_failures(Intervals(168 * HOUR, 60 * SECOND), 1000)[-1] == 168 * HOUR


@pytest.mark.parametrize("step", [-24 * HOUR, 24 * 365 * HOUR])
def test_a_wall_clock_that_was_stepped_ends_the_waiting_after_a_failure(step: timedelta) -> None:
    polling = Polling(DAILY)
    for _ in range(5):
        polling.begin(far(polling))
        polling.failed(START, luck=0.0)
    later = START.after(SECOND)

    assert polling.wait(Moment(later.instant, later.wall + SECOND)) == 16 * MINUTE - SECOND
    assert polling.wait(Moment(later.instant, later.wall + step)) == ZERO


def test_after_a_good_list_the_next_failure_is_the_first_again() -> None:
    polling = Polling(DAILY)
    for _ in range(5):
        polling.begin(far(polling))
        polling.failed(START, luck=0.0)
    polling.begin(far(polling))
    polling.fetched(TAG, None, START, luck=0.0)
    polling.begin(far(polling))
    polling.failed(START, luck=0.0)

    assert polling.barren == 1
    assert polling.wait(START) == MINUTE


def test_a_failure_keeps_the_validators_of_the_list_in_use() -> None:
    polling = fetched(TAG)
    polling.begin(START.after(24 * HOUR))
    polling.failed(START, luck=0.0)

    assert polling.begin(START.after(24 * HOUR)) == Wanted(forced=False, validators=TAG)


@pytest.mark.parametrize("answer", ["fetched", "unchanged"])
def test_a_list_that_is_stale_when_it_comes_is_asked_for_again_soon(answer: str) -> None:
    polling = fetched(TAG, next_update=START.wall)
    late = START.after(HOUR)
    polling.begin(late)
    if answer == "fetched":
        polling.fetched(TAG, START.wall, late, luck=0.0)
    else:
        polling.unchanged(late, luck=0.0)

    assert polling.state is PollState.RETRYING
    assert polling.wait(late) == 2 * MINUTE


def test_an_unchanged_list_waits_for_the_interval_again() -> None:
    polling = fetched(TAG)
    later = START.after(24 * HOUR)
    polling.begin(later)
    polling.unchanged(later, luck=0.0)

    assert polling.wait(later) == 24 * HOUR


def test_an_order_is_due_at_once_and_asks_for_the_list_itself() -> None:
    polling = fetched(TAG)
    polling.force()

    assert polling.wait(START) == ZERO
    assert polling.begin(START) == Wanted(forced=True, validators=Validators())


def test_an_order_is_carried_out_once() -> None:
    polling = fetched(TAG)
    polling.force()
    polling.begin(START)
    polling.unchanged(START, luck=0.0)

    assert polling.wait(START) == 24 * HOUR


def test_an_order_during_a_fetch_begins_another_one() -> None:
    polling = Polling(DAILY)
    polling.begin(START)
    polling.force()
    polling.fetched(TAG, None, START, luck=0.0)

    assert polling.begin(START) == Wanted(forced=True, validators=Validators())


def test_an_order_does_not_wait_for_the_backoff() -> None:
    polling = Polling(DAILY)
    polling.begin(START)
    polling.failed(START, luck=0.0)
    polling.force()

    assert polling.wait(START) == ZERO


def test_a_fetch_can_be_hastened_without_an_order() -> None:
    polling = fetched(TAG)
    polling.hasten()

    assert polling.begin(START) == Wanted(forced=False, validators=TAG)
    polling.unchanged(START, luck=0.0)
    assert polling.wait(START) == 24 * HOUR


def test_of_several_subscribers_the_shortest_intervals_count() -> None:
    assert Intervals.shortest([Intervals(4 * HOUR, SECOND), Intervals(2 * HOUR, MINUTE)]) == Intervals(
        2 * HOUR, SECOND
    )
    assert Intervals.shortest([]) == Intervals(24 * HOUR, 60 * SECOND)


def test_intervals_that_change_count_from_the_last_fetch() -> None:
    polling = fetched(TAG)
    polling.intervals = Intervals(2 * HOUR, MINUTE)

    assert polling.wait(START.after(HOUR)) == HOUR
    assert polling.wait(START.after(3 * HOUR)) == ZERO


def test_every_state_leads_on_and_is_reached() -> None:
    assert {before for before, _ in POLL_EDGES} == set(PollState)
    assert set(POLL_EDGES.values()) == set(PollState)
    assert {step for _, step in POLL_EDGES} == set(PollStep)


def test_an_answer_that_nobody_waits_for_is_a_bug() -> None:
    with pytest.raises(KeyError):
        Polling(DAILY).failed(START, luck=0.0)


class AnyHistory(RuleBasedStateMachine):
    """Whatever happens, and however the clocks go."""

    @initialize(
        polling=st.integers(1, 168), backoff=st.one_of(st.integers(0, 600), st.integers(0, 2**32 - 1))
    )
    def begin(self, polling: int, backoff: int) -> None:
        self.now = START
        self.polling = Polling(Intervals(polling * HOUR, backoff * SECOND))
        self.orders: list[Moment] = []

    @rule(seconds=st.integers(0, 700_000))
    def time_passes(self, seconds: int) -> None:
        self.now = self.now.after(seconds * SECOND)

    @rule(hours=st.integers(-1000, 1000))
    def the_wall_clock_is_stepped(self, hours: int) -> None:
        self.now = Moment(self.now.instant, self.now.wall + hours * HOUR)

    @rule()
    def an_operator_orders(self) -> None:
        self.polling.force()

    @rule()
    def it_is_looked_at(self) -> None:
        was_due = self.polling.wait(self.now) == ZERO
        assert (self.polling.begin(self.now) is not None) == was_due

    @precondition(lambda self: self.polling.state is PollState.FETCHING)
    @rule(
        what=st.sampled_from(["fetched", "unchanged", "failed"]),
        luck=st.floats(0, 1, allow_nan=False),
        hours=st.integers(-100, 100),
    )
    def an_answer_comes(self, what: str, luck: float, hours: int) -> None:
        if what == "fetched":
            self.polling.fetched(TAG, self.now.wall + hours * HOUR, self.now, luck=luck)
        elif what == "unchanged":
            self.polling.unchanged(self.now, luck=luck)
        else:
            self.polling.failed(self.now, luck=luck)

    @invariant()
    def a_list_is_never_left_for_longer_than_its_interval(self) -> None:
        wait = self.polling.wait(self.now)
        if self.polling.state is PollState.FETCHING:
            assert wait is None
        else:
            assert wait is not None
            assert ZERO <= wait <= self.polling.intervals.polling

    @invariant()
    def what_retries_has_failed(self) -> None:
        if self.polling.state is PollState.RETRYING:
            assert self.polling.barren > 0
        if self.polling.state is PollState.WAITING:
            assert self.polling.barren == 0


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


# --- helpers --------------------------------------------------------------------------------------


def fetched(
    validators: Validators = TAG, *, next_update: datetime | None = None, luck: float = 0.0
) -> Polling:
    """Return a machine that has fetched a list at the start."""
    polling = Polling(DAILY)
    polling.begin(START)
    polling.fetched(validators, next_update, START, luck=luck)
    return polling


def far(polling: Polling) -> Moment:
    """Return a moment at which something is due."""
    return START.after(polling.wait(START) or ZERO)


def waits_after_failures(intervals: Intervals, times: int) -> list[timedelta]:
    polling, waits = Polling(intervals), []
    now = START
    for _ in range(times):
        assert polling.begin(now) is not None
        polling.failed(now, luck=0.0)
        wait = polling.wait(now)
        assert wait is not None
        waits.append(wait)
        now = now.after(wait)
    assert all(a <= b for a, b in pairwise(waits))
    return waits
