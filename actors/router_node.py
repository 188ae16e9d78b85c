"""The actor of one router node: its identity, its trust, and the peering with every peer.

It guarantees what ``protocol.md`` section 6 says: nothing signed or MACed leaves before what it
depends on is stored under this incarnation's epoch. After a crash it reads identity and key rings
back; its peers notice nothing.

Its paths are its children. They hold no key; every frame that proves something is made and checked
here, by the :class:`~peerkey.protocol.peering.Peering` machine of the peer concerned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, assert_never
from uuid import UUID

from actors.desk import Closed, Desk, StepDone, Written, record_name
from actors.identity import Credentials, load
from actors.messages import (
    AnnounceThis,
    AnswerFrame,
    AuthenticFrame,
    AuthenticReply,
    Configure,
    ConfigurePath,
    FrameArrived,
    GetStatus,
    NodeStatus,
    PathReport,
    PathStarted,
    PathStatus,
    PeerStatus,
    ProbeWanted,
    Rekey,
    SendFrame,
    SendProbe,
    UseKey,
)
from actors.node_certificates import NodeCertificates
from actors.peer_path import PeerPath
from actors.time import moment
from peerkey.config.plan import InvalidCertificateBehavior
from peerkey.observe import alarms
from peerkey.pki.examination import next_change
from peerkey.protocol import effects
from peerkey.protocol.core import PeeringConfig
from peerkey.protocol.peering import Peering
from peerkey.protocol.state import decode_state
from peerkey.protocol.suites import Algorithm, agreement_for
from runtime.actor import Actor
from runtime.supervision import PATIENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.identity import ReadFile
    from actors.journal import Journal
    from actors.keystores.port import KeyStore
    from peerkey.config.plan import NodePlan, PathPlan, PeeringPlan
    from peerkey.moment import Moment
    from peerkey.protocol.core import Entropy
    from peerkey.protocol.effects import Effect
    from peerkey.protocol.frame import Frame
    from runtime.ref import Ref
    from runtime.store.port import Store
    from runtime.wire.port import Wire

#: How often certificates are looked at even if no boundary is near: the wall clock may have been stepped.
WATCH_INTERVAL: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Ports:
    """What a node needs of the world."""

    store: Store
    wire: Wire
    keystore: KeyStore
    read_file: ReadFile
    entropy: Entropy
    journal: Journal


@dataclass(frozen=True, slots=True)
class PeeringDue:
    """The deadline of a peering's machine has come."""

    peer: UUID


@dataclass(frozen=True, slots=True)
class WatchDue:
    """It is time to look at the certificates again."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Certificate, key and trust were read again, for this plan."""

    plan: NodePlan
    credentials: Credentials


class RouterNode(Actor):
    """One node of one router."""

    def __init__(self, plan: NodePlan, ports: Ports) -> None:
        """Run the node of ``plan``."""
        self._plan = plan
        self._ports = ports
        self._certificates = NodeCertificates(plan)
        self._desks: dict[UUID, Desk] = {}
        self._epoch = 0
        self._loading = False
        self._load_again: NodePlan | None = None

    @property
    def _owner(self) -> str:
        return f"node:{self._plan.uuid}"

    # --- life -------------------------------------------------------------------------------------

    async def started(self) -> None:
        """Take a new epoch, read what is stored, and go on with every peering."""
        ports = self._ports
        credentials = await self.ctx.execute(load, self._plan, ports.keystore, ports.read_file)
        self._certificates.take(self._plan, credentials)
        self._epoch = await ports.store.activate(self._owner)
        records = {record.name: record for record in await ports.store.scan(self._owner)}
        now = moment(self.ctx.clock)
        self._look_at_own_certificate(now)
        for plan in self._plan.peerings:
            record = records.get(record_name(plan.peer_uuid))
            self._open(plan, record.value if record else None, record.version if record else 0, now)
        self._watch(now)

    def receive(self, message: object) -> None:
        """Give each message to the peering or part that it concerns."""
        now = moment(self.ctx.clock)
        match message:
            case FrameArrived(peer, path, frame):
                self._frame_arrived(peer, path, frame, now)
            case ProbeWanted(peer, path):
                self._run(peer, lambda peering: peering.probe(path, now), now)
            case PathStarted(peer, path):
                self._path_started(peer, path)
            case PathReport(peer, path) as report:
                self._path_reported(peer, path, report)
            case StepDone(peer, wanted):
                self._after(peer, lambda desk: desk.step_done(wanted), now)
            case Written(peer, version):
                self._after(peer, lambda desk: desk.written(version), now)
            case PeeringDue(peer):
                self._due(peer, now)
            case Closed(peer):
                self._closed(peer, now)
            case WatchDue():
                self._look_again(now)
            case Configure(plan):
                self._load(plan)
            case Loaded(plan, credentials):
                self._loaded(plan, credentials, now)
            case Rekey(peer_name):
                self.ctx.reply(self._rekey(peer_name, now))
            case GetStatus():
                self.ctx.reply(self._status(now))
            case _:
                self.ctx.log.warning("unexpected message", kind=type(message).__name__)

    # --- peerings ---------------------------------------------------------------------------------

    def _open(self, plan: PeeringPlan, record: bytes | None, version: int, now: Moment) -> None:
        """Build the machine of one peering on its stored record, and start its paths."""
        examiner = self._certificates.examiner(plan, None)
        peering = Peering(
            self._peering_config(plan),
            identity=self._certificates.identity(),
            examiner=examiner,
            agreement=agreement_for(Algorithm.parse(plan.algorithm_name), self._ports.entropy),
            entropy=self._ports.entropy,
            epoch=self._epoch,
            state=None if record is None else decode_state(record),
        )
        desk = self._desks[plan.peer_uuid] = Desk(
            self.ctx,
            plan,
            peering,
            store=self._ports.store,
            owner=self._owner,
            epoch=self._epoch,
            version=version,
            examiner=examiner,
            perform=self._perform,
        )
        for path in plan.paths:
            self._spawn_path(desk, path)
        self._after(plan.peer_uuid, lambda desk: desk.run(lambda: peering.start(now)), now)

    def _spawn_path(self, desk: Desk, path: PathPlan) -> None:
        plan, ports, ref = self._plan, self._ports, self.ctx.ref
        peering = desk.plan
        desk.paths[path.name] = self.ctx.spawn(
            lambda: PeerPath(
                node=ref,
                node_name=plan.name,
                local=plan.uuid,
                peering=peering,
                plan=path,
                policy=plan.policy,
                enabled=plan.enabled,
                wire=ports.wire,
                entropy=ports.entropy,
                journal=ports.journal,
            ),
            _actor_name(path),
            supervision=PATIENT,
        )

    def _frame_arrived(self, peer: UUID, path: str, frame: Frame, now: Moment) -> None:
        desk = self._desks.get(peer)
        if desk is not None:
            heavy = desk.peering.heavy(frame)
            step = lambda: desk.peering.receive(path, frame, now)  # noqa: E731 - a step is a call to make later
            self._after(peer, lambda desk: desk.run(step, heavy=heavy, droppable=True), now)

    def _run(self, peer: UUID, step: Callable[[Peering], list[Effect]], now: Moment) -> None:
        """Run a cheap step of one peering, if there is such a peering."""
        self._after(peer, lambda desk: desk.run(lambda: step(desk.peering)), now)

    def _after(self, peer: UUID, act: Callable[[Desk], None], now: Moment) -> None:
        """Do something at a desk, then see what it changed: its deadline, and the certificate in force."""
        desk = self._desks.get(peer)
        if desk is None:
            return
        act(desk)
        if not desk.idle:
            return
        deadline = desk.peering.deadline()
        if deadline != desk.deadline:
            desk.deadline = deadline
            if deadline is None:
                self.ctx.cancel_timer(peer)
            else:
                self.ctx.set_timer(peer, deadline - self.ctx.clock.monotonic(), PeeringDue(peer))
        if desk.peering.peer_chain is not desk.watched_chain:
            desk.watched_chain = desk.peering.peer_chain
            self._watch(now)

    def _due(self, peer: UUID, now: Moment) -> None:
        """Let a peering do what is due."""
        desk = self._desks.get(peer)
        if desk is not None:
            desk.deadline = None
            self._run(peer, lambda peering: peering.tick(now), now)

    def _path_reported(self, peer: UUID, path: str, report: PathReport) -> None:
        """Remember the state of a path for whoever asks."""
        desk = self._desks.get(peer)
        if desk is not None and path in desk.paths:
            desk.reports[path] = report

    def _path_started(self, peer: UUID, path: str) -> None:
        """Tell a path that has just started where the peering stands."""
        desk = self._desks.get(peer)
        if desk is None or path not in desk.paths:
            return
        # Only what has been carried out already: nothing is announced before it is stored.
        for level in (desk.announced, desk.used):
            desk.paths[path].offer(level)

    def _perform(self, desk: Desk, effect: Effect) -> None:
        """Carry out one effect of a peering whose turn has come."""
        paths = desk.paths
        match effect:
            case effects.SendAll(frame):
                for ref in paths.values():
                    ref.offer(SendFrame(frame))
            case effects.SendOn(path, frame):
                _offer(paths.get(path), AnswerFrame(frame))
            case effects.SendProbe(path, frame, nonce):
                _offer(paths.get(path), SendProbe(frame, nonce))
            case effects.Announce(frame):
                desk.announced = AnnounceThis(frame)
                for ref in paths.values():
                    ref.offer(desk.announced)
            case effects.Usable(index, probing):
                desk.used = UseKey(index, probing)
                for ref in paths.values():
                    ref.offer(desk.used)
            case effects.Heard(path):
                _offer(paths.get(path), AuthenticFrame())
            case effects.ProbeAnswered(path, nonce, index):
                _offer(paths.get(path), AuthenticReply(nonce, index))
            case effects.Emit(event):
                self._ports.journal.record(self.ctx.clock.wall(), self._plan.name, event)
            case effects.Count(reason):
                desk.dropped[reason] += 1
            case effects.Store():
                message = "a write is carried out by the desk"
                raise AssertionError(message)
            case unreachable:
                assert_never(unreachable)

    # --- certificates -----------------------------------------------------------------------------

    def _load(self, plan: NodePlan) -> None:
        """Read certificate, key and trust again: one reading at a time, that of the latest plan last."""
        if self._loading:
            self._load_again = plan
            return
        self._loading = True
        work = self.ctx.execute(load, plan, self._ports.keystore, self._ports.read_file)
        self.ctx.pipe(work, lambda credentials: Loaded(plan, credentials))

    def _loaded(self, plan: NodePlan, credentials: Credentials, now: Moment) -> None:
        """Take up a plan with what was read for it."""
        self._loading = False
        self._plan = plan
        self._certificates.take(plan, credentials)
        self._look_at_own_certificate(now)
        wanted = {peering.peer_uuid: peering for peering in plan.peerings}
        for peer in [peer for peer in self._desks if peer not in wanted]:
            self._close(self._desks[peer])
        for peer, peering in wanted.items():
            desk = self._desks.get(peer)
            if desk is None:
                self._open(peering, None, 0, now)
            elif not desk.closing:
                self._reconfigure(desk, peering, now)
        self._watch(now)
        if self._load_again is not None:
            again, self._load_again = self._load_again, None
            self._load(again)

    def _reconfigure(self, desk: Desk, plan: PeeringPlan, now: Moment) -> None:
        """Bring one peering and its paths to a changed plan, without touching what has not changed."""
        desk.plan = plan
        config, identity = self._peering_config(plan), self._certificates.identity()
        examiner = desk.examiner = self._certificates.examiner(plan, desk.examiner)
        agreement = agreement_for(Algorithm.parse(plan.algorithm_name), self._ports.entropy)
        self._run(plan.peer_uuid, lambda peering: peering.identity_changed(identity, now), now)
        self._run(plan.peer_uuid, lambda peering: peering.examiner_changed(examiner, now), now)
        if config != desk.peering.config:
            self._run(plan.peer_uuid, lambda peering: peering.configured(config, agreement, now), now)
        paths = {path.name: path for path in plan.paths}
        for name in [name for name in desk.paths if name not in paths]:
            self.ctx.stop(desk.paths.pop(name))
            desk.reports.pop(name, None)
        for name, path in paths.items():
            if name in desk.paths:
                desk.paths[name].offer(ConfigurePath(path, self._plan.policy, self._plan.enabled))
            else:
                self._spawn_path(desk, path)

    def _close(self, desk: Desk) -> None:
        """End a peering that is no longer configured: its paths, its keys, its record."""
        for ref in desk.paths.values():
            self.ctx.stop(ref)
        desk.paths.clear()
        self.ctx.cancel_timer(desk.peer)
        desk.close()

    def _closed(self, peer: UUID, now: Moment) -> None:
        """Forget a peering whose record is gone, unless it has been configured again meanwhile."""
        del self._desks[peer]
        for plan in self._plan.peerings:
            if plan.peer_uuid == peer:
                self._open(plan, None, 0, now)

    def _look_again(self, now: Moment) -> None:
        """Judge every certificate again; verdicts that still hold cost a look-up."""
        if self._look_at_own_certificate(now):
            identity = self._certificates.identity()
            for peer in list(self._desks):
                self._run(peer, lambda peering: peering.identity_changed(identity, now), now)
        for peer in list(self._desks):
            self._run(peer, lambda peering: peering.trust_changed(now), now)
        self._watch(now)

    def _look_at_own_certificate(self, now: Moment) -> bool:
        """Judge this node's own certificate; return whether the judgement is another than before."""
        before = self._certificates.fault
        event = self._certificates.judge(now.wall)
        if event is not None:
            self._ports.journal.record(now.wall, self._plan.name, event)
        return self._certificates.fault != before

    def _watch(self, now: Moment) -> None:
        """Look again when the first certificate begins or ends to be valid, and within a minute anyway."""
        boundaries = [self._certificates.next_boundary(now.wall)]
        boundaries += (
            next_change(desk.examiner.examine(desk.watched_chain, now.wall), now.wall)
            for desk in self._desks.values()
            if desk.watched_chain
        )
        due = [now.wall + WATCH_INTERVAL, *(boundary for boundary in boundaries if boundary is not None)]
        self.ctx.set_timer("watch", max(min(due) - now.wall, timedelta(0)), WatchDue())

    def _peering_config(self, plan: PeeringPlan) -> PeeringConfig:
        node, policy = self._plan, self._plan.policy
        return PeeringConfig(
            local=node.uuid.bytes,
            peer=plan.peer_uuid.bytes,
            peer_name=f"{plan.peer_router}/{plan.peer_node}",
            algorithm=Algorithm.parse(plan.algorithm_name),
            retransmit_interval=policy.retransmit_interval,
            timeout=policy.timeout,
            rekey_interval=policy.rekey_interval,
            local_priority=plan.local_priority,
            peer_priority=plan.peer_priority,
            peer_validation=node.peer_validation,
            fail_hard=policy.invalid_certificate_behavior is InvalidCertificateBehavior.FAIL_HARD,
            enabled=node.enabled,
        )

    # --- what an operator asks ----------------------------------------------------------------------

    def _rekey(self, peer_name: str | None, now: Moment) -> int:
        """Agree new keys with every peer, or with the peers of one name; return with how many."""
        chosen = [
            desk.peer
            for desk in self._desks.values()
            if peer_name in {None, desk.plan.peer_router, desk.peering.config.peer_name, str(desk.peer)}
        ]
        for peer in chosen:
            self._run(peer, lambda peering: peering.rekey(now), now)
        return len(chosen)

    def _status(self, now: Moment) -> NodeStatus:
        plan = self._plan
        interval = plan.policy.rekey_interval
        return NodeStatus(
            node=plan.name,
            uuid=str(plan.uuid),
            enabled=plan.enabled,
            certificate=self._certificates.status(),
            peers=tuple(self._peer_status(desk, now) for desk in self._desks.values()),
            alarms=tuple(self._alarms(now)),
            rekey_interval_hours=None if interval is None else interval / timedelta(hours=1),
        )

    def _peer_status(self, desk: Desk, now: Moment) -> PeerStatus:
        if desk.idle or desk.status is None:
            desk.status = desk.peering.status(now)
        return PeerStatus(
            peer=desk.peering.config.peer_name,
            uuid=str(desk.peer),
            security=desk.status,
            paths=tuple(
                PathStatus(report.path, report.state, report.reason, report.local, report.remote, report.mtu)
                for report in desk.reports.values()
            ),
            dropped=tuple(sorted(desk.dropped.items())),
        )

    def _alarms(self, now: Moment) -> Iterator[alarms.Alarm]:
        """Compute what is wrong from what is so."""
        if not self._plan.enabled:
            return
        yield from self._certificates.alarms(now.wall)
        for desk in self._desks.values():
            name = desk.peering.config.peer_name
            fault = desk.peering.peer_fault
            if fault is not None:
                yield alarms.peer_certificate_invalid(name, fault.state, fault.detail)
            down = [report.path for report in desk.reports.values() if report.state != "in-service"]
            if down and len(down) == len(desk.reports):
                yield alarms.peer_unreachable(name)
            else:
                yield from (alarms.path_down(name, path) for path in down)


def _actor_name(path: PathPlan) -> str:
    """Return a path's name within an actor's; a path from another address is another actor."""
    return f"{path.name}<{path.local}".replace("/", "~")


def _offer(ref: Ref | None, message: object) -> None:
    """Send to a path that may be gone."""
    if ref is not None:
        ref.offer(message)
