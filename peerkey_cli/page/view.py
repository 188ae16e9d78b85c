"""What the status page shows: decided here, from what the actors say and the time.

Every list has a bound, the worst comes first, and what is left out is counted; rows of which nothing is wrong
are folded away where there are many. Causes and next steps are those of the console
(:mod:`peerkey_cli.advice`), so that whoever finds one here finds it there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from actors.crl.port import shown
from actors.names import AUTHORITY
from peerkey.observe.alarm_kinds import ALARM_KINDS
from peerkey.pki.expiry import MAJOR_BEFORE, MINOR_BEFORE, severity
from peerkey.pki.faults import CertificateState
from peerkey_cli import advice
from peerkey_cli.page.folding import MOST_ROWS, Few, few, folding, reason
from peerkey_cli.page.leaves import Leaf, leaf_of
from peerkey_cli.page.peerings import bounded, map_of, peering_rows, sightings_of
from peerkey_cli.page.rows import AlarmRow, CertificateRow, HostRow, PairRow, SourceRow, Todo, View
from peerkey_cli.palette import SEVERITIES, Standing

if TYPE_CHECKING:
    from actors.cluster.messages import PlacementStatus
    from actors.crl.status import RevocationStatus, SourceStatus
    from actors.messages import NodeStatus, PeerStatus
    from peerkey_cli.page.observed import Observed

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
#: Alarms that are seen at once, beside the map.
UNFOLDED_ALARMS: Final = 8
#: The kind of alarm that tells that a peer is down; others tell what is wrong with it beside that, or before.
_DOWN_KIND: Final = "peer-unreachable"
_SEVERITY_ORDER: Final = tuple(SEVERITIES)


def view_of(observed: Observed) -> View:
    """Return what is shown of ``observed``."""
    nodes, now = observed.nodes or (), observed.now
    sightings = sightings_of(nodes)
    drawn = map_of(nodes, sightings)
    alarms = _alarms(observed)
    shown_alarms = Few(
        tuple(alarms[:MOST_ROWS]),
        max(0, len(alarms) - MOST_ROWS),
        folding(min(len(alarms), MOST_ROWS), UNFOLDED_ALARMS),
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
        map=bounded(drawn),
        alarms=shown_alarms,
        todo=_todo(shown_alarms.shown),
        shelved=observed.shelved,
        peerings=peering_rows(sightings, nodes, _since(observed), now),
        certificates=few(sorted(_certificates(nodes, now), key=_by_expiry)),
        sources=few(_sources(observed.revocation, now)),
        revoked=0 if observed.revocation is None else observed.revocation.entries,
        pairs=few(sorted(_pairs(nodes), key=lambda row: -row.standing.rank)),
        hosts=few(sorted(_hosts(observed.placement), key=lambda row: -row.standing.rank)),
    )


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
            message=reason(each.alarm.message),
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


def _certificates(nodes: Sequence[NodeStatus], now: datetime) -> Iterable[CertificateRow]:
    """Yield the certificate of every node here, and of every peer that is elsewhere."""
    here = {node.node for node in nodes}
    elsewhere: dict[str, PeerStatus] = {}
    for node in nodes:
        own = node.certificate
        step = reason(advice.of_certificate(node, now)) if node.enabled else ""
        if silent := advice.not_running(node):
            yield CertificateRow(node.node, Standing.UNKNOWN, "not known", "", "", None, reason(silent), step)
        elif own is None:
            missing = "; ".join(
                alarm.message for alarm in node.alarms if alarm.identity.startswith("certificate-missing")
            )
            standing = Standing.SUSPECT if node.enabled else Standing.OFF
            yield CertificateRow(node.node, standing, "missing", "", "", None, reason(missing), step)
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
        step = reason(advice.of_peer_certificate(peer, now))
        if leaf is not None:
            yield _certificate(name, "not good" if fault else "valid", fault, leaf, step, now)
        elif fault:
            # It was refused, and is not kept.
            yield CertificateRow(name, Standing.DOWN, "not good", "", "", None, reason(fault), step)


def _certificate(node: str, state: str, detail: str, leaf: Leaf, step: str, now: datetime) -> CertificateRow:
    urgency = severity(now, min(now, leaf.not_after), leaf.not_after)
    standing = Standing.DOWN
    if state == CertificateState.VALID.value:
        standing = Standing.GOOD if urgency is None else SEVERITIES[urgency.value]
    word = _ENDS_SOON.get(standing, state)
    return CertificateRow(
        node, standing, word, leaf.subject, leaf.issuer, leaf.not_after, reason(detail), step
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
        error=reason(source.last_error or source.disk_error),
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
            error=reason(ha.link_error),
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
            fault=reason(host.fault or ("" if host.answers else f"silent for {host.since_seconds:.0f} s")),
        )
