"""How fast the actor runtime is, next to pykka, to xoscar, and to a floor that no actor system can reach.

Everything runs in one process on one core. Each row is one kind of work (:mod:`benchmarks.contenders`):

* **ping-pong**: two actors, one message in flight;
* **stream**: from one actor to another, up to 500 in flight;
* **crowd**: 10,000 actors pass 1,000 messages on, each to an actor somewhere else;
* **ask**: questions from outside, each with a deadline, one at a time and a hundred at a time;
* **idle**: what an actor takes that does nothing, and how many are made a second, in processes of their own.

The floors are the same work as method calls from one loop over one ``deque``, and with one ``call_soon`` of
the event loop for each message.

The contenders alternate in short rounds, so that a busy machine hurts all alike; the median, the least and
the most of the rounds are printed. *Times* says how many times the contender's rate ours is: the median of
the ratios within the rounds. Within a process xoscar has no mailbox: an awaited call is a method call under a
lock, without a turn of the event loop.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from typing import Final, TypeAlias, assert_never

from benchmarks.contenders import MODULES, OURS, WINDOW, Contender, Missing, Prepared, Work, contender

#: How long one process with idle actors may take.
_IDLE_WITHIN_SECONDS: Final = 60
#: An actor of pykka is a thread; a machine has no hundred thousand to spare.
_MOST_IDLE: Final = {"pykka": 10_000}


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    rounds: int
    seconds: float
    crowd: int
    tokens: int
    idle: tuple[int, ...]


FULL: Final = Size(rounds=5, seconds=0.06, crowd=10_000, tokens=1_000, idle=(10_000, 100_000))
QUICK: Final = Size(rounds=2, seconds=0.005, crowd=200, tokens=20, idle=(500,))


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of work: its name, who prepares it, and what its units are a multiple of."""

    name: str
    prepare: Callable[[Contender], Prepared]
    unit: int


@dataclass(frozen=True, slots=True)
class Rate:
    """One contender at one kind of work: units a second, and how many times that ours are."""

    work: str
    contender: str
    median: float = 0
    least: float = 0
    most: float = 0
    times: float = 0
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Idle:
    """One contender's idle actors."""

    work: str
    contender: str
    actors: int = 0
    bytes_each: float = 0
    per_second: float = 0
    bytes_times: float = 0
    per_second_times: float = 0
    why_not: str = ""


Row: TypeAlias = Rate | Idle


def kinds(size: Size) -> tuple[Kind, ...]:
    """Return what is measured of messages and questions."""
    crowd, tokens = size.crowd, size.tokens
    return (
        Kind("ping-pong", lambda system: system.ring(2, 1), 1),
        Kind("stream", lambda system: system.stream(), WINDOW),
        Kind(f"crowd of {crowd:,}", lambda system: system.ring(crowd, tokens), tokens),
        Kind("ask", lambda system: system.ask(1), 1),
        Kind("ask, 100 at a time", lambda system: system.ask(100), 100),
    )


# --- measuring ----------------------------------------------------------------------------------------


async def measure(kind: Kind, size: Size, names: Sequence[str]) -> list[Rate]:
    """Let the contenders alternate at one kind of work."""
    rates: dict[str, list[float]] = {}
    missing: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        works: dict[str, tuple[Work, int]] = {}
        for name in names:
            found = contender(name)
            if isinstance(found, Missing):
                missing[name] = found.why
                continue
            work = await stack.enter_async_context(kind.prepare(found))
            works[name] = (work, await _units(work, kind.unit, size.seconds))
            rates[name] = []
        for _ in range(size.rounds):
            for name, (work, units) in works.items():
                rates[name].append(units / await _elapsed(work, units))
    return [
        Rate(kind.name, name, why_not=missing[name])
        if name in missing
        else Rate(
            kind.name,
            name,
            statistics.median(rates[name]),
            min(rates[name]),
            max(rates[name]),
            statistics.median(ours / theirs for ours, theirs in zip(rates[OURS], rates[name], strict=True)),
        )
        for name in names
    ]


async def _units(work: Work, unit: int, seconds: float) -> int:
    """Return how many units take about so long."""
    units = unit
    while (took := await _elapsed(work, units)) < seconds / 4:
        units *= 4
    return max(unit, round(units * seconds / took / unit) * unit)


async def _elapsed(work: Work, units: int) -> float:
    gc.collect()
    since = time.perf_counter()
    await work(units)
    return time.perf_counter() - since


def measure_idle(actors: int, names: Sequence[str]) -> list[Idle]:
    """Weigh idle actors, each contender's in a process of its own."""
    name = f"idle, {actors:,}"
    found = {one: _idle(name, one, actors) for one in names}
    ours = found[OURS]
    return [
        row
        if row.why_not
        else Idle(
            name,
            one,
            row.actors,
            row.bytes_each,
            row.per_second,
            row.bytes_each / ours.bytes_each,
            ours.per_second / row.per_second,
        )
        for one, row in found.items()
    ]


def _idle(work: str, name: str, actors: int) -> Idle:
    if actors > _MOST_IDLE.get(name, actors):
        return Idle(work, name, why_not="not tried: a thread for each actor")
    command = (sys.executable, "-m", "benchmarks.idle", name, str(actors))
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter, and names of ours
            command, capture_output=True, check=True, timeout=_IDLE_WITHIN_SECONDS
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        return Idle(work, name, why_not=type(error).__name__)
    made = json.loads(done.stdout)
    if "why" in made:
        return Idle(work, name, why_not=made["why"])
    return Idle(work, name, made["actors"], max(1.0, made["bytes_each"]), made["per_second"])


def measured(size: Size, names: Sequence[str]) -> Iterator[list[Row]]:
    """Measure everything, one kind of work after the other."""
    for kind in kinds(size):
        yield [*asyncio.run(measure(kind, size, names))]
    for actors in size.idle:
        yield [*measure_idle(actors, names)]


# --- telling ------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(prog="benchmarks.runtime", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--quick", action="store_true", help="a few seconds: whether it works, not how fast")
    others = [name for name in MODULES if name != OURS]
    parser.add_argument("--beside", action="append", choices=others, help="only this contender; repeatable")
    options = parser.parse_args(arguments)
    names = [OURS, *(options.beside or others)]
    rows: list[Row] = []
    idle = False
    if not options.json:
        print(f"{'messages or questions a second':<42}{'median':>11}{'least':>11}{'most':>11}{'times':>8}")
    for group in measured(QUICK if options.quick else FULL, names):
        rows += group
        if options.json:
            continue
        if isinstance(group[0], Idle) and not idle:
            idle = True
            print(f"\n{'idle actors':<42}{'actors':>11}{'bytes':>11}{'times':>8}{'made / s':>11}{'times':>8}")
        for row in group:
            print(line(row))
    if options.json:
        document = {
            "messages": [asdict(row) for row in rows if isinstance(row, Rate)],
            "idle": [asdict(row) for row in rows if isinstance(row, Idle)],
        }
        print(json.dumps(document, indent=2))
    return 0


def line(row: Row) -> str:
    """Return one line of a table."""
    name = f"{row.work:<24}{row.contender:<18}"
    match row:
        case Rate() | Idle() if row.why_not:
            return f"{name}   {row.why_not}"
        case Rate():
            return f"{name}{row.median:>11,.0f}{row.least:>11,.0f}{row.most:>11,.0f}{row.times:>8.2f}"
        case Idle():
            return (
                f"{name}{row.actors:>11,}{row.bytes_each:>11,.0f}{row.bytes_times:>8.2f}"
                f"{row.per_second:>11,.0f}{row.per_second_times:>8.2f}"
            )
        case unreachable:
            assert_never(unreachable)


if __name__ == "__main__":
    sys.exit(main())
