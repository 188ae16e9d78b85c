"""Ray's own part in a recovery: how long an empty actor takes to be back. No host can be faster."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import ray
from ray.exceptions import RayError

from tests.chaos.cluster import NOTICED
from tests.chaos.ways import Way

#: How often it is killed in each way.
_TIMES: Final = 5
_LOOK_EVERY: Final = 0.01
#: So many actors are started until one is where it should be.
_SPREAD: Final = 30


class Empty:
    """Does nothing."""

    def pid(self) -> int:
        return os.getpid()

    def machine(self) -> str:
        return str(ray.get_runtime_context().get_node_id())


class Floor:
    """Measures; see the module."""

    def __init__(self) -> None:
        #: Seconds until an empty actor was back, by what had happened to it.
        self.took: dict[Way, list[float]] = defaultdict(list)

    def measure(self) -> None:
        """Kill an empty actor again and again."""
        ways: dict[Way, Callable[[Any, int], None]] = {
            Way.RAY_KILL: lambda actor, _: ray.kill(actor, no_restart=False),
            Way.SIGKILL: lambda _, pid: os.kill(pid, signal.SIGKILL),
        }
        for way, kill in ways.items():
            actor = _started()
            for _ in range(_TIMES):
                pid = ray.get(actor.pid.remote())
                began = time.monotonic()
                kill(actor, pid)
                self.took[way].append(_back(actor, pid) - began)
            ray.kill(actor)

    @contextmanager
    def beside(self, node: str) -> Iterator[None]:
        """Have an empty actor on a machine, of Ray's number, that is lost within the block."""
        actor = _started(node)
        pid = ray.get(actor.pid.remote())
        began = time.monotonic()
        back: list[float] = []
        thread = threading.Thread(target=lambda: back.append(_back(actor, pid)), daemon=True)
        thread.start()
        yield
        thread.join(NOTICED)
        assert back, "an empty actor does not come back"
        self.took[Way.MACHINE].append(back[0] - began)
        ray.kill(actor)


def _started(node: str = "") -> Any:  # noqa: ANN401 - Ray's
    """Start an empty actor that may be anywhere, and is on that machine at first, if one is named."""
    empty: Any = ray.remote(num_cpus=0, max_restarts=-1, scheduling_strategy="SPREAD")(Empty)
    for _ in range(_SPREAD):
        actor = empty.remote()
        if node in {"", ray.get(actor.machine.remote())}:
            return actor
        ray.kill(actor)
    message = "Ray spreads no empty actor to that machine"
    raise AssertionError(message)


def _back(actor: Any, pid: int) -> float:  # noqa: ANN401 - Ray's
    """Wait until another process answers; return when that was."""
    end = time.monotonic() + NOTICED
    while time.monotonic() < end:
        try:
            if ray.get(actor.pid.remote(), timeout=NOTICED) != pid:
                return time.monotonic()
        except RayError:
            pass  # It is being started again.
        time.sleep(_LOOK_EVERY)
    message = "an empty actor does not come back"
    raise AssertionError(message)
