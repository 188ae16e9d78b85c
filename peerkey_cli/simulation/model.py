"""What should be true once everything is put right, said again in a few sentences.

This is the specification in small: it knows the plans and nothing of the machines. A run is compared with
it when all faults have ended and the fleet has had its time (:func:`bound`) to come to rest: who shares a
key with whom, agreed under what, on which paths, how old, and what an operator is told of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from actors.authority import START_AGAIN_AFTER
from actors.certificate_watch import WATCH_INTERVAL
from peerkey.config.plan import InvalidCertificateBehavior
from peerkey.ha.messages import Role
from peerkey.protocol.constants import (
    ACTIVATION_DELAY,
    ERASURE_DELAY,
    EXCHANGE_TIMEOUT_INTERVALS,
    EXCHANGE_TIMEOUT_MINIMUM,
)
from runtime.supervision import DEFAULT_SUPERVISION

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from actors.crl.status import RevocationStatus
    from actors.messages import NodeStatus, PeerStatus
    from peerkey.config.plan import NodePlan, PeeringPlan

#: How long a machine that cannot read its disk waits before it tries again.
BOOT_AGAIN_AFTER: Final = timedelta(seconds=10)
#: What a full set of short waits comes to: latencies, supervision of paths, gathering.
_SHORT_WAITS: Final = timedelta(seconds=30)
_REVOKED_THERE: Final = "the certificate there is revoked"


@dataclass(frozen=True, slots=True)
class Expected:
    """What should be so between two nodes, seen from one of them."""

    node: str
    peer: str
    #: Whether they share a key.
    keyed: bool
    #: Why not.
    why: str
    #: The paths that should be in service.
    paths: frozenset[str]
    algorithm: str
    #: No key is older than this; ``None``: keys are never replaced.
    oldest_key: timedelta | None
    #: Whether nothing stands against a key but that the certificate which the peer shows is revoked. Who has
    #: not been shown it, and has another one that is good, need not give up a key.
    revoked_there: bool = False


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What an outsider knows of a key."""

    #: How long ago it was stored anywhere for the first time.
    age: timedelta
    #: Whether the leaves that it was agreed under are those that both nodes show now.
    of_certificates_in_use: bool


def expected(plans: Iterable[NodePlan], revoked: Collection[str] = ()) -> tuple[Expected, ...]:
    """Say what should be so, of each peering of each node whose peer is among ``plans`` too.

    ``revoked`` are the nodes whose certificates the CA's list names, and who :func:`fails_hard`.
    """
    known = {plan.uuid: plan for plan in plans}
    return tuple(
        _expected(plan, peering, known[peering.peer_uuid], revoked)
        for plan in known.values()
        for peering in plan.peerings
        if peering.peer_uuid in known
    )


def fails_hard(plan: NodePlan) -> bool:
    """Tell whether a node gives up keys because of a revoked certificate, its own or a peer's.

    One that validates no peers keeps its key with a peer whose farewell it has not heard.
    """
    hard = plan.policy.invalid_certificate_behavior is InvalidCertificateBehavior.FAIL_HARD
    return hard and plan.enabled and plan.peer_validation and bool(plan.trusted)


def _expected(plan: NodePlan, peering: PeeringPlan, peer: NodePlan, revoked: Collection[str]) -> Expected:
    back = next((each for each in peer.peerings if each.peer_uuid == plan.uuid), None)
    mirrored = set() if back is None else {(path.peer, path.local) for path in back.paths}
    paths = frozenset(path.name for path in peering.paths if (path.local, path.peer) in mirrored)
    reasons = [
        why
        for why, holds in (
            ("key management is disabled here", not plan.enabled),
            ("key management is disabled there", not peer.enabled),
            ("the peer is not configured for this node", back is None),
            ("no path leads there and back", not paths),
            (
                "the algorithms differ",
                back is not None and back.algorithm_name != peering.algorithm_name,
            ),
            ("peers are validated and no authority is trusted here", _trusts_nobody(plan)),
            ("peers are validated and no authority is trusted there", _trusts_nobody(peer)),
            ("the certificate here is revoked", plan.name in revoked),
            (_REVOKED_THERE, peer.name in revoked),
        )
        if holds
    ]
    interval = _earlier(plan.policy.rekey_interval, peer.policy.rekey_interval)
    return Expected(
        plan.name,
        peer.name,
        keyed=not reasons,
        why="; ".join(reasons),
        revoked_there=reasons == [_REVOKED_THERE],
        paths=frozenset() if reasons else paths,
        algorithm=peering.algorithm_name,
        oldest_key=None if interval is None else interval + bound((plan, peer)),
    )


def bound(plans: Iterable[NodePlan]) -> timedelta:
    """How long it may take until everything is as it should be, once all faults have ended.

    An actor that crashed too often is left alone for a while. An exchange that was cut short may have to run
    out, and a path that was given up tries again every time-out; then one exchange of certificates and one of
    keys, each perhaps put off by an interval, and the delays of activation and erasure of a rekey before it.
    """
    policies = [plan.policy for plan in plans]
    timeout = max((policy.timeout for policy in policies), default=timedelta(0))
    interval = max((policy.retransmit_interval for policy in policies), default=timedelta(0))
    exchange = max(EXCHANGE_TIMEOUT_MINIMUM, EXCHANGE_TIMEOUT_INTERVALS * interval)
    restart = START_AGAIN_AFTER + DEFAULT_SUPERVISION.maximum + WATCH_INTERVAL + BOOT_AGAIN_AFTER
    return (
        restart
        + 3 * timeout
        + exchange
        + 8 * interval
        + 2 * (ACTIVATION_DELAY + ERASURE_DELAY)
        + _SHORT_WAITS
    )


def differences(
    wanted: Sequence[Expected],
    statuses: Mapping[str, NodeStatus | None],
    keys: Mapping[str, KeyFacts],
    not_shown: Collection[tuple[str, str]] = (),
) -> Iterator[tuple[Expected, str]]:
    """Compare with what the nodes say, and with what is known of the keys that they name by their ids.

    ``not_shown`` are the pairs of a node and its peer where the node has another certificate of the peer in
    force than the peer shows now, and the CA's list does not name it.
    """
    peers = {
        (name, peer.peer): peer
        for name, status in statuses.items()
        if status is not None
        for peer in status.peers
    }
    for want in wanted:
        here, there = peers.get((want.node, want.peer)), peers.get((want.peer, want.node))
        if here is None:
            yield want, "the node does not answer, or does not know of the peering"
        elif want.keyed:
            yield from ((want, what) for what in _not_as_keyed(want, here, there, keys))
        elif here.security.key_index is not None and not (
            want.revoked_there and (want.node, want.peer) in not_shown
        ):
            yield want, f"there is a key although {want.why}"
    for name, status in statuses.items():
        mine = [want for want in wanted if want.node == name]
        if status is not None and mine and all(want.keyed for want in mine):
            known = {want.peer for want in mine}
            for alarm in status.alarms:
                if alarm.source == name or alarm.source in known:
                    yield mine[0], f"everything is as it should be, and there is the alarm: {alarm.message}"


def list_differences(
    named: frozenset[int],
    knows: Mapping[str, frozenset[int]],
    statuses: Mapping[str, RevocationStatus | None],
) -> Iterator[tuple[str, str]]:
    """Compare what the CA's list should name with what each node knows, and with what it tells of lists.

    Yields the node, and what is wrong there.
    """
    for node, known in knows.items():
        if missing := sorted(named - known):
            yield node, f"revoked, and not known to be: {missing}"
        if extra := sorted(known - named):
            yield node, f"not revoked, or released, and known to be: {extra}"
        status = statuses[node]
        if status is None:
            yield node, "the node does not tell of revocations"
            continue
        for alarm in status.alarms:
            yield node, f"lists are as they should be, and there is the alarm: {alarm.message}"


def pair_differences(
    pairs: Iterable[tuple[str, str]], statuses: Mapping[str, NodeStatus | None]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Compare what the nodes of each HA pair say of their links with how two that are in step stand.

    Yields the nodes, and what is wrong there.
    """
    for pair in pairs:
        halves = [None if status is None else status.ha for status in map(statuses.get, pair)]
        for node, mate, half in zip(pair, reversed(pair), halves, strict=True):
            if half is None:
                yield (node, mate), "the node does not tell of its HA link"
                continue
            if half.link != "in-step" or half.lag or half.replicated != half.records:
                told = f"{half.link}, {half.replicated} of {half.records} records, {half.lag} under way"
                yield (node, mate), f"the HA link is {told}: {half.link_error or 'no error'}"
            if half.taken_over:
                yield (node, mate), f"the keys of {mate} are still taken over"
            status = statuses[node]
            shown = () if status is None else status.alarms
            about = (each for each in shown if each.identity.startswith("ha-"))
            for alarm in dict.fromkeys((*half.alarms, *about)):
                yield (node, mate), f"the pair is in step, and there is the alarm: {alarm.message}"
        roles = {half.role.value for half in halves if half is not None}
        terms = {half.term for half in halves if half is not None}
        if roles != {Role.LEADER.value, Role.REDUNDANT.value} or len(terms) != 1:
            yield pair, f"nobody leads, or not one: {sorted(roles)} under {sorted(terms)}"


def _not_as_keyed(
    want: Expected, here: PeerStatus, there: PeerStatus | None, keys: Mapping[str, KeyFacts]
) -> Iterator[str]:
    security = here.security
    current = {role: key_id for role, _, key_id in security.keys}.get("current")
    if security.security_status != "MKEY_EXCH_COMP" or current is None:
        yield f"there is no key: {security.security_status}, {security.last_error or 'no error'}"
        return
    if there is not None and current != {r: k for r, _, k in there.security.keys}.get("current"):
        yield f"the two ends use different keys: {security.keys} and {there.security.keys}"
    if security.algorithm != want.algorithm:
        yield f"the key was agreed by {security.algorithm}, and {want.algorithm} is configured"
    if not security.certificate_received:
        yield f"the peer's certificate is not accepted: {security.peer_certificate_fault}"
    serving = {path.name for path in here.paths if path.serves}
    if missing := sorted(want.paths - serving):
        yield f"out of service: {', '.join(missing)}"
    facts = keys.get(current)
    if facts is None:
        yield f"nobody has seen the key {current} being stored"
        return
    if not facts.of_certificates_in_use:
        yield "the key was agreed under a certificate that has been replaced"
    if want.oldest_key is not None and facts.age > want.oldest_key:
        yield f"the key is {facts.age} old, and may be {want.oldest_key} at the most"


def _trusts_nobody(plan: NodePlan) -> bool:
    return plan.peer_validation and not plan.trusted


def _earlier(one: timedelta | None, other: timedelta | None) -> timedelta | None:
    return min((each for each in (one, other) if each is not None), default=None)
