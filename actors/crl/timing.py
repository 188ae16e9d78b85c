"""Fetching and judging of revocation lists, timed for Prometheus: each as another does it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from metrics.catalogue import CRL_FETCH, CRL_INGESTION, Metric

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.crl.ingesting import GoodList, IngestWork, ListIngester
    from actors.crl.port import ListFetched, ListFetcher, ListRequest, ListUnchanged
    from metrics.tally import Tally
    from runtime.clock import Clock


class TimedFetcher:
    """See :class:`actors.crl.port.ListFetcher`, which this is."""

    def __init__(self, fetcher: ListFetcher, clock: Clock, meter: Tally) -> None:
        """Fetch as ``fetcher`` does."""
        self._fetcher = fetcher
        self._clock = clock
        self._meter = meter

    async def fetch(self, request: ListRequest) -> ListFetched | ListUnchanged:
        """See :meth:`actors.crl.port.ListFetcher.fetch`. A fetch that fails is timed too."""
        with timed(self._clock, self._meter, CRL_FETCH):
            return await self._fetcher.fetch(request)


class TimedIngester:
    """See :class:`actors.crl.ingesting.ListIngester`, which this is."""

    def __init__(self, ingester: ListIngester, clock: Clock, meter: Tally) -> None:
        """Judge as ``ingester`` does."""
        self._ingester = ingester
        self._clock = clock
        self._meter = meter

    async def ingest(self, work: IngestWork) -> GoodList:
        """See :meth:`actors.crl.ingesting.ListIngester.ingest`. A list that is refused is timed too."""
        with timed(self._clock, self._meter, CRL_INGESTION):
            return await self._ingester.ingest(work)


@contextmanager
def timed(clock: Clock, meter: Tally, metric: Metric) -> Iterator[None]:
    """Observe how long the block takes, however it ends."""
    begun = clock.monotonic()
    try:
        yield
    finally:
        meter.observe(metric, clock.monotonic() - begun)
