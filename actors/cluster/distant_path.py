"""What stands beside a node for a path that runs in a host of its own.

The node speaks to it as to the path, and need not know. It asks the host that the directory has for the path
to run it (:mod:`actors.cluster.path_keeper`), watches it, passes on what either tells the other, and asks
again, with growing pauses, whenever the path has ended or its host is out of reach. Meanwhile it tells the
node that the path is down.

- What comes of a path under an earlier lease is dropped, and nobody has the names of such paths any more: an
  incarnation that was thought dead can tell the present one nothing, nor its path.
- Of frames, each side counts those under way. The path is told how many have been taken in all, after each
  quarter of its share and at least every second.
- What a path must know is told again by the node whenever the path says that it has started.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Final, TypeAlias

from actors.cluster.path_messages import DropPath, FromPath, HostPath, PathWord, actor_of
from actors.cluster.units import prefix_of_path
from actors.messages import (
    AnnounceThis,
    AnswerFrame,
    AuthenticFrame,
    AuthenticReply,
    ConfigurePath,
    FrameArrived,
    FramesTaken,
    PathReport,
    SendFrame,
    SendProbe,
    UseKey,
)
from actors.names import PATHS
from peerkey.observe.events import PathOutOfService
from runtime.actor import Actor, Terminated
from runtime.cluster.directory import on_host
from runtime.supervision import PATIENT
from runtime.wire.port import Address

if TYPE_CHECKING:
    from actors.path_homes import PathSeed
    from runtime.actor import Context
    from runtime.cluster.host import Host
    from runtime.ref import Ref

#: How long the host of a path may take to run it.
HOSTED_WITHIN: Final = timedelta(seconds=5)
#: After an attempt that failed the next one waits so long, then twice as long, and so on
FIRST_PAUSE: Final = timedelta(milliseconds=200)
#: up to so long.
LONGEST_PAUSE: Final = timedelta(seconds=5)
#: The doublings that are worth computing.
_MAX_DOUBLINGS: Final = 5
#: How often it looks whether the path is where it should be.
LOOK_EVERY: Final = timedelta(seconds=1)
#: When a mailbox that was full is tried again.
TELL_AGAIN_AFTER: Final = timedelta(milliseconds=100)
_DOWN: Final = "down"

Routes: TypeAlias = "Callable[[], Mapping[tuple[Address, Address], str]]"
Level: TypeAlias = ConfigurePath | AnnounceThis | UseKey
#: What may be lost on its way to a path.
Passing: TypeAlias = SendFrame | AnswerFrame | SendProbe | AuthenticFrame | AuthenticReply


@dataclass(frozen=True, slots=True)
class _Look:
    """See whether the path is where it should be."""


@dataclass(frozen=True, slots=True)
class _Seek:
    """Have the path run."""


@dataclass(frozen=True, slots=True)
class _TellAgain:
    """Tell again what there was no room for."""


@dataclass(frozen=True, slots=True)
class _Hosted:
    """The path runs under this lease."""

    serial: int


@dataclass(frozen=True, slots=True)
class _NotHosted:
    """It does not."""

    serial: int
    error: Exception


@dataclass(slots=True)
class _Lease:
    """Where the path runs, or is about to."""

    serial: int
    host: str
    route: str
    ref: Ref
    runs: bool = False
    #: Frames that it has sent, and how many of them it knows to have been taken.
    taken: int = 0
    told: int = 0


class DistantPaths:
    """Where paths run under dedicated placement. See :data:`actors.path_homes.PathHome`, which this is."""

    def __init__(self, find: Callable[[str], Ref], host: Host, routes: Routes) -> None:
        """Find actors of any name with ``find``, and direct paths in ``routes``."""
        self.find = find
        self.host = host
        self.routes = routes
        #: Numbers for leases. No process gives one out twice, and each has another epoch.
        self.serials = count(1)

    def __call__(self, ctx: Context, seed: PathSeed, name: str) -> Ref:
        """Make what stands for a path."""
        return ctx.spawn(lambda: DistantPath(seed, self), name, supervision=PATIENT)


class DistantPath(Actor):
    """See the module."""

    def __init__(self, seed: PathSeed, paths: DistantPaths) -> None:
        """Stand for the path of ``seed``."""
        self._seed = seed
        self._paths = paths
        self._path = prefix_of_path(seed.node_name, seed.plan.name)
        self._lease: _Lease | None = None
        self._failures = 0
        #: The latest state of the path, and whether the node has taken it.
        self._report: PathReport | None = None
        self._reported = True
        #: The latest levels that the way to the path had no room for.
        self._untold: dict[type[Level], Level] = {}

    async def started(self) -> None:
        """Have the path run."""
        self._seek()
        self._look()

    async def stopping(self) -> None:
        """Let the path end. Where this does not arrive, its host finds that nobody stands for it any more."""
        self._drop()

    def receive(self, message: object) -> None:
        """Pass on what either side tells the other, and see that the path runs."""
        match message:
            case FromPath(serial, word):
                if self._lease is not None and serial == self._lease.serial:
                    self._runs(self._lease)
                    self._from_path(self._lease, word)
            case ConfigurePath(plan, policy, enabled):
                self._seed = replace(self._seed, plan=plan, policy=policy, enabled=enabled)
                self._tell(message)
            case AnnounceThis() | UseKey():
                self._tell(message)
            case SendFrame() | AnswerFrame() | SendProbe() | AuthenticFrame() | AuthenticReply():
                self._pass(message)
            case _Hosted(serial):
                if self._lease is not None and serial == self._lease.serial:
                    self._runs(self._lease)
            case _NotHosted(serial, error):
                if self._lease is not None and serial == self._lease.serial:
                    self.ctx.log.info("a path does not run", host=self._lease.host, why=str(error))
                    self._drop()
                    self._lost("its host does not run it")
            case Terminated(ref, ending):
                if self._lease is not None and ref == self._lease.ref:
                    self.ctx.log.info("a path has ended", host=self._lease.host, ending=ending.value)
                    self._lost("its process is gone")
            case _Seek():
                self._seek()
            case _Look():
                self._look()
            case _TellAgain():
                self._tell_again()
            case _:
                self.ctx.log.warning("unexpected message", kind=type(message).__name__)

    # --- where it runs ------------------------------------------------------------------------------

    def _seek(self) -> None:
        """Ask the host that the path is assigned to; where there is none, wait for one."""
        host, route = self._place()
        if self._lease is not None:
            return
        if host is None:
            self._lost("it has no place in the cluster")
            return
        seed, serial = self._seed, next(self._paths.serials)
        find = self._paths.find
        self._lease = _Lease(
            serial, host, route, find(on_host(host, actor_of(self._path, seed.epoch, serial)))
        )
        self._untold.clear()
        wanted = HostPath(
            path=self._path,
            epoch=seed.epoch,
            serial=serial,
            node=on_host(self._paths.host.name, self.ctx.name),
            node_name=seed.node_name,
            local=seed.local,
            peering=replace(seed.peering, paths=()),
            plan=seed.plan,
            policy=seed.policy,
            enabled=seed.enabled,
            paths=seed.intake.paths,
            route=route,
        )
        self.ctx.pipe(
            find(on_host(host, PATHS)).ask(wanted, HOSTED_WITHIN),
            lambda _: _Hosted(serial),
            lambda error: _NotHosted(serial, error),
            drain=False,
        )

    def _place(self) -> tuple[str | None, str]:
        """Return the host that should run the path, and what its other end is known by."""
        plan = self._seed.plan
        pair = (Address(*plan.local), Address(*plan.peer))
        return self._paths.host.directory.host_of(self._path), self._paths.routes().get(pair, "")

    def _runs(self, lease: _Lease) -> None:
        if not lease.runs:
            lease.runs = True
            self._failures = 0
            self.ctx.watch(lease.ref)

    def _drop(self) -> None:
        """Let the path end where it runs, or is about to."""
        lease = self._lease
        if lease is not None:
            keeper = self._paths.find(on_host(lease.host, PATHS))
            keeper.offer(DropPath(self._path, self._seed.epoch, lease.serial))

    def _lost(self, why: str) -> None:
        """Tell the node that the path is down, and try again later."""
        self._lease = None
        self._untold.clear()
        pause = FIRST_PAUSE * 2 ** min(self._failures, _MAX_DOUBLINGS)
        self._failures += 1
        self.ctx.set_timer("seek", min(pause, LONGEST_PAUSE), _Seek())
        seed, plan = self._seed, self._seed.plan
        report = PathReport(
            seed.peering.peer_uuid,
            plan.name,
            _DOWN,
            why,
            str(plan.local),
            str(plan.peer),
            plan.mtu,
        )
        if self._report is not None and self._report.state == "in-service":
            # The path itself can tell nobody.
            peer = f"{seed.peering.peer_router}/{seed.peering.peer_node}"
            seed.journal.record(self.ctx.clock.wall(), seed.node_name, PathOutOfService(peer, plan.name, why))
        if self._report != report:
            self._tell_state(report)

    def _look(self) -> None:
        """Have the path run elsewhere, or another way, where that has changed."""
        self.ctx.set_timer("look", LOOK_EVERY, _Look())
        lease = self._lease
        if lease is None:
            return
        host, route = self._place()
        if (host, route) != (lease.host, lease.route):
            self._drop()
            self._lost("it is moved")
            self._seek()
        else:
            self._acknowledge(lease, 1)

    # --- from the path to the node ------------------------------------------------------------------

    def _from_path(self, lease: _Lease, word: PathWord) -> None:
        match word:
            case FrameArrived():
                lease.taken += 1
                self._seed.intake.frame(lambda: self._seed.node.offer(word))
                self._acknowledge(lease, max(1, self._seed.intake.share // 4))
            case PathReport():
                self._tell_state(word)
            case _:
                # A path that has started says so until it is answered.
                self._seed.node.offer(word)

    def _acknowledge(self, lease: _Lease, least: int) -> None:
        """Tell the path how many of its frames have been taken, where it knows of ``least`` fewer."""
        if lease.taken - lease.told >= least and lease.ref.offer(FramesTaken(lease.taken)):
            lease.told = lease.taken

    def _tell_state(self, report: PathReport) -> None:
        self._report = report
        self._reported = self._seed.node.offer(report)
        if not self._reported:
            self.ctx.set_timer("tell", TELL_AGAIN_AFTER, _TellAgain())

    # --- from the node to the path ------------------------------------------------------------------

    def _tell(self, level: Level) -> None:
        """Tell the path a level. One that does not run yet is told when it says that it has started."""
        if self._lease is None or not self._lease.runs:
            return
        if self._lease.ref.offer(level):
            self._untold.pop(type(level), None)
        else:
            self._untold[type(level)] = level
            self.ctx.set_timer("tell", TELL_AGAIN_AFTER, _TellAgain())

    def _pass(self, message: Passing) -> None:
        if self._lease is not None and self._lease.runs:
            self._lease.ref.offer(message)

    def _tell_again(self) -> None:
        if not self._reported and self._report is not None:
            self._tell_state(self._report)
        for level in list(self._untold.values()):
            self._tell(level)
