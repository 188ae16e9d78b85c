"""One simulated computer: its clocks, its disk, and the process that runs on it or does not.

The machine lasts; processes come and go. A process has its own actor system, store and wire, and a
monotonic clock that begins anew. When it is killed, its disk keeps what a real one would keep. The
machine's quartz runs a little fast or slow (:class:`Oscillator`), and everything on the machine goes by it:
timers as well as clocks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Final, TypeAlias

from runtime.backends.sim.system import SimulatedSystem, Watcher
from runtime.store.disk import Disk
from runtime.store.simulated import SimulatedStore
from runtime.wire.network import Network
from runtime.wire.simulated import SimulatedWire

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from runtime.events import Observer
    from runtime.store.simulated import OnDurable

#: The date and time at which simulations begin.
BEGINNING: Final = datetime(2026, 1, 1, tzinfo=UTC)

#: A process is started so long after its machine, at the most: no two clocks have the same origin.
_LONGEST_UPTIME: Final = timedelta(days=300)

#: How far a quartz may be off, as a share: 100 parts in a million are nine seconds a day.
WORST_DRIFT: Final = 1e-4


class Oscillator:
    """The quartz of one machine: seconds at a rate of its own, and a wall clock that can be stepped."""

    def __init__(self, loop: asyncio.AbstractEventLoop, rate: float = 1.0) -> None:
        """Count ``rate`` seconds for each second of ``loop``."""
        self._loop = loop
        self._rate = rate
        #: How far the wall clock is off.
        self.offset = timedelta(0)

    def time(self) -> float:
        """Return the machine's seconds since the simulation began."""
        return self._loop.time() * self._rate

    def call_at(self, when: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        """Call ``callback`` when the machine has counted to ``when``."""
        return self._loop.call_at(when / self._rate, callback)

    def wall(self) -> datetime:
        """Return what the machine believes the date and time to be."""
        return BEGINNING + timedelta(seconds=self.time()) + self.offset


class ProcessClock:
    """The clocks that one process reads."""

    __slots__ = ("_origin", "_oscillator")

    def __init__(self, oscillator: Oscillator, origin: timedelta) -> None:
        """Read ``origin`` on the monotonic clock when the simulation begins."""
        self._oscillator = oscillator
        self._origin = origin

    def monotonic(self) -> timedelta:
        """See :meth:`runtime.clock.Clock.monotonic`."""
        return self._origin + timedelta(seconds=self._oscillator.time())

    def wall(self) -> datetime:
        """See :meth:`runtime.clock.Clock.wall`."""
        return self._oscillator.wall()


@dataclass(frozen=True, slots=True)
class Process:
    """What runs on a machine between a boot and the next death."""

    system: SimulatedSystem
    store: SimulatedStore
    wire: SimulatedWire


#: Starts the top-level actors of a process; may await what a composition root would.
Program: TypeAlias = Callable[[Process], Awaitable[None]]


class Machine:
    """See the module."""

    def __init__(
        self,
        name: str,
        random: Random,
        network: Network,
        *,
        log: FilteringBoundLogger,
        watcher: Watcher | None = None,
        observer: Observer | None = None,
        on_durable: OnDurable | None = None,
        speakable: tuple[type[BaseException], ...] = (),
    ) -> None:
        """Stand on ``network``, switched off, with an empty disk and a quartz of its own."""
        self.name = name
        self.random = random
        self.network = network
        loop = asyncio.get_running_loop()
        self.oscillator = Oscillator(loop, 1.0 + random.uniform(-WORST_DRIFT, WORST_DRIFT))
        self.disk = Disk(random)
        self.process: Process | None = None
        #: Which boot is the latest: one that was overtaken by a death comes to nothing.
        self._boots = 0
        self._log = log
        self._watcher = watcher
        self._observer = observer
        self._on_durable = on_durable
        self._speakable = speakable

    def replace_disk(self, contents: bytes = b"") -> None:
        """Put another disk in the place of the one that is there, empty unless given. No process may run."""
        self.disk = Disk(self.random, contents)

    @property
    def running(self) -> bool:
        """Tell whether a process runs."""
        return self.process is not None

    async def boot(self, program: Program) -> None:
        """Start a process: recover the store, attach the wire, and run ``program``.

        Does nothing where one runs. A machine that is killed while it boots is off when this returns.

        :raises StoreUnavailable: the disk refuses; the machine stays off.
        """
        if self.process is not None:
            return
        self._boots += 1
        boot = self._boots
        origin = timedelta(seconds=int(self.random.uniform(0, _LONGEST_UPTIME.total_seconds())))
        system = SimulatedSystem(
            clock=ProcessClock(self.oscillator, origin),
            random=self.random,
            log=self._log,
            watcher=self._watcher,
            observer=self._observer,
            speakable=self._speakable,
        )
        system.begin(asyncio.get_running_loop(), self.oscillator)
        store = await SimulatedStore.open(self.disk, on_durable=self._on_durable)
        if boot != self._boots:
            store.abandon()
            return
        self.process = Process(system, store, SimulatedWire(self.network))
        await program(self.process)

    def kill(self, *, power: bool = False) -> None:
        """End the process: nothing under way comes to its end. With ``power``, the disk's cache goes too."""
        self._boots += 1
        process, self.process = self.process, None
        if process is not None:
            process.system.kill()
            process.wire.abandon()
            process.store.abandon()
        self.disk.crash(power=power)

    async def stop(self, deadline: timedelta) -> None:
        """End the process in good order, as at SIGTERM. It may still be killed meanwhile."""
        process = self.process
        if process is None:
            return
        await process.system.stop(deadline)
        if self.process is process:
            await process.wire.close()
            await process.store.close()
            self.process = None
