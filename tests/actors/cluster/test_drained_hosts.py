"""Hosts and machines that an operator drains: their nodes move, and none comes."""

from __future__ import annotations

import asyncio

from actors.cluster.messages import DrainHost, HostsDrained
from actors.cluster.reconciling import Settings, machine_of
from actors.names import CONTROL, COORDINATOR
from tests.support.authority_cluster import AuthorityCluster, fleet, in_cluster, machines


def test_the_nodes_of_a_drained_machine_move_and_come_back_only_when_they_have_to() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        places = cluster.places()

        done = await order(cluster, "m0")
        await cluster.until(lambda: not on_machine(cluster, "m0"))
        await cluster.until_settled()

        assert done == HostsDrained("", ("m0",))
        moved = {name for name, host in places.items() if machine_of(host) == "m0"}
        assert {name for name, host in cluster.places().items() if host != places[name]} == moved
        assert {each["reason"] for each in cluster.events("cluster.node_moved")} == {"its host is drained"}
        status = await cluster.placement()
        assert [each.identity for each in status.alarms] == ["host-drained:m0"]
        assert {each.host for each in status.hosts if each.drained} == {"m0-0", "m0-1"}
        assert all(each.answers for each in status.hosts)

        assert await order(cluster, "m0", undo=True) == HostsDrained("", ())
        await asyncio.sleep(5)
        await cluster.until_settled()
        assert not on_machine(cluster, "m0")
        assert (await cluster.placement()).alarms == ()
        assert [each["drained"] for each in cluster.events("cluster.host_drained")] == [True, False]

    in_cluster(lambda: AuthorityCluster(fleet(12), machines(3)), scenario)


def test_a_coordinator_that_takes_over_knows_what_is_drained() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        await order(cluster, "m1-0")
        await cluster.until(lambda: "m1-0" not in cluster.places().values())

        await cluster.kill(CONTROL)
        await asyncio.sleep(20)
        await cluster.until_settled()

        status = await cluster.placement()
        assert [each.host for each in status.hosts if each.drained] == ["m1-0"]
        assert "m1-0" not in cluster.places().values()

    in_cluster(lambda: AuthorityCluster(fleet(12), machines(2)), scenario)


def test_what_is_no_host_and_what_cannot_move_is_refused() -> None:
    async def unknown(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        assert "there is no host or machine 'm7'" in (await order(cluster, "m7")).refused

    async def staying(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        assert "nodes cannot move" in (await order(cluster, "m0")).refused

    in_cluster(lambda: AuthorityCluster(fleet(3), machines(2)), unknown)
    in_cluster(lambda: AuthorityCluster(fleet(3), machines(1), settings=Settings(moving=False)), staying)


# --- helpers ----------------------------------------------------------------------------------------


async def order(cluster: AuthorityCluster, host: str, *, undo: bool = False) -> HostsDrained:
    return await cluster.ask(CONTROL, COORDINATOR, DrainHost(host, undo=undo))


def on_machine(cluster: AuthorityCluster, machine: str) -> list[str]:
    return [host for host in cluster.places().values() if machine_of(host) == machine]
