"""The wire between hosts, in virtual time: what the suite of all wires cannot bring about."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from runtime.cluster.directory import on_host
from runtime.cluster.link import MAX_WAITING_ITEMS, UNMISSED_SHARE
from runtime.cluster.simulated import FabricWeather
from runtime.cluster.wire import MAILBOX, WIRE, ClusterWire, Datagram
from runtime.errors import WireUnavailable
from runtime.testing import settle
from runtime.wire.direct import DirectEndpoint, DirectWire
from runtime.wire.endpoints import INBOX_LIMIT
from runtime.wire.port import MAX_DATAGRAM_BYTES, Address, Endpoint, OnDatagram, OnState
from tests.support.cluster_program import Echoed, Numbered
from tests.support.cluster_simulated import SimulatedCluster, simulated
from tests.support.cluster_wires import Hosts

ONE, TWO, THREE = (Address(f"192.0.2.{number}", 1280) for number in (1, 2, 3))
#: ``ONE`` is an address of the node ``site.east``, ``TWO`` of ``site.west``.
ROUTES = {(ONE, TWO): "site.west", (TWO, ONE): "site.east"}


def test_a_partition_loses_datagrams_and_nothing_else() -> None:
    async def scenario(net: Net) -> None:
        east, west = net.pair()
        dead = (await net.cluster.see("east")).dead_letters
        net.cluster.fabric.cut("east", "west")
        east.endpoint.send(b"on its way when the link parts")
        await asyncio.sleep(20)
        for _ in range(100):
            east.endpoint.send(b"to a host that is away")
        net.cluster.fabric.mend()
        await net.cluster.joined()
        east.endpoint.send(b"after")
        await net.cluster.pause()

        assert west.heard == [b"after"]
        assert (east.endpoint.counters.sent, east.endpoint.counters.refused) == (2, 100)
        assert (await net.cluster.see("east")).dead_letters == dead
        # A broken cable that is not one's own changes no state.
        assert (east.states, west.states) == ([True], [True])

    on_two_hosts(scenario)


def test_a_host_that_was_killed_and_is_back_is_sent_to_again() -> None:
    async def scenario(net: Net) -> None:
        east, before = net.pair()
        await net.cluster.kill("west")
        east.endpoint.send(b"to the dead")
        await asyncio.sleep(20)
        east.endpoint.send(b"to the dead, as is known by now")
        net.cluster.start("west")
        net.hosts.connect("west").expect(ROUTES)
        await net.cluster.joined()
        east.endpoint.send(b"too early for the path")
        await net.cluster.pause()
        after = net.open("west", TWO, ONE)
        east.endpoint.send(b"again")
        after.endpoint.send(b"hello")
        await net.cluster.pause()

        assert (before.heard, after.heard, east.heard) == ([], [b"again"], [b"hello"])
        assert east.endpoint.counters.refused == 1
        assert (await net.cluster.see("east")).dead_letters == 0
        assert (await net.cluster.see("west")).dead_letters == 0

    on_two_hosts(scenario)


def test_datagrams_follow_a_node_that_moves() -> None:
    async def scenario(net: Net) -> None:
        east, old = net.pair()
        net.hosts.start("north").expect(ROUTES)
        await net.cluster.joined()
        new = net.open("north", TWO, ONE)
        net.hosts.assign({"site.east": "east", "site.west": "north"}, version=2)
        east.endpoint.send(b"to the new place")
        new.endpoint.send(b"from the new place")
        await net.cluster.pause()
        assert (old.heard, new.heard, east.heard) == (
            [],
            [b"to the new place"],
            [b"from the new place"],
        )

        # Both on one host: straight to the other endpoint, and on a later turn all the same.
        net.hosts.assign({"site.east": "east", "site.west": "east"}, version=3)
        here = net.open("east", TWO, ONE)
        east.endpoint.send(b"here")
        assert here.heard == []
        await settle()
        assert here.heard == [b"here"]

        net.hosts.assign({"site.east": "east"}, version=4)
        east.endpoint.send(b"to no host")
        assert east.endpoint.counters.refused == 1
        assert (await net.cluster.see("east")).dead_letters == 0

    on_two_hosts(scenario)


def test_a_peer_that_leaves_the_cluster_is_reached_by_the_fallback_and_back_again() -> None:
    async def scenario(net: Net) -> None:
        east, west = net.pair()
        east.endpoint.send(b"direct")
        await net.cluster.pause()
        # One end learns of it before the other: what came by the cluster is taken, and what goes by the
        # fallback finds nobody.
        net.hosts.wires["east"].expect({})
        west.endpoint.send(b"still direct")
        east.endpoint.send(b"to nobody")
        await net.cluster.pause()
        assert (east.heard, west.heard) == ([b"still direct"], [b"direct"])

        net.hosts.expect({})
        east.endpoint.send(b"by the fallback")
        west.endpoint.send(b"by the fallback too")
        await net.cluster.pause()
        assert west.heard[1:] == [b"by the fallback"]
        assert east.heard[1:] == [b"by the fallback too"]
        assert net.fallback.open_pairs() == 2

        net.hosts.expect(ROUTES)
        east.endpoint.send(b"direct again")
        await net.cluster.pause()
        assert west.heard[2:] == [b"direct again"]
        assert net.fallback.open_pairs() == 0
        assert (east.states, west.states) == ([True], [True])
        # Those of both ways are counted together.
        assert (east.endpoint.counters.sent, east.endpoint.counters.received) == (4, 2)
        assert (west.endpoint.counters.sent, west.endpoint.counters.received) == (2, 3)

    on_two_hosts(scenario)


def test_the_state_of_an_endpoint_is_that_of_its_way() -> None:
    async def scenario(net: Net) -> None:
        east, _ = net.pair()
        net.fallback.set_interface(ONE.host, up=False)
        await settle()
        net.hosts.expect({})
        await settle()
        assert (east.states, east.endpoint.up) == ([True, False], False)
        east.endpoint.send(b"dropped")
        assert east.endpoint.counters.dropped_down == 1
        net.hosts.expect(ROUTES)
        assert east.states == [True, False], "never from within"
        await settle()
        assert (east.states, east.endpoint.up) == ([True, False, True], True)
        # What is told twice changes nothing.
        net.hosts.expect(ROUTES)
        await settle()
        assert east.states == [True, False, True]

    on_two_hosts(scenario)


def test_an_endpoint_that_the_fallback_refuses_has_no_way_until_it_is_told_again() -> None:
    async def scenario(net: Net) -> None:
        east, west = net.pair()
        await settle()
        net.fallback.refusing = True
        net.hosts.expect({})
        await settle()
        assert (east.states, east.endpoint.up) == ([True, False], False)
        east.endpoint.send(b"dropped")
        assert east.endpoint.counters.dropped_down == 1
        with pytest.raises(WireUnavailable):
            net.open("east", ONE, THREE)
        net.fallback.refusing = False
        net.hosts.expect({})
        east.endpoint.send(b"by the fallback")
        await settle()
        assert (east.states, west.heard) == ([True, False, True], [b"by the fallback"])
        net.open("east", ONE, THREE)

    on_two_hosts(scenario)


def test_an_endpoint_that_is_closed_gives_both_ways_back() -> None:
    async def scenario(net: Net) -> None:
        east, west = net.pair()
        west.endpoint.send(b"on its way")
        east.endpoint.close()
        net.hosts.expect({})
        await net.cluster.pause()
        assert (east.heard, east.states, net.fallback.open_pairs()) == ([], [], 1)
        west.endpoint.close()
        assert net.fallback.open_pairs() == 0
        again = net.open("east", ONE, TWO)
        again.endpoint.close()
        await settle()
        assert again.states == []

    on_two_hosts(scenario)


def test_a_host_that_does_not_keep_up_drops_datagrams_and_refuses_no_message() -> None:
    async def scenario(net: Net) -> None:
        east, west = net.pair()
        net.cluster.fabric.freeze("west")
        room = MAX_WAITING_ITEMS // UNMISSED_SHARE
        for _ in range(room + 1_000):
            east.endpoint.send(b"datagram")
        counters = east.endpoint.counters
        assert (counters.sent, counters.dropped_full) == (room, 1_000)
        net.cluster.system("east").ref(on_host("west", "agent")).tell(Numbered("east", 1))
        seen = await net.cluster.see("east")
        assert (seen.refused, seen.dead_letters) == (0, 0)
        net.cluster.fabric.thaw("west")
        assert await net.cluster.ask("east", on_host("west", "agent"), Echoed(1)) == 1
        await net.cluster.pause()
        assert 0 < len(west.heard) <= room

    on_two_hosts(scenario)


def test_large_datagrams_leave_room_in_bytes_too() -> None:
    async def scenario(net: Net) -> None:
        east, _ = net.pair()
        net.cluster.fabric.freeze("west")
        for _ in range(2_000):
            east.endpoint.send(bytes(MAX_DATAGRAM_BYTES))
        assert east.endpoint.counters.dropped_full > 1_000
        for number in range(100):
            net.cluster.system("east").ref(on_host("west", "agent")).tell(Numbered("east", number))
        net.cluster.fabric.thaw("west")

    on_two_hosts(scenario)


def test_the_actor_that_takes_datagrams_has_a_bounded_mailbox_and_endpoints_bounded_inboxes() -> None:
    async def scenario(net: Net) -> None:
        _, west = net.pair()
        system = net.cluster.system("west")
        await settle()
        taken = sum(system.offer(WIRE, Datagram(ONE, TWO, b"x")) for _ in range(MAILBOX + 5))
        assert taken == MAILBOX
        assert (await net.cluster.see("west")).dead_letters == 0
        await net.cluster.pause()
        assert west.endpoint.counters.received + west.endpoint.counters.dropped_full == MAILBOX

        for _ in range(INBOX_LIMIT + 5):
            net.hosts.wires["west"].take(Datagram(ONE, TWO, b"x"))
        before = len(west.heard)
        await settle()
        assert len(west.heard) == before + INBOX_LIMIT
        net.hosts.wires["west"].take(Datagram(ONE, TWO, bytes(MAX_DATAGRAM_BYTES + 1)))
        assert west.endpoint.counters.received_oversize == 1
        system.ref(WIRE).tell("no datagram")
        await settle()
        assert system.info().crashes == 0

    on_two_hosts(scenario)


def test_a_stranger_in_the_cluster_is_counted_and_one_without_a_listener_is_lost() -> None:
    async def scenario(net: Net) -> None:
        _, west = net.pair()
        net.hosts.expect({**ROUTES, (THREE, TWO): "site.west", (THREE, ONE): "site.west"})
        stranger = net.open("east", THREE, TWO)
        lost = net.open("east", THREE, ONE)
        stranger.endpoint.send(b"from a stranger")
        lost.endpoint.send(b"nobody has that address there")
        await net.cluster.pause()
        assert west.heard == []
        assert (net.hosts.wires["west"].strangers, net.strangers) == (1, [(TWO, THREE)])

    on_two_hosts(scenario)


def test_datagrams_arrive_whatever_the_weather_and_at_most_once() -> None:
    async def scenario(net: Net) -> None:
        east, west = net.pair()
        for number in range(300):
            east.endpoint.send(b"%d" % number)
            await net.cluster.pause()
        await asyncio.sleep(30)
        numbers = [int(datagram) for datagram in west.heard]
        assert numbers == sorted(set(numbers))
        assert len(numbers) > 100

    on_two_hosts(scenario, weather=FabricWeather(longest_delay=0.3, word_lost=0.1, lost=0.1, hangs=0.5))


# --- helpers --------------------------------------------------------------------------------------


class End:
    """An endpoint, and what it has heard."""

    def __init__(self, wire: ClusterWire, local: Address, peer: Address) -> None:
        self.heard: list[bytes] = []
        self.states: list[bool] = []
        self.endpoint: Endpoint = wire.open(local, peer, self.heard.append, self.states.append)


class Refusing(DirectWire):
    """Both hosts' way to each other outside of the cluster; it refuses if it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.refusing = False

    def open(
        self, local: Address, peer: Address, on_datagram: OnDatagram, on_state: OnState
    ) -> DirectEndpoint:
        if self.refusing:
            raise WireUnavailable("not today")
        return super().open(local, peer, on_datagram, on_state)

    def open_pairs(self) -> int:
        return len(list(self._endpoints))


class Net:
    """Two hosts with a wire each, ``ONE`` in the east and ``TWO`` in the west."""

    def __init__(self, cluster: SimulatedCluster) -> None:
        self.cluster = cluster
        self.fallback = Refusing()
        self.strangers: list[tuple[Address, Address]] = []
        self.hosts = Hosts(
            lambda: self.fallback, lambda local, source: self.strangers.append((local, source)), cluster
        )
        for name in cluster.names:
            self.hosts.connect(name)
        self.hosts.expect(ROUTES)

    def open(self, host: str, local: Address, peer: Address) -> End:
        return End(self.hosts.wires[host], local, peer)

    def pair(self) -> tuple[End, End]:
        return self.open("east", ONE, TWO), self.open("west", TWO, ONE)


def on_two_hosts(scenario: Callable[[Net], Awaitable[None]], *, weather: FabricWeather | None = None) -> None:
    async def whole(cluster: SimulatedCluster) -> None:
        await scenario(Net(cluster))

    simulated(whole, weather=weather)
