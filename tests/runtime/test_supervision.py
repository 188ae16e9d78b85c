"""The decision after a crash, as a pure function."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.supervision import DEFAULT_SUPERVISION, GiveUp, Restart, Supervision, decide, remembered

SECOND = timedelta(seconds=1)


@given(crashes=st.integers(1, 10), seed=st.integers())
def test_the_delay_is_between_zero_and_a_ceiling_that_doubles(crashes: int, seed: int) -> None:
    history = [SECOND * number for number in range(crashes)]
    decision = decide(DEFAULT_SUPERVISION, history, history[-1], Random(seed))
    assert isinstance(decision, Restart)
    ceiling = min(DEFAULT_SUPERVISION.maximum, DEFAULT_SUPERVISION.initial * 2 ** (crashes - 1))
    assert timedelta(0) <= decision.delay <= ceiling


def test_the_delays_are_spread_over_the_whole_range() -> None:
    supervision = Supervision(initial=SECOND)
    decisions = [decide(supervision, [SECOND], SECOND, Random(seed)) for seed in range(200)]
    delays = [decision.delay for decision in decisions if isinstance(decision, Restart)]
    assert len(delays) == 200
    assert min(delays) < 0.1 * SECOND
    assert max(delays) > 0.9 * SECOND


def test_one_crash_more_than_the_intensity_is_a_failure() -> None:
    supervision = Supervision(intensity=3)
    history = [SECOND * number for number in range(4)]
    assert isinstance(decide(supervision, history[:3], history[2], Random(1)), Restart)
    assert decide(supervision, history, history[3], Random(1)) == GiveUp()


def test_no_restart_at_all_can_be_asked_for() -> None:
    assert decide(Supervision(intensity=0), [SECOND], SECOND, Random(1)) == GiveUp()


def test_crashes_outside_the_window_are_forgotten() -> None:
    supervision = Supervision(intensity=3, window=timedelta(minutes=1))
    now = timedelta(minutes=2)
    history = [SECOND, 2 * SECOND, 3 * SECOND, 4 * SECOND, now]
    assert remembered(supervision, history, now) == (now,)
    decision = decide(supervision, history, now, Random(1))
    assert isinstance(decision, Restart)
    assert decision.delay <= supervision.initial


@given(crashes=st.integers(1, 500))
def test_endless_patience_never_gives_up_and_never_waits_longer_than_the_maximum(crashes: int) -> None:
    supervision = Supervision(intensity=None)
    history = [timedelta(milliseconds=number) for number in range(crashes)]
    decision = decide(supervision, history, history[-1], Random(crashes))
    assert isinstance(decision, Restart)
    assert decision.delay <= supervision.maximum


def test_what_is_remembered_is_bounded() -> None:
    history = [timedelta(microseconds=number) for number in range(10_000)]
    assert len(remembered(Supervision(intensity=None), history, history[-1])) < 100
    assert len(remembered(Supervision(intensity=7), history, history[-1])) == 8


@pytest.mark.parametrize(
    "wrong",
    [
        {"initial": 2 * SECOND, "maximum": SECOND},
        {"initial": -SECOND},
        {"intensity": -1},
        {"window": timedelta(0)},
    ],
)
def test_a_supervision_out_of_order_cannot_be_built(wrong: dict[str, timedelta]) -> None:
    with pytest.raises(ValueError, match="the"):
        Supervision(**wrong)  # type: ignore[arg-type]
