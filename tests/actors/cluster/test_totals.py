"""What hosts have counted is added up, and goes back for nobody's death."""

from __future__ import annotations

from actors.cluster.instruments import Readings
from actors.cluster.totals import MAX_HOSTS, Totals
from actors.process_counts import Counted
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
