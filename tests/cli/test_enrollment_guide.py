"""``docs/guides/enrollment.md`` tells the truth: its commands, its configuration, and what it explains."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from peerkey.config.load import load
from peerkey.config.planning import plans
from peerkey_cli.main import app
from tests.config.sample import with_policy

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "guides" / "enrollment.md").read_text("utf-8")
COMMANDS = re.findall(r"^    (peerkey .+)$", TEXT, re.MULTILINE)
#: The first column of the table of what it says.
LINES = [
    text for row in re.findall(r"^\| (`.+?) \|", TEXT, re.MULTILINE) for text in re.findall(r"`([^`]+)`", row)
]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_guide_is_one(line: str) -> None:
    words = shlex.split(line)[1:]
    command: Any = get_command(app)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]

    with command.make_context("peerkey", words) as context:
        assert context.params


def test_the_configuration_of_the_guide_is_one() -> None:
    (block,) = re.findall(r"```yaml\n(.+?)```", TEXT, re.DOTALL)
    profile = block.partition("ca-profile:\n")[2]
    settings = ", ".join(line.strip() for line in profile.splitlines())

    (plan, _) = plans(load(with_policy(f"ca-profile: {{{settings}}}"), "guide").authority)

    assert plan.enrollment is not None
    assert plan.enrollment.automatic


@pytest.mark.parametrize("text", LINES)
def test_a_line_that_the_guide_explains_is_one_that_is_said(text: str) -> None:
    said = "".join(
        re.sub(r'"\s+f?"', "", path.read_text("utf-8"))
        for folder in ("peerkey/pki", "peerkey_cli")
        for path in (ROOT / folder).glob("*.py")
    )
    known = re.sub(r": \d+|: \.\.\.$", "", text)

    assert re.fullmatch(r"\d+", text) or known in said


def test_the_guide_has_something_to_check() -> None:
    assert len(COMMANDS) > 5
    assert len(LINES) > 8
