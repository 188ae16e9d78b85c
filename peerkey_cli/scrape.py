"""What answers Prometheus: samples from the actors, served over plain HTTP.

The page holds counts and the names of nodes and paths, and no secret. It is served where ``--metrics`` says
and nowhere by default.

The actors have the loop. They are asked on it; everything else is done on a thread. Who asks for the same
while an answer is being made gets that one, so that no number of scrapers costs more than one.
"""

from __future__ import annotations

import asyncio
import gzip
import time
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder, generate_latest, gzip_accepted
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from metrics import catalogue
from metrics.detail import Chooser, Detail, reduced, series_of
from metrics.exporter import Page
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

#: One is enough: whoever asks meanwhile gets the same answer.
_THREADS: Final = 1
#: Of gzip. It makes a tenth of the page, and lets the interpreter go meanwhile.
_QUICKEST: Final = 1


class Format(Enum):
    """What a page is written in; the value is the type of the content."""

    PLAIN = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Scraper:
    """Makes the answers. It belongs to the event loop of the fleet."""

    def __init__(
        self,
        fleet: Fleet,
        chooser: Chooser | None = None,
        *,
        api_ends: Callable[[], datetime | None] = lambda: None,
    ) -> None:
        """Tell of ``fleet``, as finely as ``chooser`` says.

        ``api_ends`` returns when the certificate of the admin API ends, where it has one.
        """
        self._api_ends = api_ends
        self._fleet = fleet
        self._chooser = chooser if chooser is not None else Chooser()
        self._threads = Threads("metrics", _THREADS)
        self._making: dict[tuple[Format, bool], asyncio.Task[bytes]] = {}
        self._beside = library()

    async def answer(self, accept: str = "", *, packed: bool = False) -> tuple[bytes, str]:
        """Return every sample of this moment, and the type of the content, as the header ``accept`` asks.

        It is ``packed`` by gzip where that is wanted.
        """
        wanted = (format_of(accept), packed)
        making = self._making.get(wanted)
        if making is None:
            making = self._making[wanted] = asyncio.create_task(self._make(*wanted), name="scrape")
            making.add_done_callback(partial(self._made, wanted))
        # Who goes away must not take the answer from the others.
        return await asyncio.shield(making), wanted[0].value

    def end(self) -> None:
        """Let the thread end when it has done what it does."""
        self._threads.shutdown()

    def _made(self, wanted: tuple[Format, bool], making: asyncio.Task[bytes]) -> None:
        del self._making[wanted]
        if not making.cancelled():
            making.exception()  # Whoever asked may have gone away.

    async def _make(self, wanted: Format, packed: bool) -> bytes:
        clock = SystemClock()
        begun = clock.monotonic()
        measured = await self._fleet.measured()
        asked = clock.monotonic() - begun
        peerings = sum(len(node.peers) for node in measured.nodes)
        detail = self._chooser.choose(nodes=len(measured.nodes), peerings=peerings)
        ends = self._api_ends()

        def work() -> bytes:
            content = rendered(page_of(measured, detail, asked, ends), wanted, self._beside)
            return gzip.compress(content, _QUICKEST, mtime=0) if packed else content

        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def page_of(measured: Measured, detail: Detail, asked: timedelta, api_ends: datetime | None = None) -> Page:
    """Return what is told of one machine, whose actors took so long to answer.

    ``api_ends`` is when the certificate of its admin API does.
    """
    samples, told, left_out = reduced(samples_of(measured, detail, _breathe), detail, breathe=_breathe)
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
        packed = gzip_accepted(request.headers.get("accept-encoding", ""))
        content, kind = await answers.answer(request.headers.get("accept", ""), packed=packed)
        headers = {"Vary": "Accept, Accept-Encoding", **({"Content-Encoding": "gzip"} if packed else {})}
        return Response(content, media_type=kind, headers=headers)

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


def format_of(accept: str) -> Format:
    """Return the format that a header ``Accept`` asks for; of what nobody understands, the plain one."""
    try:
        kind = choose_encoder(accept)[1]
    except (TypeError, ValueError):
        # The library takes a version to be a number.
        return Format.PLAIN
    return Format.OPENMETRICS if kind.startswith("application/openmetrics-text") else Format.PLAIN


def rendered(page: Page, wanted: Format = Format.PLAIN, beside: CollectorRegistry | None = None) -> bytes:
    """Return the page in this format, and after it what is told ``beside`` it."""
    others = beside if beside is not None else CollectorRegistry()
    if wanted is Format.PLAIN:
        return written(page, open_metrics=False, breathe=_breathe) + generate_latest(others)
    end: bytes = generate_openmetrics(others)  # type: ignore[no-untyped-call]
    return written(page, open_metrics=True, breathe=_breathe) + end


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
