"""What every wire promises, on every wire."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from random import Random
from typing import TypeAlias

import pytest

from runtime import Actor
from runtime.backends.local import LocalSystem
from runtime.cluster.wire import ClusterWire
from runtime.errors import WireUnavailable
from runtime.wire.direct import DirectWire
from runtime.wire.network import Network
from runtime.wire.port import MAX_DATAGRAM_BYTES, Address, Endpoint, Wire
from runtime.wire.simulated import SimulatedWire
from runtime.wire.udp import UdpWire
from tests.support.cluster_wires import Hosts

AnyWire: TypeAlias = UdpWire | DirectWire | SimulatedWire | ClusterWire


async def test_datagrams_go_both_ways(net: Net) -> None:
    one, two = net.pair()
    one.endpoint.send(b"from one")
    two.endpoint.send(b"from two")
    await two.hears(1)
    await one.hears(1)
    assert (one.heard, two.heard) == ([b"from two"], [b"from one"])
    assert (one.endpoint.counters.sent, one.endpoint.counters.received) == (1, 1)


@pytest.mark.parametrize("size", [0, 1, 1_200, MAX_DATAGRAM_BYTES])
async def test_a_datagram_of_any_allowed_size_arrives_unchanged(net: Net, size: int) -> None:
    one, two = net.pair()
    one.endpoint.send(bytes(number % 251 for number in range(size)))
    await two.hears(1)
    assert two.heard == [bytes(number % 251 for number in range(size))]


async def test_a_datagram_that_is_too_large_is_dropped_and_counted(net: Net) -> None:
    one, two = net.pair()
    one.endpoint.send(bytes(MAX_DATAGRAM_BYTES + 1))
    one.endpoint.send(b"small")
    await two.hears(1)
    assert two.heard == [b"small"]
    assert (one.endpoint.counters.dropped_oversize, one.endpoint.counters.sent) == (1, 1)


async def test_datagrams_of_one_sender_keep_their_order_where_nothing_disturbs_them(net: Net) -> None:
    one, two = net.pair()
    for number in range(100):
        one.endpoint.send(bytes([number]))
    await two.hears(100)
    assert two.heard == [bytes([number]) for number in range(100)]


async def test_nothing_is_delivered_from_within_send_or_open(net: Net) -> None:
    one, two = net.pair()
    assert (one.states, two.states) == ([], [])
    one.endpoint.send(b"datagram")
    assert two.heard == []


async def test_each_endpoint_of_a_local_address_hears_its_own_peer(net: Net) -> None:
    hub, *branches = net.addresses(4)
    at_hub = [net.open(hub, branch) for branch in branches]
    at_branches = [net.open(branch, hub) for branch in branches]
    for number, end in enumerate(at_branches):
        end.endpoint.send(b"to the hub from %d" % number)
        at_hub[number].endpoint.send(b"from the hub to %d" % number)
    for number in range(3):
        await at_hub[number].hears(1)
        await at_branches[number].hears(1)
        assert at_hub[number].heard == [b"to the hub from %d" % number]
        assert at_branches[number].heard == [b"from the hub to %d" % number]


async def test_a_stranger_is_dropped_and_counted_and_told_of(net: Net) -> None:
    local, peer, stranger = net.addresses(3)
    end = net.open(local, peer)
    net.open(stranger, local).endpoint.send(b"from a stranger")
    await net.until(lambda: net.counted_strangers() == 1)
    await net.until(lambda: net.strangers == [(local, stranger)])
    net.open(peer, local).endpoint.send(b"from the peer")
    await end.hears(1)
    assert end.heard == [b"from the peer"]
    assert end.endpoint.counters.received == 1


async def test_sending_to_nobody_is_no_error(net: Net) -> None:
    local, peer = net.addresses(2)
    end = net.open(local, peer)
    for _ in range(10):
        end.endpoint.send(b"is anybody there")
    later = net.open(peer, local)
    end.endpoint.send(b"now")
    # What was under way when the address was opened may arrive before it.
    await net.until(lambda: later.heard[-1:] == [b"now"])


async def test_a_closed_endpoint_neither_sends_nor_hears(net: Net) -> None:
    one, two = net.pair()
    two.endpoint.send(b"on its way")
    one.endpoint.close()
    one.endpoint.close()
    one.endpoint.send(b"too late")
    assert one.endpoint.counters.dropped_down == 1
    await net.idle()
    assert (one.heard, two.heard, one.states) == ([], [], [])
    assert not one.endpoint.up


async def test_a_pair_can_be_opened_once_and_again_after_closing(net: Net) -> None:
    one, two = net.pair()
    with pytest.raises(WireUnavailable, match="open already"):
        net.open(one.endpoint.local, one.endpoint.peer)
    one.endpoint.close()
    again = net.open(one.endpoint.local, one.endpoint.peer)
    two.endpoint.send(b"datagram")
    await again.hears(1)
    assert (one.heard, again.heard) == ([], [b"datagram"])


async def test_a_closed_wire_opens_nothing(net: Net) -> None:
    one, _ = net.pair()
    await net.wire.close()
    await net.wire.close()
    with pytest.raises(WireUnavailable, match="closed"):
        net.open(one.endpoint.local, one.endpoint.peer)
    one.endpoint.send(b"too late")
    assert one.endpoint.counters.dropped_down == 1


async def test_the_state_is_told_once_at_first(net: Net) -> None:
    one, two = net.pair()
    await net.until(lambda: bool(one.states and two.states))
    await net.idle()
    assert (one.states, two.states) == ([True], [True])
    assert one.endpoint.up


async def test_an_interface_that_goes_down_and_comes_up_is_told_each_time(net: Net) -> None:
    one, two = net.pair()
    await net.until(lambda: one.states == [True])
    net.interface(one.endpoint.local, up=False)
    await net.until(lambda: one.states == [True, False])
    one.endpoint.send(b"dropped")
    assert one.endpoint.counters.dropped_down == 1
    net.interface(one.endpoint.local, up=True)
    await net.until(lambda: one.states == [True, False, True])
    one.endpoint.send(b"sent")
    await two.hears(1)
    assert two.heard == [b"sent"]


async def test_a_local_address_that_is_not_there_yet_is_no_error(net: Net) -> None:
    local, peer = net.addresses(2)
    net.interface(local, up=False)
    end = net.open(local, peer)
    await net.until(lambda: end.states == [False])
    assert not end.endpoint.up
    end.endpoint.send(b"dropped")
    assert end.endpoint.counters.dropped_down == 1
    net.interface(local, up=True)
    await net.until(lambda: end.states == [False, True])
    net.open(peer, local).endpoint.send(b"welcome")
    await end.hears(1)
    assert end.heard == [b"welcome"]


@pytest.mark.parametrize(
    ("local", "peer"),
    [
        (Address("router.example", 1280), Address("127.0.0.1", 1280)),
        (Address("127.0.0.1", 1280), Address("::1", 1280)),
        (Address("127.0.0.1", 0), Address("127.0.0.2", 1280)),
        (Address("127.0.0.1", 1280), Address("127.0.0.2", 65_536)),
        (Address("127.0.0.1", 1280), Address("", 1280)),
    ],
)
async def test_addresses_that_cannot_be_are_refused(net: Net, local: Address, peer: Address) -> None:
    with pytest.raises(WireUnavailable):
        net.open(local, peer)


async def test_addresses_are_brought_into_their_normal_form(net: Net) -> None:
    # An IPv4 address has only one form.
    long, short = ("0:0:0::0001", "::0:1") if ":" in net.host else (net.host, net.host)
    local, peer = net.addresses(2)
    one = net.open(Address(long, local.port), Address(short, peer.port))
    two = net.open(peer, local)
    assert (one.endpoint.local, one.endpoint.peer) == (local, peer)
    two.endpoint.send(b"datagram")
    await one.hears(1)


async def test_an_actor_gives_its_endpoint_back_when_it_crashes(net: Net) -> None:
    local, peer = net.addresses(2)
    async with LocalSystem() as system:
        ref = system.spawn(lambda: PathActor(net.wire, local, peer), "path")
        other = net.open(peer, local)
        await net.until(lambda: system.actors()[0].state.value == "running")
        other.endpoint.send(b"crash")
        await net.until(lambda: system.info().crashes == 1)
        await net.until(lambda: system.info().restarts == 1)
        other.endpoint.send(b"echo")
        await other.hears(1)
        assert other.heard == [b"echo"]
        await system.stop_actor(ref)
        net.open(local, peer)


class PathActor(Actor):
    """Echoes datagrams, and crashes on request."""

    def __init__(self, wire: Wire, local: Address, peer: Address) -> None:
        self.wire = wire
        self.pair = (local, peer)
        self.endpoint: Endpoint | None = None

    async def started(self) -> None:
        ref = self.ctx.ref
        self.endpoint = self.wire.open(*self.pair, ref.offer, ref.tell)
        self.ctx.defer(self.endpoint.close)

    def receive(self, message: object) -> None:
        if message == b"crash":
            raise ValueError(message)
        if isinstance(message, bytes) and self.endpoint is not None:
            self.endpoint.send(message)


@dataclass
class End:
    """An endpoint, and what it has heard."""

    heard: list[bytes] = field(default_factory=list)
    states: list[bool] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    endpoint: Endpoint = field(init=False)

    def on_datagram(self, datagram: bytes) -> None:
        self.heard.append(datagram)
        self.changed.set()

    async def hears(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.heard) < count:
                self.changed.clear()
                await self.changed.wait()


class Net:
    """A wire with addresses that are free, and interfaces that can be taken down."""

    def __init__(self, kind: str) -> None:
        self.host = "::1" if "IPv6" in kind else "127.0.0.1"
        self.places: dict[Address, int] = {}
        self.strangers: list[tuple[Address, Address]] = []
        self.up = {self.host}
        self.wire: AnyWire
        if "UDP" in kind:
            self.wire = UdpWire(on_stranger=self.on_stranger, look=lambda: frozenset(self.up))
        elif kind == "simulated":
            self.wire = SimulatedWire(Network(Random(0)), on_stranger=self.on_stranger)
        elif "cluster" in kind:
            self.hosts = Hosts(self.fallback, self.on_stranger)
            self.wire = self.hosts.start("east")
        else:
            self.wire = DirectWire(on_stranger=self.on_stranger)

        #: Where ends are opened: at each address on one of them, in turn.
        self.wires: tuple[Wire, ...] = (self.wire,)
        self.direct = "direct" in kind
        if "two hosts" in kind:
            self.wires = (self.wire, self.hosts.start("west"))

    def fallback(self) -> Wire:
        self.udp = UdpWire(on_stranger=self.on_stranger, look=lambda: frozenset(self.up))
        return self.udp

    def on_stranger(self, local: Address, source: Address) -> None:
        self.strangers.append((local, source))

    def addresses(self, count: int) -> list[Address]:
        """Return addresses with ports that nobody uses."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        sockets = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(count)]
        for each in sockets:
            each.bind((self.host, 0))
        found = [Address(self.host, each.getsockname()[1]) for each in sockets]
        for each in sockets:
            each.close()
        for address in found:
            self.places.setdefault(address, len(self.places) % len(self.wires))
        if isinstance(self.wire, ClusterWire) and self.direct:
            self.route()
        return found

    def route(self) -> None:
        """Let every pair go from host to host."""
        names = ("site.east", "site.west")
        pairs = ((local, peer) for local in self.places for peer in self.places)
        self.hosts.expect({pair: names[self.places[pair[1]]] for pair in pairs})

    def counted_strangers(self) -> int:
        fallback = isinstance(self.wire, ClusterWire) and not self.direct
        return self.udp.strangers if fallback else self.wire.strangers

    def open(self, local: Address, peer: Address) -> End:
        end = End()
        wire = self.wires[self.places.get(local, 0)]
        end.endpoint = wire.open(local, peer, end.on_datagram, end.states.append)
        return end

    def pair(self) -> tuple[End, End]:
        one, two = self.addresses(2)
        return self.open(one, two), self.open(two, one)

    def interface(self, local: Address, *, up: bool) -> None:
        if isinstance(self.wire, DirectWire) or (isinstance(self.wire, ClusterWire) and self.direct):
            self.wire.set_interface(local.host, up=up)
            return
        if isinstance(self.wire, SimulatedWire):
            self.wire.network.set_interface(local.host, up=up)
            return
        if up:
            self.up.add(local.host)
        else:
            self.up.discard(local.host)
        (self.wire if isinstance(self.wire, UdpWire) else self.udp).look_again()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - only the kernel knows when
                await asyncio.sleep(0.001)

    async def idle(self) -> None:
        """Let everything arrive that is on its way: a later datagram of another pair has arrived."""
        one, two = self.pair()
        one.endpoint.send(b"later")
        await two.hears(1)
        one.endpoint.close()
        two.endpoint.close()


@pytest.fixture(
    params=[
        "direct",
        "simulated",
        "UDP over IPv4",
        "UDP over IPv6",
        "cluster, direct",
        "cluster, direct, two hosts",
        "cluster, by the fallback",
    ]
)
async def net(request: pytest.FixtureRequest) -> AsyncIterator[Net]:
    if request.param == "UDP over IPv6" and not ipv6_works():
        pytest.skip("platform: there is no IPv6 here")
    made = Net(request.param)
    yield made
    for wire in made.wires:
        await wire.close()
    if isinstance(made.wire, ClusterWire):
        await made.hosts.stop()


def ipv6_works() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
