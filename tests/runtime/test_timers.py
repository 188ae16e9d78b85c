"""Timers of an actor, and the queue behind all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import Actor
from runtime.backends.virtual import NothingWillHappen, VirtualTimeLoop
from runtime.errors import LimitReached
from runtime.incarnation import MAX_TIMERS
from runtime.system import ActorSystem
from runtime.testing import pass_time, run, settle
from runtime.timers import Alarm, TimerQueue

SECOND = timedelta(seconds=1)


def test_a_timer_delivers_its_message_once_at_its_time() -> None:
    async def scenario(system: ActorSystem) -> None:
        actor = Timed()
        system.spawn(lambda: actor, "timed").tell(Set("key", 5 * SECOND, "due"))
        await pass_time(timedelta(hours=1))
        assert actor.heard == [(5 * SECOND, "due")]
        assert system.actors()[0].timers == 0

    run(scenario)


def test_arming_a_key_again_replaces_its_timer() -> None:
    async def scenario(system: ActorSystem) -> None:
        actor = Timed()
        ref = system.spawn(lambda: actor, "timed")
        ref.tell(Set("key", 5 * SECOND, "first"))
        ref.tell(Set("key", 3 * SECOND, "second"))
        ref.tell(Set("other", 4 * SECOND, "third"))
        await pass_time(timedelta(hours=1))
        assert actor.heard == [(3 * SECOND, "second"), (4 * SECOND, "third")]

    run(scenario)


def test_a_cancelled_timer_does_not_fire() -> None:
    async def scenario(system: ActorSystem) -> None:
        actor = Timed()
        ref = system.spawn(lambda: actor, "timed")
        ref.tell(Set("key", 5 * SECOND, "never"))
        ref.tell(Cancel("key"))
        ref.tell(Cancel("there is none"))
        await pass_time(timedelta(hours=1))
        assert actor.heard == []

    run(scenario)


def test_a_timer_that_is_due_can_still_be_cancelled_or_replaced() -> None:
    async def scenario(system: ActorSystem) -> None:
        actor = Timed()
        ref = system.spawn(lambda: actor, "timed")
        # All three are due at the same instant, and the first of them acts on the others.
        ref.tell(Set("first", SECOND, [Cancel("second"), Set("third", SECOND, "third, anew")]))
        ref.tell(Set("second", SECOND, "never"))
        ref.tell(Set("third", SECOND, "never"))
        await pass_time(timedelta(hours=1))
        assert actor.heard == [(2 * SECOND, "third, anew")]

    run(scenario)


def test_a_timer_reaches_an_actor_whose_mailbox_is_full() -> None:
    async def scenario(system: ActorSystem) -> None:
        actor = Timed()
        ref = system.spawn(lambda: actor, "timed", mailbox=1)
        loop = asyncio.get_running_loop()
        loop.call_at(loop.time() + 1, ref.tell, "fills the mailbox")
        ref.tell(Set("key", SECOND, "due"))
        await pass_time(SECOND)
        assert [message for _, message in actor.heard] == ["fills the mailbox", "due"]

    run(scenario)


def test_a_delay_of_zero_or_less_is_due_at_once_but_not_at_the_cost_of_the_others() -> None:
    async def scenario(system: ActorSystem) -> None:
        actor = Timed()
        ref = system.spawn(lambda: actor, "timed")
        ref.tell(Set("key", -SECOND, "now"))
        await settle()
        assert actor.heard == [(timedelta(0), "now")]

    run(scenario)


def test_the_number_of_timers_of_one_actor_is_bounded() -> None:
    async def scenario(system: ActorSystem) -> None:
        actor = Timed()
        system.spawn(lambda: actor, "timed")
        await settle()
        for number in range(MAX_TIMERS):
            actor.ctx.set_timer(number, SECOND, number)
        actor.ctx.set_timer(0, SECOND, "replaced")
        with pytest.raises(LimitReached):
            actor.ctx.set_timer("one more", SECOND, "refused")

    run(scenario)


@given(seed=st.integers())
def test_alarms_fire_in_the_order_of_their_times_and_cancelled_ones_never(seed: int) -> None:
    random = Random(seed)
    loop = VirtualTimeLoop()
    queue = TimerQueue(loop)
    fired: list[tuple[float, int]] = []
    expected: list[tuple[float, int]] = []
    alarms: list[tuple[Alarm, float]] = []
    for number in range(200):
        delay = random.choice([0.0, 1.0, 2.5, 60.0, random.uniform(0, 100)])
        alarm = queue.arm(delay, lambda delay=delay, number=number: fired.append((delay, number)))  # type: ignore[misc]
        alarms.append((alarm, delay))
    cancelled = set(random.sample(range(200), random.randrange(200)))
    for number in cancelled:
        alarms[number][0].cancel()
        alarms[number][0].cancel()
    expected = sorted((delay, number) for number, (_, delay) in enumerate(alarms) if number not in cancelled)
    assert len(queue) == len(expected)
    loop.run_until_complete(asyncio.sleep(101))
    loop.close()
    assert fired == expected
    assert len(queue) == 0


def test_an_alarm_that_fires_may_cancel_one_that_is_due_and_arm_another() -> None:
    loop = VirtualTimeLoop()
    queue = TimerQueue(loop)
    fired: list[str] = []
    victims: list[Alarm] = []

    def first() -> None:
        fired.append("first")
        victims[0].cancel()
        queue.arm(0, lambda: fired.append("armed by the first"))

    queue.arm(1, first)
    victims.append(queue.arm(1, lambda: fired.append("cancelled by the first")))
    queue.arm(1, lambda: fired.append("third"))
    loop.run_until_complete(asyncio.sleep(2))
    loop.close()
    assert fired == ["first", "third", "armed by the first"]
    assert len(queue) == 0


def test_cancelled_alarms_are_swept_out_of_memory() -> None:
    loop = VirtualTimeLoop()
    queue = TimerQueue(loop)
    for _ in range(10_000):
        queue.arm(3600, list).cancel()
    assert len(queue) == 0
    assert queue.entries < 200
    queue.close()
    loop.close()


def test_virtual_time_notices_that_nothing_will_ever_happen() -> None:
    async def scenario(_system: ActorSystem) -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(NothingWillHappen):
        run(scenario)


@dataclass(frozen=True, slots=True)
class Set:
    key: Hashable
    delay: timedelta
    message: object


@dataclass(frozen=True, slots=True)
class Cancel:
    key: Hashable


class Timed(Actor):
    def __init__(self) -> None:
        self.heard: list[tuple[timedelta, object]] = []

    def receive(self, message: object) -> None:
        match message:
            case Set(key, delay, then):
                self.ctx.set_timer(key, delay, then)
            case Cancel(key):
                self.ctx.cancel_timer(key)
            case list():
                for each in message:
                    self.receive(each)
            case _:
                self.heard.append((self.ctx.clock.monotonic(), message))
