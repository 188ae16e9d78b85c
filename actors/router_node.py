"""The actor of one router node: its identity, its trust, and the peering with every peer.

It guarantees what ``protocol.md`` section 6 says: nothing signed or MACed leaves before what it
depends on is stored under this incarnation's epoch. After a crash it reads identity and key rings
back; its peers notice nothing. What is stored of a peer that is not configured any more is deleted.

When certificates are looked at again is :mod:`actors.certificate_watch`'s business; what follows for each
peering is this actor's, a few peerings at a time.

Its paths are its children, or are elsewhere and stood for by children (:mod:`actors.path_homes`). They hold
no key; every frame that proves something is made and checked here, by the
:class:`~peerkey.protocol.peering.Peering` machine of the peer concerned.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never
from uuid import UUID

from actors.certificate_watch import CertificateWatch, DatesDue, InForce, WatchDue
from actors.desk import Closed, Desk, StepDone, Written, is_peering, peer_of, record_name
from actors.draining import RECORD as DRAIN_RECORD
from actors.draining import Draining, DrainStored, LeaveDue
from actors.ha.messages import MateNews
from actors.ha.replication import MateDue, Replication
from actors.identity import Credentials, load
from actors.key_times import KeyTimes, TimedExaminer
from actors.messages import (
    AnswerFrame,
    AuthenticFrame,
    AuthenticReply,
    CertificatesSeen,
    Configure,
    Drain,
    FrameArrived,
    GetStatus,
    ListsWanted,
    NodeStatus,
    PathReport,
    PathStarted,
    ProbeWanted,
    Rekey,
    ReleasePin,
    RevocationChanged,
    SendFrame,
    SendProbe,
    ShowCertificates,
)
from actors.node_certificates import NodeCertificates
from actors.node_status import Question, node_status, noticed, with_alarms, with_mate
from actors.path_homes import PathHome, PathSeed, beside_node
from actors.paths import LevelsDue, Paths, Places
from actors.revocation_check import RECORD as CHECK_RECORD
from actors.revocation_check import CheckStored
from actors.time import moment
from actors.traffic import OwnTraffic
from actors.work import computed
from metrics.catalogue import FRAMES_DROPPED
from metrics.labels import word
from metrics.tally import Tally
from peerkey.config.plan import InvalidCertificateBehavior
from peerkey.config.reload_plan import Step, peering_steps
from peerkey.pki.revocation import NoRevocation
from peerkey.protocol import effects
from peerkey.protocol.core import PeeringConfig
from peerkey.protocol.peering import Peering
from peerkey.protocol.state import decode_state
from peerkey.protocol.suites import Algorithm, KeyAgreement, agreement_for
from runtime.actor import Actor, Terminated

if TYPE_CHECKING:
    from actors.ha.transport import SyncTransport
    from actors.identity import ReadFile
    from actors.intake import Intake
    from actors.journal import Journal
    from actors.keystores.port import KeyUse
    from peerkey.config.plan import NodePlan, PathPlan, PeeringPlan
    from peerkey.moment import Moment
    from peerkey.observe.alarms import Alarm
    from peerkey.pki.revocation import Revocation
    from peerkey.protocol.core import Entropy
    from peerkey.protocol.core import Examiner as Judge
    from peerkey.protocol.effects import Effect
    from peerkey.protocol.frame import Frame
    from peerkey.protocol.traffic import DataPlane
    from runtime.actor import ReplyToken
    from runtime.ref import Ref
    from runtime.store.port import Record, Store
    from runtime.wire.port import Wire

#: How many peerings one message brings to a new plan or has judged again, a fifth of a millisecond each;
#: the others wait for the next message, so that frames and timers have their turn between.
PEERINGS_AT_ONCE: Final = 8


def _to_nobody(_: CertificatesSeen) -> bool:
    """Tell nobody what was seen: there is no CRL manager."""
    return True


@dataclass(frozen=True, slots=True)
class Ports:
    """What a node needs of the world."""

    store: Store
    wire: Wire
    keystore: KeyUse
    read_file: ReadFile
    entropy: Entropy
    journal: Journal
    #: How keys are agreed; a simulation has suites that do the same again for the same seed.
    agreement: Callable[[Algorithm, Entropy], KeyAgreement] = agreement_for
    #: What makes the machine of a peering, in the words of ``Peering``; a simulation watches each.
    peering: Callable[..., Peering] = Peering
    #: What is known to be revoked, for the node's own certificate and for every peer's. Whoever fills it
    #: does so before the node starts, and tells it ``RevocationChanged()`` of whatever changes afterwards;
    #: a word that is lost costs a minute (``docs/decisions/0073``).
    revocation: Revocation = field(default_factory=NoRevocation)
    #: Who is told of the verified chains in use, whenever these may have changed, and every hour.
    certificates_seen: Callable[[CertificatesSeen], bool] = _to_nobody
    #: Has the lists fetched again, soon: every ``revocation-check-interval`` a node asks for it. It returns
    #: at once and raises nothing; what a server can bear is for whoever fetches to weigh.
    refresh_revocation: Callable[[ListsWanted], None] = lambda _wanted: None
    #: How the nodes of an HA router reach each other; without it none does.
    sync: SyncTransport | None = None
    #: Who seals and opens traffic in this process with the nodes' keys, if anybody does.
    data_plane: DataPlane | None = None
    #: Where paths run.
    path_home: PathHome = beside_node
    #: Counts for Prometheus what is no event, over all incarnations of the nodes.
    meter: Tally = field(default_factory=Tally)


@dataclass(frozen=True, slots=True)
class PeeringDue:
    """The deadline of a peering's machine has come."""

    peer: UUID


@dataclass(frozen=True, slots=True)
class Onward:
    """It is the turn of the next peerings that something has to be done with."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Certificate, key and trust were read again, for this plan."""

    plan: NodePlan
    credentials: Credentials


@dataclass(frozen=True, slots=True)
class MateAnswered:
    """The link has said how it stands, or has not: an operator can be answered."""

    token: ReplyToken
    status: NodeStatus


#: Something to be done later, in the order in which it was put off.
Errand: TypeAlias = Callable[["Moment"], None]


class RouterNode(Actor):
    """One node of one router."""

    def __init__(self, plan: NodePlan, ports: Ports) -> None:
        """Run the node of ``plan``."""
        self._plan = plan
        #: What the configuration says, also while the node is drained and does nothing of it.
        self._configured = plan
        self._ports = ports
        self._certificates = NodeCertificates(plan, ports.revocation)
        self._desks: dict[UUID, Desk] = {}
        self._desks_made = 0
        self._places = Places()
        self._errands: deque[Errand] = deque()
        self._epoch = 0
        self._loading = False
        self._load_again: NodePlan | None = None

    @property
    def desks(self) -> Mapping[UUID, Desk]:
        """The desk of each peer, by its UUID, to be looked at."""
        return self._desks

    @property
    def epoch(self) -> int:
        """The epoch of this incarnation, from the store; 0 before it has one."""
        return self._epoch

    def mate_holds(self, name: str, key_id: bytes) -> bool:
        """Tell whether the mate is known to have this key of that record in its store."""
        return bool(self._desks) and self._mate.holds(name, key_id)

    @property
    def _owner(self) -> str:
        return store_owner(self._plan.uuid)

    # --- life -------------------------------------------------------------------------------------

    async def started(self) -> None:
        """Take a new epoch, read what is stored, and go on with every peering."""
        ports = self._ports
        credentials = await computed(self.ctx, load, self._plan, ports.keystore, ports.read_file)
        self._epoch = await ports.store.activate(self._owner)
        self._traffic = OwnTraffic(ports.data_plane, self._plan.uuid, self._epoch)
        records = {record.name: record for record in await ports.store.scan(self._owner)}
        self._draining = self._drains(records.get(DRAIN_RECORD))
        self._plan = self._draining.applied(self._configured)
        self._certificates.take(self._plan, credentials)
        wanted = {record_name(plan.peer_uuid) for plan in self._plan.peerings}
        for orphan in records.values():
            if is_peering(orphan.name) and orphan.name not in wanted:
                await ports.store.delete(self._owner, self._epoch, orphan.name, orphan.version)
                self._traffic.gone(peer_of(orphan.name))
        self._mate = Replication(
            self.ctx,
            owner=self._owner,
            epoch=self._epoch,
            store=ports.store,
            transport=ports.sync,
            entropy=ports.entropy,
            journal=ports.journal,
            data_plane=ports.data_plane,
        )
        now = moment(self.ctx.clock)
        self._watch = CertificateWatch(
            self.ctx,
            self._plan,
            ports,
            self._certificates,
            owner=self._owner,
            epoch=self._epoch,
            record=records.get(CHECK_RECORD),
            now=now,
        )
        self._watch.judge_own(now)
        for plan in self._plan.peerings:
            record = records.get(record_name(plan.peer_uuid))
            self._open(plan, record.value if record else None, record.version if record else 0, now)
            # Others have their turn between any two of what may be hundreds.
            await asyncio.sleep(0)
        self._mate.configure(self._plan)
        self._all_judged(now)

    async def stopping(self) -> None:
        """Take the node's keys away from the data plane."""
        self._traffic.stopped()

    def receive(self, message: object) -> None:
        """Give each message to the peering or part that it concerns."""
        now = moment(self.ctx.clock)
        match message:
            case FrameArrived(peer, path, frame):
                self._frame_arrived(peer, path, frame, now)
            case ProbeWanted(peer, path):
                self._run(peer, lambda peering: peering.probe(path, now))
            case PathStarted() | PathReport() | LevelsDue() | Terminated():
                self._about_paths(message)
            case StepDone(peer, number, wanted):
                self._after(peer, lambda desk: desk.step_done(wanted), number)
            case Written(peer, number, version):
                self._after(peer, lambda desk: desk.written(version), number)
            case PeeringDue(peer):
                self._due(peer, now)
            case Closed(peer, number):
                self._closed(peer, number, now)
            case DatesDue() | WatchDue() | RevocationChanged() | Onward():
                self._time_has_come(message, now)
            case CheckStored() | ShowCertificates():
                self._about_certificates(message)
            case MateNews() | MateDue() | MateAnswered():
                self._about_mate(message)
            case Configure() | Loaded():
                self._about_plan(message, now)
            case Drain() | DrainStored() | LeaveDue():
                self._about_work(message)
            case Rekey() | ReleasePin():
                self.ctx.reply(self._ordered(message, now))
            case GetStatus() | Question():
                self._describe(message, now)
            case _:
                self.ctx.log.warning("unexpected message", kind=type(message).__name__)

    # --- peerings ---------------------------------------------------------------------------------

    def _open(self, plan: PeeringPlan, record: bytes | None, version: int, now: Moment) -> None:
        """Build the machine of one peering on its stored record, and start its paths."""
        state = None if record is None else decode_state(record)
        examiner = self._certificates.first_examiner(plan, state)
        peering = self._ports.peering(
            self._peering_config(plan),
            identity=self._certificates.identity(),
            examiner=self._timed(examiner),
            agreement=self._agreement(plan),
            entropy=self._ports.entropy,
            epoch=self._epoch,
            state=state,
            mate=self._mate.of(plan.peer_uuid),
        )
        paths = Paths(
            self.ctx,
            plan.peer_uuid,
            self._places,
            lambda path, intake: self._spawn_path(plan, path, intake),
            lambda: self._count_dropped("too-much-arrives"),
        )
        self._desks_made += 1
        self._desks[plan.peer_uuid] = Desk(
            self.ctx,
            plan,
            peering,
            number=self._desks_made,
            paths=paths,
            status=peering.status(now),
            store=self._ports.store,
            owner=self._owner,
            epoch=self._epoch,
            version=version,
            examiner=examiner,
            times=KeyTimes(self._ports.meter, self._plan.name, peering, now),
            perform=self._perform,
            durable=self._durable,
        )
        self._traffic.opened(plan.peer_uuid, None if state is None else state.ring)
        paths.configure(plan.paths, self._plan.policy, enabled=self._plan.enabled)
        self._run(plan.peer_uuid, lambda peering: peering.start(now), heavy=_always)

    def _spawn_path(self, peering: PeeringPlan, path: PathPlan, intake: Intake) -> Ref:
        plan, ports = self._plan, self._ports
        seed = PathSeed(
            node=self.ctx.ref,
            node_name=plan.name,
            local=plan.uuid,
            epoch=self._epoch,
            peering=peering,
            plan=path,
            policy=plan.policy,
            enabled=plan.enabled,
            intake=intake,
            wire=ports.wire,
            entropy=ports.entropy,
            journal=ports.journal,
        )
        return ports.path_home(self.ctx, seed, _actor_name(peering, path))

    def _frame_arrived(self, peer: UUID, path: str, frame: Frame, now: Moment) -> None:
        desk = self._desks.get(peer)
        if desk is not None:
            desk.paths.frame_taken(path)
            self._run(
                peer,
                lambda peering: peering.receive(path, frame, now),
                heavy=lambda peering: peering.heavy(frame, now),
                droppable=True,
            )

    def _run(
        self,
        peer: UUID,
        step: Callable[[Peering], list[Effect]],
        *,
        heavy: Callable[[Peering], bool] = lambda _: False,
        droppable: bool = False,
    ) -> None:
        """Run a step of one peering, if there is such a peering."""
        self._after(
            peer,
            lambda desk: desk.run(
                lambda: step(desk.peering), heavy=lambda: heavy(desk.peering), droppable=droppable
            ),
        )

    def _after(self, peer: UUID, act: Callable[[Desk], None], number: int | None = None) -> None:
        """Do something at a desk, then see what it changed: its deadline, and the certificate in force.

        With a ``number``, only at the desk of that number: what another had under way concerns no other.
        """
        desk = self._desks.get(peer)
        if desk is None or number not in {None, desk.number}:
            return
        act(desk)
        self._mate.want_turn()
        if not desk.idle or desk.closing:
            return
        desk.times.look(desk.peering, moment(self.ctx.clock))
        deadline = desk.peering.deadline()
        if deadline != desk.deadline:
            desk.deadline = deadline
            if deadline is None:
                self.ctx.cancel_timer(peer)
            else:
                self.ctx.set_timer(peer, deadline - self.ctx.clock.monotonic(), PeeringDue(peer))
        if desk.peering.examination is not desk.watched:
            desk.watched = desk.peering.examination
            self._watch.look_soon()

    def _due(self, peer: UUID, now: Moment) -> None:
        """Let a peering do what is due."""
        desk = self._desks.get(peer)
        if desk is not None:
            desk.deadline = None
            self._run(peer, lambda peering: peering.tick(now), heavy=_laborious)

    def _about_paths(self, message: PathStarted | PathReport | LevelsDue | Terminated) -> None:
        """Give what concerns the paths to a peer to these, if there is such a peering."""
        peer = self._places.ended(message.ref) if isinstance(message, Terminated) else message.peer
        desk = None if peer is None else self._desks.get(peer)
        if desk is None:
            return
        match message:
            case PathStarted(_, path):
                desk.paths.started(path)
            case PathReport():
                desk.paths.reported(message)
            case LevelsDue():
                desk.paths.tell_again()
            case Terminated():
                desk.paths.open_missing()

    def _perform(self, desk: Desk, effect: Effect) -> None:
        """Carry out one effect of a peering whose turn has come."""
        paths = desk.paths
        match effect:
            case effects.SendAll(frame):
                paths.send_all(SendFrame(frame))
            case effects.SendOn(path, frame):
                paths.send(path, AnswerFrame(frame))
            case effects.SendProbe(path, frame, nonce):
                paths.send(path, SendProbe(frame, nonce))
            case effects.Announce(frame):
                paths.announce(frame)
            case effects.Usable(index, probing):
                paths.use(index, probing=probing)
                self._traffic.usable(desk.peer, index)
            case effects.Heard(path):
                paths.send(path, AuthenticFrame())
            case effects.ProbeAnswered(path, nonce, index):
                paths.send(path, AuthenticReply(nonce, index))
            case effects.Emit(event):
                now = moment(self.ctx.clock)
                self._ports.journal.record(now.wall, self._plan.name, event)
                desk.times.told(event, self._plan.policy.rekey_interval, now)
            case effects.Count(reason):
                desk.dropped[reason] += 1
                self._count_dropped(reason)
            case effects.Store():
                message = "a write is carried out by the desk"
                raise AssertionError(message)
            case unreachable:
                assert_never(unreachable)

    def _count_dropped(self, reason: str) -> None:
        self._ports.meter.count(FRAMES_DROPPED, self._plan.name, word(reason))

    def _timed(self, examiner: Judge) -> TimedExaminer:
        return TimedExaminer(examiner, self.ctx.clock, self._ports.meter)

    def _durable(self, peer: UUID, number: int, record: bytes | None) -> None:
        """Tell the mate and the data plane of a record that is durable, or (without content) gone."""
        self._mate.written(peer, number, record)
        self._traffic.written(peer, record)

    def _time_has_come(self, message: DatesDue | WatchDue | RevocationChanged | Onward, now: Moment) -> None:
        """Do what is due. While errands are under way it is theirs: the last of them looks at the rest."""
        match message:
            case _ if self._errands:
                self._go_on(now)
            case DatesDue():
                self._watch.see_dates(tuple(self._in_force()), now)
            case WatchDue():
                self._look_again(now)
            case RevocationChanged() if self._certificates.outdated:
                self._look_again(now)
            case RevocationChanged() | Onward():
                pass
            case unreachable:
                assert_never(unreachable)

    # --- certificates -----------------------------------------------------------------------------

    def _about_certificates(self, message: CheckStored | ShowCertificates) -> None:
        match message:
            case CheckStored(version):
                self._watch.check_stored(version)
            case ShowCertificates():
                self._watch.tell_again()
            case unreachable:
                assert_never(unreachable)

    def _load(self, plan: NodePlan) -> None:
        """Read certificate, key and trust again: one reading at a time, that of the latest plan last."""
        if self._loading:
            self._load_again = plan
            return
        self._loading = True
        work = computed(self.ctx, load, plan, self._ports.keystore, self._ports.read_file)
        self.ctx.pipe(work, lambda credentials: Loaded(plan, credentials))

    def _loaded(self, plan: NodePlan, credentials: Credentials, now: Moment) -> None:
        """Take up a plan with what was read for it: the node at once, its peerings some at a time."""
        self._plan = self._watch.plan = plan
        self._mate.configure(plan)
        self._certificates.take(plan, credentials)
        self._watch.judge_own(now)
        for peer, step in peering_steps(self._desks, plan.peerings).items():
            if step is Step.STOP:
                self._close(self._desks[peer])
        self._errands += (partial(self._bring_to_plan, peering) for peering in plan.peerings)
        self._errands += (self._brought_to_plan,)
        self._go_on(now)

    def _bring_to_plan(self, plan: PeeringPlan, now: Moment) -> None:
        """Open a peering, or bring it to what has changed."""
        desk = self._desks.get(plan.peer_uuid)
        if desk is None:
            self._open(plan, None, 0, now)
        elif not desk.closing:
            self._reconfigure(desk, plan, now)

    def _brought_to_plan(self, now: Moment) -> None:
        """Go on, after the last peering, with a plan that came meanwhile."""
        self._loading = False
        self._all_judged(now)
        if self._load_again is not None:
            again, self._load_again = self._load_again, None
            self._load(again)

    def _go_on(self, now: Moment) -> None:
        """Do some of what was put off, and leave the rest to the next message."""
        for _ in range(min(len(self._errands), PEERINGS_AT_ONCE)):
            self._errands.popleft()(now)
        if self._errands:
            self.ctx.set_timer("onward", timedelta(0), Onward())

    def _reconfigure(self, desk: Desk, plan: PeeringPlan, now: Moment) -> None:
        """Bring one peering and its paths to a changed plan, without touching what has not changed."""
        desk.plan = plan
        config, identity = self._peering_config(plan), self._certificates.identity()
        examiner = desk.examiner = self._certificates.examiner(plan, desk.examiner)
        agreement = self._agreement(plan)
        self._run(
            plan.peer_uuid,
            lambda peering: peering.reconfigured(config, agreement, identity, self._timed(examiner), now),
            heavy=_always,
        )
        desk.paths.configure(plan.paths, self._plan.policy, enabled=self._plan.enabled)

    def _close(self, desk: Desk) -> None:
        """End a peering that is no longer configured: its paths, its keys, its record."""
        self.ctx.cancel_timer(desk.peer)
        desk.close()

    def _closed(self, peer: UUID, number: int, now: Moment) -> None:
        """Forget a peering whose record is gone, unless it has been configured again meanwhile."""
        desk = self._desks.get(peer)
        if desk is None or desk.number != number:
            return
        desk.closed()
        del self._desks[peer]
        for plan in self._plan.peerings:
            if plan.peer_uuid == peer:
                self._open(plan, None, 0, now)

    def _look_again(self, now: Moment) -> None:
        """Judge every certificate again, unless nothing has changed but the time, and no boundary passed."""
        if self._certificates.unread:
            # While a new plan is being read, reading the one before it again would undo it.
            if not self._loading:
                self._load(self._plan)
        elif self._watch.still_judged(now):
            self._watch.look_later(now)
            return
        judge = self._show_identity if self._watch.judge_own(now) else self._judge_again
        self._watch.check_if_due(now)
        self._errands += (partial(judge, peer) for peer in self._desks)
        self._errands += (self._all_judged,)
        self._go_on(now)

    def _show_identity(self, peer: UUID, now: Moment) -> None:
        """Tell a peering what has become of this node's certificate; it judges the peer's too."""
        identity = self._certificates.identity()
        self._run(peer, lambda peering: peering.identity_changed(identity, now), heavy=_always)

    def _judge_again(self, peer: UUID, now: Moment) -> None:
        self._run(peer, lambda peering: peering.trust_changed(now), heavy=_always)

    def _all_judged(self, now: Moment) -> None:
        self._watch.all_judged(tuple(self._in_force()), now)

    def _in_force(self) -> Iterator[InForce]:
        """Yield the certificate of each peer that has one in force."""
        for desk in self._desks.values():
            if desk.watched is not None and self._plan.enabled:
                chain = desk.peering.peer_chain if desk.idle and desk.watched.chained else ()
                yield InForce(desk.watched, chain, desk.idle)

    def _agreement(self, plan: PeeringPlan) -> KeyAgreement:
        return self._ports.agreement(Algorithm.parse(plan.algorithm_name), self._ports.entropy)

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

    def _about_plan(self, message: Configure | Loaded, now: Moment) -> None:
        match message:
            case Configure(plan):
                self._configured = plan
                self._take_up()
            case Loaded(plan, credentials):
                self._loaded(plan, credentials, now)
            case unreachable:
                assert_never(unreachable)

    # --- out of work --------------------------------------------------------------------------------

    def _drains(self, record: Record | None) -> Draining:
        return Draining(
            self.ctx,
            store=self._ports.store,
            owner=self._owner,
            epoch=self._epoch,
            record=record,
            journal=self._ports.journal,
            mate_has_all=self._mate_has_all,
            say_farewell=self._say_farewell,
            take_up=self._take_up,
        )

    def _about_work(self, message: Drain | DrainStored | LeaveDue) -> None:
        name = self._plan.name
        match message:
            case Drain(_, undo):
                self.ctx.reply((self._draining.ordered(name, undo=undo),))
            case DrainStored():
                self._draining.stored(name)
            case LeaveDue():
                self._draining.due(name)
            case unreachable:
                assert_never(unreachable)

    def _take_up(self) -> None:
        """Take up what the configuration says, as far as the node is not drained."""
        self._load(self._draining.applied(self._configured))

    def _mate_has_all(self) -> bool | None:
        """Tell whether the mate has every key in use; ``None`` where there is no mate to take over."""
        now = moment(self.ctx.clock)
        statuses = (
            (desk.peer, desk.peering.status(now) if desk.idle else desk.status)
            for desk in self._desks.values()
        )
        return self._mate.has_all((peer, status.keys) for peer, status in statuses)

    def _say_farewell(self) -> None:
        now = moment(self.ctx.clock)
        for peer in list(self._desks):
            self._run(peer, lambda peering: peering.leave("the node is drained", now))

    # --- what an operator asks ----------------------------------------------------------------------

    def noticed(self) -> tuple[Alarm, ...]:
        """Return what is wrong now, for whoever looks at the actor itself between two messages.

        It takes no turn and changes nothing. What the link to a mate says is not among it.
        """
        return noticed(self._plan, self._certificates, self._desks.values(), moment(self.ctx.clock))

    def _describe(self, question: GetStatus | Question, now: Moment) -> None:
        """Look at some peerings, and answer once all have been looked at."""
        if isinstance(question, GetStatus):
            question = Question(self.ctx.reply_token(), deque(self._desks))
        if question.look(self._desks, now):
            self._answer(question.token, node_status(self._plan, self._certificates, question.seen, now))
        else:
            self.ctx.set_timer(("status", id(question)), timedelta(0), question)

    def _answer(self, token: ReplyToken, status: NodeStatus) -> None:
        """Answer, where there is a mate with what its link says."""
        status = self._draining.shown(status)
        asked = self._mate.status()
        if asked is None:
            token.reply(status)
            return
        lacking = tuple(self._mate.alarms(status.peers))
        self.ctx.pipe(
            asked,
            lambda ha: MateAnswered(token, with_mate(status, ha, lacking)),
            lambda _: MateAnswered(token, with_alarms(status, self._mate.unanswered())),
        )

    def _about_mate(self, message: MateNews | MateDue | MateAnswered) -> None:
        match message:
            case MateNews():
                self._mate.heard(message)
            case MateDue():
                self._mate.tell_again()
            case MateAnswered(token, status):
                token.reply(status)
            case unreachable:
                assert_never(unreachable)

    def _ordered(self, order: Rekey | ReleasePin, now: Moment) -> int:
        """Do what an operator wants with every peer, or with those of one name; return with how many."""
        chosen = [
            desk.peer
            for desk in self._desks.values()
            if order.peer in {None, desk.plan.peer_router, desk.peer_name, str(desk.peer)}
        ]
        for peer in chosen:
            if isinstance(order, Rekey):
                self._run(peer, lambda peering: peering.rekey(now))
            else:
                self._run(peer, lambda peering: peering.release_pin(now), heavy=_laborious)
        return len(chosen)


def _always(_peering: Peering) -> bool:
    """Say of a step that judges certificates that it is expensive."""
    return True


def _laborious(peering: Peering) -> bool:
    """Say whether a step that may come to a signature, or to a key agreement, is expensive."""
    return peering.laborious


def _actor_name(peering: PeeringPlan, path: PathPlan) -> str:
    """Return a path's name within an actor's; a path of another peer or address is another actor."""
    return f"{peering.peer_uuid}:{path.name}<{path.local}>{path.peer}".replace("/", "~")


def store_owner(node: UUID) -> str:
    """Return the owner, in the store, of everything that a node keeps."""
    return f"node:{node}"
