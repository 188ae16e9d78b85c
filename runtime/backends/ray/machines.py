"""The machines of a Ray cluster, and the hosts of one namespace on them.

A machine is a living node of Ray's. Its name is the one that ``ray start --node-name`` gave it, which lasts
when the machine comes back; a node without one, or one of two that share a name, is called by its address and
the beginning of Ray's number for it, and is another machine each time.

What Ray tells of a machine is the address it was started with and what it may use. Which addresses its
interfaces have and how much memory is free is found out *there*, by a small task of Ray's: at first sight,
and again once a minute. Until it has answered a machine has Ray's address and those of the loopback
interface, and the memory that Ray has counted.

Ray's head may be away for a minute, and calls to it hang for as long. Each runs on a thread, and whoever
waits for it does so for a bounded time and is told
:class:`~runtime.backends.ray.connecting.ClusterUnavailable`. A call that hangs holds one thread of few, and
the same question is not put twice at a time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import psutil
import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from runtime.backends.ray.actor_host import About
from runtime.backends.ray.connecting import ClusterUnavailable
from runtime.backends.ray.hosts import HostNotStarted, ask_about, discard_host, facts, find_host, start_host
from runtime.backends.ray.transport import host_name
from runtime.cluster.machines import HostProcess, Machine
from runtime.cluster.program import load
from runtime.threads import Threads
from runtime.wire.interfaces import addresses_up

T = TypeVar("T")

#: Ray's head answers within so many seconds, or is away.
_ANSWERED_WITHIN: Final = 10.0
#: So long a host may take to start, or to be given up.
_STARTED_WITHIN: Final = 120.0
#: So long hosts may take to say what they are. A frozen one does not.
_TOLD_WITHIN: Final = 3.0
#: What a machine says of itself is asked again after so many seconds,
_LOOK_AGAIN: Final = 60.0
#: and waited for so long; a process has to be started for it.
_LOOKED_WITHIN: Final = 5.0
#: Threads for questions to the head, and for hosts that are being started and given up.
_ASKING: Final = 4
_CHANGING: Final = 8
#: How much of Ray's number of a node stands in the name of a machine.
_SHOWN: Final = 8
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class _Sight:
    """What a machine has said of itself."""

    addresses: frozenset[str]
    free_bytes: int


class RayMachines:
    """See the module. Implements :class:`~runtime.cluster.machines.Machines`.

    The process has been connected to the cluster.
    """

    def __init__(self, namespace: str, program: str, argument: str) -> None:
        """Run ``program`` with ``argument`` on the hosts of ``namespace``."""
        self._namespace = namespace
        self._program = program
        self._argument = argument
        self._askers = Threads("asking ray", _ASKING)
        self._changers = Threads("changing hosts", _CHANGING)
        self._asking: dict[str, asyncio.Future[Any]] = {}
        #: By Ray's number of the node: what was seen, and what is being looked up since when.
        self._seen: dict[str, _Sight] = {}
        self._looking: dict[str, tuple[float, Any]] = {}

    async def living(self) -> tuple[Machine, ...]:
        """See :meth:`runtime.cluster.machines.Machines.living`."""
        return await self._ask(self._askers, "machines", self._living, _ANSWERED_WITHIN + _LOOKED_WITHIN)

    async def start(self, host: str, machine: str | None) -> None:
        """See :meth:`runtime.cluster.machines.Machines.start`.

        :raises HostNotStarted: there is no such machine, or the host does not come up on it.
        :raises NamespaceInUse: what is there runs something else.
        """
        what = f"start {host} on {machine or 'any machine'}"
        await self._ask(self._changers, what, lambda: self._start(host, machine), _STARTED_WITHIN)

    async def discard(self, host: str) -> None:
        """See :meth:`runtime.cluster.machines.Machines.discard`.

        Where the program has epochs, one more is taken, so that a process that lives beyond Ray's reach is
        its host no more (:mod:`runtime.cluster.tenure`).
        """

        def discard() -> None:
            discard_host(host, self._namespace)

        await self._ask(self._changers, f"discard {host}", discard, _STARTED_WITHIN)
        # A process that Ray cannot reach lives on, and is fenced as by a successor.
        incarnation = load(self._program).incarnation
        if incarnation is not None:
            await incarnation(host, self._argument)

    async def processes(self) -> tuple[HostProcess, ...]:
        """See :meth:`runtime.cluster.machines.Machines.processes`."""
        return await self._ask(self._askers, "processes", self._processes, _ANSWERED_WITHIN + _TOLD_WITHIN)

    async def _ask(self, threads: Threads, what: str, call: Callable[[], T], within: float) -> T:
        """Make a call on a thread; join the one that is under way, if there is one."""
        asking = self._asking.get(what)
        if asking is None:
            asking = asyncio.get_running_loop().run_in_executor(threads, call)
            self._asking[what] = asking
            asking.add_done_callback(lambda done: self._asked(what, done))
        try:
            async with asyncio.timeout(within):
                answer: T = await asyncio.shield(asking)
        except TimeoutError as error:
            why = f"no answer of the cluster within {within:g} s ({what})"
            raise ClusterUnavailable(why) from error
        except (RayError, ConnectionError) as error:
            why = f"no answer of the cluster: {type(error).__name__} ({what})"
            raise ClusterUnavailable(why) from error
        return answer

    def _asked(self, what: str, asking: asyncio.Future[Any]) -> None:
        del self._asking[what]
        if not asking.cancelled():
            asking.exception()  # Whoever asked may have given up.

    # --- on threads -----------------------------------------------------------------------------

    def _living(self) -> tuple[Machine, ...]:
        nodes = _living_nodes()
        self._look(nodes)
        machines = [self._described(name, node) for name, node in nodes.items()]
        return tuple(sorted(machines, key=lambda machine: machine.name))

    def _described(self, name: str, node: Mapping[str, Any]) -> Machine:
        resources = node["Resources"]
        sight = self._seen.get(node["NodeID"], _Sight(frozenset(), int(resources.get("memory", 0))))
        return Machine(
            name,
            _LOOPBACK | {node["NodeManagerAddress"]} | sight.addresses,
            max(1, int(resources.get("CPU", 0))),
            sight.free_bytes,
        )

    def _look(self, nodes: Mapping[str, Mapping[str, Any]]) -> None:
        """Have a look taken at machines of which nothing is known, or nothing new."""
        living = {node["NodeID"] for node in nodes.values()}
        for gone in (self._seen.keys() | self._looking.keys()) - living:
            self._seen.pop(gone, None)
            self._looking.pop(gone, None)
        now = time.monotonic()
        for node in living:
            since, _ = self._looking.get(node, (now - _LOOK_AGAIN, None))
            if now - since >= _LOOK_AGAIN:
                self._looking[node] = (now, _look_on(node))
        open_looks = {look: node for node, (_, look) in self._looking.items() if look is not None}
        if not open_looks:
            return
        # Only for a machine that was never seen it is worth waiting.
        new = any(node not in self._seen for node in open_looks.values())
        done, _ = ray.wait(
            list(open_looks), num_returns=len(open_looks), timeout=_LOOKED_WITHIN if new else 0
        )
        for look in done:
            node = open_looks[look]
            self._looking[node] = (self._looking[node][0], None)
            try:
                self._seen[node] = _Sight(*ray.get(look, timeout=_LOOKED_WITHIN))
            except RayError:
                continue  # It is dying, or has no process to spare; what was seen last holds.

    def _start(self, host: str, machine: str | None) -> None:
        node = None
        if machine is not None:
            found = _living_nodes().get(machine)
            if found is None:
                raise HostNotStarted(host, f"there is no machine {machine}")
            node = found["NodeID"]
        start_host(host, self._namespace, self._program, self._argument, (), machine=node)

    def _processes(self) -> tuple[HostProcess, ...]:
        names = {node["NodeID"]: name for name, node in _living_nodes().items()}
        asked: dict[Any, Any] = {}
        for actor in ray.util.list_named_actors(all_namespaces=True):
            host = host_name(actor["name"])
            if host is None or actor["namespace"] != self._namespace:
                continue
            handle = find_host(host, self._namespace)
            if handle is not None:
                try:
                    asked[ask_about(handle)] = handle
                except RayError:
                    continue  # Too many calls wait for it already, as for one that is frozen.
        done, _ = ray.wait(list(asked), num_returns=len(asked), timeout=_TOLD_WITHIN) if asked else ([], [])
        processes = []
        for answer in done:
            try:
                about = ray.get(answer, timeout=_TOLD_WITHIN)
            except RayError:
                continue  # It is being restarted.
            if isinstance(about, About) and about.machine in names:
                processes.append(
                    _process(about, names[about.machine], int(facts(asked[answer]).get("NumRestarts", 0)))
                )
        return tuple(sorted(processes, key=lambda process: process.host))


def name_machines(nodes: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return nodes, as ``ray.nodes()`` describes them, by the names of their machines; the living ones."""
    living = [node for node in nodes if node["Alive"]]
    given = [_given_name(node) for node in living]
    return {
        name
        if name and given.count(name) == 1
        else f"{node['NodeManagerAddress']}-{node['NodeID'][:_SHOWN]}": node
        for name, node in zip(given, living, strict=True)
    }


def _given_name(node: Mapping[str, Any]) -> str:
    name: str = node.get("NodeName", "")
    return "" if name == node["NodeManagerAddress"] else name


def _living_nodes() -> dict[str, Mapping[str, Any]]:
    return name_machines(ray.nodes())


def _process(about: About, machine: str, restarts: int) -> HostProcess:
    return HostProcess(about.host, machine, about.pid, about.incarnation, about.versions, restarts)


def _look_on(node: str) -> Any:  # noqa: ANN401 - Ray's
    """Begin to look at a machine, on it; return the reference to what is seen."""
    where = NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(num_cpus=0, max_retries=0)(_look_around).options(scheduling_strategy=where).remote()


def _look_around() -> tuple[frozenset[str], int]:
    """Return the addresses and the free memory of the machine that this runs on."""
    return addresses_up(), psutil.virtual_memory().available
