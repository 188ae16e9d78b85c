"""The peerings of the status page: how each stands, why, what to do next, and the map of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from peerkey.pki.faults import CertificateState
from peerkey_cli import advice
from peerkey_cli.page.folding import MOST_ROWS, Few, few, reason
from peerkey_cli.page.rows import Link, Map, PeeringRow, Place
from peerkey_cli.palette import Standing, worst

if TYPE_CHECKING:
    from actors.messages import NodeStatus, PathStatus, PeerStatus

#: Rows that are seen at once of those of which the same is wrong; and rows of a cause that come before all of
#: another: a thousand peers that are down must not hide the one that has another algorithm.
_ALIKE: Final = 3
_MOST_OF_A_CAUSE: Final = 25
#: Nodes that the map has room for; of more the worst are drawn.
MOST_DRAWN: Final = 1_000
#: Reasons that one row gives.
_MOST_REASONS: Final = 4


class Sighting(NamedTuple):
    """A peering as one of its nodes sees it: of a large fleet there are a hundred thousand."""

    node: str
    peer: PeerStatus
    standing: Standing


def sightings_of(nodes: Iterable[NodeStatus]) -> list[Sighting]:
    """Return every peering as each of its nodes here sees it."""
    return [
        Sighting(node.node, peer, _standing(peer, own))
        for node in nodes
        for own in (standing_of_node(node),)
        for peer in node.peers
    ]


def peering_rows(
    sightings: Sequence[Sighting],
    nodes: Iterable[NodeStatus],
    since: Mapping[tuple[str, str], datetime],
    now: datetime,
) -> Few[PeeringRow]:
    """Return a row for each peering, the worst first: one where both ends say that all is well, else two."""
    well = {
        (each.node, each.peer.peer): each.peer.security.key_index
        for each in sightings
        if each.standing is Standing.GOOD and not each.peer.security.last_error
    }
    chosen: list[tuple[Sighting, bool]] = []
    for each in sightings:
        node, peer = each.node, each.peer.peer
        both = (node, peer) in well and well.get((peer, node)) == well[node, peer] is not None
        if not both or node < peer:
            chosen.append((each, both))
    # A stable sort: among those that stand alike the order is that of the configuration. What very many have
    # in common leaves room for what is wrong with others.
    common: Counter[tuple[Standing, str, str]] = Counter()

    def urgency(each: tuple[Sighting, bool]) -> tuple[int, int, bool]:
        standing, security = each[0].standing, each[0].peer.security
        if standing is Standing.GOOD:
            return 0, 0, not security.last_error
        cause = standing, security.last_error, security.peer_certificate_fault
        common[cause] += 1
        return -standing.rank, (common[cause] - 1) // _MOST_OF_A_CAUSE, False

    chosen.sort(key=urgency)
    of = {node.node: node for node in nodes}
    rows = [
        _row(
            sighting,
            both,
            advice.of_peering(of[sighting.node], sighting.peer, now),
            since.get((sighting.node, sighting.peer.peer)),
            now,
        )
        for sighting, both in chosen[:MOST_ROWS]
    ]
    first, alike = _apart([row for row in rows if not row.well])
    return few([*first, *alike, *(row for row in rows if row.well)], len(chosen), len(alike))


def _apart(rows: Iterable[PeeringRow]) -> tuple[list[PeeringRow], list[PeeringRow]]:
    """Return the first few of each cause, and those of which the same is wrong, to the word."""
    seen: Counter[tuple[Standing, tuple[str, ...], str]] = Counter()
    first: list[PeeringRow] = []
    alike: list[PeeringRow] = []
    for row in rows:
        cause = row.standing, row.reasons, row.step
        seen[cause] += 1
        (first if seen[cause] <= _ALIKE else alike).append(row)
    return first, alike


def _row(
    sighting: Sighting, both: bool, told: advice.Advice, since: datetime | None, now: datetime
) -> PeeringRow:
    peer, security = sighting.peer, sighting.peer.security
    due = security.next_rekey_seconds
    reasons = [reason(each) for each in _reasons(peer, told.fault)]
    more = len(reasons) - _MOST_REASONS
    return PeeringRow(
        node=sighting.node,
        peer=peer.peer,
        both=both,
        standing=sighting.standing,
        reasons=(*reasons[:_MOST_REASONS], *((f"and {more} more",) if more > 0 else ())),
        # That a certificate ends soon is told beside that certificate.
        step="" if sighting.standing is Standing.GOOD and not reasons else reason(told.step),
        since=since,
        paths_up=sum(path.serves for path in peer.paths),
        paths=len(peer.paths),
        key_index=security.key_index,
        keyed_at=datetime.fromisoformat(security.last_rekey) if security.last_rekey else None,
        rekey_at=None if due is None else now + timedelta(seconds=due),
    )


def _standing(peer: PeerStatus, own: Standing) -> Standing:
    """Return how a peering stands by one of its ends, of which the node itself stands so."""
    security = peer.security
    if security.security_status == "ESKM_DISABLED":
        return Standing.OFF
    up = sum([path.serves for path in peer.paths])
    if not up:
        # Nothing that failed is known of: it has just begun.
        begun = not security.key_acknowledged and not any(_reasons(peer, ""))
        return Standing.WAITING if begun else Standing.DOWN
    if not security.key_acknowledged:
        return Standing.WAITING
    if security.peer_certificate_fault or own is Standing.SUSPECT:
        return Standing.SUSPECT
    return Standing.GOOD if up == len(peer.paths) else Standing.DEGRADED


def _reasons(peer: PeerStatus, fault: str) -> Iterable[str]:
    """Yield why a peering is not as it should be, each thing once and the cause before its effects.

    ``fault`` is what the console calls the cause; empty where it knows none.
    """
    security, down = peer.security, [path for path in peer.paths if not path.serves and path.reason]
    exchange = f"Key exchange: {security.last_error}" if security.last_error else ""
    if fault == security.last_error:
        yield from (exchange,) if fault else ()
    elif fault and fault not in {f"path by {_interface(path)}: {path.reason}" for path in down}:
        # That of a path says below by which way, too.
        yield f"{fault[:1].upper()}{fault[1:]}"
    if security.peer_certificate_fault not in fault:
        yield f"Certificate of the peer: {security.peer_certificate_fault}"
    if security.last_error not in fault and security.last_error != security.peer_certificate_fault:
        yield exchange
    for path in down:
        yield f"Path by {_interface(path)} to {path.remote}: {path.reason}"


def _interface(path: PathStatus) -> str:
    return path.name.partition(">")[0]


def map_of(nodes: Sequence[NodeStatus], sightings: Sequence[Sighting]) -> Map:
    """Return all places and links: nodes of this system as they are configured, then the others."""
    names = {node.node: None for node in nodes}
    here = len(names)
    names.update(dict.fromkeys(each.peer.peer for each in sightings))
    number = {name: place for place, name in enumerate(names)}
    between: dict[tuple[int, int], Standing] = {}
    for node, peer, standing in sightings:
        first, second = number[node], number[peer.peer]
        ends = (first, second) if first < second else (second, first)
        known = between.get(ends)
        if known is None or (known is not standing and standing.rank > known.rank):
            between[ends] = standing
    own = {node.node: standing_of_node(node) for node in nodes}
    around: list[set[Standing]] = [set() for _ in number]
    for (first, second), standing in between.items():
        around[first].add(standing)
        around[second].add(standing)
    places = tuple(
        Place(name, place < here, worst(own.get(name, Standing.GOOD), _of_links(around[place])))
        for name, place in number.items()
    )
    return Map(places, tuple(Link(*ends, standing) for ends, standing in sorted(between.items())))


def _of_links(standings: Collection[Standing]) -> Standing:
    """Return how a node stands by its peerings: as the best of them. A worse one may be its peer's fault."""
    return min(standings, key=lambda each: each.rank, default=Standing.GOOD)


def standing_of_node(node: NodeStatus) -> Standing:
    """Return how a node itself stands, whatever its peerings do."""
    own = node.certificate
    if advice.not_running(node):
        return Standing.DOWN
    if not node.enabled:
        return Standing.OFF
    if own is None or CertificateState(own.state) is not CertificateState.VALID:
        return Standing.SUSPECT
    return Standing.GOOD


def bounded(drawn: Map) -> Map:
    """Return a map of at most so many places: the worst, in their order."""
    if len(drawn.places) <= MOST_DRAWN:
        return drawn
    ranked = sorted(range(len(drawn.places)), key=lambda place: (-drawn.places[place].standing.rank, place))
    kept = sorted(ranked[:MOST_DRAWN])
    number = {former: place for place, former in enumerate(kept)}
    return Map(
        tuple(drawn.places[each] for each in kept),
        tuple(
            Link(number[link.first], number[link.second], link.standing)
            for link in drawn.links
            if link.first in number and link.second in number
        ),
        left_out=len(drawn.places) - MOST_DRAWN,
    )
