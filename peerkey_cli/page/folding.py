"""Lists that have a bound: the first rows are seen, what is well or alike is folded away, others counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from peerkey_cli.palette import Standing
from peerkey_cli.terminal import shortened

#: Rows of one table. A page of a thousand routers stays below half a megabyte, and nobody reads more.
MOST_ROWS: Final = 100
#: Rows that are seen at once where nothing is wrong: the others are folded away, unless they are few.
UNFOLDED: Final = 10
_FEW_MORE: Final = 4
_LONGEST_REASON: Final = 400


class Stands(Protocol):
    """A row that says how what it tells of stands."""

    @property
    def standing(self) -> Standing:
        """How."""
        ...

    @property
    def well(self) -> bool:
        """Whether nothing is to be said of it."""
        ...


class StandsAlone:
    """A row of which nothing is to be said where it stands well."""

    __slots__ = ()
    standing: Standing

    @property
    def well(self) -> bool:
        """Whether nothing is to be said of it."""
        return self.standing is Standing.GOOD


T = TypeVar("T")
R = TypeVar("R", bound=Stands)


@dataclass(frozen=True, slots=True)
class Few(Generic[T]):
    """The first of a list, and how many more there are."""

    shown: tuple[T, ...]
    left_out: int = 0
    #: How many of the shown are folded away, the last ones.
    folding: int = 0
    #: Of how many of these the same is wrong as of others that are seen, to the word.
    alike: int = 0

    @property
    def opened(self) -> tuple[T, ...]:
        """What is seen at once."""
        return self.shown[: len(self.shown) - self.folding]

    @property
    def folded(self) -> tuple[T, ...]:
        """What is seen by those who unfold it."""
        return self.shown[len(self.shown) - self.folding :]

    @property
    def total(self) -> int:
        """How many there are in all."""
        return len(self.shown) + self.left_out


def few(rows: Sequence[R], number: int | None = None, alike: int = 0) -> Few[R]:
    """Return the first of the rows, those behind the last that is not well folded away.

    ``number`` is how many there are, where these are not all. Of the last ``alike`` of those that are not
    well the same is told by others before them.
    """
    found = tuple(rows[:MOST_ROWS])
    not_well = max((place for place, row in enumerate(found, 1) if not row.well), default=0)
    folded = folding(len(found), max(UNFOLDED, not_well - alike))
    hidden = max(0, not_well - (len(found) - folded))
    return Few(found, (len(rows) if number is None else number) - len(found), folded, hidden)


def folding(number: int, unfolded: int) -> int:
    """Return how many of so many rows are folded away: none where unfolding them is more than seeing them."""
    return number - unfolded if number - unfolded > _FEW_MORE else 0


def reason(text: str) -> str:
    """Return a sentence, or its beginning: a peer may have chosen what is in it."""
    return shortened(text, _LONGEST_REASON)
