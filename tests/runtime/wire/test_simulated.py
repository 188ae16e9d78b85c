"""What concerns the simulated wire alone: its faults, its interfaces, and a machine that dies."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from runtime.errors import WireUnavailable
from runtime.testing import pass_time, settle
from runtime.wire.links import REMEMBERED
from runtime.wire.simulated import SimulatedWire
from runtime.wire.weather import Weather
from tests.support.simulated import NUMBERS, ONE, SECOND, STORM, THREE, TWO, End, World, simulate


def test_in_fine_weather_everything_arrives_in_order_after_the_latency() -> None:
    async def scenario(world: World) -> None:
        one, two = world.pair()
        one.send(*NUMBERS)
        await pass_time(SECOND)
        assert two.heard == NUMBERS
        assert {round(instant, 9) for instant, _ in two.arrivals} == {0.005}
        assert world.counts() == {"sent": 100, "delivered": 100}

    simulate(scenario)


def test_what_is_lost_does_not_arrive() -> None:
    async def scenario(world: World) -> None:
        one, two = world.pair()
        one.send(*NUMBERS)
        await pass_time(SECOND)
        assert two.heard == []
        assert one.endpoint.counters.sent == 100
        assert world.counts() == {"sent": 100, "lost": 100}

    simulate(scenario, weather=Weather(loss=1))


def test_what_is_duplicated_arrives_twice() -> None:
    async def scenario(world: World) -> None:
        one, two = world.pair()
        one.send(*NUMBERS)
        await pass_time(SECOND)
        assert two.heard == [number for number in NUMBERS for _ in range(2)]
        assert world.counts() == {"sent": 100, "duplicated": 100, "delivered": 200}

    simulate(scenario, weather=Weather(duplication=1))


def test_what_is_corrupted_arrives_with_one_byte_changed() -> None:
    async def scenario(world: World) -> None:
        one, two = world.pair()
        one.send(bytes(1_000))
        one.send(b"")
        await pass_time(SECOND)
        changed, empty = two.heard
        assert (len(changed), changed.count(0), empty) == (1_000, 999, b"")
        assert world.counts() == {"sent": 2, "delivered": 2, "corrupted": 1}

    simulate(scenario, weather=Weather(corruption=1))


def test_what_is_truncated_arrives_without_its_end() -> None:
    async def scenario(world: World) -> None:
        one, two = world.pair()
        one.send(b"a whole datagram")
        await pass_time(SECOND)
        (left,) = two.heard
        assert b"a whole datagram".startswith(left)
        assert left != b"a whole datagram"
        assert world.counts() == {"sent": 1, "delivered": 1, "truncated": 1}

    simulate(scenario, weather=Weather(truncation=1))


def test_what_is_replayed_follows_a_later_datagram_of_its_link() -> None:
    async def scenario(world: World) -> None:
        one, two = world.pair()
        one.send(*NUMBERS)
        two.send(b"the other way there is nothing to replay")
        await pass_time(SECOND)
        fresh, old = [two.heard[0], *two.heard[1::2]], two.heard[2::2]
        assert fresh == NUMBERS
        ages = [position - NUMBERS.index(data) for position, data in enumerate(old, 1)]
        assert (min(ages), max(ages)) == (1, REMEMBERED)
        # Once there is much to choose from, any age comes.
        assert len(set(ages[REMEMBERED:])) > REMEMBERED / 2
        assert len(one.heard) == 1
        assert world.counts() == {"sent": 101, "replayed": 99, "delivered": 200}

    simulate(scenario, weather=Weather(replay=1))


def test_shares_are_met_within_the_bounds_of_chance() -> None:
    async def scenario(world: World) -> None:
        one, _ = world.pair()
        for _ in range(10):
            one.send(*[bytes(100)] * 1_000)
            await pass_time(SECOND)
        counts = world.counts()
        assert abs(counts["lost"] - 1_000) < 180
        for added in ("duplicated", "replayed"):
            assert abs(counts[added] - 900) < 180
        # Of the 9,000 that were not lost, and of their duplicates.
        for damaged in ("truncated", "corrupted"):
            assert abs(counts[damaged] - 990) < 180

    simulate(scenario, weather=STORM)


def test_only_jitter_changes_the_order() -> None:
    rough = replace(STORM, jitter=timedelta(0), corruption=0, truncation=0, replay=0)

    async def scenario(world: World) -> None:
        one, two = world.pair()
        one.send(*NUMBERS)
        await pass_time(SECOND)
        assert two.heard == sorted(two.heard)
        world.network.weather = Weather(jitter=timedelta(milliseconds=1))
        two.arrivals.clear()
        one.send(*NUMBERS)
        await pass_time(SECOND)
        assert two.heard != NUMBERS
        assert sorted(two.heard) == NUMBERS

    simulate(scenario, weather=rough)


def test_what_is_sent_further_apart_than_the_jitter_keeps_its_order() -> None:
    async def scenario(world: World) -> None:
        one, two = world.pair()
        for number in NUMBERS:
            one.send(number)
            await asyncio.sleep(0.011)
        await pass_time(SECOND)
        assert two.heard == NUMBERS

    simulate(scenario, weather=Weather(jitter=timedelta(milliseconds=10)))


def test_at_one_instant_datagrams_of_all_links_arrive_in_the_order_of_sending() -> None:
    async def scenario(world: World) -> None:
        ends = [world.open(local, THREE) for local in (TWO, ONE)]
        hub = [world.open(THREE, end.endpoint.local) for end in ends]
        order: list[bytes] = []
        world.network.on_delivered = lambda _source, _destination, data: order.append(data)
        for position, number in enumerate(NUMBERS):
            ends[position % 2].send(number)
        await pass_time(SECOND)
        assert order == NUMBERS
        assert [len(end.heard) for end in hub] == [50, 50]

    simulate(scenario)


def test_without_any_latency_nothing_is_delivered_from_within_send() -> None:
    async def scenario(world: World) -> None:
        one, two = world.pair()
        delivering: list[bytes] = []

        def play(to: End, data: bytes) -> None:
            assert delivering == []
            delivering.append(data)
            if data != NUMBERS[0]:
                to.send(NUMBERS[data[0] - 1])
            delivering.clear()

        one.on_heard, two.on_heard = partial(play, one), partial(play, two)
        one.send(NUMBERS[9])
        await settle()
        assert (two.heard, one.heard) == (NUMBERS[9::-2], NUMBERS[8::-2])
        assert asyncio.get_running_loop().time() == 0

    simulate(scenario, weather=Weather(latency=timedelta(0)))


def test_machines_that_answer_each_other_without_end_leave_the_others_their_turn() -> None:
    async def scenario(world: World) -> None:
        one, two = world.pair()
        one.on_heard, two.on_heard = one.send, two.send
        one.send(b"answer me")
        await settle()
        assert 1 < len(one.heard) < 100
        one.endpoint.close()
        await settle()
        assert world.network.in_flight == 0

    simulate(scenario, weather=Weather(latency=timedelta(0)))


def test_an_interface_that_goes_down_loses_what_arrives_and_tells_its_endpoints() -> None:
    async def scenario(world: World) -> None:
        one, two = world.pair()
        other = world.open(TWO, THREE)
        await settle()
        one.send(b"on its way")
        two.send(b"has left")
        world.network.set_interface(TWO.host, up=False)
        two.send(b"cannot leave")
        await pass_time(SECOND)
        assert (one.heard, two.heard) == ([b"has left"], [])
        assert (one.states, two.states, other.states) == ([True], [True, False], [True, False])
        assert two.endpoint.counters.dropped_down == 1
        assert world.counts() == {"sent": 2, "delivered": 1, "down": 1}
        world.network.set_interface(TWO.host, up=True)
        one.send(b"welcome back")
        await pass_time(SECOND)
        assert two.heard == [b"welcome back"]
        assert (two.states, other.states) == ([True, False, True], [True, False, True])

    simulate(scenario)


def test_an_interface_that_flaps_within_one_turn_is_not_worth_telling() -> None:
    async def scenario(world: World) -> None:
        one, _ = world.pair()
        await settle()
        world.network.set_interface(ONE.host, up=False)
        world.network.set_interface(ONE.host, up=True)
        await settle()
        assert one.states == [True]

    simulate(scenario)


def test_nothing_comes_to_a_machine_that_has_died_and_what_it_has_sent_still_arrives() -> None:
    async def scenario(world: World) -> None:
        one, two = world.pair()
        one.send(b"on its way")
        two.send(b"last words")
        world.network.set_interface(TWO.host, up=False)
        world.network.set_interface(TWO.host, up=True)
        world.wire(TWO).abandon()
        world.wire(TWO).abandon()
        two.send(b"from beyond")
        await pass_time(SECOND)
        assert (one.heard, two.heard, two.states) == ([b"last words"], [], [])
        assert not two.endpoint.up
        assert two.endpoint.counters.dropped_down == 1
        assert world.counts() == {"sent": 2, "delivered": 1, "unheard": 1}
        with pytest.raises(WireUnavailable, match="closed"):
            world.open(TWO, ONE)

    simulate(scenario)


def test_a_new_process_on_the_same_pair_gets_what_was_on_its_way_to_the_dead_one() -> None:
    async def scenario(world: World) -> None:
        one, two = world.pair()
        one.send(b"on its way")
        world.wire(TWO).abandon()
        world.boot(TWO)
        again = world.open(TWO, ONE)
        await pass_time(SECOND)
        assert (two.heard, again.heard) == ([], [b"on its way"])
        assert again.states == [True]

    simulate(scenario)


def test_what_is_on_its_way_to_another_pair_of_the_new_process_is_a_strangers() -> None:
    async def scenario(world: World) -> None:
        one, _ = world.pair()
        one.send(b"on its way")
        world.wire(TWO).abandon()
        world.boot(TWO)
        again = world.open(TWO, THREE)
        await pass_time(SECOND)
        assert again.heard == []
        assert world.counts() == {"sent": 1, "strangers": 1}

    simulate(scenario)


def test_a_local_address_belongs_to_one_machine_at_a_time() -> None:
    async def scenario(world: World) -> None:
        one, _ = world.pair()
        usurper = SimulatedWire(world.network)
        with pytest.raises(WireUnavailable, match="another machine"):
            usurper.open(ONE, THREE, ignore, ignore)
        one.endpoint.close()
        usurper.open(ONE, THREE, ignore, ignore)

    simulate(scenario)


def ignore(_what: object) -> None:
    return
