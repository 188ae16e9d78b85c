"""What a fleet's status says of the goals of a demonstration. Functions of values, no more.

A peering counts only when *both* ends say so, and say the same.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.messages import NodeStatus, PeerStatus

#: The names of the two nodes of a peering.
Pair: TypeAlias = frozenset[str]

_BOTH = 2


@dataclass(frozen=True, slots=True)
class Facts:
    """How far a fleet has come."""

    #: Peerings whose ends have accepted each other's certificate.
    authenticated: frozenset[Pair]
    #: The id of the key that both ends of a peering seal with.
    current: dict[Pair, str]
    #: The ids of the keys that both ends have accepted, each to seal with now or next.
    accepted: dict[Pair, frozenset[str]]
    #: Paths in service at both ends, by their two addresses.
    in_service: frozenset[frozenset[str]]
    #: The peerings that have no key which both ends seal with.
    without_key: tuple[str, ...]
    #: What keeps peerings from being keyed, as far as anybody knows.
    errors: tuple[str, ...]

    def renewed(self, before: dict[Pair, str]) -> int:
        """Count the peerings that have agreed upon another key than ``before``, in use already or not."""
        return sum(bool(self.accepted.get(pair, frozenset()) - {key_id}) for pair, key_id in before.items())

    def rotated(self, before: dict[Pair, str]) -> int:
        """Count the peerings that seal with another key than ``before``."""
        return sum(self.current.get(pair, key_id) != key_id for pair, key_id in before.items())


def facts_of(fleet: Iterable[NodeStatus]) -> Facts:
    """Look at both ends of every peering."""
    ends: dict[Pair, list[PeerStatus]] = defaultdict(list)
    paths: dict[frozenset[str], int] = defaultdict(int)
    errors: list[str] = []
    for node in fleet:
        for peer in node.peers:
            ends[frozenset((node.node, peer.peer))].append(peer)
            if peer.security.last_error:
                errors.append(f"{node.node} says of {peer.peer}: {peer.security.last_error}")
            for path in peer.paths:
                paths[frozenset((path.local, path.remote))] += path.state == "in-service"
    both = {pair: each for pair, each in ends.items() if len(each) == _BOTH}
    current = {pair: next(iter(ids)) for pair, ids in _common(both, {"current"}).items()}
    return Facts(
        authenticated=frozenset(pair for pair, each in both.items() if all(map(_authenticated, each))),
        current=current,
        accepted=_common(both, {"current", "next"}),
        in_service=frozenset(path for path, count in paths.items() if count == _BOTH),
        without_key=tuple(" and ".join(sorted(pair)) for pair in ends if pair not in current),
        errors=tuple(errors),
    )


def alarmed(fleet: Iterable[NodeStatus], node: str, why: str = "expired") -> frozenset[str]:
    """Return the nodes whose alarms say that the certificate of ``node`` is bad, as ``why`` says.

    They are itself, and its peers.
    """
    wanted = {f"certificate-bad:{node}", f"peer-certificate:{node}"}
    return frozenset(
        each.node
        for each in fleet
        if any(alarm.identity in wanted and why in alarm.message for alarm in each.alarms)
    )


def without_peerings(fleet: Iterable[NodeStatus], node: str) -> frozenset[str]:
    """Return the peers of ``node`` with which it shares no key any more: neither end has one of any kind."""
    keyed: dict[str, bool] = defaultdict(bool)
    for each in fleet:
        for peer in each.peers:
            if node in {each.node, peer.peer}:
                other = peer.peer if each.node == node else each.node
                keyed[other] |= bool(peer.security.keys)
    return frozenset(other for other, has_key in keyed.items() if not has_key)


def _authenticated(peer: PeerStatus) -> bool:
    security = peer.security
    return security.certificate_received and security.certificate_acknowledged


def _common(both: dict[Pair, list[PeerStatus]], roles: set[str]) -> dict[Pair, frozenset[str]]:
    """Return the ids of the keys that both ends have in one of these places, for peerings that have any."""
    found = {}
    for pair, ends in both.items():
        first, second = ({key_id for role, _, key_id in end.security.keys if role in roles} for end in ends)
        if first & second:
            found[pair] = frozenset(first & second)
    return found
