"""``show stats security``: from what was counted to the document, at any depth of the path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peerkey.observe.security_stats import Counter, NoSuchCounter, below
from peerkey_cli import schemas
from peerkey_cli.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from peerkey.observe.security_stats import Counted


def chosen(words: Sequence[str]) -> tuple[Counter, ...]:
    """Return the counters at a path of words, which may be short, or none at all.

    :raises NotFound: there are none.
    """
    try:
        return below(words)
    except NoSuchCounter as fault:
        after = " ".join(("show stats security", *words))
        instead = f"after it could stand {', '.join(fault.choices)}" if fault.choices else "it ends before"
        message = f"`{after}`: {fault}; {instead}"
        raise NotFound(message) from fault


def document(
    counted: Counted, counters: Sequence[Counter], now: datetime, *, complete: bool = True
) -> schemas.SecurityStats:
    """Return what these counters say, zeros included."""
    totals = counted.totals()
    return schemas.SecurityStats(
        time=now,
        since=counted.since,
        complete=complete,
        counters=tuple(
            schemas.SecurityCounter(
                counter=counter.value,
                value=totals.get(counter, 0),
                nodes=tuple(
                    schemas.NodeCount(node=each.node, value=each.number)
                    for each in counted.counts
                    if each.counter == counter
                ),
            )
            for counter in counters
        ),
    )
