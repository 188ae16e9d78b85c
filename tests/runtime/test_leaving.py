"""The last moments of an actor: what still happens, what does not any more, and how long it may take."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from runtime import Actor, Ask, Ending, Ref, ReplyToken, Supervision, Terminated
from runtime.errors import Undeliverable
from runtime.events import Ended, Failed, RuntimeEvent
from runtime.info import ActorState
from runtime.system import ActorSystem
from runtime.testing import Recorder, pass_time, run, settle

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def test_nothing_is_handled_once_an_actor_takes_its_leave() -> None:
    async def scenario(system: ActorSystem) -> None:
        heard: list[str] = []

        class Leaver(Actor):
            def receive(self, message: object) -> None:
                heard.append(str(message))
                if message == "begin":
                    self.ctx.pipe(asyncio.sleep(2, "outcome"), lambda done: done, drain=False)

            async def stopping(self) -> None:
                self.ctx.set_timer("key", SECOND, "due")
                self.ctx.watch(system.ref("nobody"))
                await asyncio.sleep(5)
                heard.append("left")

        ref = system.spawn(Leaver, "leaver")
        ref.tell("begin")
        await settle()
        await system.stop_actor(ref, MINUTE)
        assert heard == ["begin", "left"]
        assert system.clock.monotonic() == 5 * SECOND

    run(scenario)


def test_timers_that_are_set_while_the_last_messages_are_handled_never_fire() -> None:
    async def scenario(system: ActorSystem) -> None:
        heard: list[object] = []

        class Ticking(Actor):
            def receive(self, message: object) -> None:
                heard.append(message)
                self.ctx.set_timer("tick", timedelta(0), "tick")
                if message == "begin":
                    self.ctx.pipe(asyncio.sleep(1, "outcome"), lambda done: done)

        ref = system.spawn(Ticking, "ticking")
        ref.tell("begin")
        await system.stop_actor(ref, MINUTE)
        assert heard == ["begin", "outcome"]
        assert system.clock.monotonic() == SECOND

    run(scenario)


def test_a_later_deadline_does_not_put_off_an_earlier_one() -> None:
    async def scenario(system: ActorSystem) -> None:
        ref = system.spawn(Stubborn, "stubborn")
        await settle()
        first = asyncio.ensure_future(system.stop(2 * SECOND))
        await settle()
        await system.stop_actor(ref, HOUR)
        await first
        assert system.clock.monotonic() == 2 * SECOND

    run(scenario)


def test_a_second_stop_with_more_patience_does_not_prolong_the_first() -> None:
    async def scenario(system: ActorSystem) -> None:
        system.spawn(Stubborn, "stubborn")
        await settle()
        first = asyncio.ensure_future(system.stop(2 * SECOND))
        await settle()
        await system.stop(HOUR)
        await first
        assert system.clock.monotonic() == 2 * SECOND

    run(scenario)


def test_a_stop_that_comes_while_an_actor_starts_is_no_crash_of_one_that_wants_children() -> None:
    async def scenario(system: ActorSystem) -> None:
        class Parent(Recorder):
            async def started(self) -> None:
                await asyncio.sleep(1)
                self.ctx.spawn(Recorder, "child")

        ref = system.spawn(Parent, "parent")
        ref.tell("waits")
        question = asyncio.ensure_future(ref.ask(Anything(), HOUR))
        await settle()
        await system.stop_actor(ref, MINUTE)
        with pytest.raises(Undeliverable):
            await question
        assert (system.info().crashes, system.info().dead_letters) == (0, 2)
        assert system.clock.monotonic() == SECOND

    with capture_logs() as logs:
        run(scenario)
    assert not [entry for entry in logs if entry["event"] == "actor crashed"]


def test_an_actor_that_has_not_been_told_to_stop_may_have_children_while_others_stop() -> None:
    async def scenario(system: ActorSystem) -> None:
        parent = Recorder()
        system.spawn(lambda: parent, "parent")
        system.spawn(Stubborn, "stubborn")
        await settle()
        stop = asyncio.ensure_future(system.stop(SECOND))
        await settle()
        parent.ctx.spawn(Recorder, "child")
        await stop
        assert system.actors() == ()
        assert system.info().crashes == 0

    run(scenario)


def test_a_parent_that_stops_takes_children_with_it_that_wait_for_their_restart() -> None:
    async def scenario(system: ActorSystem) -> None:
        class Parent(Recorder):
            async def started(self) -> None:
                child = self.ctx.spawn(Broken, "child", supervision=Supervision(HOUR, HOUR))
                child.tell("crash")
                child.tell("never handled")

            def receive(self, _message: object) -> None:
                self.ctx.stop(self.ctx.ref)

        ref = system.spawn(Parent, "parent")
        await settle()
        assert [info.state for info in system.actors()] == [ActorState.RUNNING, ActorState.RESTARTING]
        ref.tell("stop yourself")
        await settle()
        assert system.actors() == ()
        assert (system.info().dead_letters, system.info().restarts) == (1, 0)
        assert len(system.timers) == 0

    run(scenario)


def test_a_question_in_the_mailbox_of_one_that_crashes_is_answered_by_its_successor() -> None:
    async def scenario(system: ActorSystem) -> None:
        class Second(Actor):
            def receive(self, message: object) -> None:
                if message == "crash":
                    raise ValueError
                self.ctx.reply(f"incarnation {self.ctx.incarnation}")

        ref = system.spawn(Second, "second")
        ref.tell("crash")
        assert await ref.ask(Anything(), MINUTE) == "incarnation 2"

    run(scenario)


def test_a_question_in_the_mailbox_of_one_that_fails_for_good_is_answered_at_once() -> None:
    async def scenario(system: ActorSystem) -> None:
        ref = system.spawn(Broken, "broken", supervision=Supervision(intensity=0))
        ref.tell("crash")
        with pytest.raises(Undeliverable, match="failed"):
            await ref.ask(Anything(), HOUR)
        assert system.clock.monotonic() == timedelta(0)
        assert system.info().dead_letters == 1

    run(scenario)


def test_an_answer_after_the_end_does_nothing() -> None:
    async def scenario(system: ActorSystem) -> None:
        tokens: list[ReplyToken] = []

        class Keeper(Actor):
            def receive(self, _message: object) -> None:
                tokens.append(self.ctx.reply_token())

        ref = system.spawn(Keeper, "keeper")
        question = asyncio.ensure_future(ref.ask(Anything(), HOUR))
        await settle()
        await system.stop_actor(ref)
        tokens[0].reply("too late")
        with pytest.raises(Undeliverable):
            await question

    run(scenario)


def test_a_failure_climbs_to_the_top_and_stays_there_for_everybody_to_see() -> None:
    events: list[RuntimeEvent] = []
    strict = Supervision(intensity=1)

    async def scenario(system: ActorSystem) -> None:
        class Leaf(Actor):
            async def started(self) -> None:
                raise OSError

        class Middle(Actor):
            async def started(self) -> None:
                self.ctx.spawn(Leaf, "leaf", supervision=strict)

        class Top(Actor):
            async def started(self) -> None:
                self.ctx.spawn(Middle, "middle", supervision=strict)

        top = system.spawn(Top, "top", supervision=strict)
        recorder = Watcher(top)
        system.spawn(lambda: recorder, "watcher")
        await pass_time(MINUTE)
        (info, _) = system.actors()
        assert (info.name, info.state, info.crashes) == ("top", ActorState.FAILED, 2)
        assert info.last_error == "runtime.errors.ChildFailed"
        assert recorder.messages == [Terminated(top, Ending.FAILED)]
        # Twice the top, each time twice the middle, each time twice the leaf.
        assert (system.info().crashes, system.info().failures) == (2 + 4 + 8, 1 + 2 + 4)
        assert len(system.timers) == 0

    run(scenario, observer=events.append)
    failed = [event.name for event in events if isinstance(event, Failed)]
    assert failed.count("top/middle/leaf") == 4
    assert failed[-3:] == ["top/middle/leaf", "top/middle", "top"]
    assert [event.name for event in events if isinstance(event, Ended)].count("top/middle/leaf") == 4


def test_a_long_quiet_time_gives_the_whole_patience_back() -> None:
    async def scenario(system: ActorSystem) -> None:
        ref = system.spawn(Broken, "broken", supervision=Supervision(intensity=2, window=MINUTE))
        for _ in range(5):
            ref.tell("crash")
            ref.tell("crash")
            await pass_time(SECOND)
            assert system.actors()[0].state is ActorState.RUNNING
            await pass_time(MINUTE)
        assert system.actors()[0].crashes == 10
        for _ in range(3):
            ref.tell("crash")
        await pass_time(SECOND)
        assert system.actors()[0].state is ActorState.FAILED

    run(scenario)


def test_a_task_that_an_actor_has_made_itself_and_piped_has_ended_when_the_system_has() -> None:
    async def scenario(system: ActorSystem) -> None:
        class Maker(Actor):
            async def started(self) -> None:
                self.ctx.pipe(asyncio.ensure_future(asyncio.sleep(3600)), lambda done: done, drain=False)

        system.spawn(Maker, "maker")
        await settle()
        await system.stop(timedelta(0))
        assert len(asyncio.all_tasks()) == 1

    run(scenario)


# --- helpers --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Anything(Ask[str]):
    pass


class Broken(Actor):
    def receive(self, message: object) -> None:
        raise ValueError(message)


class Stubborn(Actor):
    async def stopping(self) -> None:
        await asyncio.sleep(24 * 3600)


class Watcher(Recorder):
    def __init__(self, watched: Ref) -> None:
        super().__init__()
        self.watched = watched

    async def started(self) -> None:
        self.ctx.watch(self.watched)
