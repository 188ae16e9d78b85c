"""Messages between hosts, beside what carries them.

* **one process**: two hosts on one loop and a transport that only calls: what links, frames and codec cost
  both sides together;
* **ray**: two hosts in processes of a Ray cluster on this machine, beside Ray's own floor in the same run: a
  call at a time, a thousand at a time, calls that carry as many bytes as a full batch, and an empty actor
  that is started and killed.

``--quick`` leaves Ray out, which takes ten seconds to start.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import structlog

from benchmarks.hosts_program import AT_A_TIME, PROGRAM, ask, stream
from runtime.backends.local import LocalSystem
from runtime.cluster.host import Host
from runtime.cluster.transport import Inbox
from runtime.errors import HostUnreachable

_PROGRAM: Final = "benchmarks.hosts_program:PROGRAM"
_NAMES: Final = ("east", "west")
#: Calls of Ray's that are on their way together, where it is asked how many it makes in a second.
_CALLS: Final = 1_000
#: A host that was killed is back within so many seconds, or something is wrong.
_BACK_WITHIN: Final = 60.0


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement: the best of a few."""

    what: str
    value: float
    unit: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(prog="benchmarks.hosts", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--quick", action="store_true", help="for a moment, and without Ray")
    options = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    figures = []
    for figure in measured(quick=options.quick):
        figures.append(figure)
        if not options.json:
            print(f"{figure.what:<60}{figure.value:>14,.2f} {figure.unit}", flush=True)
    if options.json:
        print(json.dumps([asdict(figure) for figure in figures], indent=2))
    return 0


def measured(*, quick: bool) -> Iterator[Figure]:
    """Measure everything."""
    yield from asyncio.run(in_one_process(500 if quick else 50_000, 1 if quick else 5))
    if quick:
        return
    if find_spec("ray") is None:
        print("Ray is not installed: pip install -e '.[cluster]'", file=sys.stderr)
        return
    yield from on_ray()


# --- one process ------------------------------------------------------------------------------------


class Calling:
    """A transport that calls the inbox of the other host."""

    incarnation = 1

    def __init__(self, host: str, inboxes: dict[str, Inbox]) -> None:
        """Be the one of ``host``."""
        self.host = host
        self._inboxes = inboxes

    def listen(self, inbox: Inbox) -> None:
        """See :class:`runtime.cluster.transport.Transport`."""
        self._inboxes[self.host] = inbox

    async def send(self, host: str, batch: bytes) -> bool:
        """See :class:`runtime.cluster.transport.Transport`."""
        if host not in self._inboxes:
            raise HostUnreachable(host, "it has left")
        return self._inboxes[host](batch)

    async def close(self) -> None:
        """See :class:`runtime.cluster.transport.Transport`."""
        self._inboxes.pop(self.host, None)


async def in_one_process(count: int, rounds: int) -> list[Figure]:
    """Measure two hosts on this loop."""
    inboxes: dict[str, Inbox] = {}
    async with LocalSystem() as east, LocalSystem() as west:
        for name, system in zip(_NAMES, (east, west), strict=True):
            host = Host(system, Calling(name, inboxes), PROGRAM.registry)
            PROGRAM.start(system, host, "")
            host.join(_NAMES)
        # The first answer comes after both have joined.
        told = max([await stream(east, "west", count) for _ in range(rounds)])
        asked = max([await ask(east, "west", count // AT_A_TIME, AT_A_TIME) for _ in range(rounds)])
    return [
        Figure("one process: told to another host", told, "messages/s"),
        Figure(f"one process: asked of another host, {AT_A_TIME} at a time", asked, "answers/s"),
    ]


# --- ray --------------------------------------------------------------------------------------------


def on_ray() -> Iterator[Figure]:
    """Measure two hosts in processes of their own, and Ray itself."""
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
    from runtime.backends.ray.connecting import LOCAL, connect, disconnect  # noqa: PLC0415 - it may be absent

    connect(LOCAL, "benchmark", token=True, cpus=os.cpu_count())
    try:
        yield from _floor()
        yield from _hosts()
    finally:
        disconnect()


def _floor() -> Iterator[Figure]:
    import ray  # noqa: PLC0415 - it may be absent

    begun = time.perf_counter()
    actor = ray.remote(num_cpus=0, max_restarts=-1)(Empty).remote()
    pid = ray.get(actor.take.remote(b""))
    yield Figure("ray alone: an empty actor started", time.perf_counter() - begun, "s")
    yield Figure(
        "ray alone: one call there and back", 1e3 * best(lambda: ray.get(actor.take.remote(b""))), "ms"
    )
    batch = bytes(512 * 100)
    yield Figure(
        f"ray alone: calls, {_CALLS} at a time",
        _CALLS / best(lambda: ray.get([actor.take.remote(b"") for _ in range(_CALLS)]), 15),
        "calls/s",
    )
    yield Figure(
        "ray alone: one call with the bytes of 512 messages",
        1e3 * best(lambda: ray.get(actor.take.remote(batch))),
        "ms",
    )
    yield Figure(
        "ray alone: an empty actor killed, until it answers again", killed(pid, actor.take, b""), "s"
    )
    ray.kill(actor)


def _hosts() -> Iterator[Figure]:
    import ray  # noqa: PLC0415 - it may be absent

    from benchmarks.hosts_measured import MeasuredHost  # noqa: PLC0415 - it imports Ray
    from runtime.backends.ray.hosts import start_host  # noqa: PLC0415 - it imports Ray

    started = time.perf_counter()
    hosts = [start_host(name, "benchmark", _PROGRAM, "", _NAMES, kind=MeasuredHost) for name in _NAMES]
    (east, _), (west, about) = hosts
    yield Figure("ray: two hosts started", time.perf_counter() - started, "s")
    run = partial(_measure, ray, east)
    yield Figure("ray: asked of another host, one at a time", run("measure_ask", 1_000, 1), "answers/s")
    yield Figure(
        f"ray: asked of another host, {AT_A_TIME} at a time", run("measure_ask", 100, AT_A_TIME), "answers/s"
    )
    yield Figure("ray: told to another host", run("measure_stream", 100_000), "messages/s")
    killed_at = time.perf_counter()
    yield Figure("ray: a host killed, until its process answers again", killed(about.pid, west.pid), "s")
    run("measure_ask", 1, 1)
    yield Figure("ray: and until the other host has an answer of it", time.perf_counter() - killed_at, "s")
    for handle, _ in hosts:
        ray.kill(handle, no_restart=True)


def _measure(ray: Any, host: Any, method: str, *arguments: int) -> float:  # noqa: ANN401 - Ray's handles
    figures = [ray.get(getattr(host, method).remote(*arguments), timeout=120) for _ in range(3)]
    return float(max(figures))


class Empty:
    """Does nothing in a process of its own."""

    def take(self, _batch: bytes) -> int:
        """Return which process it is."""
        return os.getpid()


def best(call: Callable[[], object], calls: int = 300) -> float:
    """Return the seconds of a call, on the average of the best of five series."""
    series = []
    for _ in range(5):
        begun = time.perf_counter()
        for _ in range(calls // 5):
            call()
        series.append((time.perf_counter() - begun) / (calls // 5))
    return min(series)


def killed(pid: int, call: Any, *arguments: object) -> float:  # noqa: ANN401 - a method of a Ray handle
    """Kill a process; return the seconds until ``call`` returns another process's number."""
    import ray  # noqa: PLC0415 - it may be absent

    begun = time.perf_counter()
    os.kill(pid, signal.SIGKILL)
    while time.perf_counter() < begun + _BACK_WITHIN:
        try:
            if ray.get(call.remote(*arguments), timeout=5) != pid:
                return time.perf_counter() - begun
        except ray.exceptions.RayError:
            time.sleep(0.02)
    raise TimeoutError


if __name__ == "__main__":
    sys.exit(main())
