"""The rules of Prometheus: each alert is there within its time, and gone when its cause is."""

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

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "monitoring" / "rules"

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="install promtool: apt install prometheus"
)

#: In minutes: from when on things are wrong, and when they are right again.
WRONG, RIGHT = 5, 20
DAY = 24 * 60 * 60
INSTANCE = 'job="peerkey",instance="edge7:9128"'
NODE = f'{INSTANCE},node="east/node0"'


#: A machine's clock, one sample each minute: right, three minutes slow while things are wrong, right again.
CLOCK = f"0+60x{WRONG - 1} {60 * WRONG - 180}+60x{RIGHT - WRONG - 1} {60 * RIGHT}+60x160"


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


def alarm(kind: str, severity: str) -> tuple[tuple[str, str], ...]:
    """Return an alarm that is there for a while; before and after there is no such series."""
    labels = f'{NODE},type="{kind}",severity="{severity}"'
    during = f"_x{WRONG} 1x{RIGHT - WRONG - 1} stale"
    return ((f"peerkey_alarms{{{labels}}}", during),)


def ends(name: str, days: int, labels: str = NODE) -> tuple[tuple[str, str], ...]:
    """Return the end of a certificate that is so many days away when things begin to be wrong."""
    return ((f"{name}{{{labels}}}", f"{days * DAY + WRONG * 60}x{RIGHT - 1} {90 * DAY}x160"),)


OWN, API = (
    "peerkey_certificate_not_after_timestamp_seconds",
    "peerkey_api_certificate_not_after_timestamp_seconds",
)
URL = f'{INSTANCE},url="http://crl/ca.crl"'

CASES = (
    Case("PeerkeyCertificateExpiresSoon", ends(OWN, 30)),
    Case("PeerkeyCertificateExpiresSoon", alarm("certificate-expiring", "minor")),
    Case("PeerkeyCertificateExpiresVerySoon", ends(OWN, 7)),
    Case("PeerkeyCertificateExpiresVerySoon", alarm("certificate-expiring", "major")),
    Case("PeerkeyCertificateExpired", ends(OWN, 0)),
    Case("PeerkeyCertificateExpired", alarm("certificate-expired", "critical")),
    Case("PeerkeyCertificateBad", gauge("peerkey_certificate_valid", 1, 0)),
    Case("PeerkeyCertificateBad", alarm("certificate-missing", "critical")),
    Case("PeerkeyEnrollmentFailing", alarm("enrollment", "major")),
    Case("PeerkeyTrustUnreadable", alarm("trust", "major")),
    Case("PeerkeyApiCertificateExpiresSoon", ends(API, 30, INSTANCE)),
    Case("PeerkeyApiCertificateExpiresVerySoon", ends(API, 7, INSTANCE)),
    Case("PeerkeyClockWrong", alarm("clock", "critical")),
    # The clock of promtool begins at 0.
    Case("PeerkeyClockWrong", ((f"peerkey_clock_timestamp_seconds{{{INSTANCE}}}", CLOCK),)),
    Case("PeerkeyPeeringDown", gauge("peerkey_peerings_unreachable", 0, 2)),
    Case("PeerkeyPathDown", alarm("path-down", "major")),
    Case(
        "PeerkeyPeeringNotKeyed",
        (*gauge("peerkey_peerings_keyed", 3, 2), *gauge("peerkey_peerings_enabled", 3, 3)),
    ),
    Case("PeerkeyNoKeyAgreed", alarm("peer-key", "critical")),
    Case("PeerkeyAuthenticationFailing", gauge("peerkey_peer_certificates_bad", 0, 1)),
    Case(
        "PeerkeyAuthenticationFailing",
        counter("peerkey_peer_certificate_faults_total", f'{NODE},state="invalid"'),
        gone=RIGHT + 11,
    ),
    Case(
        "PeerkeyAuthenticationFailing",
        counter("peerkey_peer_authentications_total", f'{NODE},outcome="refused",reason="pinned"'),
        gone=RIGHT + 11,
    ),
    Case("PeerkeyPeerTwice", alarm("peer-identity", "major")),
    Case("PeerkeyRekeyOverdue", gauge("peerkey_peerings_rekey_overdue", 0, 1)),
    Case("PeerkeyCrlStale", gauge("peerkey_crl_state", 0, 1, f'{URL},state="stale"')),
    Case("PeerkeyCrlUnreachable", gauge("peerkey_crl_state", 0, 1, f'{URL},state="unreachable"')),
    Case("PeerkeyCrlRefused", gauge("peerkey_crl_state", 0, 1, f'{URL},state="refused"')),
    Case("PeerkeyCrlLimited", alarm("crl-limited", "major")),
    Case("PeerkeyHaMateDown", gauge("peerkey_ha_link_up", 1, 0)),
    Case("PeerkeyHaRefused", alarm("ha-refused", "critical")),
    Case("PeerkeyHaOutOfDate", alarm("ha-out-of-date", "major")),
    Case("PeerkeyActorCrashLoop", alarm("actor-crashing", "major")),
    Case("PeerkeyActorCrashLoop", counter("peerkey_actor_crashes_total", INSTANCE, step=12), gone=RIGHT + 11),
    Case("PeerkeyActorFailed", alarm("actor-failed", "critical")),
    Case("PeerkeyNodeNotRunning", alarm("node", "critical")),
    Case("PeerkeyHostGone", alarm("machine", "critical")),
    Case("PeerkeyClusterLimited", alarm("cluster", "major")),
    Case(
        "PeerkeyStoreFailing",
        counter("peerkey_store_errors_total", f'{INSTANCE},operation="commit"'),
        gone=RIGHT + 6,
    ),
    Case(
        "PeerkeyMailboxFilling",
        (
            *gauge("peerkey_mailbox_depth", 3, 900, f'{INSTANCE},kind="PeerPath"'),
            *gauge("peerkey_mailbox_capacity", 1000, 1000, f'{INSTANCE},kind="PeerPath"'),
        ),
    ),
    Case(
        "PeerkeyEventLoopSlow",
        (
            *(
                (
                    f'peerkey_event_loop_lag_seconds_bucket{{{INSTANCE},le="0.1"}}',
                    "0+120x4 480x14 480+120x100",
                ),
            ),
            *((f'peerkey_event_loop_lag_seconds_bucket{{{INSTANCE},le="1.0"}}', "0+120x200"),),
            *((f'peerkey_event_loop_lag_seconds_bucket{{{INSTANCE},le="+Inf"}}', "0+120x200"),),
        ),
        gone=RIGHT + 7,
    ),
    Case("PeerkeyAuditLogLosesEvents", alarm("audit-log", "major")),
    Case("PeerkeyAuditLogLosesEvents", counter("peerkey_audit_events_lost_total", INSTANCE), gone=RIGHT + 16),
    Case("PeerkeyRestartNeeded", alarm("restart-needed", "major")),
    Case("PeerkeyDrained", alarm("node-drained", "minor")),
    Case("PeerkeyTargetDown", gauge("up", 1, 0, INSTANCE)),
    Case("PeerkeyActorsSilent", gauge("peerkey_up", 1, 0, INSTANCE)),
    Case("PeerkeyAbsent", ((f"peerkey_up{{{INSTANCE}}}", f"1x{WRONG - 1} stale _x13 1x100"),)),
    Case("PeerkeyMetricsLeftOut", gauge("peerkey_metrics_series_left_out", 0, 7, INSTANCE)),
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
#: It is there always.
UNCONDITIONAL = "PeerkeyDeadMan"


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
    assert {case.alert for case in CASES} == {alert.name for alert in ALERTS} - {UNCONDITIONAL}


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
def test_each_alert_is_there_within_its_time_and_gone_when_its_cause_is(tmp_path: Path) -> None:
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
                "promql_expr_test": [firing(by_name[UNCONDITIONAL], 1, there=True)],
            }
        ],
    }
    file = tmp_path / "cases.yml"
    file.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")

    run = subprocess.run(
        ["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False, timeout=120
    )

    assert run.returncode == 0, run.stdout + run.stderr


def judged(case: Case, alert: Alert) -> dict[str, object]:
    """Return a test in promtool's words: not there before its time, there after it, gone at last."""
    wait = int(alert.wait / timedelta(minutes=1))
    return {
        "name": case.alert,
        "interval": "1m",
        "input_series": [{"series": series, "values": values} for series, values in case.series],
        "promql_expr_test": [
            firing(alert, WRONG - 1, there=False),
            *([firing(alert, WRONG + wait - 1, there=False)] if wait else []),
            firing(alert, WRONG + wait + 2, there=True),
            firing(alert, case.gone, there=False),
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
