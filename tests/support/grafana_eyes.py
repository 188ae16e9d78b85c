"""What a person sees of a board: its panels as Grafana would show them, from the file that Grafana reads.

It is no Grafana. It does what decides whether a cause can be read: variables become what Grafana makes of
them, columns of a table are merged, hidden, renamed and put in their order, lines are sorted, values get
their unit, their word and their colour. A label that a panel hides is not seen here either.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any, Final

#: What a datasource answers: the value of each series, by its labels.
Answer = Mapping[tuple[tuple[str, str], ...], float]

#: What Grafana would write for its own variables: a window in which a test has had some scrapes.
WINDOWS: Final = {"__rate_interval": "20s", "__range": "1h"}
_UNITS_OF_TIME: Final = ((604800, "weeks"), (86400, "days"), (3600, "hours"), (60, "mins"))


@dataclass(frozen=True)
class Cell:
    """A number or a word as it is shown."""

    text: str
    colour: str


class Eyes:
    """Somebody who looks at one board."""

    def __init__(
        self, file: Path, ask: Callable[[str], Answer], chosen: Mapping[str, str] | None = None
    ) -> None:
        """Look at the board in ``file``, whose queries ``ask`` answers, with this chosen at the top.

        Whatever is not chosen is as the board begins.
        """
        self.board: dict[str, Any] = json.loads(file.read_text("utf-8"))
        self._ask = ask
        self._values = WINDOWS | {
            each["name"]: (chosen or {}).get(each["name"], _at_first(each))
            for each in self.board["templating"]["list"]
        }

    def panel(self, title: str) -> dict[str, Any]:
        """Return the panel with this title; there is one."""
        (found,) = [each for each in self.board["panels"] if each["title"] == title]
        return dict(found)

    def written(self, expression: str) -> str:
        """Return what Prometheus is asked."""
        return re.sub(r"\$(\w+)", lambda name: self._values[name[1]], expression)

    def number(self, title: str) -> Cell:
        """Return what a number shows."""
        panel = self.panel(title)
        (target,) = panel["targets"]
        values = list(self._asked(target).values())
        assert len(values) <= 1, title
        return _cell(values[0] if values else None, panel["fieldConfig"]["defaults"])

    def table(self, title: str) -> list[dict[str, Cell]]:
        """Return the lines of a table, each by its headings from left to right."""
        panel = self.panel(title)
        merge, organize = panel["transformations"]
        assert (merge["id"], organize["id"]) == ("merge", "organize")
        several = len(panel["targets"]) > 1
        lines: dict[tuple[tuple[str, str], ...], dict[str, float | str]] = {}
        for target in panel["targets"]:
            name = f"Value #{target['refId']}" if several else "Value"
            for labels, value in self._asked(target).items():
                lines.setdefault(labels, {**dict(labels), "Time": ""})[name] = value
        options = organize["options"]
        present = sorted({name for line in lines.values() for name in line} - {*options["excludeByName"]})
        order = sorted(
            present, key=lambda name: options["indexByName"].get(name, len(options["indexByName"]))
        )
        headings = {name: options["renameByName"].get(name, name) for name in order}
        shown = [{heading: line.get(name) for name, heading in headings.items()} for line in lines.values()]
        for sort in panel["options"].get("sortBy", ()):
            by = sort["displayName"]
            shown.sort(key=lambda line: _order(line.get(by)), reverse=sort.get("desc", False))
        settings = {heading: _settings(panel, heading) for heading in headings.values()}
        return [{name: _cell(value, settings[name]) for name, value in line.items()} for line in shown]

    def lines(self, title: str) -> dict[str, Cell]:
        """Return what each line or lane shows now, by its legend."""
        panel = self.panel(title)
        return {
            _legend(target["legendFormat"], dict(labels)): _cell(value, panel["fieldConfig"]["defaults"])
            for target in panel["targets"]
            for labels, value in self._asked(target).items()
        }

    def _asked(self, target: Mapping[str, Any]) -> Answer:
        return self._ask(self.written(target["expr"]))


def words(lines: Iterable[Mapping[str, Cell]], *headings: str) -> list[tuple[str, ...]]:
    """Return what stands below these headings, line by line."""
    return [tuple(line[heading].text for heading in headings) for line in lines]


def _at_first(variable: Mapping[str, Any]) -> str:
    """Return what a variable is before anybody has chosen."""
    current = variable.get("current", {}).get("value", "")
    return str(variable["allValue"] if current == ["$__all"] else current)


def _legend(form: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda name: labels.get(name[1], name[1]), form)


def _settings(panel: Mapping[str, Any], heading: str) -> dict[str, Any]:
    """Return the settings of a column."""
    settings = dict(panel["fieldConfig"]["defaults"])
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"] in (
            {"id": "byName", "options": heading},
            {"id": "byRegexp", "options": "/.*/"},
        ):
            settings |= {each["id"]: each["value"] for each in override["properties"]}
    return settings


def _cell(value: float | str | None, settings: Mapping[str, Any]) -> Cell:
    mapped = {key: told for each in settings.get("mappings", ()) for key, told in each["options"].items()}
    if value is None or value == "":
        return Cell(str(settings.get("noValue", "No data")), "")
    bare = value if isinstance(value, str) else f"{value:g}"
    if bare in mapped:
        return Cell(mapped[bare]["text"], mapped[bare]["color"])
    if isinstance(value, str):
        return Cell(value, "")
    colour = ""
    for step in settings["thresholds"]["steps"]:
        if step["value"] is None or value >= step["value"]:
            colour = step["color"]
    return Cell(_with_unit(value, str(settings["unit"]), settings.get("decimals", 0)), colour)


def _with_unit(value: float, unit: str, decimals: int) -> str:
    if unit == "s":
        for seconds, name in _UNITS_OF_TIME:
            if abs(value) >= seconds:
                return f"{value / seconds:.3g} {name}"
        return f"{value:.3g} s"
    return f"{value:.{decimals}%}" if unit == "percentunit" else f"{value:g}"


def _order(value: float | str | None) -> tuple[float, str]:
    """Return what a line is sorted by: what is none comes before all."""
    if isinstance(value, str):
        return 0.0, value
    return (float("-inf") if value is None or isnan(value) else value), ""
