"""The map of a fleet: which of its three pictures is drawn, and what is in it."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peerkey_cli.page import fleet_map
from peerkey_cli.page.rows import Link, Map, Place
from peerkey_cli.page.view import view_of
from peerkey_cli.palette import Standing
from tests.support import shown_fleet as shown

SVG = "{http://www.w3.org/2000/svg}"


def test_two_routers_look_like_this() -> None:
    drawing = view_of(shown.observed(shown.mesh(["east", "west"]))).map
    east, west = "<title>east/node0: keyed</title></use>", "<title>west/node0: keyed</title></use>"

    assert fleet_map.drawn(drawing) == (
        '<svg class="map" role="img" aria-labelledby="map-title map-description" viewBox="0 0 440 95">'
        '<title id="map-title">Fleet map</title>'
        '<desc id="map-description">2 nodes; peerings: 1 keyed.</desc>'
        '<line class="link good" x1="80" y1="50" x2="360" y2="50">'
        "<title>east/node0 and west/node0: keyed</title></line>"
        '<circle class="node" cx="80" cy="50" r="15"/>'
        f'<use href="#mark-good" x="71" y="41" width="18" height="18">{east}'
        '<text x="80" y="26" text-anchor="middle">east</text>'
        '<circle class="node" cx="360" cy="50" r="15"/>'
        f'<use href="#mark-good" x="351" y="41" width="18" height="18">{west}'
        '<text x="360" y="26" text-anchor="middle">west</text></svg>'
    )


def test_a_fleet_without_nodes_has_no_picture() -> None:
    assert fleet_map.drawn(Map((), ())) == ""


def test_a_few_are_a_ring_hubs_are_tiles_and_everything_else_is_a_matrix() -> None:
    ring = picture(view_of(shown.observed(shown.troubled(shown.mesh(shown.routers(10))))).map)
    tiles = picture(view_of(shown.observed(shown.troubled(shown.star("hub", shown.routers(300))))).map)
    matrix = picture(view_of(shown.observed(shown.troubled(shown.mesh(shown.routers(20))))).map)

    assert len(ring.findall(f"{SVG}line")) == 45
    assert texts(tiles) == ["hub: 300 peerings"]
    assert len(tiles.findall(f"{SVG}use")) == 301
    assert texts(matrix) == shown.routers(20)
    assert len(matrix.findall(f"{SVG}use")) == 190


def test_in_a_dense_matrix_what_is_well_is_a_line_for_a_row_and_the_rest_is_marked() -> None:
    view = view_of(shown.observed(shown.troubled(shown.mesh(shown.routers(50)))))

    found = picture(view.map)
    bad = sum(number for standing, number in view.standings.items() if standing is not Standing.GOOD)

    assert len(found.findall(f"{SVG}use")) == bad
    (good,) = [each for each in found.findall(f"{SVG}path") if "good" in (each.get("class") or "")]
    # One run for each row; a peering that is not well at the beginning of a row breaks none.
    assert (good.get("d") or "").count("M") <= 49
    assert len(fleet_map.drawn(view.map)) < 12_000


def test_of_more_tiles_than_there_is_room_for_those_stay_that_are_not_well() -> None:
    places = tuple(
        Place(f"r{each}/node0", here=True, standing=Standing.GOOD) for each in range(fleet_map.MOST_TILES + 2)
    )
    links = tuple(
        Link(0, each, Standing.DOWN if each == 7 else Standing.GOOD) for each in range(1, len(places))
    )

    found = picture(Map(places, links))

    assert texts(found) == [f"r0: {len(links)} peerings, of which {len(links) - 1} good ones are not drawn"]
    assert len(found.findall(f"{SVG}use")) == 2


def test_a_name_is_shortened_and_says_its_node_only_where_its_router_has_two() -> None:
    names = ["hub/node0", "hub/node1", "east/node0", "a-very-long-name-of-a-router/node0"]
    places = tuple(Place(name, here=True, standing=Standing.GOOD) for name in names)

    assert texts(picture(Map(places, ()))) == ["hub/node0", "hub/node1", "east", "a-very-long-na…"]


def test_a_fleet_of_regions_has_tiles_for_each_region() -> None:
    regions = [f"region{each}" for each in range(10)]
    branches = {region: [f"{region}-{each:02d}" for each in range(29)] for region in regions}
    hubs = [
        shown.node(each, [shown.peer(peer) for peer in (*branches[each], *regions) if peer != each])
        for each in regions
    ]
    rest = [shown.node(each, [shown.peer(hub)]) for hub, them in branches.items() for each in them]

    found = picture(view_of(shown.observed((*hubs, *rest))).map)

    assert texts(found) == [f"{each}: 38 peerings" for each in regions]
    assert len(found.findall(f"{SVG}use")) == 10 + 10 * 38
    assert float((found.get("viewBox") or "").split()[3]) < 700


def test_what_is_not_well_between_others_than_hubs_has_its_tile() -> None:
    places = tuple(Place(f"r{each}/node0", here=True, standing=Standing.GOOD) for each in range(60))
    spokes = [Link(0, each, Standing.GOOD) for each in range(1, 60)]
    beside = [Link(7, 8, Standing.DOWN), Link(9, 10, Standing.GOOD)]

    found = picture(
        Map(places, tuple(sorted((*spokes, *beside), key=lambda link: (link.first, link.second))))
    )

    assert texts(found) == [
        "r0: 59 peerings",
        "and 2 peerings between others, of which 1 good one is not drawn",
    ]
    assert [each.get("href") for each in found.findall(f"{SVG}use")].count("#mark-down") == 1


def test_names_that_begin_alike_are_shortened_to_what_they_differ_by() -> None:
    names = [f"router-in-the-basement-of-building-{each}.branch.example.com/node0" for each in range(3)]
    names.append("router-in-the-b/node0")
    places = tuple(Place(name, here=True, standing=Standing.GOOD) for name in names)

    found = texts(picture(Map(places, ())))

    assert found == ["…g-0.branch.ex…", "…g-1.branch.ex…", "…g-2.branch.ex…", "router-in-the-b"]


def test_a_name_that_is_wide_is_made_as_narrow_as_its_room() -> None:
    places = tuple(Place(f"{each}{'W' * 12}/node0", here=True, standing=Standing.GOOD) for each in range(5))

    found = [each.attrib for each in picture(Map(places, ())).iter(f"{SVG}text")]

    # There is room for the one at the top.
    assert [each["text-anchor"] for each in found if "textLength" not in each] == ["middle"]
    for each in found[1:]:
        room, place = float(each["textLength"]), float(each["x"])
        begin = {"start": place, "middle": place - room / 2, "end": place - room}[each["text-anchor"]]
        assert begin >= -0.1
        assert begin + room <= 440.1


def test_a_thousand_tiles_fit_a_screen_and_how_to_read_a_picture_stands_below_it() -> None:
    many = view_of(shown.observed(shown.star("hub", shown.routers(999)))).map
    mesh = view_of(shown.observed(shown.mesh(shown.routers(20)))).map
    one = view_of(shown.observed((shown.node("east", [shown.peer("west")]),))).map

    assert float((picture(many).get("viewBox") or "").split()[3]) < 500
    assert "One mark for each peer" in fleet_map.explained(many)
    assert "the row that ends with one name" in fleet_map.explained(mesh)
    assert "runs elsewhere" in fleet_map.explained(one)
    assert fleet_map.explained(view_of(shown.observed(shown.mesh(["east", "west"]))).map) == ""


@pytest.mark.parametrize("number", [1, 3, 15, 60, 400])
def test_what_a_name_holds_is_text(number: int) -> None:
    name = '<script>alert("1")</script>\N{RIGHT-TO-LEFT OVERRIDE}&'
    places = tuple(Place(f"{name}{each}/node0", here=True, standing=Standing.DOWN) for each in range(number))
    links = tuple(Link(0, each, Standing.DOWN) for each in range(1, number))

    drawn = fleet_map.drawn(Map(places, links))

    assert "<script" not in drawn
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in drawn
    picture(Map(places, links))


@settings(max_examples=40)
@given(st.integers(1, 60), st.data())
def test_every_peering_that_is_not_well_has_a_mark_and_the_same_fleet_the_same_picture(
    number: int, data: st.DataObject
) -> None:
    pairs = [(first, second) for second in range(number) for first in range(second)]
    chosen = data.draw(st.lists(st.sampled_from(pairs), unique=True, max_size=60)) if pairs else []
    standings = data.draw(
        st.lists(st.sampled_from(list(Standing)), min_size=len(chosen), max_size=len(chosen))
    )
    drawing = Map(
        tuple(Place(f"r{each}/node0", here=True, standing=Standing.GOOD) for each in range(number)),
        tuple(Link(*ends, standing) for ends, standing in zip(sorted(chosen), standings, strict=True)),
    )

    marks = [each.get("href") for each in picture(drawing).iter(f"{SVG}use")]

    for standing in set(standings) - {Standing.GOOD}:
        assert marks.count(f"#mark-{standing.tone.name}") >= standings.count(standing)
    assert fleet_map.drawn(drawing) == fleet_map.drawn(drawing)


# --- helpers --------------------------------------------------------------------------------------


def picture(drawing: Map) -> ET.Element:
    """Return the picture as XML, which it is only if everything in it is closed and escaped."""
    drawn = str(fleet_map.drawn(drawing))
    return ET.fromstring(drawn.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))  # noqa: S314 - ours


def texts(found: ET.Element) -> list[str]:
    return [each.text or "" for each in found.iter(f"{SVG}text")]
