"""A simulated network with machines on it, and ends that remember what they heard at which instant.

::

    async def scenario(world: World) -> None:
        one, two = world.pair()
        one.send(b"datagram")
        await pass_time(SECOND)
        assert two.heard == [b"datagram"]

    simulate(scenario)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import TypeVar

from runtime.system import ActorSystem
from runtime.testing import run
from runtime.wire.flights import Datagram
from runtime.wire.links import REMEMBERED
from runtime.wire.network import IN_FLIGHT_LIMIT, Network, Tap
from runtime.wire.port import MAX_DATAGRAM_BYTES, Address
from runtime.wire.simulated import SimulatedEndpoint, SimulatedWire
from runtime.wire.weather import FINE, Weather

T = TypeVar("T")

ONE, TWO, THREE = (Address(f"192.0.2.{number}", 1280) for number in (1, 2, 3))
SECOND = timedelta(seconds=1)
#: A hundred datagrams that can be told apart, in order.
NUMBERS = [bytes([number]) for number in range(100)]
STORM = Weather(
    loss=0.1, duplication=0.1, corruption=0.1, truncation=0.1, replay=0.1, jitter=timedelta(milliseconds=20)
)


@dataclass
class End:
    """An endpoint, and what it has heard at which instant."""

    arrivals: list[tuple[float, bytes]] = field(default_factory=list)
    states: list[bool] = field(default_factory=list)
    on_heard: Callable[[bytes], object] | None = None
    endpoint: SimulatedEndpoint = field(init=False)

    @property
    def heard(self) -> list[bytes]:
        return [data for _, data in self.arrivals]

    def on_datagram(self, data: bytes) -> None:
        self.arrivals.append((asyncio.get_running_loop().time(), data))
        if self.on_heard is not None:
            self.on_heard(data)

    def send(self, *datagrams: bytes) -> None:
        for datagram in datagrams:
            self.endpoint.send(datagram)


class World:
    """A network, with one machine at each local address."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.wires: dict[Address, SimulatedWire] = {}
        self.strangers: list[tuple[Address, Address]] = []
        self.ends: list[End] = []
        self.living: dict[tuple[Address, Address], End] = {}

    def boot(self, local: Address) -> None:
        self.wires[local] = SimulatedWire(self.network, on_stranger=self.on_stranger)

    def on_stranger(self, local: Address, source: Address) -> None:
        self.strangers.append((local, source))

    def wire(self, local: Address) -> SimulatedWire:
        if local not in self.wires:
            self.boot(local)
        return self.wires[local]

    def open(self, local: Address, peer: Address) -> End:
        end = End()
        end.endpoint = self.wire(local).open(local, peer, end.on_datagram, end.states.append)
        self.ends.append(end)
        return end

    def pair(self) -> tuple[End, End]:
        return self.open(ONE, TWO), self.open(TWO, ONE)

    def counts(self) -> dict[str, int]:
        """Return the counters of the network that are not zero."""
        counters = self.network.counters
        every = {name: getattr(counters, name) for name in counters.__slots__}
        return {name: count for name, count in every.items() if count}

    def put_in(self) -> int:
        counters = self.network.counters
        return counters.sent + counters.duplicated + counters.replayed + counters.injected

    def came_out(self) -> int:
        counters = self.network.counters
        gone = counters.lost + counters.cut + counters.dropped_in_flight
        nowhere = counters.down + counters.unheard + counters.strangers + counters.oversize
        return counters.delivered + gone + nowhere

    def do(self, verb: str, one: Address, two: Address) -> None:
        """Carry out one step of a random scenario."""
        network, links = self.network, self.network.links
        seen = links.seen(one.host, two.host)
        match verb:
            case "send":
                if (one, two) not in self.living:
                    self.living[one, two] = self.open(one, two)
                self.living[one, two].send(b"", b"a datagram")
            case "replay":
                for datagram in seen[:2]:
                    network.replay(datagram)
            case "reroute":
                for datagram in seen[:2]:
                    network.reroute(datagram, one, two)
            case "inject":
                network.inject(one, two, b"forged")
                network.inject(one, two, bytes(MAX_DATAGRAM_BYTES + 1))
            case "die":
                self.wire(one).abandon()
                self.boot(one)
                self.living = {ends: end for ends, end in self.living.items() if ends[0] != one}
            case "cut":
                links.cut(one.host, two.host)
            case "mend":
                links.mend(one.host, two.host)
            case "partition":
                links.partition({one.host}, {two.host})
            case "heal":
                links.clear()
            case "down" | "up":
                network.set_interface(one.host, up=verb == "up")


def simulate(
    scenario: Callable[[World], Awaitable[T]],
    *,
    seed: int = 0,
    weather: Weather = FINE,
    in_flight_limit: int = IN_FLIGHT_LIMIT,
    remembered: int = REMEMBERED,
) -> T:
    """Run a scenario in virtual time, in a network of its own."""

    async def whole(_system: ActorSystem) -> T:
        network = Network(
            Random(seed), weather=weather, in_flight_limit=in_flight_limit, remembered=remembered
        )
        return await scenario(World(network))

    return run(whole)


def tap(into: list[Datagram]) -> Tap:
    """Return what remembers every datagram that it is told of."""
    return lambda source, destination, data: into.append(Datagram(source, destination, data))
