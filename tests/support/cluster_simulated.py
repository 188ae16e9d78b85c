"""A cluster of hosts in virtual time, for the suite of all transports and for tests of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from random import Random
from typing import TypeVar

from runtime import Ask
from runtime.backends.virtual import VirtualClock, VirtualTimeLoop
from runtime.cluster.host import Host
from runtime.cluster.linkage import LinkTimes
from runtime.cluster.simulated import Fabric, FabricWeather, SimulatedTransport
from runtime.executor import InlineExecutor
from runtime.system import ActorSystem
from tests.support.cluster_program import PROGRAM
from tests.support.cluster_suite import SOON, Seen

R = TypeVar("R")


class SimulatedCluster:
    """Hosts on one loop. See :class:`tests.support.cluster_suite.Cluster`."""

    def __init__(
        self, seed: int = 0, weather: FabricWeather | None = None, times: LinkTimes | None = None
    ) -> None:
        self.random = Random(seed)
        self.fabric = Fabric(self.random, weather)
        self.times = times
        self.names = ("east", "west")
        self.hosts: dict[str, tuple[ActorSystem, Host, SimulatedTransport]] = {}

    def start(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        system = ActorSystem(clock=VirtualClock(loop), executor=InlineExecutor(), random=self.random)
        system.begin(loop)
        transport = self.fabric.attach(name)
        host = Host(system, transport, PROGRAM.registry, times=self.times)
        PROGRAM.start(system, host, "")
        host.join(self.names)
        self.hosts[name] = (system, host, transport)

    def system(self, host: str) -> ActorSystem:
        return self.hosts[host][0]

    async def tell(self, host: str, name: str, message: object) -> None:
        self.system(host).ref(name).tell(message)

    async def ask(self, host: str, name: str, question: Ask[R], seconds: float = SOON) -> R:
        return await self.system(host).ref(name).ask(question, timedelta(seconds=seconds))

    async def see(self, host: str) -> Seen:
        return seen(*self.hosts[host][:2])

    async def kill(self, host: str) -> None:
        system, seat, transport = self.hosts.pop(host)
        transport.abandon()
        seat.abandon()
        # Whoever watches from elsewhere is not told: the process is gone, not its actors.
        await system.stop(timedelta(0))

    async def returned(self, host: str) -> None:
        self.start(host)

    async def freeze(self, host: str) -> None:
        self.fabric.freeze(host)

    async def thaw(self, host: str) -> None:
        self.fabric.thaw(host)

    async def pause(self) -> None:
        await asyncio.sleep(0.05)

    def time(self) -> float:
        return asyncio.get_running_loop().time()

    async def joined(self) -> None:
        while not all(
            info.state.value == "joined" for _, host, _ in self.hosts.values() for info in host.hosts()
        ):
            await self.pause()

    async def stop(self) -> None:
        self.fabric.mend()
        for system, _, _ in self.hosts.values():
            await system.stop(timedelta(seconds=1))


def simulated(
    scenario: Callable[[SimulatedCluster], Awaitable[None]],
    *,
    seed: int = 0,
    weather: FabricWeather | None = None,
    times: LinkTimes | None = None,
) -> None:
    """Run a scenario on two hosts that have joined."""

    async def whole() -> None:
        cluster = SimulatedCluster(seed, weather, times)
        for name in cluster.names:
            cluster.start(name)
        await cluster.joined()
        try:
            await scenario(cluster)
        finally:
            await cluster.stop()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(whole())


def seen(system: ActorSystem, host: Host) -> Seen:
    """Return what a host knows, as numbers."""
    info = system.info()
    return Seen(
        {one.name: (one.state.value, one.incarnation) for one in host.hosts()},
        info.dead_letters,
        info.refused,
        host.malformed,
    )
