"""Putting the master list in force, beside what was known before where not everybody has come back yet.

It waits for the disk, and runs on the executor.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from peerkey.pki.list_facts import ListFacts
from peerkey.pki.list_merging import Held

if TYPE_CHECKING:
    from actors.crl.ingesting import GoodList
    from actors.crl.known import KnownRevocations

#: What stands for the lists of addresses that have not come back yet.
_BEFORE: Final = ListFacts(
    source="",
    issuer="",
    authority="",
    series=(b"", b"", b"before"),
    number=None,
    base=None,
    this_update=datetime.min,  # noqa: DTZ901 - it is compared with nothing
    next_update=None,
    size=0,
    digest=b"",
    total=0,
    added=0,
    removed=0,
)


def published(
    known: KnownRevocations,
    lists: tuple[GoodList, ...],
    beside: bool,  # noqa: FBT001
    durable: bool,  # noqa: FBT001
) -> None:
    """Merge lists; ``beside`` what is known already, where some have not come back.

    Where it is not to be ``durable``, the one on the disk stays as it is.
    """
    held = [good.held() for good in lists]
    before = known.current
    if beside and before is not None:
        held.append(Held(_BEFORE, before))
    known.publish(held, durable=durable)
