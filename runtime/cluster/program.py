"""What runs on the hosts of a cluster: the same program on each, found by its name, with the same argument.

A process that is started on another machine gets a few words: a module and a name in it, and the *argument*,
a text that says what this cluster is about (paths and addresses, say). Everybody who may look into the
cluster can read it, so it holds no secret. What is found under the name says which messages travel and starts
the actors of the host::

    @asynccontextmanager
    async def start(system: ActorSystem, host: Host, argument: str) -> AsyncIterator[None]:
        async with await RedisStore.open(…) as store:
            system.spawn(lambda: Agent(store), "agent")
            yield
        # Here no actor lives any more.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Final, TypeAlias

from runtime.cluster.codec import Registry
from runtime.cluster.linkage import LinkTimes

if TYPE_CHECKING:
    from runtime.cluster.host import Host
    from runtime.system import ActorSystem

#: The longest argument, in characters: it is a few settings, not what they are about.
MAX_ARGUMENT: Final = 65_536

#: What starting the actors of a host may come to: nothing more, something to wait for, or something to wait
#: for that ends with the host.
Starting: TypeAlias = "AbstractAsyncContextManager[object] | Awaitable[None] | None"


@dataclass(frozen=True, slots=True)
class Program:
    """What all hosts of a cluster run."""

    #: The messages that travel between them.
    registry: Registry
    #: Starts the actors of one host, given the argument of the cluster. Nothing of other hosts arrives before
    #: it is done. It may raise, and is called again on a new system: a store may be away, for instance. What
    #: it opens for them it closes where its context ends, which is when the actors have.
    start: Callable[[ActorSystem, Host, str], Starting]
    #: When a host that is silent is given up.
    times: LinkTimes = field(default_factory=LinkTimes)
    #: Says which process of a host this is, given the name of the host and the argument, with a greater
    #: number each time: the epoch of a store. Whoever has none relies on the clocks of the machines
    #: (decision 0110).
    incarnation: Callable[[str, str], Awaitable[int]] | None = None


@asynccontextmanager
async def running(program: Program, system: ActorSystem, host: Host, argument: str) -> AsyncIterator[None]:
    """Start the actors of a host; close what was opened for them where the block ends."""
    started = program.start(system, host, argument)
    if isinstance(started, AbstractAsyncContextManager):
        async with started:
            yield
        return
    if inspect.isawaitable(started):
        await started
    yield


def load(path: str) -> Program:
    """Return the program of the name ``module:attribute``.

    :raises ImportError: there is none.
    """
    module, _, name = path.partition(":")
    program = getattr(import_module(module), name, None) if module and name else None
    if isinstance(program, Program):
        return program
    why = f"{path} names no program of a cluster"
    raise ImportError(why)
