"""A chronicle as pictures: one strip for each peering, alarm and kind of fault, all on one axis of time.

A place in time is a percentage of the width, so that a strip is as wide as the screen and marks keep their
shape. Every strip has a title in words; what is not told by it stands in the tables of the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from peerkey_cli.page.html import span as words_of
from peerkey_cli.palette import Standing
from peerkey_cli.terminal import printable, shortened

if TYPE_CHECKING:
    from peerkey_cli.report.chronicle import Row
    from peerkey_cli.report.lanes import Lane
    from peerkey_cli.report.spans import KeySpan, Lowest, Span

#: What is shorter is drawn this wide, in percent, or nobody would see it.
_THINNEST: Final = 0.12
#: From this width on, in percent, the index of a key stands in its bar.
_ROOM_FOR_INDEX: Final = 4.0
_STEPS: Final = tuple(
    timedelta(seconds=each)
    for each in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200)
) + tuple(timedelta(days=each) for each in (1, 2, 5, 7, 14, 30, 60, 90, 180, 365, 730, 1_825))
#: Ticks of the axis: as many dates as a wide screen has room for.
_MOST_TICKS: Final = 9
#: Where the parts of a strip stand, from its top: keys, outages, and below them what went wrong.
_LANE_HEIGHT: Final = 31
_TROUBLE_HEIGHT: Final = 15
_OUTAGES: Final = 22
#: How high an outage is drawn: that of some paths is lower, so that they differ in more than colour.
_OUTAGE_HEIGHTS: Final = {Standing.DOWN: 8, Standing.DEGRADED: 3}
#: Room for the number above the area of what can be used, and the height of that.
_SCALE: Final = 16
_AREA: Final = 68.0
#: The band that stands above what is missing: however few they are among many, they are to be seen.
_MISSING: Final = 4.0
#: What a picture says of one thing; the tables and the log say more.
_LONGEST_TITLE: Final = 200
#: So near an edge, in percent, a date begins or ends at its place; beside so many others it is left out.
_EDGE: Final = 4.0
_MOST_WRITTEN: Final = 6


@dataclass(frozen=True, slots=True)
class Axis:
    """From when to when."""

    begin: datetime
    end: datetime

    @property
    def lasts(self) -> timedelta:
        """How long it is; never nothing, so that everything has a place."""
        return max(self.end - self.begin, timedelta(seconds=1))

    def at(self, time: datetime) -> float:
        """Return where a time is, in percent; what is outside is at the edge."""
        return min(100.0, max(0.0, (time - self.begin) / self.lasts * 100))

    def stretch(self, begin: datetime, end: datetime | None) -> tuple[float, float]:
        """Return where something begins and how wide it is. What lasts still goes on to the edge."""
        left = self.at(begin)
        width = max(_THINNEST, self.at(end or self.end) - left)
        return min(left, 100 - width), width

    def ticks(self) -> list[tuple[float, str]]:
        """Return the places of some round times, and how they are written."""
        step = next((each for each in _STEPS if self.lasts / each <= _MOST_TICKS), _STEPS[-1])
        midnight = self.begin.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        first = midnight + -(-(self.begin - midnight) // step) * step
        times = [first + number * step for number in range(_MOST_TICKS + 2)]
        return [
            (self.at(each), _written(each, step, self.lasts))
            for each in times
            if self.begin <= each <= self.end
        ]


def _written(time: datetime, step: timedelta, lasts: timedelta) -> str:
    if step >= timedelta(days=1):
        return f"{time:%Y-%m-%d}"
    clock = f"{time:%H:%M:%S}" if step < timedelta(minutes=1) else f"{time:%H:%M}"
    return f"{time:%m-%d} {clock}" if lasts > timedelta(days=1) else clock


def axis(of: Axis) -> Markup:
    """Return the axis: nobody listens to it, since each thing has its time in words."""
    parts = []
    for number, (place, text) in enumerate(of.ticks()):
        anchor = "start" if place < _EDGE else "end" if place > 100 - _EDGE else "middle"
        # On a small screen there is room for one of three.
        kind = "tick" if number % 3 else "tick third"
        parts.append(Markup('<line x1="{0}%" x2="{0}%" y1="20" y2="26"/>').format(_number(place)))
        if number < _MOST_WRITTEN or place < 100 - _EDGE:
            parts.append(
                Markup('<text class="{}" x="{}%" y="15" text-anchor="{}">{}</text>').format(
                    kind, _number(place), anchor, text
                )
            )
    return Markup('<svg class="axis" width="100%" height="26" aria-hidden="true">{}</svg>').format(
        _all(parts)
    )


def lane(of: Lane, along: Axis) -> Markup:
    """Return the strip of a peering."""
    spans = list(of.spans())
    bad = [each for each in spans if each.standing not in _OUTAGE_HEIGHTS]
    height = _LANE_HEIGHT + (_TROUBLE_HEIGHT if bad or of.marks else 0)
    parts = [_grid(along, height)]
    for number, key in enumerate(of.bars()):
        parts += _key(key, along, number)
    for each in spans:
        high = _OUTAGE_HEIGHTS.get(each.standing)
        if high is None:
            parts += _lasting(each, along, _LANE_HEIGHT + _TROUBLE_HEIGHT // 2)
        else:
            parts.append(_span(each, along, _OUTAGES, high))
    middle = _LANE_HEIGHT + _TROUBLE_HEIGHT // 2
    parts += [
        _mark(along.at(each.time), each.standing, _when(each.text, each.time), middle) for each in of.marks
    ]
    return _strip(height, _lane_words(of), parts)


def _key(key: KeySpan, along: Axis, number: int) -> Iterator[Markup]:
    """Yield a key: a thin bar from its agreement to its erasure, and a full one above it while in use."""
    left, width = along.stretch(key.accepted, key.erased)
    words = _key_words(key)
    yield _rectangle("held", left, 16, width, 3, "" if key.active else words)
    if key.active is None:
        return
    left, width = along.stretch(key.active, key.replaced or key.erased)
    shade = "odd" if number % 2 else "even"
    yield _rectangle(f"used {shade}", left, 2, width, 13, words)
    if width >= _ROOM_FOR_INDEX:
        text = str(key.first) if key.times == 1 else f"{key.first}…{key.last}"
        yield Markup('<text class="index {}" x="{}%" y="13">{}</text>').format(
            shade, _number(left + 0.4), text
        )


def row(of: Row, along: Axis) -> Markup:
    """Return the strip of an alarm, of a kind of fault, or of what was wrong with a node."""
    parts = [_grid(along, 22)]
    for each in of.all():
        parts += _lasting(each, along, 11)
    return _strip(22, f"{of.name}: {_times(of.times)}, {words_of(of.lasted.total)} in all", parts)


def usable(of: Lowest, most: int, along: Axis) -> Markup:
    """Return how many peerings could be used over time, as an area."""
    changes = [(along.begin, 0), *of]
    height = _SCALE + _AREA
    parts = [_grid(along, round(height))]
    high, peak = _AREA / max(1, most), 0
    for (begin, value), (end, _) in pairwise([*changes, (along.end, 0)]):
        left, width = along.at(begin), along.at(end) - along.at(begin)
        peak = max(peak, value)
        if width > 0:
            words = f"from {_stamp(begin)}: {value} of {most}"
            parts.append(_rectangle("area", left, height - high * value, width + 0.02, high * value, words))
            if value < peak:
                parts.append(
                    _rectangle(
                        "span down", left, height - high * peak, max(_THINNEST, width), _MISSING, words
                    )
                )
    parts.append(Markup('<text x="0" y="11" class="scale">{}</text>').format(most))
    last = changes[-1][1]
    return _strip(
        round(height), f"Peerings that could be used, over time: {last} of {most} at the end", parts
    )


# --- parts --------------------------------------------------------------------------------------------


def _strip(height: int, words: str, parts: Iterable[Markup]) -> Markup:
    return Markup('<svg class="strip" role="img" width="100%" height="{}" aria-label="{}">{}</svg>').format(
        height, printable(words), _all(parts)
    )


def _grid(along: Axis, height: int) -> Markup:
    lines = [
        Markup('<line class="grid" x1="{0}%" x2="{0}%" y1="0" y2="{1}"/>').format(_number(place), height)
        for place, _ in along.ticks()
    ]
    return _all(lines)


def _span(each: Span, along: Axis, top: float, high: float) -> Markup:
    left, width = along.stretch(each.begin, each.end)
    return _rectangle(f"span {each.standing.tone.name}", left, top, width, high, _span_words(each))


def _lasting(each: Span, along: Axis, middle: int) -> Iterator[Markup]:
    """Yield something that lasted, with its shape where it began; one title is for both."""
    left, width = along.stretch(each.begin, each.end)
    yield Markup("<g><title>{}</title>{}{}</g>").format(
        _title(_span_words(each)),
        _rectangle(f"span {each.standing.tone.name}", left, middle - 4, width, 8, ""),
        _mark(along.at(each.begin), each.standing, "", middle),
    )


def _rectangle(kind: str, left: float, top: float, width: float, high: float, words: str) -> Markup:
    title = Markup("<title>{}</title>").format(_title(words)) if words else Markup("")
    return Markup('<rect class="{}" x="{}%" y="{}" width="{}%" height="{}">{}</rect>').format(
        kind, _number(left), _number(top), _number(width), _number(high), title
    )


def _mark(place: float, standing: Standing, words: str, middle: int) -> Markup:
    """Return a shape whose middle is at a place: shifted by half its size, which is in pixels."""
    title = Markup("<title>{}</title>").format(_title(words)) if words else Markup("")
    return Markup(
        '<svg x="{}%" overflow="visible"><use href="#mark-{}" x="-6" y="{}" width="12" height="12">'
        "{}</use></svg>"
    ).format(_number(place), standing.tone.name, middle - 6, title)


def _title(words: str) -> str:
    """Return words of bounded length: of one picture there may be thousands."""
    return printable(shortened(words, _LONGEST_TITLE))


def _all(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)


# --- words --------------------------------------------------------------------------------------------


def _key_words(key: KeySpan) -> str:
    name = f"key {key.first}" if key.times == 1 else f"{key.times} keys, {key.first} to {key.last}"
    steps = (
        ("agreed", key.accepted),
        ("in use", key.active),
        ("replaced", key.replaced),
        ("erased", key.erased),
    )
    return f"{name}: " + ", ".join(f"{word} {_stamp(time)}" for word, time in steps if time is not None)


def _span_words(each: Span) -> str:
    until = "still so" if each.end is None else f"until {_stamp(each.end)}"
    times = f" ({each.times} times)" if each.times > 1 else ""
    if each.end == each.begin:
        until = ""
    return f"{each.text or each.standing.tone.word}{times}: {_stamp(each.begin)} {until}".rstrip()


def _lane_words(of: Lane) -> str:
    keys = sum(key.times for key in of.bars())
    return (
        f"{of.name}: keys {keys}; outages {of.out_times}, {words_of(of.out.total)} in all; "
        f"certificate not good {_times(of.suspected.count + len(of.suspicions))}; "
        f"failures and removals {len(of.marks) + of.marks_left_out}"
    )


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _when(text: str, time: datetime) -> str:
    return f"{text}: {_stamp(time)}"


def _stamp(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _number(value: float) -> str:
    """Return a number of a picture: a hundredth of a percent is less than a pixel."""
    return f"{value:.2f}".rstrip("0").rstrip(".") or "0"
