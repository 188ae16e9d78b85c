"""What an operator is shown of a node, and what is wrong with it: both computed from what is so now.

A machine that is on the executor is not looked at: its last status stands in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from actors.messages import NodeStatus, PathStatus, PeerStatus
from peerkey.observe import alarms

if TYPE_CHECKING:
    from actors.desk import Desk
    from actors.node_certificates import NodeCertificates
    from peerkey.config.plan import NodePlan
    from peerkey.moment import Moment


def node_status(
    plan: NodePlan, certificates: NodeCertificates, desks: Collection[Desk], now: Moment
) -> NodeStatus:
    """Return what an operator is shown of the node of ``plan``."""
    interval = plan.policy.rekey_interval
    return NodeStatus(
        node=plan.name,
        uuid=str(plan.uuid),
        enabled=plan.enabled,
        certificate=certificates.status(),
        peers=tuple(_peer_status(desk, now) for desk in desks),
        alarms=tuple(_alarms(plan, certificates, desks, now)),
        rekey_interval_hours=None if interval is None else interval / timedelta(hours=1),
    )


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


def _alarms(
    plan: NodePlan, certificates: NodeCertificates, desks: Collection[Desk], now: Moment
) -> Iterator[alarms.Alarm]:
    """Compute what is wrong from what is so."""
    if not plan.enabled:
        return
    yield from certificates.alarms(now.wall)
    for desk in desks:
        name = desk.peer_name
        fault = desk.peering.peer_fault
        if fault is not None:
            yield alarms.peer_certificate_invalid(name, fault.state, fault.detail)
        reports = [line.report for line in desk.paths if line.report is not None]
        down = [report.path for report in reports if report.state != "in-service"]
        if down and len(down) == len(reports):
            yield alarms.peer_unreachable(name)
        else:
            yield from (alarms.path_down(name, path) for path in down)
