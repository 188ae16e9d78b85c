"""The actor of the whole authority in this process: what should run, and whether it does.

Desired state is the configuration; actual state is the router nodes that live. :class:`Authority`
compares the two when it starts, when a node ends for good, and when it is told to reload. It holds no
other state: after a crash it reads the configuration and starts the nodes again.

A node that stops takes its time, and only when it has ended is one of the same name started: after its
router was removed and configured again, or under a UUID that has changed, with which nothing of the
old identity goes on.

Beside a node whose certificate is to be renewed automatically runs an actor that does it
(:mod:`actors.renewal`); when it has, the node is told to read its certificate again.

A configuration that cannot be read or is wrong changes nothing: the nodes go on with the last good one. It is
read once at a time (:mod:`actors.readings`). What of it cannot change while the authority runs is held
back and told (:mod:`actors.deployed`).

What is known to be revoked is read before any node starts, and the actor that keeps it up to date is started
with the first of them (:mod:`actors.crl`); the word of a change passes through here to every node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar, assert_never

from actors.configuration_events import changes
from actors.crl.following import FollowingLists
from actors.crl.leading import LeadingLists
from actors.crl.lists import ANSWER_WITHIN, ListsHere, ListStep
from actors.crl.roles import Follow, Lead, NeedsOf
from actors.crl.status import GetRevocation, RevocationStatus
from actors.deployed import log_restart
from actors.intake import NODE_MAILBOX
from actors.messages import (
    AdoptPlans,
    CertificateRenewed,
    Configure,
    Drain,
    FetchLists,
    GetFleet,
    GetNodeStatus,
    GetPlans,
    GetStatus,
    NodeStatus,
    Rekey,
    ReleasePin,
    Reload,
    RenewalFault,
    RevocationChanged,
    ShowCertificates,
)
from actors.names import AUTHORITY, node_actor
from actors.node_status import page_of
from actors.readings import MOST_WAITING, Readings
from actors.renewals import Renewals
from actors.router_node import Ports, RouterNode
from actors.work import computed
from peerkey.config.reload_plan import Step, node_steps
from peerkey.errors import Unavailable
from peerkey.observe.alarms import node_not_running
from runtime.actor import Actor, Ending, ReplyToken, Terminated
from runtime.errors import RuntimeFault, Undeliverable
from runtime.supervision import Supervision

if TYPE_CHECKING:
    from uuid import UUID

    from actors.crl.index import RevocationPorts
    from actors.crl.lists import Lists
    from actors.deployed import Deployed
    from actors.messages import CertificatesSeen, ListsWanted
    from actors.renewal import Enroller
    from peerkey.config.plan import NodePlan
    from runtime.ref import Ref

R = TypeVar("R")

#: How long a node that failed for good is left alone before it is started again.
START_AGAIN_AFTER: Final = timedelta(seconds=60)
#: When a node whose mailbox was full is given its plan again.
CONFIGURE_AGAIN_AFTER: Final = timedelta(seconds=1)

#: When a node whose mailbox was full is told again that something else is known to be revoked.
TELL_AGAIN_AFTER: Final = timedelta(milliseconds=100)

#: A node that crashes too often fails alone: the others go on, and the alarm names it.
NODE_SUPERVISION: Final = Supervision(escalate=False)

#: Reads the configuration; raises ``Misconfigured`` with every fault.
ReadPlans = Callable[[], "tuple[NodePlan, ...]"]
#: Reads a text as if it were the configuration; raises ``Misconfigured`` with every fault.
PlansOf = Callable[[str], "tuple[NodePlan, ...]"]


@dataclass(frozen=True, slots=True)
class PlansRead:
    """The configuration was read again."""

    plans: tuple[NodePlan, ...]


@dataclass(frozen=True, slots=True)
class PlansNotRead:
    """The configuration could not be read, or is wrong."""

    error: Exception


@dataclass(frozen=True, slots=True)
class ReadingWanted:
    """Somebody who waits for a reading."""

    token: ReplyToken
    #: Whether nodes whose plan is the same are to read their certificates again, and every list is fetched.
    all_again: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What was asked for is there."""

    token: ReplyToken
    value: object


@dataclass(frozen=True, slots=True)
class Failure:
    """What was asked for cannot be had; the one who asked is told why."""

    token: ReplyToken
    error: Exception


@dataclass(frozen=True, slots=True)
class StartAgain:
    """Try again to run a node that failed for good."""

    name: str


@dataclass(frozen=True, slots=True)
class TellNodesAgain:
    """A node had no room for the word that something else is known to be revoked."""


@dataclass(frozen=True, slots=True)
class ConfigureAgain:
    """Give the plan again to a node that had no room for it."""

    name: str


class Authority(Actor):
    """Runs the router nodes that this process is responsible for."""

    def __init__(
        self,
        read_plans: ReadPlans,
        ports: Ports,
        *,
        revocation: RevocationPorts | None = None,
        enroller: Enroller | None = None,
        find: Callable[[str], Ref] | None = None,
        tells_changes: bool = True,
        deployed: Deployed | None = None,
    ) -> None:
        """Run every node that ``read_plans`` returns.

        Revocation lists are followed where there are ``revocation`` ports for that; ``enroller`` renews
        certificates where the configuration asks for it. Where this host is one of several of a machine,
        ``find`` returns the reference of any name: then ``Lead`` and ``Follow`` say who follows the lists.
        Changes of the configuration are recorded here unless what is read is a share of it, and somebody else
        knows the whole (``tells_changes``). ``deployed`` knows what cannot change while the authority runs;
        without it everything can.
        """
        self._tells_changes = tells_changes
        self._deployed = deployed
        self._readings: Readings[ReadingWanted] = Readings(self._read)
        self._read_plans = read_plans
        self._renewals = Renewals(enroller, ports.journal)
        self._ports = ports
        self._revocation = revocation
        self._find = find
        self._lists: Lists | None = None
        self._plans: dict[str, NodePlan] = {}
        self._nodes: dict[str, Ref] = {}
        #: Under which UUID each node runs.
        self._uuids: dict[str, UUID] = {}
        #: The names of nodes that have been stopped and have not ended yet.
        self._ending: dict[Ref, str] = {}

    async def started(self) -> None:
        """Read the configuration and what is known to be revoked, and start every node."""
        plans = self._held_back(await computed(self.ctx, self._read_plans))
        if self._revocation is not None:
            await computed(self.ctx, self._revocation.known.load)
            self._plans = {plan.name: plan for plan in plans}
            self._ports = replace(
                self._ports,
                revocation=self._revocation.known,
                certificates_seen=self._certificates_seen,
                refresh_revocation=self._lists_wanted,
            )
            self._take_up(self._lists_at_first(self._revocation))
        self._reconcile(plans)

    def receive(self, message: object) -> None:
        """Answer operators, and keep what runs equal to what should."""
        match message:
            case GetFleet():
                self._gather(self.ctx.reply_token())
            case Rekey() | ReleasePin() | Drain() as order:
                self._pass_on(order, self.ctx.reply_token())
            case GetNodeStatus(name, first):
                self._ask_node(name, first, self.ctx.reply_token())
            case Reload() | AdoptPlans():
                self._want_reading(self.ctx.reply_token(), all_again=isinstance(message, Reload))
            case PlansRead() | PlansNotRead():
                self._reading_ended(message)
            case GetPlans():
                self.ctx.reply(self._plans_now())
            case FetchLists() | RevocationChanged() | TellNodesAgain() | GetRevocation() | NeedsOf():
                self._about_lists(message)
            case Lead() | Follow() | ListStep():
                self._about_role(message)
            case Answer() | Failure():
                _hand_over(message)
            case CertificateRenewed(name) | ConfigureAgain(name):
                self._configure(name)
            case RenewalFault():
                self._renewals.reported(message)
            case Terminated():
                self._ended(message)
            case StartAgain(name):
                self._start(name)
            case _:
                self.ctx.log.warning("unexpected message", kind=type(message).__name__)

    def _tell_changes(self, plans: tuple[NodePlan, ...]) -> None:
        """Record what is different in the configuration that is about to be taken up."""
        if self._tells_changes:
            for node, event in changes(self._plans, {plan.name: plan for plan in plans}):
                self._ports.journal.record(self.ctx.clock.wall(), node, event)

    def _want_reading(self, token: ReplyToken, *, all_again: bool) -> None:
        """Have the configuration read again, after the reading that is under way."""
        if not self._readings.ask(ReadingWanted(token, all_again)):
            token.fail(Unavailable(f"{MOST_WAITING} reloads wait for their turn; try again later"))

    def _read(self) -> None:
        """Read the configuration again."""
        self.ctx.pipe(computed(self.ctx, self._read_plans), PlansRead, PlansNotRead)

    def _reading_ended(self, message: PlansRead | PlansNotRead) -> None:
        """Take up what was read, answer whoever has waited for it, and read again if others wait."""
        asked = self._readings.ended()
        match message:
            case PlansNotRead(error):
                for each in asked:
                    each.token.fail(error)
            case PlansRead(plans):
                for each, nodes in self._take_up_plans(self._held_back(plans), asked):
                    each.token.reply(nodes)
            case unreachable:
                assert_never(unreachable)
        self._readings.go_on()

    def _take_up_plans(
        self, plans: tuple[NodePlan, ...], asked: Sequence[ReadingWanted]
    ) -> list[tuple[ReadingWanted, tuple[str, ...]]]:
        """Take plans up as thoroughly as any of those wants who have asked; return what each is answered."""
        changed = self._changed(plans)
        if not any(each.all_again for each in asked):
            self._adopt(plans, changed)
            return [(each, changed) for each in asked]
        self._tell_changes(plans)
        running = self._reconcile(plans)
        if self._lists is not None:
            self._lists.planned()
        self._fetch_lists()
        return [(each, running if each.all_again else changed) for each in asked]

    def _held_back(self, plans: tuple[NodePlan, ...]) -> tuple[NodePlan, ...]:
        """Return what of the plans can be carried out now; tell, once, of what waits for a restart."""
        if self._deployed is None:
            return plans
        plans, news = self._deployed.take(plans)
        if news is not None:
            self._ports.journal.record(self.ctx.clock.wall(), AUTHORITY, news)
            log_restart(self.ctx.log, news)
        return plans

    def _ended(self, message: Terminated) -> None:
        """See what has ended for good, and start what should run in its place."""
        match message:
            case Terminated(ref) if self._renewals.ended(self.ctx, ref):
                pass
            case Terminated(ref) if ref in self._ending:
                self._start(self._ending.pop(ref))
            case Terminated(ref, Ending.FAILED):
                self._failed(ref)
            case _:
                self.ctx.log.debug("a node has stopped")

    # --- revocation ---------------------------------------------------------------------------------

    def _about_lists(
        self, message: FetchLists | RevocationChanged | TellNodesAgain | GetRevocation | NeedsOf
    ) -> None:
        match message:
            case FetchLists():
                self._fetch_lists()
            case RevocationChanged():
                if self._lists is not None:
                    self._lists.changed()
            case TellNodesAgain():
                self._tell_nodes()
            case GetRevocation():
                self._ask_lists(self.ctx.reply_token())
            case NeedsOf():
                self._hear(message, self.ctx.reply_token())
            case unreachable:
                assert_never(unreachable)

    def _lists_at_first(self, ports: RevocationPorts) -> Lists:
        """Return who follows lists before anybody has said who: this process, unless it is one of several."""
        if self._find is None:
            return ListsHere(self.ctx, self._plans_now, ports, self._tell_nodes)
        return self._following(ports, None, self._find)

    def _following(self, ports: RevocationPorts, leader: str | None, find: Callable[[str], Ref]) -> Lists:
        return FollowingLists(
            self.ctx,
            self._plans_now,
            ports,
            self._tell_nodes,
            leader=leader,
            find=find,
            show=self._show_certificates,
        )

    def _about_role(self, message: Lead | Follow | ListStep) -> None:
        """Take another role up, unless it is the one that this host has; or go on in it."""
        if self._revocation is None or self._lists is None:
            return
        if isinstance(message, ListStep):
            # One of a role that has been laid down is late.
            if message.of is self._lists:
                self._lists.step(message)
            return
        if self._find is None:
            self.ctx.log.warning("the only process of its machine follows its lists itself")
            return
        match message, self._lists:
            case Lead(), LeadingLists():
                pass
            case Follow(leader), FollowingLists(leader=known) if leader == known:
                pass
            case Lead(), _:
                self._take_up(LeadingLists(self.ctx, self._plans_now, self._revocation, self._tell_nodes))
                # Whoever has led knew their certificates.
                self._show_certificates()
            case Follow(leader), _:
                self._take_up(self._following(self._revocation, leader, self._find))

    def _take_up(self, lists: Lists) -> None:
        if self._lists is not None:
            self._lists.end()
        self._lists = lists
        lists.begin()

    def _plans_now(self) -> tuple[NodePlan, ...]:
        return tuple(self._plans.values())

    def _certificates_seen(self, certificates: CertificatesSeen) -> bool:
        return self._lists is not None and self._lists.seen(certificates)

    def _lists_wanted(self, wanted: ListsWanted) -> None:
        if self._lists is not None:
            self._lists.wanted(wanted)

    def _fetch_lists(self) -> None:
        """Have every list fetched again, as soon as there is room for the order."""
        if self._lists is not None and not self._lists.fetch():
            self.ctx.set_timer("fetch", CONFIGURE_AGAIN_AFTER, FetchLists())

    def _tell_nodes(self) -> None:
        """Tell every node that something else is known to be revoked, again where there was no room."""
        told = [ref.offer(RevocationChanged()) for ref in self._nodes.values()]
        if not all(told):
            self.ctx.set_timer("revocation", TELL_AGAIN_AFTER, TellNodesAgain())

    def _show_certificates(self) -> None:
        """Have every node show its certificates; one that has no room does so within an hour."""
        for ref in self._nodes.values():
            ref.offer(ShowCertificates())

    def _ask_lists(self, token: ReplyToken) -> None:
        if self._lists is None:
            token.reply(RevocationStatus())
            return
        self.ctx.pipe(
            self._lists.status(),
            lambda status: Answer(token, status),
            lambda error: Failure(token, error),
        )

    def _hear(self, message: NeedsOf, token: ReplyToken) -> None:
        """Learn what another host of the machine wants of the lists, if this one follows them for it."""
        leadership = None if self._lists is None else self._lists.heard(message)
        if leadership is None:
            token.fail(Unavailable("this host does not follow the revocation lists"))
        else:
            token.reply(leadership)

    # --- nodes --------------------------------------------------------------------------------------

    def _changed(self, plans: tuple[NodePlan, ...]) -> tuple[str, ...]:
        """Return the nodes whose plan differs from the one that they have."""
        former = self._plans
        wanted = {plan.name: plan for plan in plans}
        return tuple(name for name in {**former, **wanted} if former.get(name) != wanted.get(name))

    def _adopt(self, plans: tuple[NodePlan, ...], changed: tuple[str, ...]) -> None:
        """Take up the plans that have changed."""
        self._reconcile(plans, frozenset(changed))
        if changed and self._lists is not None:
            self._lists.planned()

    def _reconcile(
        self, plans: tuple[NodePlan, ...], changed: Collection[str] | None = None
    ) -> tuple[str, ...]:
        """Start, reconfigure and stop nodes until what runs is what should; return the nodes concerned.

        Of the nodes that run only those in ``changed`` are given their plan, where that is said.
        """
        wanted = {plan.name: plan for plan in plans}
        decided = node_steps({name: self._uuids[name] for name in self._nodes}, plans)
        for name, step in decided.items():
            if step in {Step.STOP, Step.RESTART}:
                ref = self._nodes.pop(name)
                self._ending[ref] = name
                self.ctx.stop(ref)
        self._plans = wanted
        for name in wanted:
            if decided[name] in {Step.START, Step.RESTART}:
                self._start(name)
            elif changed is None or name in changed:
                # Also where the plan is the same: the certificates behind it may have been replaced.
                self._configure(name)
        self._renewals.reconcile(self.ctx, wanted, changed)
        return tuple(wanted)

    def _configure(self, name: str) -> None:
        """Give a node its plan, again and again until its mailbox has room for it."""
        ref = self._nodes.get(name)
        if ref is not None and name in self._plans and not ref.offer(Configure(self._plans[name])):
            self.ctx.set_timer(("configure", name), CONFIGURE_AGAIN_AFTER, ConfigureAgain(name))

    def _start(self, name: str) -> None:
        plan = self._plans.get(name)
        if plan is None or name in self._nodes or name in self._ending.values():
            return
        ref = self.ctx.spawn(
            lambda: RouterNode(self._plans[name], self._ports),
            node_actor(name),
            supervision=NODE_SUPERVISION,
            mailbox=NODE_MAILBOX,
        )
        self._nodes[name] = ref
        self._uuids[name] = plan.uuid
        self.ctx.watch(ref)

    def _failed(self, ref: Ref) -> None:
        """Start a node again, later, that crashed more often than its supervision allows."""
        for name, known in list(self._nodes.items()):
            if known == ref:
                del self._nodes[name]
                self.ctx.log.error("a node has failed", node=name, again_in=START_AGAIN_AFTER.total_seconds())
                self.ctx.set_timer(("start", name), START_AGAIN_AFTER, StartAgain(name))

    def _ask_node(self, name: str, first: int, token: ReplyToken) -> None:
        """Answer with a page of the status of one node."""
        plan = self._plans.get(name)
        if plan is None:
            token.fail(Undeliverable(f"{self.ctx.name}/{node_actor(name)}", "it does not run here"))
            return
        self.ctx.pipe(
            _status_of(plan, self._nodes.get(name)),
            lambda found: Answer(token, page_of(self._renewals.shown(found), first)),
            lambda error: Failure(token, error),
        )

    def _gather(self, token: ReplyToken) -> None:
        """Answer with the status of every node, in the order of the configuration."""
        asked = [_status_of(plan, self._nodes.get(name)) for name, plan in self._plans.items()]
        self.ctx.pipe(
            _gathered(asked),
            lambda found: Answer(token, tuple(map(self._renewals.shown, found))),
            lambda error: Failure(token, error),
        )

    def _drain(self, order: Drain, token: ReplyToken) -> None:
        """Pass the word on to the nodes that it is about; answer with how each stands."""
        chosen = [
            ref for name, ref in self._nodes.items() if order.node in {None, name, str(self._uuids[name])}
        ]
        asked = [ref.ask(order, ANSWER_WITHIN) for ref in chosen]
        self.ctx.pipe(
            _gathered(asked),
            lambda found: Answer(token, tuple(each for nodes in found for each in nodes)),
            lambda error: Failure(token, error),
        )

    def _pass_on(self, order: Rekey | ReleasePin | Drain, token: ReplyToken) -> None:
        """Pass an operator's word on to every node; answer with the number of peerings that it reached."""
        if isinstance(order, Drain):
            self._drain(order, token)
            return
        asked = [ref.ask(order, ANSWER_WITHIN) for ref in self._nodes.values()]
        self.ctx.pipe(
            _gathered(asked), lambda counts: Answer(token, sum(counts)), lambda error: Failure(token, error)
        )


def _hand_over(result: Answer | Failure) -> None:
    """Give whoever has asked what there is."""
    match result:
        case Answer(token, value):
            token.reply(value)
        case Failure(token, error):
            token.fail(error)


async def _status_of(plan: NodePlan, ref: Ref | None) -> NodeStatus:
    """Ask a node for its status; where it does not answer, that is the status."""
    try:
        if ref is None:
            fault = "it crashed too often and will be started again"
        else:
            return await ref.ask(GetStatus(), ANSWER_WITHIN)
    except RuntimeFault as error:
        fault = str(error)
    return NodeStatus(
        node=plan.name,
        uuid=str(plan.uuid),
        enabled=plan.enabled,
        certificate=None,
        peers=(),
        alarms=(node_not_running(plan.name, fault),),
        rekey_interval_hours=None,
    )


async def _gathered(asked: Sequence[Awaitable[R]]) -> tuple[R, ...]:
    """Await every answer; the questions are asked at the same time."""
    return tuple(await asyncio.gather(*asked))
