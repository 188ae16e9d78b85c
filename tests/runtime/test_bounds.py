"""Everything that could grow has a bound, and what has ended leaves nothing with what lasts."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from runtime import Actor, Ask, Ending, Ref, ReplyToken, Supervision, Terminated, incarnation, system
from runtime.errors import LimitReached, MailboxFull
from runtime.testing import Recorder, pass_time, run, settle

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def test_the_number_of_watches_of_one_actor_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incarnation, "MAX_WATCHES", 3)

    async def scenario(system: system.ActorSystem) -> None:
        recorder = Recorder()
        system.spawn(lambda: recorder, "watcher")
        await settle()
        for _ in range(3):
            recorder.ctx.watch(system.ref("nobody"))
        with pytest.raises(LimitReached, match="watches"):
            recorder.ctx.watch(system.ref("nobody"))
        await settle()
        assert recorder.messages == [Terminated(system.ref("nobody"), Ending.UNKNOWN)] * 3
        recorder.ctx.watch(system.ref("nobody"))

    run(scenario)


def test_watching_twice_is_told_once() -> None:
    async def scenario(system: system.ActorSystem) -> None:
        watched, recorder = system.spawn(Recorder, "watched"), Recorder()
        system.spawn(lambda: recorder, "watcher")
        await settle()
        recorder.ctx.watch(watched)
        recorder.ctx.watch(watched)
        await system.stop_actor(watched)
        await settle()
        assert recorder.messages == [Terminated(watched, Ending.STOPPED)]

    run(scenario)


def test_the_successor_of_a_watched_actor_is_watched_anew() -> None:
    async def scenario(system: system.ActorSystem) -> None:
        watched, recorder = system.spawn(Recorder, "name"), Recorder()
        system.spawn(lambda: recorder, "watcher")
        await settle()
        recorder.ctx.watch(watched)
        await system.stop_actor(watched)
        system.spawn(Recorder, "name")
        recorder.ctx.watch(watched)
        await settle()
        assert recorder.messages == [Terminated(watched, Ending.STOPPED)]
        await system.stop_actor(watched)
        await settle()
        assert recorder.messages == [Terminated(watched, Ending.STOPPED)] * 2

    run(scenario)


def test_many_short_watchers_leave_nothing_with_an_actor_that_lasts() -> None:
    async def scenario(system: system.ActorSystem) -> None:
        lasting = system.spawn(Recorder, "lasting")
        gone: list[weakref.ref[Actor]] = []

        class Short(Recorder):
            async def started(self) -> None:
                gone.append(weakref.ref(self))
                self.ctx.watch(lasting)

        for _ in range(20):
            short = system.spawn(Short, "short")
            await settle()
            system.crash(short, ValueError())
            await pass_time(SECOND)
            await system.stop_actor(short)
        gc.collect()
        assert len(gone) == 40
        assert [ref for ref in gone if ref() is not None] == []

    run(scenario)


def test_the_askers_are_refused_when_an_actor_owes_too_many_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incarnation, "MAX_OWED", 3)

    async def scenario(system: system.ActorSystem) -> None:
        keeper = Keeper()
        ref = system.spawn(lambda: keeper, "keeper")
        owed = [asyncio.ensure_future(ref.ask(Wanted(), HOUR)) for _ in range(3)]
        await settle()
        with pytest.raises(LimitReached, match="keeper"):
            await ref.ask(Wanted(), HOUR)
        assert (system.info().refused, system.actors()[0].refused) == (1, 1)
        ref.tell("messages are taken all the same")
        keeper.tokens[0].reply(7)
        answer = asyncio.ensure_future(ref.ask(Wanted(), HOUR))
        await settle()
        assert (await owed[0], system.info().crashes, answer.done()) == (7, 0, False)

    run(scenario)


def test_the_number_of_deferred_callbacks_is_bounded_and_none_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(incarnation, "MAX_DEFERRED", 2)

    async def scenario(system: system.ActorSystem) -> None:
        given_back: list[int] = []
        recorder = Recorder()
        ref = system.spawn(lambda: recorder, "recorder")
        await settle()
        recorder.ctx.defer(lambda: given_back.append(1))
        recorder.ctx.defer(lambda: given_back.append(2))
        with pytest.raises(LimitReached, match="deferred"):
            recorder.ctx.defer(lambda: given_back.append(3))
        assert given_back == [3]
        await system.stop_actor(ref)
        assert given_back == [3, 2, 1]

    run(scenario)


def test_timers_that_were_due_and_replaced_count_until_they_have_left_the_mailbox(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(incarnation, "MAX_TIMERS", 5)

    async def scenario(system: system.ActorSystem) -> None:
        refused: list[int] = []

        class Hasty(Recorder):
            async def started(self) -> None:
                # Nothing is handled before this is done, so each round leaves a due timer in the mailbox.
                for number in range(10):
                    try:
                        self.ctx.set_timer("key", timedelta(0), number)
                    except LimitReached:
                        refused.append(number)
                    await asyncio.sleep(1)

        hasty = Hasty()
        system.spawn(lambda: hasty, "hasty")
        await pass_time(9 * SECOND)
        assert system.actors()[0].mailbox_depth == 5
        await pass_time(SECOND)
        assert refused == [5, 6, 7, 8, 9]
        assert (hasty.messages, system.actors()[0].mailbox_depth) == ([], 0)
        for number in range(5):
            hasty.ctx.set_timer(number, SECOND, number)

    run(scenario)


def test_what_was_due_to_a_crashed_incarnation_takes_no_room_in_the_mailbox() -> None:
    async def scenario(system: system.ActorSystem) -> None:
        class Busy(Recorder):
            async def started(self) -> None:
                if self.ctx.incarnation == 1:
                    for number in range(50):
                        self.ctx.set_timer(number, timedelta(0), number)
                    self.ctx.watch(system.ref("nobody"))
                    await asyncio.sleep(1)
                    raise ValueError

        ref = system.spawn(Busy, "busy", mailbox=2, supervision=Supervision(HOUR, HOUR))
        ref.tell("waits")
        await pass_time(2 * SECOND)
        assert system.actors()[0].mailbox_depth == 1
        ref.tell("finds room")
        with pytest.raises(MailboxFull):
            ref.tell("finds none")

    run(scenario)


def test_the_number_of_actors_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "MAX_ACTORS", 2)

    async def scenario(system: system.ActorSystem) -> None:
        one = system.spawn(Recorder, "one")
        system.spawn(Recorder, "two")
        with pytest.raises(LimitReached, match="actors"):
            system.spawn(Recorder, "three")
        await system.stop_actor(one)
        system.spawn(Recorder, "three")

    run(scenario)


def test_a_tree_of_actors_is_not_deeper_than_a_stop_can_go() -> None:
    async def scenario(system: system.ActorSystem) -> None:
        class Endless(Actor):
            async def started(self) -> None:
                self.ctx.spawn(Endless, "child", supervision=Supervision(intensity=0))

        system.spawn(Endless, "top", supervision=Supervision(intensity=0))
        await pass_time(SECOND)
        (top,) = system.actors()
        assert (top.name, top.last_error) == ("top", "runtime.errors.ChildFailed")
        # The deepest could have no child, failed, and took every generation above with it.
        assert system.info().failures == 32

    run(scenario)


@pytest.mark.parametrize("action", ["set a timer", "watch", "spawn", "pipe"])
def test_a_limit_that_is_reached_crashes_the_actor_that_reached_it_and_no_other(
    action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MAX_TIMERS", "MAX_WATCHES", "MAX_PIPES"):
        monkeypatch.setattr(incarnation, name, 1)
    monkeypatch.setattr(system, "MAX_ACTORS", 3)

    async def scenario(system: system.ActorSystem) -> None:
        system.spawn(Recorder, "other")
        leaky = system.spawn(Leaky, "leaky")
        leaky.tell(action)
        leaky.tell(action)
        await settle()
        crashes = {info.name: info.last_error for info in system.actors() if info.crashes}
        assert crashes == {"leaky": "runtime.errors.LimitReached"}

    run(scenario)


# --- helpers --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted(Ask[int]):
    pass


class Keeper(Actor):
    def __init__(self) -> None:
        self.tokens: list[ReplyToken] = []

    def receive(self, message: object) -> None:
        if isinstance(message, Wanted):
            self.tokens.append(self.ctx.reply_token())


class Leaky(Actor):
    def __init__(self) -> None:
        self.number = 0

    def receive(self, message: object) -> None:
        self.number += 1
        actions: dict[object, Callable[[], object]] = {
            "set a timer": lambda: self.ctx.set_timer(self.number, HOUR, "due"),
            "watch": lambda: self.ctx.watch(self.sibling()),
            "spawn": lambda: self.ctx.spawn(Recorder, str(self.number)),
            "pipe": lambda: self.ctx.pipe(asyncio.sleep(3600), lambda done: done),
        }
        actions[message]()

    def sibling(self) -> Ref:
        return self.ctx.spawn(Recorder, "watched") if self.number == 1 else self.ctx.ref
