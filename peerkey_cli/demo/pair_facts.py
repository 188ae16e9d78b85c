"""What the documents of an HA pair and of its peers say of a demonstration's claims. Functions of values.

What is said of a peering counts only when *both* ends say so, and say the same; a node that does not answer
has said nothing.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from peerkey_cli.schemas import Event, Ha, PeerSecurity

#: The names of the two nodes of a peering.
Pair: TypeAlias = frozenset[str]
#: Each end of a peering, and of a path.
_BOTH: Final = 2
#: Where a key is that both ends have accepted.
_ACCEPTED: Final = frozenset({"current", "next"})


def keys_in_use(ends: Iterable[PeerSecurity]) -> dict[Pair, str]:
    """Return the id of the key that both ends of a peering seal with, for peerings that have one."""
    found: dict[Pair, list[str]] = defaultdict(list)
    for end in ends:
        found[frozenset((end.node, end.peer))] += [key.key_id for key in end.keys if key.role == "current"]
    return {pair: ids[0] for pair, ids in found.items() if len(ids) == _BOTH and len(set(ids)) == 1}


def accepted_keys(ends: Iterable[PeerSecurity]) -> dict[Pair, frozenset[str]]:
    """Return the ids of the keys that both ends of a peering have accepted, to seal with now or next."""
    found: dict[Pair, list[frozenset[str]]] = defaultdict(list)
    for end in ends:
        ids = frozenset(key.key_id for key in end.keys if key.role in _ACCEPTED)
        found[frozenset((end.node, end.peer))].append(ids)
    return {pair: frozenset.intersection(*ids) for pair, ids in found.items() if len(ids) == _BOTH}


def settled(ends: Iterable[PeerSecurity]) -> bool:
    """Tell whether every end has one key and no other on its way or on its way out."""
    return all([key.role for key in end.keys] == ["current"] for end in ends)


def paths_in_service(ends: Iterable[PeerSecurity], node: str | None = None) -> frozenset[Pair]:
    """Return the paths in service at both ends, by their two addresses; those of one node, if it is named."""
    counts: dict[Pair, int] = defaultdict(int)
    for end in ends:
        if node is None or node in {end.node, end.peer}:
            for path in end.paths:
                counts[frozenset((path.local, path.remote))] += path.state == "in-service"
    return frozenset(path for path, count in counts.items() if count == _BOTH)


def sealed_to(ends: Iterable[PeerSecurity], node: str) -> dict[str, str]:
    """Return with which key, by its id, each peer of ``node`` seals what goes there. The peers say so."""
    return {
        end.node: key.key_id for end in ends if end.peer == node for key in end.keys if key.role == "current"
    }


def not_held(sealed: Mapping[str, str], survivor: Ha) -> dict[str, str]:
    """Return what of :func:`sealed_to` a survivor could not open, or would itself answer with another key."""
    held = {key.peer: key.key_id for key in survivor.keys if key.seals}
    return {peer: key_id for peer, key_id in sealed.items() if held.get(peer) != key_id}


def in_step(ha: Ha, records: int) -> bool:
    """Tell whether the mate of a node has all its ``records``, and it has as many of the mate's."""
    return (
        ha.link == "in-step"
        and not ha.taken_over
        and ha.lag == 0
        and ha.replicated == ha.records == ha.copies == records
    )


def rekeyed(events: Iterable[Event]) -> frozenset[Pair]:
    """Return the peerings of which an event tells that a key was agreed, came into use or was erased."""
    return frozenset(
        frozenset((event.node, str(event.detail.get("peer"))))
        for event in events
        if event.type.startswith("key.")
    )


def path_changes(events: Iterable[Event], node: str) -> tuple[str, ...]:
    """Return what events tell of paths of ``node`` that entered or left service, seen from either end."""
    return tuple(
        event.description
        for event in events
        if event.type.startswith("path.") and node in {event.node, event.detail.get("peer")}
    )


def standing(ha: Ha) -> str:
    """Say in one line how a node stands with its mate."""
    link = f"{ha.link} ({ha.link_error})" if ha.link_error else ha.link
    return (
        f"{ha.node}: {ha.role}, mate {ha.mate}, link {link}, "
        f"{ha.replicated} of {ha.records} records replicated, lag {ha.lag}, {ha.copies} copies held"
    )
