"""What Prometheus is told of one machine, computed from what its fleet says. Pure, and fit for any thread."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from actors.crl.port import shown
from actors.names import AUTHORITY
from metrics import catalogue, labels
from metrics.detail import Detail
from metrics.labels import known
from metrics.metric import Kind, Metric, Per
from metrics.thresholds import REKEY_GRACE
from peerkey.ha.messages import Role
from peerkey_cli import advice, causes
from peerkey_cli.versions import own_version

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from actors.crl.status import RevocationStatus
    from actors.messages import NodeStatus, PeerStatus
    from metrics.exporter import Samples
    from peerkey.observe.condensing import Noticing
    from peerkey_cli.fleet import HostActors, Measured

_ALONE: Final = ()
#: The kind of alarm that a peer is out of reach, and no certificate or setting is why.
_UNREACHABLE: Final = "peer-unreachable"

#: What every node has counted, if only zero times: an alert on an increase needs to see the first one.
_OF_NODES: Final = (
    catalogue.CSRS,
    catalogue.CERTIFICATE_IMPORTS,
    catalogue.CERTIFICATE_FAULTS,
    catalogue.PEER_CERTIFICATE_FAULTS,
    catalogue.KEY_CHANGES,
    catalogue.REKEYS,
    catalogue.PATH_CHANGES,
)
_OF_PAIRS: Final = (catalogue.HA_LINKS, catalogue.HA_TAKEOVERS, catalogue.HA_KEYS_NOT_REPLICATED)
_OF_LISTS: Final = (catalogue.CRL_FETCHES, catalogue.CRL_INGESTIONS)
_OF_MACHINES: Final = (catalogue.LOGINS_REFUSED, catalogue.STORE_ERRORS, catalogue.AUDIT_LOST)
_HISTOGRAMS: Final = tuple(
    metric for metric in catalogue.CATALOGUE if metric.kind is Kind.HISTOGRAM and metric.per is Per.MACHINE
)


def samples_of(
    measured: Measured, detail: Detail = Detail.PEER, breathe: Callable[[], None] = lambda: None
) -> Samples:
    """Return every sample of one machine, those of single peers only where ``detail`` names these.

    After each node, of which one may have thousands of paths, others ``breathe``.
    """
    nodes = measured.nodes
    found: dict[Metric, Mapping[tuple[str, ...], float]] = {
        **process_samples(measured.hosts),
        **fleet_samples(nodes, measured.now, breathe),
        **ha_samples(nodes),
        **revocation_samples(measured.revocation, measured.now),
        **alarm_samples(measured.noticing),
        **with_zeros(measured.tally, nodes),
        catalogue.ALARMS_SHELVED: {_ALONE: float(len(measured.shelved))},
        catalogue.UP: {_ALONE: float(measured.up)},
        catalogue.CLOCK: {_ALONE: measured.now.timestamp()},
    }
    if detail is Detail.PEER:
        found.update(peering_samples(nodes, measured.now, breathe))
    if measured.since is not None:
        found[catalogue.COUNTED_SINCE] = {_ALONE: measured.since.timestamp()}
    return found


def process_samples(hosts: Collection[HostActors]) -> Samples:
    """Return what the processes of this machine say of themselves."""
    actors = [actor for host in hosts for actor in host.actors]
    depth: Counter[tuple[str, ...]] = Counter()
    highest: Counter[tuple[str, ...]] = Counter()
    capacity: dict[tuple[str, ...], float] = {}
    for actor in actors:
        kind = (actor.kind,)
        depth[kind] = max(depth[kind], actor.mailbox_depth)
        highest[kind] = max(highest[kind], actor.mailbox_highest)
        capacity[kind] = min(capacity.get(kind, actor.mailbox_capacity), actor.mailbox_capacity)
    return {
        catalogue.BUILD_INFO: {(own_version(),): 1.0},
        catalogue.HOSTS: {_ALONE: float(len(hosts))},
        catalogue.ACTORS: Counter((actor.kind, actor.state.value) for actor in actors),
        catalogue.MAILBOX_DEPTH: depth,
        catalogue.MAILBOX_HIGHEST: highest,
        catalogue.MAILBOX_CAPACITY: capacity,
    }


def alarm_samples(noticing: Iterable[Noticing]) -> Samples:
    """Return how many alarms there are of each node and severity, and of each type."""
    found: Counter[tuple[str, ...]] = Counter(
        (each.node, known(alarm.kind, labels.ALARM_TYPE), alarm.severity.value)
        for each in noticing
        for alarm in each.alarms
    )
    types: dict[tuple[str, ...], float] = {
        (kind, severity): 0.0 for kind in labels.ALARM_TYPE.words for severity in labels.SEVERITY.words
    }
    for (_, kind, severity), number in found.items():
        types[kind, severity] += number
    return {catalogue.ALARMS: found, catalogue.ALARMS_BY_TYPE: types}


def revocation_samples(status: RevocationStatus, now: datetime) -> Samples:
    """Return what is known of revocations, and how old it is."""
    entries: dict[tuple[str, ...], float] = {}
    states: dict[tuple[str, ...], float] = {}
    confirmed: dict[tuple[str, ...], float] = {}
    due: dict[tuple[str, ...], float] = {}
    for source in status.sources:
        url = shown(source.url)
        entries[url,] = source.entries
        current = source.state(now)
        for state in labels.LIST_STATES:
            states[url, state] = float(state == current)
        if source.confirmed is not None:
            confirmed[url,] = source.confirmed.timestamp()
        if source.latest is not None and source.latest.next_update is not None:
            due[url,] = source.latest.next_update.timestamp()
    at = now.timestamp()
    return {
        catalogue.CRL_ENTRIES: entries,
        catalogue.CRL_STATE: states,
        catalogue.CRL_CONFIRMED: confirmed,
        catalogue.CRL_AGE: {url: max(0.0, at - instant) for url, instant in confirmed.items()},
        catalogue.CRL_NEXT_UPDATE: due,
        catalogue.REVOKED: {_ALONE: float(status.entries)},
    }


def ha_samples(fleet: Iterable[NodeStatus]) -> Samples:
    """Return what the nodes say that have a mate."""
    up: dict[tuple[str, ...], float] = {}
    leads: dict[tuple[str, ...], float] = {}
    records: dict[tuple[str, ...], float] = {}
    lag: dict[tuple[str, ...], float] = {}
    silent: dict[tuple[str, ...], float] = {}
    taken: dict[tuple[str, ...], float] = {}
    for node in fleet:
        ha = node.ha
        if ha is not None:
            up[node.node,] = ha.link in {"resynchronising", "in-step"}
            leads[node.node,] = ha.role is Role.LEADER
            records[node.node, "replicated"] = ha.replicated
            records[node.node, "lagging"] = ha.records - ha.replicated
            records[node.node, "copies"] = ha.copies
            lag[node.node,] = ha.lag
            silent[node.node,] = ha.silent_seconds
            taken[node.node,] = ha.taken_over
    return {
        catalogue.HA_LINK_UP: up,
        catalogue.HA_LEADER: leads,
        catalogue.HA_RECORDS: records,
        catalogue.HA_LAG: lag,
        catalogue.HA_SILENT: silent,
        catalogue.HA_TAKEN_OVER: taken,
    }


def fleet_samples(
    fleet: Sequence[NodeStatus], now: datetime, breathe: Callable[[], None] = lambda: None
) -> Samples:
    """Return what the nodes say, each as a whole."""
    peerings: Counter[tuple[str, ...]] = Counter()
    paths: Counter[tuple[str, ...]] = Counter()
    keys: Counter[tuple[str, ...]] = Counter()
    facts: dict[Metric, dict[tuple[str, ...], float]] = {
        metric: {}
        for metric in (
            catalogue.PEERINGS_ENABLED,
            catalogue.PEERINGS_KEYED,
            catalogue.PEERINGS_UNREACHABLE,
            catalogue.PEERINGS_OVERDUE,
            catalogue.PEER_CERTIFICATES_BAD,
            catalogue.OLDEST_KEY,
            catalogue.NEXT_REKEY,
            catalogue.REKEY_INTERVAL,
            catalogue.CERTIFICATE_NOT_AFTER,
            catalogue.CERTIFICATE_VALID,
        )
    }
    for node in fleet:
        name, peers = node.node, node.peers
        # What is zero is told too: an alert must see that it is over.
        peerings.update({(name, status): 0 for status in labels.STATUSES})
        paths.update({(name, state): 0 for state in labels.PATH_STATES})
        for peer in peers:
            peerings[name, known(peer.security.security_status, labels.STATUS)] += 1
            paths.update((name, known(path.state, labels.PATH_STATE)) for path in peer.paths)
            keys.update((name, role) for role, _, _ in peer.security.keys)
        for metric, value in _facts(node, now).items():
            facts[metric][name,] = value
        breathe()
    return {
        catalogue.NODES: {_ALONE: float(len(fleet))},
        catalogue.PEERINGS: peerings,
        catalogue.PATHS: paths,
        catalogue.KEYS: keys,
        **facts,
    }


def _facts(node: NodeStatus, now: datetime) -> dict[Metric, float]:
    """Return what there is one number of for each node."""
    peers, own = node.peers, node.certificate
    interval = None if node.rekey_interval_hours is None else timedelta(hours=node.rekey_interval_hours)
    agreed = [at for peer in peers if (at := _agreed(peer)) is not None]
    due = [instant for peer in peers if (instant := _due(peer, now)) is not None]
    overdue = 0 if interval is None else sum(now - at > interval + REKEY_GRACE for at in agreed)
    keyed = sum(peer.security.key_index is not None for peer in peers)
    facts = {
        catalogue.PEERINGS_ENABLED: float(len(peers) if node.enabled else 0),
        catalogue.PEERINGS_KEYED: float(keyed if node.enabled else 0),
        catalogue.PEERINGS_UNREACHABLE: float(_alarms(node, _UNREACHABLE)),
        catalogue.PEERINGS_OVERDUE: float(overdue if node.enabled else 0),
        catalogue.PEER_CERTIFICATES_BAD: float(
            sum(bool(peer.security.peer_certificate_fault) for peer in peers) if node.enabled else 0
        ),
    }
    if node.enabled and not advice.not_running(node):
        facts[catalogue.CERTIFICATE_VALID] = float(own is not None and own.state == "valid")
    if agreed:
        facts[catalogue.OLDEST_KEY] = min(agreed).timestamp()
    if due:
        facts[catalogue.NEXT_REKEY] = min(due)
    if interval is not None:
        facts[catalogue.REKEY_INTERVAL] = interval.total_seconds()
    if node.enabled and own is not None:
        facts[catalogue.CERTIFICATE_NOT_AFTER] = datetime.fromisoformat(own.not_after).timestamp()
    return facts


def peering_samples(
    fleet: Iterable[NodeStatus], now: datetime, breathe: Callable[[], None] = lambda: None
) -> Samples:
    """Return what there is of each peering and of each path."""
    state: dict[tuple[str, ...], float] = {}
    paths: dict[tuple[str, ...], float] = {}
    up: dict[tuple[str, ...], float] = {}
    agreed: dict[tuple[str, ...], float] = {}
    due: dict[tuple[str, ...], float] = {}
    path_up: dict[tuple[str, ...], float] = {}
    faults: dict[tuple[str, ...], float] = {}
    for node in fleet:
        for peer in node.peers:
            names = (node.node, peer.peer)
            if (cause := causes.of_peering(node, peer)) is not None:
                faults[*names, cause.about, cause.reason] = 1.0
            state[*names, known(peer.security.security_status, labels.STATUS)] = 1.0
            paths[names] = len(peer.paths)
            up[names] = 0.0
            for path in peer.paths:
                serves = path.serves
                up[names] += serves
                path_up[*names, path.name] = float(serves)
            if (at := _agreed(peer)) is not None:
                agreed[names] = at.timestamp()
            if (when := _due(peer, now)) is not None:
                due[names] = when
        breathe()
    return {
        catalogue.PEERING_STATE: state,
        catalogue.PEERING_FAULT: faults,
        catalogue.PEERING_PATHS: paths,
        catalogue.PEERING_PATHS_UP: up,
        catalogue.PEERING_KEY: agreed,
        catalogue.PEERING_NEXT_REKEY: due,
        catalogue.PATH_IN_SERVICE: path_up,
    }


def with_zeros(tally: Samples, nodes: Iterable[NodeStatus]) -> Samples:
    """Return what was counted, and zero for what might have been."""
    names = [(node.node, node.ha is not None) for node in nodes]
    zeros: dict[Metric, dict[tuple[str, ...], float]] = {
        **{metric: _zeros(metric, *(name for name, _ in names)) for metric in _OF_NODES},
        **{metric: _zeros(metric, *(name for name, paired in names if paired)) for metric in _OF_PAIRS},
        **{metric: _zeros(metric, AUTHORITY) for metric in _OF_LISTS},
        **{metric: _zeros(metric) for metric in (*_OF_MACHINES, *_HISTOGRAMS)},
        # What no other counter tells: somebody shows another certificate than the one that is pinned.
        catalogue.PEER_AUTHENTICATIONS: {(name, "refused", "pinned"): 0.0 for name, _ in names},
    }
    counted = {metric: {**zeros.pop(metric, {}), **numbers} for metric, numbers in tally.items()}
    return {**counted, **zeros}


def _zeros(metric: Metric, *nodes: str) -> dict[tuple[str, ...], float]:
    """Return zero for each combination of the labels' words, of each node where it has one."""
    combinations: list[tuple[str, ...]] = [(name,) for name in nodes] if metric.per is Per.NODE else [()]
    for label in metric.labels:
        if label.per is Per.MACHINE:
            combinations = [(*each, word) for each in combinations for word in label.words]
    if metric.kind is Kind.HISTOGRAM:
        combinations = [(*each, "+Inf") for each in combinations]
    return dict.fromkeys(combinations, 0.0)


def _agreed(peer: PeerStatus) -> datetime | None:
    at = peer.security.last_rekey
    return None if at is None else datetime.fromisoformat(at)


def _due(peer: PeerStatus, now: datetime) -> float | None:
    """Return when a peering is rekeyed next, to the second: the same at every scrape until it is."""
    due = peer.security.next_rekey_seconds
    return None if due is None else float(round(now.timestamp() + due))


def _alarms(node: NodeStatus, kind: str) -> int:
    return sum(alarm.kind == kind for alarm in node.alarms)
