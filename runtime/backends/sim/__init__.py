"""The simulation backend: many machines in one process, under virtual time, with one seed behind everything.

The actors are the ones that run in production, and so are mailboxes, timers and supervision. What is
simulated is the world around them:

============  =======================================================================================
``virtual``   time: an event loop that jumps (:mod:`runtime.backends.virtual`)
``machine``   one computer: its clocks, its disk, and the process that runs on it or does not
``system``    an actor system that a seed schedules, and that can be killed and looked into
``executor``  heavy work, computed in place, done a little later
============  =======================================================================================

together with :mod:`runtime.store.simulated` (a disk that loses and tears) and :mod:`runtime.wire.simulated`
(a network that loses, doubles, delays, changes and replays). A simulation is a coroutine on a
:class:`~runtime.backends.virtual.VirtualTimeLoop`::

    async def scenario() -> None:
        network = Network(Random(seed))
        east = Machine("east", Random(seed + 1), network)
        await east.boot(lambda system, store, wire: system.spawn(…))
        await asyncio.sleep(3600)
        east.kill()

What a fault *means*, and what must hold in spite of it, is the business of whoever uses this.
"""

from __future__ import annotations

from runtime.backends.sim.executor import SimulatedExecutor
from runtime.backends.sim.machine import Machine, Oscillator, Process
from runtime.backends.sim.system import SimulatedSystem, Watcher

__all__ = [
    "Machine",
    "Oscillator",
    "Process",
    "SimulatedExecutor",
    "SimulatedSystem",
    "Watcher",
]
