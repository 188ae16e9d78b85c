"""From what the actors say to the documents that operators read. Functions of values, no more."""

from __future__ import annotations

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

from actors.crl.port import shown
from actors.messages import DrainedNode
from peerkey.config.findings import ConfigurationFaults
from peerkey.observe.alarm_history import Standing, alarm_id
from peerkey.pki.faults import CertificateState
from peerkey_cli import advice, schemas
from peerkey_cli.alarm_documents import standing_alarms
from peerkey_cli.certificate_documents import described
from peerkey_cli.event_log import EventQuery
from peerkey_cli.noticed import together

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from actors.cluster.messages import PlacementStatus
    from actors.crl.status import RevocationStatus, SourceStatus
    from actors.journal import Entry
    from actors.messages import NodeStatus, PathStatus, PeerStatus
    from peerkey.observe.condensing import Noticing
    from peerkey_cli.fleet import HostActors
    from peerkey_cli.targets import Target


def peers(fleet: Iterable[NodeStatus], now: datetime) -> schemas.Peers:
    """Return every peering of every node with its paths."""
    return schemas.Peers(
        time=now, peers=tuple(_peer(node, peer, now) for node in fleet for peer in node.peers)
    )


def peers_security(fleet: Iterable[NodeStatus], now: datetime) -> schemas.PeersSecurity:
    """Return every peering with the state of its certificates and keys."""
    return schemas.PeersSecurity(
        time=now, peers=tuple(_peer_security(node, peer, now) for node in fleet for peer in node.peers)
    )


def certificates(fleet: Iterable[NodeStatus], now: datetime, *, detail: bool) -> schemas.Certificates:
    """Return what every node shows to its peers; with ``detail`` also in OpenSSL's words."""
    return schemas.Certificates(
        time=now, nodes=tuple(_node_certificates(node, now, detail=detail) for node in fleet)
    )


def revocation_lists(status: RevocationStatus, now: datetime) -> schemas.RevocationLists:
    """Return every address of revocation lists."""
    return schemas.RevocationLists(
        time=now,
        generation=status.generation,
        revoked=status.entries,
        sources=tuple(_revocation_list(each, now) for each in status.sources),
    )


def peers_certificate(fleet: Iterable[NodeStatus], now: datetime) -> schemas.PeersCertificate:
    """Return every peering with the certificates of both ends."""
    return schemas.PeersCertificate(
        time=now, peers=tuple(_peer_certificates(node, peer, now) for node in fleet for peer in node.peers)
    )


def key_status(fleet: Iterable[NodeStatus], now: datetime) -> schemas.KeyStatus:
    """Return when each node and each peering rekeys."""
    return schemas.KeyStatus(time=now, nodes=tuple(_node_key_status(node, now) for node in fleet))


def ha(fleet: Iterable[NodeStatus], now: datetime) -> schemas.HaNodes:
    """Return how each node that has a mate stands with it."""
    found = tuple(each for node in fleet if (each := _ha(node)) is not None)
    return schemas.HaNodes(time=now, nodes=found)


def alarms(noticing: Iterable[Noticing], since: Mapping[str, datetime], now: datetime) -> schemas.Alarms:
    """Return what is wrong, the latest last. ``since`` says of each id when it was first seen."""
    noticed, _ = together(noticing)
    found = (
        Standing(name, each.node, alarm, raised, (raised,))
        for each in noticed
        for alarm in each.alarms
        for name in (alarm_id(each.node, alarm),)
        for raised in (since.get(name, now),)
    )
    return standing_alarms(
        [(each, None) for each in sorted(found, key=lambda each: (each.since, each.id))], now
    )


def events(
    entries: Iterable[Entry],
    now: datetime,
    *,
    kind: str | None = None,
    since: datetime | None = None,
    wanted: EventQuery | None = None,
) -> schemas.Events:
    """Return audit events, oldest first: of one type or of all below it, from a time on, or those wanted."""
    query = wanted or EventQuery(kind, since)
    chosen = [each for each in entries if query.wants(each.event.TYPE, each.node, each.time)]
    return schemas.Events(time=now, events=tuple(map(event, chosen)))


def event(entry: Entry) -> schemas.Event:
    """Return one audit event."""
    return schemas.Event(
        time=entry.time,
        type=entry.event.TYPE,
        node=entry.node,
        title=entry.event.TITLE,
        description=entry.event.description(),
        detail=entry.event.detail(),
        permitted=entry.event.PERMITTED,
    )


def actors(hosts: Iterable[HostActors], now: datetime) -> schemas.Actors:
    """Return every actor of every host."""
    known = tuple(hosts)
    return schemas.Actors(
        time=now,
        actors=tuple(
            schemas.Actor(
                name=info.name,
                kind=info.kind,
                host=each.host,
                process=each.process,
                machine=each.machine,
                state=info.state.value,
                restarts=max(0, info.incarnation - 1),
                last_error=info.last_error,
                mailbox_depth=info.mailbox_depth,
                mailbox_highest=info.mailbox_highest,
                mailbox_capacity=info.mailbox_capacity,
                taken=info.taken,
            )
            for each in known
            for info in each.actors
        ),
        dead_letters=sum(each.totals.dead_letters for each in known),
        crashes=sum(each.totals.crashes for each in known),
    )


def drains(found: Iterable[DrainedNode], now: datetime) -> schemas.Drains:
    """Return how far nodes are out of work."""
    return schemas.Drains(
        time=now,
        nodes=tuple(
            schemas.Drained.model_validate(
                {"node": each.node, "state": each.state, "since": each.since or None, "how": each.how}
            )
            for each in found
        ),
    )


def drained_nodes(nodes: Iterable[NodeStatus]) -> tuple[DrainedNode, ...]:
    """Return how far each node is out of work."""
    return tuple(each.drained or DrainedNode(each.node, "in-service") for each in nodes)


def hosts(status: PlacementStatus, now: datetime) -> schemas.Hosts:
    """Return every host, and the nodes that are on none."""
    return schemas.Hosts(
        time=now,
        placement=status.placement,
        machines=status.machines,
        hosts=tuple(
            schemas.Host(
                host=each.host,
                machine=each.machine,
                process=None if each.pid is None else f"{each.machine}:{each.pid}",
                answers=each.answers,
                since_seconds=each.since_seconds,
                restarts=each.restarts,
                nodes=each.nodes,
                paths=each.paths,
                complete=each.complete,
                fault=each.fault,
                drained=each.drained,
            )
            for each in status.hosts
        ),
        nodes=sum(1 for node in status.nodes if node.host),
        paths=sum(each.paths for each in status.hosts),
        unplaced=tuple(
            schemas.Unplaced(node=node.node, why=node.why)
            for node in (*status.nodes, *status.unplaced_paths)
            if not node.host
        ),
        complete=bool(status.hosts) and all(each.answers and each.complete for each in status.hosts),
    )


def targets(found: Iterable[Target], now: datetime) -> schemas.Targets:
    """Return where the metrics of each machine are."""
    return schemas.Targets(
        time=now,
        targets=tuple(
            schemas.ScrapeTarget(machine=each.machine, address=each.address) for each in sorted(found)
        ),
    )


def problem(status: int, error: Exception | str) -> schemas.Problem:
    """Return why something was refused, with every fault where it is a configuration."""
    text = str(error)
    faults: tuple[schemas.Fault, ...] = ()
    if isinstance(error, ConfigurationFaults):
        number = f"{error.count} fault{'s' if error.count != 1 else ''}"
        text = f"the configuration has {number}; nothing was changed"
        faults = tuple(
            schemas.Fault(
                source=fault.source,
                line=fault.line,
                column=fault.column,
                path=fault.path,
                message=fault.message,
            )
            for fault in error.faults
        )
    return schemas.Problem(
        title=HTTPStatus(status).phrase, status=status, detail=text, error=text, faults=faults
    )


def _peer(node: NodeStatus, peer: PeerStatus, now: datetime) -> schemas.Peer:
    up = sum(path.serves for path in peer.paths)
    found = advice.of_peering(node, peer, now)
    return schemas.Peer(
        node=node.node,
        peer=peer.peer,
        peer_uuid=peer.uuid,
        status="down" if not up else "up" if up == len(peer.paths) else "degraded",
        fault=found.fault,
        advice=found.step,
        probe_interval_seconds=node.probe_interval_seconds,
        paths=tuple(_path(path) for path in peer.paths),
    )


def _path(path: PathStatus) -> schemas.Path:
    return schemas.Path(
        name=path.name,
        interface=path.name.partition(">")[0],
        local=path.local,
        remote=path.remote,
        mtu=path.mtu,
        state=path.state,
        status="up" if path.serves else "down",
        reason=path.reason,
    )


def _node_certificates(node: NodeStatus, now: datetime, *, detail: bool) -> schemas.NodeCertificates:
    own = node.certificate
    missing = "; ".join(
        alarm.message for alarm in node.alarms if alarm.identity.startswith("certificate-missing")
    )
    return schemas.NodeCertificates(
        node=node.node,
        uuid=node.uuid,
        state="missing" if own is None else CertificateState(own.state).value,
        detail=missing if own is None else own.detail,
        advice=advice.of_certificate(node, now),
        certificates=() if own is None else tuple(described(der, detail=detail) for der in own.chain),
    )


def _revocation_list(source: SourceStatus, now: datetime) -> schemas.RevocationListInfo:
    latest, confirmed = source.latest, source.confirmed
    return schemas.RevocationListInfo.model_validate(
        {
            "url": shown(source.url),
            "origin": source.origin.value,
            "state": source.state(now),
            "issuer": "" if latest is None else latest.issuer,
            "number": None if latest is None else latest.number,
            "base": None if latest is None else latest.base,
            "this_update": None if latest is None else latest.this_update,
            "next_update": None if latest is None else latest.next_update,
            "entries": source.entries,
            "size": 0 if latest is None else latest.size,
            "fetched": source.fetched,
            "confirmed": confirmed,
            "age_seconds": None if confirmed is None else max(0.0, (now - confirmed).total_seconds()),
            "polling": source.polling.value,
            "next_poll": source.next_poll,
            "last_error": source.last_error or source.disk_error,
            "advice": advice.of_list(source.state(now)),
        }
    )


def _peer_certificates(node: NodeStatus, peer: PeerStatus, now: datetime) -> schemas.PeerCertificates:
    own = () if node.certificate is None else node.certificate.chain
    theirs = peer.security.peer_chain
    return schemas.PeerCertificates(
        **_peer(node, peer, now).model_dump(exclude={"paths"}),
        paths=tuple(_path(path) for path in peer.paths),
        local_certificate=described(own[0]) if own else None,
        peer_certificate=described(theirs[0]) if theirs else None,
        certificate_fault=peer.security.peer_certificate_fault,
    )


def _keys(peer: PeerStatus) -> tuple[schemas.Key, ...]:
    return tuple(
        schemas.Key(role=role, index=index, key_id=key_id) for role, index, key_id in peer.security.keys
    )


def _peer_security(node: NodeStatus, peer: PeerStatus, now: datetime) -> schemas.PeerSecurity:
    security = peer.security
    return schemas.PeerSecurity(
        **_peer(node, peer, now).model_dump(exclude={"paths"}),
        paths=tuple(_path(path) for path in peer.paths),
        security_status=security.security_status,
        algorithm=security.algorithm,
        key_index=security.key_index,
        peer_key_index=security.peer_seals_with or None,
        certificate_received=security.certificate_received,
        certificate_acknowledged=security.certificate_acknowledged,
        key_received=security.key_received,
        key_acknowledged=security.key_acknowledged,
        keys=_keys(peer),
        certificate_fault=security.peer_certificate_fault,
        dropped=dict(peer.dropped),
    )


def _node_key_status(node: NodeStatus, now: datetime) -> schemas.NodeKeyStatus:
    each = tuple(_peer_key_status(peer, now) for peer in node.peers)
    return schemas.NodeKeyStatus(
        node=node.node,
        uuid=node.uuid,
        key_manager_state="active" if node.enabled else "inactive",
        rekey_interval_hours=node.rekey_interval_hours,
        rekey_index=max((peer.rekey_index for peer in each if peer.rekey_index is not None), default=None),
        last_rekey=max((peer.last_rekey for peer in each if peer.last_rekey is not None), default=None),
        next_rekey=min((peer.next_rekey for peer in each if peer.next_rekey is not None), default=None),
        key_change_count=sum(peer.key_change_count for peer in each),
        key_change_error="; ".join(
            f"{peer.peer}: {peer.key_change_error}" for peer in each if peer.key_change_error
        ),
        ha=_ha(node),
        peers=each,
    )


def _peer_key_status(peer: PeerStatus, now: datetime) -> schemas.PeerKeyStatus:
    security = peer.security
    due = security.next_rekey_seconds
    return schemas.PeerKeyStatus(
        peer=peer.peer,
        peer_uuid=peer.uuid,
        rekey_index=security.key_index,
        last_rekey=datetime.fromisoformat(security.last_rekey) if security.last_rekey else None,
        next_rekey=None if due is None else now + timedelta(seconds=due),
        key_change_count=security.key_changes,
        key_change_error=security.last_error,
        keys=_keys(peer),
    )


def _ha(node: NodeStatus) -> schemas.Ha | None:
    status = node.ha
    if status is None:
        return None
    names = {peer.uuid: peer.peer for peer in node.peers}
    return schemas.Ha(
        node=node.node,
        uuid=node.uuid,
        mate=status.mate,
        mate_uuid=status.mate_uuid,
        role=status.role.value,
        term=status.term,
        link=status.link,
        link_error=status.link_error,
        records=status.records,
        replicated=status.replicated,
        lag=status.lag,
        copies=status.copies,
        taken_over=status.taken_over,
        rekey_turn=status.rekey_turn,
        silent_seconds=status.silent_seconds,
        keys=tuple(
            schemas.HaKey(
                peer=names.get(key.peer_uuid, key.peer_uuid),
                peer_uuid=key.peer_uuid,
                role=key.role,
                index=key.index,
                key_id=key.key_id,
                seals=key.seals,
            )
            for key in status.keys
        ),
    )
