"""Real router nodes on a cluster: keys outlive hosts, machines and the coordinator."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from actors.authority import Authority
from actors.cluster.asking import authority_of, node_status
from actors.cluster.reconciling import machine_of
from actors.cluster.units import prefix_of
from actors.messages import GetNodeStatus, NodeStatus, Rekey
from actors.names import AUTHORITY, CONTROL
from actors.router_node import Ports
from runtime.errors import RuntimeFault, Undeliverable
from runtime.supervision import PATIENT
from tests.support.authority_cluster import AuthorityCluster, Process, in_cluster, machines
from tests.support.fleet import Fleet

SECOND = timedelta(seconds=1)


class RealCluster(AuthorityCluster):
    """Hosts with real authorities. Their wire is one for all, as if it led from host to host."""

    def __init__(self, folder: Path, routers: int = 3) -> None:
        self.fleet = Fleet(folder, routers=routers)
        super().__init__(self.fleet.plans, machines(2), store=self.fleet.store, began=self.fleet.now)

    def spawn_authority(self, process: Process) -> None:
        ports = Ports(
            store=self.store,
            wire=self.fleet.wire,
            keystore=self.fleet.keystore,
            read_file=lambda path: Path(path).read_bytes(),
            entropy=secrets.token_bytes,
            journal=process.journal,
        )
        process.system.spawn(lambda: Authority(process.assigned.plans, ports), AUTHORITY, supervision=PATIENT)

    async def status(self, node: str) -> NodeStatus:
        """Ask from a host that the node may or may not be on."""
        process = worker(self)
        return await node_status(process.system.ref, process.seat.directory, node, 5 * SECOND)

    async def keyed(self) -> bool:
        try:
            shown = [await self.status(plan.name) for plan in self.plans]
        except RuntimeFault:
            return False
        return all(
            peer.security.key_index is not None and all(path.state == "in-service" for path in peer.paths)
            for each in shown
            for peer in each.peers
        ) and all(len(each.peers) == len(self.plans) - 1 for each in shown)

    async def until_keyed(self) -> None:
        await self.until(lambda: len(self.processes) > 1)
        async with asyncio.timeout(600):
            while not await self.keyed():  # noqa: ASYNC110 - nobody tells a test what actors do
                await asyncio.sleep(0.5)

    async def keys(self) -> dict[str, list[tuple[str, int | None]]]:
        return {
            plan.name: [(peer.peer, peer.security.key_index) for peer in (await self.status(plan.name)).peers]
            for plan in self.plans
        }


def test_nodes_key_across_hosts_and_keep_their_keys_when_a_machine_is_lost(tmp_path: Path) -> None:
    async def scenario(cluster: RealCluster) -> None:
        await cluster.until_keyed()
        keys = await cluster.keys()
        former = hosts(cluster)

        lost = machine_of(former["r0/node0"])
        await cluster.lose(lost)
        await cluster.until(lambda: hosts(cluster)["r0/node0"] != former["r0/node0"])
        await cluster.until_keyed()

        assert await cluster.keys() == keys
        after = hosts(cluster)
        moved = {node for node in former if after[node] != former[node]}
        assert moved == {node for node, host in former.items() if machine_of(host) == lost}

    real(tmp_path, scenario)


def test_keys_are_rotated_while_there_is_no_coordinator(tmp_path: Path) -> None:
    async def scenario(cluster: RealCluster) -> None:
        await cluster.until_keyed()
        keys = await cluster.keys()
        await cluster.end(CONTROL)

        reached = 0
        for host in sorted(set(hosts(cluster).values())):
            reached += await cluster.ask(host, AUTHORITY, Rekey(), via=worker(cluster).host)
        await asyncio.sleep(60)

        assert reached == 6
        after = await cluster.keys()
        assert all(new != old for node in keys for new, old in zip(after[node], keys[node], strict=True))
        assert await cluster.keyed()

    real(tmp_path, scenario)


def test_a_changed_plan_reaches_its_node_and_a_node_that_is_gone_stops(tmp_path: Path) -> None:
    async def scenario(cluster: RealCluster) -> None:
        await cluster.until_keyed()
        cluster.plans[1] = replace(cluster.plans[1], enabled=False)
        last = cluster.plans.pop()
        for number, each in enumerate(cluster.plans):
            kept = tuple(peer for peer in each.peerings if peer.peer_router != last.router)
            cluster.plans[number] = replace(each, peerings=kept)

        assert set(await cluster.reload()) == {"r0/node0", "r1/node0"}
        await cluster.until(lambda: last.name not in running(cluster))
        async with asyncio.timeout(60):
            while (await cluster.status("r1/node0")).enabled:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.5)

        with pytest.raises(Undeliverable):
            await cluster.status(last.name)
        host = hosts(cluster)["r0/node0"]
        with pytest.raises(Undeliverable, match="does not run here"):
            await cluster.ask(host, AUTHORITY, GetNodeStatus(last.name))

    real(tmp_path, scenario)


# --- helpers ----------------------------------------------------------------------------------------


def real(folder: Path, scenario: Callable[[RealCluster], Awaitable[None]]) -> None:
    in_cluster(lambda: RealCluster(folder), scenario)  # type: ignore[arg-type]


def worker(cluster: RealCluster) -> Process:
    """Return the first living worker."""
    return min(
        (each for each in cluster.processes.values() if each.host != CONTROL), key=lambda each: each.host
    )


def hosts(cluster: RealCluster) -> dict[str, str]:
    """Return where each node is, for all that the first living worker knows."""
    process = worker(cluster)
    found = {}
    for plan in cluster.plans:
        host = process.seat.directory.host_of(prefix_of(plan.name))
        if host is not None:
            assert authority_of(process.seat.directory, plan.name) == f"//{host}/authority"
            found[plan.name] = host
    return found


def running(cluster: RealCluster) -> set[str]:
    """Return the nodes whose actors live anywhere."""
    names = {each.name for process in cluster.processes.values() for each in process.system.actors()}
    return {f"r{number}/node0" for number in range(9) if f"authority/r{number}.node0" in names}
