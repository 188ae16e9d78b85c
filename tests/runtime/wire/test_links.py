"""Links that are cut, severed by a partition, or have a weather of their own."""

from __future__ import annotations

import pytest

from runtime.errors import WireUnavailable
from runtime.testing import pass_time
from runtime.wire.port import Address
from runtime.wire.weather import Weather
from tests.support.simulated import ONE, SECOND, THREE, TWO, World, simulate


def test_a_cut_link_lets_nothing_through_and_the_way_back_does() -> None:
    async def scenario(world: World) -> None:
        one, two = world.pair()
        one.send(b"before")
        world.network.links.cut(ONE.host, TWO.host)
        one.send(b"cut")
        two.send(b"back")
        await pass_time(SECOND)
        assert (one.heard, two.heard) == ([b"back"], [b"before"])
        assert world.counts() == {"sent": 3, "delivered": 2, "cut": 1}
        world.network.links.mend(ONE.host, TWO.host)
        one.send(b"after")
        await pass_time(SECOND)
        assert two.heard == [b"before", b"after"]

    simulate(scenario)


def test_a_partition_severs_its_sides_and_nothing_else_until_it_heals() -> None:
    async def scenario(world: World) -> None:
        one, two = world.pair()
        partition = world.network.links.partition({ONE.host}, {TWO.host, THREE.host})
        # These links come into being within the partition.
        hub = world.open(TWO, THREE)
        three = world.open(THREE, TWO)
        far = world.open(THREE, ONE)
        world.open(ONE, THREE)
        for end in (one, two, far, hub):
            end.send(b"during")
        await pass_time(SECOND)
        assert (one.heard, two.heard, three.heard) == ([], [], [b"during"])
        assert world.counts() == {"sent": 4, "delivered": 1, "cut": 3}
        world.network.links.heal(partition)
        world.network.links.heal(partition)
        one.send(b"after")
        await pass_time(SECOND)
        assert two.heard == [b"after"]

    simulate(scenario)


def test_partitions_and_cuts_stand_beside_each_other_and_can_be_cleared_at_once() -> None:
    async def scenario(world: World) -> None:
        one, two = world.pair()
        links = world.network.links
        first = links.partition([ONE.host], [TWO.host])
        second = links.partition([TWO.host, THREE.host], [ONE.host])
        links.cut(ONE.host, TWO.host)
        links.heal(first)
        one.send(b"still cut")
        links.mend(ONE.host, TWO.host)
        one.send(b"still severed")
        links.heal(second)
        one.send(b"open")
        links.partition([ONE.host], [TWO.host])
        links.cut(ONE.host, TWO.host)
        links.set_weather(ONE.host, TWO.host, Weather(loss=1))
        links.clear()
        one.send(b"cleared")
        # This link comes into being only now.
        two.send(b"cleared")
        await pass_time(SECOND)
        assert (one.heard, two.heard) == ([b"cleared"], [b"open", b"cleared"])

    simulate(scenario)


def test_hosts_may_be_given_in_any_form() -> None:
    async def scenario(world: World) -> None:
        local, peer = Address("2001:db8::1", 1280), Address("2001:db8::2", 1280)
        one, two = world.open(local, peer), world.open(peer, local)
        world.network.links.cut("2001:DB8:0::1", "2001:db8:0:0::2")
        world.network.set_interface("2001:0db8::0001", up=False)
        assert not one.endpoint.up
        world.network.set_interface("2001:db8:0::1", up=True)
        one.send(b"cut")
        await pass_time(SECOND)
        assert two.heard == []
        assert world.network.links.seen("2001:db8:0::1", "2001:db8:0::2") == ((local, peer, b"cut"),)
        with pytest.raises(WireUnavailable):
            world.network.links.cut("router.example", ONE.host)

    simulate(scenario)


def test_a_link_has_its_own_weather_in_one_direction_until_it_is_taken_back() -> None:
    async def scenario(world: World) -> None:
        one, two = world.pair()
        world.network.links.set_weather(ONE.host, TWO.host, Weather(loss=1))
        one.send(b"lost")
        two.send(b"arrives")
        await pass_time(SECOND)
        assert (one.heard, two.heard) == ([b"arrives"], [])
        world.network.weather = Weather(latency=2 * SECOND)
        world.network.links.set_weather(ONE.host, TWO.host, None)
        one.send(b"slow")
        await pass_time(SECOND)
        assert two.heard == []
        await pass_time(SECOND)
        assert two.heard == [b"slow"]

    simulate(scenario)
