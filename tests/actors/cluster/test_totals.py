"""What hosts have counted is added up, and goes back for nobody's death."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from actors.cluster.instruments import Readings
from actors.cluster.totals import MAX_HOSTS, Totals
from actors.process_counts import Counted, counts_of, told
from metrics import catalogue
from metrics.catalogue import CSRS
from metrics.exporter import SUM, Exemplar
from metrics.tally import Tally
from peerkey_cli.cluster.program import PROGRAM
from runtime.cluster.codec import Codec
from runtime.cluster.frames import MAX_MESSAGE_BYTES
from runtime.info import SystemInfo

HUB = ("hub/node0", "success")
EAST = ("east/node0", "success")
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


def readings(process: str, **counted: float) -> Readings:
    labels = {"hub": HUB, "east": EAST}
    return Readings(
        place="edge",
        process=process,
        crashes=(),
        counted=tuple(Counted(CSRS.name, labels[name], value) for name, value in counted.items()),
    )


def test_whoever_takes_over_goes_on_from_what_was_written_and_counts_nothing_twice() -> None:
    former = Totals(BEGUN)
    former.take("edge-0", readings("edge:1", hub=2))
    former.take("edge-1", readings("edge:2", east=3))
    former.take("edge-0", readings("edge:5", hub=1))

    latter = Totals.read(former.written())
    assert latter.samples() == former.samples() == {CSRS: {HUB: 3.0, EAST: 3.0}}
    assert latter.since == BEGUN

    latter.take("edge-1", readings("edge:2", east=4))
    latter.take("edge-0", readings("edge:9", hub=1))
    assert latter.samples() == {CSRS: {HUB: 4.0, EAST: 4.0}}


def test_a_sum_of_durations_goes_back_by_no_digit_when_a_process_begins_anew() -> None:
    totals = Totals(BEGUN)
    told_sums = []
    # Added up as they come, 0.1 and 0.2 and 0.3 are more than 0.1 and the sum of the others.
    for host, process, seconds in (
        ("edge-0", "edge:1", 0.1),
        ("edge-1", "edge:2", 0.2),
        ("edge-1", "edge:3", 0.3),
        ("edge-1", "edge:4", 0.0),
    ):
        counted = (Counted(catalogue.CRL_FETCH.name, (SUM,), seconds),)
        totals.take(host, Readings("edge", process, (), counted))
        told_sums.append(totals.samples()[catalogue.CRL_FETCH][SUM,])

    assert (0.1 + 0.2) + 0.3 > 0.1 + (0.2 + 0.3)
    assert told_sums == [0.1, 0.3, 0.6, 0.6]


def test_a_process_with_the_number_of_a_former_one_is_another() -> None:
    totals = Totals(BEGUN)
    totals.take("edge-0", readings("edge:17", hub=5))

    totals.take("edge-0", replace(readings("edge:17", hub=1), incarnation=2))

    assert totals.samples() == {CSRS: {HUB: 6.0}}


SINCE = b'{"version":1,"since":"2026-01-01T00:00:00+00:00","hosts":'


@pytest.mark.parametrize(
    "written",
    [
        b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000,
        b'{"version":2,"since":"2026-01-01T00:00:00+00:00","hosts":{}}',
        b'{"version":1}', b'{"version":1,"hosts":{}}', b'{"version":1,"since":1,"hosts":{}}',
        b'{"version":1,"since":"","hosts":{}}', b'{"version":1,"since":"2026-01-01T00:00:00","hosts":{}}',
        SINCE + b"[]}", SINCE + b'{"a":[]}}',
        SINCE + b'{"a":["p",1,[["m",["l"],-1]],[]]}}', SINCE + b'{"a":["p",1,[["m",["l"],NaN]],[]]}}',
        SINCE + b'{"a":["p",1,[["m",["l"],"1"]],[]]}}',
        SINCE + b'{"a":["p",1,[["m",["l"],1' + b"0" * 400 + b"]],[]]}}",
    ],
)  # fmt: skip
def test_what_was_not_written_so_is_refused(written: bytes) -> None:
    assert Totals.read(SINCE + b"{}}").since == BEGUN

    with pytest.raises(ValueError, match=r".+"):
        Totals.read(written)


def test_hosts_are_added_up() -> None:
    totals = Totals(BEGUN)

    totals.take("edge-0", readings("edge:1", hub=2, east=1))
    totals.take("edge-1", readings("edge:2", hub=3))

    assert totals.samples() == {CSRS: {HUB: 5.0, EAST: 1.0}}


def test_a_new_process_goes_on_where_the_former_one_was() -> None:
    totals = Totals(BEGUN)
    totals.take("edge-0", readings("edge:1", hub=2, east=1))

    totals.take("edge-0", readings("edge:7"))
    assert totals.samples() == {CSRS: {HUB: 2.0, EAST: 1.0}}

    totals.take("edge-0", readings("edge:7", hub=1))
    totals.take("edge-0", readings("edge:9", hub=4))
    assert totals.samples() == {CSRS: {HUB: 7.0, EAST: 1.0}}


def test_a_node_that_moves_takes_nothing_away() -> None:
    totals = Totals(BEGUN)
    totals.take("edge-0", readings("edge:1", hub=2))

    totals.take("edge-1", readings("edge:2", hub=1))

    assert totals.samples() == {CSRS: {HUB: 3.0}}


def test_a_host_that_is_silent_is_taken_at_its_last_word() -> None:
    totals = Totals(BEGUN)
    totals.take("edge-0", readings("edge:1", hub=2))
    totals.take("edge-1", readings("edge:2", east=1))

    totals.take("edge-1", readings("edge:2", east=2))

    assert totals.samples() == {CSRS: {HUB: 2.0, EAST: 2.0}}


def test_no_more_hosts_are_remembered_than_are_allowed_and_what_the_others_counted_stays() -> None:
    totals = Totals(BEGUN)

    for number in range(MAX_HOSTS + 3):
        totals.take(f"edge-{number}", readings("edge:1", hub=1))

    whole = {CSRS: {HUB: MAX_HOSTS + 3.0}}
    assert totals.samples() == Totals.read(totals.written()).samples() == whole
    # One for all that were forgotten.
    assert len(json.loads(totals.written())["hosts"]) == MAX_HOSTS + 1


def test_durations_and_the_life_of_actors_are_added_up_over_processes() -> None:
    totals = Totals(BEGUN)
    for process, crashes in (("edge:1", 3), ("edge:7", 2)):
        tally = Tally()
        tally.observe(catalogue.REKEY, timedelta(seconds=30), "hub/node0")
        totals.take("edge-0", of_process(process, tally, crashes))

    found = totals.samples()
    assert found[catalogue.REKEY] == {("hub/node0", "30.0"): 2.0, ("hub/node0", "sum"): 60.0}
    assert found[catalogue.ACTOR_CRASHES] == {(): 5.0}


def test_the_latest_key_of_all_hosts_is_named() -> None:
    totals = Totals(BEGUN)
    for host, time in (("edge-0", 7.0), ("edge-1", 9.0), ("edge-2", 8.0)):
        tally = Tally()
        tally.count(catalogue.KEY_CHANGES, "hub/node0", exemplar=Exemplar(host, 1.0, time))
        totals.take(host, of_process(host, tally, 0))

    assert totals.exemplars() == {catalogue.KEY_CHANGES: {("hub/node0",): Exemplar("edge-1", 1.0, 9.0)}}


@pytest.mark.parametrize(
    ("nodes", "named", "keyed"), [(1_000, True, True), (3_500, True, False), (20_000, False, False)]
)
def test_what_does_not_fit_into_a_message_is_told_without_keys_and_then_without_nodes(
    nodes: int, *, named: bool, keyed: bool
) -> None:
    tally = Tally()
    for number in range(nodes):
        key = Exemplar(f"{number:032x}", 1.0, 1_795_746_080.5 + number)
        tally.count(catalogue.KEY_CHANGES, f"{'a-long-name-' * 5}{number}/node0", exemplar=key)

    counted = of_process("edge:1", tally, 0)

    changes = [each for each in counted.counted if each.metric == catalogue.KEY_CHANGES.name]
    assert sum(each.value for each in changes) == nodes
    assert len(changes) == (nodes if named else 1)
    assert all((each.exemplar is not None) is keyed for each in changes)
    codec = Codec(PROGRAM.registry, str, cast("Any", None))
    assert len(codec.encode(counted)) < MAX_MESSAGE_BYTES


def of_process(process: str, tally: Tally, crashes: int) -> Readings:
    life = SystemInfo(actors=1, dead_letters=0, refused=0, crashes=crashes, restarts=0, failures=0)
    return Readings("edge", process, (), told(counts_of(tally, life), tally.exemplars()))
