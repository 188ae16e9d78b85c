"""Nodes and paths in hosts of their own: either may die, be cut off or move, and no key is lost.

Real nodes and paths on the simulated fabric, with the real wire between hosts.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from actors.authority import Authority
from actors.cluster.agent import Agent, AgentPorts
from actors.cluster.distant_path import DistantPaths
from actors.cluster.path_keeper import KeeperPorts, PathKeeper
from actors.cluster.path_messages import DropPath, FromPath, HostPath, actor_of
from actors.cluster.reconciling import Settings, is_path_host, machine_of
from actors.cluster.units import path_unit, prefix_of, prefix_of_path
from actors.intake import FRAMES_PER_PATH
from actors.messages import FrameArrived, PathReport, Rekey
from actors.names import AGENT, AUTHORITY, CONTROL, PATHS
from actors.path_homes import PathSeed
from actors.peer_path import PeerPath
from actors.router_node import Ports
from runtime.actor import Context
from runtime.cluster.directory import on_host
from runtime.cluster.placement import Placement
from runtime.cluster.wire import ClusterWire
from runtime.errors import RuntimeFault, Undeliverable
from runtime.ref import Ref
from runtime.supervision import PATIENT
from runtime.system import ActorSystem
from runtime.wire.direct import DirectEndpoint, DirectWire
from runtime.wire.port import Address, OnDatagram, OnState
from tests.actors.cluster.test_real_nodes import RealCluster
from tests.support.authority_cluster import Process, in_cluster

#: As many paths as a pair of routers has, and the host of each.
HOSTS = 4


class NotingWire(DirectWire):
    """Stands for sockets, and notes for which pairs any were opened."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[tuple[Address, Address]] = []

    def open(
        self, local: Address, peer: Address, on_datagram: OnDatagram, on_state: OnState
    ) -> DirectEndpoint:
        self.opened.append((local, peer))
        return super().open(local, peer, on_datagram, on_state)


class NotingPaths(DistantPaths):
    """Notes the frames that come from elsewhere for a node."""

    def __init__(self, process: Process, frames: dict[str, list[FrameArrived]]) -> None:
        super().__init__(process.system.ref, process.seat, process.assigned.routes)
        self.frames = frames

    def __call__(self, ctx: Context, seed: PathSeed, name: str) -> Ref:
        noted = self.frames.setdefault(seed.node_name, [])
        return super().__call__(ctx, replace(seed, node=Noting(seed.node, noted)), name)  # type: ignore[arg-type]


class Noting:
    """Stands for the reference of a node."""

    def __init__(self, ref: Ref, noted: list[FrameArrived]) -> None:
        self.ref = ref
        self.noted = noted

    def offer(self, message: object) -> bool:
        taken = self.ref.offer(message)
        if taken and isinstance(message, FrameArrived):
            self.noted.append(message)
        return taken


class DedicatedCluster(RealCluster):
    """Two routers with one path between them: four hosts, on two machines."""

    def __init__(self, folder: Path, routers: int = 2) -> None:
        super().__init__(folder, routers)
        self.settings = Settings(placement=Placement.DEDICATED)
        self.wires: dict[ActorSystem, ClusterWire] = {}
        self.sockets: dict[str, NotingWire] = {}
        #: Frames that came to a node from each of its paths.
        self.frames: dict[str, list[FrameArrived]] = {}

    def compose(self, process: Process) -> None:
        if process.host == CONTROL:
            super().compose(process)
            return
        sockets = self.sockets[process.host] = NotingWire()
        wire = self.wires[process.system] = ClusterWire(process.system, process.seat, sockets)
        if not is_path_host(process.host):
            super().compose(process)
            return
        system = process.system
        ports = KeeperPorts(
            find=system.ref,
            wire=wire,
            expect=wire.expect,
            entropy=secrets.token_bytes,
            journal=process.journal,
        )
        system.spawn(lambda: PathKeeper(ports), PATHS, supervision=PATIENT)
        agent = AgentPorts(process.seat, system, process.journal, expect=lambda _: None, runs_nodes=False)
        system.spawn(
            lambda: Agent(process.assigned, agent, incarnation=process.number, pid=1000),
            AGENT,
            supervision=PATIENT,
        )

    def spawn_authority(self, process: Process) -> None:
        ports = Ports(
            store=self.store,
            wire=self.wires[process.system],
            keystore=self.fleet.keystore,
            read_file=lambda path: Path(path).read_bytes(),
            entropy=secrets.token_bytes,
            journal=process.journal,
            path_home=NotingPaths(process, self.frames),
        )
        process.system.spawn(lambda: Authority(process.assigned.plans, ports), AUTHORITY, supervision=PATIENT)

    # --- what is so -----------------------------------------------------------------------------

    def host_of(self, unit: str) -> str:
        """Return where the coordinator has a node or a path."""
        host = self.processes[CONTROL].seat.directory.host_of(prefix_of(unit))
        assert host is not None
        return host

    def path_of(self, number: int) -> str:
        plan = self.plans[number]
        return path_unit(plan.name, plan.peerings[0].paths[0].name)

    def node_of(self, number: int) -> str:
        return self.plans[number].name

    def outside(self, number: int) -> list[tuple[Address, Address]]:
        """Return the pairs for which the host of a path has opened sockets."""
        return self.sockets[self.host_of(self.path_of(number))].opened

    def paths(self, *, among: tuple[Process, ...] | None = None) -> dict[str, int]:
        """Return how many paths live on each host that has any."""
        processes = tuple(self.processes.values()) if among is None else among
        counted = {each.host: len(paths_on(each)) for each in processes}
        return {host: count for host, count in counted.items() if count}

    async def state_of(self, number: int) -> str:
        """Return the state of the path of a router, as its node says; empty where nobody does."""
        try:
            shown = await self.status(self.node_of(number))
        except RuntimeFault:
            return ""
        return shown.peers[0].paths[0].state if shown.peers and shown.peers[0].paths else ""

    async def until_state(self, number: int, state: str) -> None:
        async with asyncio.timeout(600):
            while await self.state_of(number) != state:  # noqa: ASYNC110 - nobody tells a test what actors do
                await asyncio.sleep(0.1)


def test_every_node_and_every_path_has_a_host_of_its_own(tmp_path: Path) -> None:
    async def scenario(cluster: DedicatedCluster) -> None:
        await cluster.until_keyed()

        units = [unit for number in (0, 1) for unit in (cluster.node_of(number), cluster.path_of(number))]
        hosts = [cluster.host_of(unit) for unit in units]
        assert len({*hosts}) == HOSTS
        assert [is_path_host(host) for host in hosts] == [False, True, False, True]
        assert cluster.paths() == {hosts[1]: 1, hosts[3]: 1}
        status = await cluster.placement()
        assert [each.node for each in status.nodes] == ["r0/node0", "r1/node0"]
        assert {each.host: (each.nodes, each.paths) for each in status.hosts} == {
            host: (0, 1) if is_path_host(host) else (1, 0) for host in hosts
        }
        assert (status.total, status.unplaced_paths, status.alarms) == (2, (), ())
        # No record of any key is on the host of a path, nor the actors that have them.
        for host in (hosts[1], hosts[3]):
            names = {each.name.partition("/")[0] for each in cluster.processes[host].system.actors()}
            assert names == {AGENT, PATHS, "wire"}

    dedicated(tmp_path, scenario)


def test_a_path_whose_host_is_killed_is_back_and_nothing_else_has_noticed(tmp_path: Path) -> None:
    async def scenario(cluster: DedicatedCluster) -> None:
        await cluster.until_keyed()
        keys = await cluster.keys()
        victim = cluster.host_of(cluster.path_of(0))
        others = {host: each for host, each in cluster.processes.items() if host != victim}

        await cluster.kill(victim)
        await cluster.until_state(0, "down")
        shown = (await cluster.status("r0/node0")).peers[0].paths[0]
        assert shown.reason in {"its process is gone", "its host does not run it"}
        await cluster.until_keyed()

        assert await cluster.keys() == keys
        assert cluster.host_of(cluster.path_of(0)) == victim
        assert {host: cluster.processes[host] for host in others} == others
        node = cluster.processes[cluster.host_of("r0/node0")]
        assert "path.down" in {each.event.TYPE for each in node.journal.recent()}

    dedicated(tmp_path, scenario)


def test_a_node_that_is_killed_gets_its_path_again_and_leaves_none_behind(tmp_path: Path) -> None:
    async def scenario(cluster: DedicatedCluster) -> None:
        await cluster.until_keyed()
        keys = await cluster.keys()
        host = cluster.host_of(cluster.path_of(0))
        process, (former,) = cluster.processes[host], paths_on(cluster.processes[host])

        await cluster.kill(cluster.host_of("r0/node0"))
        await cluster.until(lambda: paths_on(process) not in ([], [former]))
        await cluster.until_keyed()

        assert await cluster.keys() == keys
        assert cluster.processes[host] is process
        assert len(paths_on(process)) == 1

    dedicated(tmp_path, scenario)


def test_a_path_without_a_node_ends_by_itself(tmp_path: Path) -> None:
    async def scenario(cluster: DedicatedCluster) -> None:
        await cluster.until_keyed()
        process = cluster.processes[cluster.host_of(cluster.path_of(0))]
        await cluster.end(CONTROL)

        await cluster.end(cluster_host(cluster, process, "r0/node0"))
        await cluster.until(lambda: paths_on(process) == [])

        # Nobody asks for it again.
        await asyncio.sleep(30)
        assert paths_on(process) == []

    dedicated(tmp_path, scenario)


def test_a_node_and_its_path_die_at_the_same_time(tmp_path: Path) -> None:
    async def scenario(cluster: DedicatedCluster) -> None:
        await cluster.until_keyed()
        keys = await cluster.keys()

        victims = [cluster.host_of(unit) for unit in (cluster.node_of(0), cluster.path_of(0))]
        for host in victims:
            await cluster.kill(host)
        await cluster.until(lambda: all(host in cluster.processes for host in victims))
        await cluster.until_keyed()

        assert await cluster.keys() == keys
        assert sum(cluster.paths().values()) == 2

    dedicated(tmp_path, scenario)


def test_a_path_that_is_cut_off_ends_and_runs_again_where_it_was(tmp_path: Path) -> None:
    async def scenario(cluster: DedicatedCluster) -> None:
        await cluster.until_keyed()
        keys = await cluster.keys()
        process = cluster.processes[cluster.host_of(cluster.path_of(0))]
        (former,) = paths_on(process)

        cluster.fabric.detach(process.transport)
        await cluster.until_state(0, "down")
        await cluster.until(lambda: paths_on(process) == [])
        cluster.fabric.reattach(process.transport)
        await cluster.until(lambda: len(paths_on(process)) == 1)
        await cluster.until_keyed()

        assert paths_on(process) != [former]
        assert await cluster.keys() == keys

    dedicated(tmp_path, scenario)


def test_a_path_moves_when_its_machine_is_lost_and_one_that_was_thought_dead_changes_nothing(
    tmp_path: Path,
) -> None:
    async def scenario(cluster: DedicatedCluster) -> None:
        await cluster.until_keyed()
        keys = await cluster.keys()
        host = cluster.host_of(cluster.path_of(0))
        lost = machine_of(host)
        cut = [each for name, each in cluster.processes.items() if machine_of(name) == lost]
        for each in cut:
            cluster.fabric.detach(each.transport)
            del cluster.processes[each.host]
        machine = cluster.machines.machines.pop(lost)

        await cluster.until(lambda: machine_of(cluster.host_of(cluster.path_of(0))) != lost)
        await cluster.until_keyed()
        assert await cluster.keys() == keys

        for each in cut:
            cluster.fabric.reattach(each.transport)
            cluster.processes[each.host] = each
        cluster.machines.machines[lost] = machine
        await cluster.until(lambda: cluster.paths(among=tuple(cut)) == {})
        await cluster.until_keyed()

        assert await cluster.keys() == keys
        assert sum(cluster.paths().values()) == 2

    dedicated(tmp_path, scenario)


def test_keys_are_rotated_by_way_of_paths_elsewhere(tmp_path: Path) -> None:
    async def scenario(cluster: DedicatedCluster) -> None:
        await cluster.until_keyed()
        keys = await cluster.keys()

        for number in range(6):
            node = cluster.node_of(number % 2)
            await cluster.ask(cluster.host_of(node), AUTHORITY, Rekey(), via=cluster.host_of(node))
            await asyncio.sleep(30)

        after = await cluster.keys()
        assert all(new != old for node in keys for new, old in zip(after[node], keys[node], strict=True))
        assert await cluster.keyed()
        # More came than may be under way: what has arrived does not count for ever.
        assert all(len(each) > FRAMES_PER_PATH for each in cluster.frames.values())
        assert len(cluster.frames) == 2

    dedicated(tmp_path, scenario)


def test_a_changed_plan_reaches_the_path_and_a_path_that_is_configured_no_more_ends(tmp_path: Path) -> None:
    async def scenario(cluster: DedicatedCluster) -> None:
        await cluster.until_keyed()
        (former,) = [path_actor(cluster, 0)]
        cluster.plans[0] = replace(cluster.plans[0], enabled=False)
        await cluster.reload(cluster.host_of("r0/node0"))
        await cluster.until_state(0, "disabled")
        assert path_actor(cluster, 0) is former

        # From now on the other end is somebody outside, for whom that path needs its address.
        plan = cluster.plans[1].peerings[0].paths[0]
        for name, machine in cluster.machines.machines.items():
            cluster.machines.machines[name] = replace(machine, addresses=frozenset({plan.local.address}))
        host, other = (cluster.host_of(cluster.path_of(number)) for number in (0, 1))
        cluster.plans[0] = replace(cluster.plans[0], enabled=True, peerings=())
        await cluster.reload(cluster.host_of("r0/node0"))
        await cluster.until(lambda: host not in cluster.processes and other in cluster.paths())

        assert cluster.paths() == {other: 1}
        local, peer = Address(*plan.local), Address(*plan.peer)
        assert cluster.outside(1) == [(local, peer)]

    dedicated(tmp_path, scenario)


def test_a_host_refuses_what_an_earlier_incarnation_of_the_node_asks(tmp_path: Path) -> None:
    async def scenario(cluster: DedicatedCluster) -> None:
        await cluster.until_keyed()
        plan = cluster.plans[0]
        path = plan.peerings[0].paths[0]
        host, via = cluster.host_of(cluster.path_of(0)), cluster.host_of("r1/node0")
        process = cluster.processes[host]
        (former,) = paths_on(process)
        early = HostPath(
            path=prefix_of_path(plan.name, path.name),
            epoch=0,
            serial=99,
            node=on_host(via, "authority/r1.node0"),
            node_name=plan.name,
            local=plan.uuid,
            peering=replace(plan.peerings[0], paths=()),
            plan=path,
            policy=plan.policy,
            enabled=True,
            paths=1,
            route="",
        )

        with pytest.raises(Undeliverable, match="a later incarnation of its node has it"):
            await cluster.ask(host, PATHS, early, via=via)
        cluster.processes[via].system.ref(on_host(host, PATHS)).tell(DropPath(early.path, 0, 99))
        await asyncio.sleep(5)

        assert paths_on(process) == [former]
        assert former.startswith(actor_of(early.path, 1, 1).rpartition(".")[0])
        assert await cluster.keyed()

    dedicated(tmp_path, scenario)


def test_a_path_that_is_assigned_elsewhere_ends_where_it_was(tmp_path: Path) -> None:
    async def scenario(cluster: DedicatedCluster) -> None:
        await cluster.until_keyed()
        node = cluster.processes[cluster.host_of("r0/node0")]
        prefix = prefix_of(cluster.path_of(0))
        before, after = (cluster.processes[cluster.host_of(cluster.path_of(number))] for number in (0, 1))

        node.seat.directory.assign({prefix_of("r0/node0"): node.host, prefix: after.host}, 1_000)
        await cluster.until(lambda: paths_on(before) == [])

        assert before in cluster.processes.values()
        assert len([name for name in paths_on(after) if name.startswith(prefix)]) == 1

    dedicated(tmp_path, scenario)


def test_what_an_earlier_path_says_is_not_heard(tmp_path: Path) -> None:
    async def scenario(cluster: DedicatedCluster) -> None:
        await cluster.until_keyed()
        (now,) = paths_on(cluster.processes[cluster.host_of(cluster.path_of(0))])
        serial = int(now.rpartition(".")[2])
        node = cluster.processes[cluster.host_of("r0/node0")].system
        (standing,) = [each.name for each in node.actors() if each.kind == "DistantPath"]
        path = cluster.plans[0].peerings[0].paths[0]
        report = PathReport(
            cluster.plans[1].uuid,
            path.name,
            "invalid",
            "said late",
            str(path.local),
            str(path.peer),
            path.mtu,
        )

        node.ref(standing).tell(FromPath(serial - 1, report))
        await asyncio.sleep(1)
        assert await cluster.state_of(0) == "in-service"

        node.ref(standing).tell(FromPath(serial, report))
        await asyncio.sleep(1)
        assert await cluster.state_of(0) == "invalid"

    dedicated(tmp_path, scenario)


def test_a_path_to_somebody_outside_is_where_its_address_is_and_its_node_need_not_be(tmp_path: Path) -> None:
    async def scenario(cluster: DedicatedCluster) -> None:
        outside = cluster.plans.pop()
        local = cluster.plans[0].peerings[0].paths[0].local
        for name in ("m0", "m1"):
            machine = cluster.machines.machines[name]
            cluster.machines.machines[name] = replace(machine, addresses=frozenset())
        assert outside.name == "r1/node0"
        await cluster.until(lambda: len(cluster.processes) > 1)
        await cluster.until_state(0, "down")

        status = await cluster.placement()
        (unplaced,) = status.unplaced_paths
        assert unplaced.node == cluster.path_of(0)
        assert local.address in unplaced.why
        assert [each.why for each in status.nodes] == [""]

        machine = cluster.machines.machines["m1"]
        cluster.machines.machines["m1"] = replace(machine, addresses=frozenset({local.address}))
        await cluster.until_state(0, "waiting")

        assert machine_of(cluster.host_of(cluster.path_of(0))) == "m1"
        assert [own for own, _ in cluster.outside(0)] == [Address(*local)]

    dedicated(tmp_path, scenario)


# --- helpers ----------------------------------------------------------------------------------------


def dedicated(folder: Path, scenario: Callable[[DedicatedCluster], Awaitable[None]]) -> None:
    in_cluster(lambda: DedicatedCluster(folder), scenario)  # type: ignore[arg-type]


def paths_on(process: Process) -> list[str]:
    """Return the names of the paths that live on a host."""
    return [each.name for each in process.system.actors() if each.name.startswith(f"{PATHS}/")]


def path_actor(cluster: DedicatedCluster, number: int) -> PeerPath:
    """Return the actor of the path of a router, on whichever host it is."""
    process = cluster.processes[cluster.host_of(cluster.path_of(number))]
    (name,) = paths_on(process)
    cell = process.system.find(name)
    assert cell is not None
    assert cell.incarnation is not None
    actor = cell.incarnation.actor
    assert isinstance(actor, PeerPath)
    return actor


def cluster_host(cluster: DedicatedCluster, witness: Process, node: str) -> str:
    """Return the host of a node, as another host knows it."""
    host = witness.seat.directory.host_of(prefix_of(node))
    assert host is not None
    return host
