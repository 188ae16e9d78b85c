"""How far a simulation has come, told on a terminal's standard error and nowhere else."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Self

from peerkey_cli.terminal import watched

if TYPE_CHECKING:
    from types import TracebackType

#: Seconds between two updates.
_UPDATE_SECONDS: Final = 0.2
_CLEAR: Final = "\r\x1b[K"


class Progress:
    """A line that says how much virtual time has passed."""

    def __init__(self, lasts: timedelta, *, json: bool = False) -> None:
        """Expect ``lasts`` of virtual time; ``json`` says that a program may wait for the document."""
        self._lasts = lasts
        self._shown = watched(json=json)
        self._updated = 0.0

    def __enter__(self) -> Self:
        """Begin to measure."""
        self._started = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave no line behind."""
        if self._shown:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()

    def elapsed(self) -> timedelta:
        """Return how much real time has passed."""
        return timedelta(seconds=time.perf_counter() - self._started)

    def passed(self, virtual: timedelta) -> None:
        """Show how far the run has come."""
        day = timedelta(days=1)
        self._show(f"{virtual / day:.1f} of {self._lasts / day:.1f} virtual days")

    def shortened(self, runs: int, faults: int) -> None:
        """Show how far the search for the faults that matter has come."""
        self._show(f"a violation: {faults} faults are left after {runs} shorter runs")

    def _show(self, text: str) -> None:
        now = time.perf_counter()
        if self._shown and now - self._updated >= _UPDATE_SECONDS:
            self._updated = now
            sys.stderr.write(f"{_CLEAR}{text}")
            sys.stderr.flush()
