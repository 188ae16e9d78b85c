"""Whatever is raised, wherever it is raised: the actor crashes, nobody waits for ever, the others go on."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
import structlog
from structlog.testing import capture_logs

from runtime import Actor, Ask, ReplyToken
from runtime.backends.local import LocalSystem
from runtime.errors import ActorCrashed
from runtime.events import Crashed, RuntimeEvent
from runtime.executor import InlineExecutor, ThreadExecutor
from runtime.info import ActorState
from runtime.system import ActorSystem
from runtime.testing import pass_time, run, settle

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


class Panic(BaseException):
    """What a library written in another language raises: no ``Exception``."""


#: No interrupts among them: these end the process, and have tests of their own.
ERRORS = (ValueError, Panic, asyncio.CancelledError, GeneratorExit, StopIteration, RecursionError)


@pytest.mark.parametrize("kind", ERRORS)
def test_any_error_out_of_a_message_is_a_crash_and_what_waits_is_handled_afterwards(
    kind: type[BaseException],
) -> None:
    async def scenario(system: ActorSystem) -> None:
        ref = system.spawn(Raiser, "raiser")
        ref.tell(Raise(kind()))
        ref.tell("waits behind it")
        await pass_time(SECOND)
        assert await ref.ask(Heard(), SECOND) == ("waits behind it",)
        (info,) = system.actors()
        assert (info.crashes, info.incarnation) == (1, 2)

    run(scenario)


@pytest.mark.parametrize("kind", ERRORS)
def test_any_error_in_handling_a_question_answers_it_at_once(kind: type[BaseException]) -> None:
    async def scenario(system: ActorSystem) -> None:
        ref = system.spawn(Raiser, "raiser")
        with pytest.raises(ActorCrashed):
            await ref.ask(RaiseWhenAsked(kind()), HOUR)
        assert system.clock.monotonic() < SECOND

    run(scenario)


@pytest.mark.parametrize("kind", [ValueError, Panic, asyncio.CancelledError])
def test_any_error_out_of_started_is_a_crash(kind: type[BaseException]) -> None:
    async def scenario(system: ActorSystem) -> None:
        tries: list[int] = []

        class Starter(Raiser):
            async def started(self) -> None:
                tries.append(self.ctx.incarnation)
                await asyncio.sleep(1)
                if self.ctx.incarnation == 1:
                    raise kind

        ref = system.spawn(Starter, "starter")
        ref.tell("waits")
        await pass_time(5 * SECOND)
        assert tries == [1, 2]
        assert await ref.ask(Heard(), SECOND) == ("waits",)

    run(scenario)


@pytest.mark.parametrize("kind", [ValueError, Panic, StopIteration])
def test_any_error_out_of_a_factory_is_a_crash(kind: type[BaseException]) -> None:
    async def scenario(system: ActorSystem) -> None:
        tries = iter([kind()])

        def make() -> Actor:
            for error in tries:
                raise error
            return Raiser()

        ref = system.spawn(make, "late")
        await pass_time(SECOND)
        assert await ref.ask(Heard(), SECOND) == ()

    run(scenario)


@pytest.mark.parametrize("kind", [ValueError, Panic, asyncio.CancelledError])
def test_any_error_out_of_stopping_is_the_end(kind: type[BaseException]) -> None:
    async def scenario(system: ActorSystem) -> None:
        class Leaver(Raiser):
            async def stopping(self) -> None:
                raise kind

        ref = system.spawn(Leaver, "leaver")
        await settle()
        await system.stop_actor(ref, HOUR)
        assert system.actors() == ()
        assert system.clock.monotonic() == timedelta(0)

    run(scenario)


def test_a_stopping_that_raises_before_it_is_awaited_is_the_end() -> None:
    async def scenario(system: ActorSystem) -> None:
        class Leaver(Raiser):
            def stopping(self) -> None:  # type: ignore[override]
                raise ValueError

        ref = system.spawn(Leaver, "leaver")
        await settle()
        await system.stop_actor(ref, HOUR)
        assert system.actors() == ()
        assert system.clock.monotonic() == timedelta(0)

    run(scenario)


@pytest.mark.parametrize("kind", [ValueError, Panic])
def test_any_error_of_piped_work_is_a_crash(kind: type[BaseException]) -> None:
    async def scenario(system: ActorSystem) -> None:
        ref = system.spawn(Raiser, "raiser")
        ref.tell(PipeThis(kind()))
        ref.tell("waits behind it")
        await pass_time(SECOND)
        (info,) = system.actors()
        assert (info.crashes, info.state) == (1, ActorState.RUNNING)

    run(scenario)


def test_errors_where_an_outcome_becomes_a_message_are_crashes() -> None:
    async def scenario(system: ActorSystem) -> None:
        def refuse(_value: object) -> object:
            raise ValueError

        class Piper(Raiser):
            def receive(self, message: object) -> None:
                if message == "good":
                    self.ctx.pipe(asyncio.sleep(0), refuse)
                else:
                    self.ctx.pipe(failing(OSError()), lambda done: done, refuse)

        ref = system.spawn(Piper, "piper")
        ref.tell("good")
        await pass_time(SECOND)
        ref.tell("bad")
        await pass_time(SECOND)
        (info,) = system.actors()
        assert (info.crashes, info.pipes, info.last_error) == (2, 0, "ValueError")

    run(scenario)


def test_any_error_out_of_a_deferred_callback_is_logged_and_the_others_run() -> None:
    async def scenario(system: ActorSystem) -> None:
        given_back: list[str] = []

        def panic() -> None:
            raise Panic

        class Holder(Raiser):
            async def started(self) -> None:
                self.ctx.defer(lambda: given_back.append("first"))
                self.ctx.defer(panic)

        ref = system.spawn(Holder, "holder")
        ref.tell(Raise(ValueError()))
        await pass_time(SECOND)
        assert given_back == ["first"]
        assert system.actors()[0].state is ActorState.RUNNING

    with capture_logs() as logs:
        run(scenario)
    assert [entry for entry in logs if entry["event"] == "deferred callback failed"]


def test_an_exit_out_of_a_message_ends_the_program_in_order() -> None:
    ended: list[str] = []

    class Exiting(Raiser):
        async def started(self) -> None:
            self.ctx.defer(lambda: ended.append(self.ctx.name))

    async def scenario() -> None:
        async with LocalSystem() as system:
            system.spawn(Exiting, "bystander")
            system.spawn(Exiting, "exiting").tell(Raise(SystemExit(3)))
            await asyncio.sleep(3600)

    with pytest.raises(SystemExit) as stopped:
        asyncio.run(scenario())
    assert stopped.value.code == 3
    assert sorted(ended) == ["bystander", "exiting"]


def test_an_exit_in_piped_work_ends_the_program_once() -> None:
    async def scenario() -> None:
        async with LocalSystem() as system:
            system.spawn(Raiser, "raiser").tell(PipeThis(SystemExit(3)))
            await asyncio.sleep(3600)

    with pytest.raises(SystemExit) as stopped:
        asyncio.run(scenario())
    assert stopped.value.code == 3


def test_an_observer_that_raises_keeps_nobody_from_restarting() -> None:
    events: list[RuntimeEvent] = []

    def observer(event: RuntimeEvent) -> None:
        events.append(event)
        raise ValueError

    async def scenario(system: ActorSystem) -> None:
        ref = system.spawn(Raiser, "raiser")
        ref.tell(Raise(ValueError()))
        await pass_time(SECOND)
        assert await ref.ask(Heard(), SECOND) == ()

    run(scenario, observer=observer)
    assert len(events) == 3


def test_a_log_that_cannot_be_written_keeps_nobody_from_restarting() -> None:
    async def scenario(system: ActorSystem) -> None:
        ref = system.spawn(Raiser, "raiser")
        system.ref("nobody").tell("a dead letter")
        ref.tell(Raise(ValueError()))
        await pass_time(SECOND)
        assert await ref.ask(Heard(), SECOND) == ()
        assert system.info().dead_letters == 1

    before = structlog.get_config()
    structlog.configure(processors=[broken_pipe])
    try:
        run(scenario)
    finally:
        structlog.configure(**before)


def test_a_question_failed_with_what_no_future_takes_is_answered_all_the_same() -> None:
    async def scenario(system: ActorSystem) -> None:
        keeper = Keeper()
        ref = system.spawn(lambda: keeper, "keeper")
        answer = asyncio.ensure_future(ref.ask(Heard(), HOUR))
        await settle()
        keeper.tokens[0].fail(StopIteration())
        with pytest.raises(RuntimeError, match="StopIteration"):
            await answer

    run(scenario)


@pytest.mark.parametrize("executor", [InlineExecutor, lambda: ThreadExecutor(threads=1)])
def test_any_error_of_heavy_work_reaches_whoever_awaits_it(
    executor: Callable[[], InlineExecutor | ThreadExecutor],
) -> None:
    async def scenario() -> None:
        work = executor()
        with pytest.raises(RuntimeError, match="StopIteration"):
            await asyncio.wait_for(work.run(next, (iter(()),)), 10)
        with pytest.raises(Panic):
            await asyncio.wait_for(work.run(panicking, ()), 10)
        with pytest.raises(asyncio.CancelledError):
            await work.run(exiting, ())
        assert await work.run(int, ("7",)) == 7
        assert await work.close(SECOND)

    asyncio.run(scenario())


def test_a_thread_that_cannot_be_started_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start
    refusals = iter([RuntimeError("can't start new thread")])

    def scarce(self: threading.Thread) -> None:
        for refusal in refusals:
            raise refusal
        start(self)

    async def scenario() -> None:
        executor = ThreadExecutor(threads=2)
        monkeypatch.setattr(threading.Thread, "start", scarce)
        with pytest.raises(RuntimeError, match="new thread"):
            executor.run(int, ("7",))
        assert await asyncio.wait_for(executor.run(int, ("7",)), 10) == 7
        assert await executor.close(SECOND)

    asyncio.run(scenario())


def test_a_thread_that_waits_for_work_holds_nothing_of_the_last() -> None:
    class Big:
        pass

    async def scenario() -> None:
        executor = ThreadExecutor(threads=1)
        result = weakref.ref(await executor.run(Big, ()))
        # The thread has gone on to the next job when that one has an outcome.
        await executor.run(int, ("7",))
        assert result() is None
        kept = Big()
        gone = weakref.ref(kept)
        await executor.run(isinstance, (kept, Big))
        del kept
        while gone() is not None:  # noqa: ASYNC110 - a thread tells nobody that it waits
            await asyncio.sleep(0)
        assert await executor.close(SECOND)

    asyncio.run(scenario())


def test_a_crash_on_the_way_out_is_told_without_a_delay() -> None:
    events: list[RuntimeEvent] = []

    async def scenario(system: ActorSystem) -> None:
        ref = system.spawn(Raiser, "raiser")
        ref.tell(Raise(ValueError()))
        await system.stop_actor(ref)

    run(scenario, observer=events.append)
    assert events[0] == Crashed("raiser", "Raiser", "ValueError", 1, None)


# --- helpers --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Raise:
    error: BaseException


@dataclass(frozen=True, slots=True)
class RaiseWhenAsked(Ask[None]):
    error: BaseException


@dataclass(frozen=True, slots=True)
class PipeThis:
    error: BaseException


@dataclass(frozen=True, slots=True)
class Heard(Ask[tuple[object, ...]]):
    pass


class Raiser(Actor):
    def __init__(self) -> None:
        self.heard: list[object] = []

    def receive(self, message: object) -> None:
        match message:
            case Raise(error) | RaiseWhenAsked(error):
                raise error
            case PipeThis(error):
                self.ctx.pipe(failing(error), lambda done: done)
            case Heard():
                self.ctx.reply(tuple(self.heard))
            case _:
                self.heard.append(message)


class Keeper(Actor):
    def __init__(self) -> None:
        self.tokens: list[ReplyToken] = []

    def receive(self, _message: object) -> None:
        self.tokens.append(self.ctx.reply_token())


async def failing(error: BaseException) -> None:
    raise error


def panicking() -> None:
    raise Panic


def exiting() -> None:
    raise SystemExit(3)


def broken_pipe(_logger: object, _method: str, _event: object) -> str:
    raise BrokenPipeError
