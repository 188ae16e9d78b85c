"""What is wrong with a configuration, and where: values that a person can act upon.

A :class:`Finding` is one line: file, line, column, the path of the setting in the words of the
specification (``authority > router[hub] > peer[branch1] > path[2]``), and what to do. An error and a
warning have the same shape; an error is inside :class:`ConfigurationFaults`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from peerkey.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Iterable

#: A configuration with more faults than this is the wrong file; the rest is counted, not listed.
MAX_FINDINGS: Final = 1_000

#: Values are echoed so that they can be found again, not archived.
MAX_SHOWN: Final = 60

#: How alike a known name must be (0 to 1) before it is offered: "pollin-interval", not "zebra".
LIKENESS: Final = 0.6


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One fault or warning. Ordered by its place, so that a list reads from the top of the file."""

    source: str
    #: Both count from 1, as editors do; 0 where the fault is in no line.
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        """Return ``file:line:column: path: message``, which editors and terminals can follow."""
        where = f"{self.source}:{self.line}:{self.column}" if self.line else self.source
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


class ConfigurationFaults(Misconfigured):
    """A configuration that cannot be used. :attr:`faults` has every reason, in the order of the file."""

    def __init__(self, faults: Iterable[Finding], unlisted: int = 0) -> None:
        """Keep at most :data:`MAX_FINDINGS` of ``faults``; :attr:`count` is how many there were.

        ``unlisted`` is how many more there were that nobody has kept.
        """
        ordered = sorted(set(faults))
        self.count: int = len(ordered) + unlisted
        self.faults: tuple[Finding, ...] = tuple(ordered[:MAX_FINDINGS])
        super().__init__("\n".join(self.lines()))

    def __reduce__(self) -> tuple[type[ConfigurationFaults], tuple[object, ...]]:
        """Return what makes another one like it: a configuration may be read on another host."""
        return type(self), (self.faults, self.count - len(self.faults))

    def within(self, characters: int) -> ConfigurationFaults:
        """Return the first of them, as many as so many characters hold, and the number of the others."""
        kept = []
        for fault in self.faults:
            characters -= len(str(fault))
            if characters < 0:
                break
            kept.append(fault)
        return ConfigurationFaults(kept, self.count - len(kept))

    def lines(self) -> list[str]:
        """Return one line for each fault, and one that counts those that are not listed."""
        unlisted = self.count - len(self.faults)
        return [*map(str, self.faults), *([f"and {unlisted} more"] if unlisted else [])]


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the one of ``known`` that was probably meant by ``word``, or ``None``."""
    found = get_close_matches(word[:MAX_SHOWN].lower(), list(known), n=1, cutoff=LIKENESS)
    return found[0] if found else None


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the nearest of ``known``, or nothing."""
    found = nearest(word, known)
    return f"; did you mean {found!r}?" if found else ""


def shown(value: object) -> str:
    """Return ``value`` as a message may show it: on one line, short, never a certificate or password."""
    if isinstance(value, dict):
        return "a container"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and ("-----" in value or re.search("://[^/]*@", value)):
        return "this text"
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
