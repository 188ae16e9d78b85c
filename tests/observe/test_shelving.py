"""Alarms on the shelf: what is covered, for how long, and how machines agree on it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from peerkey.observe.shelving import LONGEST, MOST, Shelf, ShelfFull, Shelved, Shelving

NOW = datetime(2030, 6, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ONE = Shelving("east/node0:0cd7e3a1", "", "", NOW, NOW + HOUR, "ann", "provider works on it")


def test_one_alarm_is_covered_until_its_time_has_come() -> None:
    shelf = Shelf([ONE])

    assert covered(shelf, NOW) == ONE
    assert covered(shelf, NOW + HOUR - timedelta(seconds=1)) == ONE
    assert covered(shelf, NOW + HOUR) is None
    assert shelf.covering("east/node0:ffffffff", "path-down", "east/node0", NOW) is None


@pytest.mark.parametrize(("node", "covers"), [("", True), ("east/node0", True), ("west/node0", False)])
def test_a_kind_is_covered_at_one_node_or_at_all(node: str, *, covers: bool) -> None:
    shelf = Shelf([replace(ONE, alarm="", kind="path-down", node=node)])

    assert (covered(shelf, NOW) is not None) is covers


def test_what_ended_is_told_once_and_forgotten() -> None:
    shelf = Shelf([ONE])

    assert shelf.ended(NOW) == ()
    assert shelf.ended(NOW + HOUR) == (ONE,)
    assert shelf.ended(NOW + HOUR) == shelf.every() == ()


def test_what_is_taken_back_is_covered_no_more_and_tells_no_end() -> None:
    shelf = Shelf([ONE])

    assert shelf.lift(ONE.what, NOW, "bob") == ONE
    assert covered(shelf, NOW) is None
    assert shelf.lift(ONE.what, NOW, "bob") is None
    assert shelf.ended(NOW + HOUR) == ()


def test_a_clock_that_was_set_back_shows_what_is_shelved() -> None:
    shelf = Shelf([ONE])

    assert covered(shelf, NOW - timedelta(minutes=1)) == ONE
    assert covered(shelf, NOW - HOUR) is None


def test_machines_agree_whatever_they_hear_first() -> None:
    lifted = replace(ONE, at=NOW + timedelta(minutes=1), lifted=True, by="bob")
    again = replace(ONE, at=NOW + timedelta(minutes=2), until=NOW + 2 * HOUR)

    for order in permutations((ONE, lifted, again)):
        shelf = Shelf()
        for each in order:
            shelf.merge([each], NOW)
        assert shelf.every() == (again,)
        assert not shelf.merge(order, NOW)


def test_what_has_ended_is_not_taken_in_again() -> None:
    shelf = Shelf()

    assert not shelf.merge([ONE], NOW + HOUR)
    assert not shelf.merge([replace(ONE, until=NOW + LONGEST + HOUR)], NOW)
    assert shelf.every() == ()


def test_the_last_days_of_all_time_are_no_trouble() -> None:
    last = datetime.max.replace(tzinfo=UTC)

    assert Shelf().merge([replace(ONE, at=last - HOUR, until=last)], NOW)


def test_a_shelf_is_bounded() -> None:
    shelf = Shelf(replace(ONE, alarm=f"a:{n}") for n in range(MOST))

    with pytest.raises(ShelfFull, match="256"):
        shelf.put(ONE)
    shelf.put(replace(ONE, alarm="a:0", reason="again"))
    shelf.merge((replace(ONE, alarm=f"b:{n}") for n in range(10 * MOST)), NOW)
    assert len(shelf.every()) == 2 * MOST


def test_it_is_kept_as_json() -> None:
    shelf = Shelf([ONE, replace(ONE, alarm="", kind="path-down", lifted=True)])

    assert Shelf.of_document_untrusted(json.loads(json.dumps(shelf.document()))).every() == shelf.every()


@pytest.mark.parametrize(
    "broken",
    [
        3,
        [3],
        [{}],
        [{**Shelf([ONE]).document()[0], "until": "2999-01-01T00:00:00+00:00"}],
        [{**Shelf([ONE]).document()[0], "at": "2030-01-01"}],
        [{**Shelf([ONE]).document()[0], "by": 3}],
    ],
)
def test_a_document_that_is_none_is_refused(broken: Any) -> None:  # noqa: ANN401 - JSON
    with pytest.raises(ValueError, match=r"shelf|shelved"):
        Shelf.of_document_untrusted(broken)


def test_what_is_shelved_says_itself_as_a_command_does() -> None:
    texts = [str(each) for each in (Shelved("a:1"), Shelved("", "clock"), Shelved("", "clock", "a/b"))]

    assert texts == ["a:1", "type clock", "type clock of a/b"]


# --- helpers --------------------------------------------------------------------------------------


def covered(shelf: Shelf, now: datetime) -> Shelving | None:
    return shelf.covering(ONE.alarm, "path-down", "east/node0", now)
