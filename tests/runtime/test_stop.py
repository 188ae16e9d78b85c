"""The graceful end: children first, drained within the deadline, and nothing left."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from runtime import Actor
from runtime.backends.local import LocalSystem
from runtime.errors import ActorStopped, NameTaken, Undeliverable
from runtime.events import Overdue, RuntimeEvent
from runtime.system import ActorSystem
from runtime.testing import Recorder, pass_time, run, settle

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


def test_children_end_before_their_parents_and_the_latest_top_level_actor_first() -> None:
    order: list[str] = []

    async def scenario(system: ActorSystem) -> None:
        system.spawn(lambda: Node(order, children=2), "first")
        system.spawn(lambda: Node(order, children=1), "second")
        await settle()
        await system.stop(MINUTE)
        assert system.actors() == ()

    run(scenario)
    assert order == ["second/0", "second", "first/0", "first/1", "first"]


def test_what_waits_in_the_mailbox_is_handled_before_the_end() -> None:
    async def scenario(system: ActorSystem) -> None:
        recorder = Recorder()
        ref = system.spawn(lambda: recorder, "recorder")
        for number in range(200):
            ref.tell(number)
        await system.stop_actor(ref)
        assert recorder.messages == list(range(200))
        ref.tell("too late")
        assert system.info().dead_letters == 1

    run(scenario)


def test_children_may_speak_to_their_parent_while_they_take_leave() -> None:
    async def scenario(system: ActorSystem) -> None:
        heard: list[object] = []
        ref = system.spawn(lambda: Family(heard), "family")
        await settle()
        await system.stop_actor(ref)
        assert heard == ["farewell of the child"]

    run(scenario)


def test_work_that_was_begun_is_finished_before_the_end() -> None:
    async def scenario(system: ActorSystem) -> None:
        heard: list[object] = []
        ref = system.spawn(lambda: Working(heard), "working")
        ref.tell(Begin(5, drain=True))
        ref.tell(Begin(100_000, drain=False))
        await settle()
        await system.stop_actor(ref, MINUTE)
        assert heard == [5]
        assert system.clock.monotonic() == 5 * SECOND

    run(scenario)


def test_timers_fall_silent_when_the_end_begins() -> None:
    async def scenario(system: ActorSystem) -> None:
        heard: list[object] = []
        ref = system.spawn(lambda: Working(heard), "working")
        ref.tell(Begin(5, drain=True))
        ref.tell(Arm(SECOND))
        await settle()
        await system.stop_actor(ref, MINUTE)
        assert heard == [5]

    run(scenario)


def test_what_has_not_ended_by_the_deadline_is_cut_off() -> None:
    events: list[RuntimeEvent] = []

    async def scenario(system: ActorSystem) -> None:
        order: list[str] = []
        system.spawn(lambda: Stubborn(order), "stubborn")
        await settle()
        await system.stop(10 * SECOND)
        assert system.clock.monotonic() == 10 * SECOND
        assert order == ["begins to leave", "cancelled"]

    run(scenario, observer=events.append)
    assert events == [Overdue("stubborn", "Stubborn")]


def test_a_second_stop_hurries_the_first() -> None:
    async def scenario(system: ActorSystem) -> None:
        order: list[str] = []
        system.spawn(lambda: Stubborn(order), "stubborn")
        await settle()
        first = asyncio.ensure_future(system.stop(timedelta(hours=1)))
        await pass_time(3 * SECOND)
        await system.stop(timedelta(0))
        await first
        assert system.clock.monotonic() == 3 * SECOND

    run(scenario)


def test_an_actor_that_waits_for_its_restart_ends_too() -> None:
    async def scenario(system: ActorSystem) -> None:
        ref = system.spawn(Broken, "broken")
        ref.tell("crash")
        await settle()
        ref.tell("waits")
        await system.stop_actor(ref)
        assert system.actors() == ()
        assert system.info().dead_letters == 1

    run(scenario)


def test_a_crash_while_leaving_is_the_end_and_no_restart() -> None:
    async def scenario(system: ActorSystem) -> None:
        ref = system.spawn(Broken, "broken")
        ref.tell("crash")
        await system.stop_actor(ref)
        assert system.actors() == ()
        assert system.info().restarts == 0

    run(scenario)


def test_an_actor_that_stops_itself_finishes_its_message() -> None:
    async def scenario(system: ActorSystem) -> None:
        heard: list[object] = []
        system.spawn(lambda: Suicidal(heard), "suicidal").tell("go")
        await settle()
        assert heard == ["after the stop"]
        assert system.actors() == ()

    run(scenario)


def test_a_system_that_stops_takes_no_new_actors() -> None:
    async def scenario(system: ActorSystem) -> None:
        order: list[str] = []
        ref = system.spawn(lambda: Stubborn(order), "stubborn")
        await settle()
        stop = asyncio.ensure_future(system.stop(SECOND))
        await settle()
        with pytest.raises(ActorStopped):
            system.spawn(Recorder, "new")
        await stop
        assert ref == system.ref("stubborn")

    run(scenario)


def test_a_parent_that_stops_takes_no_new_children() -> None:
    async def scenario(system: ActorSystem) -> None:
        heard: list[object] = []
        ref = system.spawn(lambda: Suicidal(heard, then_spawn=True), "suicidal")
        ref.tell("go")
        await settle()
        assert heard == ["ActorStopped"]

    run(scenario)


@pytest.mark.parametrize("name", ["", "a/b"])
def test_a_name_is_one_part_of_a_path(name: str) -> None:
    async def scenario(system: ActorSystem) -> None:
        with pytest.raises(ValueError, match="name"):
            system.spawn(Recorder, name)

    run(scenario)


def test_a_name_is_free_only_when_its_actor_is_gone() -> None:
    async def scenario(system: ActorSystem) -> None:
        order: list[str] = []
        ref = system.spawn(lambda: Stubborn(order), "name")
        await settle()
        stop = asyncio.ensure_future(system.stop_actor(ref, SECOND))
        await settle()
        with pytest.raises(NameTaken):
            system.spawn(Recorder, "name")
        await stop
        system.spawn(Recorder, "name")

    run(scenario)


def test_an_error_in_the_block_stops_at_once() -> None:
    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        with pytest.raises(KeyError):
            await fail_beside_a_stubborn_actor()
        return loop.time() - begun

    assert asyncio.run(scenario()) < 5


def test_an_actor_that_ignores_its_cancellation_is_named_in_the_log() -> None:
    async def scenario(system: ActorSystem) -> None:
        system.spawn(Ignorant, "ignorant")
        await settle()
        await system.stop(SECOND)

    with capture_logs() as logs:
        run(scenario)
    assert [entry["task"] for entry in logs if "ignores" in str(entry["event"])] == ["ignorant"]


def test_nothing_is_left_of_a_system() -> None:
    async def scenario() -> None:
        threads = threading.active_count()
        descriptors = open_descriptors()
        tasks = len(asyncio.all_tasks())
        gone: list[weakref.ref[Actor]] = []
        async with LocalSystem(threads=2) as system:
            for number in range(50):
                system.spawn(remembering(gone), f"working-{number}").tell(Begin(3600, drain=False))
            await asyncio.gather(
                *[
                    system.ref(f"working-{number}").ask(Execute(), 10 * SECOND)  # type: ignore[arg-type]
                    for number in range(50)
                ]
            )
        assert threading.active_count() == threads
        assert open_descriptors() == descriptors
        assert len(asyncio.all_tasks()) == tasks
        del system
        gc.collect()
        assert [ref for ref in gone if ref() is not None] == []

    asyncio.run(scenario())


def test_a_restarting_actor_leaks_nothing() -> None:
    async def scenario(system: ActorSystem) -> None:
        gone: list[weakref.ref[Actor]] = []
        ref = system.spawn(remembering(gone), "working")
        for _ in range(9):
            ref.tell(Begin(3600, drain=True))
            ref.tell(Arm(timedelta(hours=1)))
            await settle()
            system.crash(ref, OSError())
            await pass_time(30 * SECOND)
        gc.collect()
        assert len(gone) == 10
        assert len([ref for ref in gone if ref() is not None]) == 1
        assert len(asyncio.all_tasks()) == 1

    run(scenario)


def test_a_stop_waits_for_started_and_then_drains() -> None:
    async def scenario(system: ActorSystem) -> None:
        slow = SlowStarter()
        ref = system.spawn(lambda: slow, "slow")
        ref.tell("waits")
        await settle()
        await system.stop_actor(ref, MINUTE)
        assert slow.messages == ["waits"]
        assert system.clock.monotonic() == 5 * SECOND

    run(scenario)


def test_a_started_that_never_ends_is_cut_off_and_its_messages_are_dead_letters() -> None:
    async def scenario(system: ActorSystem) -> None:
        slow = SlowStarter(timedelta(days=1))
        ref = system.spawn(lambda: slow, "slow")
        ref.tell("waits")
        question = ref.ask(Execute(), timedelta(hours=1))  # type: ignore[arg-type,var-annotated]
        await settle()
        await system.stop_actor(ref, MINUTE)
        assert slow.messages == []
        assert system.info().dead_letters == 2
        with pytest.raises(Undeliverable, match="stopped"):
            await question
        assert len(asyncio.all_tasks()) == 1

    run(scenario)


def test_a_deadline_cuts_off_children_before_their_parent() -> None:
    order: list[str] = []

    class Guardian(Actor):
        async def started(self) -> None:
            self.ctx.spawn(lambda: Stubborn(order), "child")
            self.ctx.defer(lambda: order.append("parent ended"))

    async def scenario(system: ActorSystem) -> None:
        ref = system.spawn(Guardian, "guardian")
        await settle()
        await system.stop_actor(ref, SECOND)
        assert system.actors() == ()

    run(scenario)
    assert order == ["begins to leave", "parent ended", "cancelled"]


def test_an_error_while_taking_leave_is_logged_and_the_actor_is_gone() -> None:
    class Clumsy(Actor):
        async def stopping(self) -> None:
            raise OSError(5, "cannot say goodbye")

    async def scenario(system: ActorSystem) -> None:
        ref = system.spawn(Clumsy, "clumsy")
        await settle()
        await system.stop_actor(ref)
        assert system.actors() == ()

    with capture_logs() as logs:
        run(scenario)
    assert [entry["during"] for entry in logs if entry["event"] == "actor crashed"] == ["stopping"]


def test_stopping_what_is_not_there_or_stopping_twice_is_harmless() -> None:
    async def scenario(system: ActorSystem) -> None:
        await system.stop_actor(system.ref("nobody"))
        system.request_stop(system.ref("nobody"))
        system.crash(system.ref("nobody"), ValueError())
        await system.stop(SECOND)
        await system.stop(SECOND)

    run(scenario)


def test_a_system_must_be_entered_first() -> None:
    system = LocalSystem()
    with pytest.raises(ActorStopped):
        system.spawn(Recorder, "early")
    with pytest.raises(RuntimeError, match="enter"):
        system.loop.time()
    with pytest.raises(RuntimeError, match="enter"):
        system.timers.arm(1, lambda: None)


class SlowStarter(Recorder):
    def __init__(self, delay: timedelta = 5 * SECOND) -> None:
        super().__init__()
        self.delay = delay

    async def started(self) -> None:
        await asyncio.sleep(self.delay.total_seconds())


class Node(Actor):
    def __init__(self, order: list[str], children: int = 0) -> None:
        self.order = order
        self.children = children

    async def started(self) -> None:
        for number in range(self.children):
            self.ctx.spawn(lambda: Node(self.order), str(number))

    async def stopping(self) -> None:
        await asyncio.sleep(1)
        self.order.append(self.ctx.name)


class Family(Actor):
    def __init__(self, heard: list[object]) -> None:
        self.heard = heard

    async def started(self) -> None:
        self.ctx.spawn(lambda: Farewell(self), "child")

    def receive(self, message: object) -> None:
        self.heard.append(message)


class Farewell(Actor):
    def __init__(self, parent: Actor) -> None:
        self.parent = parent.ctx.ref

    async def stopping(self) -> None:
        self.parent.tell("farewell of the child")


@dataclass(frozen=True, slots=True)
class Begin:
    seconds: int
    drain: bool


@dataclass(frozen=True, slots=True)
class Arm:
    delay: timedelta


@dataclass(frozen=True, slots=True)
class Execute:
    pass


class Working(Actor):
    def __init__(self, heard: list[object]) -> None:
        self.heard = heard

    def receive(self, message: object) -> None:
        match message:
            case Begin(seconds, drain):
                self.ctx.pipe(asyncio.sleep(seconds, seconds), lambda done: done, drain=drain)
            case Arm(delay):
                self.ctx.set_timer("key", delay, "due")
            case Execute():
                token = self.ctx.reply_token()
                self.ctx.pipe(self.ctx.execute(os.getpid), lambda pid: (token, pid))
            case (token, int(pid)):
                token.reply(pid)
            case _:
                self.heard.append(message)


class Stubborn(Actor):
    def __init__(self, order: list[str]) -> None:
        self.order = order

    async def stopping(self) -> None:
        self.order.append("begins to leave")
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            self.order.append("cancelled")
            raise


class Ignorant(Actor):
    async def stopping(self) -> None:
        for _ in range(3):
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                continue


class Broken(Actor):
    def receive(self, message: object) -> None:
        raise ValueError(message)


class Suicidal(Actor):
    def __init__(self, heard: list[object], *, then_spawn: bool = False) -> None:
        self.heard = heard
        self.then_spawn = then_spawn

    def receive(self, _message: object) -> None:
        self.ctx.stop(self.ctx.ref)
        if not self.then_spawn:
            self.heard.append("after the stop")
            return
        try:
            self.ctx.spawn(Recorder, "child")
        except ActorStopped as refused:
            self.heard.append(type(refused).__name__)


async def fail_beside_a_stubborn_actor() -> None:
    async with LocalSystem() as system:
        system.spawn(lambda: Stubborn([]), "stubborn")
        raise KeyError


def remembering(gone: list[weakref.ref[Actor]]) -> Callable[[], Actor]:
    def make() -> Actor:
        actor = Working([])
        gone.append(weakref.ref(actor))
        return actor

    return make


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
