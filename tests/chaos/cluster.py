"""A Ray cluster on this machine to be broken: several nodes, each a machine of its own as far as Ray knows,
and a head with Redis behind it, which a store may use too.

::

    with chaos_cluster(machines=("one", "two")) as cluster:
        machines = RayMachines("fleet", PROGRAM, json.dumps({"redis": cluster.redis_address}))
        killer = Killer(cluster, "fleet")

Everything listens on the loopback interface, has a folder of its own, and is gone after the block: what was
killed has been waited for, and what was frozen is killed.
"""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import psutil
import ray
from ray.cluster_utils import Cluster

from runtime.backends.ray.connecting import connect, disconnect
from runtime.backends.ray.settings import FAULT_TOLERANT, SETTINGS
from tests.support.redis_server import Redis, redis_server

ROOT: Final = Path(__file__).parents[2]
#: Whatever Ray has to notice, it notices within so many seconds.
NOTICED: Final = 60.0
_NODE: Final[dict[str, Any]] = {
    "node_ip_address": "127.0.0.1",
    "object_store_memory": 80 << 20,
    "include_dashboard": False,
    "include_log_monitor": False,
    # Any port: there may be two such clusters at a time.
    "dashboard_agent_listen_port": 0,
}
HEAD: Final = "head"
#: Twice as fast as is good for a cluster that has to last.
_HASTE: Final = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "1000",
}
#: Ray's own, without a type.
Node: TypeAlias = Any


class ChaosCluster:
    """See the module. The machine of the head is called ``head``; this process is connected through it."""

    def __init__(self, redis: Redis, port: int) -> None:
        self.redis = redis
        self.redis_address = f"redis://127.0.0.1:{port}"
        self._cluster = Cluster(
            initialize_head=True, head_node_args={**_NODE, "num_cpus": 2, "node_name": HEAD}
        )
        self._nodes: dict[str, Node] = {HEAD: self._cluster.head_node}

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    @property
    def machines(self) -> tuple[str, ...]:
        """The names of the machines that there are, that of the head among them."""
        return tuple(self._nodes)

    # --- machines ---------------------------------------------------------------------------------

    def add(self, name: str) -> None:
        """Let a machine join, and return when Ray knows it."""
        assert name not in self._nodes
        self._nodes[name] = self._cluster.add_node(**_NODE, num_cpus=1, node_name=name)

    def lose(self, name: str) -> None:
        """Kill everything on a machine at once, as a power cut does; return when nothing of it runs."""
        assert name != HEAD, "this process is connected through it"
        node = self._nodes.pop(name)
        whole = self.processes(node)
        for process in whole:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        # The raylet is a child of this process, and its own children count as alive until it is waited for.
        node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)
        self._cluster.worker_nodes.discard(node)
        _, left = psutil.wait_procs(whole, timeout=NOTICED)
        assert left == []

    def raylet(self, name: str) -> int:
        """Return the process of a machine's raylet."""
        return int(self._nodes[name].all_processes["raylet"][0].process.pid)

    def node_id(self, name: str) -> str:
        """Return Ray's number of a machine."""
        return str(self._nodes[name].node_id)

    def is_living(self, name: str, node_id: str) -> bool:
        """Tell whether Ray takes a machine for alive; others may have had its name."""
        return any(
            node["Alive"] and node["NodeID"] == node_id for node in ray.nodes() if node["NodeName"] == name
        )

    def forget(self, name: str) -> None:
        """Clean up after a machine that Ray has declared dead and that has ended by itself."""
        self.lose(name)

    @staticmethod
    def processes(node: Node) -> list[psutil.Process]:
        """Return the raylet of a node, everything that it has started, and whatever else belongs to it."""
        found = []
        for infos in node.all_processes.values():
            for info in infos:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process = psutil.Process(info.process.pid)
                    found += [*process.children(recursive=True), process]
        return found

    # --- the head ---------------------------------------------------------------------------------

    @property
    def gcs(self) -> int:
        """The process of the head's server, which knows where everything is."""
        return int(self._cluster.head_node.all_processes["gcs_server"][0].process.pid)

    def lose_head(self) -> None:
        """Kill the head's server, unless it has died already."""
        self._cluster.head_node.kill_gcs_server(check_alive=False)

    def head_has_ended(self) -> bool:
        """Tell whether the head's server has ended, as it does when Redis stays away."""
        return self._cluster.head_node.all_processes["gcs_server"][0].process.poll() is not None

    def return_head(self) -> None:
        """Start the head's server anew at its address; return when it answers."""
        self._cluster.head_node.start_gcs_server()
        until(lambda: bool(ray.nodes()), "the head answers")

    def ensure_head(self) -> None:
        """Start the head's server anew if it has ended by itself."""
        if self.head_has_ended():
            self.lose_head()
            self.return_head()

    @contextmanager
    def kept_head(self) -> Iterator[HeadKeeper]:
        """Start the head's server anew whenever it has ended by itself, while the block lasts."""
        keeper = HeadKeeper(self)
        keeper.start()
        try:
            yield keeper
        finally:
            keeper.end()

    def stop(self) -> None:
        for name in [name for name in self._nodes if name != HEAD]:
            self.lose(name)
        disconnect()
        whole = self.processes(self._cluster.head_node)
        self._cluster.shutdown()
        for process in whole:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(whole, timeout=NOTICED)


class HeadKeeper(threading.Thread):
    """Whoever runs a cluster starts its head again, as systemd or Kubernetes does.

    The head ends when Redis stays away, and up to some seconds after that has returned.
    """

    def __init__(self, cluster: ChaosCluster) -> None:
        super().__init__(name="keep the head", daemon=True)
        self._cluster = cluster
        self._ended = threading.Event()
        #: Held by whoever takes the head, or Redis, away on purpose.
        self.away = threading.RLock()

    def run(self) -> None:
        while not self._ended.wait(0.1):
            with self.away:
                self._cluster.ensure_head()

    def end(self) -> None:
        self._ended.set()
        self.join()


@contextmanager
def chaos_cluster(machines: Sequence[str] = ("one",)) -> Iterator[ChaosCluster]:
    """Run a cluster with a head and so many more machines while the block lasts; skip without Redis."""
    before = dict(os.environ)
    me = psutil.Process()
    others = set(me.children(recursive=True))
    with tempfile.TemporaryDirectory(prefix="chaos-", dir="/tmp") as folder, _redis() as (redis, port):
        os.environ.update({**SETTINGS, **FAULT_TOLERANT, **_HASTE})
        os.environ["PYTHONPATH"] = str(ROOT)
        os.environ["RAY_TMPDIR"] = folder
        os.environ["RAY_REDIS_ADDRESS"] = f"127.0.0.1:{port}"
        cluster = ChaosCluster(redis, port)
        try:
            for name in machines:
                cluster.add(name)
            connect(cluster.address, "chaos", token=True)
            yield cluster
        finally:
            cluster.stop()
            os.environ.clear()
            os.environ.update(before)
    left = [process for process in me.children(recursive=True) if process not in others]
    assert left == []


@contextmanager
def _redis() -> Iterator[tuple[Redis, int]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with redis_server({"port": str(port)}) as redis:
        yield redis, port


def until(check: Callable[[], bool], what: str, within: float = NOTICED) -> None:
    """Wait until something holds, named in words for whoever waits in vain."""
    end = time.monotonic() + within
    while not check():
        assert time.monotonic() < end, f"in vain: {what}"
        time.sleep(0.05)
