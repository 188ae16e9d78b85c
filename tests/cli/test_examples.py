"""The pages of the examples work as they are written: the test runs their commands, in their order."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.hosts import wait_for

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
#: The commands run in the example's folder, and are those of this working tree.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="platform: only on Linux is every address of 127.0.0.0/8 there"
)


@pytest.mark.parametrize(
    ("name", "shown"), [("two-routers", [2, 1]), ("hub-and-branches", [16]), ("ha-pair", [2])]
)
def test_the_commands_of_an_examples_page_key_every_peering(
    name: str, shown: list[int], tmp_path: Path
) -> None:
    with Terminals(copied(name, tmp_path)).open() as terminals:
        for command in commands(name):
            terminals.type(command)

    assert terminals.peerings == shown
    assert terminals.errors() == ""


class Terminals:
    """What an operator has open: one terminal for each ``peerkey run``, and one for everything else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        #: How many peerings each ``show`` had to show; every path was up.
        self.peerings: list[int] = []

    @contextmanager
    def open(self) -> Iterator[Terminals]:
        try:
            yield self
        finally:
            self.stop(*self.running)

    def type(self, command: str) -> None:
        """Do what an operator does with a command of the page."""
        words = shlex.split(command)
        if words[:2] == ["peerkey", "run"]:
            self.run(words)
        elif words[0] in {"sed", "python"} or ">" in words:
            self.shell(command)
        elif words[:3] == ["peerkey", "show", "peers"]:
            wait_for(lambda: self.all_up(words), 60)
        elif words[0] != "cd":
            done = self.peerkey(words)
            assert done.returncode == 0, done.stderr

    def shell(self, command: str) -> None:
        """Let the shell do what needs one."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        subprocess.run(
            ["sh", "-ec", command], cwd=self.folder, env={**ENVIRONMENT, "PATH": path}, check=True, timeout=60
        )

    def run(self, words: list[str]) -> None:
        """Start a system in a terminal of its own, in the place of one that runs every node."""
        node = words[words.index("--node") + 1] if "--node" in words else "all"
        self.stop(*(each for each in self.running if "all" in {each, node}))
        with (self.folder / f"{node.replace('/', '-')}.log").open("wb") as log:
            self.running[node] = subprocess.Popen(
                called(words), cwd=self.folder, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stderr=log
            )

    def all_up(self, words: list[str]) -> bool:
        """Tell whether a ``show`` says that every path is up; remember of how many peerings."""
        done = self.peerkey([*words, "--json"])
        if done.returncode == 3:  # it has not started to listen yet
            return False
        assert done.returncode == 0, done.stderr
        peers = json.loads(done.stdout)["peers"]
        if not peers or any(peer["status"] != "up" for peer in peers):
            return False
        self.peerings.append(len(peers))
        return True

    def peerkey(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            called(words),
            cwd=self.folder,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def stop(self, *nodes: str) -> None:
        """End systems as the terminal does, and expect them to end well."""
        stopped = [self.running.pop(node) for node in nodes]
        for process in stopped:
            process.send_signal(signal.SIGINT)
        assert [process.wait(30) for process in stopped] == [0] * len(stopped)

    def errors(self) -> str:
        """Return what the systems logged of errors."""
        lines = [line for log in self.folder.glob("*.log") for line in log.read_text().splitlines()]
        return "\n".join(line for line in lines if json.loads(line)["level"] in {"error", "critical"})


def commands(name: str) -> list[str]:
    """Return the commands of an example's page."""
    page = (EXAMPLES / name / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    found = [line for line in lines if line and not line.startswith("#")]
    assert found[0] == f"cd examples/{name}"
    return found[1:]


def copied(name: str, folder: Path) -> Path:
    """Copy an example's configuration to addresses of its own, so that two test runs do not meet."""
    text = (EXAMPLES / name / "authority.yaml").read_text(encoding="utf-8")
    ours = random.Random(os.getpid()).randrange(16, 250)
    moved = re.sub(r"\b127\.(\d)\.0\.(\d)\b", rf"127.{ours}.10\1.\2", text)
    assert moved != text
    (folder / "authority.yaml").write_text(moved, encoding="utf-8")
    for program in (EXAMPLES / name).glob("*.py"):
        (folder / program.name).write_text(program.read_text(encoding="utf-8"), encoding="utf-8")
    return folder


def called(words: list[str]) -> list[str]:
    """Return the words that start the command of this working tree."""
    return [sys.executable, "-m", "peerkey_cli.main", *words[1:]]
