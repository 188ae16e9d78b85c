"""The actor that does on one host what the coordinator says: ``agent``, on every host but control.

Every second, and whenever it has taken something, it reports to ``//control/coordinator`` what it has, and
is sent what it lacks. What it is told it applies: the directory of the host, the direct paths of the wire,
and the plans of the authority of this host. When nobody answers, it changes nothing: the nodes go on with
what they have for as long as it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from actors.cluster.messages import Assignment, GetHostStatus, HostStatus, PlansOf, Report, Target
from actors.cluster.reconciling import machine_of
from actors.messages import AdoptPlans, Reload
from actors.names import AUTHORITY, CONTROL, COORDINATOR
from runtime.actor import Actor
from runtime.cluster.directory import on_host

if TYPE_CHECKING:
    from actors.cluster.assigned import Assigned, Places
    from actors.journal import Journal
    from runtime.cluster.host import Host
    from runtime.ref import Ref
    from runtime.system import ActorSystem
    from runtime.wire.port import Address

#: How often it reports.
REPORT_EVERY: Final = timedelta(seconds=1)
#: Plans that were asked for are asked for again after so long without a word.
ASK_AGAIN_AFTER: Final = timedelta(seconds=3)
#: How long the authority of the host may take to take up plans.
ADOPTS_WITHIN: Final = timedelta(seconds=60)
#: Actors in one page of an answer.
PAGE: Final = 1_000
#: Hosts that are called as soon as an assignment names them. To any others links begin with the first
#: message.
CALLED: Final = 32

#: Told of the direct paths whenever they change: local and remote address, and the actor of the peer's node.
Expect = Callable[[Mapping[tuple["Address", "Address"], str]], object]


@dataclass(frozen=True, slots=True)
class AgentPorts:
    """What an agent needs of its host."""

    host: Host
    system: ActorSystem
    journal: Journal
    #: That of the wire between hosts.
    expect: Expect
    #: Whether this host has an authority. One that is for paths alone has none, and is called by their nodes.
    runs_nodes: bool = True


@dataclass(frozen=True, slots=True)
class _Tick:
    """Report, and try again what has failed."""


@dataclass(frozen=True, slots=True)
class _Adopted:
    """The authority has taken up what there was at that change, and everything was read again so often."""

    change: int
    epoch: int
    reloads: int


@dataclass(frozen=True, slots=True)
class _NotAdopted:
    """The authority did not answer."""

    error: Exception


class Agent(Actor):
    """See the module."""

    def __init__(self, assigned: Assigned, ports: AgentPorts, *, incarnation: int, pid: int) -> None:
        """Go on with what has been ``assigned``.

        ``incarnation`` and ``pid`` are those of the process of this host.
        """
        self._assigned = assigned
        self._ports = ports
        self._incarnation = incarnation
        self._pid = pid
        self._coordinator: Ref = ports.system.ref(on_host(CONTROL, COORDINATOR))
        self._authority: Ref = ports.system.ref(AUTHORITY)
        #: What the wire and the authority have taken up. They are told in any case when an agent begins.
        self._expected = -1
        self._adopted = -1
        self._adopting = False
        self._asked: timedelta | None = None
        self._known: frozenset[str] = frozenset()

    async def started(self) -> None:
        """Begin to report."""
        self._tick()

    def receive(self, message: object) -> None:
        """Take what is told, and answer."""
        match message:
            case _Tick():
                self._tick()
            case Assignment():
                self._place(self._assigned.take_assignment(message))
            case Target():
                if self._assigned.take_target(message):
                    self._asked = None
                    self._apply()
                    self._report()
            case PlansOf():
                self._assigned.take_plans(message)
                if message.last:
                    self._asked = None
                    self._apply()
                    self._report()
                else:
                    self._asked = self.ctx.clock.monotonic()
            case _Adopted(change, epoch, reloads):
                self._adopting = False
                self._adopted = change
                if epoch == self._assigned.epoch:
                    self._assigned.reloads_done = reloads
                self._adopt()
                if self._settled():
                    self._report()
            case _NotAdopted(error):
                self._adopting = False
                self.ctx.log.warning("the authority took up nothing", error=type(error).__name__)
            case GetHostStatus(after, mark):
                self.ctx.reply(self._status(after, mark))
            case _:
                self.ctx.log.warning("unexpected message", kind=type(message).__name__)

    # --- reports --------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self.ctx.set_timer("tick", REPORT_EVERY, _Tick())
        self._apply()
        self._report()

    def _report(self) -> None:
        assigned = self._assigned
        now = self.ctx.clock.monotonic()
        lacks: tuple[str, ...] = ()
        lacking = assigned.lacks()
        if lacking and (self._asked is None or now - self._asked >= ASK_AGAIN_AFTER):
            lacks, self._asked = lacking, now
        self._coordinator.offer(
            Report(
                host=self._ports.host.name,
                incarnation=self._incarnation,
                pid=self._pid,
                epoch=assigned.epoch,
                version=assigned.version,
                target=assigned.target,
                lacks=lacks,
                complete=not lacking and bool(assigned.target) and self._settled(),
            )
        )

    # --- what is told ---------------------------------------------------------------------------------

    def _place(self, places: Places | None) -> None:
        """Let everybody here know where the nodes are."""
        if places is None:
            return
        host = self._ports.host
        host.directory.assign(places.hosts, places.version)
        known = frozenset(places.hosts.values()) - {host.name, CONTROL}
        for other in sorted(self._known - known):
            host.forget(other)
        if self._ports.runs_nodes:
            host.join(sorted(known - self._known)[:CALLED])
        self._known = known

    def _apply(self) -> None:
        """Have everybody here take up what has changed."""
        if self._expected != self._assigned.changes:
            # The wire is told first: a node that starts opens its paths at once.
            self._expected = self._assigned.changes
            self._ports.expect(self._assigned.routes())
        self._adopt()

    def _settled(self) -> bool:
        assigned = self._assigned
        return self._adopted == assigned.changes and assigned.reloads_done >= assigned.reloads

    def _adopt(self) -> None:
        """Have the authority take up what has changed; read everything again once nothing is missing."""
        assigned = self._assigned
        if not self._ports.runs_nodes:
            self._adopted, assigned.reloads_done = assigned.changes, assigned.reloads
            return
        # What an operator has ordered waits for plans that are missing.
        reloading = assigned.reloads_done < assigned.reloads and not assigned.lacks()
        if self._adopting or not (reloading or self._adopted != assigned.changes):
            return
        self._adopting = True
        change, epoch = assigned.changes, assigned.epoch
        reloads = assigned.reloads if reloading else assigned.reloads_done
        self.ctx.pipe(
            self._authority.ask(Reload() if reloading else AdoptPlans(), ADOPTS_WITHIN),
            lambda _: _Adopted(change, epoch, reloads),
            _NotAdopted,
            drain=False,
        )

    # --- what is shown --------------------------------------------------------------------------------

    def _status(self, after: str, mark: tuple[int, int]) -> HostStatus:
        ports, assigned = self._ports, self._assigned
        infos = sorted(ports.system.actors(), key=lambda info: info.name)
        page = [info for info in infos if info.name > after][:PAGE]
        entries, following = ports.journal.after(mark[1] if mark[0] == self._incarnation else 0)
        return HostStatus(
            host=ports.host.name,
            machine=machine_of(ports.host.name),
            pid=self._pid,
            incarnation=self._incarnation,
            epoch=assigned.epoch,
            version=assigned.version,
            wanted=assigned.wanted,
            planned=len(assigned.plans()),
            system=ports.system.info(),
            actors=tuple(page),
            total=len(infos),
            events=entries,
            mark=(self._incarnation, following),
        )
