"""What is below ``deploy/monitoring`` starts, fits together, listens on loopback, and has no password."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from boards.catalogue import BOARDS
from boards.grafana import DOCS_AT
from metrics import rules
from metrics.alerts import ALERTS, JOB, Alert
from metrics.panels import PANELS
from tests.deploy.sources import ROOT
from tests.deploy.strict import faults

FOLDER = ROOT / "deploy" / "monitoring"
GUIDE = (ROOT / "docs" / "guides" / "monitoring.md").read_text("utf-8")


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text("utf-8"))
    return found


COMPOSE, PROMETHEUS, ALERTMANAGER = (
    read(name) for name in ("compose.yaml", "prometheus.yml", "alertmanager/alertmanager.yml")
)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
KUBERNETES = {
    name: read(f"kubernetes/{name}.yaml") for name in ("prometheusrule", "service", "servicemonitor")
}
(DATASOURCE, ALERT_SOURCE) = read("grafana/provisioning/datasources/peerkey.yaml")["datasources"]

each_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)


# --- the compose file ---------------------------------------------------------------------------------


def _unknown(service: dict[str, Any]) -> None:
    service["read_onyl"] = True


def _no_number(service: dict[str, Any]) -> None:
    service["pids_limit"] = "many"


def _no_image(service: dict[str, Any]) -> None:
    service["image"] = "grafana grafana"


def test_the_compose_specification_takes_the_file() -> None:
    composed(COMPOSE)


@pytest.mark.parametrize("spoil", [_unknown, _no_number, _no_image])
def test_the_compose_specification_refuses_a_mistake(spoil: Callable[[dict[str, Any]], None]) -> None:
    spoiled = json.loads(json.dumps(COMPOSE))
    spoil(spoiled["services"]["grafana"])

    with pytest.raises(ValueError, match="line"):
        composed(spoiled)


@each_service
def test_a_service_may_do_nothing_but_its_work(service: dict[str, Any]) -> None:
    assert re.fullmatch(r"docker\.io/[a-z]+/[a-z]+:v?\d+\.\d+\.\d+", service["image"])
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service["user"].startswith(("0", "root"))
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert "privileged" not in service
    assert "ports" not in service


@each_service
def test_a_service_listens_on_loopback_alone(service: dict[str, Any]) -> None:
    given = [*service.get("command", ()), *(f"{k}={v}" for k, v in service.get("environment", {}).items())]
    listens = [each for each in given if "listen-address=" in each or each.startswith("GF_SERVER_HTTP_ADDR=")]

    assert service["network_mode"] == "host"
    assert listens
    for each in listens:
        address = each.partition("=")[2]
        # Without an address for others Alertmanager does not listen for them.
        assert address.startswith("127.0.0.1") or (address == "" and "cluster" in each)


@each_service
def test_what_a_service_reads_is_there_and_stays_as_it_is(service: dict[str, Any]) -> None:
    for mount in service["volumes"]:
        source, inside, *mode = mount.split(":")
        if source in COMPOSE["volumes"]:
            continue
        assert (FOLDER / source).exists(), mount
        assert inside.startswith("/")
        assert mode == ["ro"], mount


@each_service
def test_a_file_that_a_service_is_told_of_is_mounted(service: dict[str, Any]) -> None:
    words = " ".join(map(str, [*service.get("command", ()), *service.get("environment", {}).values()]))
    inside = [mount.split(":")[1] for mount in service["volumes"]]

    for path in re.findall(r"(?:=|^|\s)(/[\w./-]+)", words):
        assert any(path == place or path.startswith(f"{place}/") for place in inside), path


def test_nobody_has_a_password_and_nobody_may_change_anything() -> None:
    text = "\n".join(path.read_text("utf-8") for path in files() if path.suffix in {".yml", ".yaml"})
    grafana = SERVICES["grafana"]["environment"]

    assert not re.search(r"(?i)^[^#\n]*(password|secret_key|api_?key|token)[\w]*\s*[:=]", text, re.MULTILINE)
    assert grafana["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert grafana["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert grafana["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert grafana["GF_AUTH_BASIC_ENABLED"] == "false"


# --- Prometheus and Alertmanager ----------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("promtool") is None, reason="install promtool: apt install prometheus")
def test_promtool_takes_the_configuration_of_prometheus_with_its_rules() -> None:
    done = run("promtool", "check", "config", FOLDER / "prometheus.yml")

    assert done.returncode == 0, done.stderr
    assert "2 rule files found" in done.stdout


def test_prometheus_finds_every_machine_by_discovery_under_a_job_that_the_rules_know() -> None:
    (fleet, *_) = PROMETHEUS["scrape_configs"]

    assert re.fullmatch(JOB, fleet["job_name"])
    assert [each["url"] for each in fleet["http_sd_configs"]] == ["http://127.0.0.1:9128/targets"]
    assert PROMETHEUS["global"]["scrape_interval"] == rules.INTERVAL


def test_prometheus_asks_ray_where_somebody_says_that_there_is_one_under_a_job_of_no_fleet() -> None:
    (ray,) = (each for each in PROMETHEUS["scrape_configs"] if each["job_name"] == "ray")
    (config,) = ray["file_sd_configs"]
    mounts = dict(mount.split(":")[:2] for mount in SERVICES["prometheus"]["volumes"])

    (file,) = config["files"]
    assert not read(file)
    assert mounts["./targets"] == "/etc/prometheus/targets"
    assert not re.fullmatch(JOB, ray["job_name"])
    # The example in it is of the port that Ray is given.
    started = (ROOT / "cluster.yaml").read_text("utf-8")
    (port,) = set(re.findall(r"--metrics-export-port=(\d+)", started))
    assert f'"192.0.2.10:{port}"' in (FOLDER / file).read_text("utf-8")


def test_prometheus_keeps_what_a_service_level_needs() -> None:
    (days,) = (
        int(found[1])
        for word in SERVICES["prometheus"]["command"]
        if (found := re.fullmatch(r"--storage\.tsdb\.retention\.time=(\d+)d", word))
    )

    assert days > 30


def test_each_is_asked_where_it_listens() -> None:
    addresses = {
        name: next(
            word.partition("=")[2]
            for word in SERVICES[name]["command"]
            if word.startswith("--web.listen-address")
        )
        for name in ("prometheus", "alertmanager")
    }

    assert DATASOURCE["url"] == f"http://{addresses['prometheus']}"
    assert ALERT_SOURCE["url"] == f"http://{addresses['alertmanager']}"
    (told,) = PROMETHEUS["alerting"]["alertmanagers"]
    assert told["static_configs"] == [{"targets": [addresses["alertmanager"]]}]


needs_amtool = pytest.mark.skipif(
    shutil.which("amtool") is None, reason="install amtool: apt install prometheus-alertmanager"
)


@needs_amtool
def test_amtool_takes_the_configuration_of_alertmanager() -> None:
    done = run("amtool", "check-config", FOLDER / "alertmanager" / "alertmanager.yml")

    assert done.returncode == 0, done.stdout + done.stderr


@needs_amtool
def test_an_alert_goes_to_whom_its_severity_concerns() -> None:
    receivers = {
        "critical": "pager",
        "major": "tickets",
        "minor": "digest",
        "warning": "digest",
        "none": "dead-man",
    }
    for alert in ALERTS:
        severity = "none" if alert.severity is None else alert.severity.value
        done = run(
            "amtool",
            "config",
            "routes",
            "test",
            f"--config.file={FOLDER / 'alertmanager' / 'alertmanager.yml'}",
            f"--verify.receivers={receivers[severity]}",
            f"alertname={alert.name}",
            f"severity={severity}",
            "job=peerkey",
        )
        assert done.returncode == 0, f"{alert.name}: {done.stdout}{done.stderr}"


def test_alertmanager_speaks_of_alerts_that_there_are() -> None:
    named = {alert.name for alert in ALERTS}
    matchers = [
        matcher
        for rule in ALERTMANAGER["inhibit_rules"]
        for matcher in (*rule["source_matchers"], *rule["target_matchers"])
    ] + [matcher for route in ALERTMANAGER["route"]["routes"] for matcher in route["matchers"]]
    for matcher in matchers:
        label, operator, value = re.fullmatch(r"(\w+) (=~|!~|!=|=) \"?([^\"]+)\"?", matcher).groups()  # type: ignore[union-attr]
        if label == "alertname":
            for each in value.split("|"):
                assert [name for name in named if re.fullmatch(each, name)], matcher
        assert operator


def test_the_dead_man_is_silenced_by_nothing() -> None:
    for rule in ALERTMANAGER["inhibit_rules"]:
        # It has neither of them, and an alert without a label is not of the same job as one with it.
        assert {"job"} <= set(rule["equal"])


# --- Grafana ------------------------------------------------------------------------------------------


def test_grafana_finds_the_boards_and_what_they_ask() -> None:
    (provider,) = read("grafana/provisioning/dashboards/peerkey.yaml")["providers"]
    mounts = dict(mount.split(":")[:2] for mount in SERVICES["grafana"]["volumes"])

    assert provider["options"]["path"] == mounts["./grafana/dashboards"]
    assert provider["allowUiUpdates"] is False
    assert DATASOURCE["type"] == "prometheus"
    assert DATASOURCE["isDefault"] is True
    assert DATASOURCE["jsonData"]["alertmanagerUid"] == ALERT_SOURCE["uid"]
    assert DATASOURCE["jsonData"]["timeInterval"] == PROMETHEUS["global"]["scrape_interval"]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (FOLDER / "grafana" / "dashboards" / Path(home).name).exists()


@pytest.mark.parametrize(
    ("file", "lists", "words"),
    [
        (
            "datasources",
            {"datasources", "deleteDatasources", "prune"},
            {
                "name",
                "type",
                "access",
                "orgId",
                "uid",
                "url",
                "user",
                "database",
                "basicAuth",
                "basicAuthUser",
            }
            | {"withCredentials", "isDefault", "jsonData", "secureJsonData", "version", "editable"},
        ),
        (
            "dashboards",
            {"providers"},
            {"name", "orgId", "type", "folder", "folderUid", "disableDeletion", "updateIntervalSeconds"}
            | {"allowUiUpdates", "options"},
        ),
    ],
)
def test_grafana_is_provisioned_in_words_that_it_knows(file: str, lists: set[str], words: set[str]) -> None:
    """Hold the files to what Grafana documents: it leaves out in silence what it does not know."""
    document = read(f"grafana/provisioning/{file}/peerkey.yaml")

    assert document.keys() <= lists | {"apiVersion"}
    assert document["apiVersion"] == 1
    for name in document.keys() & {"datasources", "providers"}:
        for entry in document[name]:
            assert entry.keys() <= words


def test_the_runbooks_are_where_the_boards_look_for_them() -> None:
    mounts = dict(mount.split(":")[:2] for mount in SERVICES["grafana"]["volumes"])

    assert mounts["../../docs"] == f"/usr/share/grafana{DOCS_AT}/docs"


# --- Kubernetes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("manifest", KUBERNETES.values(), ids=KUBERNETES)
def test_a_strict_server_takes_the_manifest(manifest: dict[str, Any]) -> None:
    assert faults(manifest) == []
    assert manifest["metadata"]["namespace"] == "peerkey"


def test_a_strict_server_refuses_a_rule_with_an_unknown_word() -> None:
    spoiled = json.loads(json.dumps(KUBERNETES["prometheusrule"]))
    spoiled["spec"]["groups"][0]["rules"][0]["fro"] = "1m"

    assert faults(spoiled) == ["PrometheusRule.spec.groups.0.rules.0.fro: Rule has no such field"]


def test_the_rules_of_kubernetes_are_those_of_prometheus() -> None:
    """Run ``python docs/metrics_document.py`` if this fails."""
    assert (FOLDER / "kubernetes" / "prometheusrule.yaml").read_text("utf-8") == rules.resource()
    groups = [group for text in rules.files().values() for group in yaml.safe_load(text)["groups"]]
    assert KUBERNETES["prometheusrule"]["spec"]["groups"] == groups


def test_the_service_monitor_finds_the_service_and_calls_the_job_peerkey() -> None:
    service, monitor = KUBERNETES["service"], KUBERNETES["servicemonitor"]["spec"]

    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert [each["port"] for each in monitor["endpoints"]] == [
        each["name"] for each in service["spec"]["ports"]
    ]
    assert re.fullmatch(JOB, service["metadata"]["labels"][monitor["jobLabel"]])


def test_no_pod_is_found_by_the_pod_monitor_of_kuberay_and_by_the_service() -> None:
    selector = KUBERNETES["service"]["spec"]["selector"]
    for path in (ROOT / "deploy" / "kuberay").glob("*.yaml"):
        assert "peerkey/metrics" not in path.read_text("utf-8")
    assert selector["peerkey/metrics"] == "service"


def test_kustomize_is_told_of_every_board_and_every_manifest() -> None:
    kustomization = read("kustomization.yaml")
    (boards,) = kustomization["configMapGenerator"]

    assert {Path(name).stem for name in kustomization["resources"]} == set(KUBERNETES)
    assert {Path(name).stem for name in boards["files"]} == {board.uid for board in BOARDS}
    assert all((FOLDER / name).is_file() for name in [*kustomization["resources"], *boards["files"]])


def test_the_boards_fit_into_one_config_map() -> None:
    size = sum(path.stat().st_size for path in (FOLDER / "grafana" / "dashboards").iterdir())

    # etcd takes no object of more than a mebibyte.
    assert size < 1024 * 1024 * 0.9


def test_the_guide_names_numbers_and_tables_that_there_are() -> None:
    titles = {panel.title for board in BOARDS for panel in board.panels}
    rows = re.findall(r"^\| (?:a|the) [^|]* \| ([^|]*) \| ([^|]*) \|$", GUIDE, re.MULTILINE)

    assert len(rows) == 6
    for numbers, tables in rows:
        assert set(numbers.split(", ")) <= titles
        for named in tables.split("; "):
            assert any(title.startswith(named.partition(":")[0].rstrip(" …")) for title in titles), named


# --- the guide ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_the_guide_says_where_an_alert_is_seen_and_what_to_do(alert: Alert) -> None:
    page = alert.runbook.removeprefix("docs/")
    if alert.severity is None:
        assert f"`{alert.name}`" in GUIDE
        return
    uid, number = PANELS[alert.name]
    (title,) = (panel.title for b in BOARDS if b.uid == uid for panel in b.panels if panel.number == number)

    row = f"| `{alert.name}` | {alert.severity.value} | {uid}: {title} | [{page}](../{page}) |"
    assert row in GUIDE.splitlines()


# --- helpers ------------------------------------------------------------------------------------------


def composed(document: dict[str, Any]) -> None:
    """Read a compose file as the specification says; raise where it does not."""
    if sys.platform != "linux" or find_spec("compose_spec") is None:
        pytest.skip("platform: there is no wheel of compose-spec for this machine")
    importlib.import_module("compose_spec").PyCompose.from_json(json.dumps(document))


def files() -> list[Path]:
    return [path for path in FOLDER.rglob("*") if path.is_file()]


def run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, timeout=60
    )
