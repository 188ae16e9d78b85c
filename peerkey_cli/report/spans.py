"""Spans of time, of which there are never more than a picture has room for: neighbours join where there are.

Joining halves their number: two that follow each other become one, which says for how many it stands. So a
log of any length takes the same memory, what lasted longest stays visible, and nothing is left out without a
number that tells of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Generic, Protocol, Self, TypeVar

from peerkey_cli.palette import Standing, worst

#: Of one row: about as many as there are columns in which an eye tells two apart.
MOST_SPANS: Final = 128
#: Changes of a number: one for each column of a wide screen.
MOST_CHANGES: Final = 2_048


class Joins(Protocol):
    """Something of which one may stand for two."""

    @property
    def times(self) -> int:
        """For how many it stands."""
        ...

    def joined(self, other: Self, /) -> Self:
        """Return the one that stands for both; the other one follows."""
        ...


J = TypeVar("J", bound=Joins)


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasted. Without an end it lasts still."""

    begin: datetime
    end: datetime | None
    standing: Standing
    #: What it was, in words.
    text: str = ""
    #: For how many it stands.
    times: int = 1

    def joined(self, other: Span, /) -> Span:
        """Return the one that stands for both."""
        return replace(
            self,
            end=other.end,
            standing=worst(self.standing, other.standing),
            text=self.text if self.text == other.text else "several",
            times=self.times + other.times,
        )


@dataclass(frozen=True, slots=True)
class KeySpan:
    """A key of a peering: when it was agreed, came into use, was replaced, and was erased at its last end."""

    first: int
    last: int
    accepted: datetime
    active: datetime | None = None
    replaced: datetime | None = None
    erased: datetime | None = None
    times: int = 1

    def joined(self, other: KeySpan, /) -> KeySpan:
        """Return the one that stands for both."""
        return KeySpan(
            first=self.first,
            last=other.last,
            accepted=self.accepted,
            active=self.active or other.active,
            replaced=other.replaced if other.active else self.replaced,
            erased=other.erased,
            times=self.times + other.times,
        )


class Kept(Generic[J]):
    """What is over, oldest first."""

    def __init__(self, most: int = MOST_SPANS) -> None:
        """Keep ``most`` at most."""
        self._most = most
        self._kept: list[J] = []
        #: How many there were.
        self.count = 0

    def add(self, one: J) -> None:
        """Take the next one."""
        self.count += 1
        self._kept.append(one)
        if len(self._kept) > self._most:
            self._kept = [first.joined(second) for first, second in _pairs(self._kept)] + _odd(self._kept)

    def even(self) -> Iterator[J]:
        """Yield them joined further, so that each stands for about as many as every other."""
        most = max((one.times for one in self._kept), default=1)
        together: J | None = None
        for one in self._kept:
            if together is None:
                together = one
            elif together.times + one.times <= most:
                together = together.joined(one)
            else:
                yield together
                together = one
        if together is not None:
            yield together

    def __iter__(self) -> Iterator[J]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)


class Lowest:
    """A number over time, of which the lowest of each stretch is kept: a short dip is never smoothed away."""

    def __init__(self, most: int = MOST_CHANGES) -> None:
        """Keep ``most`` changes at most."""
        self._most = most
        self._kept: list[tuple[datetime, int]] = []

    def add(self, time: datetime, value: int) -> None:
        """Take the number as it is from ``time`` on."""
        self._kept.append((time, value))
        if len(self._kept) > self._most:
            # The newest stays as it is: the next change follows it.
            old, newest = self._kept[:-1], self._kept[-1]
            joined = [(first[0], min(first[1], second[1])) for first, second in _pairs(old)]
            self._kept = [*joined, *_odd(old), newest]

    def __iter__(self) -> Iterator[tuple[datetime, int]]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)


@dataclass(slots=True)
class Lasted:
    """How often something was so, for how long in all, and for how long at the most."""

    total: timedelta = timedelta(0)
    longest: timedelta = timedelta(0)

    def add(self, lasted: timedelta) -> None:
        """Count one."""
        self.total += lasted
        self.longest = max(self.longest, lasted)


T = TypeVar("T")


def _pairs(kept: Sequence[T]) -> Iterator[tuple[T, T]]:
    return zip(kept[::2], kept[1::2], strict=False)


def _odd(kept: Sequence[T]) -> list[T]:
    """Return the last one where it has no partner."""
    return list(kept[-1:]) if len(kept) % 2 else []
