"""A host that measures what it can say to another one, from within its process."""

from __future__ import annotations

import asyncio
import os
import time

from benchmarks.hosts_program import ask, stream
from runtime.backends.ray.actor_host import ActorHost
from runtime.errors import Undeliverable

_WITHIN = 100.0


class MeasuredHost(ActorHost):
    """See the module."""

    def pid(self) -> int:
        """Return which process it is."""
        return os.getpid()

    def measure_stream(self, count: int) -> float:
        """Tell the sink of the other host so many notes; return notes a second."""

        async def work() -> float:
            return await stream(self.system, "west", count)

        return self.run(work, _WITHIN)

    def measure_ask(self, rounds: int, at_a_time: int) -> float:
        """Ask the sink of the other host, as soon as it is there; return answers a second."""

        async def work() -> float:
            until = time.monotonic() + _WITHIN / 2
            while True:
                try:
                    return await ask(self.system, "west", rounds, at_a_time)
                except Undeliverable:
                    if time.monotonic() > until:
                        raise
                    await asyncio.sleep(0.01)

        return self.run(work, _WITHIN)
