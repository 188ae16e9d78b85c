"""Every alert by its fault, on pages that a fleet really shows: there within its time, and gone after it.

The same table of faults (:mod:`tests.support.faults`) is judged twice. promtool goes by the rules as they are
shipped, with every wait and window, and a page for each quarter of a minute. A Prometheus that runs scrapes a
fleet in each of the faults at once, by the same rules in a hurry: no wait, hold or window is longer than some
seconds.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from metrics import rules
from metrics.alerts import ALERTS, LEVELS
from metrics.detail import Detail
from peerkey_cli.fleet import Measured
from tests.cli.background import Background, in_background
from tests.cli.two_routers import two_routers
from tests.support.faults import SHOWN, TABLE, TOLD, Faulty, together
from tests.support.hosts import wait_for
from tests.support.prometheus import needs_prometheus, prometheus
from tests.support.scraped import of

pytestmark = needs_prometheus

EVERY = timedelta(seconds=15)
#: In pages: how long all is well, then wrong for longer than any alert waits, then well for longer than any
#: looks back and is held.
BEFORE, WRONG, AFTER = 4, 44, 76
#: One page after the fault, and one look at the rules after that.
WITHIN = 2 * EVERY
HURRIED, SOON = "10s", 60.0
BY_NAME = {alert.name: alert for alert in ALERTS}
#: The faults of each job. What is told hides nothing: half of it is one job, and two faults of one alert are
#: never in one. The other half is told by a machine that names no nodes.
JOBS = {
    f"peerkey-{number}": faults
    for number, faults in enumerate((*((faulty,) for faulty in SHOWN), TOLD[::2], TOLD[1::2]))
}
PAGES = {
    job: faults[0] if len(faults) == 1 else Faulty("", together([each.fault for each in faults]))
    for job, faults in JOBS.items()
}
PAGES[f"peerkey-{len(SHOWN) + 1}"] = replace(PAGES[f"peerkey-{len(SHOWN) + 1}"], detail=Detail.FLEET)
EXPECTED = {(job, faulty.alert) for job, faults in JOBS.items() for faulty in faults}
#: Each of them looks at hours or a day: tests/monitoring/test_rules.py has their cases.
LONG = {alert.name for alert in LEVELS}
#: There always; and where no fleet is.
OTHERS = {"PeerkeyDeadMan", "PeerkeyAbsent"}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Background]:
    folder = tmp_path_factory.mktemp("faulty")
    with in_background(two_routers(folder).file, folder / "state") as background:
        wait_for(lambda: all_keyed(background.call(of)), SOON)
        yield background


def test_every_alert_but_those_of_hours_has_a_fault() -> None:
    assert {faulty.alert for faulty in TABLE} == {alert.name for alert in ALERTS} - LONG - OTHERS
    assert len(EXPECTED) == len(TABLE)


def test_each_fault_has_its_alerts_and_no_other_within_their_time_and_none_after_it(
    fleet: Background, tmp_path: Path
) -> None:
    measured = fleet.call(of)
    for name, text in rules.files().items():
        (tmp_path / name).write_text(text, "utf-8")
    series = {name: values for job in JOBS for name, values in course(job, measured).items()}
    looks = [look for job, faults in JOBS.items() for look in looks_at(job, faults)]
    document = {
        "rule_files": list(rules.files()),
        "evaluation_interval": seconds(EVERY),
        "tests": [
            {
                "interval": seconds(EVERY),
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": looks,
            }
        ],
    }
    file = tmp_path / "cases.yml"
    file.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")

    run = subprocess.run(
        ["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False, timeout=240
    )

    assert len(series) > 1_000
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_prometheus_that_runs_alerts_on_each_fault_until_it_is_over(
    fleet: Background, tmp_path: Path
) -> None:
    wrong = Event()
    with (
        served(fleet, wrong) as configs,
        prometheus(tmp_path, configs, "1s", window=HURRIED) as running,
    ):

        def firing() -> set[tuple[str, str]]:
            found = running.query('ALERTS{alertstate="firing",job!=""}')
            return {(named["job"], named["alertname"]) for named in map(dict, found)}

        wait_for(lambda: len(running.query("peerkey_up == 1")) == len(JOBS), SOON)
        wait_for(lambda: not firing(), SOON, told=lambda: str(firing()))
        wrong.set()
        wait_for(lambda: firing() >= EXPECTED, SOON, told=lambda: str(EXPECTED - firing()))
        wrong.clear()
        wait_for(lambda: not firing() & EXPECTED, SOON, told=lambda: str(firing() & EXPECTED))

        assert all(running.steps_back(job) == {} for job in JOBS)


# --- as promtool reads it -----------------------------------------------------------------------------


def course(job: str, measured: Measured) -> dict[str, str]:
    """Return the samples of each series that a rule asks for: well, wrong, and well again."""
    well, wrong, next_wrong = (
        samples(job, measured, number, wrong=is_wrong)
        for number, is_wrong in ((0, False), (1, True), (2, True))
    )
    found = {}
    for name in well.keys() | wrong.keys():
        before, during = well.get(name), wrong.get(name)
        step = next_wrong[name] - wrong[name] if during is not None else 0.0
        last = before
        if during is not None and step:
            during = (before or 0.0) + step
            last = during + step * (WRONG - 1)
        # The clock of promtool begins with zero, and so does that of the machine.
        tick = EVERY.total_seconds() if name.startswith("peerkey_clock_") else 0.0
        found[name] = " ".join(
            (
                run_of(before, tick, 0, BEFORE),
                run_of(during, step or tick, BEFORE * bool(tick), WRONG, after=before),
                run_of(last, tick, (BEFORE + WRONG) * bool(tick), AFTER, after=during),
            )
        )
    return found


def samples(job: str, measured: Measured, number: int, *, wrong: bool) -> dict[str, float]:
    """Return what is scraped, as Prometheus names it; instants are told from the moment of the scrape."""
    page = PAGES[job].page(measured, number, wrong=wrong)
    labels = {"job": job, "instance": "edge7:9128"}
    found = {written("up", labels): float(page is not None)}
    for family in text_string_to_metric_families((page or b"").decode()):
        for sample in family.samples:
            if sample.name in ASKED:
                past = measured.now.timestamp() if "timestamp_seconds" in sample.name else 0.0
                found[written(sample.name, {**labels, **sample.labels})] = sample.value - past
    return found


ASKED = frozenset(re.findall(r"\bpeerkey_[a-z_]+", "".join(rules.files().values())))


def written(name: str, labels: Mapping[str, str]) -> str:
    inside = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{inside}}}"


def run_of(value: float | None, step: float, ticks: int, pages: int, *, after: float | None = None) -> str:
    """Return so many samples in promtool's words, of which none is where there is no value."""
    if value is None:
        return f"_x{pages}" if after is None else f"stale _x{pages - 1}"
    first = value + step * ticks
    return f"{first!r}{'-' if step < 0 else '+'}{abs(step)!r}x{pages - 1}"


def looks_at(job: str, faults: Sequence[Faulty]) -> Iterator[dict[str, Any]]:
    """Yield what is to be seen of the faults of a job at each moment that counts."""
    began, ended = BEFORE * EVERY, (BEFORE + WRONG) * EVERY
    for faulty in faults:
        alert, only = BY_NAME[faulty.alert], {faulty.alert}
        if alert.wait:
            yield look(job, only, began + alert.wait - EVERY, there=set())
        yield look(job, only, began + alert.wait + WITHIN, there=only)
        if alert.held:
            yield look(job, only, ended + alert.held - EVERY, there=only)
        yield look(job, only, ended + faulty.window + alert.held + WITHIN, there=set())
    every = {name for faulty in faults for name in (faulty.alert, *faulty.also)}
    yield look(job, BY_NAME.keys(), began - EVERY, there=set())
    yield look(job, BY_NAME.keys(), ended - EVERY, there=every)
    yield look(job, BY_NAME.keys() - LONG, ended + AFTER * EVERY, there=set())


def look(job: str, of_these: Any, at: timedelta, *, there: set[str]) -> dict[str, Any]:  # noqa: ANN401 - names
    which = f'job="{job}",alertstate="firing",alertname=~"{"|".join(sorted(of_these))}"'
    return {
        "expr": f"group by (alertname) (ALERTS{{{which}}})",
        "eval_time": seconds(at),
        "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(there)],
    }


def seconds(time: timedelta) -> str:
    return f"{int(time.total_seconds())}s"


# --- as Prometheus scrapes it ---------------------------------------------------------------------------


@contextmanager
def served(fleet: Background, wrong: Event) -> Iterator[list[dict[str, Any]]]:
    """Serve a page for each fault, of a fleet that is well until something is ``wrong``."""
    numbers: Counter[str] = Counter()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            job = self.path.removeprefix("/")
            is_wrong = wrong.is_set()
            numbers[job] += is_wrong
            page = PAGES[job].page(fleet.call(of), numbers[job], wrong=is_wrong)
            self.send_response(503 if page is None else 200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(page or b"")))
            self.end_headers()
            with suppress(ConnectionError):
                self.wfile.write(page or b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        target = {"targets": [f"127.0.0.1:{server.server_port}"]}
        yield [{"job_name": job, "metrics_path": f"/{job}", "static_configs": [target]} for job in JOBS]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def all_keyed(measured: Measured) -> bool:
    return [len(node.peers[0].security.keys) for node in measured.nodes] == [1, 1]
