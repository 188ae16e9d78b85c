"""A fleet that Prometheus watches in each of its usual faults: what the boards show of it, and who is told.

Every query of every panel is asked of a real Prometheus that has scraped a real fleet, and returns data: of
the fleet that is well, or, where a query is of what is wrong, of one in which it is.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from boards import fleet, router
from boards.__main__ import FOLDER
from boards.catalogue import BOARDS
from boards.grafana import MARKS
from boards.pieces import RAY, Board, Shows
from metrics.panels import PANELS
from peerkey.testing.ca import Issued
from tests.cli.background import Background, in_background
from tests.cli.two_routers import UUIDS, TwoRouters, two_routers
from tests.support.alertmanager import Told, alertmanager, needs_alertmanager, receivers
from tests.support.grafana_eyes import Answer, Eyes, words
from tests.support.hosts import wait_for
from tests.support.ports import free_port
from tests.support.prometheus import Prometheus, needs_prometheus, prometheus, started
from tests.support.scraped import COARSE, EAST, FAULTS, LIST, WELL, WEST, scraped

pytestmark = [needs_prometheus, needs_alertmanager]

SHIPPED = Path(__file__).parents[2] / "deploy" / "monitoring"
WITHIN = 30.0
#: Ten states of one fleet, scraped beside other tests.
EVERY = "1s"
#: Panels and words that are asked for more than once.
WHICH, SILENT = "Which peering is not as it should be, and why", "Machines that do not answer"
WHY_REFUSED, MISMATCH = "Why a peer is not accepted", "algorithm-mismatch"
#: What Ray tells is asked of a Ray that runs: tests/runtime/cluster/test_ray.py.
QUERIES = [
    (board, panel, query)
    for board in BOARDS
    for panel in board.panels
    for query in panel.queries
    if "$ray" not in query.expression
]


@dataclass
class Watched:
    """The fleet, who watches it, and who is told."""

    routers: TwoRouters
    background: Background
    prometheus: Prometheus
    alertmanager: str
    told: Told
    #: Where the fleet is scraped, as ``HOST:PORT``.
    scraped_at: str

    def eyes(self, board: Board = fleet.BOARD, job: str = "") -> Eyes:
        """Return somebody who looks at a board as it is shipped, with this job chosen, or as it begins."""
        return Eyes(FOLDER / f"{board.uid}.json", self.prometheus.query, {"job": job} if job else {})

    def asked(self, expression: str, job: str = "") -> Answer:
        """Return what a query returns on a board that has every variable."""
        return self.prometheus.query(self.eyes(router.BOARD, job).written(expression))

    def until(self, expression: str) -> None:
        """Wait until a query returns something."""
        wait_for(lambda: bool(self.prometheus.query(expression)), WITHIN, told=lambda: expression)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    routers = two_routers(folder)
    # A machine that was killed: nobody listens at its port.
    gone = {"job_name": "peerkey-gone", "static_configs": [{"targets": [f"127.0.0.1:{free_port()}"]}]}
    # One of somebody else, which is down too.
    other = {"job_name": "other", "static_configs": [{"targets": [f"127.0.0.1:{free_port()}"]}]}
    with (
        in_background(routers.file, folder / "state") as background,
        scraped(background) as jobs,
        receivers() as told,
        alertmanager(folder, told) as address,
        prometheus(folder, [*jobs, gone, other], EVERY, alertmanagers=[address]) as running,
    ):
        found = Watched(
            routers, background, running, address, told, jobs[0]["static_configs"][0]["targets"][0]
        )
        for asks in (
            f'sum(peerkey_peerings_keyed{{job="{WELL}"}}) == 2',
            f'count(up == 1) == {len(FAULTS)} and count(up{{job="peerkey-gone"}} == 0)',
            'peerkey:rekeys_in_time:ratio_rate1d{job="peerkey-else"} == 1',
            'ALERTS{alertname="PeerkeyTargetDown",alertstate="firing"}',
            # A rate is of two samples.
            f'count(count_over_time(peerkey_up{{job=~"peerkey.*"}}[10s]) > 2) == {len(FAULTS)}',
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
        for variable in set(board.variables) - {RAY}:
            series, label = variable.query.removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
            # A machine that names no nodes has none of this label: that is all of them.
            assert {dict(labels).get(label) for labels in watched.asked(series)} - {None}, variable.name


def test_a_fleet_that_is_well_is_green_at_the_top(watched: Watched) -> None:
    (top, *_) = fleet.BOARD.rows

    eyes = watched.eyes(job=WELL)

    assert {panel.title: eyes.number(panel.title).colour for panel in top.panels} == {
        panel.title: "green" for panel in top.panels
    }


@pytest.mark.parametrize(
    ("job", "number", "table", "heading", "cause"),
    [
        ("peerkey-certificate", "First certificate ends in", "Certificates by their end", "node", EAST),
        ("peerkey-certificate", "Other alarms", "Alarms", "type", "certificate-expiring"),
        (
            "peerkey-certificate",
            "Other alarms",
            "Alerts that fire",
            "alertname",
            "PeerkeyCertificateExpiresVerySoon",
        ),
        ("peerkey-revoked", "Bad peer certificates", WHY_REFUSED, "reason", "revoked"),
        ("peerkey-revoked", "Bad peer certificates", WHICH, "peer", WEST),
        ("peerkey-lists", "Lists that are not current", "Revocation lists", "state", "unreachable"),
        ("peerkey-lists", "Lists that are not current", "Revocation lists", "url", LIST),
        ("peerkey-algorithm", "Peerings without a key", "Why there is no key", "reason", MISMATCH),
        ("peerkey-algorithm", "Peerings without a key", WHICH, "reason", MISMATCH),
        ("peerkey-clock", "Clocks differ by", "Clocks", "Differs by", "3 hours"),
        ("peerkey-clock", "Clocks differ by", WHY_REFUSED, "reason", "not-yet-valid"),
        ("peerkey-killed", "Peers out of reach", "Peers out of reach, by node", "node", EAST),
        ("peerkey-killed", "Peers out of reach", WHICH, "reason", "silent"),
        ("peerkey-killed", "Nodes that do not run", "Alarms", "type", "node"),
        ("peerkey-gone", "Machines that are silent", SILENT, "silent", "machine"),
        ("peerkey-silent", "Machines that are silent", SILENT, "silent", "actors"),
    ],
)
def test_the_cause_of_a_fault_is_seen_without_a_click(
    watched: Watched, job: str, number: str, table: str, heading: str, cause: str
) -> None:
    eyes = watched.eyes(job=job)

    assert eyes.number(number).colour != "green"
    assert (cause,) in words(eyes.table(table), heading)


def test_what_others_have_prometheus_scrape_is_on_no_board(watched: Watched) -> None:
    others = watched.prometheus.query('up{job!~"peerkey.*"} == 0')

    assert others
    eyes = watched.eyes()
    assert eyes.written("$job") == ".+"
    down = watched.prometheus.query('up{job=~"peerkey.*"} == 0')
    silent = watched.prometheus.query("peerkey_up == 0")
    assert eyes.number("Machines that are silent").text == str(len(down) + len(silent))
    assert {line["job"].text for line in eyes.table(SILENT)} == {"peerkey-gone", "peerkey-silent"}


def test_an_alert_of_another_machine_is_not_shown_where_one_is_chosen(watched: Watched) -> None:
    gone = next(iter(watched.prometheus.query('up{job="peerkey-gone"}')))
    eyes = Eyes(FOLDER / "peerkey-fleet.json", watched.prometheus.query, {"instance": dict(gone)["instance"]})

    shown = eyes.table("Alerts that fire")

    assert {line["instance"].text for line in shown} - {"-"} == {dict(gone)["instance"]}
    assert "PeerkeyTargetDown" in {line["alertname"].text for line in shown}


def test_a_reason_that_was_never_counted_is_none(watched: Watched) -> None:
    eyes = watched.eyes()

    refused = words(eyes.table(WHY_REFUSED), "reason", "How often")
    unkeyed = words(eyes.table("Why there is no key"), "reason", "How often")

    assert {number for _, number in refused}.isdisjoint({"0"})
    assert {reason for reason, number in unkeyed if number == "0"} == {"none told"}


def test_the_panel_that_an_alert_leads_to_shows_something_while_it_fires(watched: Watched) -> None:
    firing = {
        (found["alertname"], found.get("job", ""), found.get("node", ""))
        for labels in watched.prometheus.query('ALERTS{alertstate="firing",alertname!="PeerkeyDeadMan"}')
        for found in [dict(labels)]
    }

    assert len({name for name, _, _ in firing}) > 8
    for name, job, node in firing:
        uid, number = PANELS[name]
        (board,) = (each for each in BOARDS if each.uid == uid)
        (panel,) = (each for each in board.panels if each.number == number)
        eyes = watched.eyes(board, job)
        if panel.shows is Shows.TABLE:
            lines = eyes.table(panel.title)
            assert lines, (name, job)
            if node and "node" in panel.columns:
                assert (node,) in words(lines, "node"), (name, job)
        else:
            assert eyes.lines(panel.title), (name, job)


def test_a_state_is_a_word_where_fleets_have_the_same_names_and_machines_the_same_lists(
    watched: Watched,
) -> None:
    for board in BOARDS:
        eyes = watched.eyes(board)
        for panel in board.panels:
            if panel.shows is Shows.LANES:
                seen = {cell.text for cell in eyes.lines(panel.title).values()}
                assert seen, panel.title
                assert seen <= {text for _, text, _ in panel.words}, panel.title


def test_a_line_has_no_more_columns_than_the_board_says_and_no_word_of_an_empty_panel(
    watched: Watched,
) -> None:
    for board in BOARDS:
        eyes = watched.eyes(board)
        for panel in board.panels:
            if panel.shows is not Shows.TABLE:
                continue
            values = [query.legend for query in panel.queries if not query.only_there]
            for line in eyes.table(panel.title):
                assert list(line) == [*panel.columns, *values], panel.title
                assert panel.nothing not in {cell.text for cell in line.values()} or not panel.nothing


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
        "9128": watched.scraped_at,
        "9093": watched.alertmanager,
        "9090": f"127.0.0.1:{port}",
    }.items():
        assert f"127.0.0.1:{there}" in text
        text = text.replace(f"127.0.0.1:{there}", here)
    file = tmp_path / "prometheus.yml"
    file.write_text(text.replace("scrape_timeout: 10s", "scrape_timeout: 1s"), "utf-8")
    shutil.copytree(SHIPPED / "rules", tmp_path / "rules")
    (tmp_path / "targets").mkdir()
    # As the comment in the file that is shipped says it.
    example = (SHIPPED / "targets" / "ray.yml").read_text("utf-8")
    (line,) = re.findall(r"^#   (- targets: .*)$", example, re.MULTILINE)
    ray = re.sub(r"192\.0\.2\.1\d:6386", watched.scraped_at, line)
    (tmp_path / "targets" / "ray.yml").write_text(ray, "utf-8")

    with started(tmp_path, file, port) as running:
        wait_for(lambda: bool(running.query('peerkey_up{job="peerkey",machine="edge7"} == 1')), WITHIN)
        wait_for(lambda: bool(running.query('up{job="alertmanager"} == 1')), WITHIN)
        wait_for(lambda: bool(running.query('up{job="ray"}')), WITHIN)
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


def names(message: object) -> set[str]:
    assert isinstance(message, dict)
    return {each["labels"]["alertname"] for each in message["alerts"]}


def replaced(watched: Watched, issued: Issued) -> None:
    """Replace east's certificate, and let it be read."""
    watched.routers.certify("east", issued)
    watched.background.call(lambda running: running.reload())
