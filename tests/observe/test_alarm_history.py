"""Since when alarms are there: over restarts, and for those that come and go."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerkey.observe.alarm_history import (
    FLAPS,
    HOLD,
    MOST_CLEARED,
    RESTORED_HOLD,
    AlarmHistory,
    Cleared,
    Raised,
)
from peerkey.observe.alarms import Alarm, path_down, peer_unreachable
from peerkey.observe.condensing import Noticed

NOW = datetime(2030, 6, 15, 12, tzinfo=UTC)
DOWN = peer_unreachable("west/node0")
LOOK = timedelta(seconds=5)


def test_an_alarm_is_raised_once_and_cleared_once() -> None:
    history = AlarmHistory()

    told = [look(history, second, *there) for second, there in enumerate([(), (DOWN,), (DOWN,), (), ()])]

    assert [len(each) for each in told] == [0, 1, 0, 1, 0]
    (cleared,) = told[3]
    assert isinstance(cleared, Cleared)
    assert (cleared.lasted, cleared.standing.times()) == (timedelta(seconds=2), 1)
    assert [each.standing.alarm for each in history.cleared] == [DOWN]


def test_what_was_there_before_a_restart_is_neither_raised_again_nor_begins_anew() -> None:
    history = AlarmHistory()
    look(history, 0, DOWN)

    history = restarted(history, 100)

    assert not history.standing
    assert look(history, 105, DOWN) == ()
    (standing,) = history.standing
    assert (standing.since, standing.raised, standing.present) == (NOW, (NOW,), True)


def test_what_went_away_while_nothing_ran_is_cleared_once_it_would_have_been_noticed() -> None:
    history = AlarmHistory()
    look(history, 0, DOWN)
    history = restarted(history, 100)
    due = 100 + int(RESTORED_HOLD.total_seconds())

    assert look(history, 101) == look(history, due - 1) == ()
    (cleared,) = look(history, due)

    assert isinstance(cleared, Cleared)
    assert cleared.at == at(100)


def test_an_alarm_that_comes_and_goes_is_told_a_few_times_and_once_when_it_is_settled() -> None:
    history = AlarmHistory()

    told = [
        change
        for second in range(0, 600, 5)
        for change in look(history, second, *([DOWN] if second % 10 else []))
    ]
    later = [change for second in range(600, 1200, 5) for change in look(history, second)]

    assert [type(change) for change in told] == [Raised, Cleared] * (FLAPS - 1) + [Raised]
    (settled,) = later
    assert isinstance(settled, Cleared)
    assert settled.standing.times() > 10
    assert settled.at == at(600)


def test_what_comes_and_goes_is_shown_meanwhile_and_says_that_it_is_away() -> None:
    history = AlarmHistory()
    for second in range(FLAPS):
        look(history, 10 * second, DOWN)
        look(history, 10 * second + 5)

    (standing,) = history.standing

    assert not standing.present
    assert len(standing.raised) == FLAPS
    look(history, 60 + int(HOLD.total_seconds()))
    assert history.standing == ()


def test_one_that_comes_back_after_an_hour_is_told_again_and_says_that_it_was_there_before() -> None:
    history = AlarmHistory()
    for hour in range(10):
        assert len(look(history, 3600 * hour, DOWN)) == 1
        assert len(look(history, 3600 * hour + 60)) == 1

    assert len(history.cleared[-1].standing.raised) == 10
    assert history.cleared[-1].standing.times() == 1


def test_a_message_that_changes_is_shown_and_is_no_news() -> None:
    history = AlarmHistory()
    look(history, 0, DOWN)
    other = Alarm(DOWN.identity, DOWN.severity, DOWN.source, DOWN.category, "another text")

    assert look(history, 5, other) == ()
    assert history.standing[0].alarm == other


def test_a_clock_that_is_set_back_makes_no_time_negative_and_holds_nothing_for_ever() -> None:
    history = AlarmHistory()
    look(history, 0, DOWN)

    (cleared,) = look(history, -3600)

    assert isinstance(cleared, Cleared)
    assert cleared.lasted == timedelta(0)
    for second in range(FLAPS):
        look(history, 10 * second, DOWN)
        look(history, 10 * second + 5)
    assert len(look(history, -86_400)) == 1


def test_a_time_that_no_clock_shows_is_none() -> None:
    history = AlarmHistory()
    look(history, 0, DOWN)
    document = history.document()
    document["standing"][0]["since"] = "0001-01-01T00:00:00+23:59"

    with pytest.raises(ValueError, match="a time that there is not"):
        AlarmHistory.of_document_untrusted(document, at(0))


def test_the_history_of_what_has_gone_is_bounded() -> None:
    history = AlarmHistory()
    for number in range(MOST_CLEARED + 10):
        look(history, 2 * number, path_down("west/node0", f"wan{number}>x"))
        look(history, 2 * number + 1)

    assert len(history.cleared) == MOST_CLEARED


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"standing": 3, "cleared": []},
        {"standing": [{}], "cleared": []},
        {"standing": [], "cleared": [{"cleared": "yesterday"}]},
        {"standing": [{"node": "a"}], "cleared": None},
        [],
        None,
    ],
)
def test_a_document_that_is_none_is_refused(broken: Any) -> None:  # noqa: ANN401 - JSON
    with pytest.raises(ValueError, match="history"):
        AlarmHistory.of_document_untrusted(broken, NOW)


@given(st.lists(st.tuples(st.integers(1, 400), st.booleans()), max_size=60))
def test_what_is_told_always_agrees_with_what_is_shown(looks: list[tuple[int, bool]]) -> None:
    """Raised and cleared alternate, and what was raised last is shown until it is cleared."""
    history, second, shown = AlarmHistory(), 0, False
    for passed, there in looks:
        second += passed
        for change in look(history, second, *([DOWN] if there else [])):
            assert isinstance(change, Cleared) is shown
            shown = not shown
        assert bool(history.standing) is shown
        assert shown or not there


# --- helpers --------------------------------------------------------------------------------------


def at(second: int) -> datetime:
    return NOW + timedelta(seconds=second)


def look(history: AlarmHistory, second: int, *there: Alarm) -> tuple[Raised | Cleared, ...]:
    return history.seen([Noticed("east/node0", there)], at(second))


def restarted(history: AlarmHistory, second: int) -> AlarmHistory:
    return AlarmHistory.of_document_untrusted(json.loads(json.dumps(history.document())), at(second))
