"""What an actor is, and what it may do.

An actor is a plain class. It owns its state alone, handles one message at a time, and never blocks::

    class Counter(Actor):
        def __init__(self) -> None:
            self.count = 0

        def receive(self, message: object) -> None:
            match message:
                case Increment(by):
                    self.count += by
                case Read():
                    self.ctx.reply(self.count)

Whatever takes time is *piped*: the runtime awaits it, and the outcome comes back as a message. An
exception out of ``started`` or ``receive`` ends this *incarnation*: the instance, its children, timers and
pipes are gone, and after a delay the supervisor makes a new instance with the factory that was
given to ``spawn``. The mailbox survives; the message that crashed the actor does not come again.
State that must survive belongs in a store.

``docs/guides/actors.md`` teaches the rest in ten minutes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

from runtime.mailbox import MAILBOX_CAPACITY
from runtime.message import Ask
from runtime.supervision import DEFAULT_SUPERVISION, Supervision

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from runtime.clock import Clock
    from runtime.ref import Ref

__all__ = ["Actor", "ActorFactory", "Ask", "Context", "Ending", "ReplyToken", "Terminated"]

T = TypeVar("T")


class Ending(Enum):
    """How a watched actor came to its end."""

    #: It was stopped, by its parent, its system or itself.
    STOPPED = "stopped"
    #: It crashed more often than its supervision allows.
    FAILED = "failed"
    #: There was no such actor when ``watch`` was called.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Terminated:
    """The message that tells of the end of a watched actor. A restart is not an end."""

    ref: Ref
    ending: Ending


class ReplyToken(Protocol):
    """The right to answer one question later. The first answer counts; later ones do nothing."""

    def reply(self, value: object) -> None:
        """Answer with ``value``."""
        ...

    def fail(self, error: Exception) -> None:
        """Answer with an error, which is raised where the question was asked."""
        ...


class Context(Protocol):
    """What the runtime does for one incarnation of an actor; see ``self.ctx``.

    A context ends with its incarnation: from then on ``spawn``, ``set_timer``, ``pipe`` and ``watch`` raise
    :class:`~runtime.errors.ActorStopped`, and nothing it was asked for earlier happens any more.
    """

    @property
    def ref(self) -> Ref:
        """The actor's own reference. It survives restarts and may be given to anybody."""
        ...

    @property
    def name(self) -> str:
        """The full name: a path from the top-level actor, as in ``authority/hub.node0``."""
        ...

    @property
    def incarnation(self) -> int:
        """1 for the first instance, and one more for each restart."""
        ...

    @property
    def clock(self) -> Clock:
        """The only clock that an actor reads."""
        ...

    @property
    def log(self) -> FilteringBoundLogger:
        """A structlog logger that is bound to the actor's name and incarnation."""
        ...

    def spawn(
        self,
        factory: ActorFactory,
        name: str,
        *,
        supervision: Supervision = DEFAULT_SUPERVISION,
        mailbox: int = MAILBOX_CAPACITY,
    ) -> Ref:
        """Start a child, named ``<this actor>/<name>``. It ends with this incarnation at the latest.

        ``factory`` is called for the first instance and for each restart. Messages may be sent at once;
        they wait until the child's ``started`` is done.

        :raises NameTaken: a living child has that name; one that has failed for good is replaced.
        :raises ValueError: the name is empty or contains ``/``.
        """
        ...

    def stop(self, ref: Ref) -> None:
        """Ask for the graceful end of an actor: a child, or this actor itself."""
        ...

    def watch(self, ref: Ref) -> None:
        """Ask for one :class:`Terminated` message when that actor has ended."""
        ...

    def set_timer(self, key: Hashable, delay: timedelta, message: object) -> None:
        """Deliver ``message`` to this actor after ``delay``. Arming a key again replaces its timer.

        After ``set_timer`` or ``cancel_timer`` the former message of that key never arrives, not even
        if it was due already. A delay of zero or less is due at once.
        """
        ...

    def cancel_timer(self, key: Hashable) -> None:
        """Forget the timer of that key. There need not be one."""
        ...

    def reply(self, value: object) -> None:
        """Answer the :class:`Ask` that is being handled.

        :raises RuntimeError: no question is being handled, or it has been answered already.
        """
        ...

    def reply_token(self) -> ReplyToken:
        """Take the right to answer the :class:`Ask` that is being handled, for later.

        If the incarnation ends first, the question fails with ``ActorCrashed`` or ``ActorStopped``.

        :raises RuntimeError: no question is being handled, or it has been answered already.
        """
        ...

    def pipe(
        self,
        awaitable: Awaitable[T],
        to_message: Callable[[T], object],
        on_error: Callable[[Exception], object] | None = None,
        *,
        drain: bool = True,
    ) -> None:
        """Await something on behalf of this incarnation; its outcome comes back as a message.

        ``to_message`` and ``on_error`` make the message; they run when it is this actor's turn. Without
        ``on_error`` a failure crashes the actor. The end of the incarnation cancels the awaitable.
        A graceful stop waits for it, unless ``drain`` is false (something that may take for ever).
        """
        ...

    def execute(self, function: Callable[..., T], *args: object) -> Awaitable[T]:
        """Run a function that computes for long on the system's bounded executor; pipe the result.

        The function runs on another thread: give it values, never the actor's own state. If too
        much work is queued the awaitable raises :class:`~runtime.errors.LimitReached`.
        """
        ...

    def defer(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` when this incarnation ends, in whichever way; the latest first.

        This is how an actor gives back what it holds outside the runtime::

            self.endpoint = self.wire.open(...)
            self.ctx.defer(self.endpoint.close)
        """
        ...


class Actor:
    """The base of every actor. Override what is needed; ``__init__`` is yours."""

    #: Set by the runtime before ``started`` is called. It is not there in ``__init__``.
    ctx: Context

    async def started(self) -> None:
        """Prepare: read the store, open wires, spawn children. Messages wait until this is done."""

    def receive(self, message: object) -> None:
        """Handle one message: decide, act, return. Never block, and never await."""
        raise NotImplementedError

    async def stopping(self) -> None:
        """Take leave, within the deadline of a graceful stop, after the last message.

        After a crash there is no leave to take: what must always be given back belongs in
        :meth:`Context.defer`.
        """


#: Makes a fresh instance. Called without arguments, once per incarnation.
ActorFactory: TypeAlias = Callable[[], Actor]
