"""The lists of one address that are in use: one of each series, the newest last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

from peerkey.pki.list_ingestion import MAXIMUM_SERIES

if TYPE_CHECKING:
    from actors.crl.ingesting import GoodList

#: Issuer, key and scope of a list, and whether it is complete: lists of one series replace each other.
Series: TypeAlias = "tuple[tuple[bytes, bytes, bytes], bool]"


def series_of(good: GoodList) -> Series:
    """Return which lists this one replaces, and is replaced by."""
    return good.facts.series, good.facts.base is None


def newer(one: GoodList, other: GoodList) -> GoodList:
    """Return the newer of two lists of a series; ``one`` where neither is.

    It is told as where lists are judged: by their numbers, and by their dates only where one has no number or
    both have the same (:mod:`peerkey.pki.list_ingestion`).
    """
    numbers = one.facts.number, other.facts.number
    if None not in numbers and numbers[0] != numbers[1]:
        return max((one, other), key=lambda good: good.facts.age)
    return max((one, other), key=lambda good: good.facts.this_update)


def with_newest(lists: Mapping[Series, GoodList], good: GoodList) -> dict[Series, GoodList]:
    """Return the lists with one more, or in the place of the one that it replaces, as the newest."""
    series = series_of(good)
    others = {each: value for each, value in lists.items() if each != series}
    # Beyond the bound the one goes that has been there for longest.
    for oldest in list(others)[: max(0, len(others) + 1 - MAXIMUM_SERIES)]:
        del others[oldest]
    return {**others, series: good}
