"""A real Prometheus for a test: started on loopback with its own configuration, asked over HTTP, ended."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from metrics import rules
from metrics.catalogue import CATALOGUE, Kind
from metrics.metric import Per
from tests.support.hosts import wait_for
from tests.support.ports import free_port

#: Tests that need it.
needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="install prometheus: apt install prometheus"
)
#: How often it scrapes, and looks at rules. Nobody waits for a quarter of a minute here.
EVERY = "250ms"
_STARTS_WITHIN = 30.0
_WINDOW = re.compile(r"\[\d+[smhd]\]")


@dataclass(frozen=True)
class Prometheus:
    """One that runs."""

    url: str
    log: Path
    #: One for all questions: to make one takes longer than to ask.
    client: httpx.Client

    def ask(self, path: str, **parameters: object) -> Any:  # noqa: ANN401 - what its API answers is anything
        """Return the data of an answer of its API."""
        answer = self.client.get(
            f"{self.url}/api/v1/{path}", params={key: str(value) for key, value in parameters.items()}
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def query(self, expression: str) -> dict[tuple[tuple[str, str], ...], float]:
        """Return what a query returns now, by the labels of each series."""
        found = self.ask("query", query=expression)["result"]
        return {tuple(sorted(each["metric"].items())): float(each["value"][1]) for each in found}

    def steps_back(self, job: str) -> dict[str, int]:
        """Return the counters of a job that have ever gone back, and how many of their series have."""
        counters = [
            name
            for name in self.ask("label/__name__/values")
            if name.startswith("peerkey_") and name.endswith(("_total", "_count", "_sum", "_bucket"))
        ]
        found = {name: self.query(f'resets({name}{{job="{job}"}}[1h]) > 0') for name in counters}
        return {name: len(series) for name, series in found.items() if series}

    def doubled(self, job: str) -> dict[str, int]:
        """Return the gauges of nodes that two endpoints of a job tell of at once, and how many series."""
        names = [metric.name for metric in CATALOGUE if metric.kind is Kind.GAUGE and metric.per >= Per.NODE]
        found = {
            name: self.query(f'count without (instance, machine) ({name}{{job="{job}"}}) > 1')
            for name in names
        }
        return {name: len(series) for name, series in found.items() if series}

    def firing(self, alert: str) -> list[Mapping[str, str]]:
        """Return the labels of each alert of that name that fires."""
        which = f'ALERTS{{alertname="{alert}",alertstate="firing"}}'
        return [dict(labels) for labels in self.query(which)]

    def exemplars(self, series: str) -> set[str]:
        """Return the ids of the keys that are exemplars of some series."""
        now = datetime.now(UTC)
        begin, end = now - timedelta(hours=1), now + timedelta(minutes=1)
        found = self.ask("query_exemplars", query=series, start=begin.timestamp(), end=end.timestamp())
        return {each["labels"]["key_id"] for one in found for each in one["exemplars"]}


@contextmanager
def prometheus(
    folder: Path,
    scrape_configs: Sequence[Mapping[str, Any]],
    every: str = EVERY,
    alertmanagers: Sequence[str] = (),
    window: str = "",
) -> Iterator[Prometheus]:
    """Run one with these scrape configurations and our rules, its data in ``folder``, while the block lasts.

    Rules are looked at as often as it scrapes, which is ``every`` so often, and wait and are held for no
    longer than a second; where a ``window`` is given, none looks back for longer. Alerts go to these
    Alertmanagers, which are given as ``HOST:PORT``.
    """
    files = hurried(folder, every, window)
    config = {
        "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
        "rule_files": [str(file) for file in files],
        "scrape_configs": list(scrape_configs),
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": list(alertmanagers)}]}]},
    }
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config), "utf-8")
    with started(folder, file, free_port()) as running:
        yield running


@contextmanager
def started(folder: Path, file: Path, port: int) -> Iterator[Prometheus]:
    """Run one with this configuration at this port, its data in ``folder``, while the block lasts."""
    log = folder / "prometheus.log"
    with log.open("wb") as output, httpx.Client(timeout=10) as client:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={file}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--enable-feature=exemplar-storage",
                # Alerts are there before Prometheus has found its Alertmanager.
                "--rules.alert.resend-delay=1s",
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            running = Prometheus(f"http://127.0.0.1:{port}", log, client)
            wait_for(lambda: _ready(running), _STARTS_WITHIN, told=lambda: log.read_text()[-2000:])
            yield running
        finally:
            process.terminate()
            process.wait(timeout=30)


def hurried(folder: Path, every: str = EVERY, window: str = "") -> list[Path]:
    """Write our rules so that they are looked at often and wait and are held for a second; return the files.

    Where there is a ``window``, it is the one in which they look back.
    """
    written = []
    for name, text in rules.files().items():
        document = yaml.safe_load(text)
        for group in document["groups"]:
            group["interval"] = every
            for rule in group["rules"]:
                if window:
                    rule["expr"] = _WINDOW.sub(f"[{window}]", rule["expr"])
                rule.update(dict.fromkeys(rule.keys() & {"for", "keep_firing_for"}, "1s"))
        file = folder / name
        file.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
        written.append(file)
    return written


def _ready(running: Prometheus) -> bool:
    try:
        return running.client.get(f"{running.url}/-/ready").status_code == 200
    except httpx.HTTPError:
        return False
