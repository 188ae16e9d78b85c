"""The audit event of one attempt to update a list: every field of the sample, whatever came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from actors.crl.port import shown
from peerkey.observe.events import CrlUpdated, CrlUpdateFailed

if TYPE_CHECKING:
    from peerkey.pki.list_facts import ListFacts

#: How far an attempt came.
Stage: TypeAlias = Literal["unchanged", "ingested", "fetch", "ingestion"]

_NOTHING: Final = "N/A"


def update_event(
    url: str,
    facts: ListFacts | None,
    stage: Stage,
    *,
    forced: bool,
    changes: tuple[int, int],
    why: str,
) -> CrlUpdated:
    """Return the event.

    Arguments:
        url: the address.
        facts: of the list that counts now; ``None`` while there is none.
        stage: what came of it: ``unchanged`` and ``ingested`` are success.
        forced: whether an operator ordered it.
        changes: how many entries were added and removed.
        why: of a failure, the reason.
    """
    fields: Mapping[str, Any] = {
        "forced": forced,
        "last_updated": _NOTHING if facts is None else facts.last_updated,
        "next_update": (facts.next_updated if facts is not None else "") or _NOTHING,
        "crl_url": shown(url),
        "size": 0 if facts is None else facts.size,
        "total_entries": 0 if facts is None else facts.total,
        "added_entries": changes[0],
        "removed_entries": changes[1],
        "certificate_authority": _NOTHING if facts is None else facts.authority,
        "stage": stage,
    }
    if stage in {"unchanged", "ingested"}:
        return CrlUpdated(success=True, **fields)
    return CrlUpdateFailed(success=False, reason=why, **fields)
