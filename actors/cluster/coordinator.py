"""The actor that decides for a whole cluster which host runs which node: one, on the host ``control``.

It reads the configuration, keeps the assignment of nodes to hosts in the store, sees to it that there are the
hosts that it needs (:mod:`actors.cluster.upkeep`), and answers the reports of agents with what they lack.

What it promises:

- A decision is in the store before anybody is told of it. It is written under the epoch of this incarnation
  and over the version that was read; what is refused ends the incarnation. So of two coordinators, one that
  was thought dead among them, only the newer changes anything, and agents refuse the word of an older one.
- It holds nothing that it could not find again: after its death it reads the assignment and the
  configuration, and asks who is there. Meanwhile every host goes on with what it has.
- A configuration that is wrong changes nothing. It is read once at a time, so that what was read last counts;
  what of it cannot change while the authority runs is held back and told (:mod:`actors.cluster.deploying`).

A process of the control host that has been replaced may live on for a while. When its coordinator is refused,
it stands down: the store says that a later process has been active since.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar, assert_never

from actors.cluster import record
from actors.cluster.configuration import Configuration, configured
from actors.cluster.coordinator_steps import (
    Answered,
    Closed,
    Decided,
    Facts,
    News,
    NotAnswered,
    NotRead,
    NotSeen,
    NotStepped,
    Processes,
    Read,
    ReadAgain,
    Seen,
    Stepped,
    Tick,
    Waiting,
    Written,
)
from actors.cluster.deploying import deployed
from actors.cluster.foretelling import Foretell, unpacked_untrusted
from actors.cluster.messages import DrainHost, GetPlacement, HostsDrained, PlacementStatus, Report
from actors.cluster.placement_view import alarms_of, host_places, node_places, unplaced_paths
from actors.cluster.reconciling import Decision, Settings, is_closed, machine_of, reconcile
from actors.cluster.telling import Telling
from actors.cluster.units import is_path, prefix_of
from actors.cluster.upkeep import SEEN_WITHIN, Step, Upkeep
from actors.configuration_events import changes
from actors.deployed import log_restart, restart_alarms
from actors.messages import Reload
from actors.names import AGENT, AUTHORITY, CONTROL
from actors.readings import MOST_WAITING, Readings
from actors.work import computed
from peerkey.config.findings import ConfigurationFaults
from peerkey.config.reload_plan import foretell, held_back
from peerkey.errors import Misconfigured, Unavailable
from peerkey.observe import alarms, events
from runtime.actor import Actor, ReplyToken
from runtime.cluster.directory import on_host
from runtime.cluster.placement import Placement
from runtime.errors import RuntimeFault, StaleEpoch
from runtime.store.port import Put

if TYPE_CHECKING:
    from actors.authority import PlansOf, ReadPlans
    from actors.journal import Journal
    from peerkey.config.plan import NodePlan
    from peerkey.config.reload_plan import Deployment, RestartNeeded
    from runtime.cluster.host import Host
    from runtime.cluster.machines import HostProcess, Machine, Machines
    from runtime.ref import Ref
    from runtime.store.port import Store

T = TypeVar("T")

#: How often it looks at everything.
TICK: Final = timedelta(seconds=1)
#: A look that is later than this was kept from being made: the process was frozen, or its machine was.
TICK_IS_LATE: Final = timedelta(seconds=3)
#: The processes are asked for once in so many looks.
PROCESSES_EVERY: Final = 5
#: How long machines may take to answer, and to start or end the process of a host.
LOOK_WITHIN: Final = timedelta(seconds=10)
STEP_WITHIN: Final = timedelta(seconds=120)
#: A configuration that could not be read when the coordinator started is read again after so long.
READ_AGAIN_AFTER: Final = timedelta(seconds=10)
#: A machine that is lost is told of for so long, unless it returns.
LOST_TOLD_FOR: Final = timedelta(hours=1)
#: Characters of faults in one answer: each may take four bytes of a message.
FAULTS_TOLD: Final = 128 << 10
#: Hosts that report and that nobody has started, at most.
MAX_STRANGERS: Final = 100


@dataclass(slots=True)
class Tenure:
    """Whether a coordinator of this process has been active."""

    begun: bool = False


@dataclass(frozen=True, slots=True)
class CoordinatorPorts:
    """What the coordinator needs of the world. Made once for the life of a process."""

    #: Shared by every process that the control host may ever have.
    store: Store
    machines: Machines
    journal: Journal
    #: Makes a reference of a name: that of the system.
    ref: Callable[[str], Ref]
    #: The host it is on, which learns where the nodes are and forgets hosts that are no more.
    host: Host | None = None
    #: Outlives the incarnations of the actor, with its process.
    tenure: Tenure = field(default_factory=Tenure)
    #: The creation of the control host: see :mod:`actors.cluster.deploying`.
    deployment: str = ""
    #: Reads the text of a configuration as if it were the file; raises ``Misconfigured`` with every fault.
    plans_of: PlansOf | None = None


class Coordinator(Actor):
    """See the module."""

    def __init__(
        self,
        read_plans: ReadPlans,
        ports: CoordinatorPorts,
        settings: Settings | None = None,
        *,
        incarnation: int,
    ) -> None:
        """Decide for the nodes that ``read_plans`` returns.

        ``incarnation`` is that of the process of the control host, which its transport tells.
        """
        self._read_plans = read_plans
        self._ports = ports
        self._settings = settings if settings is not None else Settings()
        self._process = incarnation
        self._epoch = 0
        self._version = 0
        #: Hosts and machines that an operator has drained, and the version of the record that says so.
        self._closed: frozenset[str] = frozenset()
        self._closed_version = 0
        self._closing = False
        self._configuration: Configuration | None = None
        #: How often the configuration was read, and how often somebody had ordered that.
        self._readings = 0
        self._reloads = 0
        self._config_fault = ""
        self._wanted: Readings[ReplyToken | None] = Readings(self._read)
        self._deployment: Deployment | None = None
        self._needed: tuple[RestartNeeded, ...] = ()
        self._decision = Decision()
        self._facts: Facts | None = None
        self._deciding = False
        #: Those who wait for a reading to be in force.
        self._waiting: list[Waiting] = []
        self._upkeep = Upkeep(self._settings)
        self._reports: dict[str, Report] = {}
        self._machines: dict[str, Machine] = {}
        #: Since when they are these.
        self._same_since = timedelta(0)
        #: Since when each is lost.
        self._lost: dict[str, timedelta] = {}
        self._looking: set[str] = set()
        self._look_fault = ""
        #: Since when the cluster has said which machines live; ``None``: it does not.
        self._sighted: timedelta | None = None
        self._ticks = 0
        #: When the latest look was.
        self._looked: timedelta | None = None
        self._telling = Telling(0)

    async def started(self) -> None:
        """Take an epoch, read the assignment back and then the configuration."""
        store = self._ports.store
        controller = await store.read(record.OWNER, record.CONTROLLER)
        if self._ports.tenure.begun and controller is not None and int(controller.value) > self._process:
            # This process has been active and was refused; the one that took over is a later one.
            self.ctx.log.error("a later process of the control host has taken over")
            self.ctx.stop(self.ctx.ref)
            return
        self._epoch = await store.activate(record.OWNER)
        self._telling = Telling(self._epoch)
        controller = await store.read(record.OWNER, record.CONTROLLER)
        put = Put(record.CONTROLLER, str(self._process).encode(), controller.version if controller else 0)
        await store.commit(record.OWNER, self._epoch, (put,))
        self._ports.tenure.begun = True
        closed = await store.read(record.OWNER, record.CLOSED)
        if closed is not None:
            self._closed, self._closed_version = record.decode_names(closed.value), closed.version
        found = await store.read(record.OWNER, record.ASSIGNMENT)
        if found is not None:
            hosts = record.decode(found.value)
            self._version = found.version
            self._decision = Decision(hosts, {}, {host: machine_of(host) for host in hosts.values()})
            self._place()
        now = self.ctx.clock.monotonic()
        for host, machine in self._decision.wanted.items():
            # Until it is seen to live.
            self._lost[machine] = now
            self._upkeep.meet(host, machine, now)
        self._want_reading(None)
        self._tick()

    def receive(self, message: object) -> None:
        """Look, decide, and answer."""
        match message:
            case Tick():
                self._tick()
            case Report():
                self._reported(message)
            case GetPlacement(after, mark):
                self.ctx.reply(self._placement(after, mark))
            case DrainHost() | Closed():
                self._about_closed(message)
            case Reload():
                self._want_reading(self.ctx.reply_token())
            case ReadAgain():
                self._want_reading(None)
            case Foretell(packed):
                self._foretell(packed, self.ctx.reply_token())
            case Answered(token, answer):
                token.reply(answer)
            case NotAnswered(token, error):
                token.fail(_tellable(error) if isinstance(error, Misconfigured) else error)
            case Stepped(host, step):
                self._stepped(host, step, "")
            case NotStepped(_, _, StaleEpoch() as error):
                raise error
            case NotStepped(host, step, error):
                self._stepped(host, step, str(error) or type(error).__name__)
            case Read() | NotRead() | Seen() | Processes() | NotSeen() | Decided() | Written():
                self._learnt(message)
            case _:
                self.ctx.log.warning("unexpected message", kind=type(message).__name__)

    def _learnt(self, news: News) -> None:
        """Go on with what was read, seen, decided or written."""
        match news:
            case Read():
                self._take_configuration(news)
                self._wanted.go_on()
            case NotRead(error):
                self._not_read(error)
                self._wanted.go_on()
            case Seen(machines):
                self._see(machines)
            case Processes(processes):
                self._meet(processes)
            case NotSeen(what, error):
                self._looking.discard(what)
                self._look_fault = str(error) or type(error).__name__
                if what == "machines":
                    self._sighted = None
                self.ctx.log.warning("the cluster does not answer", what=what, error=type(error).__name__)
            case Decided(facts, decision):
                self._decided(facts, decision)
            case Written(facts, decision, version):
                self._version = version
                self._adopt(replace(facts, version=version), decision)
            case unreachable:
                assert_never(unreachable)

    # --- what is so -------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self.ctx.set_timer("tick", TICK, Tick())
        now = self.ctx.clock.monotonic()
        if self._looked is not None and now - self._looked > TICK_IS_LATE:
            self.ctx.log.warning("was kept from running", seconds=(now - self._looked).total_seconds())
            self._upkeep.absent(now - self._looked)
        self._looked = now
        answered = [host for host, each in self._upkeep.hosts.items() if each.answers]
        self._upkeep.look(now)
        for host in answered:
            if not self._upkeep.hosts[host].answers:
                self._tell_of_loss(host)
        machines = self._ports.machines
        self._look("machines", machines.living, Seen)
        if self._ticks % PROCESSES_EVERY == 0:
            self._look("processes", machines.processes, Processes)
        self._ticks += 1
        self._decide()
        self._keep_up()

    def _look(self, what: str, ask: Callable[[], Awaitable[T]], to_message: Callable[[T], object]) -> None:
        if what in self._looking:
            return
        self._looking.add(what)
        self.ctx.pipe(
            _bounded(ask(), LOOK_WITHIN, what), to_message, lambda error: NotSeen(what, error), drain=False
        )

    def _see(self, machines: tuple[Machine, ...]) -> None:
        self._looking.discard("machines")
        if not machines:
            # At least the one lives on which this runs: whoever says this knows nothing.
            self._look_fault = "it knows of no machine"
            return
        self._look_fault = ""
        now = self.ctx.clock.monotonic()
        if self._sighted is None:
            self._sighted = now
        before, self._machines = self._machines, {machine.name: machine for machine in machines}
        if before.keys() != self._machines.keys():
            self._same_since = now
        for name in before:
            if name not in self._machines:
                self._lost[name] = now
                self.ctx.log.warning("a machine is lost", machine=name)
        self._lost = {
            name: since
            for name, since in self._lost.items()
            if name not in self._machines and now - since < LOST_TOLD_FOR
        }
        self._decide()

    def _sees(self, now: timedelta) -> bool:
        """Tell whether the cluster has answered for long enough to know of whose processes it knows, too."""
        return self._sighted is not None and now - self._sighted >= SEEN_WITHIN

    def _meet(self, processes: tuple[HostProcess, ...]) -> None:
        self._looking.discard("processes")
        now = self.ctx.clock.monotonic()
        for process in processes:
            if process.host != CONTROL:
                self._upkeep.seen(process, now)

    # --- the configuration ------------------------------------------------------------------------------

    def _want_reading(self, token: ReplyToken | None) -> None:
        """Have the configuration read, after the reading that is under way."""
        if not self._wanted.ask(token) and token is not None:
            token.fail(Unavailable(f"{MOST_WAITING} reloads wait for their turn; try again later"))

    def _read(self) -> None:
        self.ctx.pipe(self._reading(), lambda read: read, NotRead)

    async def _reading(self) -> Read:
        """Read the configuration, and hold back what of it waits for a restart of the authority."""
        apart = self._settings.placement is Placement.DEDICATED
        plans = await computed(self.ctx, self._read_plans)
        deployment = self._deployment
        if deployment is None:
            ports = self._ports
            deployment = await deployed(ports.store, self._epoch, ports.deployment, plans)
        plans, needed = held_back(deployment, plans)
        configuration = await computed(self.ctx, lambda: configured(plans, paths_apart=apart))
        return Read(configuration, deployment, needed)

    def _take_configuration(self, message: Read) -> None:
        self.ctx.cancel_timer("read")
        configuration = message.configuration
        if self._configuration is not None:
            for node, event in changes(_plans(self._configuration), _plans(configuration)):
                self._record(node, event)
        if message.needed != self._needed:
            news = events.RestartNeededChanged(tuple(map(str, message.needed)))
            self._record(AUTHORITY, news)
            log_restart(self.ctx.log, news)
        self._deployment, self._needed = message.deployment, message.needed
        self._configuration, self._config_fault = configuration, ""
        self._readings += 1
        nodes = tuple(configuration.shares)
        asked = [token for token in self._wanted.ended() if token is not None]
        waiting = [Waiting(self._readings, token, nodes) for token in asked]
        self._reloads += bool(waiting)
        self._waiting += waiting
        self._decide()

    def _not_read(self, error: Exception) -> None:
        asked = [token for token in self._wanted.ended() if token is not None]
        for token in asked:
            token.fail(_tellable(error) if isinstance(error, Misconfigured) else error)
        if not isinstance(error, Misconfigured):
            raise error
        if self._configuration is None:
            self._config_fault = str(error).partition("\n")[0]
            self.ctx.log.error("the configuration cannot be used", again_in=READ_AGAIN_AFTER.total_seconds())
            self.ctx.set_timer("read", READ_AGAIN_AFTER, ReadAgain())

    def _foretell(self, packed: bytes, token: ReplyToken) -> None:
        """Answer what a reload would do if the file held this text."""
        plans_of, configuration, deployment = self._ports.plans_of, self._configuration, self._deployment
        if plans_of is None or configuration is None or deployment is None:
            token.fail(Unavailable("the coordinator has no configuration to compare with yet"))
            return
        self.ctx.pipe(
            computed(
                self.ctx,
                lambda: foretell(
                    _plans(configuration).values(), plans_of(unpacked_untrusted(packed)), deployment
                ),
            ),
            lambda foretold: Answered(token, foretold),
            lambda error: NotAnswered(token, error),
        )

    # --- decisions --------------------------------------------------------------------------------------

    def _decide(self) -> None:
        """Decide anew where anything has changed. One decision at a time, each upon the one before."""
        if self._configuration is None or not self._machines or self._deciding:
            return
        now = self.ctx.clock.monotonic()
        if not self._version and now - self._same_since < self._settings.settle:
            # The machines of a new cluster come one by one.
            return
        machines = tuple(sorted(self._machines.values(), key=lambda machine: machine.name))
        if self._settings.placement is not Placement.DEDICATED or not self._decision.unplaced:
            # How much memory is free matters to those alone who want a place.
            machines = tuple(replace(machine, free_bytes=0) for machine in machines)
        gone = self._upkeep.gone(now)
        if not self._sees(now):
            # Whoever hears nothing of the cluster either knows of nobody that it is gone.
            gone = self._facts.gone if self._facts is not None else frozenset()
        facts = Facts(self._readings, machines, gone, self._version, self._closed)
        if facts == self._facts:
            return
        self._deciding = True
        self.ctx.pipe(
            computed(
                self.ctx,
                reconcile,
                self._configuration.units,
                tuple(self._machines.values()),
                facts.gone,
                self._decision.hosts,
                self._settings,
                facts.closed,
            ),
            lambda decision: Decided(facts, decision),
        )

    def _decided(self, facts: Facts, decision: Decision) -> None:
        """Write what is new; a refusal ends the incarnation, as nobody waits for this."""
        if decision.hosts == self._decision.hosts and self._version:
            self._adopt(facts, decision)
            return
        self.ctx.pipe(
            self._ports.store.write(
                record.OWNER, self._epoch, record.ASSIGNMENT, record.encode(decision.hosts), self._version
            ),
            lambda version: Written(facts, decision, version),
        )

    def _adopt(self, facts: Facts, decision: Decision) -> None:
        """Take up what is in the store now, and tell the agents."""
        self._deciding = False
        self._facts = facts
        former, self._decision = self._decision, decision
        now = self.ctx.clock.monotonic()
        for node, host in decision.hosts.items():
            if (before := former.hosts.get(node)) not in {None, host} and not is_path(node):
                self._record(node, events.NodeMoved(str(before), host, self._why_moved(str(before))))
        for host, each in self._upkeep.hosts.items():
            if each.answers and each.wanted and host not in decision.wanted:
                self._tell_of_loss(host)
        self._upkeep.want(decision.wanted, now)
        if former.hosts != decision.hosts or not self._telling.assignment:
            self._place()
        if self._configuration is not None:
            self._telling.want(decision.hosts, self._configuration.shares, self._reloads)
        for report in tuple(self._reports.values()):
            known = self._upkeep.hosts.get(report.host)
            if known is not None and known.answers:
                self._answer(report)
        in_force = [each for each in self._waiting if each.reading <= facts.configuration]
        self._waiting = [each for each in self._waiting if each.reading > facts.configuration]
        for waiting in in_force:
            waiting.token.reply(waiting.nodes)
        self._keep_up()
        self._decide()

    def _about_closed(self, message: DrainHost | Closed) -> None:
        match message:
            case DrainHost():
                self._close(message, self.ctx.reply_token())
            case Closed(version, closed, order, token):
                self._closed_version, self._closed, self._closing = version, closed, False
                self._record(AUTHORITY, events.HostDrained(order.host, not order.undo))
                token.reply(HostsDrained("", tuple(sorted(closed))))
                self._decide()
            case unreachable:
                assert_never(unreachable)

    def _close(self, order: DrainHost, token: ReplyToken) -> None:
        """Write that a host or machine is drained, or is so no more; one order after the other."""
        refused = ""
        known = {*self._upkeep.hosts, *self._machines}
        if not self._settings.moving:
            refused = "each host of this cluster has a store of its own, so that nodes cannot move"
        elif self._closing:
            refused = "another order to drain a host is being written; say it again"
        elif order.host not in known and order.host not in self._closed:
            refused = f"there is no host or machine {order.host!r}; `peerkey show hosts` lists them"
        closed = self._closed - {order.host} if order.undo else self._closed | {order.host}
        if refused or closed == self._closed:
            token.reply(HostsDrained(refused, tuple(sorted(self._closed))))
            return
        self._closing = True
        write = self._ports.store.write(
            record.OWNER, self._epoch, record.CLOSED, record.encode_names(closed), self._closed_version
        )
        self.ctx.pipe(write, lambda version: Closed(version, closed, order, token))

    def _why_moved(self, host: str) -> str:
        known = self._upkeep.hosts.get(host)
        if machine_of(host) not in self._machines:
            return "its machine is lost"
        if is_closed(host, self._closed):
            return "its host is drained"
        return "it may not be there any more" if known is not None and known.answers else "its host is gone"

    def _place(self) -> None:
        self._telling.place(self._decision.hosts, self._version)
        if self._ports.host is not None:
            prefixes = {prefix_of(node): host for node, host in self._decision.hosts.items()}
            self._ports.host.directory.assign(prefixes, self._version)

    # --- agents -----------------------------------------------------------------------------------------

    def _reported(self, report: Report) -> None:
        if report.epoch > self._epoch:
            # There is a later coordinator: this one finds out in the store.
            raise StaleEpoch(record.OWNER, self._epoch, report.epoch)
        now = self.ctx.clock.monotonic()
        if report.host not in self._upkeep.hosts:
            strangers = sum(not each.wanted for each in self._upkeep.hosts.values())
            if strangers >= MAX_STRANGERS:
                return
            self._upkeep.meet(report.host, machine_of(report.host), now)
        known = self._upkeep.hosts[report.host]
        lost = known.heard is not None and not known.answers
        if lost or known.incarnation not in {None, report.incarnation}:
            away = now - (known.heard if known.heard is not None else known.since)
            self._record(
                AUTHORITY, events.HostBack(report.host, known.machine, round(away.total_seconds(), 1))
            )
        complete = report.complete and self._is_target(report)
        self._upkeep.heard(report.host, report.incarnation, report.pid, now, complete=complete)
        self._reports[report.host] = report
        self._answer(report)

    def _is_target(self, report: Report) -> bool:
        return self._facts is not None and report.target == self._telling.target(report.host)[0].digest

    def _answer(self, report: Report) -> None:
        """Send what a host lacks."""
        agent = self._ports.ref(on_host(report.host, AGENT))
        if (report.epoch, report.version) != (self._epoch, self._version):
            for part in self._telling.assignment:
                agent.offer(part)
        if self._facts is None:
            # Nothing is known yet of what it is to run.
            return
        if report.epoch == self._epoch and self._is_target(report):
            for plans in self._telling.plans(report.host, report.lacks):
                agent.offer(plans)
        else:
            for part_of_target in self._telling.target(report.host):
                agent.offer(part_of_target)

    # --- hosts ------------------------------------------------------------------------------------------

    def _keep_up(self) -> None:
        if self._facts is None:
            return
        now = self.ctx.clock.monotonic()
        for host, step in list(self._upkeep.due(now)):
            if step is Step.RENEW and not self._sees(now):
                continue
            self._upkeep.begun(host, step)
            self.ctx.log.info("host", host=host, step=step.value)
            self.ctx.pipe(
                _bounded(self._perform(host, step), STEP_WITHIN, step.value),
                partial(_as_stepped, host, step),
                partial(NotStepped, host, step),
                drain=False,
            )

    async def _perform(self, host: str, step: Step) -> None:
        """Do something with a host, unless there is a later coordinator, which may want it otherwise."""
        machines = self._ports.machines
        found = await self._ports.store.read(record.OWNER, record.CONTROLLER)
        if found is None or found.epoch != self._epoch:
            raise StaleEpoch(record.OWNER, self._epoch, found.epoch if found is not None else 0)
        if step is not Step.START:
            await machines.discard(host)
        if step is not Step.DISCARD:
            await machines.start(host, machine_of(host))

    def _stepped(self, host: str, step: Step, fault: str) -> None:
        if fault:
            self.ctx.log.warning("a host was not reached", host=host, step=step.value, fault=fault)
        self._upkeep.ended(host, step, fault, self.ctx.clock.monotonic())
        if host not in self._upkeep.hosts:
            self._reports.pop(host, None)
            self._telling.forget(host)
            if self._ports.host is not None:
                self._ports.host.forget(host)
        self._keep_up()

    def _tell_of_loss(self, host: str) -> None:
        machine = self._upkeep.hosts[host].machine
        lost = machine not in self._machines
        why = "its machine is lost" if lost else "it does not answer"
        self._record(AUTHORITY, events.HostLost(host, machine, why))

    def _record(self, node: str, event: events.Event) -> None:
        self._ports.journal.record(self.ctx.clock.wall(), node, event)

    # --- what is shown ----------------------------------------------------------------------------------

    def _placement(self, after: str, mark: tuple[int, int]) -> PlacementStatus:
        hosts, unplaced = self._decision.hosts, self._unplaced()
        now = self.ctx.clock.monotonic()
        entries, following = self._ports.journal.after(mark[1] if mark[0] == self._process else 0)
        faults = (self._config_fault, self._look_fault and f"the cluster does not answer: {self._look_fault}")
        return PlacementStatus(
            epoch=self._epoch,
            version=self._version,
            placement=self._settings.placement.value,
            machines=tuple(sorted(self._machines)),
            hosts=host_places(self._upkeep, hosts, now, self._closed),
            nodes=node_places(hosts, unplaced, _uuids(self._configuration), after),
            total=sum(not is_path(unit) for unit in {*hosts, *unplaced}),
            unplaced_paths=unplaced_paths(unplaced),
            alarms=(
                *alarms_of(self._upkeep, unplaced, self._lost, faults, now),
                *restart_alarms(AUTHORITY, self._needed),
                *map(alarms.host_drained, sorted(self._closed)),
            ),
            restart_needed=self._needed,
            events=entries,
            mark=(self._process, following),
        )

    def _unplaced(self) -> Mapping[str, str]:
        refused = self._configuration.refused if self._configuration is not None else {}
        return {**self._decision.unplaced, **refused}


async def _bounded(awaitable: Awaitable[T], within: timedelta, what: str) -> T:
    """Await something for so long at most.

    :raises RuntimeFault: it takes longer.
    """
    try:
        return await asyncio.wait_for(awaitable, within.total_seconds())
    except TimeoutError as error:
        message = f"no answer within {within.total_seconds():g} s ({what})"
        raise RuntimeFault(message) from error


def _tellable(error: Misconfigured) -> Misconfigured:
    """Return what whoever asks is told on another host: every fault, as far as a message holds them."""
    if isinstance(error, ConfigurationFaults):
        return error.within(FAULTS_TOLD)
    return Misconfigured(str(error)[:FAULTS_TOLD])


def _as_stepped(host: str, step: Step, _: None) -> Stepped:
    return Stepped(host, step)


def _plans(configuration: Configuration) -> dict[str, NodePlan]:
    return {name: share.plan for name, share in configuration.shares.items()}


def _uuids(configuration: Configuration | None) -> dict[str, str]:
    known = {} if configuration is None else configuration.shares
    return {node: str(share.plan.uuid) for node, share in known.items()}
