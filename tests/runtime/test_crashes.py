"""What a crash takes away, what it leaves, and who is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from runtime import Actor, Ask, Ending, Ref, Supervision, Terminated
from runtime.errors import ActorStopped, NameTaken
from runtime.events import Crashed, Ended, Failed, Restarted, RuntimeEvent
from runtime.info import TRANSITIONS, ActorState
from runtime.system import ActorSystem
from runtime.testing import Recorder, pass_time, run, settle

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


def test_a_crashed_actor_comes_back_as_a_fresh_instance() -> None:
    async def scenario(system: ActorSystem) -> None:
        ref = system.spawn(Fragile, "fragile")
        ref.tell("kept in the instance")
        assert await ref.ask(Seen(), SECOND) == ("kept in the instance",)
        ref.tell(BOOM)
        await pass_time(SECOND)
        assert await ref.ask(Seen(), SECOND) == ()
        (info,) = system.actors()
        assert (info.incarnation, info.crashes, info.last_error) == (2, 1, "ValueError")

    run(scenario)


def test_the_mailbox_survives_and_the_message_that_crashed_does_not_come_again() -> None:
    async def scenario(system: ActorSystem) -> None:
        ref = system.spawn(Fragile, "fragile")
        for message in ("lost with the instance", BOOM, "first", "second"):
            ref.tell(message)
        await settle()
        assert system.actors()[0].state is ActorState.RESTARTING
        ref.tell("third")
        await pass_time(SECOND)
        assert await ref.ask(Seen(), SECOND) == ("first", "second", "third")

    run(scenario)


def test_the_observer_hears_of_crash_restart_and_failure() -> None:
    events: list[RuntimeEvent] = []

    async def scenario(system: ActorSystem) -> None:
        ref = system.spawn(Fragile, "fragile", supervision=Supervision(intensity=1))
        ref.tell(BOOM)
        await pass_time(SECOND)
        ref.tell(BOOM)
        await pass_time(SECOND)
        assert system.actors()[0].state is ActorState.FAILED

    run(scenario, observer=events.append)
    crashed, restarted, failed, ended = events
    assert isinstance(crashed, Crashed)
    assert (crashed.name, crashed.kind, crashed.error, crashed.crashes) == (
        "fragile",
        "Fragile",
        "ValueError",
        1,
    )
    assert restarted == Restarted("fragile", "Fragile", 2)
    assert failed == Failed("fragile", "Fragile", "ValueError", 2)
    assert ended == Ended("fragile", "Fragile")


def test_a_failed_actor_stays_visible_and_its_messages_are_dead_letters() -> None:
    async def scenario(system: ActorSystem) -> None:
        ref = system.spawn(Fragile, "fragile", supervision=NO_PATIENCE)
        for message in (BOOM, "one", "two"):
            ref.tell(message)
        await settle()
        ref.tell("three")
        assert system.actors()[0].state is ActorState.FAILED
        assert system.info().dead_letters == 3
        assert system.info().failures == 1

    run(scenario)


def test_the_name_of_a_failed_actor_can_be_used_again() -> None:
    async def scenario(system: ActorSystem) -> None:
        ref = system.spawn(Fragile, "fragile", supervision=NO_PATIENCE)
        with pytest.raises(NameTaken):
            system.spawn(Fragile, "fragile")
        ref.tell(BOOM)
        await settle()
        system.spawn(Fragile, "fragile")
        assert await ref.ask(Seen(), SECOND) == ()

    run(scenario)


def test_a_factory_that_raises_is_a_crash() -> None:
    async def scenario(system: ActorSystem) -> None:
        attempts = Attempts(failures=2, then=Fragile)
        ref = system.spawn(attempts, "late")
        ref.tell("waits")
        await pass_time(SECOND)
        assert await ref.ask(Seen(), SECOND) == ("waits",)
        assert attempts.made == 3

    run(scenario)


def test_an_error_in_started_is_a_crash_and_messages_wait() -> None:
    async def scenario(system: ActorSystem) -> None:
        tries: list[int] = []
        ref = system.spawn(lambda: SlowStarter(tries), "starter")
        ref.tell("waits")
        await pass_time(MINUTE)
        assert tries == [1, 2, 3]
        assert await ref.ask(Seen(), SECOND) == ("waits",)

    run(scenario)


def test_timers_die_with_their_incarnation() -> None:
    async def scenario(system: ActorSystem) -> None:
        ref = system.spawn(Fragile, "fragile")
        ref.tell(Arm(10 * SECOND))
        ref.tell(BOOM)
        await pass_time(MINUTE)
        assert await ref.ask(Seen(), SECOND) == ()

    run(scenario)


def test_a_timer_that_is_due_in_the_mailbox_dies_with_its_incarnation() -> None:
    async def scenario(system: ActorSystem) -> None:
        ref = system.spawn(Fragile, "fragile")
        ref.tell(Arm(SECOND))
        await settle()
        # Both happen at the same instant: the timer is due, and stands behind the message that crashes.
        asyncio.get_running_loop().call_at(asyncio.get_running_loop().time() + 1, ref.tell, BOOM)
        await pass_time(MINUTE)
        assert system.info().crashes == 1
        assert await ref.ask(Seen(), SECOND) == ()

    run(scenario)


def test_pipes_die_with_their_incarnation_and_are_cancelled() -> None:
    async def scenario(system: ActorSystem) -> None:
        cancelled: list[str] = []
        ref = system.spawn(Fragile, "fragile")
        ref.tell(Start(cancelled))
        await settle()
        ref.tell(BOOM)
        await pass_time(MINUTE)
        assert cancelled == ["cancelled"]
        assert await ref.ask(Seen(), SECOND) == ()

    run(scenario)


def test_deferred_callbacks_run_at_a_crash_the_latest_first_and_all_of_them() -> None:
    async def scenario(system: ActorSystem) -> None:
        given_back: list[str] = []

        def broken() -> None:
            raise OSError("cannot be closed")

        ref = system.spawn(
            lambda: Holder(lambda: given_back.append("one"), broken, lambda: given_back.append("two")),
            "holder",
        )
        ref.tell(BOOM)
        await settle()
        assert given_back == ["two", "one"]

    with capture_logs() as logs:
        run(scenario)
    assert [entry["event"] for entry in logs if "deferred" in str(entry["event"])]


def test_a_context_of_an_ended_incarnation_does_nothing() -> None:
    async def scenario(system: ActorSystem) -> None:
        made: list[Fragile] = []
        ref = system.spawn(lambda: remember(made, Fragile()), "fragile")
        ref.tell(BOOM)
        await pass_time(SECOND)
        stale = made[0].ctx
        with pytest.raises(ActorStopped):
            stale.set_timer("key", SECOND, "never")
        with pytest.raises(ActorStopped):
            stale.spawn(Fragile, "never")
        with pytest.raises(ActorStopped):
            stale.watch(ref)
        with pytest.raises(ActorStopped):
            stale.pipe(asyncio.sleep(0), lambda _none: "never")
        with pytest.raises(ActorStopped):
            stale.defer(made.clear)
        assert made == []
        assert (stale.incarnation, stale.name) == (1, "fragile")

    run(scenario)


def test_children_end_before_their_crashed_parent_comes_back() -> None:
    async def scenario(system: ActorSystem) -> None:
        order: list[str] = []
        ref = system.spawn(lambda: Parent(order), "parent")
        await settle()
        ref.tell(BOOM)
        await pass_time(MINUTE)
        assert order == ["parent starts", "child starts", "child leaves", "parent starts", "child starts"]
        assert [info.name for info in system.actors()] == ["parent", "parent/child"]

    run(scenario)


def test_a_failure_for_good_crashes_the_parent() -> None:
    async def scenario(system: ActorSystem) -> None:
        order: list[str] = []
        ref = system.spawn(lambda: Parent(order), "parent")
        await settle()
        system.ref("parent/child").tell(BOOM)
        await pass_time(MINUTE)
        parent = next(info for info in system.actors() if info.name == "parent")
        assert parent.last_error == "runtime.errors.ChildFailed"
        assert parent.incarnation == 2
        assert order[-1] == "child starts"
        assert ref == system.ref("parent")

    run(scenario)


def test_a_failure_that_does_not_escalate_is_told_to_the_watching_parent() -> None:
    async def scenario(system: ActorSystem) -> None:
        order: list[str] = []
        patient = Supervision(intensity=0, escalate=False)
        ref = system.spawn(lambda: Parent(order, patient, watch=True), "parent")
        await settle()
        child = system.ref("parent/child")
        child.tell(BOOM)
        await pass_time(MINUTE)
        assert await ref.ask(Seen(), SECOND) == (Terminated(child, Ending.FAILED),)
        assert [info.state for info in system.actors()] == [ActorState.RUNNING, ActorState.FAILED]

    run(scenario)


def test_a_failed_child_can_be_replaced_by_its_parent() -> None:
    async def scenario(system: ActorSystem) -> None:
        order: list[str] = []
        parent = Parent(order, Supervision(intensity=0, escalate=False))
        system.spawn(lambda: parent, "parent")
        await settle()
        system.ref("parent/child").tell(BOOM)
        await settle()
        parent.ctx.spawn(lambda: Child(order), "child")
        await settle()
        assert order == ["parent starts", "child starts", "child starts"]
        assert [info.state for info in system.actors()] == [ActorState.RUNNING, ActorState.RUNNING]

    run(scenario)


def test_watching_one_that_has_failed_is_answered_at_once() -> None:
    async def scenario(system: ActorSystem) -> None:
        watched = system.spawn(Fragile, "watched", supervision=NO_PATIENCE)
        watched.tell(BOOM)
        await settle()
        recorder = Watcher(watched)
        system.spawn(lambda: recorder, "watcher")
        await settle()
        assert recorder.messages == [Terminated(watched, Ending.FAILED)]

    run(scenario)


def test_a_watcher_that_has_crashed_hears_nothing_of_its_former_life() -> None:
    async def scenario(system: ActorSystem) -> None:
        heard: list[object] = []
        watched = system.spawn(Fragile, "watched")

        class Once(Recorder):
            async def started(self) -> None:
                self.messages = heard
                if self.ctx.incarnation == 1:
                    self.ctx.watch(watched)

        once = system.spawn(Once, "once")
        await settle()
        system.crash(once, ValueError())
        await pass_time(SECOND)
        await system.stop_actor(watched)
        await settle()
        assert heard == []

    run(scenario)


def test_a_crash_while_starting_takes_the_running_started_with_it() -> None:
    async def scenario(system: ActorSystem) -> None:
        tries: list[int] = []
        ref = system.spawn(lambda: SlowStarter(tries), "starter")
        await settle()
        system.crash(ref, ValueError())
        await settle()
        assert tries == []
        assert len(asyncio.all_tasks()) == 1

    run(scenario)


def test_restarts_wait_as_long_as_the_supervision_says_each_time_the_same_for_one_seed() -> None:
    def delays(seed: int) -> list[timedelta | None]:
        events: list[RuntimeEvent] = []

        async def scenario(system: ActorSystem) -> None:
            ref = system.spawn(Fragile, "fragile")
            for _ in range(10):
                ref.tell(BOOM)
            await pass_time(10 * MINUTE)

        run(scenario, seed=seed, observer=events.append)
        return [event.delay for event in events if isinstance(event, Crashed)]

    assert len(delays(1)) == 10
    assert delays(1) == delays(1)
    assert delays(1) != delays(2)


def test_every_step_of_a_life_is_one_of_the_table() -> None:
    assert set(TRANSITIONS) == set(ActorState)
    assert TRANSITIONS[ActorState.STOPPED] == frozenset()

    async def scenario(system: ActorSystem) -> None:
        system.spawn(Fragile, "fragile")
        await settle()
        cell = system.make_cell(None, "cell", Fragile, NO_PATIENCE, 1)
        cell.cut_off()
        with pytest.raises(RuntimeError, match="cannot go from stopped to stopping"):
            cell._become(ActorState.STOPPING)  # noqa: SLF001 - no public way leads there, which is the point

    run(scenario)


def test_watching_tells_of_the_end_and_not_of_a_restart() -> None:
    async def scenario(system: ActorSystem) -> None:
        watched = system.spawn(Fragile, "watched")
        recorder = Watcher(watched)
        system.spawn(lambda: recorder, "watcher")
        await settle()
        watched.tell(BOOM)
        await pass_time(SECOND)
        assert recorder.messages == []
        await system.stop_actor(watched)
        await settle()
        assert recorder.messages == [Terminated(watched, Ending.STOPPED)]

    run(scenario)


def test_watching_nobody_is_answered_at_once() -> None:
    async def scenario(system: ActorSystem) -> None:
        nobody = system.ref("nobody")
        recorder = Watcher(nobody)
        system.spawn(lambda: recorder, "watcher")
        await settle()
        assert recorder.messages == [Terminated(nobody, Ending.UNKNOWN)]

    run(scenario)


def test_a_log_of_a_crash_shows_where_and_never_what() -> None:
    async def scenario(system: ActorSystem) -> None:
        ref = system.spawn(Indiscreet, "indiscreet")
        ref.tell("the secret itself")
        await pass_time(SECOND)

    with capture_logs() as logs:
        run(scenario)
    (crash,) = [entry for entry in logs if entry["event"] == "actor crashed"]
    assert crash["during"] == "str"
    assert "test_crashes.py" in str(crash["traceback"])
    assert "KeyError" in str(crash["traceback"])
    assert "the secret itself" not in str(logs)


def test_errors_that_are_known_to_be_harmless_are_quoted() -> None:
    async def scenario(system: ActorSystem) -> None:
        system.spawn(lambda: Raising(PermissionError(13, "denied")), "disk").tell("go")
        system.spawn(lambda: Raising(Harmless("out of paper")), "printer").tell("go")
        await pass_time(SECOND)

    with capture_logs() as logs:
        run(scenario, speakable=(Harmless,))
    tracebacks = [str(entry["traceback"]) for entry in logs if entry["event"] == "actor crashed"]
    assert "denied" in tracebacks[0]
    assert "out of paper" in tracebacks[1]


def test_the_chain_of_causes_is_logged() -> None:
    error = ValueError("text that is not shown")
    error.__cause__ = OSError(28, "no space left")

    async def scenario(system: ActorSystem) -> None:
        system.spawn(lambda: Raising(error), "disk").tell("go")
        await settle()

    with capture_logs() as logs:
        run(scenario)
    (text,) = [str(entry["traceback"]) for entry in logs if entry["event"] == "actor crashed"]
    assert "caused by" in text
    assert "no space left" in text
    assert "not shown" not in text


BOOM = object()
NO_PATIENCE = Supervision(intensity=0)


@dataclass(frozen=True, slots=True)
class Seen(Ask[tuple[object, ...]]):
    pass


@dataclass(frozen=True, slots=True)
class Arm:
    delay: timedelta


@dataclass(frozen=True, slots=True)
class Start:
    cancelled: list[str]


class Fragile(Actor):
    def __init__(self) -> None:
        self.seen: list[object] = []

    def receive(self, message: object) -> None:
        match message:
            case Seen():
                self.ctx.reply(tuple(self.seen))
            case Arm(delay):
                self.ctx.set_timer("key", delay, "due")
            case Start(cancelled):
                self.ctx.pipe(until_cancelled(cancelled), lambda _none: "outcome")
            case _ if message is BOOM:
                raise ValueError(message)
            case _:
                self.seen.append(message)


class SlowStarter(Fragile):
    def __init__(self, tries: list[int]) -> None:
        super().__init__()
        self.tries = tries

    async def started(self) -> None:
        await asyncio.sleep(1)
        self.tries.append(self.ctx.incarnation)
        if self.ctx.incarnation < 3:
            raise OSError("not yet")


class Holder(Actor):
    def __init__(self, *callbacks: Callable[[], object]) -> None:
        self.callbacks = callbacks

    async def started(self) -> None:
        for callback in self.callbacks:
            self.ctx.defer(callback)

    def receive(self, message: object) -> None:
        raise ValueError(message)


class Child(Fragile):
    def __init__(self, order: list[str]) -> None:
        super().__init__()
        self.order = order

    async def started(self) -> None:
        self.order.append("child starts")

    async def stopping(self) -> None:
        await asyncio.sleep(3)
        self.order.append("child leaves")


class Parent(Fragile):
    def __init__(
        self, order: list[str], supervision: Supervision = NO_PATIENCE, *, watch: bool = False
    ) -> None:
        super().__init__()
        self.order = order
        self.supervision = supervision
        self.watch = watch

    async def started(self) -> None:
        self.order.append("parent starts")
        child = self.ctx.spawn(lambda: Child(self.order), "child", supervision=self.supervision)
        if self.watch:
            self.ctx.watch(child)


class Watcher(Recorder):
    def __init__(self, watched: Ref) -> None:
        super().__init__()
        self.watched = watched

    async def started(self) -> None:
        self.ctx.watch(self.watched)


class Indiscreet(Actor):
    def receive(self, message: object) -> None:
        raise KeyError(message)


class Harmless(Exception):
    pass


class Raising(Actor):
    def __init__(self, error: Exception) -> None:
        self.error = error

    def receive(self, _message: object) -> None:
        raise self.error


class Attempts:
    def __init__(self, failures: int, then: Callable[[], Actor]) -> None:
        self.failures = failures
        self.then = then
        self.made = 0

    def __call__(self) -> Actor:
        self.made += 1
        if self.made <= self.failures:
            raise OSError("not there yet")
        return self.then()


def remember(made: list[Fragile], actor: Fragile) -> Fragile:
    made.append(actor)
    return actor


async def until_cancelled(cancelled: list[str]) -> None:
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        cancelled.append("cancelled")
        raise
