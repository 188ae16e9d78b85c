"""The promises of the runtime as a model that one can read: no loop, no task, no callback.

:class:`Model` is told the same as a real system, in the same order, and says what must have come of it: who
heard what in which incarnation, what was refused, for what there was nobody, how every question ended. Time
is a number.

What an actor of the model does is said by the messages that it gets. The real actors of ``test_model.py``
obey them in the same way.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, TypeAlias

from runtime import Ask, Ending, Supervision
from runtime.info import ActorState

#: No full jitter here. Every delay of a restart is the longest, so that the model can tell it, and a little
#: more than that: of two restarts at the same instant nobody promises an order.
APART: Final = 11e-6
INITIAL: Final = timedelta(seconds=0.75)
MAXIMUM: Final = timedelta(seconds=3)
WINDOW: Final = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Spec:
    """How an actor is made."""

    mailbox: int
    intensity: int | None
    escalate: bool
    slow_start: bool

    @property
    def supervision(self) -> Supervision:
        return Supervision(INITIAL, MAXIMUM, self.intensity, WINDOW, self.escalate)


@dataclass(frozen=True, slots=True)
class Note:
    number: int


@dataclass(frozen=True, slots=True)
class Blow:
    """Crash."""

    number: int


@dataclass(frozen=True, slots=True)
class Arm:
    number: int
    key: str
    delay: timedelta


@dataclass(frozen=True, slots=True)
class Disarm:
    number: int
    key: str


@dataclass(frozen=True, slots=True)
class Work:
    """Pipe something that takes so long, and then fails or not."""

    number: int
    delay: timedelta
    good: bool
    drain: bool


@dataclass(frozen=True, slots=True)
class Have:
    """Spawn a child."""

    number: int
    name: str
    spec: Spec


@dataclass(frozen=True, slots=True)
class Look:
    """Watch."""

    number: int
    name: str


@dataclass(frozen=True, slots=True)
class Pass:
    """Tell somebody else."""

    number: int
    to: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Stop yourself."""

    number: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer every question that you owe an answer."""

    number: int


@dataclass(frozen=True, slots=True)
class Question(Ask[str]):
    number: int
    #: ``now``, ``later``, ``never`` or ``crash``.
    how: str


Message: TypeAlias = Note | Blow | Arm | Disarm | Work | Have | Look | Pass | Leave | Answer | Question
#: What is heard besides messages: a timer or a piece of work by its number, or an end.
Own: TypeAlias = tuple[str, int] | tuple[str, str, Ending]


@dataclass(slots=True)
class Piece:
    """Something piped."""

    number: int
    due: float
    good: bool
    drain: bool


@dataclass(eq=False, slots=True)
class Life:
    """One actor of the model."""

    name: str
    parent: Life | None
    spec: Spec
    state: ActorState = ActorState.STARTING
    incarnation: int = 0
    #: Whether there is an instance.
    there: bool = False
    accepting: bool = True
    closing: bool = False
    crashes: list[float] = field(default_factory=list)
    total: int = 0
    taken: int = 0
    refused: int = 0
    restart_at: float | None = None
    #: With the incarnation for which alone it is, or ``None``.
    mailbox: deque[tuple[int | None, Message | Own]] = field(default_factory=deque)
    children: dict[str, Life] = field(default_factory=dict)
    timers: dict[str, tuple[float, int]] = field(default_factory=dict)
    pieces: list[Piece] = field(default_factory=list)
    owed: list[int] = field(default_factory=list)
    watchers: list[tuple[Life, int]] = field(default_factory=list)


class Crash(Exception):
    """What a message does to an actor of the model."""


class Refused(Crash):
    """An actor that is to stop wanted a child."""


class Model:
    """What must be so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.lives: dict[str, Life] = {}
        self.heard: dict[str, list[tuple[int, Message | Own]]] = {}
        self.answers: dict[int, str] = {}
        self.deadlines: dict[int, float] = {}
        self.dead_letters = self.refused = self.crashes = self.restarts = self.failures = 0
        #: Messages of others that were begun, and questions that had expired before.
        self.begun = self.expired = 0
        #: Delays so far.
        self.drawn = 0
        self._line: deque[Life] = deque()

    # --- what is done to it -----------------------------------------------------------------------

    def spawn(self, name: str, parent: Life | None, spec: Spec) -> bool:
        """Start an actor; return whether the name was free."""
        former = self.lives.get(name)
        if former is not None:
            if former.state is not ActorState.FAILED:
                return False
            self._cut(former)
        life = self.lives[name] = Life(name, parent, spec)
        if parent is not None:
            parent.children[name] = life
        self._line.append(life)
        return True

    def tell(self, name: str, message: Message) -> bool:
        """Send; return whether there was room, or nobody who could have had any."""
        life = self.lives.get(name)
        if life is None or not life.accepting:
            self.dead_letters += 1
            return True
        if len(life.mailbox) >= life.spec.mailbox:
            life.refused += 1
            self.refused += 1
            return False
        life.taken += 1
        life.mailbox.append((None, message))
        self._line.append(life)
        return True

    def ask(self, name: str, question: Question, timeout: timedelta) -> None:
        """Ask; the answer will be in :attr:`answers`."""
        letters = self.dead_letters
        if not self.tell(name, question):
            self.answers[question.number] = "MailboxFull"
        elif self.dead_letters > letters:
            self.answers[question.number] = "Undeliverable"
        else:
            self.deadlines[question.number] = self.now + timeout.total_seconds()

    def crash(self, name: str) -> None:
        """Crash an actor from outside."""
        if name in self.lives:
            self._crash(self.lives[name])

    def stop(self, name: str) -> None:
        """Ask for the end of an actor."""
        if name in self.lives:
            self._stop(self.lives[name])

    def settle(self) -> None:
        """Let everything happen that needs no time."""
        while self._line:
            self._turn(self._line.popleft())

    def pass_time(self, seconds: float) -> None:
        """Let everything happen in the order in which it is due."""
        end = self.now + seconds
        while (due := min(self._due(), default=end + 1)) <= end:
            self.now = max(self.now, due)
            self._happen(due)
            self.settle()
        self.now = end

    # --- turns --------------------------------------------------------------------------------------

    def _turn(self, life: Life) -> None:
        unheard = life.state is ActorState.STOPPING and not life.incarnation and life.mailbox
        if not life.there and (life.state is ActorState.STARTING or unheard):
            life.incarnation += 1
            life.there = True
            if life.state is ActorState.STARTING:
                life.state = ActorState.RUNNING
                self.restarts += life.incarnation > 1
        while life.there and life.mailbox:
            owner, message = life.mailbox.popleft()
            if owner not in {None, life.incarnation}:
                continue
            if isinstance(message, Question) and message.number in self.answers:
                self.expired += 1
                continue
            self.begun += owner is None
            self.heard.setdefault(life.name, []).append((life.incarnation, message))
            try:
                if not isinstance(message, tuple):
                    self._obey(life, message)
            except Refused:
                self._wipe(life, "ActorStopped")
                self._line.append(life)
            except Crash:
                self._crash(life)
        if life.state is ActorState.STOPPING:
            self._advance(life)

    def _obey(self, life: Life, message: Message) -> None:
        match message:
            case Blow():
                raise Crash
            case Arm(number, key, delay):
                if not life.closing:
                    life.timers[key] = (self.now + delay.total_seconds(), number)
            case Disarm(_, key):
                life.timers.pop(key, None)
            case Work(number, delay, good, drain):
                life.pieces.append(Piece(number, self.now + delay.total_seconds(), good, drain))
            case Have(_, name, spec):
                self._have(life, name, spec)
            case Look(_, name):
                self._look(life, name)
            case Pass(number, to):
                if not self.tell(to, Note(number)):
                    raise Crash
            case Leave():
                self._stop(life)
            case Answer():
                for number in life.owed:
                    self.answers.setdefault(number, "later")
                life.owed.clear()
            case Question():
                self._answer(life, message)
            case Note():
                pass

    def _answer(self, life: Life, question: Question) -> None:
        match question.how:
            case "now":
                self.answers[question.number] = "now"
            case "later":
                life.owed.append(question.number)
            case "never":
                self.answers[question.number] = "Unanswered"
            case _:
                self.answers[question.number] = "ActorCrashed"
                raise Crash

    def _have(self, life: Life, name: str, spec: Spec) -> None:
        if life.state is ActorState.STOPPING:
            raise Refused
        if not self.spawn(f"{life.name}/{name}", life, spec):
            raise Crash

    def _look(self, life: Life, name: str) -> None:
        watched = self.lives.get(name)
        if watched is None:
            life.mailbox.append((life.incarnation, ("terminated", name, Ending.UNKNOWN)))
        elif watched.state is ActorState.FAILED:
            life.mailbox.append((life.incarnation, ("terminated", name, Ending.FAILED)))
        elif (life, life.incarnation) not in watched.watchers:
            watched.watchers.append((life, life.incarnation))

    # --- time ---------------------------------------------------------------------------------------

    def _due(self) -> list[float]:
        due = [at for number, at in self.deadlines.items() if number not in self.answers]
        for life in self.lives.values():
            due += [at for at, _ in life.timers.values()]
            due += [piece.due for piece in life.pieces]
            if life.restart_at is not None:
                due.append(life.restart_at)
        return due

    def _happen(self, due: float) -> None:
        """Let the one thing happen that is due now."""
        for number, at in self.deadlines.items():
            if at == due and number not in self.answers:
                self.answers[number] = "AskTimeout"
        for life in list(self.lives.values()):
            if life.restart_at == due:
                life.restart_at = None
                self._restart(life)
            for key, (at, number) in list(life.timers.items()):
                if at == due:
                    del life.timers[key]
                    self._own(life, ("timer", number))
            for piece in list(life.pieces):
                if piece.due == due:
                    life.pieces.remove(piece)
                    if piece.good:
                        self._own(life, ("work", piece.number))
                    else:
                        self._crash(life)

    def _own(self, life: Life, message: Own) -> None:
        life.mailbox.append((life.incarnation, message))
        self._line.append(life)

    # --- ends ---------------------------------------------------------------------------------------

    def _wipe(self, life: Life, answer: str) -> None:
        """Take away what dies with an incarnation."""
        for number in life.owed:
            self.answers.setdefault(number, answer)
        life.there = False
        life.owed.clear()
        life.timers.clear()
        life.pieces.clear()
        life.mailbox = deque(item for item in life.mailbox if item[0] != life.incarnation)
        for other in self.lives.values():
            other.watchers = [watcher for watcher in other.watchers if watcher[0] is not life]

    def _crash(self, life: Life) -> None:
        if not life.there:
            return
        self._wipe(life, "ActorCrashed")
        life.total += 1
        self.crashes += 1
        for child in list(life.children.values()):
            self._stop(child)
        if life.state is ActorState.STOPPING:
            self._line.append(life)
            return
        life.crashes = [at for at in life.crashes if self.now - at < WINDOW.total_seconds()] + [self.now]
        number = len(life.crashes)
        if life.spec.intensity is None or number <= life.spec.intensity:
            life.state = ActorState.RESTARTING
            longest = min(MAXIMUM.total_seconds(), INITIAL.total_seconds() * 2 ** (number - 1))
            self.drawn += 1
            life.restart_at = self.now + longest + self.drawn * APART
            return
        life.state = ActorState.FAILED
        life.accepting = False
        self._bury(life)
        self.failures += 1
        self._tell_watchers(life, Ending.FAILED)
        if life.spec.escalate and life.parent is not None:
            self._crash(life.parent)

    def _restart(self, life: Life) -> None:
        if life.state is ActorState.RESTARTING and life.restart_at is None and not life.children:
            life.state = ActorState.STARTING
            self._line.append(life)

    def _stop(self, life: Life) -> None:
        life.state = ActorState.STOPPING
        life.restart_at = None
        for child in list(life.children.values()):
            self._stop(child)
        self._line.append(life)

    def _advance(self, life: Life) -> None:
        if life.children:
            return
        if life.there:
            if not life.closing:
                life.closing = True
                life.accepting = False
                life.timers.clear()
            if any(piece.drain for piece in life.pieces):
                return
        self._end(life)

    def _cut(self, life: Life) -> None:
        for child in list(life.children.values()):
            self._cut(child)
        self._end(life)

    def _end(self, life: Life) -> None:
        life.state = ActorState.STOPPED
        life.accepting = False
        self._wipe(life, "ActorStopped")
        self._bury(life)
        del self.lives[life.name]
        self._tell_watchers(life, Ending.STOPPED)
        if life.parent is not None:
            del life.parent.children[life.name]
            if life.parent.state is ActorState.STOPPING:
                self._line.append(life.parent)
            else:
                self._restart(life.parent)

    def _bury(self, life: Life) -> None:
        for owner, message in life.mailbox:
            if owner is None:
                self.dead_letters += 1
            if isinstance(message, Question):
                self.answers.setdefault(message.number, "Undeliverable")
        life.mailbox.clear()

    def _tell_watchers(self, life: Life, ending: Ending) -> None:
        for watcher, _ in life.watchers:
            self._own(watcher, ("terminated", life.name, ending))
        life.watchers = []
