"""A whole authority on a Ray cluster of this machine, next to what the pure machines alone would have cost.

``peerkey run --runtime ray`` runs it in its own processes, packed on a host for each core: from nothing
until every peering is keyed, then every key is replaced at once, then nothing is wrong for a while. What it
took is read from the processes; the floor is the CPU time of as many agreements by
:mod:`benchmarks.protocol`, measured in the same run. A thousand routers with ten paths each unless told
otherwise; ``--quick`` takes a few. With ``--runtime local`` the same file runs in one process over UDP.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psutil

from benchmarks import lattice, protocol
from peerkey.protocol.suites import Algorithm
from peerkey_cli.client import Client
from peerkey_cli.demo.pair_facts import accepted_keys, keys_in_use
from peerkey_cli.errors import Unreachable
from peerkey_cli.schemas import Actors, PeersSecurity, Rekeyed, RekeyRequest

_ALGORITHM: Final = "ml-kem-768"
_ROUTERS: Final = 1_000
_NEIGHBOURS: Final = 5
_QUICK_ROUTERS: Final = 12
#: How often the fleet is asked, in seconds, for each thousand paths: an answer about 10,000 peerings takes a
#: few seconds of what is measured.
_LOOK_EVERY: Final = 1.5
_IDLE_SECONDS: Final = 20.0
_WITHIN: Final = 1_200.0


@dataclass(frozen=True, slots=True)
class Row:
    """One figure, with its floor where there is one."""

    what: str
    value: float
    unit: str
    floor: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times the floor it is."""
        return self.value / self.floor if self.floor else None


class Fleet:
    """A fleet that runs in processes of its own."""

    def __init__(self, process: subprocess.Popen[bytes], state: Path, paths: int) -> None:
        """Watch ``process`` and everything that it has started, an authority of so many paths."""
        self.look_every = _LOOK_EVERY * max(1.0, paths / 1_000)
        self._process = process
        self._client = Client(state / "api.sock")

    def ends(self) -> PeersSecurity | None:
        """Return every end of every peering; ``None`` while nobody answers."""
        if self._process.poll() is not None:
            sys.exit(f"the fleet has ended with {self._process.returncode}")
        try:
            return self._client.get("peers/security", PeersSecurity)
        except Unreachable:
            return None

    def rekey(self) -> None:
        """Order new keys for every peering."""
        self._client.post("rekey", Rekeyed, RekeyRequest())

    def messages(self) -> int:
        """Return how many messages the actors have taken."""
        return sum(actor.taken for actor in self._client.get("actors", Actors).actors)

    def hosts(self) -> list[psutil.Process]:
        """Return the processes with router nodes in them."""
        whole = [self._process_of(), *self._process_of().children(recursive=True)]
        hosts = [each for each in whole if _name(each).startswith("ray::ActorHost")]
        return hosts or [self._process_of()]

    def cpu(self) -> float:
        """Return the CPU time of these processes so far, in seconds."""
        return sum(sum(each.cpu_times()[:2]) for each in self.hosts())

    def resident(self) -> int:
        """Return the memory that these processes have for themselves, in bytes."""
        return sum(each.memory_full_info().uss for each in self.hosts())

    def _process_of(self) -> psutil.Process:
        return psutil.Process(self._process.pid)


@contextmanager
def running(file: Path, state: Path, runtime: str, paths: int) -> Iterator[Fleet]:
    """Run the authority of ``file`` while the block lasts."""
    words = [sys.executable, "-m", "peerkey_cli.main", "run", str(file), "--state-dir", str(state)]
    words += ["--runtime", runtime]
    if runtime == "ray":
        words += ["--hosts", str(os.cpu_count() or 1)]
    with (
        state.with_suffix(".log").open("wb") as log,
        subprocess.Popen(words, stdout=log, stderr=log) as process,  # noqa: S603 - words of our own
    ):
        try:
            yield Fleet(process, state, paths)
        finally:
            process.terminate()


def measured(routers: int, neighbours: int, runtime: str, idle_seconds: float) -> list[Row]:
    """Measure one fleet."""
    peerings = routers * neighbours
    paths = lattice.paths_of(routers, neighbours)
    first, again = _floor()
    with tempfile.TemporaryDirectory(prefix="pk-") as made:
        folder = Path(made)
        file = lattice.lay_out(
            folder / "authority",
            routers=routers,
            neighbours=neighbours,
            algorithm=Algorithm.parse(_ALGORITHM),
        )
        began = time.monotonic()
        with running(file, folder / "state", runtime, paths) as fleet:
            _until(fleet, lambda ends: len(keys_in_use(ends.peers)) == peerings)
            keyed, keyed_cpu = time.monotonic() - began, fleet.cpu()
            memory, messages = fleet.resident(), fleet.messages()
            before = keys_in_use(_ends(fleet).peers)
            began, cpu = time.monotonic(), fleet.cpu()
            fleet.rekey()
            _until(fleet, lambda ends: _renewed(ends, before) == peerings)
            rekeyed, rekeyed_cpu = time.monotonic() - began, fleet.cpu() - cpu
            more = fleet.messages() - messages
            time.sleep(idle_seconds)
            cpu = fleet.cpu()
            time.sleep(idle_seconds)
            idle = (fleet.cpu() - cpu) / idle_seconds
    return [
        Row("routers", routers, ""),
        Row("paths", paths, ""),
        Row("from nothing until every peering is keyed", keyed, "s"),
        Row("CPU of it, next to the machines alone", keyed_cpu, "s", peerings / first),
        Row("every key replaced at once", rekeyed, "s"),
        Row("CPU of it, next to the machines alone", rekeyed_cpu, "s", peerings / again),
        Row("messages taken a second, while keys were replaced", more / rekeyed, "/s"),
        Row("memory of a path with its share of everything", memory / paths / 1024, "KiB"),
        Row("CPU with nothing to do, of one core", idle * 100, "%"),
    ]


def _floor() -> tuple[float, float]:
    """Return how many first and later keys of a pair the pure machines agree in a second of CPU."""
    results = protocol.measure(Algorithm.parse(_ALGORITHM), rounds=3, seconds=0.5)
    rates = {result.mode: result.machines_per_cpu_second for result in results}
    return rates["validated"], rates["rekey"]


def _renewed(ends: PeersSecurity, before: dict[frozenset[str], str]) -> int:
    accepted = accepted_keys(ends.peers)
    return sum(bool(accepted.get(pair, frozenset()) - {key}) for pair, key in before.items())


def _until(fleet: Fleet, done: Callable[[PeersSecurity], bool]) -> None:
    end = time.monotonic() + _WITHIN
    while (ends := fleet.ends()) is None or not done(ends):
        if time.monotonic() > end:
            sys.exit(f"not done within {_WITHIN:.0f} s")
        time.sleep(fleet.look_every)


def _ends(fleet: Fleet) -> PeersSecurity:
    while (ends := fleet.ends()) is None:
        time.sleep(fleet.look_every)
    return ends


def _name(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(prog="benchmarks.fleet", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--quick", action="store_true", help="a few routers, in one process")
    parser.add_argument("--routers", type=int, default=_ROUTERS)
    parser.add_argument("--neighbours", type=int, default=_NEIGHBOURS, help="on each side")
    parser.add_argument("--runtime", choices=("ray", "local"), default="ray")
    options = parser.parse_args(arguments)
    runtime = "local" if options.quick else options.runtime
    routers = _QUICK_ROUTERS if options.quick else options.routers
    rows = measured(routers, options.neighbours, runtime, 1.0 if options.quick else _IDLE_SECONDS)
    if options.json:
        print(json.dumps([{**asdict(row), "ratio": row.ratio} for row in rows], indent=2))
        return 0
    print(f"a fleet, packed, {runtime}")
    for row in rows:
        beside = "" if row.floor is None else f"   floor {row.floor:,.1f}, ratio {row.ratio:.1f}"
        print(f"{row.what:52} {row.value:12,.1f} {row.unit}{beside}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
