"""What runs on the hosts of a cluster: the same program on each, found by its name.

A process that is started on another machine gets two words, a module and a name in it. What it finds there
says which messages travel and starts the actors of its host.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING

from runtime.cluster.codec import Registry
from runtime.cluster.linkage import LinkTimes

if TYPE_CHECKING:
    from runtime.cluster.host import Host
    from runtime.system import ActorSystem


@dataclass(frozen=True, slots=True)
class Program:
    """What all hosts of a cluster run."""

    #: The messages that travel between them.
    registry: Registry
    #: Starts the actors of one host. Nothing of other hosts arrives before it is done.
    start: Callable[[ActorSystem, Host], Awaitable[None] | None]
    #: When a host that is silent is given up.
    times: LinkTimes = field(default_factory=LinkTimes)


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
