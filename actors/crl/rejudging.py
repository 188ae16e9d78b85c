"""Judging what was kept once more, as if it came anew: by whom we trust now, one list after the other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from actors.crl.series import series_of
from peerkey.pki.list_ingestion import ListRefused

if TYPE_CHECKING:
    from actors.crl.ingesting import GoodList, IngestWork, ListIngester
    from actors.crl.series import Series


async def judged_in_turn(
    ingester: ListIngester, work: IngestWork, contents: Iterable[bytes]
) -> tuple[tuple[GoodList, ...], str]:
    """Judge lists in turn, each by what ``work`` says; return those that count, and why one does not.

    A delta finds its base among those before it.

    Raises:
        Unavailable: one could not be judged now.

    """
    good: dict[Series, GoodList] = {}
    refused = ""
    for content in contents:
        try:
            found = await ingester.ingest(replace(work, content=content, before=tuple(good.values())))
        except ListRefused as error:
            refused = error.text
        else:
            good[series_of(found)] = found
    return tuple(good.values()), refused
