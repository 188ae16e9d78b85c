"""Sees what every machine was given, keeps and knows of revocations: what is never forgotten, from outside.

Four rules, none of which asks the CRL manager what it thinks:

- **Never forgotten.** Once a node has used a list that names a certificate, it is revoked there until the
  node was given an authentic, newer list that does not name it: across crashes, restarts, lies and stale
  lists. A process that dies takes along only what its disk refused to keep: the list, or the master list.
- **In time.** Where nothing has gone wrong for a while, a node knows what the CA says: after a polling
  interval, which chance only shortens, and a few minutes. So a revocation arrives, and so does a release.
- **No innocent.** Nothing is revoked that no list has named that this node was given.
- Whether a peering then goes, or its alarm stands, the rules for certificates say, as for any bad one
  (:mod:`peerkey_cli.simulation.watched`): "noticed without traffic".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from actors.crl.known import KnownRevocations
    from peerkey_cli.simulation.list_authority import ListAuthority, PublishedList
    from peerkey_cli.simulation.list_machine import ListDisk

#: What may come on top of a polling interval: a fetch that is given up, an actor that is started again, the
#: patience of the index, a write, a wait for the executor.
SLACK: Final = timedelta(minutes=5)
#: Whether everybody knows what the CA says is asked so often.
_ASK_EVERY: Final = timedelta(seconds=30)


@dataclass(slots=True)
class Memory:
    """What one node cannot have forgotten."""

    node: str
    disk: ListDisk
    #: Longest time between two polls.
    polling: timedelta
    #: Whether its clock is right, by which lists are judged.
    clock_right: Callable[[], bool]
    #: The lists that it was given, by their numbers.
    given: set[int] = field(default_factory=set)
    #: What it has used: serial numbers, each with a list that named it.
    used: dict[int, int] = field(default_factory=dict)
    #: What its process knows; ``None`` while none runs, or before it has read what it kept.
    known: KnownRevocations | None = None
    #: Of it, the generation that was looked at last.
    generation: int = -1
    #: Since when the process runs.
    since: timedelta = timedelta(0)


class ListWatch:
    """See the module."""

    def __init__(self, authority: ListAuthority, fail: Callable[[str, str], object]) -> None:
        """Tell ``fail`` of a broken rule, with the node that has broken it."""
        self._authority = authority
        self._fail = fail
        self._issuer = authority.issuer.certificate.subject.public_bytes()
        self._memories: dict[str, Memory] = {}
        self._loop = asyncio.get_running_loop()
        #: How much is going wrong now, and when something did for the last time.
        self._troubles = 0
        self._quiet_since = timedelta(0)
        self._ask_at = timedelta(0)

    def over(self, node: str, disk: ListDisk, polling: timedelta, clock_right: Callable[[], bool]) -> None:
        """Watch a node that polls so often; what it should know in time it knows while its clock is right."""
        self._memories[node] = Memory(node, disk, polling, clock_right)

    # --- what is told -----------------------------------------------------------------------------

    @contextmanager
    def trouble(self) -> Iterator[None]:
        """Expect nothing to be in time meanwhile, nor for a while afterwards."""
        self._troubles += 1
        try:
            yield
        finally:
            self._troubles -= 1
            self._quiet_since = self._now()

    def given(self, node: str, published: PublishedList) -> None:
        """See a node being given an authentic list, which need not be the newest."""
        self._memories[node].given.add(published.number)

    def begun(self, node: str, known: KnownRevocations) -> None:
        """See a process begin, which knows nothing before it has read what it kept."""
        memory = self._memories[node]
        memory.known, memory.generation, memory.since = known, -1, self._now()

    def ended(self, node: str) -> None:
        """See a process end, however it does: what its disk has not kept is excused."""
        memory = self._memories[node]
        if memory.known is None:
            return
        self.look(node, serving=True)
        memory.known = None
        master = memory.disk.read()
        numbers = [self._authority.numbers.get(digest, 0) for digest in memory.disk.has_kept()]
        kept = frozenset[int]().union(*(self._authority.said.get(number, ()) for number in numbers))
        memory.used = {
            serial: number
            for serial, number in memory.used.items()
            if serial in kept and master is not None and master.lookup(self._issuer, serial) is not None
        }

    def lost(self, node: str) -> None:
        """See a node lose its disk, and with it all that it knew."""
        self._memories[node].used.clear()

    # --- looking ----------------------------------------------------------------------------------

    def look(self, node: str, *, serving: bool) -> None:
        """Look what a node knows now, if that has changed and it is ``serving``: if it may judge by that."""
        memory = self._memories[node]
        known = memory.known
        if known is None or known.generation == memory.generation or not serving:
            return
        memory.generation = known.generation
        for serial in self._authority.changed:
            self._look_at(memory, serial, revoked=self._knows(memory, serial))
        if known.total > len(self._authority.changed):
            self._fail(node, f"{known.total} certificates are revoked, and so many were never named")

    def ask(self) -> None:
        """Ask, once in a while, whether every node knows what the CA says, where it has had the time."""
        now = self._now()
        if now < self._ask_at:
            return
        self._ask_at = now + _ASK_EVERY
        if self._troubles:
            return
        for memory in self._memories.values():
            if memory.known is None or not memory.clock_right():
                continue
            longest = memory.polling + SLACK
            if now - max(self._quiet_since, memory.since) <= longest:
                continue
            for serial, changed in self._authority.changed.items():
                named = serial in self._authority.names
                if now - changed > longest and self._knows(memory, serial) is not named:
                    said = "revoked" if named else "released"
                    self._fail(
                        memory.node, f"certificate {serial} was {said} {now - changed} ago, and is not here"
                    )

    def knows(self, node: str) -> frozenset[int]:
        """Return the certificates that a node knows to be revoked, of all that ever were."""
        memory = self._memories[node]
        return frozenset(serial for serial in self._authority.changed if self._knows(memory, serial))

    def _look_at(self, memory: Memory, serial: int, *, revoked: bool) -> None:
        naming = [number for number in memory.given if serial in self._authority.said[number]]
        before = memory.used.get(serial)
        if revoked:
            if not naming:
                self._fail(memory.node, f"certificate {serial} is revoked, and no list has named it")
            elif before is None:
                memory.used[serial] = max(naming)
        elif before is not None:
            newer = [
                number
                for number in memory.given
                if number > before and serial not in self._authority.said[number]
            ]
            if not newer:
                self._fail(
                    memory.node,
                    f"certificate {serial} was revoked by list {before}, no newer list has released it, "
                    "and it is forgotten",
                )
            del memory.used[serial]

    def _knows(self, memory: Memory, serial: int) -> bool:
        return memory.known is not None and memory.known.lookup(self._issuer, serial) is not None

    def _now(self) -> timedelta:
        return timedelta(seconds=self._loop.time())
