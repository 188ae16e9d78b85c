"""``deploy/kubernetes`` has one router in a pod, which is asked how it is by words that are understood."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from typer.main import get_command

from peerkey_cli import probe
from peerkey_cli.main import app
from tests.deploy.sources import ROOT
from tests.deploy.strict import faults

MANIFEST: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "router.yaml").read_text("utf-8"))
POD = MANIFEST["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]


def test_a_strict_server_takes_the_manifest() -> None:
    assert faults(MANIFEST) == []


@pytest.mark.parametrize(
    ("name", "question"),
    [("startupProbe", "ready"), ("readinessProbe", "ready"), ("livenessProbe", "health")],
)
def test_each_probe_asks_its_question_and_waits_longer_than_an_answer_may_take(
    name: str, question: str
) -> None:
    asked = CONTAINER[name]

    program, *words = asked["exec"]["command"]
    assert (program, *words[:3]) == ("python", "-m", "peerkey_cli.probe", question)
    assert words[3:] == CONTAINER["args"][-2:]
    assert asked["timeoutSeconds"] > probe.ANSWER_WITHIN_SECONDS


def test_the_container_runs_a_command_that_is_one() -> None:
    run = get_command(app).commands["run"]  # type: ignore[attr-defined] # of a group

    with run.make_context("peerkey run", CONTAINER["args"][1:]) as context:
        assert context.params["node"] == ["east/node0"]


def test_one_process_at_a_time_has_the_node_and_it_may_do_little() -> None:
    assert MANIFEST["spec"]["replicas"] == 1
    assert POD["automountServiceAccountToken"] is False
    assert CONTAINER["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert CONTAINER["securityContext"]["readOnlyRootFilesystem"] is True
