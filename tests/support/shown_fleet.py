"""Fleets as an operator would be shown them, of fixed values: nobody runs, and nothing takes time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from string import digits

from actors.crl.status import RevocationStatus, SourceStatus, Trouble
from actors.messages import CertificateStatus, NodeStatus, PathStatus, PeerStatus
from peerkey.observe import alarms
from peerkey.observe.alarm_history import Standing, alarm_id
from peerkey.observe.alarms import Alarm
from peerkey.pki.crl_polling import PollState
from peerkey.pki.list_subscriptions import Origin
from peerkey.protocol.peering import PeeringStatus
from peerkey_cli.page.observed import Observed

NOW = datetime(2030, 6, 15, 12, 0, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Notices:
    """Whoever notices what is wrong."""

    node: str
    alarms: tuple[Alarm, ...]


def mesh(names: Sequence[str]) -> tuple[NodeStatus, ...]:
    """Return routers of one node each, every one keyed with every other."""
    return tuple(node(name, [peer(other) for other in names if other != name]) for name in names)


def star(hub: str, branches: Sequence[str]) -> tuple[NodeStatus, ...]:
    """Return a hub and its branches, which are keyed with it and with nobody else."""
    return (node(hub, [peer(each) for each in branches]), *(node(each, [peer(hub)]) for each in branches))


def routers(number: int) -> list[str]:
    """Return names for so many."""
    return [f"r{each:03d}" for each in range(1, number + 1)]


def node(
    name: str, peers: Iterable[PeerStatus], days: float = 200.0, found: Iterable[Alarm] = ()
) -> NodeStatus:
    """Return a node whose certificate is good for so many days."""
    ends = NOW + timedelta(days=days)
    state = "expired" if ends <= NOW else "valid"
    certificate = CertificateStatus(
        subject=f"CN={name}",
        issuer="CN=lab",
        not_before=(NOW - timedelta(days=100)).isoformat(),
        not_after=ends.isoformat(),
        fingerprint="00",
        state=state,
        detail="" if state == "valid" else "the certificate expired",
    )
    return NodeStatus(
        node=f"{name}/node0",
        uuid=f"uuid-{name}",
        enabled=True,
        certificate=certificate,
        peers=tuple(peers),
        alarms=tuple(found),
        rekey_interval_hours=24.0,
    )


def peer(name: str) -> PeerStatus:
    """Return a peer that is keyed over two paths."""
    security = PeeringStatus(
        peer=f"{name}/node0",
        security_status="MKEY_EXCH_COMP",
        algorithm="diffie-hellman-2048-ml-kem-768",
        keys=(("current", 7, "ab" * 16),),
        key_index=7,
        peer_seals_with=7,
        certificate_received=True,
        certificate_acknowledged=True,
        key_received=True,
        key_acknowledged=True,
        key_changes=7,
        last_rekey=(NOW - timedelta(hours=5)).isoformat(),
        next_rekey_seconds=timedelta(hours=19).total_seconds(),
        last_error="",
        peer_certificate_fault="",
    )
    paths = (path("wan0", name=name), path("lte0", name=name))
    return PeerStatus(f"{name}/node0", f"uuid-{name}", security, paths, ())


def path(
    interface: str, state: str = "in-service", reason: str = "a probe was answered", name: str = ""
) -> PathStatus:
    """Return a path to the peer of that name: peers that have a number have an address each."""
    number = int("".join(each for each in name if each in digits)[-4:] or 7)
    remote = f"192.0.{2 + number // 250}.{number % 250}:1280"
    return PathStatus(f"{interface}>node0", state, reason, "192.0.2.1:1280", remote, 1500)


def degraded(known: PeerStatus) -> PeerStatus:
    """Return the peer with one path down."""
    return replace(known, paths=(known.paths[0], _silent(known.paths[1])))


def down(known: PeerStatus, error: str = "") -> PeerStatus:
    """Return the peer with all paths down."""
    paths = tuple(map(_silent, known.paths))
    return replace(known, paths=paths, security=replace(known.security, last_error=error))


def _silent(known: PathStatus) -> PathStatus:
    return replace(known, state="invalid", reason="no answer within 10 s")


def suspect(known: PeerStatus, fault: str) -> PeerStatus:
    """Return the peer with a certificate that is not good."""
    return replace(known, security=replace(known.security, peer_certificate_fault=fault))


def source(url: str, trouble: str = "") -> SourceStatus:
    """Return an address of revocation lists."""
    return SourceStatus(
        url=url,
        origin=Origin.CONFIGURED,
        polling=PollState.RETRYING if trouble else PollState.WAITING,
        entries=3,
        confirmed=NOW - timedelta(minutes=20),
        trouble=Trouble.UNREACHABLE if trouble else None,
        last_error=trouble,
    )


def lists(*sources: SourceStatus) -> RevocationStatus:
    """Return what is known of revocations."""
    return RevocationStatus(generation=4, entries=3, sources=sources)


def observed(
    nodes: tuple[NodeStatus, ...], revocation: RevocationStatus | None = None, found: Iterable[Notices] = ()
) -> Observed:
    """Return a system that answers."""
    since = NOW - timedelta(minutes=7)
    noticing = (*(Notices(each.node, each.alarms) for each in nodes if each.alarms), *found)
    return Observed(
        now=NOW,
        version="1.2.3",
        since=NOW - timedelta(days=3),
        nodes=nodes,
        revocation=lists() if revocation is None else revocation,
        alarms=tuple(
            Standing(alarm_id(each.node, alarm), each.node, alarm, since, (since,))
            for each in noticing
            for alarm in each.alarms
        ),
    )


def troubled(nodes: tuple[NodeStatus, ...]) -> tuple[NodeStatus, ...]:
    """Return a fleet in which a little of everything is wrong, the same for every size of three and more."""
    changed = list(nodes)

    def change(place: int, peer_place: int, new: PeerStatus, alarm: Alarm) -> None:
        known = changed[place]
        peers = list(known.peers)
        peers[peer_place] = new
        changed[place] = replace(known, peers=tuple(peers), alarms=(*known.alarms, alarm))

    first = nodes[0].peers
    change(0, 0, degraded(first[0]), alarms.path_down(first[0].peer, "lte0>node0"))
    last = len(first) - 1
    fault = "revoked: 3f2a of CN=lab is on the list of 2030-06-15 (keyCompromise)"
    change(
        0,
        last,
        suspect(first[last], fault),
        alarms.peer_certificate_invalid(first[last].peer, "revoked", fault),
    )
    if len(first) > 4:
        for each in range(1, len(first) - 1, max(2, len(first) // 9)):
            change(0, each, down(first[each]), alarms.peer_unreachable(first[each].peer))
    expiring = changed[-1]
    ends = node(expiring.node.partition("/")[0], expiring.peers, days=5.5)
    changed[-1] = replace(
        expiring,
        certificate=ends.certificate,
        alarms=(alarms.certificates_expiring(expiring.node, 7, alarms.Severity.MAJOR, [expiring.node]),),
    )
    return tuple(changed)
