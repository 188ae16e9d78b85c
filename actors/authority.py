"""The actor of the whole authority in this process: what should run, and whether it does.

Desired state is the configuration; actual state is the router nodes that live. :class:`Authority`
compares the two when it starts, when a node ends for good, and when it is told to reload. It holds no
other state: after a crash it reads the configuration and starts the nodes again.

A node that stops takes its time, and only when it has ended is one of the same name started: after its
router was removed and configured again, or under a UUID that has changed, with which nothing of the
old identity goes on.

Beside a node whose certificate is to be renewed automatically runs an actor that does it
(:mod:`actors.renewal`); when it has, the node is told to read its certificate again.

A configuration that cannot be read or is wrong changes nothing: the nodes go on with the last good one.

What is known to be revoked is read before any node starts, and the actor that keeps it up to date is started
with the first of them (:mod:`actors.crl`); the word of a change passes through here to every node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar, assert_never

from actors.configuration_events import changes
from actors.crl.index import RevocationIndex
from actors.crl.index_steps import LookDue
from actors.crl.status import GetRevocation, RevocationStatus
from actors.intake import NODE_MAILBOX
from actors.messages import (
    AdoptPlans,
    CertificateRenewed,
    Configure,
    FetchLists,
    GetFleet,
    GetNodeStatus,
    GetStatus,
    NodeStatus,
    Rekey,
    ReleasePin,
    Reload,
    RenewalFault,
    RevocationChanged,
)
from actors.names import REVOCATION, node_actor
from actors.node_status import page_of
from actors.renewals import Renewals
from actors.router_node import Ports, RouterNode
from actors.work import computed
from peerkey.observe.alarms import node_not_running
from runtime.actor import Actor, Ending, ReplyToken, Terminated
from runtime.errors import RuntimeFault, Undeliverable
from runtime.supervision import PATIENT, Supervision

if TYPE_CHECKING:
    from uuid import UUID

    from actors.crl.index import RevocationPorts
    from actors.messages import ListsWanted
    from actors.renewal import Enroller
    from peerkey.config.plan import NodePlan
    from runtime.ref import Ref

R = TypeVar("R")

#: How long a node may take to answer for itself. It never blocks, so this is generous.
ANSWER_WITHIN: Final = timedelta(seconds=5)
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


@dataclass(frozen=True, slots=True)
class PlansRead:
    """The configuration was read again."""

    plans: tuple[NodePlan, ...]
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
        tells_changes: bool = True,
    ) -> None:
        """Run every node that ``read_plans`` returns.

        Revocation lists are followed where there are ``revocation`` ports for that; ``enroller`` renews
        certificates where the configuration asks for it. Changes of the configuration are recorded here
        unless what is read is a share of it, and somebody else knows the whole (``tells_changes``).
        """
        self._tells_changes = tells_changes
        self._read_plans = read_plans
        self._renewals = Renewals(enroller, ports.journal)
        self._ports = ports
        self._revocation = revocation
        self._index: Ref | None = None
        self._plans: dict[str, NodePlan] = {}
        self._nodes: dict[str, Ref] = {}
        #: Under which UUID each node runs.
        self._uuids: dict[str, UUID] = {}
        #: The names of nodes that have been stopped and have not ended yet.
        self._ending: dict[Ref, str] = {}

    async def started(self) -> None:
        """Read the configuration and what is known to be revoked, and start every node."""
        plans = await computed(self.ctx, self._read_plans)
        if self._revocation is not None:
            await computed(self.ctx, self._revocation.known.load)
            self._follow_lists(self._revocation, plans)
        self._reconcile(plans)

    def receive(self, message: object) -> None:
        """Answer operators, and keep what runs equal to what should."""
        match message:
            case GetFleet():
                self._gather(self.ctx.reply_token())
            case Rekey() | ReleasePin() as order:
                self._pass_on(order, self.ctx.reply_token())
            case GetNodeStatus(name, first):
                self._ask_node(name, first, self.ctx.reply_token())
            case Reload() | AdoptPlans():
                self._read(self.ctx.reply_token(), all_again=isinstance(message, Reload))
            case PlansRead(plans, token, all_again=True):
                self._tell_changes(plans)
                token.reply(self._reconcile(plans))
                self._fetch_lists()
            case PlansRead(plans, token):
                token.reply(self._adopt(plans))
            case FetchLists() | RevocationChanged() | GetRevocation():
                self._about_lists(message)
            case Answer(token, value):
                token.reply(value)
            case Failure(token, error):
                token.fail(error)
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

    def _read(self, token: ReplyToken, *, all_again: bool) -> None:
        """Read the configuration again."""
        self.ctx.pipe(
            computed(self.ctx, self._read_plans),
            lambda plans: PlansRead(plans, token, all_again),
            lambda error: Failure(token, error),
        )

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

    def _about_lists(self, message: FetchLists | RevocationChanged | GetRevocation) -> None:
        match message:
            case FetchLists():
                self._fetch_lists()
            case RevocationChanged():
                self._tell_nodes()
            case GetRevocation():
                self._ask_index(self.ctx.reply_token())
            case unreachable:
                assert_never(unreachable)

    def _follow_lists(self, ports: RevocationPorts, plans: tuple[NodePlan, ...]) -> None:
        """Start the actor that knows the revocation lists, and let every node tell it of certificates."""
        self._plans = {plan.name: plan for plan in plans}
        itself = self.ctx.ref
        index = self._index = self.ctx.spawn(
            lambda: RevocationIndex(lambda: tuple(self._plans.values()), itself, ports),
            REVOCATION,
            supervision=PATIENT,
        )
        self._ports = replace(
            self._ports,
            revocation=ports.known,
            certificates_seen=index.offer,
            refresh_revocation=partial(_offered, index),
        )

    def _fetch_lists(self) -> None:
        """Have every list fetched again, as soon as there is room for the order."""
        if self._index is not None and not self._index.offer(FetchLists()):
            self.ctx.set_timer("fetch", CONFIGURE_AGAIN_AFTER, FetchLists())

    def _tell_nodes(self) -> None:
        """Tell every node that something else is known to be revoked, again where there was no room."""
        told = [ref.offer(RevocationChanged()) for ref in self._nodes.values()]
        if not all(told):
            self.ctx.set_timer("revocation", TELL_AGAIN_AFTER, RevocationChanged())

    def _ask_index(self, token: ReplyToken) -> None:
        if self._index is None:
            token.reply(RevocationStatus())
            return
        self.ctx.pipe(
            self._index.ask(GetRevocation(), ANSWER_WITHIN),
            lambda status: Answer(token, status),
            lambda error: Failure(token, error),
        )

    # --- nodes --------------------------------------------------------------------------------------

    def _adopt(self, plans: tuple[NodePlan, ...]) -> tuple[str, ...]:
        """Take up the plans that have changed; return the nodes concerned."""
        former = self._plans
        wanted = {plan.name: plan for plan in plans}
        changed = [name for name in {**former, **wanted} if former.get(name) != wanted.get(name)]
        self._reconcile(plans, frozenset(changed))
        if changed and self._index is not None and not self._index.offer(LookDue()):
            self.ctx.log.warning("the lists of changed plans are found at the next look")
        return tuple(changed)

    def _reconcile(
        self, plans: tuple[NodePlan, ...], changed: Collection[str] | None = None
    ) -> tuple[str, ...]:
        """Start, reconfigure and stop nodes until what runs is what should; return the nodes concerned.

        Of the nodes that run only those in ``changed`` are given their plan, where that is said.
        """
        wanted = {plan.name: plan for plan in plans}
        for name in list(self._nodes):
            if name not in wanted or wanted[name].uuid != self._uuids[name]:
                ref = self._nodes.pop(name)
                self._ending[ref] = name
                self.ctx.stop(ref)
        self._plans = wanted
        for name in wanted:
            if name not in self._nodes:
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

    def _pass_on(self, order: Rekey | ReleasePin, token: ReplyToken) -> None:
        """Pass an operator's word on to every node; answer with the number of peerings that it reached."""
        asked = [ref.ask(order, ANSWER_WITHIN) for ref in self._nodes.values()]
        self.ctx.pipe(
            _gathered(asked), lambda counts: Answer(token, sum(counts)), lambda error: Failure(token, error)
        )


def _offered(index: Ref, wanted: ListsWanted) -> None:
    """Pass a wish on. One that finds no room is left to the next node that asks, and to the polling."""
    index.offer(wanted)


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
