"""Actor systems side by side: who can be measured, and the work that each is given.

Every contender does the same three things, each with what it offers for it and as fast as it can:

* ``ring``: some actors pass tokens on, each to the same next one. With two actors and one token it is a
  ping-pong; with ten thousand in random order and a thousand tokens, a busy crowd;
* ``stream``: one actor sends to another, :data:`WINDOW` messages for each word that the other is ready;
* ``ask``: questions from outside, a number of them at a time, each awaited.

And ``idle`` makes actors that do nothing. The floors stand beside them: the same work with nothing that an
actor needs, neither names nor bounds nor supervision.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib import import_module
from random import Random
from typing import Final, Protocol, TypeAlias

#: Does so many units of work: messages that are handled, or questions that are answered.
Work: TypeAlias = Callable[[int], Awaitable[None]]
Prepared: TypeAlias = AbstractAsyncContextManager[Work]

#: Messages that a stream has in flight; half of what a mailbox of ours takes.
WINDOW: Final = 500
#: Which contender is in which module, ours first. A module whose library is missing is a row that says so.
MODULES: Final = {
    "peerkey": "benchmarks.contenders.ours",
    "pykka": "benchmarks.contenders.threads",
    "xoscar": "benchmarks.contenders.coroutines",
    "floor: deque": "benchmarks.contenders.bare_queue",
    "floor: call_soon": "benchmarks.contenders.bare_loop",
}
OURS: Final = "peerkey"


class Contender(Protocol):
    """One actor system, or what stands in its place."""

    def ring(self, actors: int, tokens: int) -> Prepared:
        """Prepare a ring; its work is so many hops, of all tokens together."""
        ...

    def stream(self) -> Prepared:
        """Prepare a stream; its work is so many messages, a multiple of :data:`WINDOW`."""
        ...

    def ask(self, at_once: int) -> Prepared:
        """Prepare one actor that answers; its work is so many questions, a multiple of ``at_once``."""
        ...

    def idle(self, actors: int) -> AbstractAsyncContextManager[int]:
        """Make actors that do nothing; enter with how many there are once each is ready for a message."""
        ...


@dataclass(frozen=True, slots=True)
class Missing:
    """A contender that cannot be measured here."""

    why: str


def contender(name: str) -> Contender | Missing:
    """Return a contender by its name."""
    try:
        found: Contender = import_module(MODULES[name]).CONTENDER
    except ImportError as error:
        return Missing(f"not installed: {error.name}")
    return found


def order(actors: int) -> list[int]:
    """Return the order of a ring: for each actor the next, all of them one cycle, neighbours far apart."""
    visited = list(range(actors))
    Random(actors).shuffle(visited)
    following = [0] * actors
    for here, there in zip(visited, visited[1:] + visited[:1], strict=True):
        following[here] = there
    return following
