"""``docs/guides/quickstart.md`` works as it is written: its commands, in their order, say what it says."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.support.hosts import stop, wait_for

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guides" / "quickstart.md"
#: Each block of commands, and what the page says that it prints, where it does.
STEPS = re.findall(
    r"^```sh\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL
)
WITHIN_SECONDS = 90

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="platform: only on Linux is every address of 127.0.0.0/8 there"
)


def test_the_commands_of_the_quick_start_do_what_it_says(tmp_path: Path) -> None:
    said = []
    with ExitStack() as stack:
        operator = Operator(tmp_path)
        for commands, expected in STEPS:
            if commands.startswith("peerkey run"):
                for line in commands.splitlines():
                    stack.enter_context(operator.terminal(line))
            elif expected:
                said.append(expected)
                look = partial(operator.prints, commands, expected)
                wait_for(look, WITHIN_SECONDS, told=operator.story)
            else:
                assert operator.does(commands).returncode == 0, operator.story()

    assert len(STEPS) >= 9
    assert len(said) >= 4


# --- helpers --------------------------------------------------------------------------------------


class Operator:
    """Types what the page says into a directory, on addresses that no other run of the tests has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = random.Random(os.getpid()).randrange(16, 250)
        self.last: subprocess.CompletedProcess[str] | None = None
        here = folder / "bin"
        here.mkdir()
        (here / "peerkey").write_text(f'#!/bin/sh\nexec {sys.executable} -m peerkey_cli.main "$@"\n')
        (here / "peerkey").chmod(0o755)
        path = f"{here}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}

    def ours(self, text: str) -> str:
        """Move the addresses of the page."""
        return re.sub(r"\b127\.0\.0\.", f"127.{self.number}.0.", text)

    def does(self, commands: str) -> subprocess.CompletedProcess[str]:
        self.last = subprocess.run(
            ["bash", "-ec", self.ours(commands)],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=WITHIN_SECONDS,
            check=False,
        )
        return self.last

    def prints(self, commands: str, expected: str) -> bool:
        """Tell whether the commands end with what the page says: the same words, at other times."""
        done = self.does(commands)
        return done.returncode == 0 and plain(done.stdout).endswith(plain(self.ours(expected)))

    @contextmanager
    def terminal(self, line: str) -> Iterator[None]:
        """Leave a command in a terminal of its own; Ctrl-C ends it in the end."""
        log = (self.folder / f"{len(list(self.folder.glob('*.log')))}.log").open("wb")
        with log:
            process = subprocess.Popen(
                ["bash", "-ec", f"exec {line}"], cwd=self.folder, env=self.environment, stdout=log, stderr=log
            )
        try:
            yield
        finally:
            assert stop(process, signal.SIGINT) == 0

    def story(self) -> str:
        logs = "\n".join(each.read_text() for each in self.folder.glob("*.log"))
        return logs if self.last is None else f"{self.last.stdout}\n{self.last.stderr}\n{logs}"


def plain(text: str) -> str:
    """Return a text without what differs from run to run, and without the widths of columns."""
    return " ".join(re.sub(r"in \d+\.\d\d seconds|=+", "", text).split())
