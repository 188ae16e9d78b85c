"""What a board consists of: rows of panels, each with its queries, in words that know nothing of Grafana.

A query that may rightly return nothing says why (:attr:`Query.quiet`): a test asks every query of a fleet
that is well, and those of a fleet in which everything is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from metrics import alerts, thresholds
from peerkey.observe.alarms import Severity

#: As each severity is painted, on every board and in every panel.
COLOURS: Final = {
    Severity.CRITICAL: "red",
    Severity.MAJOR: "orange",
    Severity.MINOR: "yellow",
}
WELL: Final = "green"
PLAIN: Final = "blue"

#: More lines than this nobody reads.
MOST_PEERINGS: Final = 200

#: Grafana's grid.
COLUMNS: Final = 24


#: The words for severities.
SEVERITIES: Final = tuple((severity.value, severity.value, colour) for severity, colour in COLOURS.items())


class Shows(Enum):
    """What a panel is. The value is Grafana's name of it."""

    #: One number or a few, now.
    STAT = "stat"
    SERIES = "timeseries"
    #: Every series now, one in a line.
    TABLE = "table"
    #: The buckets of a histogram over time.
    HEATMAP = "heatmap"
    #: States over time, one lane for each series.
    LANES = "state-timeline"


@dataclass(frozen=True, slots=True)
class Scale:
    """From which value on something has which colour."""

    base: str
    steps: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """One query of Prometheus."""

    expression: str
    #: With the labels as Grafana writes them; in a table the heading of the value.
    legend: str = ""
    #: Why it may return nothing, where it may.
    quiet: str = ""
    #: Of a column of a table, where it is not that of the panel.
    unit: str = ""
    #: In a table: that there is a line says it all, and the number is left out.
    only_there: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel."""

    #: It never changes and is not given to another: alerts and bookmarks lead to it.
    number: int
    title: str
    shows: Shows
    #: What it says, and what to do where it is not as it should be.
    description: str
    queries: tuple[Query, ...]
    unit: str = "none"
    scale: Scale = Scale(PLAIN)
    width: int = 12
    height: int = 8
    #: The alerts whose cause is seen here, by their names.
    alerts: tuple[str, ...] = ()
    #: What is shown where a query returns nothing.
    nothing: str = ""
    #: The labels that are columns of a table, in the order in which they are read. Others come last.
    columns: tuple[str, ...] = ()
    #: Of a table: by which query or label its lines are sorted, and whether the greatest is the first.
    sorted_by: tuple[int | str, bool] | None = None
    #: Of a table: the column of words of which each has its colour.
    painted: str = ""
    #: The words for values, each with its colour, where a number or a column of words is a state.
    words: tuple[tuple[str, str, str], ...] = ()
    #: The column of a table whose values are headings in a document: (column, document).
    leads: tuple[str, str] | None = None
    #: The upper end of the axis, where there is one.
    most: float | None = None
    stacked: bool = False
    #: Of a number, where those that Grafana chooses are too few: 99.95 % would be 100 %.
    decimals: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Panels that answer one question."""

    number: int
    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """What is chosen at the top of a board: a label, of the series that there are."""

    name: str
    label: str
    query: str
    #: What all of them are, as a regular expression. Every series that is scraped has a job and an instance.
    everything: str = ".+"


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard."""

    #: Part of its address, so that it never changes.
    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]

    @property
    def panels(self) -> tuple[Panel, ...]:
        """Every panel, from the top."""
        return tuple(panel for row in self.rows for panel in row.panels)


#: A machine that names no nodes tells series without the label: they are part of all.
_OR_NONE: Final = ".*"

JOB: Final = Variable("job", "Job", "label_values(peerkey_up, job)")
INSTANCE: Final = Variable("instance", "Instance", 'label_values(peerkey_up{job=~"$job"}, instance)')
NODE: Final = Variable(
    "node",
    "Node",
    'label_values(peerkey_peerings_enabled{job=~"$job",instance=~"$instance"}, node)',
    _OR_NONE,
)
PEER: Final = Variable(
    "peer",
    "Peer",
    'label_values(peerkey_peering_paths{job=~"$job",instance=~"$instance",node=~"$node"}, peer)',
    _OR_NONE,
)

#: The job under which Prometheus scrapes Ray's own exporters: they are other endpoints than ours.
RAY: Final = Variable("ray", "Ray's job", "label_values(ray_node_cpu_count, job)")

_HERE: Final = 'job=~"$job",instance=~"$instance"'
_RAY: Final = 'job=~"$ray"'
_NODE: Final = f'{_HERE},node=~"$node"'
_PEER: Final = f'{_NODE},peer=~"$peer"'


def here(metric: str, *more: str) -> str:
    """Return the series of a metric at the machines that are chosen."""
    return f"{metric}{{{','.join((_HERE, *more))}}}"


def machine(metric: str, *more: str) -> str:
    """Return those of what every job has, such as ``up``: of the jobs that the alerts are about alone.

    Where every job is chosen, others of the same Prometheus would be counted too.
    """
    return here(metric, f'job=~"{alerts.JOB}"', *more)


def of_ray(metric: str, *more: str) -> str:
    """Return those that Ray tells of its machines."""
    return f"{metric}{{{','.join((_RAY, *more))}}}"


def node(metric: str, *more: str) -> str:
    """Return those of the nodes that are chosen."""
    return f"{metric}{{{','.join((_NODE, *more))}}}"


def peer(metric: str, *more: str) -> str:
    """Return those of the nodes and the peers that are chosen."""
    return f"{metric}{{{','.join((_PEER, *more))}}}"


def grown(counter: str, by: str, window: str = "$__range") -> str:
    """Return by how much a counter of rare things has grown in a window, where it has.

    ``increase`` takes the first sample of a series for its beginning, and would not see what has happened
    once. The sum over the time before is taken away instead; what was not there then was 0.
    """
    return f"sum by ({by}) ({counter} - ({counter} offset {window} or {counter} * 0)) > 0"


def quantile(share: float, histogram: str, by: str = "") -> str:
    """Return a quantile of a histogram over the interval of the panel."""
    return f"histogram_quantile({share:g}, sum by (le{by}) (rate({histogram}[$__rate_interval])))"


def buckets(histogram: str) -> str:
    """Return the buckets of a histogram, for a heatmap."""
    return f"sum by (le) (increase({histogram}[$__rate_interval]))"


def figure(
    number: int,
    title: str,
    description: str,
    query: str,
    scale: Scale,
    *seen: str,
    unit: str = "none",
    quiet: str = "",
    width: int = 3,
) -> Panel:
    """Return one of the numbers at the top of a board, where the causes of some alerts are ``seen``."""
    return Panel(
        number,
        title,
        Shows.STAT,
        description,
        (Query(query, title, quiet),),
        unit=unit,
        scale=scale,
        width=width,
        height=4,
        alerts=seen,
        nothing="none" if quiet else "",
    )


def which_peering(number: int, series: str, *seen: str, width: int) -> Panel:
    """Return the table of the peerings that are not in order and why, where some alerts are ``seen``."""
    return Panel(
        number,
        "Which peering is not as it should be, and why",
        Shows.TABLE,
        "Each with its nearest cause, as `peerkey show peers` tells it. About `own-certificate` or "
        "`peer-certificate`: that is not good, for this reason. `refused-by-peer`: the peer says so of this "
        "node's certificate; `not-yet-valid` and `expired` there are a wrong clock, mostly. `key`: the two "
        "ends do not agree, on `algorithm-mismatch` for one. `path` and `silent`: nothing comes from the "
        "peer, as where it is killed. Peerings are named where --metrics-detail allows it.",
        (
            Query(
                f"topk({MOST_PEERINGS}, max by (node, peer, about, reason, instance, job) ({series}))",
                "Is so",
                IF_WRONG,
                only_there=True,
            ),
        ),
        columns=("node", "peer", "about", "reason", "instance", "job"),
        sorted_by=("node", False),
        width=width,
        alerts=seen,
        nothing="Every peering that is named is in order",
    )


def lanes(series: Callable[[str, str], str], metric: str, label: str, words: Iterable[str]) -> str:
    """Return a query of which state a metric is in, as the place of its word: lanes are told numbers."""
    return " or ".join(
        series(metric, f'{label}="{word}"') + f" * {place}" for place, word in enumerate(words)
    )


def any_is(severity: Severity) -> Scale:
    """Return the scale of what should be none: one is already as bad as ``severity``."""
    return Scale(WELL, ((1, COLOURS[severity]),))


def above(limit: float, severity: Severity) -> Scale:
    """Return the scale of what is wrong above a limit."""
    return Scale(WELL, ((limit, COLOURS[severity]),))


#: Of the seconds until a certificate ends: as the alarms are, over a week and a month.
ENDS: Final = Scale(
    COLOURS[Severity.CRITICAL],
    (
        (0, COLOURS[Severity.MAJOR]),
        (thresholds.EXPIRES_VERY_SOON.total_seconds(), COLOURS[Severity.MINOR]),
        (thresholds.EXPIRES_SOON.total_seconds(), WELL),
    ),
)
#: Of the share of peerings that are keyed, and of rekeys in time.
KEYED: Final = Scale(COLOURS[Severity.CRITICAL], ((thresholds.KEYED_OBJECTIVE, WELL),))
IN_TIME: Final = Scale(COLOURS[Severity.MINOR], ((thresholds.REKEYS_OBJECTIVE, WELL),))
CLOCK: Final = above(thresholds.CLOCK_DIFFERENCE.total_seconds(), Severity.CRITICAL)
LOOP_LAG: Final = above(thresholds.LOOP_LAG.total_seconds(), Severity.MINOR)
MAILBOX: Final = above(thresholds.MAILBOX_SHARE, Severity.MAJOR)

#: The states of a revocation list: as its alarms are.
STATES_OF_LISTS: Final = {
    "waiting": "text",
    "current": WELL,
    "unreachable": COLOURS[Severity.MINOR],
    "refused": COLOURS[Severity.MAJOR],
    "stale": COLOURS[Severity.MAJOR],
}

#: Revocation lists that should be replaced, fetched or mended.
_NOT_CURRENT: Final = here("peerkey_crl_state", 'state=~"stale|unreachable|refused"')
#: Each counts once, however many machines follow it.
LISTS_NOT_CURRENT: Final = f"count(max by (url) ({_NOT_CURRENT}) == 1) or vector(0)"

#: What happens so often in a minute.
A_MINUTE: Final = "cpm"

#: Why a query may be empty.
IF_WRONG: Final = "there is one only while something is wrong"
IF_HA: Final = "only nodes of HA pairs have it"
IF_LISTS: Final = "there is one for each revocation list, and not every fleet has any"
IF_HAPPENED: Final = "it is counted from the first time on"
IF_RAY: Final = "only a fleet on a Ray cluster has it"
IF_NAMED: Final = "where the machine names peers: not with --metrics-detail node or fleet"
