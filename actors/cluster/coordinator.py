"""The actor that decides for a whole cluster which host runs which node: one, on the host ``control``.

It reads the configuration, keeps the assignment of nodes to hosts in the store, sees to it that there are the
hosts that it needs (:mod:`actors.cluster.upkeep`), and answers the reports of agents with what they lack.

What it promises:

- A decision is in the store before anybody is told of it. It is written under the epoch of this incarnation
  and over the version that was read; what is refused ends the incarnation. So of two coordinators, one that
  was thought dead among them, only the newer changes anything, and agents refuse the word of an older one.
- It holds nothing that it could not find again: after its death it reads the assignment and the
  configuration, and asks who is there. Meanwhile every host goes on with what it has.
- A configuration that is wrong changes nothing.

A process of the control host that has been replaced may live on for a while. When its coordinator is refused,
it stands down: the store says that a later process has been active since.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from actors.cluster import record
from actors.cluster.messages import (
    Assignment,
    GetPlacement,
    HostPlace,
    NodePlace,
    Piece,
    PlacementStatus,
    PlansOf,
    Report,
    Target,
)
from actors.cluster.reconciling import Decision, Settings, machine_of, reconcile
from actors.cluster.shares import (
    MAX_HEAD,
    MESSAGE_WEIGHT,
    Share,
    head_weight,
    messages,
    pieces,
    share,
    target_digest,
    weight_of,
)
from actors.cluster.units import owners_of, prefix_of, routes_of, unit_of
from actors.cluster.upkeep import Step, Upkeep
from actors.configuration_events import changes
from actors.messages import Reload
from actors.names import AGENT, AUTHORITY, CONTROL, COORDINATOR
from actors.work import computed
from peerkey.errors import Misconfigured
from peerkey.observe import alarms, events
from runtime.actor import Actor, ReplyToken
from runtime.cluster.directory import on_host
from runtime.errors import RuntimeFault, StaleEpoch
from runtime.store.port import Put

if TYPE_CHECKING:
    from actors.authority import ReadPlans
    from actors.journal import Journal
    from peerkey.observe.alarms import Alarm
    from runtime.cluster.machines import HostProcess, Machine, Machines
    from runtime.cluster.placement import Unit
    from runtime.ref import Ref
    from runtime.store.port import Store

T = TypeVar("T")

#: How often it looks at everything.
TICK: Final = timedelta(seconds=1)
#: The processes are asked for once in so many looks.
PROCESSES_EVERY: Final = 5
#: How long machines may take to answer, and to start or end the process of a host.
LOOK_WITHIN: Final = timedelta(seconds=10)
STEP_WITHIN: Final = timedelta(seconds=120)
#: A configuration that could not be read when the coordinator started is read again after so long.
READ_AGAIN_AFTER: Final = timedelta(seconds=10)
#: A machine that is lost is told of for so long, unless it returns.
LOST_TOLD_FOR: Final = timedelta(hours=1)
#: Prefixes or nodes in one part of a list: a quarter of a MiB at most, with the longest names that there are.
PART: Final = 400
#: Nodes in one page of an answer.
PAGE: Final = 1_000
#: Alarms for single nodes in one answer; one alarm stands for the rest.
SINGLE_ALARMS: Final = 100
#: Why a node cannot be told what to do.
_TOO_LARGE: Final = f"its certificates take more than {MAX_HEAD >> 10} KiB of the configuration: name files"
#: Messages with plans that answer one report.
ANSWERED_AT_ONCE: Final = 4
#: Hosts that report and that nobody has started, at most.
MAX_STRANGERS: Final = 100


@dataclass(frozen=True, slots=True)
class CoordinatorPorts:
    """What the coordinator needs of the world."""

    #: Shared by every process that the control host may ever have.
    store: Store
    machines: Machines
    journal: Journal
    #: Makes a reference of a name: that of the system.
    ref: Callable[[str], Ref]


@dataclass(frozen=True, slots=True)
class Configuration:
    """What was read: what each node is to do, and what that asks of its place."""

    shares: Mapping[str, Share] = field(repr=False)
    units: tuple[Unit, ...] = field(repr=False)
    #: Why some nodes cannot be told what to do.
    refused: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a decision was made on. Where it is the same, so is the decision."""

    configuration: int
    machines: tuple[Machine, ...]
    gone: frozenset[str]
    version: int


# --- what it tells itself ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Tick:
    """Look at everything."""


@dataclass(frozen=True, slots=True)
class _Read:
    """The configuration was read."""

    configuration: Configuration
    token: ReplyToken | None


@dataclass(frozen=True, slots=True)
class _NotRead:
    """The configuration could not be read."""

    error: Exception
    token: ReplyToken | None


@dataclass(frozen=True, slots=True)
class _ReadAgain:
    """Try again to read the configuration."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """These machines live."""

    machines: tuple[Machine, ...]


@dataclass(frozen=True, slots=True)
class _Processes:
    """These processes answer."""

    processes: tuple[HostProcess, ...]


@dataclass(frozen=True, slots=True)
class _NotSeen:
    """The machines, or the processes on them, could not be looked at."""

    what: str
    error: Exception


@dataclass(frozen=True, slots=True)
class _Decided:
    """This is what should be so."""

    facts: Facts
    decision: Decision


@dataclass(frozen=True, slots=True)
class _Written:
    """A decision is in the store."""

    facts: Facts
    decision: Decision
    version: int


@dataclass(frozen=True, slots=True)
class _Stepped:
    """Something was done with a host, or could not be."""

    host: str
    step: Step
    fault: str


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
        self._configuration: Configuration | None = None
        #: How often the configuration was read, and how often somebody had ordered that.
        self._readings = 0
        self._reloads = 0
        self._config_fault = ""
        self._decision = Decision()
        self._facts: Facts | None = None
        self._deciding = False
        #: Those who wait for a reading to be in force.
        self._waiting: list[tuple[int, ReplyToken]] = []
        self._upkeep = Upkeep(self._settings)
        self._reports: dict[str, Report] = {}
        self._machines: dict[str, Machine] = {}
        #: Since when each is lost.
        self._lost: dict[str, timedelta] = {}
        self._looking: set[str] = set()
        self._look_fault = ""
        self._ticks = 0
        self._assignment: tuple[Assignment, ...] = ()
        self._nodes_of: dict[str, dict[str, bytes]] = {}
        self._targets: dict[str, tuple[Target, ...]] = {}

    async def started(self) -> None:
        """Take an epoch, read the assignment back and then the configuration."""
        store = self._ports.store
        controller = await store.read(record.OWNER, record.CONTROLLER)
        if self.ctx.incarnation > 1 and controller is not None and int(controller.value) > self._process:
            # This process has been active and was refused; the one that took over is a later one.
            self.ctx.log.error("a later process of the control host has taken over")
            self.ctx.stop(self.ctx.ref)
            return
        self._epoch = await store.activate(record.OWNER)
        controller = await store.read(record.OWNER, record.CONTROLLER)
        put = Put(record.CONTROLLER, str(self._process).encode(), controller.version if controller else 0)
        await store.commit(record.OWNER, self._epoch, (put,))
        found = await store.read(record.OWNER, record.ASSIGNMENT)
        if found is not None:
            hosts = record.decode(found.value)
            self._version = found.version
            self._decision = Decision(hosts, {}, {host: machine_of(host) for host in hosts.values()})
            self._prepare_assignment()
        for host in self._decision.wanted:
            self._lost[machine_of(host)] = self.ctx.clock.monotonic()
        self._read(None)
        self._tick()

    def receive(self, message: object) -> None:
        """Look, decide, and answer."""
        match message:
            case _Tick():
                self._tick()
            case Report():
                self._reported(message)
            case GetPlacement(after, mark):
                self.ctx.reply(self._placement(after, mark))
            case Reload():
                self._read(self.ctx.reply_token())
            case _Read(configuration, token):
                self._take_configuration(configuration, token)
            case _ReadAgain():
                self._read(None)
            case _NotRead(error, token):
                self._not_read(error, token)
            case _Seen(machines):
                self._see(machines)
            case _Processes(processes):
                self._looking.discard("processes")
                self._meet(processes)
            case _NotSeen(what, error):
                self._looking.discard(what)
                self._look_fault = str(error) or type(error).__name__
                self.ctx.log.warning("the cluster does not answer", what=what, error=type(error).__name__)
            case _Decided(facts, decision):
                self._decided(facts, decision)
            case _Written(facts, decision, version):
                self._version = version
                self._adopt(replace(facts, version=version), decision)
            case _Stepped(host, step, fault):
                self._stepped(host, step, fault)
            case _:
                self.ctx.log.warning("unexpected message", kind=type(message).__name__)

    # --- what is so -------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self.ctx.set_timer("tick", TICK, _Tick())
        now = self.ctx.clock.monotonic()
        answered = [host for host, each in self._upkeep.hosts.items() if each.answers]
        self._upkeep.look(now)
        for host in answered:
            if not self._upkeep.hosts[host].answers:
                self._tell_of_loss(host)
        machines = self._ports.machines
        self._look("machines", machines.living, _Seen)
        if self._ticks % PROCESSES_EVERY == 0:
            self._look("processes", machines.processes, _Processes)
        self._ticks += 1
        self._decide()
        self._keep_up()

    def _look(self, what: str, ask: Callable[[], Awaitable[T]], to_message: Callable[[T], object]) -> None:
        if what in self._looking:
            return
        self._looking.add(what)
        self.ctx.pipe(
            _bounded(ask(), LOOK_WITHIN, what), to_message, lambda error: _NotSeen(what, error), drain=False
        )

    def _see(self, machines: tuple[Machine, ...]) -> None:
        self._looking.discard("machines")
        if not machines:
            # At least the one lives on which this runs: whoever says this knows nothing.
            self._look_fault = "it knows of no machine"
            return
        self._look_fault = ""
        now = self.ctx.clock.monotonic()
        before, self._machines = self._machines, {machine.name: machine for machine in machines}
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

    def _meet(self, processes: tuple[HostProcess, ...]) -> None:
        now = self.ctx.clock.monotonic()
        for process in processes:
            if process.host == CONTROL:
                continue
            self._upkeep.meet(process.host, process.machine, now)
            known = self._upkeep.hosts[process.host]
            known.restarts, known.versions = process.restarts, process.versions
            if known.pid is None:
                known.pid, known.incarnation = process.pid, process.incarnation

    # --- the configuration ------------------------------------------------------------------------------

    def _read(self, token: ReplyToken | None) -> None:
        self.ctx.pipe(
            computed(self.ctx, _configuration, self._read_plans),
            lambda configuration: _Read(configuration, token),
            lambda error: _NotRead(error, token),
        )

    def _take_configuration(self, configuration: Configuration, token: ReplyToken | None) -> None:
        self.ctx.cancel_timer("read")
        if self._configuration is not None:
            former = {name: share.plan for name, share in self._configuration.shares.items()}
            now = {name: share.plan for name, share in configuration.shares.items()}
            for node, event in changes(former, now):
                self._record(node, event)
        self._configuration, self._config_fault = configuration, ""
        self._readings += 1
        if token is not None:
            self._reloads += 1
            self._waiting.append((self._readings, token))
        self._decide()

    def _not_read(self, error: Exception, token: ReplyToken | None) -> None:
        if not isinstance(error, Misconfigured):
            if token is not None:
                token.fail(error)
            raise error
        if token is not None:
            # What the operator is told is the text: a plain error travels to another host as it is.
            token.fail(Misconfigured(str(error)))
        if self._configuration is None:
            self._config_fault = str(error).partition("\n")[0]
            self.ctx.log.error("the configuration cannot be used", again_in=READ_AGAIN_AFTER.total_seconds())
            self.ctx.set_timer("read", READ_AGAIN_AFTER, _ReadAgain())

    # --- decisions --------------------------------------------------------------------------------------

    def _decide(self) -> None:
        """Decide anew where anything has changed. One decision at a time, each upon the one before."""
        if self._configuration is None or not self._machines or self._deciding:
            return
        machines = tuple(sorted(self._machines.values(), key=lambda machine: machine.name))
        if not self._decision.unplaced:
            # How much memory is free matters to those alone who want a place.
            machines = tuple(replace(machine, free_bytes=0) for machine in machines)
        facts = Facts(self._readings, machines, self._upkeep.gone(self.ctx.clock.monotonic()), self._version)
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
            ),
            lambda decision: _Decided(facts, decision),
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
            lambda version: _Written(facts, decision, version),
        )

    def _adopt(self, facts: Facts, decision: Decision) -> None:
        """Take up what is in the store now, and tell the agents."""
        self._deciding = False
        self._facts = facts
        former, self._decision = self._decision, decision
        now = self.ctx.clock.monotonic()
        for node, host in decision.hosts.items():
            if (before := former.hosts.get(node)) not in {None, host}:
                self._record(node, events.NodeMoved(str(before), host, self._why_moved(str(before))))
        for host, each in self._upkeep.hosts.items():
            if each.answers and each.wanted and host not in decision.wanted:
                self._tell_of_loss(host)
        self._upkeep.want(decision.wanted, now)
        if former.hosts != decision.hosts or not self._assignment:
            self._prepare_assignment()
        self._prepare_targets()
        for report in tuple(self._reports.values()):
            known = self._upkeep.hosts.get(report.host)
            if known is not None and known.answers:
                self._answer(report)
        in_force = [token for reading, token in self._waiting if reading <= facts.configuration]
        self._waiting = [each for each in self._waiting if each[0] > facts.configuration]
        for token in in_force:
            token.reply(tuple(self._configuration.shares) if self._configuration is not None else ())
        self._keep_up()
        self._decide()

    def _why_moved(self, host: str) -> str:
        known = self._upkeep.hosts.get(host)
        if machine_of(host) not in self._machines:
            return "its machine is lost"
        return "it may not be there any more" if known is not None and known.answers else "its host is gone"

    def _prepare_assignment(self) -> None:
        names = sorted(set(self._decision.hosts.values()))
        numbers = {name: number for number, name in enumerate(names)}
        prefixes = [(prefix_of(node), numbers[host]) for node, host in sorted(self._decision.hosts.items())]
        parts = _parted(prefixes)
        self._assignment = tuple(
            _assignment(self._epoch, self._version, number, len(parts), part, names)
            for number, part in enumerate(parts)
        )

    def _prepare_targets(self) -> None:
        self._targets.clear()
        self._nodes_of = {}
        if self._configuration is None:
            return
        for node, host in self._decision.hosts.items():
            if node in self._configuration.shares:
                digest = self._configuration.shares[node].digest
                self._nodes_of.setdefault(host, {})[node] = digest

    def _target(self, host: str) -> tuple[Target, ...]:
        """Return what a host is to run, in parts."""
        if host not in self._targets:
            nodes = self._nodes_of.get(host, {})
            digest = target_digest(nodes, self._reloads)
            parts = _parted(sorted(nodes.items()))
            self._targets[host] = tuple(
                Target(self._epoch, digest, number, len(parts), part, self._reloads)
                for number, part in enumerate(parts)
            )
        return self._targets[host]

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
        return self._configuration is not None and report.target == self._target(report.host)[0].digest

    def _answer(self, report: Report) -> None:
        """Send what a host lacks."""
        agent = self._ports.ref(on_host(report.host, AGENT))
        if (report.epoch, report.version) != (self._epoch, self._version):
            for part in self._assignment:
                agent.offer(part)
        if self._configuration is None or self._facts is None:
            return
        if report.epoch != self._epoch or not self._is_target(report):
            for each in self._target(report.host):
                agent.offer(each)
            return
        self._send_plans(agent, report)

    def _send_plans(self, agent: Ref, report: Report) -> None:
        assert self._configuration is not None  # noqa: S101 - the caller has looked
        wanted = self._nodes_of.get(report.host, {})
        cut: list[Piece] = []
        weight = 0
        for node in report.lacks:
            if node not in wanted:
                continue
            # At least one node at a time, however large it is.
            if weight > ANSWERED_AT_ONCE * MESSAGE_WEIGHT:
                break
            of_node = pieces(self._configuration.shares[node])
            weight += sum(map(weight_of, of_node))
            cut.extend(of_node)
        groups = list(messages(cut))
        for number, group in enumerate(groups, 1):
            agent.offer(PlansOf(self._epoch, group, last=number == len(groups)))

    # --- hosts ------------------------------------------------------------------------------------------

    def _keep_up(self) -> None:
        if self._facts is None:
            return
        for host, step in list(self._upkeep.due(self.ctx.clock.monotonic())):
            self._upkeep.begun(host, step)
            self.ctx.log.info("host", host=host, step=step.value)
            self.ctx.pipe(
                _bounded(self._perform(host, step), STEP_WITHIN, step.value),
                _stepped(host, step),
                _not_stepped(host, step),
                drain=False,
            )

    async def _perform(self, host: str, step: Step) -> None:
        machines = self._ports.machines
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
            self._targets.pop(host, None)
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
        unplaced = self._unplaced()
        names = sorted({*self._decision.hosts, *unplaced})
        page = [name for name in names if name > after][:PAGE]
        nodes = []
        for name in page:
            host = self._decision.hosts.get(name, "")
            known = self._configuration.shares.get(name) if self._configuration is not None else None
            uuid = str(known.plan.uuid) if known is not None else ""
            nodes.append(NodePlace(name, host, machine_of(host), unplaced.get(name, ""), uuid))
        entries, following = self._ports.journal.after(mark[1] if mark[0] == self._process else 0)
        return PlacementStatus(
            epoch=self._epoch,
            version=self._version,
            placement=self._settings.placement.value,
            machines=tuple(sorted(self._machines)),
            hosts=self._host_places(),
            nodes=tuple(nodes),
            total=len(names),
            alarms=self._alarms(unplaced),
            events=entries,
            mark=(self._process, following),
        )

    def _unplaced(self) -> Mapping[str, str]:
        refused = self._configuration.refused if self._configuration is not None else {}
        return {**self._decision.unplaced, **refused}

    def _host_places(self) -> tuple[HostPlace, ...]:
        now = self.ctx.clock.monotonic()
        counts: dict[str, int] = {}
        for host in self._decision.hosts.values():
            counts[host] = counts.get(host, 0) + 1
        return tuple(
            HostPlace(
                host=host,
                machine=each.machine,
                pid=each.pid,
                incarnation=each.incarnation,
                restarts=each.restarts,
                answers=each.answers,
                since_seconds=round((now - each.since).total_seconds(), 1),
                nodes=counts.get(host, 0),
                complete=each.complete,
                versions=each.versions,
                fault=each.fault,
            )
            for host, each in sorted(self._upkeep.hosts.items())
        )

    def _alarms(self, unplaced: Mapping[str, str]) -> tuple[Alarm, ...]:
        found = []
        if self._config_fault:
            found.append(alarms.cluster_limited(COORDINATOR, self._config_fault))
        if self._look_fault:
            found.append(alarms.cluster_limited(CONTROL, f"the cluster does not answer: {self._look_fault}"))
        found.extend(alarms.machine_lost(machine) for machine in sorted(self._lost))
        found.extend(
            alarms.host_gone(host, each.machine, each.fault or "it does not answer")
            for host, each in sorted(self._upkeep.hosts.items())
            if each.wanted and not each.answers and (each.heard is not None or each.fault)
        )
        ordered = sorted(unplaced.items())
        found.extend(alarms.node_unplaced(node, why) for node, why in ordered[:SINGLE_ALARMS])
        if len(ordered) > SINGLE_ALARMS:
            found.append(alarms.nodes_unplaced(AUTHORITY, [node for node, _ in ordered[SINGLE_ALARMS:]]))
        return tuple(found)


def _configuration(read_plans: ReadPlans) -> Configuration:
    """Read the configuration, and prepare what the agents are told. Runs on the executor."""
    plans = read_plans()
    owners = owners_of(plans)
    refused = {plan.name: _TOO_LARGE for plan in plans if head_weight(plan) > MAX_HEAD}
    told = [plan for plan in plans if plan.name not in refused]
    return Configuration(
        {plan.name: share(plan, routes_of(plan, owners)) for plan in told},
        tuple(unit_of(plan, owners) for plan in told),
        refused,
    )


async def _bounded(awaitable: Awaitable[T], within: timedelta, what: str) -> T:
    """Await something for so long at most.

    :raises RuntimeFault: it takes longer.
    """
    try:
        return await asyncio.wait_for(awaitable, within.total_seconds())
    except TimeoutError as error:
        message = f"no answer within {within.total_seconds():g} s ({what})"
        raise RuntimeFault(message) from error


def _stepped(host: str, step: Step) -> Callable[[None], _Stepped]:
    return lambda _: _Stepped(host, step, "")


def _not_stepped(host: str, step: Step) -> Callable[[Exception], _Stepped]:
    return lambda error: _Stepped(host, step, str(error) or type(error).__name__)


def _parted(things: list[T]) -> tuple[tuple[T, ...], ...]:
    """Return the things in parts; there is always one, if only an empty one."""
    return tuple(tuple(things[first : first + PART]) for first in range(0, len(things) or 1, PART))


def _assignment(
    epoch: int, version: int, part: int, parts: int, prefixes: tuple[tuple[str, int], ...], names: list[str]
) -> Assignment:
    """Return one part, with the names of those hosts alone that it speaks of."""
    used = sorted({number for _, number in prefixes})
    places = {number: place for place, number in enumerate(used)}
    return Assignment(
        epoch,
        version,
        part,
        parts,
        tuple(names[number] for number in used),
        tuple((prefix, places[number]) for prefix, number in prefixes),
    )
