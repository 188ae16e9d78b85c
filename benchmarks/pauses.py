"""How long the event loop is held by one message, while a fleet authenticates, keys and rekeys itself.

A hub and its branches run in this process, with a store on disk and a direct wire. In turn they meet and
agree keys, agree the next ones at an operator's word, read their configuration again, take up a new
certificate of the hub, judge every certificate again, and go on after a crash of the hub. Meanwhile every
message and every callback of the loop is timed (:mod:`benchmarks.stopwatch`).

"The event loop is never blocked for more than 5 ms by one message": the column *computed* is the promise,
*wall* is what was seen beside it on a machine with other work, in a process whose executor competes for the
same interpreter. Lines with a star are not of one message: a round of the runtime handles several.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import Final

import structlog

from actors.authority import Authority
from actors.certificate_watch import WatchDue
from actors.messages import GetStatus, NodeStatus
from actors.peer_path import PeerPath
from actors.router_node import RouterNode
from benchmarks.star import HUB, KEYS, Star
from benchmarks.stopwatch import GARBAGE, LOOP, ROUND, Label, Pauses, Stopwatch, TimedLoop
from peerkey.observe.events import Event, PeerCertificateAccepted
from runtime.store.sqlite import SqliteStore
from tests.support.fleet import SECOND, eventually

#: "never blocked for more than 5 ms by one message"
PROMISE_MS: Final = 5.0
ALGORITHMS: Final = (
    "diffie-hellman-2048",
    "diffie-hellman-4096",
    "ml-kem-768",
    "diffie-hellman-2048-ml-kem-768",
)
BRANCHES: Final = 8
CROWD: Final = 100


@dataclass(frozen=True, slots=True, order=True)
class Case:
    """One fleet to be measured."""

    algorithm: str
    key: str
    branches: int

    def __str__(self) -> str:
        """Name it in a table."""
        return f"{self.branches} x {self.algorithm}, {self.key}"


CASES: Final = (
    *(Case(algorithm, key, BRANCHES) for key in KEYS for algorithm in ALGORITHMS),
    *(Case("ml-kem-768", key, CROWD) for key in KEYS),
    Case("diffie-hellman-4096", "RSA-4096", CROWD),
)
QUICK: Final = (Case("diffie-hellman-4096", "ML-DSA-87", 3),)


@dataclass(frozen=True, slots=True)
class Worst:
    """How long one kind of message or callback held the loop, in milliseconds."""

    case: str
    who: str
    what: str
    #: Whether it is a message or a callback of its own: a round of messages is many, and garbage is nobody's.
    promised: bool
    count: int
    computed_ms: float
    computed_p999_ms: float
    wall_ms: float
    wall_p999_ms: float


# --- measuring ----------------------------------------------------------------------------------------


def measure(case: Case) -> Stopwatch:
    """Run one fleet through everything that nodes do; return what was noted."""
    stopwatch = Stopwatch()
    # As the daemon does: what was loaded until now stays and need not be looked through.
    gc.collect()
    gc.freeze()
    with (
        tempfile.TemporaryDirectory() as folder,
        asyncio.Runner(loop_factory=lambda: TimedLoop(stopwatch)) as runner,
        stopwatch.watching((Authority, RouterNode, PeerPath)),
    ):
        runner.run(_life_of(case, Path(folder)))
    return stopwatch


async def _life_of(case: Case, folder: Path) -> None:
    store = await SqliteStore.open(folder / "store.sqlite")
    try:
        fleet = Star(folder, routers=case.branches + 1, algorithm=case.algorithm, key=case.key, store=store)
        async with fleet:
            for step in (_meet, _rekey, _reload, _renew, _look_again, _crash):
                await step(fleet)
    finally:
        await store.close()


async def _meet(fleet: Star) -> None:
    """Let them authenticate and agree their first keys."""
    await eventually(lambda: _every_peer_of_the_hub(fleet, {"current"}))


async def _rekey(fleet: Star) -> None:
    """Let them agree their next keys, as an operator asks."""
    await fleet.rekey()
    await eventually(lambda: _every_peer_of_the_hub(fleet, {"current", "next"}))


async def _reload(fleet: Star) -> None:
    """Let them read their configuration, which is the same, again."""
    await fleet.reload()
    await _hub(fleet)


async def _renew(fleet: Star) -> None:
    """Replace the hub's certificate, and wait until every branch has accepted it."""
    fingerprint = fleet.certify_again(HUB)
    await fleet.reload()

    async def known() -> bool:
        await asyncio.sleep(0.1)
        accepted = [entry.node for entry in fleet.journal.recent() if _accepts(entry.event, fingerprint)]
        return len(set(accepted)) == fleet.routers - 1

    await eventually(known)


async def _look_again(fleet: Star) -> None:
    """Let the hub judge every certificate."""
    fleet.node(HUB).tell(WatchDue())
    await _hub(fleet)


async def _crash(fleet: Star) -> None:
    """Let the hub go on from what it has stored."""
    fleet.system.crash(fleet.node(HUB), OSError())
    await eventually(lambda: _every_peer_of_the_hub(fleet, {"current"}))


async def _every_peer_of_the_hub(fleet: Star, roles: set[str]) -> bool:
    """Tell whether the hub has keys in these roles with every branch."""
    # Not all the time: an operator who asks is part of what is measured, and no more than a part.
    await asyncio.sleep(0.2)
    status = await _hub(fleet)
    held = [{role for role, _, _ in peer.security.keys} for peer in status.peers]
    return len(held) == fleet.routers - 1 and all(roles <= have for have in held)


async def _hub(fleet: Star) -> NodeStatus:
    return await fleet.node(HUB).ask(GetStatus(), 30 * SECOND)


def _accepts(event: Event, fingerprint: str) -> bool:
    return isinstance(event, PeerCertificateAccepted) and event.fingerprint == fingerprint


# --- telling ------------------------------------------------------------------------------------------


def reduced(case: str, label: Label, pauses: Pauses) -> Worst:
    """Reduce what was noted under one label to one line."""
    who, what = label
    computed, wall = sorted(pauses.computed), sorted(pauses.wall)
    most = ceil(0.999 * len(wall)) - 1
    return Worst(
        case,
        who,
        what,
        promised=label not in {ROUND, GARBAGE},
        count=len(wall),
        computed_ms=computed[-1] / 1e6,
        computed_p999_ms=computed[most] / 1e6,
        wall_ms=wall[-1] / 1e6,
        wall_p999_ms=wall[most] / 1e6,
    )


def of_case(case: Case, stopwatch: Stopwatch) -> list[Worst]:
    """Return a line for each kind of message and callback of one fleet, the worst first."""
    rows = [reduced(str(case), label, pauses) for label, pauses in stopwatch.pauses.items() if label != _OWN]
    return sorted(rows, key=lambda row: row.computed_ms, reverse=True)


def of_all(measured: dict[Case, Stopwatch]) -> list[Worst]:
    """Return the same of all fleets together; each names the fleet in which it was worst."""
    everything: defaultdict[Label, Pauses] = defaultdict(Pauses)
    where: dict[Label, tuple[int, Case]] = {}
    for case, stopwatch in measured.items():
        for label, pauses in stopwatch.pauses.items():
            everything[label].computed += pauses.computed
            everything[label].wall += pauses.wall
            where[label] = max(where.get(label, (-1, case)), (max(pauses.computed), case))
    rows = [
        reduced(str(where[label][1]), label, pauses) for label, pauses in everything.items() if label != _OWN
    ]
    return sorted(rows, key=lambda row: row.computed_ms, reverse=True)


def worst_of(rows: Iterable[Worst]) -> Worst:
    """Return the line that the promise is about."""
    return max((row for row in rows if row.promised), key=lambda row: row.computed_ms)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(prog="benchmarks.pauses", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--quick", action="store_true", help="one small fleet instead of all")
    options = parser.parse_args(arguments)
    # That the hub crashes is meant, and no news.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    measured: dict[Case, Stopwatch] = {}
    if not options.json:
        print(f"{'worst pause of the event loop, ms':<81}{_COLUMNS}")
    for case in QUICK if options.quick else CASES:
        measured[case] = measure(case)
        if not options.json:
            print(line(worst_of(of_case(case, measured[case])), named=str(case)))
    rows = of_all(measured)
    if options.json:
        document = {"promise_ms": PROMISE_MS, "pauses": [asdict(row) for row in rows]}
        print(json.dumps(document, indent=2))
        return 0
    print(f"\n{'of all fleets, by what held the loop':<81}{_COLUMNS}")
    for row in rows:
        if row.who != LOOP or row.computed_ms > _SHOWN_MS:
            print(line(row))
    worst = worst_of(rows)
    verdict = "within" if worst.computed_ms <= PROMISE_MS else "BEYOND"
    print(
        f"\nThe worst computed for {worst.computed_ms:.2f} ms ({worst.who} {worst.what}, {worst.case}), "
        f"{verdict} the {PROMISE_MS:g} ms that are promised."
    )
    return 0


_COLUMNS: Final = f"{'computed':>9}{'p99.9':>8}{'wall':>9}{'p99.9':>8}{'times':>9}"
#: Callbacks of the loop that never took longer are not shown.
_SHOWN_MS: Final = 0.05
#: The benchmark itself.
_OWN: Final[Label] = (LOOP, f"{_life_of.__name__}()")


def line(row: Worst, *, named: str = "") -> str:
    """Return one line of a table."""
    name = f"{named:<47}" if named else ""
    name += f"{row.who} {row.what}" + ("" if row.promised else " *")
    return (
        f"{name:<81}{row.computed_ms:>9.2f}{row.computed_p999_ms:>8.2f}"
        f"{row.wall_ms:>9.2f}{row.wall_p999_ms:>8.2f}{row.count:>9,}"
    )


if __name__ == "__main__":
    sys.exit(main())
