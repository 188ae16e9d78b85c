"""The rules of Prometheus: what they say and ask for, and those that look at hours.

The others are judged in ``test_every_alert.py``, on pages that a fleet shows.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
import yaml

from metrics import rules, thresholds
from metrics.alerts import ALERTS, Alert
from metrics.catalogue import BY_NAME, CATALOGUE, Kind
from peerkey.observe.alarm_kinds import ALARM_KINDS
from peerkey.observe.alarms import Severity, certificates_expiring
from peerkey.pki.expiry import MAJOR_BEFORE, MINOR_BEFORE
from tests.support.faults import TABLE

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "monitoring" / "rules"

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="install promtool: apt install prometheus"
)

#: In minutes: from when on things are wrong, and when they are right again.
WRONG, RIGHT = 5, 20
INSTANCE = 'job="peerkey",instance="edge7:9128"'
NODE = f'{INSTANCE},node="east/node0"'
#: One each minute: a machine that is no target any more, and is one again.
LEAVES = f"1x{WRONG - 1} stale _x{RIGHT - WRONG - 2} 1x100"


@dataclass(frozen=True)
class Case:
    """Series under which an alert is there, and by when it is gone again, in minutes."""

    alert: str
    series: tuple[tuple[str, str], ...]
    gone: int = RIGHT + 2


def was(normal: float, wrong: float) -> str:
    """Return the samples of a gauge that is wrong for a while, one each minute."""
    return f"{normal}x{WRONG - 1} {wrong}x{RIGHT - WRONG - 1} {normal}x160"


def gauge(name: str, normal: float, wrong: float, labels: str = NODE) -> tuple[tuple[str, str], ...]:
    return ((f"{name}{{{labels}}}", was(normal, wrong)),)


def counter(name: str, labels: str, step: int = 1) -> tuple[tuple[str, str], ...]:
    """Return a counter that grows while things are wrong."""
    last = step * (RIGHT - WRONG)
    return ((f"{name}{{{labels}}}", f"0x{WRONG - 1} {step}+{step}x{RIGHT - WRONG - 1} {last}x160"),)


#: Those that look at hours, or at what there is of Prometheus; the others are in tests/support/faults.py.
CASES = (
    Case("PeerkeyAbsent", ((f"up{{{INSTANCE}}}", LEAVES),)),
    Case(
        "PeerkeyAbsent", ((f"up{{{INSTANCE}}}", LEAVES), ('up{job="peerkey-b",instance="b:9128"}', "1x200"))
    ),
    Case(
        "PeerkeyKeyedBudgetBurnsFast",
        (*gauge("peerkey_peerings_keyed", 10, 8), *gauge("peerkey_peerings_enabled", 10, 10)),
        gone=RIGHT + 7,
    ),
    Case(
        "PeerkeyKeyedBudgetBurnsSlow",
        (*gauge("peerkey_peerings_keyed", 10, 8), *gauge("peerkey_peerings_enabled", 10, 10)),
        gone=RIGHT + 122,
    ),
    Case(
        "PeerkeyRekeysLate",
        (
            *counter("peerkey_rekeys_total", f'{NODE},result="late"'),
            (f'peerkey_rekeys_total{{{NODE},result="in-time"}}', f"0+1x{RIGHT} 9000x100"),
        ),
        gone=RIGHT + 2,
    ),
)
#: They are there where nothing else is.
UNCONDITIONAL = ("PeerkeyDeadMan", "PeerkeyAbsent")


def test_the_files_and_the_document_are_what_the_catalogue_of_alerts_says() -> None:
    """Run ``python docs/metrics_document.py`` if this fails."""
    assert {path.name: path.read_text("utf-8") for path in RULES.glob("*")} == rules.files()
    assert (ROOT / "docs" / "alerts.md").read_text("utf-8") == rules.document()


def test_every_type_of_alarm_has_an_alert() -> None:
    named = {kind for alert in ALERTS for kind in alert.alarms}

    assert named == set(ALARM_KINDS)


@pytest.mark.parametrize("alert", [each for each in ALERTS if each.alarms], ids=lambda alert: alert.name)
def test_an_alert_is_as_urgent_as_an_alarm_that_it_stands_for(alert: Alert) -> None:
    assert alert.severity in {each for kind in alert.alarms for each in ALARM_KINDS[kind].severities}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_asks_for_metrics_that_there_are_and_says_what_to_do(alert: Alert) -> None:
    asked = set(re.findall(r"\bpeerkey_[a-z_]+", alert.expression))
    bare = {BY_NAME.get(name.removesuffix("_bucket")) for name in asked}

    assert None not in bare
    assert {each.kind for each in bare if each} <= set(Kind)
    assert alert.summary
    assert alert.description.endswith(".")
    assert alert.runbook in anchors()


@cache
def anchors() -> frozenset[str]:
    """Return where the documents of alarms and alerts can be pointed into, as GitHub names the headings."""
    return frozenset(
        f"docs/{name}#{heading.lower()}"
        for name in ("alarms.md", "alerts.md")
        for heading in re.findall(r"^##+ ([\w-]+)$", (ROOT / "docs" / name).read_text("utf-8"), re.MULTILINE)
    )


def test_what_is_recorded_asks_for_metrics_that_there_are() -> None:
    names = {metric.name for metric in CATALOGUE}
    asked = set(re.findall(r"\bpeerkey_[a-z_]+", " ".join(rules.RECORDED.values())))

    assert {name.removesuffix("_bucket") for name in asked} <= names


def test_the_numbers_are_those_of_the_alarms() -> None:
    assert (thresholds.EXPIRES_SOON, thresholds.EXPIRES_VERY_SOON) == (MINOR_BEFORE, MAJOR_BEFORE)
    for number, severity in ((30, Severity.MINOR), (7, Severity.MAJOR)):
        told = certificates_expiring("east/node0", number, severity, ["east/node0"])
        days = (thresholds.EXPIRES_SOON if severity is Severity.MINOR else thresholds.EXPIRES_VERY_SOON).days
        alert = next(
            each for each in ALERTS if each.alarms == ("certificate-expiring",) and each.severity is severity
        )
        assert f"less than {days} days" in told.message
        assert f"< {days} * 86400" in alert.expression


def test_every_alert_has_a_case() -> None:
    cases = {case.alert for case in CASES} | {faulty.alert for faulty in TABLE} | {*UNCONDITIONAL}

    assert cases == {alert.name for alert in ALERTS}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_asks_for_alarms_that_it_stands_for(alert: Alert) -> None:
    asked = re.findall(r'peerkey_alarms\{type=~?"([^"]+)"', alert.expression)

    assert {kind for kinds in asked for kind in kinds.split("|")} <= {*alert.alarms}


@needs_promtool
def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    run = subprocess.run(
        ["promtool", "check", "rules", "--lint=all", "--lint-fatal", *map(str, sorted(RULES.glob("*.yml")))],
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr


@needs_promtool
def test_an_alert_that_looks_at_hours_is_there_within_its_time_and_gone_when_its_cause_is(
    tmp_path: Path,
) -> None:
    by_name = {alert.name: alert for alert in ALERTS}
    for name, text in rules.files().items():
        # A sample a minute, and a look at it: as often as these cases change.
        (tmp_path / name).write_text(text.replace(f"interval: {rules.INTERVAL}", "interval: 1m"), "utf-8")
    document = {
        "rule_files": list(rules.files()),
        "evaluation_interval": "1m",
        "tests": [judged(case, by_name[case.alert]) for case in CASES]
        + [
            {
                "interval": "1m",
                "input_series": [],
                "promql_expr_test": [
                    firing(by_name[name], int(by_name[name].wait / timedelta(minutes=1)) + 1, there=True)
                    for name in UNCONDITIONAL
                ],
            }
        ],
    }
    file = tmp_path / "cases.yml"
    file.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")

    run = subprocess.run(
        ["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False, timeout=120
    )

    assert run.returncode == 0, run.stdout + run.stderr


@needs_promtool
def test_nothing_is_recorded_of_a_fleet_without_peerings_or_without_a_key_of_the_last_hour(
    tmp_path: Path,
) -> None:
    nothing = {
        **{f"peerkey_{name}{{{NODE}}}": "0x300" for name in ("peerings_keyed", "peerings_enabled")},
        **{
            f'peerkey_{name}{{{NODE},{label}="{value}"}}': "7x300"
            for name, label, values in (
                ("establishment_duration_seconds_bucket", "le", ("0.1", "+Inf")),
                ("rekey_duration_seconds_bucket", "le", ("30.0", "+Inf")),
                ("rekeys_total", "result", ("in-time", "late")),
            )
            for value in values
        },
    }
    (tmp_path / "levels.yml").write_text(rules.files()["levels.yml"], "utf-8")
    expected = [
        {"expr": name, "eval_time": "4h", "exp_samples": []}
        for name in rules.RECORDED
        if "unkeyed" not in name
    ]
    series = [{"series": name, "values": values} for name, values in nothing.items()]
    document = {
        "rule_files": ["levels.yml"],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": expected}],
    }
    file = tmp_path / "cases.yml"
    file.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")

    run = subprocess.run(
        ["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False, timeout=120
    )

    assert len(expected) > 5
    assert run.returncode == 0, run.stdout + run.stderr


def judged(case: Case, alert: Alert) -> dict[str, object]:
    """Return a test in promtool's words: not there before its time, there after it, held, gone at last."""
    wait, held = (int(each / timedelta(minutes=1)) for each in (alert.wait, alert.held))
    return {
        "name": case.alert,
        "interval": "1m",
        "input_series": [{"series": series, "values": values} for series, values in case.series],
        "promql_expr_test": [
            firing(alert, WRONG - 1, there=False),
            *([firing(alert, WRONG + wait - 1, there=False)] if wait else []),
            firing(alert, WRONG + wait + 2, there=True),
            *([firing(alert, RIGHT + held - 1, there=True)] if held else []),
            firing(alert, case.gone + held, there=False),
        ],
    }


def firing(alert: Alert, minute: int, *, there: bool) -> dict[str, object]:
    severity = "none" if alert.severity is None else alert.severity.value
    which = f'alertname="{alert.name}",alertstate="firing",severity="{severity}"'
    return {
        "expr": f"count(ALERTS{{{which}}})",
        "eval_time": f"{minute}m",
        "exp_samples": [{"labels": "{}", "value": 1}] if there else [],
    }
