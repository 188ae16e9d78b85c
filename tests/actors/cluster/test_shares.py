"""What one node is to do, on its way in pieces; and which of its paths are direct."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from random import Random
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.cluster import record
from actors.cluster.configuration import TOO_LARGE, configured
from actors.cluster.messages import Piece
from actors.cluster.registry import registry
from actors.cluster.shares import Puzzle, Share, messages, pieces, share, target_digest
from actors.cluster.telling import Telling
from actors.cluster.units import (
    is_path,
    owners_of,
    path_unit,
    paths_of,
    prefix_of,
    prefix_of_path,
    routes_of,
    unit_of,
)
from peerkey.config.plan import CertificateSource, Endpoint, NodePlan, PathPlan, ValidationMode
from runtime.cluster.codec import Codec
from runtime.cluster.placement import Unit
from runtime.ref import Ref
from tests.support.authority_cluster import fleet, pair, peering, plan

PEM = "M" * 200_000


def test_a_hub_of_thousands_of_peers_travels_in_messages_that_are_small_enough() -> None:
    whole = hub(4_000)
    codec = Codec(registry(), str, no_ref)

    encoded = [codec.encode(each) for each in telling_of(whole).plans("m-0", ["r0/node0"])]

    assert len(encoded) > 10
    assert together(piece for each in encoded for piece in codec.decode_untrusted(each).pieces) == whole


def test_certificates_in_the_configuration_travel_one_by_one_where_they_are_large() -> None:
    sources = tuple(CertificateSource(f"ca{each}", None, PEM, ValidationMode.STRICT) for each in range(12))
    whole = share(plan(0, [1], trusted=sources), ())

    groups = list(messages(pieces(whole)))

    assert len(groups) >= 12
    assert together(piece for group in groups for piece in group) == whole


@settings(max_examples=25)
@given(seed=st.integers(0, 1_000), peers=st.integers(0, 900))
def test_pieces_make_the_share_again_in_whatever_order_and_however_often_they_come(
    seed: int, peers: int
) -> None:
    whole = hub(peers)
    cut = [*pieces(whole)]
    again = [*cut, *cut[:-1]]
    Random(seed).shuffle(again)

    assert together(again) == whole


def test_pieces_of_an_older_plan_do_not_mix_with_those_of_the_newer() -> None:
    older, newer = hub(900), hub(901)
    puzzle = Puzzle()
    for piece in pieces(older)[:-1]:
        assert puzzle.take(piece) is None

    taken = [found for piece in pieces(newer) if (found := puzzle.take(piece)) is not None]

    assert taken == [newer]


def test_only_what_is_still_wanted_is_kept() -> None:
    whole = hub(900)
    puzzle = Puzzle()
    puzzle.take(pieces(whole)[0])
    puzzle.keep({"r0/node0": b"another digest"})

    assert [puzzle.take(piece) for piece in pieces(whole)[1:]] == [None] * (len(pieces(whole)) - 1)


def test_the_digest_is_that_of_everything_a_node_is_told() -> None:
    made = share(plan(0, [1]), ())

    assert made.digest == share(plan(0, [1]), ()).digest
    assert made.digest != share(plan(0, [1], priority=1), ()).digest
    assert made.digest != share(plan(0, [1]), [("10.0.0.1", 1, "10.0.0.2", 2, "authority/r1.node0")]).digest
    assert target_digest({"a": b"1", "b": b"2"}, 0) == target_digest({"b": b"2", "a": b"1"}, 0)
    assert target_digest({"a": b"1"}, 0) != target_digest({"a": b"1"}, 1)


def test_a_path_is_direct_where_the_other_end_runs_in_the_cluster_too() -> None:
    plans = fleet(3)
    owners = owners_of(plans)

    assert set(routes_of(plans[0], owners)) == {
        ("10.0.0.1", 1281, "10.0.1.1", 1280, "authority/r1.node0"),
        ("10.0.0.1", 1282, "10.0.2.1", 1280, "authority/r2.node0"),
    }
    assert unit_of(plans[0], owners).addresses == frozenset()
    # The peer has no path back: it is somewhere else, and is spoken to over UDP.
    assert unit_of(plans[0], owners_of(plans[:2])).addresses == {"10.0.0.1"}
    assert routes_of(plans[1], owners_of(plans[1:])) == ()


def test_a_path_to_another_port_is_not_direct() -> None:
    hub_plan, spoke = fleet(2)
    (its,) = spoke.peerings
    path = replace(its.paths[0], peer=Endpoint("10.0.0.1", 9))
    spoke = replace(spoke, peerings=(replace(its, paths=(path,)),))
    owners = owners_of([hub_plan, spoke])

    assert routes_of(spoke, owners) == routes_of(hub_plan, owners) == ()


def test_the_nodes_of_a_pair_are_apart_and_need_the_addresses_of_their_link() -> None:
    one, other = (unit_of(each, {}) for each in pair(3))

    assert one.apart == other.apart == "router r3"
    assert [*one.addresses, *other.addresses] == ["127.0.0.1", "127.0.0.2"]
    assert unit_of(plan(0), {}).apart is None


def test_a_path_that_is_placed_by_itself_needs_the_address_and_its_node_does_not() -> None:
    plans = fleet(2)
    everybody, nobody = owners_of(plans, paths_apart=True), owners_of(plans[:1], paths_apart=True)
    (path,) = paths_of(plans[0], everybody)

    assert path == Unit("r0/node0/wan>r1")
    assert prefix_of(path.name) == prefix_of_path("r0/node0", "wan>r1") == "paths/r0.node0:wan>r1"
    # Datagrams go to wherever the path at the other end is.
    assert routes_of(plans[0], everybody) == (("10.0.0.1", 1281, "10.0.1.1", 1280, "paths/r1.node0:wan>r0"),)
    assert paths_of(plans[0], nobody) == (Unit("r0/node0/wan>r1", addresses=frozenset({"10.0.0.1"})),)
    assert unit_of(plans[0], nobody, paths_apart=True) == Unit("r0/node0")
    found = configured(plans, paths_apart=True)
    assert [unit.name for unit in found.units] == [
        "r0/node0",
        "r0/node0/wan>r1",
        "r1/node0",
        "r1/node0/wan>r0",
    ]


def test_the_name_of_a_path_tells_it_from_a_node_whatever_is_in_it() -> None:
    unit = path_unit("r.1/node0", "wan0>branch1/node0@[2001:db8::7]:1280")

    assert is_path(unit)
    assert not is_path("r.1/node0")
    assert prefix_of(unit) == "paths/r..1.node0:wan0>branch1~node0@[2001:db8::7]:1280"


def test_a_name_with_dots_leads_to_its_actor() -> None:
    assert prefix_of("r.1/node0") == "authority/r..1.node0"


def test_a_plan_that_no_message_can_hold_is_refused_and_the_others_are_told() -> None:
    own = CertificateSource("own", None, "M" * 900_000, ValidationMode.STRICT)

    found = configured([plan(0, certificate=own), plan(1)])

    assert found.refused == {"r0/node0": TOO_LARGE}
    assert set(found.shares) == {"r1/node0"} == {unit.name for unit in found.units}


def test_lists_of_a_large_cluster_come_in_parts_that_travel() -> None:
    codec = Codec(registry(), str, no_ref)
    hosts = {f"{'r' * 250}{each}/{'n' * 250}": f"{'m' * 200}-{each % 50}" for each in range(2_000)}
    telling = Telling(3)
    telling.place(hosts, version=9)
    shares = {node: share(plan(each), ()) for each, node in enumerate(hosts)}
    telling.want(dict.fromkeys(hosts, "m-0"), shares, 0)

    assert [part.parts for part in telling.assignment] == [5] * 5
    assert [part.parts for part in telling.target("m-0")] == [5] * 5
    assert all(codec.encode(part) for part in (*telling.assignment, *telling.target("m-0")))
    assert len(telling.target("m-1")) == 1


def test_one_report_is_answered_with_a_bounded_number_of_plans() -> None:
    shares = {each.name: share(each, ()) for each in fleet(2_000)[1:]}
    telling = Telling(1)
    telling.want(dict.fromkeys(shares, "m-0"), shares, 0)

    answered = list(telling.plans("m-0", shares))

    assert 1 < len(answered) <= 6
    assert [each.last for each in answered] == [False] * (len(answered) - 1) + [True]
    # What is on another host is not for this one.
    assert list(telling.plans("m-1", shares)) == []


@given(hosts=st.dictionaries(st.text(), st.text(), max_size=20))
def test_an_assignment_is_read_back_as_it_was_written(hosts: dict[str, str]) -> None:
    assert record.decode(record.encode(hosts)) == hosts


def test_a_large_assignment_fits_in_a_record() -> None:
    hosts = {f"router-{each}/node{each % 2}": f"machine-{each % 97}-{each % 3}" for each in range(20_000)}

    assert len(record.encode(hosts)) < 1 << 19


@given(data=st.binary(max_size=50))
def test_what_is_no_assignment_is_told(data: bytes) -> None:
    with pytest.raises(record.UnreadableAssignment, match="cannot be read"):
        record.decode(data)


# --- helpers ----------------------------------------------------------------------------------------


def hub(peers: int) -> Share:
    """Return the share of a hub, with two paths to each peer and a route for each."""
    peerings = []
    for each in range(1, peers + 1):
        made = peering(0, each)
        (one,) = made.paths
        two = PathPlan(f"lte>r{each}", "lte", Endpoint("10.9.9.9", each), one.peer, 1400)
        peerings.append(replace(made, peer_uuid=UUID(int=each), paths=(one, two)))
    whole = plan(0, peerings=tuple(peerings))
    return share(whole, routes_to(whole))


def routes_to(whole: NodePlan) -> list[tuple[str, int, str, int, str]]:
    return [
        (*path.local, *path.peer, f"authority/{each.peer_router}.node0")
        for each in whole.peerings
        for path in each.paths
    ]


def telling_of(whole: Share) -> Telling:
    telling = Telling(1)
    telling.want({whole.plan.name: "m-0"}, {whole.plan.name: whole}, 0)
    return telling


def together(cut: Iterable[Piece]) -> Share | None:
    """Return the first share that pieces make."""
    puzzle = Puzzle()
    found = None
    for piece in cut:
        found = found or puzzle.take(piece)
    return found


def no_ref(name: str) -> Ref:
    raise LookupError(name)
