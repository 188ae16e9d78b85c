"""What runs on every host of a cluster under test: actors that do what they are told, and say what they
heard.

A module of its own, because hosts are other processes where Ray runs them, and import it by its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from runtime import Actor, Ask, Ref, Supervision, Terminated
from runtime.cluster.codec import Registry
from runtime.cluster.host import Host
from runtime.cluster.linkage import LinkTimes
from runtime.cluster.program import Program
from runtime.errors import MailboxFull, RuntimeFault
from runtime.message import LocalOnly
from runtime.system import ActorSystem


@dataclass(frozen=True, slots=True)
class Numbered:
    """A message that can be told from all others."""

    sender: str
    number: int


@dataclass(frozen=True, slots=True)
class Heard(Ask[tuple[Any, ...]]):
    """What an actor has been told so far."""


@dataclass(frozen=True, slots=True)
class Echoed(Ask[Any]):
    """Answered with what it holds."""

    value: Any


@dataclass(frozen=True, slots=True)
class Unanswerable(Ask[None]):
    """Never answered, though its answerer means to."""


@dataclass(frozen=True, slots=True)
class Ignored(Ask[None]):
    """Not answered, by mistake."""


@dataclass(frozen=True, slots=True)
class Fail(Ask[None]):
    """Answered with an error."""

    kind: str


@dataclass(frozen=True, slots=True)
class End:
    """Leave."""


@dataclass(frozen=True, slots=True)
class Crash:
    """Crash."""


@dataclass(frozen=True, slots=True)
class TellMany(Ask[int]):
    """Tell an actor so many messages; answered with how many were taken before one was refused."""

    name: str
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class OfferMany(Ask[int]):
    """Offer an actor so many messages; answered with how many were taken."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class PutTo(Ask[str]):
    """Ask an actor; what becomes of it is heard. Answered at once."""

    name: str
    question: Any
    seconds: float


@dataclass(frozen=True, slots=True)
class WatchOver(Ask[str]):
    """Watch over an actor; the news is heard. Answered at once."""

    name: str


@dataclass(frozen=True, slots=True)
class GiveSelf(Ask[str]):
    """Give an actor a reference to speak to. Answered at once."""

    name: str
    number: int


@dataclass(frozen=True, slots=True)
class AnswerTo:
    """Tell ``to`` that it was asked for."""

    to: Ref
    number: int


@dataclass(frozen=True, slots=True)
class Secretive(LocalOnly):
    """What stays where it is."""

    value: int


@dataclass(frozen=True, slots=True)
class TellSecret(Ask[bool]):
    """Try to tell an actor what may not travel."""

    name: str


class KnownError(Exception):
    """An error that travels."""


class UnknownError(Exception):
    """An error that does not."""


REGISTRY = Registry(
    *(
        Numbered,
        Heard,
        Echoed,
        Unanswerable,
        Fail,
        Ignored,
        End,
        Crash,
        TellMany,
        OfferMany,
        PutTo,
        WatchOver,
    ),
    *(GiveSelf, AnswerTo, TellSecret, KnownError),
)


class Worker(Actor):
    """Does as it is told."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.heard: list[Any] = []

    async def started(self) -> None:
        if not self.ctx.name.endswith("path"):
            self.ctx.spawn(lambda: Worker(self.host), "path")

    def receive(self, message: object) -> None:
        match message:
            case Heard():
                self.ctx.reply(tuple(self.heard))
            case Echoed(value):
                self.ctx.reply(value)
            case Unanswerable():
                self.ctx.reply_token()
            case Fail(kind):
                self.ctx.reply_token().fail(_ERRORS[kind])
            case End():
                self.ctx.stop(self.ctx.ref)
            case Crash():
                raise OSError
            case AnswerTo(to, number):
                to.tell(Numbered(self.host, number))
            case TellMany() | OfferMany() | PutTo() | WatchOver() | GiveSelf() | TellSecret():
                self.act(message)
            case Terminated(ref, ending):
                self.heard.append((ref.name, ending.value))
            case _:
                self.heard.append(message)

    def act(self, message: TellMany | OfferMany | PutTo | WatchOver | GiveSelf | TellSecret) -> None:
        to = self.system.ref(message.name)
        match message:
            case TellMany(_, first, count):
                taken = 0
                try:
                    for number in range(first, first + count):
                        to.tell(Numbered(self.host, number))
                        taken += 1
                except MailboxFull:
                    pass
                self.ctx.reply(taken)
            case OfferMany(_, count):
                self.ctx.reply(sum(to.offer(Numbered(self.host, number)) for number in range(count)))
            case PutTo(_, question, seconds):
                answer = to.ask(question, timedelta(seconds=seconds))
                self.ctx.pipe(answer, lambda value: ("answer", value), told)
                self.ctx.reply("done")
            case WatchOver():
                self.ctx.watch(to)
                self.ctx.reply("done")
            case GiveSelf(_, number):
                to.tell(AnswerTo(self.ctx.ref, number))
                self.ctx.reply("done")
            case TellSecret():
                to.tell(Secretive(7))
                self.ctx.reply(to.offer(("a tuple with", Secretive(7))))

    @property
    def system(self) -> ActorSystem:
        return self.ctx.cell.system  # type: ignore[attr-defined, no-any-return]


def told(error: Exception) -> tuple[str, str]:
    """Say what a question failed with. Texts of the runtime's own errors are always the same."""
    return (type(error).__name__, str(error) if isinstance(error, RuntimeFault) else "")


_ERRORS = {"known": KnownError(), "unknown": UnknownError("a value"), "full": MailboxFull("somebody", 3)}


def start(system: ActorSystem, host: Host, _argument: str = "") -> None:
    """Start the actors of one host."""
    quick = Supervision(initial=timedelta(milliseconds=1), maximum=timedelta(milliseconds=1))
    system.spawn(lambda: Worker(host.name), "agent", mailbox=20_000)
    system.spawn(lambda: Worker(host.name), f"site.{host.name}", supervision=quick)
    system.spawn(lambda: Worker(host.name), "narrow", mailbox=10)
    host.directory.assign({f"site.{name}": name for name in ("east", "west", "north")}, version=1)


#: Longer than a busy machine may need for the work of a test that freezes a host for a moment.
PROGRAM = Program(REGISTRY, start, LinkTimes(silence=timedelta(seconds=8)))
