"""What the status page shows: decided here, from what the actors say and the time.

Every list has a bound, the worst comes first, and what is left out is counted; rows of which nothing is wrong
are folded away where there are many. Causes and next steps are those of the console
(:mod:`peerkey_cli.advice`), so that whoever finds one here finds it there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, Protocol, TypeVar

from actors.crl.port import shown
from actors.names import AUTHORITY
from peerkey.observe.alarm_kinds import ALARM_KINDS
from peerkey.pki.expiry import MAJOR_BEFORE, MINOR_BEFORE, severity
from peerkey.pki.faults import CertificateState
from peerkey_cli import advice
from peerkey_cli.page.leaves import Leaf, leaf_of
from peerkey_cli.palette import SEVERITIES, Standing, worst

if TYPE_CHECKING:
    from actors.cluster.messages import PlacementStatus
    from actors.crl.status import RevocationStatus, SourceStatus
    from actors.messages import NodeStatus, PathStatus, PeerStatus
    from peerkey.observe.alarm_history import Standing as StandingAlarm


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

#: Rows of one table. A page of a thousand routers stays below half a megabyte, and nobody reads more.
MOST_ROWS: Final = 100
#: Rows that are seen at once where nothing is wrong: the others are folded away, unless they are few.
UNFOLDED: Final = 10
_FEW_MORE: Final = 4
#: Rows that are seen at once of those of which the same is wrong; and rows of a cause that come before all of
#: another: a thousand peers that are down must not hide the one that has another algorithm.
_ALIKE: Final = 3
_MOST_OF_A_CAUSE: Final = 25
#: Alarms that are seen at once, beside the map.
UNFOLDED_ALARMS: Final = 8
#: Nodes that the map has room for; of more the worst are drawn.
MOST_DRAWN: Final = 1_000
#: Reasons that one row gives.
_MOST_REASONS: Final = 4
#: A reason is a sentence; a peer may have chosen what is in it.
_LONGEST_REASON: Final = 400
_IN_SERVICE: Final = "in-service"
#: The kind of alarm that tells that a peer is down; others tell what is wrong with it beside that, or before.
_DOWN_KIND: Final = "peer-unreachable"
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
    #: Which process answers: its machine and its number.
    process: str = ""
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


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """One thing that is wrong."""

    id: str
    severity: str
    standing: Standing
    node: str
    message: str
    since: datetime
    #: By which :class:`Todo` is found.
    kind: str


@dataclass(frozen=True, slots=True)
class Todo:
    """What a kind of alarm means, and what to do about it: the words of ``show alarms id ID``."""

    kind: str
    means: str
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PeeringRow:
    """One peering, seen from one node, or from both where both say the same and nothing is wrong."""

    node: str
    peer: str
    both: bool
    standing: Standing
    reasons: tuple[str, ...]
    #: What to do next; empty where nothing is.
    step: str
    #: Since when there is an alarm about it; ``None``: there is none about it alone.
    since: datetime | None
    paths_up: int
    paths: int
    key_index: int | None
    keyed_at: datetime | None
    rekey_at: datetime | None

    @property
    def well(self) -> bool:
        """Whether nothing is to be said of it: a key that cannot be replaced is still in use."""
        return self.standing is Standing.GOOD and not self.reasons


@dataclass(frozen=True, slots=True)
class CertificateRow(StandsAlone):
    """What a node shows, and until when."""

    node: str
    standing: Standing
    state: str
    subject: str
    issuer: str
    not_after: datetime | None
    detail: str
    step: str


@dataclass(frozen=True, slots=True)
class SourceRow(StandsAlone):
    """One address of revocation lists."""

    url: str
    standing: Standing
    state: str
    issuer: str
    entries: int
    next_update: datetime | None
    confirmed: datetime | None
    error: str
    step: str


@dataclass(frozen=True, slots=True)
class PairRow(StandsAlone):
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
class HostRow(StandsAlone):
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
    process: str
    #: Parts that did not answer, by their names.
    silent: tuple[str, ...]
    #: How many peerings stand how, each peering counted once.
    standings: Mapping[Standing, int]
    nodes: int
    severities: Mapping[str, int]
    map: Map
    alarms: Few[AlarmRow]
    #: One for each kind of the alarms that are shown, in their order.
    todo: tuple[Todo, ...]
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
    sightings = [
        Sighting(node.node, peer, _standing(peer, own))
        for node in nodes
        for own in (_node_standing(node),)
        for peer in node.peers
    ]
    drawn = _map(nodes, sightings)
    alarms = _alarms(observed)
    shown_alarms = Few(
        tuple(alarms[:MOST_ROWS]),
        max(0, len(alarms) - MOST_ROWS),
        _folding(min(len(alarms), MOST_ROWS), UNFOLDED_ALARMS),
    )
    return View(
        now=now,
        version=observed.version,
        since=observed.since,
        process=observed.process,
        silent=_silent(observed),
        standings=Counter(link.standing for link in drawn.links),
        nodes=len(nodes),
        severities={each: sum(row.severity == each for row in alarms) for each in SEVERITIES},
        map=_bounded(drawn),
        alarms=shown_alarms,
        todo=_todo(shown_alarms.shown),
        shelved=observed.shelved,
        peerings=_peerings(sightings, nodes, _since(observed), now),
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


def _few(rows: Sequence[R], number: int | None = None, alike: int = 0) -> Few[R]:
    """Return the first of the rows, those behind the last that is not well folded away.

    ``number`` is how many there are, where these are not all. Of the last ``alike`` of those that are not
    well the same is told by others before them.
    """
    found = tuple(rows[:MOST_ROWS])
    not_well = max((place for place, row in enumerate(found, 1) if not row.well), default=0)
    folding = _folding(len(found), max(UNFOLDED, not_well - alike))
    hidden = max(0, not_well - (len(found) - folding))
    return Few(found, (len(rows) if number is None else number) - len(found), folding, hidden)


def _folding(number: int, unfolded: int) -> int:
    """Return how many of so many are folded away: none where unfolding them is more than seeing them."""
    return number - unfolded if number - unfolded > _FEW_MORE else 0


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
            kind=each.alarm.kind,
        )
        for each in observed.alarms or ()
    ]

    def urgency(row: AlarmRow) -> tuple[int, float, str, str]:
        return _SEVERITY_ORDER.index(row.severity), -row.since.timestamp(), row.node, row.message

    return sorted(rows, key=urgency)


def _todo(rows: Iterable[AlarmRow]) -> tuple[Todo, ...]:
    kinds = (ALARM_KINDS.get(each) for each in dict.fromkeys(row.kind for row in rows))
    return tuple(Todo(kind.name, kind.means, kind.todo) for kind in kinds if kind is not None)


def _since(observed: Observed) -> Mapping[tuple[str, str], datetime]:
    """Return since when there is an alarm of a node about a peer: the one that it is down, else the first."""
    found: dict[tuple[str, str], tuple[bool, datetime]] = {}
    for each in observed.alarms or ():
        about, told = (each.node, each.alarm.source), (each.alarm.kind != _DOWN_KIND, each.since)
        found[about] = min(told, found.get(about, told))
    return {about: since for about, (_, since) in found.items()}


def _reason(text: str) -> str:
    return text if len(text) <= _LONGEST_REASON else f"{text[: _LONGEST_REASON - 1]}…"


def _peerings(
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
    return _few([*first, *alike, *(row for row in rows if row.well)], len(chosen), len(alike))


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
    reasons = [_reason(each) for each in _reasons(peer, told.fault)]
    more = len(reasons) - _MOST_REASONS
    return PeeringRow(
        node=sighting.node,
        peer=peer.peer,
        both=both,
        standing=sighting.standing,
        reasons=(*reasons[:_MOST_REASONS], *((f"and {more} more",) if more > 0 else ())),
        # That a certificate ends soon is told beside that certificate.
        step="" if sighting.standing is Standing.GOOD and not reasons else _reason(told.step),
        since=since,
        paths_up=sum(path.state == _IN_SERVICE for path in peer.paths),
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
    up = sum([path.state == _IN_SERVICE for path in peer.paths])
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
    security, down = peer.security, [path for path in peer.paths if path.state != _IN_SERVICE and path.reason]
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
    if advice.not_running(node):
        return Standing.DOWN
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
    elsewhere: dict[str, PeerStatus] = {}
    for node in nodes:
        own = node.certificate
        step = _reason(advice.of_certificate(node, now)) if node.enabled else ""
        if silent := advice.not_running(node):
            yield CertificateRow(
                node.node, Standing.UNKNOWN, "not known", "", "", None, _reason(silent), step
            )
        elif own is None:
            missing = "; ".join(
                alarm.message for alarm in node.alarms if alarm.identity.startswith("certificate-missing")
            )
            standing = Standing.SUSPECT if node.enabled else Standing.OFF
            yield CertificateRow(node.node, standing, "missing", "", "", None, _reason(missing), step)
        else:
            ends = datetime.fromisoformat(own.not_after).astimezone(UTC)
            state = CertificateState(own.state).value
            yield _certificate(node.node, state, own.detail, Leaf(own.subject, own.issuer, ends), step, now)
        for peer in node.peers:
            security, known = peer.security, elsewhere.get(peer.peer)
            # Whoever finds a fault in it knows more of it.
            better = known is None or (
                security.peer_certificate_fault and not known.security.peer_certificate_fault
            )
            if peer.peer not in here and better and (security.peer_chain or security.peer_certificate_fault):
                elsewhere[peer.peer] = peer
    for name, peer in elsewhere.items():
        chain, fault = peer.security.peer_chain, peer.security.peer_certificate_fault
        leaf = leaf_of(chain[0]) if chain else None
        step = _reason(advice.of_peer_certificate(peer, now))
        if leaf is not None:
            yield _certificate(name, "not good" if fault else "valid", fault, leaf, step, now)
        elif fault:
            # It was refused, and is not kept.
            yield CertificateRow(name, Standing.DOWN, "not good", "", "", None, _reason(fault), step)


def _certificate(node: str, state: str, detail: str, leaf: Leaf, step: str, now: datetime) -> CertificateRow:
    urgency = severity(now, min(now, leaf.not_after), leaf.not_after)
    standing = Standing.DOWN
    if state == CertificateState.VALID.value:
        standing = Standing.GOOD if urgency is None else SEVERITIES[urgency.value]
    word = _ENDS_SOON.get(standing, state)
    return CertificateRow(
        node, standing, word, leaf.subject, leaf.issuer, leaf.not_after, _reason(detail), step
    )


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
        step=advice.of_list(state),
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
