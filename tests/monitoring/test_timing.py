"""What is timed for Prometheus: the store, the event loop, and the fetching and judging of lists."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import pytest

from actors.crl.port import FetchFailed, FetchFault, ListFetched, ListRequest
from actors.crl.timing import TimedFetcher, TimedIngester
from metrics import catalogue
from metrics.exporter import SUM
from metrics.tally import MAXIMUM_NUMBERS, Tally
from peerkey_cli.loop_watch import LOOK_EVERY, LoopWatch
from peerkey_cli.metering import timed_store
from runtime.clock import StoppedClock
from runtime.errors import StaleEpoch, StoreUnavailable
from runtime.store.memory import MemoryStore

URL = "http://crl.example/ca.crl"


async def test_each_operation_of_a_store_is_timed_and_one_that_is_not_answered_is_counted() -> None:
    clock, tally = StoppedClock(), Tally()
    store = timed_store(Slow(clock), clock, tally)

    epoch = await store.activate("node")
    await store.write("node", epoch, "ring", b"", 0)
    with pytest.raises(StaleEpoch):
        await store.write("node", epoch - 1, "ring", b"", 1)
    with pytest.raises(StoreUnavailable):
        await store.read("node", "ring")

    found = tally.samples()
    assert found[catalogue.STORE] == {
        ("activate", "0.01"): 1.0,
        ("activate", SUM): 0.01,
        ("commit", "0.01"): 2.0,
        ("commit", SUM): 0.02,
        ("read", "0.01"): 1.0,
        ("read", SUM): 0.01,
    }
    # Who is refused has been answered.
    assert found[catalogue.STORE_ERRORS] == {("read",): 1.0}


async def test_a_fetch_is_timed_also_where_it_fails() -> None:
    clock, tally = StoppedClock(), Tally()

    class Fetcher:
        async def fetch(self, request: ListRequest) -> ListFetched:
            clock.advance(timedelta(seconds=2))
            raise FetchFailed(FetchFault.TIMEOUT, request.url, "it does not answer")

    with pytest.raises(FetchFailed):
        await TimedFetcher(Fetcher(), clock, tally).fetch(ListRequest(URL))

    assert tally.samples()[catalogue.CRL_FETCH] == {("2.5",): 1.0, (SUM,): 2.0}


async def test_the_judging_of_a_list_is_timed() -> None:
    clock, tally = StoppedClock(), Tally()

    class Ingester:
        async def ingest(self, work: object) -> object:
            clock.advance(timedelta(milliseconds=20))
            return work

    work = object()
    assert await TimedIngester(cast("Any", Ingester()), clock, tally).ingest(cast("Any", work)) is work

    assert tally.samples()[catalogue.CRL_INGESTION] == {("0.05",): 1.0, (SUM,): 0.02}


def test_the_event_loop_is_as_late_as_what_was_due_on_it() -> None:
    loop, tally = LateLoop(), Tally()
    watch = LoopWatch(tally, cast("Any", loop))

    for late in (0.0, 0.004, 0.3):
        loop.run_next(late)
    watch.close()

    found = tally.samples()[catalogue.LOOP_LAG]
    assert {end: count for (end,), count in found.items() if end != SUM} == {
        "0.001": 1.0,
        "0.005": 1.0,
        "0.5": 1.0,
    }
    assert found[SUM,] == pytest.approx(0.304)
    assert loop.waiting is None
    watch.close()


def test_numbers_beyond_the_bound_are_those_of_all_others() -> None:
    tally = Tally()
    for number in range(MAXIMUM_NUMBERS + 2):
        tally.count(catalogue.CSRS, f"r{number}/node0", "success")
    tally.count(catalogue.CSRS, "r0/node0", "success")

    found = tally.samples()[catalogue.CSRS]
    assert len(found) == MAXIMUM_NUMBERS + 1
    assert found["other", "other"] == 2.0
    assert found["r0/node0", "success"] == 2.0


# --- helpers ------------------------------------------------------------------------------------------


class Slow(MemoryStore):
    """A store in memory that takes its time, and does not answer when it is read."""

    def __init__(self, clock: StoppedClock) -> None:
        super().__init__()
        self._clock = clock

    async def activate(self, owner: str) -> int:
        self._clock.advance(timedelta(milliseconds=10))
        return await super().activate(owner)

    async def commit(self, *arguments: Any, **named: Any) -> tuple[int, ...]:  # noqa: ANN401 - as it comes
        self._clock.advance(timedelta(milliseconds=10))
        return await super().commit(*arguments, **named)

    async def read(self, owner: str, name: str) -> Any:  # noqa: ANN401 - nothing
        self._clock.advance(timedelta(milliseconds=10))
        message = f"{owner} {name}: the disk is gone"
        raise StoreUnavailable(message)


class LateLoop:
    """An event loop that calls what is due when it is told to, and as late as it is told."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waiting: tuple[float, Callable[[], None]] | None = None

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> LateLoop:
        assert when == pytest.approx(self.now + LOOK_EVERY.total_seconds())
        self.waiting = (when, callback)
        return self

    def cancel(self) -> None:
        self.waiting = None

    def run_next(self, late: float) -> None:
        assert self.waiting is not None
        (when, callback), self.waiting = self.waiting, None
        self.now = when + late
        callback()
