"""What is kept of a run: fed with events of fixed times, in milliseconds."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peerkey_cli.palette import Standing
from peerkey_cli.report.chronicle import ALARMS, FAULTS, MOST_ROWS, NODES, Chronicle
from peerkey_cli.report.lanes import MOST_MARKS, Lane
from peerkey_cli.report.spans import Kept, KeySpan, Lowest, Span
from tests.support.told import BEGIN, Told, alarm, erased, hub_and_branches, keyed, path

ENDS = ("east/node0", "west/node0")
MINUTE = timedelta(minutes=1)


def test_a_key_is_one_bar_for_both_ends_from_its_agreement_to_its_last_erasure() -> None:
    lane = lane_of(*keyed(ENDS, 1, BEGIN), *keyed(ENDS, 2, at(60)), *erased(ENDS, 1, at(80)))

    first, second = lane.bars()

    assert first == KeySpan(1, 1, BEGIN, at(0.5), replaced=at(60.5), erased=at(80) + timedelta(seconds=1))
    assert second == KeySpan(2, 2, at(60), at(60.5))


def test_the_log_of_one_end_alone_is_enough_for_its_keys() -> None:
    events = [each for each in (*keyed(ENDS, 1, BEGIN), *erased(ENDS, 1, at(9))) if each[2] == ENDS[0]]

    (bar,) = lane_of(*events).bars()

    assert bar.erased == at(9)


def test_a_key_whose_beginning_is_gone_with_the_log_is_not_drawn_when_it_is_erased() -> None:
    assert list(lane_of(*erased(ENDS, 4, BEGIN)).bars()) == []


def test_an_outage_lasts_from_the_first_path_that_leaves_service_until_all_are_back() -> None:
    east, west = ENDS
    lane = lane_of(
        path(east, west, BEGIN, up=True),
        path(east, west, BEGIN, up=True, name="lte"),
        path(east, west, at(5), up=False),
        path(east, west, at(6), up=False, name="lte"),
        path(east, west, at(8), up=True),
        path(east, west, at(9), up=True, name="lte"),
    )

    assert [(each.begin, each.end, each.standing) for each in lane.outages] == [
        (at(5), at(6), Standing.DEGRADED),
        (at(6), at(8), Standing.DOWN),
        (at(8), at(9), Standing.DEGRADED),
    ]
    assert (lane.out_times, lane.out.total, lane.out.longest) == (1, 4 * MINUTE, 4 * MINUTE)


def test_a_path_that_was_never_in_service_has_not_left_it() -> None:
    assert lane_of(path(*ENDS, BEGIN, up=False)).outage is None


def test_the_four_events_about_a_peers_certificate_are_told_apart() -> None:
    kind, (east, west) = "system.peer_certificate_validation", ENDS
    lane = lane_of(
        (BEGIN, kind, east, {"peer": west, "fingerprint": "00", "validated": True, "pinned": False}),
        (at(1), kind, east, {"peer": west, "state": "invalid", "reason": "untrusted", "detail_text": "who?"}),
        (at(2), kind, east, {"peer": west, "state": "revoked", "reason": "revoked", "behavior": "fail-soft"}),
        (at(3), kind, east, {"peer": west, "fingerprint": "00"}),
    )

    assert [mark.text for mark in lane.marks] == ["certificate refused by east/node0: untrusted - who?"]
    assert [(each.begin, each.end) for each in lane.suspected] == [(at(2), at(3))]


def test_what_failed_and_what_removed_a_peering_is_marked_with_its_reason_up_to_a_bound() -> None:
    failed = [
        (at(each), "peering.failed", ENDS[0], {"peer": ENDS[1], "reason": "no-common-algorithm"})
        for each in range(MOST_MARKS + 3)
    ]

    lane = lane_of((BEGIN, "peering.removed", ENDS[1], {"peer": ENDS[0], "reason": "revoked"}), *failed)

    assert lane.marks[0].text == "removed, says west/node0: revoked"
    assert lane.marks[1].text == "failed, says east/node0: no-common-algorithm"
    assert (len(lane.marks), lane.marks_left_out) == (MOST_MARKS, 4)


def test_a_peering_counts_as_usable_while_a_key_is_in_use_and_a_path_in_service() -> None:
    east, west = ENDS
    chronicle = chronicle_of(
        *keyed(ENDS, 1, BEGIN),
        path(east, west, at(1), up=True),
        path(east, west, at(11), up=False),
        path(east, west, at(14), up=True),
        *keyed(ENDS, 2, at(20)),
    )

    assert next(iter(chronicle.lanes.values())).usable == timedelta(minutes=17)
    assert [value for _, value in chronicle.usable] == [1, 0, 1, 1]


def test_an_alarm_is_a_row_from_raised_to_cleared_and_again() -> None:
    chronicle = chronicle_of(
        alarm("raised", ENDS[0], "Peer `west` is not reachable.", at(1)),
        alarm("cleared", ENDS[0], "Peer `west` is not reachable.", at(3)),
        alarm("raised", ENDS[0], "Peer `west` is not reachable.", at(7)),
        alarm("raised", ENDS[0], "A CRL is old.", at(8), severity="minor"),
        alarm("cleared", ENDS[0], "Nobody has raised it.", at(9)),
    )

    first, second = chronicle.group(ALARMS)

    assert first.name == "major: Peer `west` is not reachable."
    assert [(each.begin, each.end) for each in first.all()] == [(at(1), at(3)), (at(7), None)]
    assert (first.times, first.lasted.total) == (2, 4 * MINUTE)
    assert second.standing is Standing.WAITING


def test_what_is_wrong_with_a_node_or_happens_to_it_has_a_row() -> None:
    chronicle = chronicle_of(
        (at(1), "certificate.invalid", ENDS[0], {"state": "expired", "reason": "expired"}),
        (at(2), "certificate.valid", ENDS[0], {"fingerprint": "00"}),
        (at(3), "actor.crashed", ENDS[0], {"actor": "path", "error": "OSError"}),
        (at(4), "ha.link_down", ENDS[0], {"mate": "east/node1", "reason": "reset"}),
    )

    assert [(row.name, row.times) for row in chronicle.group(NODES)] == [
        ("east/node0: own certificate not good", 1),
        ("east/node0: no link to east/node1", 1),
        ("east/node0: crash of path", 1),
    ]


def test_a_clock_that_was_set_back_does_not_turn_the_picture_back() -> None:
    chronicle = chronicle_of(*keyed(ENDS, 1, at(60)), *keyed(ENDS, 2, BEGIN))

    assert chronicle.begin == at(60)
    assert chronicle.end == at(60.5)
    assert chronicle.times_back == 4


@pytest.mark.parametrize(
    "detail",
    [
        {},
        {"peer": 7},
        {"peer": "west"},
        {"peer": "west", "index": "1", "key_id": 2},
        {"peer": "west", "path": None},
    ],
)
def test_an_event_that_is_not_of_its_form_breaks_nothing(detail: dict[str, object]) -> None:
    kinds = (
        "key.accepted",
        "key.erased",
        "path.up",
        "path.down",
        "peering.failed",
        "alarm.raised",
        "ha.takeover",
    )
    chronicle = chronicle_of(*((BEGIN, kind, "east", detail) for kind in kinds))

    assert chronicle.events.total() == len(kinds)


def test_of_very_many_keys_neighbours_are_joined_and_all_of_them_counted() -> None:
    kept: Kept[KeySpan] = Kept(8)
    for number in range(1_000):
        kept.add(KeySpan(number, number, at(number), at(number), at(number + 1), at(number + 2)))

    bars = list(kept.even())

    assert len(bars) <= len(kept) <= 8
    # The last one may stand for fewer: nothing follows it yet.
    assert len({bar.times for bar in bars[:-1]}) == 1
    assert kept.count == sum(bar.times for bar in bars) == 1_000
    assert (bars[0].first, bars[-1].last) == (0, 999)
    assert all(bar.last + 1 == following.first for bar, following in pairwise(bars))


def test_spans_that_are_joined_stand_as_badly_as_the_worse_of_them() -> None:
    first = Span(BEGIN, at(1), Standing.DEGRADED, "a")
    second = Span(at(2), at(3), Standing.DOWN, "b")

    assert first.joined(second) == Span(BEGIN, at(3), Standing.DOWN, "several", 2)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=300))
def test_a_short_dip_is_never_smoothed_away(values: list[int]) -> None:
    lowest = Lowest(16)
    for number, value in enumerate(values):
        lowest.add(at(number), value)

    kept = list(lowest)

    assert len(kept) <= 17
    assert min(value for _, value in kept) == min(values)
    assert kept[-1] == (at(len(values) - 1), values[-1])
    assert kept[0][0] == BEGIN


def test_rows_have_a_bound_and_what_has_none_is_counted() -> None:
    chronicle = chronicle_of(*(alarm("raised", "n", f"{each}", BEGIN) for each in range(MOST_ROWS + 5)))

    assert len(chronicle.group(ALARMS)) == MOST_ROWS
    assert chronicle.rows_left_out == 5


def test_a_fault_is_a_span_of_its_kind() -> None:
    chronicle = Chronicle()
    chronicle.take_fault("partition", "east/node0 - west/node0", BEGIN, at(4))
    chronicle.finish(at(10))

    (row,) = chronicle.group(FAULTS)

    assert [(each.begin, each.end, each.text) for each in row.all()] == [
        (BEGIN, at(4), "east/node0 - west/node0")
    ]


@settings(max_examples=15)
@given(st.integers(0, 2**32))
def test_of_any_run_no_peering_was_usable_for_longer_than_it_lasted(seed: int) -> None:
    random = Random(seed)
    chronicle = hub_and_branches(3, days=random.randrange(1, 6), seed=seed)
    assert chronicle.begin is not None
    assert chronicle.end is not None

    for lane in chronicle.lanes.values():
        assert timedelta(0) <= lane.usable <= chronicle.end - chronicle.begin
        assert all(bar.active is None or bar.accepted <= bar.active for bar in lane.bars())


# --- helpers --------------------------------------------------------------------------------------


def at(minutes: float) -> datetime:
    return BEGIN + timedelta(minutes=minutes)


def chronicle_of(*events: Told) -> Chronicle:
    chronicle = Chronicle()
    for each in events:
        chronicle.take(*each)
    chronicle.finish()
    return chronicle


def lane_of(*events: Told) -> Lane:
    (lane,) = chronicle_of(*events).lanes.values()
    return lane
