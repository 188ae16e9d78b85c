"""Random trees of actors under random misfortune do exactly what the model of the promises says."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Final

import pytest
import structlog
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from runtime import Actor, ReplyToken, Terminated
from runtime.backends.virtual import VirtualClock, VirtualTimeLoop
from runtime.errors import MailboxFull, NameTaken
from runtime.events import Crashed, Failed, Restarted, RuntimeEvent
from runtime.executor import InlineExecutor
from runtime.info import ActorState
from runtime.system import ActorSystem
from runtime.testing import settle
from tests.runtime.reference import (
    APART,
    Answer,
    Arm,
    Blow,
    Disarm,
    Have,
    Leave,
    Look,
    Message,
    Model,
    Note,
    Own,
    Pass,
    Question,
    Spec,
    Work,
)

TOP: Final = ("x", "y")
CHILDREN: Final = ("a", "b")
#: Two generations below the top, and one name that nobody ever has.
NAMES: Final = (
    *TOP,
    *(f"{top}/{child}" for top in TOP for child in CHILDREN),
    *(f"{top}/{child}/{grandchild}" for top in TOP for child in CHILDREN for grandchild in CHILDREN),
    "nobody",
)
#: Work of an actor and of its children, one after the other, is done within the deadline of a stop.
LONGEST_WORK: Final = 3

#: Mostly one that is there, whoever that may be then.
whom = st.integers(0, 99)
specs = st.builds(
    Spec,
    mailbox=st.sampled_from([1, 4, 8, 8]),
    intensity=st.sampled_from([None, 0, 1, 3]),
    escalate=st.booleans(),
    slow_start=st.booleans(),
)
#: Messages without their numbers, and without the instants that have to differ from all others.
drafts = st.one_of(
    st.tuples(st.just(Note)),
    st.tuples(st.just(Blow)),
    st.tuples(st.just(Arm), st.sampled_from("kl"), st.integers(1, 8)),
    st.tuples(st.just(Disarm), st.sampled_from("kl")),
    st.tuples(st.just(Work), st.integers(0, LONGEST_WORK - 1), st.booleans(), st.booleans()),
    st.tuples(st.just(Have), st.sampled_from(CHILDREN), specs),
    st.tuples(st.just(Look), whom),
    st.tuples(st.just(Pass), whom),
    st.tuples(st.just(Leave)),
    st.tuples(st.just(Answer)),
    st.tuples(st.just(Question), st.sampled_from(["now", "later", "never", "crash"])),
)

HARDY: Final = Spec(mailbox=8, intensity=None, escalate=False, slow_start=False)


class RuntimeMachine(RuleBasedStateMachine):
    """A real system in virtual time, and the model beside it."""

    def __init__(self) -> None:
        super().__init__()
        structlog.configure(processors=[_drop])
        self.loop = VirtualTimeLoop()
        self.faults: list[dict[str, object]] = []
        self.loop.set_exception_handler(lambda _loop, context: self.faults.append(context))
        self.model = Model()
        self.world = World()
        self.number = 0
        self.sent = 0
        self.events: list[RuntimeEvent] = []
        self.system = ActorSystem(
            clock=VirtualClock(self.loop),
            executor=InlineExecutor(),
            random=Latest(),
            observer=self.events.append,
        )
        self.loop.run_until_complete(self.system.__aenter__())

    @initialize(spec=specs)
    def one_is_there(self, spec: Spec) -> None:
        self.top(TOP[0], spec)

    @rule(name=st.sampled_from(TOP), spec=specs)
    def top(self, name: str, spec: Spec) -> None:
        """Somebody starts an actor at the top."""
        if self.model.spawn(name, None, spec):
            spawn(self.system, self.world, name, spec)
        else:
            with pytest.raises(NameTaken):
                spawn(self.system, self.world, name, spec)
        self.settle()

    @rule(who=whom, drafts=st.lists(drafts, min_size=2, max_size=8))
    def messages(self, who: int, drafts: list[tuple[object, ...]]) -> None:
        """Somebody sends messages faster than they are handled."""
        name = self.named(who)
        for draft in drafts:
            self.send(name, self.written(draft))
        self.settle()

    @rule(who=whom, child=st.sampled_from(CHILDREN), spec=specs, watcher=whom)
    def family(self, who: int, child: str, spec: Spec, watcher: int) -> None:
        """An actor has a child, and another one watches this one."""
        name = self.named(who)
        self.send(name, self.written((Have, child, spec)))
        self.settle()
        self.number += 1
        self.send(self.named(watcher), Look(self.number, f"{name}/{child}"))
        self.settle()

    @rule(who=whom, how=st.sampled_from(["crash", "crashes", "stop"]))
    def misfortune(self, who: int, how: str) -> None:
        """An actor crashes between two messages or with them, or somebody asks for its end."""
        name = self.named(who)
        match how:
            case "crash":
                self.model.crash(name)
                self.system.crash(self.system.ref(name), ConnectionError())
            case "stop":
                self.model.stop(name)
                self.system.request_stop(self.system.ref(name))
            case _:
                for _ in range(4):
                    self.send(name, self.written((Blow,)))
        self.settle()

    @rule(seconds=st.integers(1, 12))
    def time(self, seconds: int) -> None:
        """Time passes."""
        self.model.pass_time(seconds)
        self.loop.run_until_complete(asyncio.sleep(seconds))
        self.settle()

    @invariant()
    def everybody_heard_what_the_model_says(self) -> None:
        assert self.world.heard == self.model.heard
        assert self.faults == []

    @invariant()
    def every_question_ended_as_the_model_says(self) -> None:
        assert self.world.answers == self.model.answers

    @invariant()
    def every_actor_is_where_the_model_says(self) -> None:
        found = {
            info.name: (
                info.state, info.incarnation, info.crashes, info.mailbox_depth,
                info.timers, info.pipes, info.taken, info.refused,
            )
            for info in self.system.actors()
        }  # fmt: skip
        assert found == {
            life.name: (
                life.state, life.incarnation, life.total, len(life.mailbox),
                len(life.timers), len(life.pieces), life.taken, life.refused,
            )
            for life in self.model.lives.values()
        }  # fmt: skip

    @invariant()
    def exactly_those_alarms_are_armed_that_somebody_still_wants(self) -> None:
        lives, model = self.model.lives.values(), self.model
        timers = sum(len(life.timers) + (life.restart_at is not None) for life in lives)
        stopping = sum(life.state is ActorState.STOPPING for life in lives)
        questions = sum(number not in model.answers for number in model.deadlines)
        assert len(self.system.timers) == timers + stopping + questions

    @invariant()
    def nothing_is_lost_without_a_counter(self) -> None:
        info = self.system.info()
        waiting = sum(owner is None for life in self.model.lives.values() for owner, _ in life.mailbox)
        begun = sum(
            not isinstance(message, tuple) for heard in self.world.heard.values() for _, message in heard
        )
        sent = self.sent + self.world.passed
        assert sent == begun + info.dead_letters + info.refused + waiting + self.model.expired

    @invariant()
    def the_totals_are_those_of_the_model_and_the_observer_was_told(self) -> None:
        info, model = self.system.info(), self.model
        assert (info.dead_letters, info.refused) == (model.dead_letters, model.refused)
        assert (info.crashes, info.restarts, info.failures) == (model.crashes, model.restarts, model.failures)
        told = Counter(type(event) for event in self.events)
        assert (told[Crashed] + told[Failed], told[Restarted], told[Failed]) == (
            info.crashes,
            info.restarts,
            info.failures,
        )

    @invariant()
    def nothing_is_heard_twice_and_each_sender_in_its_order(self) -> None:
        for heard in self.world.heard.values():
            numbers = [message.number for _, message in heard if not isinstance(message, tuple | Note)]
            assert numbers == sorted(set(numbers))

    def teardown(self) -> None:
        """Stop everything: nothing is left, and every question has its end."""
        self.loop.run_until_complete(self.system.stop(timedelta(seconds=self.number % 2 * 60)))
        self.loop.run_until_complete(settle())
        assert self.system.actors() == ()
        assert len(self.system.timers) == 0
        assert asyncio.all_tasks(self.loop) == set()
        assert self.world.asked == self.world.answers.keys()
        assert self.faults == []
        self.loop.close()

    # --- how ------------------------------------------------------------------------------------------

    def settle(self) -> None:
        self.model.settle()
        self.loop.run_until_complete(settle())

    def named(self, who: int) -> str:
        """Return the name of somebody: for nine draws of ten of one that is there, the latest rather."""
        if not self.model.lives:
            self.top(TOP[0], HARDY)
        names = NAMES if who % 10 == 9 else tuple(reversed(self.model.lives))
        return names[who % len(names)]

    def written(self, draft: tuple[object, ...]) -> Message:
        """Give a message its number, and its instant a fraction that no other has."""
        self.number += 1
        message: Message
        fraction = timedelta(microseconds=7 * self.number)
        match draft:
            case (kind, str(key), int(seconds)) if kind is Arm:
                return Arm(self.number, key, timedelta(seconds=seconds) + fraction)
            case (kind, int(seconds), bool(good), bool(drain)) if kind is Work:
                return Work(self.number, timedelta(seconds=seconds) + fraction, good, drain)
            case (kind, int(who)) if kind in (Look, Pass):
                message = kind(self.number, self.named(who))
                return message
            case (kind, *rest):
                message = kind(self.number, *rest)  # type: ignore[operator]
                return message
        raise AssertionError(draft)

    def send(self, name: str, message: Message) -> None:
        """Tell, offer or ask, the model and the real one."""
        self.sent += 1
        ref = self.system.ref(name)
        if isinstance(message, Question):
            timeout = timedelta(seconds=message.number % 7, microseconds=7 * message.number + 3)
            self.model.ask(name, message, timeout)
            self.world.ask(ref.ask(message, timeout), message.number)  # type: ignore[arg-type]
        elif self.model.tell(name, message):
            ref.tell(message)
        elif message.number % 2:
            assert not ref.offer(message)
        else:
            with pytest.raises(MailboxFull):
                ref.tell(message)


# --- helpers --------------------------------------------------------------------------------------


@dataclass
class World:
    """What the real actors have heard and done."""

    heard: dict[str, list[tuple[int, Message | Own]]] = field(default_factory=dict)
    answers: dict[int, str] = field(default_factory=dict)
    asked: set[int] = field(default_factory=set)
    #: Messages that actors have sent.
    passed: int = 0

    def ask(self, answer: asyncio.Future[str], number: int) -> None:
        """Take note of the answer when it is there."""
        self.asked.add(number)
        answer.add_done_callback(lambda done: self._answered(done, number))

    def _answered(self, answer: asyncio.Future[str], number: int) -> None:
        error = answer.exception()
        self.answers[number] = answer.result() if error is None else type(error).__name__


class Agent(Actor):
    """Obeys its messages as the actors of the model do."""

    def __init__(self, system: ActorSystem, world: World, spec: Spec) -> None:
        self.system = system
        self.world = world
        self.spec = spec
        self.owed: list[ReplyToken] = []

    async def started(self) -> None:
        if self.spec.slow_start:
            await asyncio.sleep(0)

    def receive(self, message: object) -> None:
        self.world.heard.setdefault(self.ctx.name, []).append((self.ctx.incarnation, _heard(message)))
        match message:
            case Blow() | Question(_, "crash"):
                raise ValueError
            case Arm(number, key, delay):
                self.ctx.set_timer(key, delay, ("timer", number))
            case Disarm(_, key):
                self.ctx.cancel_timer(key)
            case Work(number, delay, good, drain):
                self.ctx.pipe(_work(delay, good=good), lambda _done: ("work", number), drain=drain)
            case Have(_, name, spec):
                factory = lambda: Agent(self.system, self.world, spec)  # noqa: E731 - what the factory is
                self.ctx.spawn(factory, name, supervision=spec.supervision, mailbox=spec.mailbox)
            case Look(_, name):
                self.ctx.watch(self.system.ref(name))
            case Pass(number, to):
                self.world.passed += 1
                self.system.ref(to).tell(Note(number))
            case Leave():
                self.ctx.stop(self.ctx.ref)
            case Answer():
                for token in self.owed:
                    token.reply("later")
                self.owed.clear()
            case Question(_, "now"):
                self.ctx.reply("now")
            case Question(_, "later"):
                self.owed.append(self.ctx.reply_token())


class Latest(Random):
    """Draws the latest of all instants, as the model does."""

    drawn = 0

    def uniform(self, a: float, b: float) -> float:  # noqa: ARG002 - the signature of Random
        self.drawn += 1
        return b + self.drawn * APART


def spawn(system: ActorSystem, world: World, name: str, spec: Spec) -> None:
    system.spawn(lambda: Agent(system, world, spec), name, supervision=spec.supervision, mailbox=spec.mailbox)


async def _work(delay: timedelta, *, good: bool) -> None:
    await asyncio.sleep(delay.total_seconds())
    if not good:
        raise ConnectionError


def _heard(message: object) -> Message | Own:
    if isinstance(message, Terminated):
        return ("terminated", message.ref.name, message.ending)
    return message  # type: ignore[return-value]


def _drop(_logger: object, _method: str, _event: object) -> str:
    raise structlog.DropEvent


TestRuntime = RuntimeMachine.TestCase
if settings.get_current_profile_name() != "long":
    # The same examples each time; `make fuzz` looks for others.
    TestRuntime.settings = settings(derandomize=True, max_examples=200, stateful_step_count=40)
