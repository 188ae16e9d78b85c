"""What an operator is shown of a node, and what is wrong with it: both computed from what is so now.

A machine that is on the executor is not looked at: its last status stands in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from actors.messages import NodePage, NodeStatus, PathStatus, PeerStatus
from peerkey.observe import alarms
from peerkey.pki.faults import Fault

if TYPE_CHECKING:
    from uuid import UUID

    from actors.desk import Desk
    from actors.ha.messages import HaStatus
    from actors.node_certificates import NodeCertificates
    from peerkey.config.plan import NodePlan
    from peerkey.moment import Moment
    from runtime.actor import ReplyToken


#: What the peers and alarms of one page take at most, in bytes: half of what a message may.
PAGE_BYTES: Final = 512 << 10
#: How many peerings one message looks at for an operator, forty microseconds each.
DESCRIBED_AT_ONCE: Final = 32


@dataclass(frozen=True, slots=True)
class Described:
    """What an operator is shown of one peering, and what is wrong with it."""

    status: PeerStatus
    alarms: tuple[alarms.Alarm, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """An operator wants to know how a node is: so much has been looked at, and so much has not yet."""

    token: ReplyToken
    unseen: deque[UUID]
    seen: list[Described] = field(default_factory=list)

    def look(self, desks: Mapping[UUID, Desk], now: Moment) -> bool:
        """Look at the next few peerings; tell whether all have been looked at."""
        for _ in range(min(len(self.unseen), DESCRIBED_AT_ONCE)):
            desk = desks.get(self.unseen.popleft())
            if desk is not None:
                self.seen.append(described(desk, now))
        return not self.unseen


def node_status(
    plan: NodePlan, certificates: NodeCertificates, peerings: Collection[Described], now: Moment
) -> NodeStatus:
    """Return what an operator is shown of the node of ``plan``."""
    interval, probe = plan.policy.rekey_interval, plan.policy.probe_interval
    found = [*certificates.alarms(now.wall), *(alarm for peering in peerings for alarm in peering.alarms)]
    return NodeStatus(
        node=plan.name,
        uuid=str(plan.uuid),
        enabled=plan.enabled,
        certificate=certificates.status(),
        peers=tuple(peering.status for peering in peerings),
        alarms=tuple(found) if plan.enabled else (),
        rekey_interval_hours=None if interval is None else interval / timedelta(hours=1),
        probe_interval_seconds=None if probe is None else probe.total_seconds(),
    )


def with_mate(status: NodeStatus, ha: HaStatus, lacking: tuple[alarms.Alarm, ...]) -> NodeStatus:
    """Add what the link to the mate says, and the alarms for keys that the mate lacks."""
    return replace(status, ha=ha, alarms=(*status.alarms, *ha.alarms, *lacking))


def with_alarms(status: NodeStatus, more: tuple[alarms.Alarm, ...]) -> NodeStatus:
    """Add alarms."""
    return replace(status, alarms=(*status.alarms, *more))


def page_of(status: NodeStatus, first: int) -> NodePage:
    """Return what of a status fits in one message: peers, then alarms, from number ``first`` on."""
    peers, alarm_list = status.peers, status.alarms
    weight, end = 0, first
    things: tuple[PeerStatus | alarms.Alarm, ...] = (*peers, *alarm_list)
    for end, thing in enumerate(things[first:], first):
        weight += _weight(thing)
        if weight > PAGE_BYTES and end > first:
            break
    else:
        end = len(things)
    page = replace(
        status,
        peers=peers[first:end],
        alarms=alarm_list[max(0, first - len(peers)) : max(0, end - len(peers))],
    )
    return NodePage(page, end if end < len(things) else None)


def _weight(thing: PeerStatus | alarms.Alarm) -> int:
    """Return what it takes in a message, in bytes, roughly and generously."""
    if isinstance(thing, alarms.Alarm):
        return 512 + len(thing.message)
    return 2_048 + 512 * len(thing.paths) + sum(map(len, thing.security.peer_chain))


def described(desk: Desk, now: Moment) -> Described:
    """Look at one peering."""
    return Described(_peer_status(desk, now), tuple(_alarms(desk, now)))


def noticed(
    plan: NodePlan, certificates: NodeCertificates, desks: Iterable[Desk], now: Moment
) -> tuple[alarms.Alarm, ...]:
    """Return what is wrong with a node and its peerings. What is remembered of them stays as it is."""
    if not plan.enabled:
        return ()
    found = list(certificates.alarms(now.wall))
    for desk in desks:
        remembered = desk.status, desk.key_fault
        found += described(desk, now).alarms
        desk.status, desk.key_fault = remembered
    return tuple(found)


def _peer_status(desk: Desk, now: Moment) -> PeerStatus:
    if desk.idle:
        desk.status = desk.peering.status(now)
    dropped = dict(desk.dropped)
    crowded = sum(line.intake.dropped for line in desk.paths)
    if crowded:
        dropped["too-much-arrives"] = crowded
    return PeerStatus(
        peer=desk.peer_name,
        uuid=str(desk.peer),
        security=desk.status,
        paths=tuple(
            PathStatus(report.path, report.state, report.reason, report.local, report.remote, report.mtu)
            for line in desk.paths
            if (report := line.report) is not None
        ),
        dropped=tuple(sorted(dropped.items())),
    )


def _alarms(desk: Desk, now: Moment) -> Iterator[alarms.Alarm]:
    """Compute what is wrong from what is so: without a key no path is in service, and why says it all."""
    name = desk.peer_name
    if desk.idle:
        desk.key_fault = desk.peering.key_fault
    fault = desk.peering.peer_fault
    if fault is not None:
        yield alarms.peer_certificate_invalid(name, fault.state, fault.detail)
    if desk.idle and desk.peering.two_nodes(now):
        yield alarms.peer_identity_shared(name)
    reports = [line.report for line in desk.paths if line.report is not None]
    down = [report.path for report in reports if report.state != "in-service"]
    if not down or len(down) < len(reports):
        yield from (alarms.path_down(name, path) for path in down)
    elif fault is None and desk.key_fault is not None:
        yield _key_invalid(name, *desk.key_fault)
    elif fault is None or desk.status.key_index is not None:
        interfaces = dict.fromkeys(path.partition(">")[0] for path in down)
        yield alarms.peer_unreachable(name, ", ".join(interfaces))


def _key_invalid(peer: str, reason: str, detail: str) -> alarms.Alarm:
    """Say why no key is agreed; what is said of a certificate is what the peer says of this node's."""
    if reason in set(Fault):
        detail = f"the peer refuses the certificate of this node: {detail}"
    return alarms.peer_key_invalid(peer, reason, detail)
