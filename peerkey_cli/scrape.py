"""What answers Prometheus: samples from the actors, served over plain HTTP.

The page holds counts and the names of nodes and paths, and no secret. It is served where ``--metrics`` says
and nowhere by default.

The actors have the loop. They are asked on it; everything else is done on a thread. Who asks for the same
while an answer is being made gets that one, so that no number of scrapers costs more than one.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder

from metrics import catalogue
from metrics.detail import Chooser, Detail, reduced, series_of
from metrics.exporter import Page, Paged
from metrics.writer import written
from peerkey_cli.samples import samples_of
from peerkey_cli.targets import discovered
from runtime.clock import SystemClock
from runtime.errors import RuntimeFault
from runtime.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime, timedelta

    from metrics.metric import Metric
    from peerkey_cli.fleet import Fleet, Measured

#: What asks for OpenMetrics; anything else gets the text format of Prometheus.
_OPENMETRICS: Final = "application/openmetrics-text"
#: Ways to write names that none of ours needs, which change them all the same.
_ESCAPED: Final = ("escaping=dots", "escaping=values")
#: One is enough: whoever asks meanwhile gets the same answer, in one of two formats.
_THREADS: Final = 1


class Scraper:
    """Makes the answers. It belongs to the event loop of the fleet."""

    def __init__(
        self,
        fleet: Fleet,
        chooser: Chooser | None = None,
        *,
        api_ends: Callable[[], datetime] | None = None,
    ) -> None:
        """Tell of ``fleet``, as finely as ``chooser`` says.

        ``api_ends`` returns when the certificate of the admin API ends, where it has one.
        """
        self._api_ends = api_ends
        self._fleet = fleet
        self._chooser = chooser if chooser is not None else Chooser()
        self._threads = Threads("metrics", _THREADS)
        self._making: dict[str, asyncio.Task[tuple[bytes, str]]] = {}
        self._beside = library()

    async def answer(self, accept: str = "") -> tuple[bytes, str]:
        """Return every sample of this moment, and the type of the content, as the header ``accept`` asks."""
        kind = choose_encoder(accept)[1]
        making = self._making.get(kind)
        if making is None:
            making = self._making[kind] = asyncio.create_task(self._make(accept), name="scrape")
            making.add_done_callback(lambda _: self._making.pop(kind, None))
        # Who goes away must not take the answer from the others.
        return await asyncio.shield(making)

    def end(self) -> None:
        """Let the thread end when it has done what it does."""
        self._threads.shutdown()

    async def _make(self, accept: str) -> tuple[bytes, str]:
        clock = SystemClock()
        begun = clock.monotonic()
        measured = await self._fleet.measured()
        asked = clock.monotonic() - begun
        peerings = sum(len(node.peers) for node in measured.nodes)
        detail = self._chooser.choose(nodes=len(measured.nodes), peerings=peerings)
        ends = None if self._api_ends is None else self._api_ends()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, lambda: rendered(page_of(measured, detail, asked, ends), accept, self._beside)
        )


def page_of(measured: Measured, detail: Detail, asked: timedelta, api_ends: datetime | None = None) -> Page:
    """Return what is told of one machine, whose actors took so long to answer.

    ``api_ends`` is when the certificate of its admin API does.
    """
    samples, told, left_out = reduced(samples_of(measured, detail, _breathe), detail)
    whole: dict[Metric, Mapping[tuple[str, ...], float]] = {
        **samples,
        catalogue.ASKING: {(): asked.total_seconds()},
        catalogue.DETAIL: {(each.value,): float(each is told) for each in Detail},
        catalogue.SERIES_LEFT_OUT: {(): float(left_out)},
    }
    if api_ends is not None:
        whole[catalogue.API_NOT_AFTER] = {(): api_ends.timestamp()}
    created = None if measured.since is None else measured.since.timestamp()
    exemplars = measured.exemplars if told is not Detail.FLEET else {}
    return Page({**whole, catalogue.SERIES: {(): float(series_of(whole) + 1)}}, exemplars, created)


def application(fleet: Fleet, scraper: Scraper | None = None) -> FastAPI:
    """Return what serves ``/metrics`` of this machine, and ``/targets`` of all machines of the fleet."""
    app = FastAPI(openapi_url=None)
    answers = scraper if scraper is not None else Scraper(fleet)

    @app.get("/metrics")
    async def scrape(request: Request) -> Response:
        """Return every sample of this moment."""
        content, kind = await answers.answer(request.headers.get("accept", ""))
        return Response(content, media_type=kind)

    @app.get("/targets")
    async def targets() -> Response:
        """Return where every machine is asked, for ``http_sd_configs`` of Prometheus.

        While nobody can tell, Prometheus goes on with what it was told last: an error is no empty list.
        """
        try:
            found = await fleet.targets()
        except RuntimeFault as fault:
            return JSONResponse({"error": str(fault)}, status_code=503)
        return JSONResponse(discovered(found))

    return app


def rendered(page: Page, accept: str = "", beside: CollectorRegistry | None = None) -> tuple[bytes, str]:
    """Return the page in the format that ``accept`` (a header) asks for, and the type of its content.

    What is told ``beside`` it follows it.
    """
    others = beside if beside is not None else CollectorRegistry()
    encode, kind = choose_encoder(accept)
    open_metrics = kind.startswith(_OPENMETRICS)
    if kind.endswith(_ESCAPED):
        # Names are to be written in a way that nobody asks for; the library knows how.
        both = CollectorRegistry()
        both.register(Paged(page, open_metrics=open_metrics))
        both.register(others)
        return encode(both), kind
    return written(page, open_metrics=open_metrics, breathe=_breathe) + encode(others), kind


def _breathe() -> None:
    """Let the event loop have the interpreter: what is made here can wait."""
    time.sleep(0)


def library() -> CollectorRegistry:
    """Return what prometheus_client tells of this process and its interpreter."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry
