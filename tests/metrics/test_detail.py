"""How fine an answer is, and what becomes of what it does not name."""

from __future__ import annotations

from itertools import permutations

import pytest

from metrics import catalogue
from metrics.detail import (
    NODES_NAMED,
    PEERINGS_NAMED,
    Chooser,
    Detail,
    WantedDetail,
    reduced,
    series_of,
)
from metrics.exporter import Samples
from metrics.metric import Per

SAMPLES: Samples = {
    catalogue.UP: {(): 1.0},
    catalogue.PEERINGS_KEYED: {("a",): 2.0, ("b",): 3.0},
    catalogue.OLDEST_KEY: {("a",): 900.0, ("b",): 700.0},
    catalogue.REKEY_INTERVAL: {("a",): 60.0, ("b",): 90.0},
    catalogue.KEYS: {("a", "current"): 2.0, ("b", "current"): 1.0, ("b", "next"): 1.0},
    catalogue.ESTABLISHMENT: {("a", "0.1"): 1.0, ("a", "sum"): 0.1, ("b", "0.1"): 2.0, ("b", "sum"): 0.2},
    catalogue.PEERING_PATHS: {("a", "b"): 1.0, ("b", "a"): 1.0},
    catalogue.PATH_IN_SERVICE: {("a", "b", "wan"): 1.0, ("b", "a", "wan"): 1.0},
    catalogue.CRL_ENTRIES: {("http://crl",): 7.0},
}


def test_peers_are_named_where_that_is_wanted() -> None:
    assert reduced(SAMPLES, Detail.PEER) == (SAMPLES, Detail.PEER, 0)


def test_nodes_are_named_without_their_peers() -> None:
    told, _, left_out = reduced(SAMPLES, Detail.NODE)

    fine = {catalogue.PEERING_PATHS, catalogue.PATH_IN_SERVICE}
    assert told == {metric: values for metric, values in SAMPLES.items() if metric not in fine}
    assert left_out == 0


def test_what_nodes_have_in_common_is_folded_as_the_catalogue_says() -> None:
    told, _, _ = reduced(SAMPLES, Detail.FLEET)

    assert told == {
        catalogue.UP: {(): 1.0},
        catalogue.PEERINGS_KEYED: {("",): 5.0},
        catalogue.OLDEST_KEY: {("",): 700.0},
        catalogue.REKEY_INTERVAL: {("",): 90.0},
        catalogue.KEYS: {("", "current"): 3.0, ("", "next"): 1.0},
        catalogue.ESTABLISHMENT: {("", "0.1"): 3.0, ("", "sum"): pytest.approx(0.3)},
        catalogue.CRL_ENTRIES: {("http://crl",): 7.0},
    }


def test_a_sum_of_durations_is_the_same_in_whatever_order_nodes_are_told() -> None:
    sums = {("a", "sum"): 0.1, ("b", "sum"): 0.2, ("c", "sum"): 0.3}

    for order in permutations(sums.items()):
        told, _, _ = reduced({catalogue.ESTABLISHMENT: dict(order)}, Detail.FLEET)
        assert told == {catalogue.ESTABLISHMENT: {("", "sum"): 0.6}}


def test_others_have_the_interpreter_between_the_metrics_that_are_folded() -> None:
    breaths: list[None] = []

    told, _, _ = reduced(SAMPLES, Detail.FLEET, breathe=lambda: breaths.append(None))

    assert len(breaths) == sum(metric.per is Per.NODE for metric in told)


def test_too_many_series_make_it_coarser_and_it_says_how_many_are_missing() -> None:
    whole = series_of(SAMPLES)
    assert whole == 1 + 2 + 2 + 2 + 3 + 2 * 15 + 2 + 2 + 1

    told, detail, left_out = reduced(SAMPLES, Detail.PEER, most=whole - 1)
    assert (detail, left_out, series_of(told)) == (Detail.NODE, 4, whole - 4)

    told, detail, left_out = reduced(SAMPLES, Detail.PEER, most=3)
    assert (detail, left_out) == (Detail.FLEET, whole - series_of(told))


def test_auto_becomes_coarser_as_the_fleet_grows_and_never_finer() -> None:
    chooser = Chooser()
    sizes = ((1, 2), (1, PEERINGS_NAMED), (1, PEERINGS_NAMED + 1), (1, 2), (NODES_NAMED + 1, 2), (1, 2))

    chosen = [chooser.choose(nodes=nodes, peerings=peerings) for nodes, peerings in sizes]

    assert chosen == [
        Detail.PEER,
        Detail.PEER,
        Detail.NODE,
        Detail.NODE,
        Detail.FLEET,
        Detail.FLEET,
    ]


@pytest.mark.parametrize("wanted", [each for each in WantedDetail if each is not WantedDetail.AUTO])
def test_what_an_operator_wants_holds_for_any_size(wanted: WantedDetail) -> None:
    chooser = Chooser(wanted)

    assert {chooser.choose(nodes=size, peerings=size) for size in (1, 10**6)} == {Detail(wanted.value)}
