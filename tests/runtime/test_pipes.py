"""Work that takes time, and how its outcome comes back."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from runtime import Actor, Ask, incarnation
from runtime.backends.local import LocalSystem
from runtime.errors import AskTimeout, LimitReached
from runtime.executor import ThreadExecutor
from runtime.info import ActorState
from runtime.system import ActorSystem
from runtime.testing import pass_time, run, settle

SECOND = timedelta(seconds=1)


def test_the_outcome_of_a_coroutine_comes_back_as_a_message() -> None:
    async def scenario(system: ActorSystem) -> None:
        actor = Worker()
        ref = system.spawn(lambda: actor, "worker")
        ref.tell(Pipe(lambda: slowly(42)))
        ref.tell("meanwhile")
        await pass_time(2 * SECOND)
        assert actor.heard == ["meanwhile", ("done", 42)]
        assert system.actors()[0].pipes == 0

    run(scenario)


def test_an_error_comes_back_as_a_message_where_it_is_expected() -> None:
    async def scenario(system: ActorSystem) -> None:
        actor = Worker()
        system.spawn(lambda: actor, "worker").tell(Pipe(failing, expect_errors=True))
        await settle()
        assert actor.heard == [("failed", "OSError")]

    run(scenario)


def test_an_unexpected_error_crashes_the_actor() -> None:
    async def scenario(system: ActorSystem) -> None:
        system.spawn(Worker, "worker").tell(Pipe(failing))
        await settle()
        info = system.actors()[0]
        assert (info.state, info.last_error) == (ActorState.RESTARTING, "OSError")

    run(scenario)


def test_a_question_to_another_actor_is_piped() -> None:
    async def scenario(system: ActorSystem) -> None:
        actor = Worker()
        ref = system.spawn(lambda: actor, "worker")
        echo = system.spawn(Worker, "echo")
        ref.tell(Pipe(lambda: echo.ask(Echo("hello"), SECOND)))
        ref.tell(Pipe(lambda: system.ref("nobody").ask(Echo("hello"), SECOND), expect_errors=True))
        await settle()
        assert sorted(actor.heard) == [("done", "hello"), ("failed", "Undeliverable")]

    run(scenario)


def test_a_deadline_of_a_question_comes_back_as_a_message() -> None:
    async def scenario(system: ActorSystem) -> None:
        actor = Worker()
        ref = system.spawn(lambda: actor, "worker")
        ref.tell(Pipe(lambda: system.ref("worker").ask(Silence(), SECOND), expect_errors=True))
        await pass_time(2 * SECOND)
        assert actor.heard == [("failed", AskTimeout.__name__)]

    run(scenario)


def test_work_that_somebody_else_cancelled_is_an_error() -> None:
    async def scenario(system: ActorSystem) -> None:
        actor = Worker()
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        system.spawn(lambda: actor, "worker").tell(Pipe(lambda: future, expect_errors=True))
        await settle()
        future.cancel()
        await settle()
        assert actor.heard == [("failed", "WorkCancelled")]

    run(scenario)


def test_the_number_of_pipes_of_one_actor_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incarnation, "MAX_PIPES", 3)

    async def scenario(system: ActorSystem) -> None:
        ref = system.spawn(Worker, "worker")
        for _ in range(4):
            ref.tell(Pipe(lambda: slowly(1)))
        await settle()
        assert system.actors()[0].last_error == "runtime.errors.LimitReached"

    run(scenario)


def test_anything_that_can_be_awaited_can_be_piped() -> None:
    class Ready:
        def __await__(self) -> Generator[None, None, str]:
            yield
            return "ready"

    async def scenario(system: ActorSystem) -> None:
        actor = Worker()
        system.spawn(lambda: actor, "worker").tell(Pipe(Ready))
        await settle()
        assert actor.heard == [("done", "ready")]

    run(scenario)


def test_a_failing_pipe_of_an_earlier_life_is_nobodys_concern() -> None:
    async def scenario(system: ActorSystem) -> None:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        shielded = asyncio.shield(future)
        ref = system.spawn(Worker, "worker")
        ref.tell(Pipe(lambda: shielded))
        await settle()
        system.crash(ref, ValueError())
        future.set_exception(OSError())
        future.exception()
        await pass_time(SECOND)
        assert system.info().crashes == 1

    run(scenario)


def test_in_virtual_time_heavy_work_is_done_in_place() -> None:
    async def scenario(system: ActorSystem) -> None:
        actor = Worker()
        ref = system.spawn(lambda: actor, "worker")
        ref.tell(Pipe(lambda: actor.ctx.execute(int, "7")))
        ref.tell(Pipe(lambda: actor.ctx.execute(int, "seven"), expect_errors=True))
        assert await ref.ask(WhereAmI(), SECOND) == (threading.get_ident(), threading.get_ident())
        assert actor.heard == [("done", 7), ("failed", "ValueError")]

    run(scenario)


def test_heavy_work_runs_on_other_threads_and_its_outcome_on_the_loop() -> None:
    async def scenario() -> None:
        async with LocalSystem(threads=2) as system:
            ref = system.spawn(Worker, "worker")
            worker_thread, handler_thread = await ref.ask(WhereAmI(), 10 * SECOND)
            assert worker_thread != threading.get_ident()
            assert handler_thread == threading.get_ident()

    asyncio.run(scenario())


def test_the_loop_goes_on_while_heavy_work_is_done() -> None:
    async def scenario() -> int:
        gate = threading.Event()
        executor = ThreadExecutor(threads=1)
        blocked = executor.run(gate.wait, (10,))
        turns = 0
        while turns < 100:
            await asyncio.sleep(0)
            turns += 1
        assert not blocked.done()
        gate.set()
        assert await blocked
        assert await executor.close(SECOND)
        return turns

    assert asyncio.run(scenario()) == 100


def test_the_executor_refuses_more_than_its_queue_takes() -> None:
    async def scenario() -> None:
        gate = threading.Event()
        executor = ThreadExecutor(threads=1, queue_limit=2)
        running, waiting = executor.run(gate.wait, (10,)), executor.run(gate.wait, (10,))
        with pytest.raises(LimitReached):
            await executor.run(gate.wait, (10,))
        gate.set()
        assert await running
        assert await waiting
        assert await executor.run(int, ("7",)) == 7
        assert await executor.close(SECOND)

    asyncio.run(scenario())


def test_errors_of_heavy_work_reach_whoever_waits_even_exits() -> None:
    async def scenario() -> None:
        executor = ThreadExecutor(threads=1)
        with pytest.raises(ValueError, match="invalid literal"):
            await executor.run(int, ("seven",))
        with pytest.raises(asyncio.CancelledError):
            await executor.run(exiting, ())
        assert await executor.run(int, ("7",)) == 7
        assert await executor.close(SECOND)

    asyncio.run(scenario())


def test_cancelled_work_that_still_waits_is_never_begun() -> None:
    async def scenario() -> list[str]:
        gate = threading.Event()
        begun: list[str] = []
        executor = ThreadExecutor(threads=1)
        running = executor.run(gate.wait, (10,))
        waiting = executor.run(begun.append, ("begun",))
        waiting.cancel()
        gate.set()
        await running
        assert await executor.run(int, ("7",)) == 7
        assert await executor.close(SECOND)
        return begun

    assert asyncio.run(scenario()) == []


def test_closing_the_executor_leaves_no_thread() -> None:
    async def scenario() -> None:
        before = threading.active_count()
        executor = ThreadExecutor(threads=4)
        results = [executor.run(time.monotonic, ()) for _ in range(50)]
        assert threading.active_count() == before + 4
        await asyncio.gather(*results)
        assert await executor.close(SECOND)
        assert threading.active_count() == before
        with pytest.raises(LimitReached):
            await executor.run(time.monotonic, ())

    asyncio.run(scenario())


def test_work_that_does_not_end_is_reported_and_holds_nobody_up() -> None:
    async def scenario() -> None:
        gate, entered = threading.Event(), threading.Event()
        executor = ThreadExecutor(threads=1)

        def enter() -> bool:
            entered.set()
            return gate.wait(10)

        running = executor.run(enter, ())
        dropped = executor.run(int, ("7",))
        assert await asyncio.to_thread(entered.wait, 10)
        assert not await executor.close(timedelta(milliseconds=5))
        assert dropped.cancelled()
        gate.set()
        assert await running
        assert await executor.close(SECOND)

    asyncio.run(scenario())


@dataclass(frozen=True, slots=True)
class Pipe:
    begin: Callable[[], Awaitable[object]]
    expect_errors: bool = False


@dataclass(frozen=True, slots=True)
class Echo(Ask[str]):
    text: str


@dataclass(frozen=True, slots=True)
class Silence(Ask[str]):
    pass


@dataclass(frozen=True, slots=True)
class WhereAmI(Ask[tuple[int, int]]):
    pass


class Worker(Actor):
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def receive(self, message: object) -> None:
        match message:
            case Pipe(begin, expect_errors):
                self.ctx.pipe(
                    begin(),
                    lambda result: ("done", result),
                    (lambda error: ("failed", type(error).__name__)) if expect_errors else None,
                )
            case Echo(text):
                self.ctx.reply(text)
            case Silence():
                self.ctx.reply_token()
            case WhereAmI():
                token = self.ctx.reply_token()
                self.ctx.pipe(
                    self.ctx.execute(threading.get_ident),
                    lambda thread: ("answer", token, (thread, threading.get_ident())),
                )
            case ("answer", token, value):
                token.reply(value)
            case _:
                self.heard.append(message)


async def slowly(value: int) -> int:
    await asyncio.sleep(1)
    return value


async def failing() -> None:
    raise OSError(5, "input/output error")


def exiting() -> None:
    raise SystemExit(3)
