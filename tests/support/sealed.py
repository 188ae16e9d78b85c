"""A trap for what leads out of a simulation: a clock, a sleep, a socket, a file, a thread, entropy.

The interpreter itself is asked, in two ways that no early ``from time import time`` gets around. Its
*profiler* sees every function of C that Python code calls, whatever name it was called by; its *audit* tells
of what those functions do to the world. An audit cannot be ended, so a trap belongs in a process of its own::

    python -m tests.support.sealed AUTHORITY SEED [--leak]

runs a seed within the trap and prints what was caught as JSON; with ``--leak``, each of :data:`LEAKS` is
called in the middle of it. What a library of C does by itself, without being called for it, no trap sees:
that is what equal digests are for.
"""

from __future__ import annotations

import asyncio
import builtins
import datetime as dt
import json
import linecache
import os
import random
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
import tokenize
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any, Final

from peerkey_cli.simulation.faults import FaultKind
from peerkey_cli.simulation.fleet import Fleet
from peerkey_cli.simulation.run import simulate
from peerkey_cli.simulation.settings import Settings
from tests.sim.authorities import planned

#: What belongs to the world, whole modules at a time, by their names in C.
_WORLDLY_MODULES: Final = frozenset({"time", "posix", "_socket", "_thread", "select", "_posixsubprocess"})
#: Of them, what only turns one value into another, tells threads apart or makes a lock.
_HARMLESS: Final = frozenset(
    {"fspath", "strerror", "get_ident", "allocate_lock", "get_clock_info", "RLock", "_is_main_interpreter"}
)
#: A traceback quotes the code, for which its files are looked at. It is told, and decides nothing.
_QUOTING: Final = frozenset({linecache.__file__, tokenize.__file__})
_DATES: Final = frozenset({"now", "utcnow", "today"})
#: Prefixes of audit events.
_WORLDLY_EVENTS: Final = (
    "_thread.start_new_thread",
    "open",
    "os.",
    "shutil.",
    "socket.",
    "subprocess.",
    "tempfile.",
    "time.sleep",
)

#: How often things go wrong, so that a few minutes see nearly every kind of it.
_INTENSITY: Final = 4000.0

#: A way out, each of another kind or hidden in another manner.
LEAKS: Final[dict[str, Callable[[], object]]] = {
    "time.time": time.time,
    "time.time_ns": time.time_ns,
    "time.monotonic": time.monotonic,
    "time.monotonic_ns": time.monotonic_ns,
    "time.perf_counter": time.perf_counter,
    "time.perf_counter_ns": time.perf_counter_ns,
    "time.process_time": time.process_time,
    "time.localtime": time.localtime,
    "time.sleep": lambda: time.sleep(0),
    "datetime.now": lambda: dt.datetime.now(dt.UTC),
    "datetime.utcnow": lambda: dt.datetime.utcnow(),  # noqa: DTZ003, PLW0108 - it is the leak
    "date.today": lambda: dt.date.today(),  # noqa: DTZ011, PLW0108 - it is the leak
    "os.urandom": lambda: os.urandom(1),
    "os.getpid": os.getpid,
    "secrets.token_bytes": secrets.token_bytes,
    "uuid.uuid4": uuid.uuid4,
    "random.random": random.random,
    "random.randrange": lambda: random.randrange(2),
    "random.Random": random.Random,
    "socket.socket": lambda: socket.socket().close(),
    "open": lambda: builtins.open(os.devnull, "rb").close(),  # noqa: PTH123 - it is the leak
    "Path.read_bytes": lambda: Path(os.devnull).read_bytes(),
    "tempfile": lambda: tempfile.TemporaryFile().close(),
    "subprocess": lambda: subprocess.run([sys.executable, "-c", ""], check=True),
    "threading.Thread": lambda: threading.Thread(target=int).start(),
}


class Trap:
    """Remembers who called what that leads out, while it is armed."""

    def __init__(self) -> None:
        """Be set, and not armed."""
        self.caught: dict[str, str] = {}
        self._armed = False
        sys.addaudithook(self._told)

    def __enter__(self) -> None:
        """Arm it."""
        self._armed = True
        sys.setprofile(self._called)

    def __exit__(self, *_: object) -> None:
        """Disarm it."""
        sys.setprofile(None)
        self._armed = False

    def _called(self, frame: FrameType, event: str, function: Any) -> None:  # noqa: ANN401 - of any kind
        if event == "c_call" and _leads_out(function):
            self._catch(f"{_owner(function)}.{function.__name__}", frame)
        elif event == "call" and frame.f_code.co_filename == random.__file__ and _is_chance(frame):
            self._catch(f"random.{frame.f_code.co_name}", frame.f_back or frame)

    def _told(self, event: str, _arguments: object) -> None:
        if self._armed and event.startswith(_WORLDLY_EVENTS):
            self._catch(event, sys._getframe(1))  # noqa: SLF001 - the one way to learn who calls

    def _catch(self, what: str, frame: FrameType) -> None:
        if frame.f_code.co_filename not in _QUOTING:
            self.caught.setdefault(what, f"{frame.f_code.co_filename}:{frame.f_lineno}")


def _leads_out(function: Any) -> bool:  # noqa: ANN401 - a function of C
    if function.__module__ in _WORLDLY_MODULES:
        return function.__name__ not in _HARMLESS
    owner = getattr(function, "__self__", None)
    if isinstance(owner, type):
        return issubclass(owner, dt.date) and function.__name__ in _DATES
    return owner is random._inst  # noqa: SLF001 - what the module's functions draw from


def _owner(function: Any) -> str:  # noqa: ANN401 - a function of C
    owner = getattr(function, "__self__", None)
    return owner.__name__ if isinstance(owner, type) else function.__module__ or type(owner).__name__


def _is_chance(frame: FrameType) -> bool:
    """Tell whether a function of ``random`` draws from the module's own generator, or seeds one by chance."""
    scope = frame.f_locals
    drawn = scope.get("self") is random._inst  # noqa: SLF001
    return drawn or (frame.f_code.co_name == "seed" and scope.get("a") is None)


def sealed(authority: str, seed: int, *, leaking: bool) -> dict[str, Any]:
    """Run a seed within the trap; return what was caught, and the digests with the trap and without."""
    everything = Settings(
        seed, timedelta(minutes=2), loss=0.1, kinds=frozenset(FaultKind), intensity=_INTENSITY
    )
    plans = planned(authority)
    # What a first run loads and caches is read from files, and nothing to do with the simulation.
    outside = simulate(plans, everything)
    trap = Trap()
    planted: dict[str, list[str]] = {}

    async def leaks(_fleet: Fleet) -> None:
        await asyncio.sleep(30)
        for name, leak in LEAKS.items():
            before, trap.caught = trap.caught, {}
            leak()
            planted[name] = sorted(trap.caught)
            trap.caught = before

    with trap:
        inside = simulate(plans, everything, beside=leaks if leaking else None)
    return {
        "caught": trap.caught,
        "planted": planted,
        "outside": outside.digest,
        "inside": inside.digest,
        "kinds": len({fault.kind for fault in inside.schedule}),
        "finding": None if inside.finding is None else str(inside.finding),
    }


if __name__ == "__main__":
    _authority, _seed, *_leak = sys.argv[1:]
    json.dump(sealed(_authority, int(_seed), leaking=bool(_leak)), sys.stdout)
