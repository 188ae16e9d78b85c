"""The seam between a host and whatever carries its batches: a simulation, Ray, or what may come.

A transport belongs to one process of one host. It promises little, so that much can keep the promise:

- a batch arrives **at most once per call** of ``send``, whole and unchanged, or not at all;
- ``send`` returns when the batch has been *handled* by the inbox of whichever process has the name of the
  host hen, with what the inbox said: whether the batch is taken care of. That is all the back-pressure
  there s: a link has one batch on its way and no more;
- ``send`` raises :class:`~runtime.errors.HostUnreachable` when that did not happen, or when nobody knows
  whether t did. It may also hang, and is cancelled in the end. A batch may arrive after its call has failed
  or was ancelled: late ones are told from new ones by their header;
- batches of two calls that overlap may arrive in either order.

Order, no batch twice, and the fencing of former processes are made of numbers (:mod:`runtime.cluster.link`)
and not expected of a transport. Who may speak to a host is a transport's business.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

#: Takes a batch that has arrived, on the thread of the host's event loop, and returns whether it is taken
#: care of. It never raises.
Inbox: TypeAlias = Callable[[bytes], bool]


class Transport(Protocol):
    """What carries batches from one process to the others."""

    @property
    def host(self) -> str:
        """The name of this host. At any time the batches to one name go to one process."""
        ...

    @property
    def incarnation(self) -> int:
        """Which process of this host it is. A later one has a greater number."""
        ...

    def listen(self, inbox: Inbox) -> None:
        """Hand batches that arrive to ``inbox`` from now on. What came earlier was refused."""
        ...

    async def send(self, host: str, batch: bytes) -> bool:
        """Bring a batch to a host; return whether it is taken care of there.

        :raises HostUnreachable: it was not handled there, or nobody knows whether it was.
        """
        ...

    async def close(self) -> None:
        """Take no more batches, and refuse those that arrive."""
        ...
