"""What hosts have counted is added up, and goes back for nobody's death."""

from __future__ import annotations

from dataclasses import replace

import pytest

from actors.cluster.instruments import Counted, Readings
from actors.cluster.totals import MAX_HOSTS, Totals
from metrics.catalogue import CSRS

HUB = ("hub/node0", "success")
EAST = ("east/node0", "success")


def readings(process: str, **counted: float) -> Readings:
    labels = {"hub": HUB, "east": EAST}
    return Readings(
        place="edge",
        process=process,
        crashes=(),
        counted=tuple(Counted(CSRS.name, labels[name], value) for name, value in counted.items()),
    )


def test_whoever_takes_over_goes_on_from_what_was_written_and_counts_nothing_twice() -> None:
    former = Totals()
    former.take("edge-0", readings("edge:1", hub=2))
    former.take("edge-1", readings("edge:2", east=3))
    former.take("edge-0", readings("edge:5", hub=1))

    latter = Totals.read(former.written())
    assert latter.samples() == former.samples() == {CSRS: {HUB: 3.0, EAST: 3.0}}

    latter.take("edge-1", readings("edge:2", east=4))
    latter.take("edge-0", readings("edge:9", hub=1))
    assert latter.samples() == {CSRS: {HUB: 4.0, EAST: 4.0}}


def test_a_process_with_the_number_of_a_former_one_is_another() -> None:
    totals = Totals()
    totals.take("edge-0", readings("edge:17", hub=5))

    totals.take("edge-0", replace(readings("edge:17", hub=1), incarnation=2))

    assert totals.samples() == {CSRS: {HUB: 6.0}}


@pytest.mark.parametrize(
    "written",
    [
        b"", b"{", b"[]", b"null", b"\xff", b'{"version":2,"hosts":{}}', b'{"version":1}',
        b'{"version":1,"hosts":[]}',
        b'{"version":1,"hosts":{"a":[]}}', b'{"version":1,"hosts":{"a":["p",1,[["m",["l"],-1]],[]]}}',
        b'{"version":1,"hosts":{"a":["p",1,[["m",["l"],NaN]],[]]}}',
        b'{"version":1,"hosts":{"a":["p",1,[["m",["l"],"1"]],[]]}}',
        b'{"version":1,"hosts":{"a":["p",1,[["m",["l"],1' + b"0" * 400 + b"]],[]]}}",
        b"[" * 100_000,
    ],
)  # fmt: skip
def test_what_was_not_written_so_is_refused(written: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Totals.read(written)


def test_hosts_are_added_up() -> None:
    totals = Totals()

    totals.take("edge-0", readings("edge:1", hub=2, east=1))
    totals.take("edge-1", readings("edge:2", hub=3))

    assert totals.samples() == {CSRS: {HUB: 5.0, EAST: 1.0}}


def test_a_new_process_goes_on_where_the_former_one_was() -> None:
    totals = Totals()
    totals.take("edge-0", readings("edge:1", hub=2, east=1))

    totals.take("edge-0", readings("edge:7"))
    assert totals.samples() == {CSRS: {HUB: 2.0, EAST: 1.0}}

    totals.take("edge-0", readings("edge:7", hub=1))
    totals.take("edge-0", readings("edge:9", hub=4))
    assert totals.samples() == {CSRS: {HUB: 7.0, EAST: 1.0}}


def test_a_node_that_moves_takes_nothing_away() -> None:
    totals = Totals()
    totals.take("edge-0", readings("edge:1", hub=2))

    totals.take("edge-1", readings("edge:2", hub=1))

    assert totals.samples() == {CSRS: {HUB: 3.0}}


def test_a_host_that_is_silent_is_taken_at_its_last_word() -> None:
    totals = Totals()
    totals.take("edge-0", readings("edge:1", hub=2))
    totals.take("edge-1", readings("edge:2", east=1))

    totals.take("edge-1", readings("edge:2", east=2))

    assert totals.samples() == {CSRS: {HUB: 2.0, EAST: 2.0}}


def test_no_more_hosts_are_remembered_than_are_allowed() -> None:
    totals = Totals()

    for number in range(MAX_HOSTS + 1):
        totals.take(f"edge-{number}", readings("edge:1", hub=1))

    assert totals.samples() == {CSRS: {HUB: float(MAX_HOSTS)}}
