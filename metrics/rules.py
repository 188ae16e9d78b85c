"""The rule files of Prometheus, and the document of the alerts: made of :mod:`metrics.alerts`.

Service levels are recorded, so that a panel over thirty days costs nothing, and alerts on them compare two
windows without computing either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import yaml

from metrics import alerts, thresholds
from metrics.panels import panel_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta

    from metrics.alerts import Alert

#: How often rules are evaluated: as often as peerkey is scraped, where nothing else is configured.
INTERVAL: Final = "15s"

_WINDOWS: Final = tuple(
    dict.fromkeys(window for _, *windows in thresholds.BURN_RATES.values() for window in windows)
)

#: What is recorded, by its name.
RECORDED: Final[Mapping[str, str]] = {
    "peerkey:peerings_keyed:ratio": "sum by (job) (peerkey_peerings_keyed) "
    "/ (sum by (job) (peerkey_peerings_enabled) > 0)",
    **{
        f"peerkey:peerings_unkeyed:ratio_avg{window}": "1 - avg_over_time(peerkey:peerings_keyed:ratio"
        f"[{window}])"
        for window in (*_WINDOWS, "30d")
    },
    **{
        f"peerkey:rekeys_in_time:ratio_rate{window}": "sum by (job) "
        f'(increase(peerkey_rekeys_total{{result="in-time"}}[{window}])) '
        f"/ (sum by (job) (increase(peerkey_rekeys_total[{window}])) > 0)"
        for window in ("1d", "30d")
    },
    **{
        # Of no durations the quantile is not a number; that is not recorded.
        f"peerkey:{name}_seconds:p{percent}": f"histogram_quantile(0.{percent}, sum by (job, le) "
        f"(rate(peerkey_{name}_duration_seconds_bucket[1h]))) >= 0"
        for name in ("establishment", "rekey")
        for percent in (50, 95)
    },
}

_GROUPS: Final[Mapping[str, tuple[Alert, ...]]] = {
    "certificates": alerts.CERTIFICATES,
    "peerings": alerts.PEERINGS,
    "lists": alerts.LISTS,
    "pairs": alerts.PAIRS,
    "runtime": alerts.RUNTIME,
    "watching": alerts.WATCHING,
    "levels": alerts.LEVELS,
}

_MADE: Final = "# Made of metrics/alerts.py by docs/metrics_document.py. Change these.\n"


def files() -> Mapping[str, str]:
    """Return the text of each file of ``deploy/monitoring/rules``, by its name."""
    recorded = [{"record": name, "expr": expression} for name, expression in RECORDED.items()]
    return {
        "alerts.yml": _text([_group(name, map(_rule, found)) for name, found in _GROUPS.items()]),
        "levels.yml": _text([_group("recorded", recorded)]),
    }


def resource() -> str:
    """Return the same rules as the ``PrometheusRule`` of a cluster of Kubernetes."""
    groups = [group for text in files().values() for group in yaml.safe_load(text)["groups"]]
    labels = {"app.kubernetes.io/name": "peerkey", "app.kubernetes.io/part-of": "peerkey"}
    made = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "peerkey", "namespace": "peerkey", "labels": labels},
        "spec": {"groups": groups},
    }
    return _MADE + yaml.safe_dump(made, sort_keys=False, width=120)


def _group(name: str, rules: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {"name": f"peerkey-{name}", "interval": INTERVAL, "rules": list(rules)}


def _rule(alert: Alert) -> dict[str, Any]:
    rule: dict[str, Any] = {"alert": alert.name, "expr": alert.expression}
    if alert.wait:
        rule["for"] = _duration(alert.wait)
    if alert.held:
        rule["keep_firing_for"] = _duration(alert.held)
    rule["labels"] = {"severity": "none" if alert.severity is None else alert.severity.value}
    rule["annotations"] = {
        "summary": f"{alert.summary}.",
        "description": alert.description,
        "runbook_url": alert.runbook,
    }
    panel = panel_of(alert.name)
    if panel is not None:
        rule["annotations"]["dashboard_url"] = panel
    return rule


def _duration(wait: timedelta) -> str:
    return f"{int(wait.total_seconds())}s"


def _text(groups: list[dict[str, Any]]) -> str:
    return _MADE + yaml.safe_dump({"groups": groups}, sort_keys=False, width=120)


def document() -> str:
    """Return ``docs/alerts.md``."""
    return "\n".join((_HEAD.strip(), "", *_sections(), ""))


def _sections() -> Iterable[str]:
    for name, found in _GROUPS.items():
        yield f"## {name.capitalize()}"
        yield ""
        for alert in found:
            # An address whose end is the name as Prometheus writes it: boards lead here by the label.
            yield f'<a id="{alert.name}"></a>'
            yield ""
            yield f"### {alert.name}"
            yield ""
            wait = f"after {int(alert.wait.total_seconds())} s" if alert.wait else "at once"
            held = f", held for {int(alert.held.total_seconds())} s" if alert.held else ""
            severity = "none" if alert.severity is None else alert.severity.value
            stands = ", ".join(f"[`{kind}`](alarms.md#{kind})" for kind in alert.alarms)
            yield f"*{severity}, {wait}{held}*" + (f", for the alarms {stands}" if stands else "")
            yield ""
            yield alert.description
            yield ""
            panel = panel_of(alert.name)
            if panel is not None:
                yield f"Seen at `{panel}` below the address of Grafana."
                yield ""
            yield "```promql"
            yield alert.expression
            yield "```"
            yield ""
    yield "## Recorded"
    yield ""
    yield "| series | says |"
    yield "|---|---|"
    for name, expression in RECORDED.items():
        shown = expression.replace("|", "\\|")
        yield f"| `{name}` | `{shown}` |"


_HEAD: Final = f"""
# Alerts

<!-- Made of metrics/alerts.py by docs/metrics_document.py. Change these. -->

[`deploy/monitoring/rules`](../deploy/monitoring/rules) holds them for Prometheus: `alerts.yml`, and
`levels.yml` with what is recorded for the service levels. Severities are those of the alarms, and so are
the numbers (`metrics/thresholds.py`). An alert waits where a thing may mend itself, and is held for a
while after its cause was last seen, so that a process that starts again does not end it. Its page tells
what to do. They expect the job of peerkey to be called `{alerts.JOB}`.

Two service levels are recorded: the share of peerings that are keyed, of those that should be (objective
{thresholds.KEYED_OBJECTIVE:.1%} over 30 days), and the share of rekeys that keep the interval
({thresholds.REKEYS_OBJECTIVE:.0%}).
"""
