"""The actor of one path: the :class:`~peerkey.protocol.path.Path` machine between a wire and a node.

It guarantees nothing about delivery, and needs to: what must be repeated is repeated by the machine
that wants it. It keeps nothing: after a restart it asks its node what to announce and which key is in
use, until it is told, and goes on. It never holds a key; the node makes and checks every MAC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol, assert_never
from uuid import UUID

from actors.messages import (
    AnnounceThis,
    AnswerFrame,
    AuthenticFrame,
    AuthenticReply,
    ConfigurePath,
    FrameArrived,
    FramesTaken,
    PathReport,
    PathStarted,
    ProbeWanted,
    SendFrame,
    SendProbe,
    UseKey,
)
from peerkey.observe.events import PathOutOfService, PeeringFailed
from peerkey.protocol import effects
from peerkey.protocol.constants import DEFAULT_SEGMENT_BYTES
from peerkey.protocol.path import Path, PathConfig, PathState
from runtime.actor import Actor
from runtime.wire.port import Address

if TYPE_CHECKING:
    from actors.intake import Intake
    from actors.journal import Journal
    from peerkey.config.plan import Endpoint as PlannedEndpoint
    from peerkey.config.plan import PathPlan, PeeringPlan, Policy
    from peerkey.observe.events import Event
    from peerkey.protocol.core import Entropy
    from peerkey.protocol.effects import PathEffect
    from runtime.wire.port import Endpoint, Wire

#: IP and UDP headers.
_IPV4_OVERHEAD: Final = 28
_IPV6_OVERHEAD: Final = 48
#: When a node whose mailbox was full, or that has not answered yet, is told again.
TELL_AGAIN_AFTER: Final = timedelta(milliseconds=200)
ASK_AGAIN_AFTER: Final = timedelta(seconds=1)

#: Its timers: the question to its node, and the machine's deadline.
ASK_TIMER: Final = "ask"
DUE_TIMER: Final = "due"


@dataclass(frozen=True, slots=True)
class Arrived:
    """The wire delivered a datagram."""

    data: bytes


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """The local interface went up or down."""

    up: bool


@dataclass(frozen=True, slots=True)
class ReportDue:
    """The node had no room for a report; it is due again."""


@dataclass(frozen=True, slots=True)
class AskDue:
    """The node has not said yet where the peering stands."""


@dataclass(frozen=True, slots=True)
class PathDue:
    """The machine's deadline has come."""


class NodeOfPath(Protocol):
    """What a path needs of its node: a reference is one."""

    def offer(self, message: FrameArrived | PathReport | PathStarted | ProbeWanted) -> bool:
        """Send something; return whether there was room for it."""
        ...


#: The states of a path that sends nothing, because of something here.
_AT_REST: Final = frozenset({PathState.DISABLED, PathState.DOWN})


class PeerPath(Actor):
    """One path from a node to a peer node."""

    def __init__(  # noqa: PLR0913 - what a path needs, each by name
        self,
        *,
        node: NodeOfPath,
        node_name: str,
        local: UUID,
        peering: PeeringPlan,
        plan: PathPlan,
        policy: Policy,
        enabled: bool,
        intake: Intake,
        wire: Wire,
        entropy: Entropy,
        journal: Journal,
    ) -> None:
        """Drive the path of ``plan`` for the peering ``peering`` of ``node``."""
        self._node = node
        self._node_name = node_name
        self._local = local
        self._peering = peering
        self._plan = plan
        self._intake = intake
        self._wire = wire
        self._journal = journal
        self._path = Path(self._config(policy, enabled=enabled), entropy)
        self._endpoint: Endpoint | None = None
        self._deadline: timedelta | None = None
        self._reported: tuple[PathState, PathPlan, str] | None = None
        #: Why the path is in its state, and what somebody said since it was last in service.
        self._reason = ""
        self._told = ""

    @property
    def machine(self) -> Path:
        """The machine of this path, to be looked at."""
        return self._path

    async def started(self) -> None:
        """Open the wire, and ask the node where the peering stands."""
        ref, intake = self.ctx.ref, self._intake
        self._endpoint = self._wire.open(
            _address(self._plan.local),
            _address(self._plan.peer),
            lambda data: intake.datagram(lambda: ref.offer(Arrived(data))),
            lambda up: ref.offer(LinkChanged(up)),
        )
        self.ctx.defer(self._endpoint.close)
        self._ask()
        self._carry([])

    def receive(self, message: object) -> None:
        """Give each message to the machine, and carry out what it wants."""
        now = self.ctx.clock.monotonic()
        path, before = self._path, self._path.state
        match message:
            case Arrived(data):
                self._intake.datagram_taken()
                self._carry(path.datagram_received(data, now))
            case PathDue():
                self._deadline = None
                self._carry(path.tick(now))
            case SendFrame(frame):
                self._carry(path.send(frame, now))
            case AnswerFrame(frame):
                self._carry(path.answer(frame, now))
            case SendProbe(frame, nonce):
                self._carry(path.send_probe(frame, nonce, now))
            case AuthenticFrame():
                self._told = ""
                self._carry(path.heard(now))
            case AuthenticReply(nonce, index):
                self._carry(path.probe_answered(nonce, index, now))
            case AnnounceThis(frame):
                self._carry(path.announce(frame, now))
            case UseKey(index, probing):
                self.ctx.cancel_timer(ASK_TIMER)
                self._carry(path.usable(index, probing=probing, now=now))
            case LinkChanged(up):
                self._carry_awake(before, path.interface(now, up=up))
            case ConfigurePath(plan, policy, enabled):
                self._plan = plan
                wanted = path.configured(self._config(policy, enabled=enabled), now)
                self._carry_awake(before, wanted)
            case FramesTaken(total):
                self._intake.frames_taken_in_all(total)
            case ReportDue():
                self._report()
            case AskDue():
                self._ask()
            case _:
                self.ctx.log.warning("unexpected message", kind=type(message).__name__)

    def _ask(self) -> None:
        """Ask the node where the peering stands, again and again until it says which key is in use."""
        self._node.offer(PathStarted(self._peering.peer_uuid, self._plan.name))
        self.ctx.set_timer(ASK_TIMER, ASK_AGAIN_AFTER, AskDue())

    def _carry_awake(self, before: PathState, wanted: list[PathEffect]) -> None:
        """Carry out; of a path that rested and does no more, forget why it did."""
        if before in _AT_REST and self._path.state not in _AT_REST:
            self._reason = self._told = ""
        self._carry(wanted)

    def _carry(self, wanted: list[PathEffect]) -> None:
        peer, name = self._peering.peer_uuid, self._plan.name
        for effect in wanted:
            match effect:
                case effects.Datagram(data):
                    if self._endpoint is not None:
                        self._endpoint.send(data)
                case effects.Deliver(frame):
                    self._deliver(FrameArrived(peer, name, frame))
                case effects.WantProbe():
                    self._node.offer(ProbeWanted(peer, name))
                case effects.Service(in_service, reason):
                    self._reason, self._told = reason, "" if in_service else self._told
                case effects.Emit(event):
                    self._note(event)
                    self._journal.record(self.ctx.clock.wall(), self._node_name, event)
                case effects.Count(reason):
                    self.ctx.log.debug("dropped", reason=reason)
                case unreachable:
                    assert_never(unreachable)
        self._report()
        self._arm()

    def _report(self) -> None:
        """Tell the node when the state has changed; if it has no room for it, again and again."""
        reason = self._told or self._reason
        current = (self._path.state, self._plan, reason)
        if current == self._reported:
            return
        plan = self._plan
        report = PathReport(
            self._peering.peer_uuid,
            plan.name,
            self._path.state.name.lower().replace("_", "-"),
            reason,
            str(plan.local),
            str(plan.peer),
            plan.mtu,
        )
        if self._node.offer(report):
            self._reported = current
        else:
            self.ctx.set_timer("report", TELL_AGAIN_AFTER, ReportDue())

    def _note(self, event: Event) -> None:
        """Remember why the path carries no traffic: a cause outweighs the silence after it."""
        match event:
            case PathOutOfService():
                self._reason = event.reason
            case PeeringFailed() if not self._told or event.told_by != "hint":
                proof = " (told without proof)" if event.told_by == "hint" else ""
                self._told = f"{event.reason}: {event.detail_text}{proof}"

    def _deliver(self, arrived: FrameArrived) -> None:
        self._intake.frame(lambda: self._node.offer(arrived))

    def _arm(self) -> None:
        """Keep exactly one timer, at the machine's deadline."""
        deadline = self._path.deadline()
        if deadline == self._deadline:
            return
        self._deadline = deadline
        if deadline is None:
            self.ctx.cancel_timer(DUE_TIMER)
        else:
            self.ctx.set_timer(DUE_TIMER, deadline - self.ctx.clock.monotonic(), PathDue())

    def _config(self, policy: Policy, *, enabled: bool) -> PathConfig:
        overhead = _IPV6_OVERHEAD if ":" in self._plan.local.address else _IPV4_OVERHEAD
        return PathConfig(
            name=self._plan.name,
            peer_name=f"{self._peering.peer_router}/{self._peering.peer_node}",
            local=self._local.bytes,
            peer=self._peering.peer_uuid.bytes,
            retransmit_interval=policy.retransmit_interval,
            timeout=policy.timeout,
            probe_interval=policy.probe_interval,
            datagram_bytes=min(DEFAULT_SEGMENT_BYTES, self._plan.mtu - overhead),
            enabled=enabled,
        )


def _address(endpoint: PlannedEndpoint) -> Address:
    return Address(endpoint.address, endpoint.port)
