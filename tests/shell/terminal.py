"""A person at a terminal: a real pseudo-terminal, and the screen that a person would see."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic

import pexpect
import pyte

#: How long anything may take to appear, on a machine that is busy.
WITHIN_SECONDS = 30.0
ENVIRONMENT = {"TERM": "xterm", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}


class Terminal:
    """A program on a terminal of its own."""

    def __init__(
        self,
        program: str,
        arguments: list[str],
        *,
        rows: int = 24,
        columns: int = 100,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        kept = {
            name: os.environ[name]
            for name in ("PATH", "PYTHONPATH", "COVERAGE_PROCESS_START")
            if name in os.environ
        }
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        #: Everything that was written, as it came.
        self.written = b""
        self.child: pexpect.spawn[bytes] = pexpect.spawn(
            program,
            arguments,
            env={**kept, **ENVIRONMENT, **(environment or {})},
            dimensions=(rows, columns),
            cwd=None if cwd is None else str(cwd),
            timeout=WITHIN_SECONDS,
        )

    def type(self, keys: str) -> None:
        """Press keys."""
        self.child.send(keys)

    def shows(self, *texts: str) -> str:
        """Wait until the screen shows each of these; return it."""
        self.until(lambda screen: all(text in screen for text in texts), f"{texts} to be shown")
        return self.text

    def ready(self, prompt: str = "# ") -> None:
        """Wait until the last line is a prompt and nothing else."""
        self.until(lambda screen: screen.rstrip("\n").endswith(prompt), f"the prompt {prompt!r}")

    def until(self, condition: Callable[[str], bool], what: str) -> None:
        """Wait until the screen is so."""
        end = monotonic() + WITHIN_SECONDS
        while not condition(self.text):
            assert monotonic() < end, f"waited for {what}:\n{self.text}"
            try:
                self.take(self.child.read_nonblocking(65_536, timeout=0.2))
            except pexpect.TIMEOUT:
                continue
            except pexpect.EOF:
                assert condition(self.text), f"ended before {what}:\n{self.text}"

    def take(self, content: bytes) -> None:
        """Let the screen obey what was written, and answer where it asks."""
        self.written += content
        self._stream.feed(content)
        # "Where is the cursor?", which prompt_toolkit asks before it draws.
        for _ in range(content.count(b"\x1b[6n")):
            self.child.send(f"\x1b[{self.screen.cursor.y + 1};{self.screen.cursor.x + 1}R")

    @property
    def text(self) -> str:
        """What the screen shows, up to the cursor with the blanks before it."""
        cursor = self.screen.cursor
        lines = [line.rstrip() for line in self.screen.display]
        lines[cursor.y] = lines[cursor.y].ljust(cursor.x)
        return "\n".join(lines)

    def ended(self) -> int:
        """Wait until the program has ended; return its exit status."""
        try:
            while True:
                self.take(self.child.read_nonblocking(65_536, timeout=WITHIN_SECONDS))
        except pexpect.EOF:
            self.child.close()
        assert self.child.exitstatus is not None, f"killed by {self.child.signalstatus}"
        return int(self.child.exitstatus)

    def close(self) -> None:
        """End whatever still runs."""
        self.child.close(force=True)


def peerkey(*words: object, rows: int = 24, environment: Mapping[str, str] | None = None) -> Terminal:
    """Run a command line of peerkey's on a terminal."""
    code = "from peerkey_cli.main import app; app(prog_name='peerkey')"
    return Terminal(sys.executable, ["-c", code, *map(str, words)], rows=rows, environment=environment)
