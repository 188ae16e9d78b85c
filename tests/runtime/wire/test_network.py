"""The attacker on the simulated network, its taps, bounds and books, and that a seed decides everything."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import WireUnavailable
from runtime.testing import pass_time, settle
from runtime.wire.flights import Datagram
from runtime.wire.port import MAX_DATAGRAM_BYTES, Address
from runtime.wire.weather import Weather
from tests.support.simulated import NUMBERS, ONE, SECOND, STORM, THREE, TWO, World, simulate, tap


def test_the_attacker_sees_what_was_sent_whatever_became_of_it() -> None:
    async def scenario(world: World) -> None:
        one, two = world.pair()
        one.send(b"lost")
        world.network.links.cut(ONE.host, TWO.host)
        one.send(b"cut")
        links = world.network.links
        assert links.seen(ONE.host, TWO.host) == ((ONE, TWO, b"lost"), (ONE, TWO, b"cut"))
        assert links.seen(TWO.host, ONE.host) == links.seen(ONE.host, THREE.host) == ()
        two.send(b"back")
        assert links.used() == ((ONE.host, TWO.host), (TWO.host, ONE.host))

    simulate(scenario, weather=Weather(loss=1))


def test_a_replayed_datagram_arrives_again_through_any_weather_and_any_cut() -> None:
    async def scenario(world: World) -> None:
        one, two = world.pair()
        one.send(b"lost")
        world.network.links.cut(ONE.host, TWO.host)
        (datagram,) = world.network.links.seen(ONE.host, TWO.host)
        world.network.replay(datagram)
        world.network.replay(datagram)
        assert two.heard == []
        await settle()
        assert two.heard == [b"lost", b"lost"]
        assert world.counts() == {"sent": 1, "lost": 1, "replayed": 2, "delivered": 2}

    simulate(scenario, weather=Weather(loss=1))


def test_a_rerouted_datagram_arrives_on_another_path_of_its_receiver() -> None:
    async def scenario(world: World) -> None:
        one, two = world.pair()
        other = world.open(TWO, THREE)
        one.send(b"datagram")
        (datagram,) = world.network.links.seen(ONE.host, TWO.host)
        world.network.reroute(datagram, TWO, THREE)
        # Back to where it came from.
        world.network.reroute(datagram, ONE, TWO)
        await pass_time(SECOND)
        assert (one.heard, two.heard, other.heard) == ([b"datagram"],) * 3
        assert world.counts() == {"sent": 1, "replayed": 2, "delivered": 3}

    simulate(scenario)


def test_injected_bytes_arrive_as_if_the_peer_had_sent_them() -> None:
    async def scenario(world: World) -> None:
        one, two = world.pair()
        tapped: list[Datagram] = []
        world.network.on_delivered = tap(tapped)
        world.network.inject(TWO, ONE, b"forged")
        assert two.heard == []
        await settle()
        assert (one.heard, two.heard) == ([], [b"forged"])
        assert tapped == [(ONE, TWO, b"forged")]
        assert world.network.links.used() == ()

    simulate(scenario)


def test_injected_bytes_go_where_datagrams_of_a_wire_go_and_no_further() -> None:
    async def scenario(world: World) -> None:
        _, two = world.pair()
        world.network.inject(TWO, ONE, bytes(MAX_DATAGRAM_BYTES + 1))
        world.network.inject(TWO, THREE, b"from a stranger")
        world.network.inject(THREE, ONE, b"to nobody")
        await settle()
        world.network.set_interface(TWO.host, up=False)
        world.network.inject(TWO, ONE, b"to an interface that is down")
        await settle()
        assert two.heard == []
        assert two.endpoint.counters.received_oversize == 1
        assert world.wire(TWO).strangers == 1
        assert world.strangers == [(TWO, THREE)]
        assert world.counts() == {"injected": 4, "oversize": 1, "strangers": 1, "unheard": 1, "down": 1}
        with pytest.raises(WireUnavailable):
            world.network.inject(TWO, Address("::1", 1280), b"of another family")

    simulate(scenario)


def test_taps_see_each_datagram_as_it_was_sent_and_as_it_is_delivered() -> None:
    async def scenario(world: World) -> None:
        one, two = world.pair()
        sent: list[Datagram] = []
        delivered: list[Datagram] = []
        world.network.on_sent = tap(sent)
        world.network.on_delivered = tap(delivered)
        one.send(b"datagram")
        world.network.links.cut(ONE.host, TWO.host)
        one.send(b"cut")
        await pass_time(SECOND)
        assert sent == [(ONE, TWO, b"datagram"), (ONE, TWO, b"cut")]
        assert delivered == [(ONE, TWO, two.heard[0])]
        assert two.heard != [b"datagram"]

    simulate(scenario, weather=Weather(corruption=1))


def test_beyond_the_bound_the_newest_is_dropped_until_something_has_landed() -> None:
    async def scenario(world: World) -> None:
        one, two = world.pair()
        one.send(*NUMBERS)
        assert world.network.in_flight == 10
        await pass_time(SECOND)
        one.send(b"fits again")
        await pass_time(SECOND)
        assert two.heard == [*NUMBERS[:10], b"fits again"]
        assert world.counts() == {"sent": 101, "delivered": 11, "dropped_in_flight": 90}

    simulate(scenario, in_flight_limit=10)


def test_of_each_link_only_the_latest_datagrams_are_remembered() -> None:
    async def scenario(world: World) -> None:
        one, two = world.pair()
        one.send(*NUMBERS)
        two.send(b"one of another link")
        assert [datagram.data for datagram in world.network.links.seen(ONE.host, TWO.host)] == NUMBERS[-3:]
        assert len(world.network.links.seen(TWO.host, ONE.host)) == 1

    simulate(scenario, remembered=3)


def test_without_memory_nothing_is_replayed() -> None:
    async def scenario(world: World) -> None:
        one, two = world.pair()
        one.send(*NUMBERS)
        await pass_time(SECOND)
        assert two.heard == NUMBERS

    simulate(scenario, weather=Weather(replay=1), remembered=0)


def test_one_seed_delivers_the_same_bytes_at_the_same_instants() -> None:
    async def scenario(world: World) -> list[tuple[float, bytes]]:
        ends = world.pair()
        trace: list[tuple[float, bytes]] = []
        loop = asyncio.get_running_loop()
        world.network.on_delivered = lambda _source, _destination, data: trace.append((loop.time(), data))
        for number in NUMBERS:
            for end in ends:
                end.send(number * 20)
            await asyncio.sleep(0.001)
        await pass_time(SECOND)
        return trace

    first = simulate(scenario, weather=STORM, seed=1)
    assert len(first) > 150
    assert simulate(scenario, weather=STORM, seed=1) == first
    assert simulate(scenario, weather=STORM, seed=2) != first


def test_a_cut_elsewhere_changes_nothing_for_the_other_links() -> None:
    def trace(*, cut: bool, heard: bool) -> list[tuple[float, bytes]]:
        async def scenario(world: World) -> list[tuple[float, bytes]]:
            one, two = world.pair()
            elsewhere = world.open(THREE, ONE)
            if heard:
                world.open(ONE, THREE)
            if cut:
                world.network.links.cut(THREE.host, ONE.host)
            for number in NUMBERS:
                elsewhere.send(number)
                one.send(number)
            await pass_time(SECOND)
            return two.arrivals

        return simulate(scenario, weather=STORM)

    assert trace(cut=True, heard=True) == trace(cut=False, heard=True) == trace(cut=False, heard=False)


def test_a_receiver_that_raises_takes_nothing_from_the_others() -> None:
    async def scenario(world: World) -> None:
        one, two = world.pair()
        raised: list[object] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _loop, context: raised.append(context["exception"])
        )
        error = ZeroDivisionError()

        def refuse(data: bytes) -> None:
            if data == NUMBERS[3]:
                raise error

        two.on_heard = refuse
        one.send(*NUMBERS)
        await pass_time(SECOND)
        assert two.heard == NUMBERS
        assert raised == [error]

    simulate(scenario)


HOSTS = st.sampled_from([ONE, TWO, THREE])
SHARE = st.sampled_from([0, 0.2, 1])
STEP = st.one_of(
    st.tuples(st.just("send"), HOSTS, HOSTS),
    st.tuples(st.just("send"), HOSTS, HOSTS),
    st.tuples(st.sampled_from(["cut", "mend", "partition", "replay", "reroute", "inject"]), HOSTS, HOSTS),
    st.tuples(st.sampled_from(["die", "down", "up", "heal", "wait"]), HOSTS, HOSTS),
)


@given(
    weather=st.builds(
        Weather,
        loss=SHARE,
        duplication=SHARE,
        corruption=SHARE,
        truncation=SHARE,
        replay=SHARE,
        jitter=st.sampled_from([timedelta(0), timedelta(milliseconds=15)]),
    ),
    steps=st.lists(STEP, max_size=60),
    limit=st.sampled_from([3, 1_000]),
    seed=st.integers(0, 3),
)
def test_every_datagram_is_accounted_for_at_any_moment(
    weather: Weather, steps: list[tuple[str, Address, Address]], limit: int, seed: int
) -> None:
    async def scenario(world: World) -> None:
        for verb, one, two in steps:
            world.do(verb, one, two)
            if verb == "wait":
                await pass_time(timedelta(milliseconds=5))
            assert world.put_in() == world.came_out() + world.network.in_flight
            assert world.network.in_flight <= limit
        await pass_time(SECOND)
        counters = world.network.counters
        assert world.network.in_flight == 0
        assert world.put_in() == world.came_out()
        assert counters.delivered == sum(len(end.heard) for end in world.ends)
        assert counters.sent == sum(end.endpoint.counters.sent for end in world.ends)
        assert counters.strangers == len(world.strangers)
        assert counters.oversize == sum(end.endpoint.counters.received_oversize for end in world.ends)

    simulate(scenario, weather=weather, in_flight_limit=limit, seed=seed)
