"""The report as one page: pictures, the same in tables, and what was left out. It has no script.

The page is a file that somebody may send to somebody else, so it holds everything it needs, and its own
policy forbids the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jinja2 import PackageLoader
from markupsafe import Markup

from peerkey_cli import palette
from peerkey_cli.page import html
from peerkey_cli.palette import Standing
from peerkey_cli.report import timeline
from peerkey_cli.report.chronicle import ALARMS, FAULTS, NODES, Chronicle
from peerkey_cli.report.timeline import Axis

if TYPE_CHECKING:
    from jinja2 import Environment

    from peerkey_cli.report.lanes import Lane
    from peerkey_cli.report.spans import KeySpan

#: Strips of peerings, and of each other kind: what somebody can look through.
MOST_STRIPS: Final = 60
#: Rows of the table of peerings, and of that of keys.
MOST_TABLE_ROWS: Final = 300
#: Events in the table of what happened, by type.
_PARTS: Final = Path(__file__).parent / "parts"


@dataclass(frozen=True, slots=True)
class Heading:
    """What the report is of, beside its events."""

    title: str
    #: Facts of a simulation, such as its seed: a name and a value each.
    facts: Sequence[tuple[str, str]] = ()
    #: What must not have been and was.
    violations: Sequence[str] = ()
    #: What is missing, or not as it was written.
    remarks: Sequence[str] = field(default=())


@dataclass(frozen=True, slots=True)
class _LaneRow:
    """A peering in numbers."""

    name: str
    keys: int
    first: int | None
    last: int | None
    usable: str
    outages: int
    out: timedelta
    longest: timedelta
    suspected: int
    marks: Sequence[str]


@dataclass(frozen=True, slots=True)
class _KeyRow:
    """A key in times."""

    name: str
    index: str
    accepted: datetime
    active: datetime | None
    replaced: datetime | None
    erased: datetime | None


def report(heading: Heading, chronicle: Chronicle) -> str:
    """Return the page of a chronicle that is finished."""
    begin, end = chronicle.begin, chronicle.end
    along = None if begin is None or end is None else Axis(begin, end)
    # Those that had trouble first; the others in the order in which they came to be.
    lanes = sorted(chronicle.lanes.values(), key=_trouble, reverse=True)
    shown = lanes[:MOST_STRIPS]
    keys = [_key_row(each, key) for each in shown for key in each.bars()]
    template = _environment().get_template("report.html")
    return template.render(
        style=Markup(_style()),  # noqa: S704 - our own file
        policy=f"default-src 'none'; style-src {html.hash_of(_style())}; base-uri 'none'; form-action 'none'",
        heading=heading,
        chronicle=chronicle,
        along=along,
        axis=None if along is None else timeline.axis(along),
        usable=None if along is None else timeline.usable(chronicle.usable, len(lanes), along),
        share=_share(lanes, end),
        rekeys=sum(max(0, sum(key.times for key in each.bars()) - 1) for each in lanes),
        outages=sum(each.out_times for each in lanes),
        lanes=[] if along is None else [(each, timeline.lane(each, along)) for each in shown],
        lanes_left_out=len(lanes) - len(shown),
        calm=sum(not any(_trouble(each)) for each in lanes[MOST_STRIPS:]),
        groups=[
            (title, found[:MOST_STRIPS], len(found) - MOST_STRIPS, about)
            for name, title, about in _GROUPS
            if (
                found := []
                if along is None
                else [(row, timeline.row(row, along)) for row in chronicle.group(name)]
            )
        ],
        rows=[_lane_row(each) for each in lanes[:MOST_TABLE_ROWS]],
        rows_left_out=max(0, len(lanes) - MOST_TABLE_ROWS),
        keys=keys[:MOST_TABLE_ROWS],
        keys_left_out=max(0, len(keys) - MOST_TABLE_ROWS),
        joined=any(key.times > 1 for each in shown for key in each.bars()),
        legend=_LEGEND,
    )


_GROUPS: Final = (
    (FAULTS, "Faults that were injected", "Each kind of fault, where and for how long"),
    (ALARMS, "Alarms", "Each alarm from raised to cleared"),
    (NODES, "Nodes and hosts", "What was wrong with a node itself, or happened to it"),
)
_LEGEND: Final = (
    ("used", "a key in use; beside it, in another shade, the next one"),
    ("held", "from the agreement of a key to its erasure"),
    ("down", "no path in service"),
    ("degraded", "not all paths in service"),
    ("suspect", "a certificate is not good"),
)


def _trouble(lane: Lane) -> tuple[timedelta, int]:
    """Return what brings a peering to the top."""
    return lane.out.total, len(lane.marks) + lane.marks_left_out + lane.suspected.count + len(lane.suspicions)


def _share(lanes: Sequence[Lane], end: datetime | None) -> str:
    """Return for how much of the time since it was keyed first a peering could be used, over all of them."""
    used = [lane for lane in lanes if lane.first_used is not None]
    if end is None or not used:
        return "-"
    could = sum((lane.usable for lane in used), timedelta(0))
    since = sum((end - lane.first_used for lane in used if lane.first_used is not None), timedelta(0))
    return f"{could / since:.3%}" if since else "-"


def _lane_row(lane: Lane) -> _LaneRow:
    bars = list(lane.bars())
    return _LaneRow(
        name=lane.name,
        keys=sum(key.times for key in bars),
        first=bars[0].first if bars else None,
        last=bars[-1].last if bars else None,
        usable=html.span(lane.usable),
        outages=lane.out_times,
        out=lane.out.total,
        longest=lane.out.longest,
        suspected=lane.suspected.count + len(lane.suspicions),
        marks=[mark.text for mark in lane.marks[:3]]
        + ([f"and {more} more"] if (more := len(lane.marks) + lane.marks_left_out - 3) > 0 else []),
    )


def _key_row(lane: Lane, key: KeySpan) -> _KeyRow:
    index = str(key.first) if key.times == 1 else f"{key.first} to {key.last}"
    return _KeyRow(lane.name, index, key.accepted, key.active, key.replaced, key.erased)


@cache
def _style() -> str:
    return palette.style() + (_PARTS / "report.css").read_text("utf-8")


@cache
def _environment() -> Environment:
    made = html.environment().overlay(loader=PackageLoader("peerkey_cli.report", "parts"))
    made.filters["span"] = html.span
    made.globals.update(down=Standing.DOWN, warned=Standing.DEGRADED, suspect=Standing.SUSPECT)
    return made
