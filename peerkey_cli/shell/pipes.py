"""What stands behind a ``|``: which lines of a command's output are printed.

===============  ==================================================
``include T``    only lines with this text in them
``exclude T``    only lines without it
``begin T``      from the first line with it on
``count``        in place of the lines how many there are
``no-more``      all at once, without a stop at each full screen
===============  ==================================================

The text is taken as it is, upper and lower case alike; colours in a line do not count. Several filters may
follow one another. Lines come one by one and leave at once, so that any output fits. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from peerkey.errors import PeerkeyError
from peerkey_cli.shell.grammar import meant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

FILTERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "begin": "Print from the first line with a text on.",
        "count": "Print how many lines there are, and none of them.",
        "exclude": "Print the lines without a text.",
        "include": "Print the lines with a text.",
        "no-more": "Print all of it without a stop.",
    }
)
#: More filters than anybody chains.
MOST_FILTERS: Final = 16

_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")


class BadFilter(PeerkeyError):
    """What stands behind a pipe is no filter."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One of :data:`FILTERS`, with its text where it has one."""

    name: str
    text: str = ""


def filters(parts: Iterable[Sequence[str]]) -> tuple[Filter, ...]:
    """Return the filters that the words behind each pipe stand for.

    :raises BadFilter: one is none, or is said by halves.
    :raises Ambiguous: its abbreviation may mean several.
    """
    found = tuple(_filter(words) for words in parts)
    if len(found) > MOST_FILTERS:
        message = f"a line has at most {MOST_FILTERS} filters"
        raise BadFilter(message)
    return found


def _filter(words: Sequence[str]) -> Filter:
    first, *rest = words or ("",)
    name = meant(first, FILTERS) if first else None
    if name is None:
        message = f"after | stands one of {', '.join(FILTERS)}, not {first!r}"
        raise BadFilter(message)
    takes_text = name not in {"count", "no-more"}
    if takes_text is not bool(rest):
        message = f"| {name} takes {'the text to look for' if takes_text else 'no text'}"
        raise BadFilter(message)
    return Filter(name, " ".join(rest))


class Filtered:
    """Lines that go in, and those that come out."""

    def __init__(self, chosen: Sequence[Filter]) -> None:
        """Begin before the first line."""
        self._chosen = [each for each in chosen if each.name != "no-more"]
        self._begun = [each.name != "begin" for each in self._chosen]
        self._counted = [0 for _ in self._chosen]

    def line(self, line: str) -> tuple[str, ...]:
        """Take a line; return what is printed of it, which is the line or nothing."""
        return (line,) if self._passes(line, 0) else ()

    def end(self) -> tuple[str, ...]:
        """Return what is printed after the last line."""
        for place, each in enumerate(self._chosen):
            if each.name == "count":
                counted = f"Count: {self._counted[place]} lines"
                return self._after(counted, place + 1)
        return ()

    def _after(self, line: str, place: int) -> tuple[str, ...]:
        """Pass the count of one filter to those behind it, one of which may count it."""
        passed = self._passes(line, place)
        for later in range(place, len(self._chosen)):
            if self._chosen[later].name == "count":
                return self._after(f"Count: {self._counted[later]} lines", later + 1)
        return (line,) if passed else ()

    def _passes(self, line: str, first: int) -> bool:
        plain = _COLOUR.sub("", line).casefold()
        for place in range(first, len(self._chosen)):
            each = self._chosen[place]
            has = each.text.casefold() in plain
            if each.name == "count":
                self._counted[place] += 1
                return False
            self._begun[place] = self._begun[place] or has
            if has is (each.name == "exclude") and each.name != "begin":
                return False
            if not self._begun[place]:
                return False
        return True
