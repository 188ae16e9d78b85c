"""The actor that runs paths on a host which has nothing else: ``paths``, under dedicated placement.

A node elsewhere asks for a path; the path is a child of this actor, speaks to its node by name, and opens its
end of the wire here. It holds no key, and nothing on its host does.

A path lives for as long as what stands for it beside its node does, and is in reach. When that has ended,
when the hosts have parted, or when a later incarnation of the node asks for the path, it ends: so none is
left behind, and of two incarnations of a node the later one has it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from actors.cluster.path_messages import DropPath, FromPath, HostPath, PathWord, actor_of
from actors.intake import Intake
from actors.names import PATHS
from actors.peer_path import PeerPath
from metrics.catalogue import FRAMES_DROPPED
from metrics.tally import Tally
from runtime.actor import Actor, Terminated
from runtime.errors import Undeliverable
from runtime.supervision import PATIENT
from runtime.wire.port import Address

if TYPE_CHECKING:
    from actors.journal import Journal
    from peerkey.protocol.core import Entropy
    from runtime.actor import ReplyToken
    from runtime.ref import Ref
    from runtime.wire.port import Wire

#: Paths that one host remembers, ended ones for their leases. Dedicated placement gives a host one of them.
MAX_PATHS: Final = 1_000


@dataclass(frozen=True, slots=True)
class KeeperPorts:
    """What paths need of their host."""

    #: Makes a reference of a name: that of the system.
    find: Callable[[str], Ref]
    wire: Wire
    #: That of the wire between hosts.
    expect: Callable[[Mapping[tuple[Address, Address], str]], object]
    entropy: Entropy
    journal: Journal
    #: Counts for Prometheus what is no event.
    meter: Tally = field(default_factory=Tally)


class _Node:
    """The node of a path, as the path knows it."""

    def __init__(self, ref: Ref, serial: int) -> None:
        self._ref = ref
        self._serial = serial

    def offer(self, word: PathWord) -> bool:
        return self._ref.offer(FromPath(self._serial, word))


@dataclass(slots=True)
class _Kept:
    """One path."""

    #: The latest lease that was heard of.
    lease: tuple[int, int]
    #: The path that lives, or is ending.
    ref: Ref | None = None
    wanted: HostPath | None = None
    #: Who asked for the one that is to live when the other has ended.
    waiting: tuple[HostPath, ReplyToken] | None = None


class PathKeeper(Actor):
    """See the module."""

    def __init__(self, ports: KeeperPorts) -> None:
        """Run what is asked for."""
        self._ports = ports
        self._kept: dict[str, _Kept] = {}

    def receive(self, message: object) -> None:
        """Start paths, and end them."""
        match message:
            case HostPath():
                self._host(message, self.ctx.reply_token())
            case DropPath(path, epoch, serial):
                kept = self._kept.get(path)
                if kept is not None and kept.lease == (epoch, serial):
                    self._end(kept, "it is not wanted any more")
            case Terminated(ref):
                self._ended(ref)
            case _:
                self.ctx.log.warning("unexpected message", kind=type(message).__name__)

    def _host(self, wanted: HostPath, token: ReplyToken) -> None:
        lease = (wanted.epoch, wanted.serial)
        kept = self._kept.get(wanted.path)
        if kept is None:
            if not wanted.path.startswith(f"{PATHS}/") or not self._has_room():
                token.fail(Undeliverable(wanted.path, "its host has no room for it"))
                return
            kept = self._kept[wanted.path] = _Kept(lease)
        elif lease <= kept.lease:
            token.fail(Undeliverable(wanted.path, "a later incarnation of its node has it"))
            return
        self._end(kept, "a later incarnation of its node has it")
        kept.lease, kept.waiting = lease, (wanted, token)
        self._begin(kept)

    def _has_room(self) -> bool:
        """Tell whether there is room for one more path; forget one that has ended for it."""
        if len(self._kept) < MAX_PATHS:
            return True
        ended = next((path for path, kept in self._kept.items() if kept.ref is None), None)
        if ended is not None:
            del self._kept[ended]
        return ended is not None

    def _end(self, kept: _Kept, why: str) -> None:
        """Let a path end, and give up the one that waits for its place."""
        if kept.waiting is not None:
            wanted, token = kept.waiting
            kept.waiting = None
            token.fail(Undeliverable(wanted.path, why))
        if kept.ref is not None:
            self.ctx.stop(kept.ref)

    def _begin(self, kept: _Kept) -> None:
        """Start the path that waits, once the one before it has given its addresses back."""
        if kept.ref is not None or kept.waiting is None:
            return
        (wanted, token), kept.waiting = kept.waiting, None
        kept.wanted = wanted
        self._expect()
        ports = self._ports
        node = ports.find(wanted.node)
        # It survives a restart of the path.
        intake = Intake(
            lambda: wanted.paths,
            lambda: ports.meter.count(FRAMES_DROPPED, wanted.node_name, "too-much-arrives"),
        )
        kept.ref = self.ctx.spawn(
            lambda: PeerPath(
                node=_Node(node, wanted.serial),
                node_name=wanted.node_name,
                local=wanted.local,
                peering=wanted.peering,
                plan=wanted.plan,
                policy=wanted.policy,
                enabled=wanted.enabled,
                intake=intake,
                wire=ports.wire,
                entropy=ports.entropy,
                journal=ports.journal,
            ),
            actor_of(wanted.path, wanted.epoch, wanted.serial).removeprefix(f"{PATHS}/"),
            supervision=PATIENT,
        )
        self.ctx.watch(kept.ref)
        self.ctx.watch(node)
        token.reply(wanted.serial)

    def _ended(self, ref: Ref) -> None:
        for kept in self._kept.values():
            if kept.ref == ref:
                kept.ref = kept.wanted = None
                self._expect()
                self._begin(kept)
            elif kept.wanted is not None and kept.wanted.node == ref.name and kept.ref is not None:
                self.ctx.log.info("the node of a path is gone", path=kept.wanted.path)
                self.ctx.stop(kept.ref)

    def _expect(self) -> None:
        """Tell the wire which of the paths here are direct."""
        self._ports.expect(
            {
                (Address(*kept.wanted.plan.local), Address(*kept.wanted.plan.peer)): kept.wanted.route
                for kept in self._kept.values()
                if kept.wanted is not None and kept.wanted.route
            }
        )
