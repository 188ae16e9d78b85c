"""Who is keyed with whom, drawn: the same picture for the same fleet, whoever draws it and when.

Three pictures, by what there is to see:

* up to ten nodes: a *ring*, with a line for each peering;
* some nodes that nearly all peerings lead to: *tiles*, one for each peering of each of these;
* else a *matrix*: the lower half of all pairs, each node's name at the end of its row and its column.

A mark stands on everything that is not good, larger than its place where places are small. Nothing is random
and nothing is balanced out by forces: a node is where it was a minute ago.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from math import cos, pi, sin
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from peerkey_cli.palette import Standing
from peerkey_cli.terminal import printable

if TYPE_CHECKING:
    from peerkey_cli.page.rows import Link, Map, Place

#: More nodes than this on a ring, and lines hide each other.
RING_OF: Final = 10
#: More rows than this, and names no longer fit beside them.
NAMED_ROWS: Final = 36
#: Hubs of a picture of tiles, and tiles in all; beyond these only what is not good has one.
MOST_HUBS: Final = 16
MOST_TILES: Final = 2_000
#: Titles that show when somebody points at a tile, each some sixty bytes.
_MOST_TITLES: Final = 600
#: Marks upon a dense matrix; of more the squares alone are drawn.
_MOST_MARKS: Final = 500
#: The share of peerings that hubs must account for.
_NEARLY_ALL: Final = 0.9
_HUB_FROM: Final = 8

_WIDTH: Final = 440
_LONGEST_NAME: Final = 15
#: How much of what names have in common stands before that by which they differ.
_IN_COMMON: Final = 2
#: Room for a letter, in a font that is wide, and for those that need less or more.
_LETTER: Final = 8.6
_LETTERS: Final = dict.fromkeys("fijlrtI.,:;'|!-()[]1 ", 5.5) | dict.fromkeys("mwMW@%…", 13.5)


def drawn(drawing: Map) -> Markup:
    """Return the picture, an ``svg`` element with a title and a description."""
    if not drawing.places:
        return Markup("")
    hubs = _hubs(drawing)
    if len(drawing.places) <= RING_OF:
        height, parts = _ring(drawing)
    elif hubs:
        height, parts = _tiles(drawing, hubs)
    else:
        height, parts = _matrix(drawing)
    body = Markup("").join(parts)
    return Markup(
        '<svg class="map" role="img" aria-labelledby="map-title map-description" viewBox="0 0 {} {}">'
        '<title id="map-title">Fleet map</title><desc id="map-description">{}</desc>{}</svg>'
    ).format(_WIDTH, _number(height), described(drawing), body)


def described(drawing: Map) -> str:
    """Return what the picture says, in words."""
    count = Counter(link.standing for link in drawing.links)
    told = ", ".join(f"{count[each]} {each.tone.word}" for each in sorted(count, key=lambda each: -each.rank))
    nodes = len(drawing.places)
    return f"{nodes} node{'' if nodes == 1 else 's'}; peerings: {told or 'none'}."


def explained(drawing: Map) -> str:
    """Return how to read the picture, where that does not go without saying."""
    if len(drawing.places) <= RING_OF:
        elsewhere = any(not place.here for place in drawing.places)
        return "A node with a broken edge runs elsewhere: it is seen from here." if elsewhere else ""
    if _hubs(drawing):
        return "One mark for each peer, as they are configured. Those that are not well are named below."
    return "A mark is a peering: in the row that ends with one name, and in the column below the other."


def _names(places: Sequence[Place]) -> list[str]:
    """Return the names of nodes, without ``/node0`` where their routers have no other."""
    routers = Counter(place.node.partition("/")[0] for place in places)
    parts = (place.node.partition("/") for place in places)
    return _shortened(
        [
            printable(router if node == "node0" and routers[router] == 1 else f"{router}{slash}{node}")
            for router, slash, node in parts
        ]
    )


def _shortened(names: Sequence[str]) -> list[str]:
    """Return names that have room: of those that begin alike, that by which they differ."""
    begin = _LONGEST_NAME - 1
    alike: dict[str, set[str]] = defaultdict(set)
    for name in names:
        if len(name) > _LONGEST_NAME:
            alike[name[:begin]].add(name)
    return [
        name
        if len(name) <= _LONGEST_NAME
        else f"{name[:begin]}…"
        if len(alike[name[:begin]]) == 1
        else _difference(name, _in_common(alike[name[:begin]]))
        for name in names
    ]


def _in_common(names: Collection[str]) -> int:
    """Return with how many letters all of them begin."""
    first, last = min(names), max(names)
    return next(
        (place for place, (one, other) in enumerate(zip(first, last, strict=False)) if one != other),
        len(first),
    )


def _difference(name: str, common: int) -> str:
    first = max(0, min(common - _IN_COMMON, len(name) - _LONGEST_NAME + 1))
    rest = name[first:]
    return f"…{rest}" if len(rest) < _LONGEST_NAME else f"…{rest[: _LONGEST_NAME - 2]}…"


def _squeezed(name: str, room: float) -> Markup:
    """Return what makes a name as narrow as its room; nothing where it is."""
    wide = sum(_LETTERS.get(letter, _LETTER if letter.isascii() else 14) for letter in name)
    if wide <= room:
        return Markup("")
    return Markup(' textLength="{}" lengthAdjust="spacingAndGlyphs"').format(_number(room))


def _mark(standing: Standing, x: float, y: float, size: float, title: str = "") -> Markup:
    """Return the shape of a standing, around a point."""
    name = standing.tone.name
    inner = Markup("<title>{}</title>").format(printable(title)) if title else Markup("")
    half = size / 2
    return Markup('<use href="#mark-{}" x="{}" y="{}" width="{}" height="{}">{}</use>').format(
        name, _number(x - half), _number(y - half), _number(size), _number(size), inner
    )


def _title(link: Link, places: Sequence[Place]) -> str:
    return f"{places[link.first].node} and {places[link.second].node}: {link.standing.tone.word}"


# --- a ring -------------------------------------------------------------------------------------------


def _ring(drawing: Map) -> tuple[float, list[Markup]]:
    points = _on_ring(len(drawing.places))
    lowest = max(y for _, y in points)
    return lowest + 45, list(_ring_parts(drawing, points))


def _ring_parts(drawing: Map, points: Sequence[tuple[float, float]]) -> Iterator[Markup]:
    places = drawing.places
    for link in drawing.links:
        (x1, y1), (x2, y2) = points[link.first], points[link.second]
        tone = link.standing.tone
        dashes = Markup(' stroke-dasharray="{}"').format(tone.dashes) if tone.dashes else Markup("")
        yield Markup(
            '<line class="link {}" x1="{}" y1="{}" x2="{}" y2="{}"{}><title>{}</title></line>'
        ).format(tone.name, *map(_number, (x1, y1, x2, y2)), dashes, printable(_title(link, places)))
    for link in drawing.links:
        if link.standing is not Standing.GOOD:
            (x1, y1), (x2, y2) = points[link.first], points[link.second]
            # Not in the middle, where the lines of opposite nodes meet.
            x, y = x1 + (x2 - x1) * 0.42, y1 + (y2 - y1) * 0.42
            yield Markup('<circle class="ground" cx="{}" cy="{}" r="11"/>').format(_number(x), _number(y))
            yield _mark(link.standing, x, y, 18, _title(link, places))
    for place, name, (x, y) in zip(places, _names(places), points, strict=True):
        yield Markup('<circle class="node{}" cx="{}" cy="{}" r="15"/>').format(
            "" if place.here else " elsewhere", _number(x), _number(y)
        )
        yield _mark(place.standing, x, y, 18, f"{place.node}: {place.standing.tone.word}")
        yield _label(name, x, y)


def _on_ring(number: int) -> list[tuple[float, float]]:
    """Return points on an ellipse, the first at its top; two lie beside each other."""
    if number <= 2:  # noqa: PLR2004 - see above
        return [(_WIDTH / 2 if number == 1 else 80 + each * (_WIDTH - 160), 50) for each in range(number)]
    wide, high = _WIDTH / 2 - 115, min(145.0, 70.0 + 12 * number)
    angles = [2 * pi * each / number - pi / 2 for each in range(number)]
    return [(_WIDTH / 2 + wide * cos(angle), 50 + high * (1 + sin(angle))) for angle in angles]


def _label(name: str, x: float, y: float) -> Markup:
    """Return the name beside its node, away from the middle of the ring."""
    aside, top = x - _WIDTH / 2, y <= 51  # noqa: PLR2004 - where the highest nodes are
    if top or abs(aside) < 1:
        anchor, dx, dy = "middle", 0.0, -24.0 if top else 34.0
        room = 2 * min(x, _WIDTH - x)
    else:
        anchor, dx, dy = ("start", 21.0, 5.0) if aside > 0 else ("end", -21.0, 5.0)
        room = min(x, _WIDTH - x) - 21.0
    return Markup('<text x="{}" y="{}" text-anchor="{}"{}>{}</text>').format(
        _number(x + dx), _number(y + dy), anchor, _squeezed(name, room), name
    )


# --- tiles --------------------------------------------------------------------------------------------

_TILE: Final = 20
#: And where there are more than so many in all, or so many hubs: they would fill more than one screen.
_SMALL_TILE: Final = 13
_MOST_LARGE: Final = 400
_FEW_HUBS: Final = 4


def _hubs(drawing: Map) -> list[int]:
    """Return the few nodes that nearly all peerings lead to; none where there are no such nodes."""
    number, places = len(drawing.links), len(drawing.places)
    if number > MOST_HUBS * places:
        return []
    degree = Counter(end for link in drawing.links for end in (link.first, link.second))
    candidates = [place for place, led in degree.most_common(MOST_HUBS) if led >= _HUB_FROM]
    chosen: list[int] = []
    rest = drawing.links
    for place in sorted(candidates, key=lambda place: (-degree[place], place)):
        left = tuple(link for link in rest if place not in {link.first, link.second})
        # As few as do; beside these, whatever else as many lead to as to a hub.
        if number - len(rest) < _NEARLY_ALL * number or len(rest) - len(left) >= _HUB_FROM:
            chosen.append(place)
            rest = left
    # In a small mesh any few nodes would do.
    few = len(chosen) * 4 <= places
    return sorted(chosen) if few and number - len(rest) >= _NEARLY_ALL * number else []


def _tiles(drawing: Map, hubs: list[int]) -> tuple[float, list[Markup]]:
    places, parts, y = drawing.places, list[Markup](), 0.0
    names = _names(places)
    of_hub: dict[int, list[tuple[int, Link]]] = defaultdict(list)
    others: list[Link] = []
    for link in drawing.links:
        ends = [(link.first, link.second), (link.second, link.first)]
        led = [(hub, peer) for hub, peer in ends if hub in hubs]
        others += () if led else (link,)
        for hub, peer in led:
            of_hub[hub].append((peer, link))
    room, titles = MOST_TILES, _MOST_TITLES
    few = sum(map(len, of_hub.values())) <= _MOST_LARGE and len(hubs) <= _FEW_HUBS
    tile = _TILE if few else _SMALL_TILE
    for hub in hubs:
        leading = [link for _, link in sorted(of_hub[hub], key=lambda each: each[0])]
        shown = [link for link in leading if link.standing is not Standing.GOOD]
        if len(leading) <= room:
            shown = leading
        room -= len(shown)
        text = f"{names[hub]}: {_peerings(len(leading))}"
        if len(shown) < len(leading):
            text += _not_drawn(len(leading) - len(shown))
        parts.append(_mark(places[hub].standing, 9, y + 13, 18, places[hub].node))
        parts.append(Markup('<text x="24" y="{}">{}</text>').format(_number(y + 18), text))
        spoken = min(len(shown), max(0, titles))
        titles -= len(shown)
        high, tiles = _rows(shown, tile, y + 28, places, spoken)
        parts += tiles
        y += 28 + high + 10
    if others:
        shown = [link for link in others if link.standing is not Standing.GOOD]
        text = f"and {_peerings(len(others))} between others"
        text += _not_drawn(len(others) - len(shown)) if shown else ""
        parts.append(Markup('<text class="faint" x="0" y="{}">{}</text>').format(_number(y + 14), text))
        high, tiles = _rows(shown, tile, y + 22, places, 0)
        parts += tiles
        y += 22 + high
    return y, parts


def _peerings(number: int) -> str:
    return f"{number} peering{'' if number == 1 else 's'}"


def _not_drawn(number: int) -> str:
    good = "good one is" if number == 1 else "good ones are"
    return f", of which {number} {good} not drawn" if number else ""


def _rows(
    links: Sequence[Link], tile: int, y: float, places: Sequence[Place], spoken: int
) -> tuple[float, list[Markup]]:
    """Return how high the tiles of some peerings are, and these.

    The first ``spoken`` have titles, and whatever is not good has one.
    """
    parts, in_a_row = [], _WIDTH // tile
    for place, link in enumerate(links):
        row, column = divmod(place, in_a_row)
        title = _title(link, places) if place < spoken or link.standing is not Standing.GOOD else ""
        middle = column * tile + tile / 2, y + row * tile + tile / 2
        parts.append(_mark(link.standing, *middle, tile * 0.75, title))
    return -(-len(links) // in_a_row) * tile, parts


# --- a matrix -----------------------------------------------------------------------------------------

#: Room at the left for marks that are larger than their place.
_ASIDE: Final = 8.0
#: What is smaller nobody sees where there is nothing beside it.
_SMALLEST: Final = 2.4


def _matrix(drawing: Map) -> tuple[float, list[Markup]]:
    number = len(drawing.places)
    named = number <= NAMED_ROWS
    cell = min(18.0, (_WIDTH - 110.0) / number) if named else (_WIDTH - 90.0) / number
    edge = _number(number * cell)
    parts = [Markup('<path class="frame" d="M{0} 0V{1}H{1}z"/>').format(_number(_ASIDE), edge)]
    marked = list(drawing.links)
    if not named:
        parts += _runs(drawing.links, cell)
        marked = [link for link in marked if link.standing is not Standing.GOOD]
    size = cell if named else 11.0
    for link in marked if len(marked) <= _MOST_MARKS or named else ():
        x, y = _ASIDE + (link.first + 0.5) * cell, (link.second + 0.5) * cell
        small = size * (0.72 if link.standing is Standing.GOOD else 0.95)
        parts.append(_mark(link.standing, x, y, small, _title(link, drawing.places)))
    ends = {end for link in marked for end in (link.first, link.second)}
    parts += _row_names(drawing.places, set(range(number)) if named else ends, cell)
    return number * cell + 8, parts


def _runs(links: Iterable[Link], cell: float) -> Iterator[Markup]:
    """Yield one path for each standing: a line for each run of pairs side by side that stand alike."""
    rows: dict[Standing, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for link in links:
        rows[link.standing][link.second].append(link.first)
    for standing in sorted(rows, key=lambda each: each.rank):
        strokes = [
            f"M{_number(_ASIDE + begin * cell)} {_number((row + 0.5) * cell)}"
            f"H{_number(_ASIDE + max(end * cell, begin * cell + _SMALLEST))}"
            for row in sorted(rows[standing])
            for begin, end in _together(sorted(rows[standing][row]))
        ]
        # A little wider than a row, or the background shines through between two of them.
        yield Markup('<path class="cells {}" stroke-width="{}" d="{}"/>').format(
            standing.tone.name, _number(max(cell + 0.6, _SMALLEST)), "".join(strokes)
        )


def _together(columns: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each run of numbers that follow one another."""
    begin = end = columns[0]
    for column in columns:
        if column > end:
            yield begin, end
            begin = column
        end = column + 1
    yield begin, end


def _row_names(places: Sequence[Place], wanted: Collection[int], cell: float) -> Iterator[Markup]:
    """Yield names at the ends of rows: of those that are wanted, as far as they have room."""
    named = len(places) <= NAMED_ROWS
    size = min(13.0, cell * 0.95) if named else 12.0
    # Beside a mark that is larger than its place.
    aside = 3 if named else 8
    free_from = 0.0
    for row, (place, name) in enumerate(zip(places, _names(places), strict=True)):
        y = (row + 0.5) * cell
        if row not in wanted or (not named and y < free_from):
            continue
        free_from = y + size + 2
        yield Markup('<text class="row" font-size="{}" x="{}" y="{}">{}<title>{}</title></text>').format(
            _number(size),
            _number(_ASIDE + (row + 1) * cell + aside),
            _number(y + size * 0.35),
            name,
            printable(f"{place.node}: {place.standing.tone.word}"),
        )


def _number(value: float) -> str:
    """Return a number of a picture: a tenth of a unit is less than anybody sees."""
    return f"{value:.1f}".rstrip("0").rstrip(".") or "0"
