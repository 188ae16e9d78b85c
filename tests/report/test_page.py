"""The report as a page: what a strip looks like, what is left out, and that names are text."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from peerkey_cli.report import timeline
from peerkey_cli.report.chronicle import Chronicle
from peerkey_cli.report.page import MOST_STRIPS, Heading, report
from peerkey_cli.report.timeline import Axis
from tests.page.structure import structure
from tests.support.told import BEGIN, Told, alarm, erased, hub_and_branches, keyed, path

ENDS = ("east/node0", "west/node0")
HOUR = Axis(BEGIN, BEGIN + timedelta(hours=1))


def test_the_strip_of_a_peering_looks_like_this() -> None:
    chronicle = chronicle_of(
        *keyed(ENDS, 1, BEGIN),
        path(*ENDS, BEGIN + timedelta(minutes=6), up=True),
        *keyed(ENDS, 2, BEGIN + timedelta(minutes=30)),
        *erased(ENDS, 1, BEGIN + timedelta(minutes=36)),
        path(*ENDS, BEGIN + timedelta(minutes=48), up=False),
    )
    (lane,) = chronicle.lanes.values()

    drawn = re.sub(r'<line class="grid"[^>]*>', "", str(timeline.lane(lane, HOUR)))

    first = "agreed 2030-06-01 00:00:00, in use 2030-06-01 00:00:30"
    ends = "replaced 2030-06-01 00:30:30, erased 2030-06-01 00:36:01"
    second = "agreed 2030-06-01 00:30:00, in use 2030-06-01 00:30:30"
    assert drawn == (
        '<svg class="strip" role="img" width="100%" height="31" aria-label="east/node0 and west/node0: '
        'keys 2; outages 1, 0 s in all; certificate not good 0 times; failures and removals 0">'
        '<rect class="held" x="0%" y="16" width="60.03%" height="3"></rect>'
        '<rect class="used even" x="0.83%" y="2" width="50%" height="13">'
        f"<title>key 1: {first}, {ends}</title></rect>"
        '<text class="index even" x="1.23%" y="13">1</text>'
        '<rect class="held" x="50%" y="16" width="50%" height="3"></rect>'
        '<rect class="used odd" x="50.83%" y="2" width="49.17%" height="13">'
        f"<title>key 2: {second}</title></rect>"
        '<text class="index odd" x="51.23%" y="13">2</text>'
        '<rect class="span down" x="80%" y="22" width="20%" height="8">'
        "<title>wan0 of east/node0: no answer within 10 s: 2030-06-01 00:48:00 still so</title></rect></svg>"
    )


def test_no_colour_alone_tells_what_was_wrong_with_a_peering_and_nothing_hides_anything_else() -> None:
    east, west = ENDS
    chronicle = chronicle_of(
        *keyed(ENDS, 1, BEGIN),
        path(*ENDS, BEGIN, up=True),
        path(*ENDS, BEGIN, up=True, name="lte0"),
        path(*ENDS, BEGIN + timedelta(minutes=10), up=False),
        path(*ENDS, BEGIN + timedelta(minutes=20), up=False, name="lte0"),
        (BEGIN, "system.peer_certificate_validation", east, {"peer": west, "behavior": "fail-soft"}),
        (BEGIN, "peering.removed", east, {"peer": west, "reason": "expired"}),
    )
    (lane,) = chronicle.lanes.values()

    drawn = str(timeline.lane(lane, HOUR))

    heights = dict(re.findall(r'<rect class="span (\w+)" [^>]*height="(\d+)"', drawn))
    assert heights["degraded"] < heights["down"]
    assert '<use href="#mark-suspect"' in drawn
    tops = {
        kind: (int(top), int(top) + int(high))
        for kind, top, high in re.findall(
            r'(held|span \w+|mark-\w+)"[^>]* y="(\d+)"[^>]* height="(\d+)"', drawn
        )
    }
    assert tops["held"][1] < tops["span degraded"][0] == tops["span down"][0]
    assert tops["span down"][1] < min(tops["span suspect"][0], tops["mark-suspect"][0], tops["mark-down"][0])
    assert max(end for _, end in tops.values()) <= int(drawn.partition('height="')[2].partition('"')[0])


def test_what_can_be_used_stands_below_its_scale_and_what_is_missing_is_missing() -> None:
    chronicle = hub_and_branches(300, days=9, seed=8)

    drawn = str(timeline.usable(chronicle.usable, 300, Axis(BEGIN, BEGIN + timedelta(days=9))))

    scale = int(drawn.partition('class="scale"')[0].rpartition(' y="')[2].partition('"')[0])
    shapes = re.findall(r'class="(area|span down)" [^>]* y="([\d.]+)"[^>]* height="([\d.]+)"', drawn)
    assert min(float(top) for _, top, _ in shapes) > scale + 2
    assert {high for kind, _, high in shapes if kind != "area"} == {"4"}
    assert any(kind != "area" for kind, _, _ in shapes)


def test_a_title_is_bounded_and_one_is_enough_for_a_bar_and_its_mark() -> None:
    chronicle = chronicle_of(alarm("raised", "east/node0", "z" * 280, BEGIN))
    (row,) = chronicle.group("alarms")

    drawn = str(timeline.row(row, HOUR))

    assert drawn.count("<title>") == 1
    assert len(drawn.partition("<title>")[2].partition("</title>")[0]) == 200


@pytest.mark.parametrize(
    ("lasts", "texts"),
    [
        (timedelta(seconds=4), ["00:00:00", "00:00:01", "00:00:02", "00:00:03", "00:00:04"]),
        (
            timedelta(hours=2),
            ["00:00", "00:15", "00:30", "00:45", "01:00", "01:15", "01:30", "01:45", "02:00"],
        ),
        (timedelta(days=3), ["06-01 00:00", "06-01 12:00", "06-02 00:00", "06-02 12:00", "06-03 00:00"]),
        (timedelta(days=3_000), ["2030-06-01"]),
    ],
)
def test_the_axis_has_a_few_round_times(lasts: timedelta, texts: list[str]) -> None:
    ticks = Axis(BEGIN, BEGIN + lasts).ticks()

    assert [text for _, text in ticks][: len(texts)] == texts
    assert len(ticks) <= 10
    assert all(0 <= place <= 100 for place, _ in ticks)


def test_what_is_too_short_to_be_seen_is_drawn_all_the_same_and_within_the_picture() -> None:
    left, width = HOUR.stretch(HOUR.end, HOUR.end)

    assert width > 0
    assert left + width <= 100


@pytest.mark.parametrize("routers", [0, 2, 300])
def test_the_report_of_any_fleet_is_whole_and_needs_nothing_else(routers: int) -> None:
    page = report(Heading("Run"), hub_and_branches(routers, days=3))

    assert structure(page) == []
    assert "<script" not in page
    assert not re.search(r"(?:src|href)=\"(?!#)", page)
    assert " style=" not in page
    assert page.count("Content-Security-Policy") == 1
    assert all(f'id="{each}"' in page for each in re.findall(r'<a href="#([^"]*)"', page))
    assert page.count("<nav ") == bool(routers)
    assert len(page) < 500_000


def test_of_a_large_fleet_those_with_trouble_are_drawn_and_the_page_says_what_is_left_out() -> None:
    chronicle = hub_and_branches(300, days=3)
    troubled = sum(lane.outages.count > 0 for lane in chronicle.lanes.values())

    page = report(Heading("Run"), chronicle)

    assert f"{MOST_STRIPS} of 300 peerings are drawn" in page
    assert f"Of the {300 - MOST_STRIPS} others {300 - MOST_STRIPS} had no trouble at all" in page
    assert 0 < troubled < MOST_STRIPS


def test_a_run_without_events_says_that_nothing_happened() -> None:
    chronicle = Chronicle()
    chronicle.finish()

    assert "Nothing happened" in report(Heading("Run"), chronicle)


def test_what_comes_from_a_log_is_text() -> None:
    evil = '<img src=x onerror=alert(1)>"{{7*7}}\N{RIGHT-TO-LEFT OVERRIDE}'
    chronicle = chronicle_of(
        *keyed((evil, f"b{evil}"), 1, BEGIN),
        (BEGIN, "peering.failed", evil, {"peer": f"b{evil}", "reason": evil}),
        (BEGIN, "certificate.invalid", evil, {"state": evil}),
        alarm("raised", evil, evil, BEGIN, severity=evil),
        (BEGIN, evil, evil, {}),
    )

    page = report(Heading(evil, [(evil, evil)], [evil], [evil]), chronicle)

    assert structure(page) == []
    assert "<img" not in page
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in page


def test_no_key_id_is_in_the_page() -> None:
    chronicle = chronicle_of(
        (BEGIN, "key.activated", "a", {"peer": "b", "index": 1, "key_id": "c0ffee" * 5}),
    )

    assert "c0ffee" not in report(Heading("Run"), chronicle)


# --- helpers --------------------------------------------------------------------------------------


def chronicle_of(*events: Told) -> Chronicle:
    chronicle = Chronicle()
    for each in events:
        chronicle.take(*each)
    chronicle.finish()
    return chronicle
