"""A cluster of hosts that Ray runs, for the suite of all transports.

One cluster of Ray's is shared by all tests of a session (it takes seconds to start), and each test has two
hosts in a namespace of its own. A host is looked into from within its process (:class:`ProbedHost`), and
killed and frozen by the number of that process.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import psutil
import ray

from runtime import Ask, Ref
from runtime.backends.ray.actor_host import About, ActorHost
from runtime.backends.ray.connecting import LOCAL, connect, disconnect
from runtime.backends.ray.hosts import HostNotStarted, about_host, start_host
from runtime.cluster.codec import Codec
from runtime.cluster.failures import decode_failure_untrusted, encode_failure
from runtime.ref import Delivery
from tests.support.cluster_program import REGISTRY
from tests.support.cluster_simulated import seen
from tests.support.cluster_suite import NOTICED, SOON, Scenario, Seen

R = TypeVar("R")

PROGRAM: Final = "tests.support.cluster_program:PROGRAM"
NAMES: Final = ("east", "west")
_numbers = itertools.count(1)


class ProbedHost(ActorHost):
    """A host that does what a test wants of its system."""

    def probe_tell(self, name: str, message: object) -> None:
        async def work() -> None:
            self.system.ref(name).tell(message)

        self.run(work, SOON)

    def probe_ask(self, name: str, question: Ask[Any], seconds: float) -> tuple[Any, bytes | None]:
        async def work() -> tuple[Any, bytes | None]:
            try:
                return await self.system.ref(name).ask(question, timedelta(seconds=seconds)), None
            except Exception as error:  # noqa: BLE001 - it is raised where the test asked
                return None, encode_failure(_CODEC, name, error)

        return self.run(work, seconds + SOON)

    def probe_end(self) -> None:
        """Let the loop end as it never should."""
        self._loop.call_soon_threadsafe(self._loop.stop)

    def probe_see(self) -> Seen:
        async def work() -> Seen:
            return seen(self.system, self.seat)

        return self.run(work, SOON)


class RayCluster:
    """Two hosts. See :class:`tests.support.cluster_suite.Cluster`."""

    def __init__(self, machines: Mapping[str, str] | None = None) -> None:
        self.namespace = f"test-{next(_numbers)}"
        self.handles: dict[str, Any] = {}
        self.abouts: dict[str, About] = {}
        for name in NAMES:
            self.start(name, (machines or {}).get(name))

    def start(self, name: str, machine: str | None = None) -> None:
        """Start a host, on a machine if that matters."""
        self.handles[name], self.abouts[name] = start_host(
            name, self.namespace, PROGRAM, "", NAMES, machine=machine, kind=ProbedHost
        )

    async def tell(self, host: str, name: str, message: object) -> None:
        ray.get(self.handles[host].probe_tell.remote(name, message), timeout=SOON)

    async def ask(self, host: str, name: str, question: Ask[R], seconds: float = SOON) -> R:
        call = self.handles[host].probe_ask.remote(name, question, seconds)
        answer, failure = ray.get(call, timeout=seconds + 2 * SOON)
        if failure is not None:
            raise decode_failure_untrusted(_CODEC, failure)
        return cast("R", answer)

    async def see(self, host: str) -> Seen:
        return cast("Seen", ray.get(self.handles[host].probe_see.remote(), timeout=SOON))

    async def kill(self, host: str) -> None:
        end(self.abouts[host].pid)

    async def returned(self, host: str) -> None:
        until = time.monotonic() + NOTICED
        while True:
            try:
                about = about_host(host, self.handles[host], SOON)
            except HostNotStarted:
                about = self.abouts[host]
            if about.pid != self.abouts[host].pid:
                self.abouts[host] = about
                return
            assert time.monotonic() < until, f"{host} does not return"
            await self.pause()

    async def freeze(self, host: str) -> None:
        os.kill(self.abouts[host].pid, signal.SIGSTOP)

    async def thaw(self, host: str) -> None:
        os.kill(self.abouts[host].pid, signal.SIGCONT)

    async def pause(self) -> None:
        await asyncio.sleep(0.05)

    def time(self) -> float:
        return time.monotonic()

    async def joined(self) -> None:
        for name in NAMES:
            while [state for state, _ in (await self.see(name)).hosts.values()] != ["joined"]:
                await self.pause()

    def stop(self) -> None:
        """End both hosts for good, frozen ones too."""
        for name, handle in self.handles.items():
            ray.kill(handle, no_restart=True)
            end(self.abouts[name].pid)


def on_ray(scenario: Scenario) -> None:
    """Run a scenario on two hosts that have joined."""
    cluster = RayCluster()

    async def whole() -> None:
        async with asyncio.timeout(NOTICED):
            await cluster.joined()
        await scenario(cluster)

    try:
        asyncio.run(whole())
    finally:
        cluster.stop()


@contextmanager
def ray_session(root: Path) -> Iterator[None]:
    """A cluster on this machine, whose processes find the tests. None of them is left afterwards."""
    before = dict(os.environ)
    os.environ["PYTHONPATH"] = str(root)
    me = psutil.Process()
    others = set(me.children(recursive=True))
    try:
        connect(LOCAL, "tests", token=True, cpus=2)
        yield
    finally:
        rays = set(me.children(recursive=True)) - others
        disconnect()
        _, left = psutil.wait_procs(rays, timeout=10)
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=5)
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


#: Starts the processes of a node, as ``ray start`` does, which refuses to on the loopback interface.
_NODE = """
import signal, sys
from ray._private.node import Node
from ray._private.parameter import RayParams
node = Node(
    RayParams(
        gcs_address=sys.argv[1], node_ip_address="127.0.0.1", num_cpus=1, object_store_memory=80 << 20,
        min_worker_port=0, max_worker_port=0, node_manager_port=0, include_log_monitor=False,
        dashboard_agent_listen_port=None,
    ),
    head=False, shutdown_at_exit=True, spawn_reaper=False,
)
signal.pause()
"""


@contextmanager
def another_machine() -> Iterator[tuple[str, Callable[[], None]]]:
    """Let a second node join the cluster; yield its name, and what kills everything on it at once."""
    before = {node["NodeID"] for node in ray.nodes()}
    node = subprocess.Popen(
        [sys.executable, "-c", _NODE, ray.get_runtime_context().gcs_address],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    process = psutil.Process(node.pid)

    def kill() -> None:
        whole = [*process.children(recursive=True), process]
        for one in whole:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        node.wait()
        psutil.wait_procs(whole, timeout=SOON)

    try:
        until = time.monotonic() + NOTICED
        while not (new := {one["NodeID"] for one in ray.nodes() if one["Alive"]} - before):
            assert node.poll() is None, "the second node has ended"
            assert time.monotonic() < until, "the second node does not join"
            time.sleep(0.2)
        yield new.pop(), kill
    finally:
        if node.poll() is None:
            kill()


def end(pid: int) -> None:
    """Kill a process, and return when it is gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        process.kill()
        psutil.wait_procs([process], timeout=SOON)


_CODEC = Codec(REGISTRY, str, lambda name: Ref(name, cast("Delivery", None)))
