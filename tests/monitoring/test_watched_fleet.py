"""A fleet that Prometheus watches in each of its usual faults: what the boards show of it, and who is told.

Every query of every panel is asked of a real Prometheus that has scraped a real fleet, and returns data: of
the fleet that is well, or, where a query is of what is wrong, of one in which it is.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from boards import fleet, router
from boards.catalogue import BOARDS
from boards.grafana import MARKS
from boards.pieces import Board, Panel
from peerkey.testing.ca import Issued
from tests.cli.background import Background, in_background
from tests.cli.two_routers import UUIDS, TwoRouters, two_routers
from tests.support.alertmanager import Told, alertmanager, needs_alertmanager, receivers
from tests.support.hosts import wait_for
from tests.support.prometheus import Prometheus, free_port, needs_prometheus, prometheus, started
from tests.support.scraped import COARSE, EAST, FAULTS, LIST, WELL, scraped

pytestmark = [needs_prometheus, needs_alertmanager]

SHIPPED = Path(__file__).parents[2] / "deploy" / "monitoring"
WITHIN = 30.0
#: Ten states of one fleet, scraped beside other tests.
EVERY = "1s"
#: What Grafana would write for its own variables: a window in which a test has had some scrapes.
WINDOWS = {"$__rate_interval": "20s", "$__range": "1h"}
QUERIES = [(board, panel, query) for board in BOARDS for panel in board.panels for query in panel.queries]


@dataclass
class Watched:
    """The fleet, who watches it, and who is told."""

    routers: TwoRouters
    background: Background
    prometheus: Prometheus
    alertmanager: str
    told: Told
    #: Where the fleet is scraped, as ``HOST:PORT``.
    fleet: str

    def asked(self, expression: str, job: str = "peerkey.*") -> dict[tuple[tuple[str, str], ...], float]:
        """Return what a query of a panel returns, with this job chosen and everything else."""
        for name, value in {**WINDOWS, "$job": job, "$instance": ".*", "$node": ".*", "$peer": ".*"}.items():
            expression = expression.replace(name, value)
        return self.prometheus.query(expression)

    def until(self, expression: str) -> None:
        """Wait until a query returns something."""
        wait_for(lambda: bool(self.prometheus.query(expression)), WITHIN, told=lambda: expression)

    def number(self, panel: int, job: str) -> float:
        """Return the number that a panel of the board of the fleet shows."""
        (query,) = panel_of(fleet.BOARD, panel).queries
        (value,) = self.asked(query.expression, job).values()
        return value

    def told_of(self, panel: int, job: str, label: str) -> set[str]:
        """Return the values of a column of a table of the board of the fleet."""
        return {
            dict(labels)[label]
            for query in panel_of(fleet.BOARD, panel).queries
            for labels in self.asked(query.expression, job)
        }


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    routers = two_routers(folder)
    # A machine that was killed: nobody listens at its port.
    gone = {"job_name": "peerkey-gone", "static_configs": [{"targets": [f"127.0.0.1:{free_port()}"]}]}
    with (
        in_background(routers.file, folder / "state") as background,
        scraped(background) as jobs,
        receivers() as told,
        alertmanager(folder, told) as address,
        prometheus(folder, [*jobs, gone], EVERY, alertmanagers=[address]) as running,
    ):
        found = Watched(
            routers, background, running, address, told, jobs[0]["static_configs"][0]["targets"][0]
        )
        for asks in (
            f'sum(peerkey_peerings_keyed{{job="{WELL}"}}) == 2',
            f'count(up == 1) == {len(FAULTS)} and count(up{{job="peerkey-gone"}} == 0)',
            'peerkey:rekeys_in_time:ratio_rate1d{job="peerkey-else"} == 1',
            'ALERTS{alertname="PeerkeyTargetDown",alertstate="firing"}',
        ):
            found.until(asks)
        yield found


def test_every_query_returns_data_of_a_fleet_that_is_well_or_says_why_not(watched: Watched) -> None:
    empty = [
        f"{board.uid} {panel.title}: {query.expression}"
        for board, panel, query in QUERIES
        if not query.quiet and not watched.asked(query.expression, WELL)
    ]

    assert empty == []


def test_every_query_of_what_is_wrong_returns_data_once_it_is(watched: Watched) -> None:
    quiet = [(board, panel, query) for board, panel, query in QUERIES if query.quiet]

    empty = [
        f"{board.uid} {panel.title}: {query.expression}"
        for board, panel, query in quiet
        if not watched.asked(query.expression)
    ]

    assert len(quiet) > 20
    assert empty == []
    assert watched.asked(MARKS)


def test_the_boards_but_that_of_routers_need_no_names_of_nodes(watched: Watched) -> None:
    empty = [
        f"{board.uid} {panel.title}: {query.expression}"
        for board, panel, query in QUERIES
        if board is not router.BOARD and not query.quiet and not watched.asked(query.expression, COARSE)
    ]

    assert empty == []


def test_every_variable_has_values(watched: Watched) -> None:
    for board in BOARDS:
        for variable in board.variables:
            series, label = variable.query.removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
            # A machine that names no nodes has none of this label: that is all of them.
            assert {dict(labels).get(label) for labels in watched.asked(series)} - {None}, variable.name


def test_a_fleet_that_is_well_is_green_at_the_top(watched: Watched) -> None:
    (top, *_) = fleet.BOARD.rows

    assert {panel.title: colour(panel, watched.number(panel.number, WELL)) for panel in top.panels} == {
        panel.title: "green" for panel in top.panels
    }


@pytest.mark.parametrize(
    ("job", "number", "table", "label", "cause"),
    [
        ("peerkey-certificate", 9, 25, "node", EAST),
        ("peerkey-certificate", 2, 20, "type", "certificate-expiring"),
        ("peerkey-certificate", 2, 21, "alertname", "PeerkeyCertificateExpiresVerySoon"),
        ("peerkey-revoked", 7, 23, "reason", "revoked"),
        ("peerkey-lists", 11, 26, "state", "unreachable"),
        ("peerkey-lists", 11, 26, "url", LIST),
        ("peerkey-algorithm", 6, 22, "reason", "algorithm-mismatch"),
        ("peerkey-clock", 8, 28, "job", "peerkey-clock"),
        ("peerkey-clock", 8, 23, "reason", "not-yet-valid"),
        ("peerkey-killed", 5, 27, "node", EAST),
        ("peerkey-killed", 4, 20, "type", "node"),
        ("peerkey-gone", 3, 24, "job", "peerkey-gone"),
        ("peerkey-silent", 3, 24, "job", "peerkey-silent"),
    ],
)
def test_the_cause_of_a_fault_is_seen_without_a_click(
    watched: Watched, job: str, number: int, table: int, label: str, cause: str
) -> None:
    stat = panel_of(fleet.BOARD, number)

    assert colour(stat, watched.number(number, job)) != "green"
    assert cause in watched.told_of(table, job, label)


@pytest.mark.parametrize(
    ("source", "silenced", "labels"),
    [
        ("PeerkeyNodeNotRunning", "PeerkeyPeeringDown", {"node": "other/node0"}),
        ("PeerkeyTargetDown", "PeerkeyRekeyOverdue", {"instance": "other:1"}),
        ("PeerkeyTargetDown", "PeerkeyCertificateExpired", {}),
        ("PeerkeyClockWrong", "PeerkeyAuthenticationFailing", {}),
        ("PeerkeyCrlStale", "PeerkeyCrlUnreachable", {}),
    ],
)
def test_an_alert_that_explains_another_silences_it(
    watched: Watched, source: str, silenced: str, labels: dict[str, str]
) -> None:
    another = f"another-{source}-{silenced}"
    fleet_of = {"job": f"{source}-{silenced}", "instance": "here:1", "node": "a/node0", "url": LIST}
    url = f"http://{watched.alertmanager}/api/v2/alerts"

    posted = httpx.post(
        url,
        json=[
            {"labels": {**fleet_of, "alertname": source, "severity": "critical"}},
            {"labels": {**fleet_of, **labels, "alertname": silenced, "severity": "critical"}},
            {"labels": {**fleet_of, "job": another, "alertname": silenced, "severity": "critical"}},
        ],
        timeout=10,
    )

    def states() -> dict[tuple[str, str], str]:
        found = httpx.get(url, params={"filter": f'url="{LIST}"'}, timeout=10).json()
        return {
            (each["labels"]["alertname"], each["labels"]["job"]): each["status"]["state"] for each in found
        }

    assert posted.status_code == 200
    wait_for(
        lambda: states().get((silenced, fleet_of["job"])) == "suppressed", WITHIN, told=lambda: str(states())
    )
    wait_for(lambda: states().get((silenced, another)) == "active", WITHIN, told=lambda: str(states()))
    assert states()[source, fleet_of["job"]] == "active"


def test_who_has_the_tickets_is_told_of_a_certificate_that_ends_and_of_its_renewal(watched: Watched) -> None:
    alert, which = "PeerkeyCertificateExpiresVerySoon", {"job": WELL, "node": EAST, "severity": "major"}
    assert not watched.told.of("tickets", alert, "firing", **which)

    soon = watched.routers.ca.issue(UUIDS["east"], not_after=datetime.now(UTC) + timedelta(days=5))
    replaced(watched, soon)

    wait_for(lambda: bool(watched.told.of("tickets", alert, "firing", **which)), WITHIN)
    (first, *_) = watched.told.of("tickets", alert, "firing", **which)
    assert first["annotations"]["summary"] == f"A certificate that {EAST} needs expires within 7 days."
    assert first["annotations"]["runbook_url"] == "docs/alarms.md#certificate-expiring"
    assert first["annotations"]["dashboard_url"] == "d/peerkey-pki?viewPanel=10"
    assert not watched.told.of("tickets", alert, "resolved", **which)

    replaced(watched, watched.routers.ca.issue(UUIDS["east"]))

    wait_for(lambda: bool(watched.told.of("tickets", alert, "resolved", **which)), WITHIN)
    assert not watched.told.of("pager", alert, "firing", **which)


def test_what_is_shipped_finds_the_fleet_and_its_rules_and_tells_alertmanager(
    watched: Watched, tmp_path: Path
) -> None:
    port = free_port()
    text = (SHIPPED / "prometheus.yml").read_text("utf-8").replace("interval: 15s", "interval: 1s")
    for there, here in {
        "9128": watched.fleet,
        "9093": watched.alertmanager,
        "9090": f"127.0.0.1:{port}",
    }.items():
        assert f"127.0.0.1:{there}" in text
        text = text.replace(f"127.0.0.1:{there}", here)
    file = tmp_path / "prometheus.yml"
    file.write_text(text.replace("scrape_timeout: 10s", "scrape_timeout: 1s"), "utf-8")
    shutil.copytree(SHIPPED / "rules", tmp_path / "rules")

    with started(tmp_path, file, port) as running:
        wait_for(lambda: bool(running.query('peerkey_up{job="peerkey",machine="edge7"} == 1')), WITHIN)
        wait_for(lambda: bool(running.query('up{job="alertmanager"} == 1')), WITHIN)
        groups = running.ask("rules")["groups"]
        told = running.ask("alertmanagers")

    assert {Path(group["file"]).name for group in groups} == {"alerts.yml", "levels.yml"}
    assert told["activeAlertmanagers"] == [{"url": f"http://{watched.alertmanager}/api/v2/alerts"}]


def test_the_dead_man_has_a_receiver_of_its_own(watched: Watched) -> None:
    wait_for(lambda: bool(watched.told.of("dead-man", "PeerkeyDeadMan", "firing")), WITHIN)

    assert {name for name, message in watched.told.messages if names(message) & {"PeerkeyDeadMan"}} == {
        "dead-man"
    }


# --- helpers ------------------------------------------------------------------------------------------


def panel_of(board: Board, number: int) -> Panel:
    (found,) = [panel for panel in board.panels if panel.number == number]
    return found


def colour(panel: Panel, value: float) -> str:
    """Return the colour that Grafana gives a value."""
    found = panel.scale.base
    for limit, each in panel.scale.steps:
        if value >= limit:
            found = each
    return found


def names(message: object) -> set[str]:
    assert isinstance(message, dict)
    return {each["labels"]["alertname"] for each in message["alerts"]}


def replaced(watched: Watched, issued: Issued) -> None:
    """Replace east's certificate, and let it be read."""
    watched.routers.certify("east", issued)
    watched.background.call(lambda running: running.reload())
