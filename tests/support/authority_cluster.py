"""A cluster of several machines in virtual time, with a coordinator, agents, and authorities that only note.

The machines are a fake of the port: they start hosts on the simulated fabric, restart those whose process
dies two seconds later, as Ray does, and may be lost, mute or slow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TypeVar
from uuid import UUID

from actors.cluster.agent import Agent, AgentPorts
from actors.cluster.asking import placement
from actors.cluster.assigned import Assigned
from actors.cluster.coordinator import Coordinator, CoordinatorPorts
from actors.cluster.messages import PlacementStatus
from actors.cluster.reconciling import Settings, machine_of
from actors.cluster.registry import registry
from actors.cluster.units import prefix_of
from actors.journal import MemoryJournal
from actors.messages import AdoptPlans, Reload
from actors.names import AGENT, AUTHORITY, CONTROL, COORDINATOR
from peerkey.config.plan import (
    CertificateSource,
    Endpoint,
    HaPlan,
    InvalidCertificateBehavior,
    NodePlan,
    PathPlan,
    PeeringPlan,
    Policy,
    ValidationMode,
)
from runtime.actor import Actor
from runtime.backends.virtual import VirtualClock, VirtualTimeLoop
from runtime.cluster.directory import on_host
from runtime.cluster.host import Host
from runtime.cluster.machines import HostProcess, Machine
from runtime.cluster.simulated import Fabric, FabricWeather, SimulatedTransport
from runtime.errors import HostUnreachable
from runtime.executor import InlineExecutor
from runtime.message import Ask
from runtime.store.memory import MemoryStore
from runtime.store.port import Store
from runtime.supervision import PATIENT
from runtime.system import ActorSystem
from runtime.wire.port import Address

R = TypeVar("R")

SECOND = timedelta(seconds=1)
#: A process that has died is replaced after so long.
RESTARTED_AFTER = 2.0
#: Whoever waits gives up after so long, in virtual seconds.
PATIENCE = 600.0
POLICY = Policy(
    rekey_interval=timedelta(hours=24),
    retransmit_interval=5 * SECOND,
    timeout=10 * SECOND,
    probe_interval=None,
    invalid_certificate_behavior=InvalidCertificateBehavior.FAIL_SOFT,
    revocation_check_interval=None,
)


class NotingAuthority(Actor):
    """Takes up plans as the real one does, and runs nothing."""

    def __init__(self, assigned: Assigned, noted: Noted) -> None:
        self.assigned = assigned
        self.noted = noted

    async def started(self) -> None:
        self.noted.plans = {plan.name: plan for plan in self.assigned.plans()}

    def receive(self, message: object) -> None:
        match message:
            case AdoptPlans() | Reload():
                self.noted.plans = {plan.name: plan for plan in self.assigned.plans()}
                self.noted.reloads += isinstance(message, Reload)
                self.ctx.reply(tuple(self.noted.plans))
            case _:
                self.ctx.log.warning("unexpected message")


@dataclass
class Noted:
    """What the authority of one process has taken up."""

    plans: dict[str, NodePlan] = field(default_factory=dict)
    reloads: int = 0


@dataclass
class Process:
    """One process of a host."""

    host: str
    system: ActorSystem
    seat: Host
    transport: SimulatedTransport
    number: int
    noted: Noted = field(default_factory=Noted)
    assigned: Assigned = field(default_factory=Assigned)
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    routes: dict[tuple[Address, Address], str] = field(default_factory=dict)

    def routes_told(self, routes: Mapping[tuple[Address, Address], str]) -> None:
        self.routes = dict(routes)


class FakeMachines:
    """See :class:`runtime.cluster.machines.Machines`."""

    def __init__(self, cluster: AuthorityCluster, machines: Iterable[Machine]) -> None:
        self.cluster = cluster
        self.machines = {machine.name: machine for machine in machines}
        #: What was asked for, in order.
        self.asked: list[tuple[str, str]] = []
        #: Hosts that cannot be started, and whether nobody answers at all.
        self.barren: set[str] = set()
        self.mute = False
        #: Whether nothing is known of processes.
        self.hidden = False
        self.hosts: dict[str, str] = {}
        self.restarts: dict[str, int] = {}

    async def living(self) -> tuple[Machine, ...]:
        await self._answer()
        return tuple(self.machines.values())

    async def start(self, host: str, machine: str | None) -> None:
        await self._answer()
        self.asked.append(("start", host))
        if host in self.barren or machine not in self.machines:
            raise HostUnreachable(host, "it does not start")
        if self.hosts.setdefault(host, machine) and host not in self.cluster.processes:
            await asyncio.sleep(0.5)
            self.cluster.start(host)

    async def discard(self, host: str) -> None:
        await self._answer()
        self.asked.append(("discard", host))
        self.hosts.pop(host, None)
        await self.cluster.end(host)

    async def processes(self) -> tuple[HostProcess, ...]:
        await self._answer()
        return tuple(
            HostProcess(name, machine_of(name), 1000, each.number, "fake 1", self.restarts.get(name, 0))
            for name, each in self.cluster.processes.items()
            if name != CONTROL and not self.hidden
        )

    async def _answer(self) -> None:
        await asyncio.sleep(0.01)
        if self.mute:
            raise HostUnreachable("cluster", "mute")


class AuthorityCluster:
    """Everything of one cluster, on one loop."""

    def __init__(
        self,
        plans: Iterable[NodePlan],
        machines: Iterable[Machine],
        settings: Settings | None = None,
        *,
        weather: FabricWeather | None = None,
        store: Store | None = None,
        began: datetime = datetime(2026, 1, 1, tzinfo=UTC),
    ) -> None:
        self.plans = list(plans)
        self.began = began
        self.config_fault: Exception | None = None
        #: That of the control host: another one where an operator has ended the fleet and started it again.
        self.creation = "first"
        #: What the texts of configurations say.
        self.texts: dict[str, tuple[NodePlan, ...]] = {}
        self.settings = settings if settings is not None else Settings()
        self.random = Random(7)
        self.fabric = Fabric(self.random, weather)
        self.store = store if store is not None else MemoryStore()
        self.machines = FakeMachines(self, machines)
        self.journal = MemoryJournal()
        self.processes: dict[str, Process] = {}
        #: Processes that were replaced and live on.
        self.former: list[Process] = []
        self._restarting: set[asyncio.Task[None]] = set()

    # --- processes ------------------------------------------------------------------------------

    def start(self, host: str) -> Process:
        loop = asyncio.get_running_loop()
        system = ActorSystem(
            clock=VirtualClock(loop, self.began), executor=InlineExecutor(), random=self.random
        )
        system.begin(loop)
        transport = self.fabric.attach(host)
        seat = Host(system, transport, registry())
        process = Process(host, system, seat, transport, transport.incarnation)
        self.compose(process)
        seat.join([CONTROL])
        self.processes[host] = process
        return process

    def compose(self, process: Process) -> None:
        """Start the actors of one host."""
        if process.host == CONTROL:
            ports = CoordinatorPorts(
                self.store,
                self.machines,
                self.journal,
                process.system.ref,
                process.seat,
                deployment=self.creation,
                plans_of=self.plans_of,
            )
            process.system.spawn(
                lambda: Coordinator(self.read, ports, self.settings, incarnation=process.number),
                COORDINATOR,
                supervision=PATIENT,
            )
            return
        self.spawn_authority(process)
        self.spawn_agent(process)

    def spawn_agent(self, process: Process) -> None:
        ports = AgentPorts(process.seat, process.system, process.journal, process.routes_told)
        process.system.spawn(
            lambda: Agent(process.assigned, ports, incarnation=process.number, pid=1000),
            AGENT,
            supervision=PATIENT,
        )

    def spawn_authority(self, process: Process) -> None:
        process.system.spawn(
            lambda: NotingAuthority(process.assigned, process.noted), AUTHORITY, supervision=PATIENT
        )

    async def end(self, host: str) -> None:
        """End the process of a host for good."""
        process = self.processes.pop(host, None)
        if process is not None:
            process.transport.abandon()
            process.seat.abandon()
            await process.system.stop(timedelta(0))

    async def kill(self, host: str) -> None:
        """End the process of a host; it is replaced soon."""
        await self.end(host)
        task = asyncio.ensure_future(self._restart(host))
        self._restarting.add(task)
        task.add_done_callback(self._restarting.discard)

    async def _restart(self, host: str) -> None:
        await asyncio.sleep(RESTARTED_AFTER)
        if host not in self.processes and (host == CONTROL or host in self.machines.hosts):
            self.machines.restarts[host] = self.machines.restarts.get(host, 0) + 1
            self.start(host)

    def replace(self, host: str) -> Process:
        """Start another process of a host while the former one lives on, which hears nothing any more."""
        former = self.processes.pop(host)
        self.former.append(former)
        return self.start(host)

    async def lose(self, machine: str) -> None:
        """Lose a machine with everything on it."""
        del self.machines.machines[machine]
        for host in [each for each in self.processes if machine_of(each) == machine]:
            await self.end(host)

    async def stop(self) -> None:
        for task in tuple(self._restarting):
            task.cancel()
        self.fabric.mend()
        for process in (*self.processes.values(), *self.former):
            await process.system.stop(SECOND)

    # --- what is configured, and what is so -------------------------------------------------------

    def read(self) -> tuple[NodePlan, ...]:
        if self.config_fault is not None:
            raise self.config_fault
        return tuple(self.plans)

    def plans_of(self, text: str) -> tuple[NodePlan, ...]:
        return self.texts[text]

    def running(self) -> dict[str, set[str]]:
        """Return on which hosts each node runs."""
        found: dict[str, set[str]] = {}
        for host, process in self.processes.items():
            for name in process.noted.plans:
                found.setdefault(name, set()).add(host)
        return found

    def places(self) -> dict[str, str]:
        """Return where each node runs, which is one place."""
        places = {}
        for name, hosts in self.running().items():
            (places[name],) = hosts
        return places

    def machine_of(self, node: str) -> str:
        return machine_of(self.places()[node])

    def settled(self) -> bool:
        """Tell whether every node runs once, by its present plan, and every host knows where all are."""
        running = self.running()
        workers = [each for host, each in self.processes.items() if host != CONTROL]
        return (
            running.keys() == {plan.name for plan in self.plans}
            and all(len(hosts) == 1 for hosts in running.values())
            and all(self.processes[host].noted.plans[name] in self.plans for name, (host,) in running.items())
            and all(
                each.seat.directory.host_of(prefix_of(name)) == host
                for each in workers
                for name, (host,) in running.items()
            )
        )

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to be so."""
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 - nobody tells a test what actors do in their own time
                await asyncio.sleep(0.1)

    async def until_settled(self) -> None:
        await self.until(self.settled)

    def ask(self, host: str, actor: str, question: Ask[R], via: str = CONTROL) -> Awaitable[R]:
        return self.processes[via].system.ref(on_host(host, actor)).ask(question, 10 * SECOND)

    async def reload(self, via: str | None = None) -> tuple[str, ...]:
        """Order a reload, by default from a worker: what is answered has travelled."""
        worker = via if via is not None else next(host for host in self.processes if host != CONTROL)
        return await self.ask(CONTROL, COORDINATOR, Reload(), worker)

    async def placement(self) -> PlacementStatus:
        worker = next(host for host in self.processes if host != CONTROL)
        return await placement(self.processes[worker].system.ref, 10 * SECOND)

    def events(self, kind: str) -> list[dict[str, object]]:
        return [each.event.detail() for each in self.journal.recent() if kind == each.event.TYPE]


def in_cluster(
    cluster: Callable[[], AuthorityCluster], scenario: Callable[[AuthorityCluster], Awaitable[None]]
) -> None:
    """Run a scenario in virtual time, on a cluster whose control host has just been started."""

    async def whole() -> None:
        made = cluster()
        made.start(CONTROL)
        try:
            await scenario(made)
        finally:
            await made.stop()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(whole())


def machines(number: int, addresses: Iterable[str] = ()) -> list[Machine]:
    """Return machines that own the same addresses."""
    return [Machine(f"m{each}", frozenset(addresses), 4, 8 << 30) for each in range(number)]


def plan(number: int, peers: Iterable[int] = (), **changes: object) -> NodePlan:
    """Return the plan of one node, with one path to each peer."""
    made = NodePlan(
        authority="test",
        router=f"r{number}",
        node="node0",
        uuid=UUID(int=number + 1),
        alias=None,
        enabled=True,
        peer_validation=True,
        priority=0,
        certificate=CertificateSource("own", f"/etc/r{number}.pem", None, ValidationMode.STRICT),
        key_file=f"/etc/r{number}.key",
        trusted=(CertificateSource("root", "/etc/ca.pem", None, ValidationMode.STRICT),),
        revocation=(),
        interfaces=(),
        peerings=tuple(peering(number, peer) for peer in peers),
        policy=POLICY,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def peering(number: int, peer: int) -> PeeringPlan:
    """Return the peering of a node with another, over one path."""
    path = PathPlan(f"wan>r{peer}", "wan", address(number, peer), address(peer, number), 1500)
    return PeeringPlan(f"r{peer}", "node0", UUID(int=peer + 1), None, "ml-kem-768", 0, 0, (path,))


def address(number: int, peer: int) -> Endpoint:
    """Return the address at which a node speaks to one peer."""
    return Endpoint(f"10.{number >> 8}.{number & 255}.1", 1280 + peer)


def fleet(number: int) -> list[NodePlan]:
    """Return a hub, number 0, and its spokes: all paths are direct."""
    return [plan(0, range(1, number)), *(plan(spoke, [0]) for spoke in range(1, number))]


def pair(number: int) -> list[NodePlan]:
    """Return the two nodes of an HA router."""
    ends = [Endpoint("127.0.0.1", 4000), Endpoint("127.0.0.2", 4000)]
    made = []
    for half in (0, 1):
        ha = HaPlan(
            f"r{number}/node{1 - half}", UUID(int=1), ends[half], ends[1 - half], "a", "b", "key", bool(half)
        )
        made.append(plan(number, node=f"node{half}", uuid=UUID(int=1000 + 2 * number + half), ha=ha))
    return made
