"""The boards as they are written: up to date, with addresses that stay, and of the alarms' opinion."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from functools import reduce
from itertools import pairwise
from operator import getitem
from pathlib import Path
from typing import Any

import pytest

from boards import pieces
from boards.__main__ import FOLDER
from boards.catalogue import BOARDS
from boards.grafana import written
from boards.pieces import COLUMNS, Board, Panel, Shows
from metrics import rules, thresholds
from metrics.alerts import ALERTS, Alert
from metrics.catalogue import BY_NAME
from metrics.panels import PANELS, panel_of
from metrics.rules import RECORDED
from peerkey.observe.alarm_kinds import ALARM_KINDS
from peerkey.observe.alarms import Severity
from tests.support.grafana_schema import faults

DOCS = Path(__file__).parents[2] / "docs"
PANELS_OF_BOARDS = [(board, panel) for board in BOARDS for panel in board.panels]
WRITTEN = {board.uid: json.loads(written(board)) for board in BOARDS}
NAMES = [f"{board.uid}-{panel.number}" for board, panel in PANELS_OF_BOARDS]
#: What Prometheus and prometheus_client tell beside the catalogue.
OTHERS = {
    "up",
    "scrape_duration_seconds",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_open_fds",
    "process_max_fds",
    "process_start_time_seconds",
    "ALERTS",
}

each_board = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
each_panel = pytest.mark.parametrize(("board", "panel"), PANELS_OF_BOARDS, ids=NAMES)


def test_the_files_are_what_the_code_writes() -> None:
    """Run ``python -m boards`` if this fails."""
    assert {path.name: path.read_text("utf-8") for path in FOLDER.glob("*.json")} == {
        f"{board.uid}.json": written(board) for board in BOARDS
    }


@each_board
def test_grafanas_published_schema_takes_a_board(board: Board) -> None:
    assert faults(WRITTEN[board.uid]) == []


@pytest.mark.parametrize(
    ("place", "value", "fault"),
    [
        (("time", "from"), 6, ".time.from: 6 is no str"),
        (("graphTooltip",), 7, ".graphTooltip: 7 is none of DashboardCursorSync"),
        (("titel",), "x", ".titel: Dashboard has no such field"),
        (("panels", 1, "id"), "1", ".panels[1].id: '1' is no int"),
        (("panels", 1, "type"), "statt", ".panels[1].type: 'statt' is no kind of panel"),
        (("panels", 1, "gridPos", "w"), None, ".panels[1].gridPos.w: None is no int"),
        (
            ("panels", 1, "options", "colorMode"),
            "loud",
            ".panels[1].options.colorMode: 'loud' is none of BigValueColorMode",
        ),
        (("panels", 1, "targets", 0, "instant"), "yes", ".panels[1].targets[0].instant: 'yes' is no bool"),
        (
            ("panels", 1, "targets", 0, "query"),
            "up",
            ".panels[1].targets[0].query: Dataquery has no such field",
        ),
        (
            ("panels", 1, "fieldConfig", "defaults", "thresholds", "mode"),
            "relative",
            ".panels[1].fieldConfig.defaults.thresholds.mode: 'relative' is none of ThresholdsMode",
        ),
        (
            ("panels", 1, "fieldConfig", "defaults", "custom"),
            {"align": "auto"},
            ".panels[1].fieldConfig.defaults.custom.align: no such field",
        ),
        (
            ("templating", "list", 1, "type"),
            "list",
            ".templating.list[1].type: 'list' is none of VariableType",
        ),
    ],
    ids=str,
)
def test_grafanas_published_schema_refuses_a_mistake(
    place: tuple[str | int, ...], value: object, fault: str
) -> None:
    board = json.loads(json.dumps(WRITTEN["peerkey-fleet"]))
    *way, last = place
    spoiled: Any = reduce(getitem, way, board)
    spoiled[last] = value

    assert fault in faults(board)


@each_board
def test_addresses_are_given_and_no_two_are_the_same(board: Board) -> None:
    numbers = [panel.number for panel in board.panels] + [row.number for row in board.rows]

    assert len(set(numbers)) == len(numbers)
    assert re.fullmatch(r"peerkey-[a-z]{3,}", board.uid)
    document = WRITTEN[board.uid]
    assert sorted(panel["id"] for panel in document["panels"]) == sorted(numbers)
    assert document["uid"] == board.uid
    assert "id" not in document


@each_board
def test_panels_stand_beside_each_other_and_never_on_each_other(board: Board) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in WRITTEN[board.uid]["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + across, place["y"] + down)
            for across in range(place["w"])
            for down in range(place["h"])
        }
        assert not cells & taken
        assert place["x"] + place["w"] <= COLUMNS
        taken |= cells


@each_board
def test_every_line_is_as_wide_as_the_screen(board: Board) -> None:
    for row in board.rows:
        assert sum(panel.width for panel in row.panels) % COLUMNS == 0, row.title


@each_board
def test_the_first_row_says_with_numbers_whether_something_is_wrong(board: Board) -> None:
    (first, *_) = board.rows

    assert first.title.startswith("Is something wrong")
    assert {panel.shows for panel in first.panels} == {Shows.STAT}
    assert all(panel.scale.steps or panel.scale.base == pieces.PLAIN for panel in first.panels)


@each_panel
def test_a_panel_says_what_it_shows_and_what_to_do(board: Board, panel: Panel) -> None:
    assert panel.description.endswith(".")
    assert len(panel.description) > 20 or panel.shows is Shows.SERIES
    assert panel.title
    assert panel.queries
    for query in panel.queries:
        assert query.legend
    if any(query.quiet for query in panel.queries) and panel.shows is not Shows.STAT:
        assert panel.nothing or not all(query.quiet for query in panel.queries), "say what nothing means"


@each_panel
def test_a_panel_asks_for_series_that_there_are_by_labels_that_they_have(board: Board, panel: Panel) -> None:
    for query in panel.queries:
        for name, chosen in re.findall(r"([A-Za-z_:][\w:]+)\{([^}]*)\}", query.expression):
            labels = set(re.findall(r"(\w+)(?:=~|!=|=)", chosen)) - {"job", "instance"}
            if name in OTHERS or name in RECORDED or 'job=~"$ray"' in chosen:
                continue
            metric = BY_NAME[name.removesuffix("_bucket")]
            assert labels <= set(metric.names), name
        asked = re.findall(r"\bpeerkey_\w+(?!\w*[{(])", query.expression)
        assert all(f"{name}{{" in query.expression for name in asked)


@each_panel
def test_a_variable_that_is_asked_for_is_on_the_board(board: Board, panel: Panel) -> None:
    there = {variable.name for variable in board.variables} | {"__range", "__rate_interval"}
    asked = {name for query in panel.queries for name in re.findall(r"\$(\w+)", query.expression)}

    assert asked <= there


@each_panel
def test_colours_change_at_rising_values(board: Board, panel: Panel) -> None:
    values = [value for value, _ in panel.scale.steps]

    assert all(one < other for one, other in pairwise(values))


def test_the_limits_are_those_of_the_alarms() -> None:
    red, orange, yellow = (
        pieces.COLOURS[each] for each in (Severity.CRITICAL, Severity.MAJOR, Severity.MINOR)
    )

    limits = {
        "certificates": (pieces.ENDS, red),
        "mailboxes": (pieces.MAILBOX, pieces.WELL),
        "event loop": (pieces.LOOP_LAG, pieces.WELL),
        "clocks": (pieces.CLOCK, pieces.WELL),
        "keyed": (pieces.KEYED, red),
        "rekeys": (pieces.IN_TIME, yellow),
    }
    wanted = {
        "certificates": [
            (0.0, orange),
            (thresholds.EXPIRES_VERY_SOON.total_seconds(), yellow),
            (thresholds.EXPIRES_SOON.total_seconds(), pieces.WELL),
        ],
        "mailboxes": [(thresholds.MAILBOX_SHARE, orange)],
        "event loop": [(thresholds.LOOP_LAG.total_seconds(), yellow)],
        "clocks": [(thresholds.CLOCK_DIFFERENCE.total_seconds(), red)],
        "keyed": [(thresholds.KEYED_OBJECTIVE, pieces.WELL)],
        "rekeys": [(thresholds.REKEYS_OBJECTIVE, pieces.WELL)],
    }

    assert {name: list(scale.steps) for name, (scale, _) in limits.items()} == wanted
    assert all(scale.base == base for scale, base in limits.values())


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_leads_to_a_panel_that_leads_to_its_page(alert: Alert) -> None:
    if alert.severity is None:
        assert panel_of(alert.name) is None
        return
    uid, number = PANELS[alert.name]
    (board,) = [board for board in BOARDS if board.uid == uid]
    (panel,) = [panel for panel in board.panels if panel.number == number]

    assert alert.name in panel.alerts
    links = [
        link["url"] for each in WRITTEN[board.uid]["panels"] if each["id"] == number for link in each["links"]
    ]
    assert f"${{docs}}/{alert.runbook}" in links
    assert f"dashboard_url: d/{uid}?viewPanel={number}" in rules.files()["alerts.yml"]


def test_a_share_shows_whether_its_objective_is_reached() -> None:
    for objective, scale in (
        (thresholds.KEYED_OBJECTIVE, pieces.KEYED),
        (thresholds.REKEYS_OBJECTIVE, pieces.IN_TIME),
    ):
        panels = [panel for _, panel in PANELS_OF_BOARDS if panel.scale is scale]
        assert panels
        for panel in panels:
            # Half of what may be lost is told from nothing lost.
            lost = (1 - objective) / 2
            assert f"{1 - lost:.{panel.decimals or 0}%}" != f"{1:.{panel.decimals or 0}%}"


def test_an_alert_leads_to_more_than_a_number() -> None:
    panels = {(board.uid, panel.number): panel for board, panel in PANELS_OF_BOARDS}

    # Of these there is one number and no more: what is absent has no name, and a machine has one API.
    alone = {name for name, where in PANELS.items() if panels[where].shows is Shows.STAT}
    assert alone == {
        "PeerkeyAbsent",
        "PeerkeyApiCertificateExpiresSoon",
        "PeerkeyApiCertificateExpiresVerySoon",
        "PeerkeyMetricsLeftOut",
    }


@pytest.mark.parametrize("kind", ALARM_KINDS)
def test_the_page_of_an_alarm_says_at_which_panel_it_is_seen(kind: str) -> None:
    page = (DOCS / "alarms.md").read_text("utf-8").partition(f"\n## {kind}\n")[2].partition("\n## ")[0]

    panels = {panel_of(alert.name) for alert in ALERTS if kind in alert.alarms}

    assert panels
    for panel in panels:
        assert f"`{panel}`" in page


def test_a_number_at_the_top_is_as_red_as_its_worst_alert() -> None:
    severities = {alert.name: alert.severity for alert in ALERTS}
    for board, panel in PANELS_OF_BOARDS:
        colours = {pieces.COLOURS[found] for name in panel.alerts if (found := severities[name]) is not None}
        if panel.shows is Shows.STAT and panel.scale.base == pieces.WELL and colours:
            assert {colour for _, colour in panel.scale.steps} & colours, f"{board.uid} {panel.title}"


@pytest.mark.skipif(shutil.which("promtool") is None, reason="install promtool: apt install prometheus")
@pytest.mark.parametrize(
    ("samples", "minute", "wanted"),
    [
        # It was counted for the first time after five minutes, and has been there since.
        ("_x4 1x60", 10, 1),
        ("_x4 1x90", 60, 1),
        ("_x4 1x90", 80, None),
        ("0x4 3x60", 10, 3),
        # The process was started anew, and has counted less since than before.
        ("7x64 1x60", 70, None),
    ],
)
def test_what_has_happened_once_is_seen_for_as_long_as_the_window_is(
    tmp_path: Path, samples: str, minute: int, wanted: float | None
) -> None:
    document = {
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": 'rare_total{reason="a"}', "values": samples}],
                "promql_expr_test": [
                    {
                        "expr": pieces.grown("rare_total", "reason", "1h"),
                        "eval_time": f"{minute}m",
                        "exp_samples": []
                        if wanted is None
                        else [{"labels": '{reason="a"}', "value": wanted}],
                    }
                ],
            }
        ],
    }
    file = tmp_path / "grown.yml"
    file.write_text(json.dumps(document), "utf-8")

    done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
