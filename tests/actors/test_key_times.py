"""How long keys take, as Prometheus is told, with two real machines under a clock that only we move."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from actors.key_times import KeyTimes, TimedExaminer
from metrics import catalogue
from metrics.exporter import SUM
from metrics.tally import Tally
from metrics.thresholds import REKEY_GRACE
from peerkey.moment import Moment
from peerkey.testing.pair import End, Options, Pair
from runtime.clock import StoppedClock

NODE = "east/node0"
DAY = timedelta(hours=24)
#: Shorter than an exchange, which takes two round trips of 20 ms.
STEP = 0.01


class Watched:
    """One end of a pair, watched as its node would."""

    def __init__(self, pair: Pair, end: End, interval: timedelta | None = DAY) -> None:
        self.pair, self.end, self.interval = pair, end, interval
        self.tally = Tally()
        # As its node makes it, before anything has happened.
        self.times = KeyTimes(self.tally, NODE, end.peering, end.now)
        self.told = 0
        self.see()

    def run(self, seconds: float) -> None:
        until = self.pair.now.instant + timedelta(seconds=seconds)
        while self.pair.now.instant < until:
            self.pair.run(seconds=STEP)
            self.see()

    def rekey(self) -> None:
        self.end.carry(self.end.peering.rekey(self.end.now))
        self.see()

    def see(self) -> None:
        for event in self.end.events[self.told :]:
            self.times.told(event, self.interval, self.end.now)
        self.told = len(self.end.events)
        self.times.look(self.end.peering, self.end.now)

    def took(self, metric: catalogue.Metric) -> float:
        """Return the sum of the one thing that was observed."""
        numbers = self.tally.samples()[metric]
        (count,) = (number for labels, number in numbers.items() if labels[-1] != SUM)
        assert count == 1
        return numbers[NODE, SUM]


@pytest.fixture
def pair() -> Pair:
    return Pair()


@pytest.mark.parametrize("which", ["low", "high"])
def test_establishment_is_from_no_key_to_one_in_use(pair: Pair, which: str) -> None:
    watched = Watched(pair, getattr(pair, which))

    watched.run(1)

    key = watched.end.peering.ring.current
    assert key is not None
    assert 0.03 < watched.took(catalogue.ESTABLISHMENT) < 0.2
    ((_, exemplar),) = watched.tally.exemplars()[catalogue.ESTABLISHMENT].items()
    assert exemplar.key_id == key.key_id.hex()
    assert catalogue.REKEYS not in watched.tally.samples()


@pytest.mark.parametrize("which", ["low", "high"])
def test_a_rekey_is_from_its_beginning_to_the_use_of_its_key(pair: Pair, which: str) -> None:
    watched = Watched(pair, getattr(pair, which))
    watched.run(1)

    watched.rekey()
    watched.run(32)

    assert 30 <= watched.took(catalogue.REKEY) < 30.3
    assert watched.tally.samples()[catalogue.REKEYS] == {(NODE, "in-time"): 1.0}
    assert watched.tally.samples()[catalogue.ESTABLISHMENT][NODE, SUM] < 1


@pytest.mark.parametrize(("late", "word"), [(timedelta(minutes=-2), "in-time"), (timedelta(0), "late")])
def test_a_key_that_was_there_for_longer_than_the_interval_and_its_grace_is_replaced_late(
    pair: Pair, late: timedelta, word: str
) -> None:
    watched = Watched(pair, pair.high, timedelta(hours=1))
    watched.run(1)
    pair.run(seconds=(timedelta(hours=1) + REKEY_GRACE + late).total_seconds())

    watched.rekey()
    watched.run(32)

    assert watched.tally.samples()[catalogue.REKEYS] == {(NODE, word): 1.0}


def test_without_an_interval_every_rekey_is_in_time(pair: Pair) -> None:
    watched = Watched(pair, pair.high, None)
    watched.run(1)
    pair.run(seconds=7200)

    watched.rekey()
    watched.run(32)

    assert watched.tally.samples()[catalogue.REKEYS] == {(NODE, "in-time"): 1.0}


def test_a_node_that_begins_again_with_its_keys_establishes_nothing(pair: Pair) -> None:
    pair.run(seconds=1)
    pair.high.crash()
    pair.high.boot()
    # What it did before is told.
    pair.high.events.clear()
    watched = Watched(pair, pair.high)

    watched.run(1)

    assert catalogue.ESTABLISHMENT not in watched.tally.samples()


def test_the_time_in_which_key_management_is_off_is_no_time_that_a_key_took() -> None:
    pair = Pair(options=Options(enabled=False))
    watched = Watched(pair, pair.high)
    watched.run(5)

    for end in pair.ends:
        end.options = replace(end.options, enabled=True)
        end.reconfigure()
    watched.run(1)

    assert watched.took(catalogue.ESTABLISHMENT) < 0.5


def test_the_time_of_a_judgement_is_told_also_where_it_fails() -> None:
    clock, tally = StoppedClock(), Tally()

    class Slow:
        def examine(self, *_: object) -> object:
            clock.advance(timedelta(milliseconds=3))
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - it is the fake's own
        TimedExaminer(Slow(), clock, tally).examine((), Moment(timedelta(0), clock.wall()).wall)  # type: ignore[arg-type]

    assert tally.samples()[catalogue.VALIDATION] == {("0.005",): 1.0, (SUM,): 0.003}
