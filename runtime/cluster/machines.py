"""The port to whatever runs the processes of hosts: which machines there are, and who starts hosts on them.

A *machine* is where processes run; a *host* is one of them, with a name that outlives it. Calls take as long
as they take and no longer than a bound of whoever implements this. Each may raise a
:class:`~runtime.errors.RuntimeFault`: then nobody knows at the moment, and the caller asks again later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that lives."""

    name: str
    #: What of its own it can be reached at, loopback included, each in its normal form.
    addresses: frozenset[str]
    cores: int
    #: Memory that nobody uses.
    free_bytes: int


@dataclass(frozen=True, slots=True)
class HostProcess:
    """The process of a host, as it describes itself."""

    host: str
    machine: str
    pid: int
    #: Which process of the host it is; 0 before it knows.
    incarnation: int
    #: Of what it runs on, for people.
    versions: str
    #: How often its process was replaced.
    restarts: int


class Machines(Protocol):
    """See the module."""

    async def living(self) -> tuple[Machine, ...]:
        """Return the machines that live, in order of their names."""
        ...

    async def start(self, host: str, machine: str | None) -> None:
        """Start the process of a host, or find it; on ``machine`` alone, or anywhere."""
        ...

    async def discard(self, host: str) -> None:
        """End a host for good and free its name. One that is not there is discarded already."""
        ...

    async def processes(self) -> tuple[HostProcess, ...]:
        """Return the processes of those hosts that answer, in order of their names."""
        ...
