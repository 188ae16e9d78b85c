"""What only the process of a host knows: its crashes, what its audit events have counted, and its place.

One actor of each host tells it to whoever shows it to an operator. It also takes what an operator's command
did to the files of a node, and tries again what a device of keys has refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from actors.crashes import ActorAlarms
from actors.names import AUTHORITY
from actors.process_counts import Counted, counts_of, told
from peerkey.errors import Unavailable
from peerkey.observe.alarms import cluster_limited
from peerkey.observe.security_stats import Counted as SecurityCounted
from runtime.actor import Actor
from runtime.info import ActorInfo, SystemInfo
from runtime.message import Ask

if TYPE_CHECKING:
    from actors.crashes import CrashWatch
    from actors.journal import MemoryJournal
    from peerkey.observe.alarms import Alarm
    from peerkey.observe.shelving import Shelf, Shelving
    from runtime.system import ActorSystem

#: What the actor is called on every host.
INSTRUMENTS: Final = "instruments"

#: Alarms of crashes in one answer, a third of what a message may hold: where everything crashes, these do
#: for all.
MAX_CRASHES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Readings:
    """What a host knows of itself."""

    #: The machine and its state directory. Hosts of the same place have one seat between them.
    place: str
    process: str
    crashes: tuple[ActorAlarms, ...]
    counted: tuple[Counted, ...]
    #: Its actors, few as they are, where no agent tells of them: on the control host.
    actors: tuple[ActorInfo, ...] = ()
    totals: SystemInfo | None = None
    #: Where Prometheus finds the metrics of the machine, as ``HOST:PORT``; empty where it does not.
    scraped: str = ""
    #: The security statistics.
    statistics: SecurityCounted = field(default_factory=SecurityCounted)
    #: What is shelved, where it speaks for its machine: the others take it in.
    shelved: tuple[Shelving, ...] = ()
    #: Which process of the host it is: the operating system gives its numbers out again.
    incarnation: int = 0


@dataclass(frozen=True, slots=True)
class ClearStatistics(Ask[bool]):
    """Set the security statistics of a host to zero; the answer is whether that could be recorded."""


@dataclass(frozen=True, slots=True)
class GetReadings(Ask[Readings]):
    """Ask a host what it knows of itself."""


@dataclass(frozen=True, slots=True)
class RetryKeys:
    """Try again what a device of keys has refused: an operator has reloaded."""


@dataclass(frozen=True, slots=True)
class HostProcess:
    """Which process of which place a host is: see :class:`Readings`."""

    place: str
    process: str
    incarnation: int = 0
    scraped: str = ""


class Instruments(Actor):
    """See the module."""

    def __init__(
        self,
        *,
        process: HostProcess,
        journal: MemoryJournal,
        crashes: CrashWatch,
        retry_keys: Callable[[], None] = lambda: None,
        system: ActorSystem | None = None,
        own: Callable[[], tuple[ActorAlarms, ...]] = tuple,
        shelf: Shelf | None = None,
        shows_actors: bool = False,
    ) -> None:
        """Tell what ``journal`` and ``crashes`` have seen, and what has become of the actors of ``system``.

        Where no agent does, it ``shows_actors`` too, one by one. ``own`` says what else is wrong with this
        host, and ``shelf`` holds what is shelved.
        """
        self._process = process
        self._journal = journal
        self._crashes = crashes
        self._retry_keys = retry_keys
        self._system = system
        self._own = own
        self._shelf = shelf
        self._shown = system if shows_actors else None

    def receive(self, message: object) -> None:
        """Answer, and pass on."""
        match message:
            case GetReadings():
                self.ctx.reply(self._read())
            case RetryKeys():
                self._retry_keys()
            case ClearStatistics():
                self.ctx.reply(self._cleared())
            case _:
                self.ctx.log.warning("unexpected message", kind=type(message).__name__)

    def _cleared(self) -> bool:
        try:
            self._journal.clear_statistics(self.ctx.clock.wall(), AUTHORITY)
        except Unavailable as fault:
            self.ctx.log.error("statistics were not cleared", reason=str(fault))  # noqa: TRY400 - the disk
            return False
        return True

    def _read(self) -> Readings:
        tally = self._journal.tally
        system = None if self._system is None else self._system.info()
        return Readings(
            place=self._process.place,
            process=self._process.process,
            scraped=self._process.scraped,
            statistics=self._journal.counted(),
            incarnation=self._process.incarnation,
            crashes=(*_first(self._crashes.alarms(), MAX_CRASHES), *self._own()),
            shelved=() if self._shelf is None else self._shelf.every(),
            counted=told(counts_of(tally, system), tally.exemplars()),
            actors=() if self._shown is None else tuple(self._shown.actors()),
            totals=None if self._shown is None else system,
        )


def _first(crashes: tuple[ActorAlarms, ...], most: int) -> tuple[ActorAlarms, ...]:
    """Return so many alarms at most, and one that counts the others."""
    every = [(each.node, alarm) for each in crashes for alarm in each.alarms]
    if len(every) <= most:
        return crashes
    kept: dict[str, list[Alarm]] = {}
    for node, alarm in every[:most]:
        kept.setdefault(node, []).append(alarm)
    others = cluster_limited(AUTHORITY, f"{len(every) - most} more actors of one host crash")
    kept.setdefault(AUTHORITY, []).append(others)
    return tuple(ActorAlarms(node, tuple(alarms)) for node, alarms in kept.items())
