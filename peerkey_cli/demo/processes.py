"""The processes of a demonstration: each is a ``peerkey run`` with its own state, asked by its admin API.

::

    with NodeProcess("node0", file, ["hub/node0"], state) as process:
        process.start()
        process.client.get("ha", HaNodes)
        process.kill()              # SIGKILL; start() begins it anew

Each is in a process group of its own, so that a terminal's Ctrl-C reaches the demonstration alone, which ends
them; and none outlives the demonstration (:mod:`peerkey_cli.demo.companion`).
"""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self

from peerkey_cli.client import Client
from peerkey_cli.demo.failed import DemoFailed
from peerkey_cli.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from peerkey_cli.state import StateDirectory

#: How long a process may take to stop after it was asked to, in seconds; then it is killed.
_STOP_WITHIN: Final = 20.0
#: Of the log of a process that has ended, as much is read.
_TAIL_BYTES: Final = 4_096


class NodeProcess:
    """One process, which may be started, killed and started again."""

    def __init__(
        self, name: str, file: Path, nodes: Sequence[str], state: StateDirectory, *more: str
    ) -> None:
        """Stand for the process ``name`` that runs ``nodes`` of the configuration ``file``.

        ``more`` is what else is said to ``peerkey run``.
        """
        self.name = name
        self.client = Client(state.socket)
        self._state = state
        self._arguments = ["run", str(file), "--state-dir", str(state.path)]
        self._arguments += [word for node in nodes for word in ("--node", node)]
        self._arguments += more
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Begin without a process."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process, if there is one."""
        process = self._process
        if process is None:
            return
        with process:
            process.terminate()
            try:
                process.wait(_STOP_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()

    @property
    def log(self) -> Path:
        """Where the process writes."""
        return self._state.path.with_suffix(".log")

    @property
    def pid(self) -> int:
        """The process id; 0 before there is one."""
        return 0 if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process; it answers a moment later."""
        self._state.path.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, with words of our own
                [sys.executable, "-m", "peerkey_cli.demo.companion", *self._arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    def stop_soon(self) -> None:
        """Ask the process to stop, and do not wait for it."""
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> datetime:
        """Kill the process with SIGKILL; return when it was still alive last.

        :raises DemoFailed: it has ended in another way.
        """
        self.check()
        alive = datetime.now(UTC)
        if self._process is not None:
            with self._process as process:
                process.kill()
            if process.returncode != -signal.SIGKILL:
                message = f"{self.name} ended with {process.returncode} before it could be killed"
                raise DemoFailed(message)
            self._process = None
        return alive

    def check(self) -> None:
        """See that the process has not ended by itself.

        :raises DemoFailed: it has; with the last line of its log.
        """
        status = None if self._process is None else self._process.poll()
        if status is None:
            return
        lines = self.log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").splitlines()
        message = f"the process of {self.name} ended with {status}: {printable(lines[-1]) if lines else ''}"
        raise DemoFailed(message)
