"""Each ``peerkey`` command of the guide and of the files of a deployment is one, with these options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from typer.main import get_command

from peerkey_cli.main import app
from tests.deploy.sources import ROOT, settings_of

GUIDE = (ROOT / "docs" / "guides" / "cluster.md").read_text("utf-8")


def _commands() -> Iterator[str]:
    yield from re.findall(r"^    (peerkey .+)$", GUIDE, re.MULTILINE)
    yield from re.findall(r"`(peerkey (?:show|reload) [^`]*)`", GUIDE)
    job = yaml.safe_load((ROOT / "deploy" / "kuberay" / "rayjob.yaml").read_text("utf-8"))
    yield job["spec"]["entrypoint"]
    settings = settings_of(ROOT / "deploy" / "systemd" / "cluster.env")
    settings["PEERKEY_ARGS"] = re.findall(r"'PEERKEY_ARGS=(.+?)'", GUIDE)[0]
    for path in sorted((ROOT / "deploy" / "systemd").glob("*.service")):
        text = path.read_text("utf-8").replace("\\\n", " ")
        for line in re.findall(r"^ExecStart=/opt/peerkey/bin/(peerkey .+)$", text, re.MULTILINE):
            yield re.sub(r"\$\{?(\w+)\}?", lambda found: settings[found[1]], line)


COMMANDS = sorted(set(_commands()))


@pytest.mark.parametrize("line", COMMANDS)
def test_the_command_is_one(line: str) -> None:
    words = shlex.split(line)[1:]
    command: Any = get_command(app)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]

    with command.make_context("peerkey", words) as context:
        assert context.params


def test_the_same_fleet_is_started_everywhere() -> None:
    starts = [shlex.split(line) for line in COMMANDS if "--runtime ray" in line]
    options = [{word for word in words if word.startswith("--")} for words in starts]

    assert len(starts) == 3
    assert options[0] == options[1] == options[2]


def test_there_is_something_to_check() -> None:
    assert len(COMMANDS) > 8
