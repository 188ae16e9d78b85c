"""What the status page shows: decided here, from what the actors say and the time.

Every list has a bound, the worst comes first, and what is left out is counted. Reasons are in the words of
the console, so that whoever finds one here finds it there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from actors.crl.port import shown
from actors.names import AUTHORITY
from peerkey.pki.expiry import MAJOR_BEFORE, MINOR_BEFORE, severity
from peerkey.pki.faults import CertificateState
from peerkey_cli.page.leaves import Leaf, leaf_of
from peerkey_cli.palette import SEVERITIES, Standing, worst

if TYPE_CHECKING:
    from actors.cluster.messages import PlacementStatus
    from actors.crl.status import RevocationStatus, SourceStatus
    from actors.messages import NodeStatus, PeerStatus
    from peerkey.observe.alarm_history import Standing as StandingAlarm

T = TypeVar("T")

#: Rows of one table. A page of a thousand routers stays below half a megabyte, and nobody reads more.
MOST_ROWS: Final = 100
#: Nodes that the map has room for; of more the worst are drawn.
MOST_DRAWN: Final = 1_000
#: Reasons that one row gives.
_MOST_REASONS: Final = 4
#: A reason is a sentence; a peer may have chosen what is in it.
_LONGEST_REASON: Final = 400
_IN_SERVICE: Final = "in-service"
#: What the one host of a system without a cluster is called.
_ALONE: Final = "local"
_ENDS_SOON: Final = {
    Standing.DEGRADED: f"valid, ends within {MAJOR_BEFORE.days} days",
    Standing.WAITING: f"valid, ends within {MINOR_BEFORE.days} days",
}

_LIST_STANDINGS: Final = {
    "current": Standing.GOOD,
    "waiting": Standing.WAITING,
    "stale": Standing.DOWN,
    "unreachable": Standing.DEGRADED,
    "refused": Standing.DOWN,
}
#: A key is in use, and a path in service.
_KEYED: Final = (Standing.GOOD, Standing.DEGRADED, Standing.SUSPECT)
_SEVERITY_ORDER: Final = tuple(SEVERITIES)


@dataclass(frozen=True, slots=True)
class Observed:
    """What the parts of a fleet have said. ``None``: this part does not answer."""

    now: datetime
    version: str
    since: datetime
    nodes: tuple[NodeStatus, ...] | None = None
    revocation: RevocationStatus | None = None
    #: The alarms that are there and not shelved, and how many are.
    alarms: tuple[StandingAlarm, ...] | None = None
    shelved: int = 0
    placement: PlacementStatus | None = None


@dataclass(frozen=True, slots=True)
class Few(Generic[T]):
    """The first of a list, and how many more there are."""

    shown: tuple[T, ...]
    left_out: int = 0

    @property
    def total(self) -> int:
        """How many there are in all."""
        return len(self.shown) + self.left_out


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """One thing that is wrong."""

    id: str
    severity: str
    standing: Standing
    node: str
    message: str
    since: datetime


@dataclass(frozen=True, slots=True)
class PeeringRow:
    """One peering, seen from one node, or from both where both say the same and nothing is wrong."""

    node: str
    peer: str
    both: bool
    standing: Standing
    reasons: tuple[str, ...]
    paths_up: int
    paths: int
    key_index: int | None
    keyed_at: datetime | None
    rekey_at: datetime | None


@dataclass(frozen=True, slots=True)
class CertificateRow:
    """What a node shows, and until when."""

    node: str
    standing: Standing
    state: str
    subject: str
    issuer: str
    not_after: datetime | None
    detail: str


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One address of revocation lists."""

    url: str
    standing: Standing
    state: str
    issuer: str
    entries: int
    next_update: datetime | None
    confirmed: datetime | None
    error: str


@dataclass(frozen=True, slots=True)
class PairRow:
    """One node of an HA router, and how it stands with its mate."""

    node: str
    mate: str
    standing: Standing
    role: str
    link: str
    error: str
    replicated: int
    records: int
    taken_over: bool


@dataclass(frozen=True, slots=True)
class HostRow:
    """One process of a cluster."""

    host: str
    machine: str
    standing: Standing
    nodes: int
    restarts: int
    fault: str


@dataclass(frozen=True, slots=True)
class Place:
    """One node of the map."""

    node: str
    #: Whether it runs in this system, so that it says itself how it stands.
    here: bool
    standing: Standing


@dataclass(frozen=True, slots=True)
class Link:
    """What is between two places of the map, by their numbers: the worse of what both ends say."""

    first: int
    second: int
    standing: Standing


@dataclass(frozen=True, slots=True)
class Map:
    """Who is keyed with whom."""

    places: tuple[Place, ...]
    links: tuple[Link, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class View:
    """Everything that is on the page."""

    now: datetime
    version: str
    since: datetime
    #: Parts that did not answer, by their names.
    silent: tuple[str, ...]
    #: How many peerings stand how, each peering counted once.
    standings: Mapping[Standing, int]
    nodes: int
    severities: Mapping[str, int]
    map: Map
    alarms: Few[AlarmRow]
    #: Alarms that an operator has taken out of the list for a while.
    shelved: int
    peerings: Few[PeeringRow]
    certificates: Few[CertificateRow]
    sources: Few[SourceRow]
    revoked: int
    pairs: Few[PairRow]
    hosts: Few[HostRow]

    @property
    def headline(self) -> str:
        """The one sentence that tells how it is."""
        alarms = self.alarms.total
        peerings = sum(self.standings.values())
        if self.silent and not peerings and not alarms:
            return "The actors of this system do not answer."
        keyed = sum(self.standings.get(each, 0) for each in _KEYED)
        marred = keyed - self.standings.get(Standing.GOOD, 0)
        told = [
            "No alarms" if not alarms else _many(alarms, "alarm"),
            f"{keyed} of {_many(peerings, 'peering')} keyed and in service"
            + (f", {marred} of them not as they should be" if marred else ""),
        ]
        return "; ".join(told) + "."


def view_of(observed: Observed) -> View:
    """Return what is shown of ``observed``."""
    nodes, now = observed.nodes or (), observed.now
    sightings = [Sighting(node.node, peer, _standing(peer)) for node in nodes for peer in node.peers]
    drawn = _map(nodes, sightings)
    alarms = _alarms(observed)
    return View(
        now=now,
        version=observed.version,
        since=observed.since,
        silent=_silent(observed),
        standings=Counter(link.standing for link in drawn.links),
        nodes=len(nodes),
        severities={each: sum(row.severity == each for row in alarms) for each in SEVERITIES},
        map=_bounded(drawn),
        alarms=_few(alarms),
        shelved=observed.shelved,
        peerings=_peerings(sightings, now),
        certificates=_few(sorted(_certificates(nodes, now), key=_by_expiry)),
        sources=_few(_sources(observed.revocation, now)),
        revoked=0 if observed.revocation is None else observed.revocation.entries,
        pairs=_few(sorted(_pairs(nodes), key=lambda row: -row.standing.rank)),
        hosts=_few(sorted(_hosts(observed.placement), key=lambda row: -row.standing.rank)),
    )


class Sighting(NamedTuple):
    """A peering as one of its nodes sees it: of a large fleet there are a hundred thousand."""

    node: str
    peer: PeerStatus
    standing: Standing


def _few(rows: Sequence[T]) -> Few[T]:
    return Few(tuple(rows[:MOST_ROWS]), max(0, len(rows) - MOST_ROWS))


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _silent(observed: Observed) -> tuple[str, ...]:
    parts = {
        "the nodes": observed.nodes,
        "the revocation lists": observed.revocation,
        "the alarms": observed.alarms,
    }
    return tuple(name for name, said in parts.items() if said is None)


def _alarms(observed: Observed) -> list[AlarmRow]:
    """Return every alarm that is not shelved: the most urgent first, and of those the latest."""
    rows = [
        AlarmRow(
            id=each.id,
            severity=each.alarm.severity.value,
            standing=SEVERITIES[each.alarm.severity.value],
            node="" if each.node == AUTHORITY else each.node,
            message=_reason(each.alarm.message),
            since=each.since,
        )
        for each in observed.alarms or ()
    ]
    return sorted(rows, key=lambda row: (_SEVERITY_ORDER.index(row.severity), -row.since.timestamp(), row.id))


def _reason(text: str) -> str:
    return text if len(text) <= _LONGEST_REASON else f"{text[: _LONGEST_REASON - 1]}…"


def _peerings(sightings: Sequence[Sighting], now: datetime) -> Few[PeeringRow]:
    """Return a row for each peering, the worst first: one where both ends say that all is well, else two."""
    well = {
        (each.node, each.peer.peer): each.peer.security.key_index
        for each in sightings
        if each.standing is Standing.GOOD
    }
    chosen: list[tuple[Sighting, bool]] = []
    for each in sightings:
        node, peer = each.node, each.peer.peer
        both = (node, peer) in well and well.get((peer, node)) == well[node, peer] is not None
        if not both or node < peer:
            chosen.append((each, both))
    # A stable sort: among those that stand alike the order is that of the configuration.
    chosen.sort(key=lambda each: -each[0].standing.rank)
    rows = tuple(_row(*each, now) for each in chosen[:MOST_ROWS])
    return Few(rows, max(0, len(chosen) - MOST_ROWS))


def _row(sighting: Sighting, both: bool, now: datetime) -> PeeringRow:
    peer, security = sighting.peer, sighting.peer.security
    due = security.next_rekey_seconds
    reasons = [_reason(each) for each in _reasons(peer)]
    more = len(reasons) - _MOST_REASONS
    return PeeringRow(
        node=sighting.node,
        peer=peer.peer,
        both=both,
        standing=sighting.standing,
        reasons=(*reasons[:_MOST_REASONS], *((f"and {more} more",) if more > 0 else ())),
        paths_up=sum(path.state == _IN_SERVICE for path in peer.paths),
        paths=len(peer.paths),
        key_index=security.key_index,
        keyed_at=datetime.fromisoformat(security.last_rekey) if security.last_rekey else None,
        rekey_at=None if due is None else now + timedelta(seconds=due),
    )


def _standing(peer: PeerStatus) -> Standing:
    security = peer.security
    if security.security_status == "ESKM_DISABLED":
        return Standing.OFF
    up = sum([path.state == _IN_SERVICE for path in peer.paths])
    if not up:
        # Nothing that failed is known of: it has just begun.
        begun = not security.key_acknowledged and not any(_reasons(peer))
        return Standing.WAITING if begun else Standing.DOWN
    if not security.key_acknowledged:
        return Standing.WAITING
    if security.peer_certificate_fault:
        return Standing.SUSPECT
    return Standing.GOOD if up == len(peer.paths) else Standing.DEGRADED


def _reasons(peer: PeerStatus) -> Iterable[str]:
    """Yield why a peering is not as it should be, the cause before its effects."""
    security = peer.security
    if security.peer_certificate_fault:
        yield f"Certificate of the peer: {security.peer_certificate_fault}"
    if security.last_error:
        yield f"Key exchange: {security.last_error}"
    for path in peer.paths:
        if path.state != _IN_SERVICE and path.reason:
            yield f"Path {path.name} is {path.state}: {path.reason}"


def _map(nodes: Sequence[NodeStatus], sightings: Sequence[Sighting]) -> Map:
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
    own = {node.node: _node_standing(node) for node in nodes}
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


def _node_standing(node: NodeStatus) -> Standing:
    own = node.certificate
    if not node.enabled:
        return Standing.OFF
    if own is None or CertificateState(own.state) is not CertificateState.VALID:
        return Standing.SUSPECT
    return Standing.GOOD


def _bounded(drawn: Map) -> Map:
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


def _certificates(nodes: Sequence[NodeStatus], now: datetime) -> Iterable[CertificateRow]:
    """Yield the certificate of every node here, and of every peer that is elsewhere."""
    here = {node.node for node in nodes}
    elsewhere: dict[str, tuple[PeerStatus, bytes]] = {}
    for node in nodes:
        own = node.certificate
        if own is None:
            missing = "; ".join(
                alarm.message for alarm in node.alarms if alarm.identity.startswith("certificate-missing")
            )
            standing = Standing.SUSPECT if node.enabled else Standing.OFF
            yield CertificateRow(node.node, standing, "missing", "", "", None, _reason(missing))
        else:
            ends = datetime.fromisoformat(own.not_after).astimezone(UTC)
            state = CertificateState(own.state).value
            yield _certificate(node.node, state, own.detail, Leaf(own.subject, own.issuer, ends), now)
        for peer in node.peers:
            if peer.peer not in here and peer.security.peer_chain:
                elsewhere.setdefault(peer.peer, (peer, peer.security.peer_chain[0]))
    for name, (peer, der) in elsewhere.items():
        leaf, fault = leaf_of(der), peer.security.peer_certificate_fault
        if leaf is not None:
            yield _certificate(name, "not good" if fault else "valid", fault, leaf, now)


def _certificate(node: str, state: str, detail: str, leaf: Leaf, now: datetime) -> CertificateRow:
    urgency = severity(now, min(now, leaf.not_after), leaf.not_after)
    standing = Standing.DOWN
    if state == CertificateState.VALID.value:
        standing = Standing.GOOD if urgency is None else SEVERITIES[urgency.value]
    word = _ENDS_SOON.get(standing, state)
    return CertificateRow(node, standing, word, leaf.subject, leaf.issuer, leaf.not_after, _reason(detail))


def _by_expiry(row: CertificateRow) -> tuple[bool, float, str]:
    """Order by what matters first: what is not good already, then what ends soonest."""
    ends = 0.0 if row.not_after is None else row.not_after.timestamp()
    return row.standing is not Standing.DOWN and row.not_after is not None, ends, row.node


def _sources(status: RevocationStatus | None, now: datetime) -> list[SourceRow]:
    rows = [_source(each, now) for each in (() if status is None else status.sources)]
    return sorted(rows, key=lambda row: -row.standing.rank)


def _source(source: SourceStatus, now: datetime) -> SourceRow:
    state, latest = source.state(now), source.latest
    return SourceRow(
        url=shown(source.url),
        standing=_LIST_STANDINGS.get(state, Standing.UNKNOWN),
        state=state,
        issuer="" if latest is None else latest.issuer,
        entries=source.entries,
        next_update=None if latest is None else latest.next_update,
        confirmed=source.confirmed,
        error=_reason(source.last_error or source.disk_error),
    )


def _pairs(nodes: Sequence[NodeStatus]) -> Iterable[PairRow]:
    for node in nodes:
        ha = node.ha
        if ha is None:
            continue
        standing = Standing.GOOD
        if ha.link == "down":
            standing = Standing.DOWN
        elif ha.link != "in-step" or ha.taken_over:
            standing = Standing.WAITING
        elif ha.lag:
            standing = Standing.DEGRADED
        yield PairRow(
            node=node.node,
            mate=ha.mate,
            standing=standing,
            role=ha.role.value,
            link=ha.link,
            error=_reason(ha.link_error),
            replicated=ha.replicated,
            records=ha.records,
            taken_over=ha.taken_over,
        )


def _hosts(status: PlacementStatus | None) -> Iterable[HostRow]:
    """Yield the hosts of a cluster. Where there is none, this process is no news."""
    hosts = () if status is None else status.hosts
    for host in () if [each.host for each in hosts] == [_ALONE] else hosts:
        standing = Standing.GOOD if host.complete else Standing.WAITING
        yield HostRow(
            host=host.host,
            machine=host.machine,
            standing=standing if host.answers else Standing.DOWN,
            nodes=host.nodes,
            restarts=host.restarts,
            fault=_reason(host.fault or ("" if host.answers else f"silent for {host.since_seconds:.0f} s")),
        )
