"""Standard output of one command in the shell: through the filters of its line, a screen at a time.

A :class:`Printed` stands in the place of ``sys.stdout`` while the command runs. Lines leave as they come. Who
has seen enough of them ends the reading, never the command: it may be in the midst of a change.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import termios
import tty
from typing import TYPE_CHECKING, Any, Final, TextIO

from peerkey_cli.shell.paging import Page, question

if TYPE_CHECKING:
    from collections.abc import Callable

    from peerkey_cli.shell.pipes import Filtered

_ERASE: Final = "\r\x1b[K"
#: What is shown where a terminal tells no size.
_ORDINARY: Final = (80, 24)
#: A command that never ends a line is let through in pieces of this size.
_LONGEST: Final = 1 << 20


class Printed(io.TextIOBase):
    """A text stream that filters, and stops at each full screen where it was given a page."""

    def __init__(
        self,
        under: TextIO,
        filtered: Filtered,
        page: Page | None = None,
        ask: Callable[[], str] | None = None,
        *,
        live: bool = False,
    ) -> None:
        """Write to ``under``; ``ask`` waits for a key. What is ``live`` draws nothing that moves."""
        super().__init__()
        self._under = under
        self._filtered = filtered
        self._page = page
        self._ask = ask or read_key
        self._live = live
        self._begun = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of what it writes to."""
        return self._under.encoding

    @property
    def errors(self) -> str:  # type: ignore[override]
        """What its encoding lacks becomes a question mark."""
        return "replace"

    def writable(self) -> bool:
        """Say that it can be written to."""
        return True

    def isatty(self) -> bool:
        """Say whether somebody sees it, so that colours are as without filters."""
        return self._under.isatty() and not self._live

    def fileno(self) -> int:
        """Return what it writes to."""
        return self._under.fileno()

    def write(self, text: str) -> int:
        """Take text; whole lines of it are shown."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._take(line)
        if len(self._begun) > _LONGEST:
            self._take(self._begun)
            self._begun = ""
        return len(text)

    def flush(self) -> None:
        """Let go of what has been shown."""
        self._under.flush()

    def give_up(self) -> None:
        """Ask for no further key: the command was interrupted while no key was waited for."""
        if self._page is not None:
            self._page.over = True

    def end(self) -> None:
        """Show what is left, and what the filters have counted."""
        if self._begun:
            self._take(self._begun)
            self._begun = ""
        for line in self._filtered.end():
            self._show(line)
        self._under.flush()

    def _take(self, line: str) -> None:
        for shown in self._filtered.line(line):
            self._show(shown)

    def _show(self, line: str) -> None:
        while self._page is not None and self._page.full(line):
            self._under.write(question())
            self._under.flush()
            try:
                while not self._page.key(self._ask()):
                    pass
            finally:
                self._under.write(_ERASE)
        if self._page is None or not self._page.over:
            self._under.write(f"{line}\n")


def page_of_terminal() -> Page:
    """Return an empty screen of the size that the terminal has now."""
    size = shutil.get_terminal_size(_ORDINARY)
    return Page(size.lines, size.columns)


def read_key() -> str:
    """Wait for a key of the terminal; an empty text where it has gone, and Ctrl-C as a character."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    try:
        termios.tcsetattr(terminal, termios.TCSADRAIN, _one_key_at_a_time(terminal))
        return os.read(terminal, 1).decode("ascii", "replace")
    except KeyboardInterrupt:
        return "\x03"
    except OSError:
        return ""
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _one_key_at_a_time(terminal: int) -> list[Any]:
    """Return how a terminal gives each key at once, and Ctrl-C as one of them.

    A signal that arrives just before the read begins would be seen only at the next key.
    """
    mode = termios.tcgetattr(terminal)
    mode[tty.LFLAG] &= ~(termios.ECHO | termios.ICANON)
    keys = mode[tty.CC]
    keys[termios.VMIN], keys[termios.VTIME] = 1, 0
    keys[termios.VINTR] = os.fpathconf(terminal, "PC_VDISABLE")
    return mode
