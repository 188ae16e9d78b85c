"""What a person sees: tables, blocks and rules, in the layout of the original system.

Colours go to terminals only, and not where ``NO_COLOR`` is set. Text that came from elsewhere (a peer may
have chosen it) is shown without control characters.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from datetime import timedelta
from io import TextIOWrapper
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from peerkey_cli.schemas import Document

_RESET: Final = "\x1b[0m"
_GREEN: Final = "\x1b[32m"
_YELLOW: Final = "\x1b[33m"
_RED: Final = "\x1b[31m"

#: Words that stand alone in a cell and say how things are.
COLOURS: Final = {
    "up": _GREEN,
    "degraded": _YELLOW,
    "down": _RED,
    "critical": _RED,
    "major": _YELLOW,
    "running": _GREEN,
    "restarting": _YELLOW,
    "failed": _RED,
}

#: Rules are as wide as the terminal, within reason.
_MINIMUM_WIDTH: Final = 60
_MAXIMUM_WIDTH: Final = 200
_ORDINARY: Final = (100, 24)


def coloured(stream: TextIO) -> bool:
    """Tell whether ``stream`` is a terminal that shows colours, and nobody said no."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def watched(*, json: bool = False) -> bool:
    """Tell whether somebody at a terminal sees how far long work has come.

    What that is goes to standard error. A document that goes to a program (``json``) is waited for by that
    program, so nothing is told then.
    """
    seen = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return seen and (not json or sys.stdout.isatty())


def say(*lines: str) -> None:
    """Print lines on standard output; what its encoding lacks becomes a question mark."""
    out = sys.stdout
    if isinstance(out, TextIOWrapper) and out.errors == "strict":
        out.reconfigure(errors="replace")
    for line in lines:
        out.write(f"{line}\n")


def say_json(document: Document) -> None:
    """Print a document for a program: in ASCII, indented, with the keys in the order of their description."""
    say(json.dumps(document.model_dump(mode="json"), indent=2))


def printable(text: str) -> str:
    """Return ``text`` without anything that a terminal would obey."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def shortened(text: str, most: int) -> str:
    """Return a text of at most so many characters: its beginning, where it is longer."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def terminal_columns() -> int:
    """Return how wide the terminal is."""
    return shutil.get_terminal_size(_ORDINARY).columns


def width() -> int:
    """Return how wide rules are."""
    return max(_MINIMUM_WIDTH, min(_MAXIMUM_WIDTH, terminal_columns()))


def table(titles: Sequence[str], rows: Iterable[Sequence[object]], *, colours: bool = False) -> list[str]:
    """Return a table, a rule of ``=`` above and below its titles, a column as wide as its widest cell."""
    cells = [[printable(str(cell)) for cell in row] for row in rows]
    widths = [
        max(len(title), *(len(row[place]) for row in cells)) if cells else len(title)
        for place, title in enumerate(titles)
    ]
    rule = " ".join("=" * (each + 2) for each in widths)
    lines = [rule, _row(titles, widths, colours=False), rule]
    return lines + [_row(row, widths, colours=colours) for row in cells]


def block(title: str, fields: Sequence[tuple[str, object]], *, colours: bool = False) -> list[str]:
    """Return a title between two rules, then a line for each field: its label, a colon, its value."""
    rule = "=" * width()
    indent = max((len(label) for label, _ in fields), default=0) + 3
    lines = [rule, f" {printable(title)}", rule]
    for label, value in fields:
        text = printable(str(value))
        head = f" {label}:".ljust(indent)
        shown = _painted(text, text) if colours else text
        lines += [f"{head} {shown}".rstrip()] if len(text) + indent < width() else _wrapped(head, text)
    return lines


def prose(text: str, *, indent: int = 1) -> list[str]:
    """Return a sentence, folded at the width of the terminal."""
    space = " " * indent
    return textwrap.wrap(
        printable(text),
        width(),
        initial_indent=space,
        subsequent_indent=space + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def duration(time: timedelta | None) -> str:
    """Return ``0 hrs 17 min 29 sec``, or ``N/A``."""
    if time is None:
        return "N/A"
    minutes, seconds = divmod(max(0, round(time.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} hrs {minutes} min {seconds} sec"


def _row(cells: Sequence[str], widths: Sequence[int], *, colours: bool) -> str:
    padded = [f" {cell:<{size}} " for cell, size in zip(cells, widths, strict=True)]
    if colours:
        padded = [_painted(cell, text) for cell, text in zip(cells, padded, strict=True)]
    return " ".join(padded).rstrip()


def _painted(word: str, text: str) -> str:
    colour = COLOURS.get(word)
    return text if colour is None else f"{colour}{text}{_RESET}"


def _wrapped(head: str, text: str) -> list[str]:
    """Return a value that is longer than a line, with its further lines almost at the margin."""
    return textwrap.wrap(
        f"{head} {text}",
        width(),
        subsequent_indent=" ",
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )
