"""Delivery: at most once, in order, bounded, never silently."""

from __future__ import annotations

import asyncio
import pickle
from dataclasses import dataclass
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from runtime import Actor, Ask, Ref, ReplyToken
from runtime.deadletters import INTERVAL, LOGGED_PER_INTERVAL
from runtime.errors import ActorCrashed, ActorStopped, AskTimeout, MailboxFull, Unanswered, Undeliverable
from runtime.supervision import Supervision
from runtime.system import ActorSystem
from runtime.testing import Recorder, pass_time, run, settle

SECOND = timedelta(seconds=1)


def test_messages_of_one_sender_arrive_in_order() -> None:
    async def scenario(system: ActorSystem) -> None:
        recorder = Recorder()
        ref = system.spawn(lambda: recorder, "recorder")
        for number in range(500):
            ref.tell(number)
        await settle()
        assert recorder.messages == list(range(500))

    run(scenario)


def test_tells_offers_and_asks_of_one_sender_keep_their_order() -> None:
    async def scenario(system: ActorSystem) -> None:
        recorder = Recorder()
        ref = system.spawn(lambda: recorder, "recorder")
        ref.tell("first")
        answer = ref.ask(Question("second"), SECOND)
        ref.offer("third")
        with pytest.raises(Unanswered):
            await answer
        assert recorder.messages == ["first", Question("second"), "third"]

    run(scenario)


def test_a_full_mailbox_refuses_and_the_sender_sees_it() -> None:
    async def scenario(system: ActorSystem) -> None:
        recorder = Recorder()
        ref = system.spawn(lambda: recorder, "slow", mailbox=3)
        for number in range(3):
            ref.tell(number)
        with pytest.raises(MailboxFull) as refused:
            ref.tell(3)
        assert refused.value.capacity == 3
        assert not ref.offer(4)
        with pytest.raises(MailboxFull):
            await ref.ask(Question("5"), SECOND)
        await settle()
        assert recorder.messages == [0, 1, 2]
        (info,) = system.actors()
        assert (info.taken, info.refused, info.mailbox_highest) == (3, 3, 3)
        assert system.info().refused == 3

    run(scenario)


def test_a_message_to_nobody_is_a_dead_letter() -> None:
    async def scenario(system: ActorSystem) -> None:
        nobody = system.ref("nobody")
        nobody.tell("hello")
        assert not nobody.offer("hello")
        with pytest.raises(Undeliverable):
            await nobody.ask(Question("hello"), SECOND)
        assert system.info().dead_letters == 3

    run(scenario)


def test_dead_letters_are_logged_by_type_alone_and_at_a_limited_rate() -> None:
    async def scenario(system: ActorSystem) -> None:
        nobody = system.ref("nobody")
        for _ in range(20):
            nobody.tell("the contents")
        await pass_time(INTERVAL)
        nobody.tell("the contents")
        assert system.info().dead_letters == 21

    with capture_logs() as logs:
        run(scenario)
    letters = [entry for entry in logs if entry["event"] == "dead letter"]
    assert len(letters) == LOGGED_PER_INTERVAL + 1
    assert letters[-1]["suppressed"] == 20 - LOGGED_PER_INTERVAL
    assert all(entry["message"] == "str" and entry["receiver"] == "nobody" for entry in letters)
    assert "the contents" not in str(logs)


def test_a_question_is_answered() -> None:
    async def scenario(system: ActorSystem) -> int:
        ref = system.spawn(Doubler, "doubler")
        return await ref.ask(Double(21), SECOND)

    assert run(scenario) == 42


def test_a_question_without_an_answer_fails_at_its_deadline() -> None:
    async def scenario(system: ActorSystem) -> None:
        keeper = Keeper()
        ref = system.spawn(lambda: keeper, "keeper")
        begun = system.clock.monotonic()
        with pytest.raises(AskTimeout) as late:
            await ref.ask(Double(1), 3 * SECOND)
        assert system.clock.monotonic() - begun == 3 * SECOND
        assert (late.value.name, late.value.question) == ("keeper", "Double")
        keeper.tokens[0].reply(2)

    run(scenario)


def test_a_question_whose_deadline_has_passed_is_not_handled_any_more() -> None:
    async def scenario(system: ActorSystem) -> None:
        recorder = Slow(starts_after=5 * SECOND)
        ref = system.spawn(lambda: recorder, "slow")
        with pytest.raises(AskTimeout):
            await ref.ask(Double(1), SECOND)
        ref.tell("later")
        await pass_time(10 * SECOND)
        assert recorder.messages == ["later"]

    run(scenario)


def test_a_question_can_be_answered_later_once() -> None:
    async def scenario(system: ActorSystem) -> int:
        keeper = Keeper()
        ref = system.spawn(lambda: keeper, "keeper")
        answer = asyncio.ensure_future(ref.ask(Double(4), SECOND))
        await settle()
        keeper.tokens[0].reply(8)
        keeper.tokens[0].reply(9)
        keeper.tokens[0].fail(ValueError("too late"))
        return await answer

    assert run(scenario) == 8


def test_a_question_can_be_failed_with_any_error() -> None:
    async def scenario(system: ActorSystem) -> None:
        keeper = Keeper()
        ref = system.spawn(lambda: keeper, "keeper")
        answer = asyncio.ensure_future(ref.ask(Double(4), SECOND))
        await settle()
        keeper.tokens[0].fail(LookupError("no such thing"))
        with pytest.raises(LookupError, match="no such thing"):
            await answer

    run(scenario)


def test_a_crash_in_the_handler_fails_the_question_at_once() -> None:
    async def scenario(system: ActorSystem) -> None:
        ref = system.spawn(Doubler, "doubler")
        begun = system.clock.monotonic()
        with pytest.raises(ActorCrashed):
            await ref.ask(Double("not a number"), SECOND)
        assert system.clock.monotonic() == begun

    run(scenario)


def test_a_crash_fails_the_questions_that_wait_for_their_answers() -> None:
    async def scenario(system: ActorSystem) -> None:
        ref = system.spawn(Keeper, "keeper", supervision=Supervision(initial=SECOND))
        answer = asyncio.ensure_future(ref.ask(Double(4), timedelta(hours=1)))
        await settle()
        system.crash(ref, ValueError())
        with pytest.raises(ActorCrashed, match="ValueError"):
            await answer

    run(scenario)


def test_stopping_fails_the_questions_that_wait_for_their_answers() -> None:
    async def scenario(system: ActorSystem) -> None:
        ref = system.spawn(Keeper, "keeper")
        answer = asyncio.ensure_future(ref.ask(Double(4), timedelta(hours=1)))
        await settle()
        await system.stop_actor(ref)
        with pytest.raises(ActorStopped):
            await answer

    run(scenario)


def test_answering_twice_or_without_a_question_is_a_mistake() -> None:
    async def scenario(system: ActorSystem) -> None:
        actor = Twice()
        ref = system.spawn(lambda: actor, "twice")
        assert await ref.ask(Double(3), SECOND) == 3
        ref.tell("no question")
        await settle()
        assert actor.complaints == 2

    run(scenario)


def test_an_actor_does_not_keep_the_others_from_their_turn() -> None:
    async def scenario(system: ActorSystem) -> None:
        order: list[str] = []
        busy = system.spawn(lambda: Writer(order), "busy")
        other = system.spawn(lambda: Writer(order), "other")
        for _ in range(900):
            busy.tell("busy")
        other.tell("other")
        await settle()
        assert order.index("other") < 100
        assert len(order) == 901

    run(scenario)


def test_the_loop_has_its_chance_between_messages() -> None:
    async def scenario(system: ActorSystem) -> int:
        endless = Endless()
        system.spawn(lambda: endless, "endless").tell("go")
        await settle()
        return endless.count

    assert run(scenario) > 0


def test_a_reference_is_its_name() -> None:
    async def scenario(system: ActorSystem) -> None:
        ref = system.spawn(Recorder, "one")
        assert ref == system.ref("one")
        assert hash(ref) == hash(system.ref("one"))
        assert ref != system.ref("two")
        assert repr(ref) == "Ref('one')"
        with pytest.raises(TypeError, match="name"):
            pickle.dumps(ref)

    run(scenario)


def test_a_reference_outlives_its_actor_and_finds_the_next_of_that_name() -> None:
    async def scenario(system: ActorSystem) -> None:
        ref = system.spawn(Recorder, "name")
        await system.stop_actor(ref)
        recorder = Recorder()
        system.spawn(lambda: recorder, "name")
        ref.tell("still good")
        await settle()
        assert recorder.messages == ["still good"]

    run(scenario)


@dataclass(frozen=True, slots=True)
class Question(Ask[str]):
    text: str


@dataclass(frozen=True, slots=True)
class Double(Ask[int]):
    number: object


class Doubler(Actor):
    def receive(self, message: object) -> None:
        assert isinstance(message, Double)
        assert isinstance(message.number, int)
        self.ctx.reply(2 * message.number)


class Keeper(Actor):
    def __init__(self) -> None:
        self.tokens: list[ReplyToken] = []

    def receive(self, _message: object) -> None:
        self.tokens.append(self.ctx.reply_token())


class Slow(Recorder):
    def __init__(self, starts_after: timedelta) -> None:
        super().__init__()
        self.delay = starts_after

    async def started(self) -> None:
        await asyncio.sleep(self.delay.total_seconds())


class Twice(Actor):
    def __init__(self) -> None:
        self.complaints = 0

    def receive(self, message: object) -> None:
        if isinstance(message, Double):
            self.ctx.reply(message.number)
        try:
            self.ctx.reply(message)
        except RuntimeError:
            self.complaints += 1


class Writer(Actor):
    def __init__(self, order: list[str]) -> None:
        self.order = order

    def receive(self, message: object) -> None:
        self.order.append(str(message))


class Endless(Actor):
    count = 0

    def receive(self, message: object) -> None:
        self.count += 1
        self.me().tell(message)

    def me(self) -> Ref:
        return self.ctx.ref
