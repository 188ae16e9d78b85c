"""What is below ``deploy/kuberay`` is valid and complete, and lets nobody do more than is needed."""

from __future__ import annotations

import copy
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import yaml

from metrics.alerts import JOB
from peerkey.config.load import load
from peerkey.config.planning import plans
from runtime.store.redis_examination import SETTINGS
from tests.deploy.sources import ROOT, settings_of
from tests.deploy.strict import faults

FOLDER = ROOT / "deploy" / "kuberay"
Manifest = dict[str, Any]


def _read(name: str) -> list[Manifest]:
    return list(yaml.safe_load_all((FOLDER / name).read_text("utf-8")))


LISTED: list[str] = _read("kustomization.yaml")[0]["resources"]
DEPLOYED = [manifest for name in [*LISTED, "rayjob.yaml"] for manifest in _read(name)]


def _name(manifest: Manifest) -> str:
    named = manifest["metadata"]
    return f"{manifest['kind']}-{named.get('name', named.get('generateName'))}"


def _one(kind: str, name: str = "peerkey") -> Manifest:
    return copy.deepcopy(
        next(m for m in DEPLOYED if m["kind"] == kind and _name(m).startswith(f"{kind}-{name}"))
    )


def _pods() -> dict[str, Manifest]:
    """Return each template of a pod, by what it is of."""
    cluster, job = _one("RayCluster")["spec"], _one("RayJob")["spec"]
    return {
        "head": cluster["headGroupSpec"]["template"],
        **{f"group {group['groupName']}": group["template"] for group in cluster["workerGroupSpecs"]},
        "submitter": job["submitterPodTemplate"],
        "redis": _one("StatefulSet")["spec"]["template"],
    }


PODS = _pods()
#: What the operator adds to the pods of a cluster.
CLUSTER = {"ray.io/cluster": "peerkey"}


@pytest.mark.parametrize("manifest", DEPLOYED, ids=_name)
def test_a_strict_server_takes_the_manifest(manifest: Manifest) -> None:
    assert faults(manifest) == []


def _unknown_in_a_container(cluster: Manifest) -> None:
    cluster["spec"]["headGroupSpec"]["template"]["spec"]["containers"][0]["enviroment"] = []


def _a_number_for_a_parameter(cluster: Manifest) -> None:
    cluster["spec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] = 0


def _another_mode(cluster: Manifest) -> None:
    cluster["spec"]["authOptions"]["mode"] = "tokens"


def _no_address_of_redis(cluster: Manifest) -> None:
    del cluster["spec"]["gcsFaultToleranceOptions"]["redisAddress"]


def _unknown_of_a_group(cluster: Manifest) -> None:
    cluster["spec"]["workerGroupSpecs"][0]["minimum"] = 1


def _a_name_for_a_port(cluster: Manifest) -> None:
    cluster["spec"]["headGroupSpec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] = "gcs"


@pytest.mark.parametrize(
    ("spoil", "place"),
    [
        (_unknown_in_a_container, "containers[0].enviroment"),
        (_a_number_for_a_parameter, "rayStartParams.num-cpus"),
        (_another_mode, "authOptions.mode"),
        (_no_address_of_redis, "gcsFaultToleranceOptions.redisAddress"),
        (_unknown_of_a_group, "workerGroupSpecs.0.minimum"),
        (_a_name_for_a_port, "ports[0].containerPort"),
    ],
)
def test_a_strict_server_refuses_a_mistake(spoil: Callable[[Manifest], None], place: str) -> None:
    cluster = _one("RayCluster")

    spoil(cluster)

    # The machines of the cluster share one template, so that one mistake is found in each.
    found = faults(cluster)
    assert found
    assert all(place in fault for fault in found)


def test_the_example_of_a_secret_cannot_be_deployed_by_mistake() -> None:
    secrets = _read("secret.yaml")

    assert "secret.yaml" not in LISTED
    for secret in secrets:
        assert len(faults(secret)) == len(secret["data"])


def test_kustomize_takes_the_folder() -> None:
    if shutil.which("kubectl") is None:
        files = {path.name for path in FOLDER.glob("*.yaml")}
        assert set(LISTED) <= files
        return
    done = subprocess.run(
        ["kubectl", "kustomize", FOLDER], capture_output=True, text=True, timeout=60, check=True
    )

    assert len(list(yaml.safe_load_all(done.stdout))) == len(DEPLOYED) - 1


def test_everything_stands_in_one_namespace() -> None:
    assert {m["metadata"].get("namespace", "peerkey") for m in DEPLOYED} == {"peerkey"}


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_a_pod_is_held_to_the_strictest_standard(pod: Manifest) -> None:
    spec = pod["spec"]

    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert (
            container["resources"]["requests"].keys()
            == container["resources"]["limits"].keys()
            == {"cpu", "memory"}
        )
        assert not container["image"].endswith(":latest")


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_what_a_pod_mounts_is_a_volume_of_it_with_a_bound(pod: Manifest) -> None:
    spec = pod["spec"]
    claims = {c["metadata"]["name"] for c in _one("StatefulSet")["spec"]["volumeClaimTemplates"]}
    volumes = {volume["name"]: volume for volume in spec["volumes"]}

    mounted = {
        m["name"] for c in [*spec.get("initContainers", []), *spec["containers"]] for m in c["volumeMounts"]
    }

    assert mounted - claims == volumes.keys()
    assert all(volume["emptyDir"]["sizeLimit"] for volume in volumes.values() if "emptyDir" in volume)


def test_what_pods_read_is_a_secret_or_a_configuration_that_is_told_of() -> None:
    known = {
        (m["kind"], m["metadata"]["name"]): m["data"].keys()
        for m in [*DEPLOYED, *_read("secret.yaml")]
        if m["kind"] in {"Secret", "ConfigMap"}
    }

    asked = [found for m in DEPLOYED for found in _references(m)]

    assert len(asked) > 10
    for kind, name, keys in asked:
        assert keys <= known[kind, name]


def _references(node: Any) -> Iterator[tuple[str, str, set[str]]]:  # noqa: ANN401 - any YAML
    """Yield each secret and configuration that a manifest asks for, and the keys of it."""
    if isinstance(node, list):
        for item in node:
            yield from _references(item)
    if not isinstance(node, Mapping):
        return
    for name, value in node.items():
        if name == "secretKeyRef":
            yield "Secret", value["name"], {value["key"]}
        elif name == "secret":
            yield "Secret", value["secretName"], {item["key"] for item in value.get("items", [])}
        elif name == "configMap":
            yield "ConfigMap", value["name"], set()
        else:
            yield from _references(value)


def test_the_configuration_of_the_fleet_has_no_fault() -> None:
    loaded = load(_one("ConfigMap", "peerkey-config")["data"]["authority.yaml"], "authority.yaml")

    named = {
        f.split("/")[-1] for plan in plans(loaded.authority) for f in re.findall(r"pki/[\w.-]+", repr(plan))
    }
    (pki,) = (s for s in _read("secret.yaml") if s["metadata"]["name"] == "peerkey-pki")
    assert named == pki["data"].keys()


def test_redis_is_one_that_the_store_accepts() -> None:
    lines = _one("ConfigMap", "peerkey-redis-config")["data"]["redis.conf"].splitlines()
    settings = dict(line.split(maxsplit=1) for line in lines)

    assert settings.items() >= SETTINGS.items()
    assert settings["port"] == "0"
    assert _one("StatefulSet")["spec"]["replicas"] == 1


def test_the_health_checks_of_ray_are_those_of_every_other_cluster() -> None:
    (container,) = PODS["head"]["spec"]["containers"]
    given = {entry["name"]: entry.get("value") for entry in container["env"]}
    wanted = settings_of(ROOT / "deploy" / "ray" / "ray.env")

    health = {name: value for name, value in wanted.items() if name.startswith("RAY_health_check")}

    assert len(health) == 4
    assert given.items() >= health.items()


def test_nobody_may_talk_to_anybody_unless_it_is_said() -> None:
    policy = _one("NetworkPolicy", "default-deny")

    assert policy["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_whoever_is_named_by_a_policy_or_a_budget_is_a_pod() -> None:
    labels = [_labels(name) for name in PODS]
    selectors = [m["spec"]["podSelector"] for m in DEPLOYED if m["kind"] == "NetworkPolicy"]
    selectors += [
        m["spec"]["selector"] for m in DEPLOYED if m["kind"] in {"PodDisruptionBudget", "PodMonitor"}
    ]
    for policy in (m for m in DEPLOYED if m["kind"] == "NetworkPolicy"):
        rules = [*policy["spec"].get("ingress", []), *policy["spec"].get("egress", [])]
        ends = [end for rule in rules for end in (*rule.get("from", []), *rule.get("to", []))]
        selectors += [end["podSelector"] for end in ends if "namespaceSelector" not in end]

    assert len(selectors) > 10
    for selector in selectors:
        wanted = selector.get("matchLabels", {}).items()
        assert any(wanted <= pod.items() for pod in labels), selector


def test_what_one_pod_may_ask_the_other_may_answer() -> None:
    for name, asked, port in [
        ("submitter", "head", 8265),
        ("head", "redis", 6379),
        ("group router", "redis", 6379),
        ("group router", "head", 6379),
        ("head", "group router", 10500),
    ]:
        assert _allowed("egress", "to", _labels(name), _labels(asked), port), (name, asked)
        assert _allowed("ingress", "from", _labels(asked), _labels(name), port), (name, asked)
    for name, asked, port in [
        ("submitter", "redis", 6379),
        ("redis", "head", 6379),
        ("submitter", "head", 6379),
    ]:
        assert not _allowed("egress", "to", _labels(name), _labels(asked), port), (name, asked)
        assert not _allowed("ingress", "from", _labels(asked), _labels(name), port), (name, asked)


def test_the_ports_that_ray_is_given_are_those_that_are_let_through() -> None:
    cluster = _one("RayCluster")["spec"]
    for parameters in [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]:
        for name, value in parameters["rayStartParams"].items():
            # Prometheus alone asks for the metrics, and is not in the namespace.
            if name.endswith("-port") and name != "metrics-export-port":
                assert _allowed("ingress", "from", _labels("head"), _labels("group router"), int(value)), name


def test_prometheus_may_ask_the_ports_that_are_monitored() -> None:
    endpoints = _one("PodMonitor")["spec"]["podMetricsEndpoints"]
    named = {p["name"]: p["containerPort"] for p in PODS["head"]["spec"]["containers"][0]["ports"]}
    port, of_ray = (named[endpoint["port"]] for endpoint in endpoints)
    (rule,) = (
        rule
        for rule in _one("NetworkPolicy", "cluster")["spec"]["ingress"]
        if "monitoring" in str(rule["from"][0].get("namespaceSelector"))
    )

    assert {entry["port"] for entry in rule["ports"]} == {port, of_ray}
    assert f"--metrics 0.0.0.0:{port}" in _one("RayJob")["spec"]["entrypoint"]
    head = _one("RayCluster")["spec"]["headGroupSpec"]
    assert head["rayStartParams"]["metrics-export-port"] == str(of_ray)


def test_what_ray_tells_is_of_no_fleet() -> None:
    _, of_ray = _one("PodMonitor")["spec"]["podMetricsEndpoints"]
    (job,) = (each["replacement"] for each in of_ray["relabelings"] if each["targetLabel"] == "job")

    assert not re.fullmatch(JOB, job)


def _labels(pod: str) -> dict[str, str]:
    labels: dict[str, str] = dict(PODS[pod]["metadata"]["labels"])
    if pod == "head" or pod.startswith("group"):
        labels |= CLUSTER | {"ray.io/node-type": "head" if pod == "head" else "worker"}
    return labels


def _allowed(direction: str, end: str, pod: dict[str, str], other: dict[str, str], port: int) -> bool:
    """Tell whether a policy lets a pod and another one of the namespace talk on a port."""
    return any(
        pod.items() >= policy["spec"]["podSelector"].get("matchLabels", {}).items()
        and any(
            "namespaceSelector" not in e and other.items() >= e["podSelector"]["matchLabels"].items()
            for e in rule[end]
        )
        and any(p["port"] <= port <= p.get("endPort", p["port"]) for p in rule["ports"])
        for policy in DEPLOYED
        if policy["kind"] == "NetworkPolicy"
        for rule in policy["spec"].get(direction, [])
    )
