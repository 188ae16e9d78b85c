"""That something is going on: a line at the foot of a terminal while a command works, gone when it is done.

::

    with working("Making a private key") as line:
        …
        line.now("Signing it")      # what is going on now

It appears only once the work has taken :data:`PATIENCE_SECONDS`, tells how long it has taken, and leaves
nothing behind. It goes to standard error, and only where both that and standard output are terminals: what a
program reads, or a file keeps, is never interspersed with it.
"""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Final, Self, TextIO

from peerkey_cli.files import STANDARD_INPUT
from peerkey_cli.terminal import printable, terminal_columns, watched

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

#: What takes no longer needs no explanation.
PATIENCE_SECONDS: Final = 0.7
_UPDATE_SECONDS: Final = 0.2
_CLEAR: Final = "\r\x1b[K"


class Working:
    """See the module, and :func:`working`."""

    def __init__(self, text: str, stream: TextIO | None, patience: float = PATIENCE_SECONDS) -> None:
        """Show ``text`` on ``stream``; nothing where there is none."""
        self._text = text
        self._stream = stream
        self._patience = patience
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Begin to wait for the work to take long."""
        if self._stream is not None:
            self._thread = threading.Thread(target=self._show, name="working", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave no line behind."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def now(self, text: str) -> None:
        """Say what is going on now."""
        self._text = text

    def _show(self) -> None:
        stream, began = self._stream, monotonic()
        if stream is None or self._over.wait(self._patience):
            return
        # A terminal that goes away takes the line with it, and nothing else.
        with suppress(OSError, ValueError):
            while True:
                line = f"{printable(self._text)}… {monotonic() - began:.0f} s"
                stream.write(f"{_CLEAR}{line[: terminal_columns() - 1]}")
                stream.flush()
                if self._over.wait(_UPDATE_SECONDS):
                    break
            stream.write(_CLEAR)
            stream.flush()


def working(text: str, files: Iterable[str] = ()) -> Working:
    """Return what tells of work while the block lasts, where somebody sees it.

    ``files`` are those that the work reads. Where one is standard input, somebody may be typing it, and
    nothing is told.
    """
    seen = watched(json=True) and STANDARD_INPUT not in files
    return Working(text, sys.stderr if seen else None)
