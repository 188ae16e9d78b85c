"""A board in Grafana's words, by its own library: :func:`written` returns the JSON of a dashboard.

Everything that could differ from one writing to the next is given: numbers of panels, addresses, places on
the grid, and the letters of queries.
"""

from __future__ import annotations

import json
from string import ascii_uppercase
from typing import TYPE_CHECKING, Final, TypeAlias

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import (
    dashboard,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from boards import router
from boards.pieces import COLUMNS, IF_WRONG, Shows
from metrics.alerts import ALERTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from boards.pieces import Board, Panel, Query, Row, Scale, Variable

#: Every board has it, and the links between the boards find them by it.
TAG: Final = "peerkey"
#: What is shown at first, and how often it is asked anew.
SPAN, REFRESH = "now-6h", "30s"
#: Not a name of one datasource: whoever has several chooses.
DATASOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
#: Where documents are: the base of the address of each runbook, which an operator may set to a copy within.
DOCS: Final = "docs"
#: Until somebody sets it: where ``deploy/monitoring/compose.yaml`` lays them, below the address of Grafana.
DOCS_AT: Final = "/public/peerkey"

#: As many as can be told apart; a fleet has hundreds, and Grafana turns the pages.
LANES: Final = 20

#: Firing alerts, as marks on the time axis, and what is read where one points at them. Some are of no job.
MARKS: Final = (
    "max by (job, node, alertname, severity) "
    '(ALERTS{job=~"$job|",alertname=~"Peerkey.+",alertname!="PeerkeyDeadMan",alertstate="firing"})'
)
MARKED: Final = {"titleFormat": "{{alertname}}", "textFormat": "{{severity}} {{node}}", "tagKeys": "job"}
#: Why that may be empty.
MARKS_QUIET: Final = IF_WRONG

_Panel: TypeAlias = stat.Panel | timeseries.Panel | table.Panel | heatmap.Panel | statetimeline.Panel

_RUNBOOKS: Final = {alert.name: alert.runbook for alert in ALERTS}
#: Columns of a table that say nothing to a person.
_HIDDEN: Final = ("Time", "__name__", "alertstate")
_OF_INTERVALS: Final = ("auto", "auto_count", "auto_min")
#: In a line of a table that has no such label or value.
NONE: Final = "-"
_ROW_HEIGHT: Final = 1
#: What is chosen at the top stays chosen, and so does the time.
_AS_HERE: Final = "${datasource:queryparam}&${job:queryparam}&${docs:queryparam}&${__url_time_range}"
#: From wherever a node or a peer is named to what there is of it.
_OF_NODE: Final = {
    "title": "This node",
    "url": f"/d/{router.BOARD.uid}?var-node=${{__value.text}}&{_AS_HERE}",
}
_OF_PEER: Final = {
    "title": "This peering",
    "url": f"/d/{router.BOARD.uid}?var-node=${{__data.fields.node}}&var-peer=${{__value.text}}&{_AS_HERE}",
}


def written(board: Board) -> str:
    """Return the JSON of a board, with a line break at its end."""
    document = json.loads(json.dumps(_dashboard(board), cls=JSONEncoder))
    # What a datasource wants to know of a mark stands beside what Grafana does, whose library has no words
    # for it; its schema says that it is there.
    (marks,) = document["annotations"]["list"]
    marks |= MARKED
    # And of a variable it writes what an interval has, whatever it is.
    for variable in document["templating"]["list"]:
        for name in _OF_INTERVALS:
            del variable[name]
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _dashboard(board: Board) -> models.Dashboard:
    made = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags([TAG])
        .timezone("browser")
        .readonly()
        .version(1)
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .time(SPAN, "now")
        .refresh(REFRESH)
        .timepicker(dashboard.TimePicker().refresh_intervals(["5s", "15s", REFRESH, "1m", "5m"]))
        .annotation(
            dashboard.AnnotationQuery()
            .name("Alerts")
            .datasource(DATASOURCE)
            .enable(enable=True)
            .icon_color("red")
            .expr(MARKS)
        )
        .link(
            dashboard.DashboardLink("peerkey")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .include_vars(include_vars=True)
            .keep_time(keep_time=True)
        )
        .link(
            dashboard.DashboardLink("Runbooks")
            .type(models.DashboardLinkType.LINK)
            .icon("doc")
            .tooltip("What to do for each alarm")
            .url(f"${{{DOCS}}}/docs/alarms.md")
            .target_blank(target_blank=True)
        )
        .with_variable(
            dashboard.DatasourceVariable("datasource")
            .label("Data source")
            .type("prometheus")
            .multi(multi=False)
        )
    )
    for each in board.variables:
        made.with_variable(_variable(each))
    made.with_variable(
        dashboard.TextBoxVariable(DOCS)
        .label("Runbooks at")
        .description("The base of the address of each runbook: where the folder docs of peerkey is readable.")
        .default_value(DOCS_AT)
        .current(models.VariableOption(selected=True, text=DOCS_AT, value=DOCS_AT))
    )
    y = 0
    for row in board.rows:
        made.with_row(_row(row, y))
        y += _ROW_HEIGHT
        for panel, place in _placed(row.panels, y):
            made.with_panel(_panel(panel, place))
            y = max(y, place.y + place.h)
    return made.build()


def _variable(variable: Variable) -> dashboard.QueryVariable:
    everything = models.VariableOption(selected=True, text=["All"], value=["$__all"])
    return (
        dashboard.QueryVariable(variable.name)
        .label(variable.label)
        .datasource(DATASOURCE)
        .query({"query": variable.query, "refId": variable.name})
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.NATURAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(variable.everything)
        .current(everything)
    )


def _row(row: Row, y: int) -> dashboard.Row:
    return (
        dashboard.Row(row.title).id(row.number).grid_pos(models.GridPos(h=_ROW_HEIGHT, w=COLUMNS, x=0, y=y))
    )


def _placed(panels: Iterable[Panel], y: int) -> Iterable[tuple[Panel, models.GridPos]]:
    """Yield each panel with its place: from left to right, as high as the highest of its line."""
    x = highest = 0
    for panel in panels:
        if x + panel.width > COLUMNS:
            x, y, highest = 0, y + highest, 0
        yield panel, models.GridPos(h=panel.height, w=panel.width, x=x, y=y)
        x, highest = x + panel.width, max(highest, panel.height)


def _panel(panel: Panel, place: models.GridPos) -> _Panel:
    made = _SHOWN[panel.shows](panel)
    made.id(panel.number).title(panel.title).description(panel.description).grid_pos(place).datasource(
        DATASOURCE
    )
    made.unit(panel.unit).thresholds(_thresholds(panel.scale))
    made.links([_runbook(name) for name in panel.alerts])
    if panel.nothing:
        made.no_value(panel.nothing)
    if panel.decimals is not None:
        made.decimals(panel.decimals)
    if panel.words:
        made.mappings([_words(panel.words)])
    now = panel.shows in {Shows.STAT, Shows.TABLE}
    for letter, query in zip(ascii_uppercase, panel.queries, strict=False):
        made.with_target(_query(query, letter, panel.shows, now=now))
    return made


def _query(query: Query, letter: str, shows: Shows, *, now: bool) -> prometheus.Dataquery:
    form = {Shows.TABLE: PromQueryFormat.TABLE, Shows.HEATMAP: PromQueryFormat.HEATMAP}
    made = (
        prometheus.Dataquery()
        .expr(query.expression)
        .ref_id(letter)
        .legend_format(query.legend)
        .format(form.get(shows, PromQueryFormat.TIME_SERIES))
        .datasource(DATASOURCE)
    )
    if shows is Shows.HEATMAP:
        # The ids of keys, where a histogram has them: a dot in the picture leads to its event.
        made.exemplar(exemplar=True)
    return made.instant() if now else made.range()


def _thresholds(scale: Scale) -> dashboard.ThresholdsConfig:
    steps = [models.Threshold(value=None, color=scale.base)]
    steps += [models.Threshold(value=value, color=colour) for value, colour in scale.steps]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def _runbook(alert: str) -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink(f"{alert}: what to do")
        .type(models.DashboardLinkType.LINK)
        .url(f"${{{DOCS}}}/{_RUNBOOKS[alert]}")
        .target_blank(target_blank=True)
    )


def _words(words: Iterable[tuple[str, str, str]]) -> models.ValueMap:
    return models.ValueMap(
        options={
            value: models.ValueMappingResult(text=text, color=colour, index=index)
            for index, (value, text, colour) in enumerate(words)
        }
    )


def _stat(_panel: Panel) -> stat.Panel:
    return (
        stat.Panel()
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
        .color_mode(common.BigValueColorMode.BACKGROUND_SOLID)
        .graph_mode(common.BigValueGraphMode.NONE)
        .text_mode(common.BigValueTextMode.VALUE)
        .orientation(common.VizOrientation.AUTO)
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
    )


def _series(panel: Panel) -> timeseries.Panel:
    made = (
        timeseries.Panel()
        .legend(
            common_builders.VizLegendOptions()
            .display_mode(common.LegendDisplayMode.TABLE)
            .placement(common.LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
            .calcs(["lastNotNull", "max"])
        )
        .tooltip(
            common_builders.VizTooltipOptions()
            .mode(common.TooltipDisplayMode.MULTI)
            .sort(common.SortOrder.DESCENDING)
        )
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
        .line_width(1)
        .fill_opacity(30 if panel.stacked else 5)
        .axis_soft_min(0)
    )
    if panel.most is not None:
        made.max(panel.most)
    if panel.stacked:
        made.stacking(common_builders.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    if panel.scale.steps:
        made.thresholds_style(
            common_builders.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
        )
    return made


def _table(panel: Panel) -> table.Panel:
    """Return a table in which each query is a column of values, beside the labels."""
    values = {
        f"Value #{letter}": query for letter, query in zip(ascii_uppercase, panel.queries, strict=False)
    }
    # Grafana leaves the letter out where there is one query.
    values |= {"Value": panel.queries[0]} if len(panel.queries) == 1 else {}
    hidden = (*_HIDDEN, *(name for name, query in values.items() if query.only_there))
    made = (
        table.Panel()
        .with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            models.DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": dict.fromkeys(hidden, True),
                    "renameByName": {name: query.legend for name, query in values.items()},
                    "indexByName": {name: place for place, name in enumerate((*panel.columns, *values))},
                },
            )
        )
        .show_header(show_header=True)
        .cell_height(common.TableCellHeight.SM)
        .filterable(filterable=True)
    )
    if panel.sorted_by is not None:
        by, greatest = panel.sorted_by
        heading = by if isinstance(by, str) else panel.queries[by].legend
        order = common_builders.TableSortByFieldState().display_name(heading)
        made.sort_by([order.desc(desc=greatest)])
    # What the panel says where it has no line at all is wrong in a line that lacks something.
    made.override_by_regexp("/.*/", [models.DynamicConfigValue(id_val="noValue", value=NONE)])
    for number, query in enumerate(panel.queries):
        made.override_by_name(query.legend, _column(panel, query, coloured=number == 0))
    for column, link in (("node", _OF_NODE), ("peer", _OF_PEER)):
        if column in panel.columns:
            made.override_by_name(column, [models.DynamicConfigValue(id_val="links", value=[link])])
    if panel.painted:
        cell = models.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-background"})
        made.override_by_name(panel.painted, [cell])
    if panel.leads is not None:
        column, document = panel.leads
        page = {
            "title": "What to do",
            "url": f"${{{DOCS}}}/{document}#${{__value.text}}",
            "targetBlank": True,
        }
        made.override_by_name(column, [models.DynamicConfigValue(id_val="links", value=[page])])
    return made


def _column(panel: Panel, query: Query, *, coloured: bool) -> list[models.DynamicConfigValue]:
    """Return what is special of a column of values."""
    special: dict[str, object] = {}
    if query.unit:
        special["unit"] = query.unit
    if coloured and panel.scale.steps:
        special["custom.cellOptions"] = {"type": "color-background"}
    return [models.DynamicConfigValue(id_val=name, value=value) for name, value in special.items()]


def _heatmap(panel: Panel) -> heatmap.Panel:
    return (
        heatmap.Panel()
        .calculate(calculate=False)
        .y_axis(heatmap.YAxisConfig().unit(panel.unit))
        .color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").steps(64))
        .cell_gap(1)
        .show_y_histogram()
        .show_legend()
    )


def _lanes(_panel: Panel) -> statetimeline.Panel:
    return (
        statetimeline.Panel()
        .show_value(common.VisibilityMode.AUTO)
        .merge_values(merge_values=True)
        .row_height(0.9)
        .per_page(LANES)
        .fill_opacity(80)
        .line_width(0)
        .legend(
            common_builders.VizLegendOptions()
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
        )
    )


_SHOWN: Final[Mapping[Shows, Callable[[Panel], _Panel]]] = {
    Shows.STAT: _stat,
    Shows.SERIES: _series,
    Shows.TABLE: _table,
    Shows.HEATMAP: _heatmap,
    Shows.LANES: _lanes,
}
