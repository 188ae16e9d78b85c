"""When a screen is full: a machine that is told of lines and keys, and says when to stop.

::

    page = Page(rows=24, columns=80)
    if page.full(line):         # the line does not fit any more: ask for a key, then
        page.key(" ")           # another screen; a line for Enter, nothing more for q, all of it for a

Pure; :mod:`peerkey_cli.shell.output` has the terminal.
"""

from __future__ import annotations

import re
from typing import Final

from prompt_toolkit.utils import get_cwidth

#: What stands at the foot of a full screen.
MORE: Final = "--More--"
_HELP: Final = " (space: page, Enter: line, a: all, q: quit)"

_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_PAGE: Final = frozenset({" ", "f", "\x06"})
_LINE: Final = frozenset({"\r", "\n", "j"})
_ALL: Final = frozenset({"a", "G"})
#: Also Ctrl-C, Ctrl-D, and a terminal that has gone.
_QUIT: Final = frozenset({"q", "Q", "\x03", "\x04", ""})
#: A screen of fewer rows would show nothing but the question.
_FEWEST_ROWS: Final = 3


class Page:
    """How much of the screen is left."""

    def __init__(self, rows: int, columns: int) -> None:
        """Begin with an empty screen of this size."""
        self._rows = max(_FEWEST_ROWS, rows) - 1
        self._columns = max(1, columns)
        self._left = self._rows
        self._one_more = False
        self._all = False
        #: Whoever reads has seen enough: nothing more is shown.
        self.over = False

    def full(self, line: str) -> bool:
        """Tell whether a key has to be asked for before this line is shown. If not, it is counted."""
        if self._all or self.over:
            return False
        if self._one_more:
            self._one_more, self._left = False, 0
            return False
        needed = self.rows_of(line)
        # A line that is taller than the screen has to be shown at some time.
        if needed > self._left < self._rows:
            return True
        self._left = max(0, self._left - needed)
        return False

    def key(self, key: str) -> bool:
        """Take the answer to ``--More--``; return whether it was one."""
        if key in _PAGE:
            self._left = self._rows
        elif key in _LINE:
            self._one_more = True
        elif key in _ALL:
            self._all = True
        elif key in _QUIT:
            self.over = True
        else:
            return False
        return True

    def rows_of(self, line: str) -> int:
        """Return how many rows of the screen a line needs."""
        wide = sum(max(0, get_cwidth(each)) for each in _COLOUR.sub("", line))
        return max(1, -(-wide // self._columns))


def question() -> str:
    """Return what is asked at the foot of a full screen."""
    return f"{MORE}{_HELP}"
