"""The port to the machines of a cluster: which there are, and the processes of hosts on them.

It is all that a program needs in order to keep its hosts running, whatever the cluster is made of. Every call
may take long, or hang; whoever calls puts a bound on it. Nothing here says which host there should be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Machine:
    """One living machine."""

    #: Unique in the cluster, and the same for as long as the machine lives.
    name: str
    #: The addresses of its interfaces, in their canonical text form. Loopback need not be among them.
    addresses: frozenset[str]
    cores: int
    #: Memory that is free, in bytes.
    free_bytes: int


@dataclass(frozen=True, slots=True)
class HostProcess:
    """One process of a host, which answers."""

    host: str
    machine: str
    pid: int
    #: Which process of the host it is. A later one has a greater number.
    incarnation: int
    #: What it is made of, in words: the versions of the language and of what carries the cluster.
    versions: str
    #: How often the host's process was started again since the host was started.
    restarts: int


class Machines(Protocol):
    """The machines of one cluster. A call that fails raises a :class:`~runtime.errors.RuntimeFault`."""

    async def living(self) -> tuple[Machine, ...]:
        """Return the machines that live."""
        ...

    async def start(self, host: str, machine: str | None) -> None:
        """Start the process of a host, or find the one that is there. ``None``: on any machine."""
        ...

    async def discard(self, host: str) -> None:
        """End the process of a host for good and free its name. There need not be one."""
        ...

    async def processes(self) -> tuple[HostProcess, ...]:
        """Return the processes that answer."""
        ...
