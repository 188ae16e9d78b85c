"""What it costs to be scraped with ten thousand paths: time, size, and how long the event loop is held.

A machine with a hundred nodes, of ten peers with ten paths each, answers as it would to Prometheus: all of it
but the question to the actors, which :mod:`benchmarks.pauses` is about. The floor is prometheus_client in the
same run: as many plain gauges, with as many labels, whose values are there. It stands beside each detail.

Meanwhile something is due on the event loop every millisecond. How late it is at the worst during a scrape is
the pause, of which the least of all rounds is told, as of the times: what is more is the machine's. Beside it
stands the same while nothing is scraped.

What the runtime gives up for it is processor time, of all threads, and the share of one core that this is at
the interval of the shipped configuration. prometheus_client would take the share beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from actors.crl.status import RevocationStatus
from actors.messages import CertificateStatus, NodeStatus, PathStatus, PeerStatus
from metrics import catalogue
from metrics.detail import Chooser, Detail, WantedDetail, series_of
from metrics.exporter import Exemplar
from metrics.tally import Tally
from peerkey.protocol.peering import PeeringStatus
from peerkey_cli.fleet import Measured
from peerkey_cli.scrape import Scraper, page_of

_NOW: Final = datetime(2030, 6, 15, 12, 0, tzinfo=UTC)
#: What Prometheus asks for.
_ACCEPT: Final = "application/openmetrics-text; version=1.0.0"
_TICK_SECONDS: Final = 0.001
#: Of ``deploy/monitoring/prometheus.yml``.
_SCRAPED_EVERY: Final = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Row:
    """What an answer in one detail costs."""

    detail: str
    paths: int
    series: int
    bytes: int
    milliseconds: float
    #: prometheus_client alone, with as many samples.
    floor_milliseconds: float
    ratio: float
    #: How late the event loop was at the worst, while it was scraped and while it was not.
    pause_ms: float
    pause_alone_ms: float
    #: Of a processor, for one scrape; and the share of one core that scrapes take, and those of the floor.
    processor_ms: float
    core_percent: float
    floor_core_percent: float


class Still:
    """A fleet that says the same at once, however often it is asked."""

    def __init__(self, said: Measured) -> None:
        self._said = said

    async def measured(self) -> Measured:
        """See :meth:`peerkey_cli.fleet.Fleet.measured`."""
        return self._said


class Gauges(Collector):
    """So many samples of plain gauges."""

    def __init__(self, samples: int) -> None:
        self._labels = [(f"node{number}/node0", f"peer{number}/node0") for number in range(samples)]

    def collect(self) -> list[GaugeMetricFamily]:
        """Yield them as one family."""
        family = GaugeMetricFamily("plain", "As plain as it gets.", labels=("node", "peer"))
        for labels in self._labels:
            family.add_metric(labels, 1.0)
        return [family]


def machine(nodes: int, peers: int, paths: int) -> Measured:
    """Return what a machine says with so many nodes, of so many peers each, of so many paths each."""
    tally = Tally()
    for number in range(nodes):
        name = f"router{number}/node0"
        key = Exemplar(f"{number:032x}", 1.0, _NOW.timestamp())
        tally.count(catalogue.KEY_CHANGES, name, by=peers, exemplar=key)
        tally.observe(catalogue.ESTABLISHMENT, timedelta(seconds=0.04), name, exemplar=key)
        tally.observe(catalogue.REKEY, timedelta(seconds=30), name, exemplar=key)
        tally.count(catalogue.PEER_AUTHENTICATIONS, name, "accepted", "validated", by=peers)
        tally.count(catalogue.FRAMES_DROPPED, name, "repeated-certificate")
    return Measured(
        now=_NOW,
        up=True,
        nodes=tuple(_node(number, peers, paths) for number in range(nodes)),
        revocation=RevocationStatus(),
        hosts=(),
        noticing=(),
        tally=tally.samples(),
        since=_NOW,
        exemplars=tally.exemplars(),
    )


def _node(number: int, peers: int, paths: int) -> NodeStatus:
    certificate = CertificateStatus("CN=a", "CN=b", _NOW.isoformat(), _NOW.isoformat(), "", "valid", "")
    return NodeStatus(
        node=f"router{number}/node0",
        uuid="",
        enabled=True,
        certificate=certificate,
        peers=tuple(_peer(peer, paths) for peer in range(peers)),
        alarms=(),
        rekey_interval_hours=24.0,
    )


def _peer(number: int, paths: int) -> PeerStatus:
    name = f"branch{number}/node0"
    security = PeeringStatus(
        peer=name,
        security_status="MKEY_EXCH_COMP",
        algorithm="ml-kem-768",
        keys=(("current", 7, f"{number:032x}"),),
        key_index=7,
        peer_seals_with=7,
        certificate_received=True,
        certificate_acknowledged=True,
        key_received=True,
        key_acknowledged=True,
        key_changes=7,
        last_rekey=_NOW.isoformat(),
        next_rekey_seconds=3600.0,
        last_error="",
        peer_certificate_fault="",
    )
    lines = tuple(
        PathStatus(f"wan{path}>{name}@192.0.2.{path}:1280", "in-service", "", "", "", 1500)
        for path in range(paths)
    )
    return PeerStatus(name, "", security, lines, ())


async def measure(said: Measured, wanted: WantedDetail, rounds: int) -> Row:
    """Scrape so often, beside the floor; return the best of either, and the worst pause."""
    scraper = Scraper(cast("Any", Still(said)), Chooser(wanted))
    page = page_of(said, Detail(wanted.value), timedelta(0))
    content, _ = await scraper.answer(_ACCEPT)
    samples = sum(1 for line in content.splitlines() if not line.startswith(b"#"))
    floor = CollectorRegistry()
    floor.register(Gauges(samples))
    encode, _ = choose_encoder(_ACCEPT)
    took, least, pauses, alone = [], [], [], []
    spent, floor_spent = [], []
    gc.collect()
    gc.freeze()
    for _ in range(rounds):
        begun = time.perf_counter()
        pauses.append(await _worst(scraper.answer(_ACCEPT)))
        took.append(time.perf_counter() - begun)
        alone.append(await _worst(asyncio.sleep(took[-1])))
        # Without what is due every millisecond, which takes some itself.
        used = time.process_time()
        await scraper.answer(_ACCEPT)
        spent.append(time.process_time() - used)
        begun, used = time.perf_counter(), time.process_time()
        encode(floor)
        least.append(time.perf_counter() - begun)
        floor_spent.append(time.process_time() - used)
    scraper.end()
    best, floored = 1e3 * min(took), 1e3 * min(least)
    return Row(
        wanted.value,
        sum(len(peer.paths) for node in said.nodes for peer in node.peers),
        series_of(page.samples),
        len(content),
        best,
        floored,
        best / floored,
        1e3 * min(pauses),
        1e3 * min(alone),
        1e3 * min(spent),
        100 * min(spent) / _SCRAPED_EVERY.total_seconds(),
        100 * min(floor_spent) / _SCRAPED_EVERY.total_seconds(),
    )


async def _worst(work: Any) -> float:  # noqa: ANN401 - anything that can be awaited
    """Return how late the loop was at the worst while it was awaited, in seconds."""
    worst, loop = 0.0, asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    while not task.done():
        due = loop.time() + _TICK_SECONDS
        await asyncio.sleep(_TICK_SECONDS)
        worst = max(worst, loop.time() - due)
    await task
    return worst


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(prog="benchmarks.scrape", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--quick", action="store_true", help="a hundred paths, once")
    parser.add_argument("--rounds", type=int, default=10, help="how often each is measured")
    options = parser.parse_args(arguments)
    size, rounds = ((10, 2, 5), 1) if options.quick else ((100, 10, 10), options.rounds)
    said = machine(*size)
    rows = [
        asyncio.run(measure(said, wanted, rounds))
        for wanted in WantedDetail
        if wanted is not WantedDetail.AUTO
    ]
    if options.json:
        print(json.dumps({"scrapes": [asdict(row) for row in rows]}, indent=2))
        return 0
    print(f"{'a scrape of ' + format(rows[0].paths, ',') + ' paths':<28}{_COLUMNS}")
    for row in rows:
        print(
            f"{'--metrics-detail ' + row.detail:<28}{row.series:>9,}{row.bytes / 1e3:>9,.0f}"
            f"{row.milliseconds:>9.1f}{row.floor_milliseconds:>9.1f}{row.ratio:>8.2f}{row.pause_ms:>9.2f}{row.pause_alone_ms:>9.2f}"
            f"{row.processor_ms:>9.1f}{row.core_percent:>9.2f}{row.floor_core_percent:>9.2f}"
        )
    return 0


_TIMES: Final = f"{'series':>9}{'kB':>9}{'ms':>9}{'floor ms':>9}{'ratio':>8}{'pause ms':>9}{'(alone)':>9}"
_COLUMNS: Final = f"{_TIMES}{'cpu ms':>9}{'% core':>9}{'(floor)':>9}"

if __name__ == "__main__":
    sys.exit(main())
