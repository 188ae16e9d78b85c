"""One contender's idle actors, in a process of their own: ``python -m benchmarks.idle peerkey 10000``.

What an actor takes is what the process grows by, its threads and the allocator's share included, so it is
measured where nothing else is. Prints one JSON document for :mod:`benchmarks.runtime`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from dataclasses import asdict, dataclass

import psutil

from benchmarks.contenders import Missing, contender


@dataclass(frozen=True, slots=True)
class Made:
    """How many actors there were, what they took and how long it took to make them."""

    actors: int
    bytes_each: float
    per_second: float


async def make(name: str, actors: int) -> Made | Missing:
    """Make idle actors and weigh them."""
    made = contender(name)
    if isinstance(made, Missing):
        return made
    # The first ones bring what is loaded and started once.
    async with made.idle(10):
        pass
    gc.collect()
    process = psutil.Process()
    before, since = process.memory_info().rss, time.perf_counter()
    async with made.idle(actors) as there:
        took = time.perf_counter() - since
        gc.collect()
        grown = process.memory_info().rss - before
    return Made(there, grown / there, there / took)


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(make(sys.argv[1], int(sys.argv[2]))))))
