"""The rules of good boards, as those know them who have many: of Grafana's dashboard-linter, and of links.

The linter is a program of its own, and no package of it is to be had where the tests run. Its rules are
asked here of the files that Grafana reads, by the names that it gives them; what a board must leave undone
stands in ``.lint`` beside the files, with the reason, where the linter looks for it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.models import units

from boards import catalogue
from boards.__main__ import FOLDER
from metrics import labels
from metrics.alerts import ALERTS, JOB
from tests.deploy.sources import ROOT

BOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))
}
PANELS = [
    (uid, panel) for uid, board in BOARDS.items() for panel in board["panels"] if panel["type"] != "row"
]
EXCLUDED = yaml.safe_load((FOLDER / ".lint").read_text("utf-8"))["exclusions"]
UNITS = {value for name, value in vars(units).items() if not name.startswith("_") and isinstance(value, str)}
#: Variables that Grafana knows by itself, in queries and in links.
BUILT_IN = {"__rate_interval", "__range", "__url_time_range", "__value.text", "__data.fields.node"}

each_board = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
each_panel = pytest.mark.parametrize(
    ("uid", "panel"), PANELS, ids=[f"{uid}-{panel['id']}" for uid, panel in PANELS]
)


# --- the rules of the linter --------------------------------------------------------------------------


@each_board
def test_template_rules(board: dict[str, Any]) -> None:
    source, job, instance, *others = board["templating"]["list"]

    assert (source["type"], source["name"], source["label"]) == ("datasource", "datasource", "Data source")
    assert source["query"] == "prometheus"
    for variable in (job, instance):
        assert variable["label"] == variable["name"].title()
        assert variable["allValue"] == ".+"
    assert (job["name"], instance["name"]) == ("job", "instance")
    for variable in (job, instance, *others):
        if variable["type"] == "query":
            assert variable["multi"]
            assert variable["includeAll"]
            # Anew whenever the time is chosen: a machine of last week is to be found there.
            assert variable["refresh"] == 2
            assert re.fullmatch(r"label_values\(\w+(\{[^}]*\})?, \w+\)", variable["query"]["query"])


@each_board
def test_every_datasource_is_the_one_that_is_chosen(board: dict[str, Any]) -> None:
    named = [
        found for found in every(board) if isinstance(found, dict) and "uid" in found and found is not board
    ]

    assert len(named) > len(board["panels"])
    assert all(each == {"type": "prometheus", "uid": "${datasource}"} for each in named)


@each_panel
def test_panel_rules(uid: str, panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"]
    assert panel["targets"]
    unit = [panel["fieldConfig"]["defaults"]["unit"]]
    unit += [value for name, value in overridden(panel) if name == "unit"]
    assert set(unit) <= UNITS, uid


@each_panel
def test_target_rules(uid: str, panel: dict[str, Any]) -> None:
    title = panel["title"]
    for target in panel["targets"]:
        expression = target["expr"]
        chosen = selectors(expression)
        assert chosen, f"{uid} {title}"
        for name, matchers in chosen:
            for label, rule in (("job", "target-job-rule"), ("instance", "target-instance-rule")):
                assert f'{label}=~"${label}"' in matchers or excluded(rule, title), (rule, name)
        for function, window in re.findall(r"\b(i?rate)\([^[]*\[([^\]]+)\]", expression):
            assert window == "$__rate_interval" or excluded("target-rate-interval-rule", title), function


def test_what_is_excluded_has_a_reason_and_is_there() -> None:
    titles = {panel["title"] for _, panel in PANELS}

    for rule in EXCLUDED.values():
        assert rule["reason"].endswith(".")
        assert {entry["panel"] for entry in rule["entries"]} <= titles


@each_board
def test_a_board_is_as_all_others_of_ours(board: dict[str, Any]) -> None:
    assert board["editable"] is False
    assert board["tags"] == ["peerkey"]
    assert board["refresh"] in board["timepicker"]["refresh_intervals"]
    assert re.fullmatch(r"now-\d+[hd]", board["time"]["from"])
    titles = Counter(panel["title"] for panel in board["panels"])
    assert [title for title, number in titles.items() if number > 1] == []
    assert not any("repeat" in panel for panel in board["panels"])


# --- what everybody has, is not ours ------------------------------------------------------------------


@each_panel
def test_what_every_job_has_is_asked_of_the_jobs_that_the_alerts_are_about(
    uid: str, panel: dict[str, Any]
) -> None:
    for target in panel["targets"]:
        for name, matchers in selectors(target["expr"]):
            if not name.startswith(("peerkey", "ALERTS")):
                assert f'job=~"{JOB}"' in matchers or 'job=~"$ray"' in matchers, f"{uid} {name}"


# --- what is read -------------------------------------------------------------------------------------


@each_panel
def test_a_description_speaks_of_panels_that_there_are(uid: str, panel: dict[str, Any]) -> None:
    titles = {each["title"] for _, each in PANELS} | {alert.name for alert in ALERTS}

    spoken = re.findall(r"(?<!\*)\*([A-Z][^*]+)\*", panel["description"])

    assert {title for title in spoken if title not in titles} == set(), uid


@each_panel
def test_a_title_is_read_to_its_end(uid: str, panel: dict[str, Any]) -> None:
    # Of a screen of 1920 pixels, less the margins of the panel; a character of a title takes 7.5 on average.
    room = panel["gridPos"]["w"] * 1880 / 24 - 32

    assert len(panel["title"]) * 7.5 <= room, uid


@each_panel
def test_states_that_are_numbers_are_not_added_up(uid: str, panel: dict[str, Any]) -> None:
    if panel["type"] == "state-timeline":
        assert all(target["expr"].startswith("max by (") for target in panel["targets"]), uid


@each_panel
def test_a_legend_tells_the_series_apart(uid: str, panel: dict[str, Any]) -> None:
    if panel["type"] not in {"timeseries", "state-timeline"}:
        return
    for target in panel["targets"]:
        told = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        by = re.search(r"\bby \(([^)]*)\)", target["expr"])
        kept = {each.strip() for each in by[1].split(",")} - {"le"} if by else None
        whole = re.match(r"(sum|min|max|count)\(", target["expr"])
        assert told == (kept if kept is not None else set() if whole else told or {"?"}), (
            f"{uid} {panel['title']}"
        )


@each_panel
def test_the_columns_of_a_table_are_what_its_queries_keep(uid: str, panel: dict[str, Any]) -> None:
    if panel["type"] != "table":
        return
    board = next(each for each in catalogue.BOARDS if each.uid == uid)
    (made,) = [each for each in board.panels if each.number == panel["id"]]
    assert made.columns
    for query in made.queries:
        if by := re.search(r"(?:sum|max|min|count) by \(([^)]*)\)", query.expression):
            assert {each.strip() for each in by[1].split(",")} == set(made.columns)


# --- links --------------------------------------------------------------------------------------------


@each_panel
def test_a_link_leads_somewhere_and_keeps_what_is_chosen(uid: str, panel: dict[str, Any]) -> None:
    here = {variable["name"] for variable in BOARDS[uid]["templating"]["list"]}
    links = [link for name, value in overridden(panel) if name == "links" for link in value] + panel["links"]

    for link in links:
        address = link["url"]
        asked = {name.partition(":")[0] for name in re.findall(r"\$\{([^}]+)\}", address)}
        assert asked <= here | BUILT_IN, address
        if board := re.match(r"/d/([\w-]+)\?", address):
            there = {variable["name"] for variable in BOARDS[board[1]]["templating"]["list"]}
            assert set(re.findall(r"\bvar-(\w+)=", address)) <= there
            assert {"${datasource:queryparam}", "${job:queryparam}", "${__url_time_range}"} <= set(
                re.findall(r"\$\{[^}]+\}", address)
            )
        else:
            document, _, anchor = address.removeprefix("${docs}/").partition("#")
            text = (ROOT / document).read_text("utf-8")
            assert "$" in anchor or f'id="{anchor}"' in text or anchor in headings(text), address


@pytest.mark.parametrize(
    ("document", "values"),
    [("docs/alarms.md", labels.ALARM_TYPES), ("docs/alerts.md", [alert.name for alert in ALERTS])],
)
def test_a_column_that_leads_to_a_page_has_a_heading_for_each_value(document: str, values: list[str]) -> None:
    text = (ROOT / document).read_text("utf-8")

    leads = [
        link["url"]
        for _, panel in PANELS
        for name, value in overridden(panel)
        if name == "links"
        for link in value
        if document in link["url"]
    ]

    assert leads
    assert all(url == f"${{docs}}/{document}#${{__value.text}}" for url in leads)
    assert [each for each in values if f'id="{each}"' not in text and each not in headings(text)] == []


@each_board
def test_a_mark_of_an_alert_says_which_and_of_what(board: dict[str, Any]) -> None:
    (marks,) = board["annotations"]["list"]

    (kept,) = re.findall(r"by \(([^)]*)\)", marks["expr"])
    told = re.findall(r"\{\{(\w+)\}\}", marks["titleFormat"] + marks["textFormat"])
    assert {"alertname", "severity"} <= set(told) <= set(kept.split(", "))
    assert '=~"$job|"' in marks["expr"]


# --- helpers ------------------------------------------------------------------------------------------


def every(value: object) -> Iterator[object]:
    """Yield everything in a document."""
    yield value
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    yield from chain.from_iterable(map(every, inside))


def overridden(panel: dict[str, Any]) -> list[tuple[str, Any]]:
    return [
        (each["id"], each["value"])
        for override in panel["fieldConfig"]["overrides"]
        for each in override["properties"]
    ]


def selectors(expression: str) -> list[tuple[str, list[str]]]:
    """Return each series that is asked for, with its matchers."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', lambda text: text[0].replace("{", "(").replace("}", ")"), expression)
    return [
        (name, re.findall(r'\w+(?:=~|!=|!~|=)"[^"]*"', chosen))
        for name, chosen in re.findall(r"([A-Za-z_:][\w:]*)\{([^}]*)\}", bare)
    ]


def excluded(rule: str, panel: str) -> bool:
    return panel in {entry["panel"] for entry in EXCLUDED[rule]["entries"]}


def headings(text: str) -> set[str]:
    """Return the anchors of the headings of a document, as they are made of them."""
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in found}
