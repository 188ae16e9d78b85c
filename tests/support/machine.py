"""A machine with several hosts in virtual time: one disk, one set of servers, an authority on each host."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from random import Random

from actors.authority import Authority
from actors.crl.index import RevocationPorts
from actors.crl.ingesting import InlineIngester
from actors.crl.known import KnownRevocations
from actors.crl.messages import SourcePorts
from actors.crl.roles import TRAVELLING, Follow, Lead
from actors.crl.status import GetRevocation, RevocationStatus
from actors.messages import GetFleet, NodeStatus, Reload
from actors.router_node import Ports
from peerkey.testing.ca import Issued
from runtime.backends.virtual import VirtualClock, VirtualTimeLoop
from runtime.cluster.codec import Registry
from runtime.cluster.host import Host
from runtime.cluster.simulated import Fabric, SimulatedTransport
from runtime.executor import InlineExecutor
from runtime.ref import Ref
from runtime.system import ActorSystem
from tests.support.fleet import Fleet
from tests.support.revocation import MasterMemory, Servers, Shelf

SECOND = timedelta(seconds=1)


class OneHost:
    """One process of the machine, with the nodes of some routers."""

    def __init__(self, machine: Machine, name: str, routers: tuple[int, ...]) -> None:
        loop = asyncio.get_running_loop()
        self.machine = machine
        self.routers = routers
        self.clock = VirtualClock(loop, machine.fleet.now)
        self.system = ActorSystem(clock=self.clock, executor=InlineExecutor(), random=machine.random)
        self.system.begin(loop)
        self.transport: SimulatedTransport = machine.fabric.attach(name)
        self.host = Host(self.system, self.transport, Registry(*TRAVELLING))
        self.known = KnownRevocations(machine.master)
        fleet = machine.fleet
        ports = Ports(
            store=fleet.store,
            wire=fleet.wire,
            keystore=fleet.keystore,
            read_file=lambda path: Path(path).read_bytes(),
            entropy=secrets.token_bytes,
            journal=fleet.journal,
        )
        lists = RevocationPorts(
            SourcePorts(machine.servers, machine.shelf, InlineIngester(), fleet.journal, secrets.token_bytes),
            self.known,
            lambda path: Path(path).read_bytes(),
        )
        self.authority: Ref = self.system.spawn(
            lambda: Authority(
                lambda: tuple(fleet.plans[number] for number in self.routers),
                ports,
                revocation=lists,
                find=self.system.ref,
            ),
            "authority",
        )
        self.host.join(machine.names)

    async def reload(self) -> tuple[str, ...]:
        return await self.authority.ask(Reload(), 5 * SECOND)

    async def status(self) -> RevocationStatus:
        return await self.authority.ask(GetRevocation(), 10 * SECOND)

    async def nodes(self) -> tuple[NodeStatus, ...]:
        return await self.authority.ask(GetFleet(), 5 * SECOND)

    def revoked(self, *issued: Issued) -> bool:
        """Whether all of them are known here to be revoked."""
        found = [each.certificate for each in issued]
        return all(
            self.known.lookup(each.issuer.public_bytes(), each.serial_number, each) is not None
            for each in found
        )


class Machine:
    """See the module."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.names = ("east", "west")
        self.random = Random(0)
        self.fabric = Fabric(self.random)
        self.servers = Servers()
        self.shelf = Shelf()
        self.master = MasterMemory()
        self.hosts: dict[str, OneHost] = {}

    def start(self, name: str, *routers: int) -> OneHost:
        self.hosts[name] = OneHost(self, name, routers)
        return self.hosts[name]

    def lead(self, leader: str) -> None:
        """Say to every host who leads."""
        for name, one in self.hosts.items():
            one.authority.tell(Lead() if name == leader else Follow(leader))

    async def kill(self, name: str) -> None:
        one = self.hosts.pop(name)
        one.transport.abandon()
        one.host.abandon()
        await one.system.stop(timedelta(0))


def on_a_machine(fleet: Fleet, scenario: Callable[[Machine], Awaitable[None]]) -> None:
    """Run a scenario with hosts that it starts itself."""

    async def whole() -> None:
        machine = Machine(fleet)
        try:
            await scenario(machine)
            crashed = [
                (name, actor.name, actor.last_error)
                for name, one in machine.hosts.items()
                for actor in one.system.actors()
                if actor.crashes
            ]
            assert crashed == []
        finally:
            for one in machine.hosts.values():
                await one.system.stop(timedelta(seconds=1))

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(whole())
