"""One reading of the configuration at a time, however many ask for one.

A reading takes a while, and the file may change meanwhile. Were two under way at once, the one that has read
the older file might end last, and undo the newer. So whoever asks while one is under way waits for the next,
which begins when that one has ended and answers all of them. The file is then read after each of them has
asked, and what is taken up last is what was read last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar

R = TypeVar("R")

#: Requests that wait for the next reading: far more than there are operators, signals and renewals at once.
MOST_WAITING: Final = 256


class Readings(Generic[R]):
    """Who waits for which reading."""

    def __init__(self, begin: Callable[[], None]) -> None:
        """Have ``begin()`` begin each reading; whoever owns this calls :meth:`ended` when one has ended."""
        self._begin = begin
        self._under_way: list[R] | None = None
        self._waiting: list[R] = []

    def ask(self, request: R) -> bool:
        """Have the configuration read for ``request``; return whether there was room for it."""
        if len(self._waiting) >= MOST_WAITING:
            return False
        self._waiting.append(request)
        self.go_on()
        return True

    def ended(self) -> list[R]:
        """Return whom the reading was for that has ended, well or not. It is for them to be answered.

        Call :meth:`go_on` afterwards, when its outcome has been taken up.
        """
        asked, self._under_way = self._under_way or [], None
        return asked

    def go_on(self) -> None:
        """Begin the next reading, if somebody waits for it and none is under way."""
        if self._under_way is None and self._waiting:
            self._under_way, self._waiting = self._waiting, []
            self._begin()
