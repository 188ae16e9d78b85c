"""Everything that may befall a cluster, in random order: in the end every node runs once, where it may."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import Random

import pytest

from actors.cluster.reconciling import Settings, machine_of
from actors.names import CONTROL
from runtime.cluster.simulated import FabricWeather
from runtime.errors import RuntimeFault
from tests.support.authority_cluster import AuthorityCluster, fleet, in_cluster, machines, pair

SEEDS = range(3)
MACHINES = machines(3, ["10.0.0.1"])
#: How long the turmoil lasts, in steps of up to forty seconds.
STEPS = 10


@pytest.mark.parametrize("seed", SEEDS)
def test_after_any_turmoil_every_node_runs_once_and_what_is_well_has_not_moved(seed: int) -> None:
    random = Random(seed)

    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        epochs = [1]
        for _ in range(STEPS):
            await befall(cluster, random)
            await asyncio.sleep(random.uniform(0, 40))
            epochs += [each.assigned.epoch for each in cluster.processes.values() if each.host != CONTROL]

        await heal(cluster)
        await cluster.until(lambda: settled_under_one_coordinator(cluster))
        places = cluster.places()
        await asyncio.sleep(60)

        # Then it is quiet: nothing goes on moving, nobody is started again.
        asked = len(cluster.machines.asked)
        await asyncio.sleep(60)
        assert settled_under_one_coordinator(cluster)
        assert cluster.places() == places
        assert len(cluster.machines.asked) == asked
        assert machine_of(places["r90/node0"]) != machine_of(places["r90/node1"])
        status = await cluster.placement()
        assert status.alarms == ()
        assert {each.node: each.host for each in status.nodes} == places
        assert status.epoch >= max(epochs)

    weather = FabricWeather(longest_delay=0.2, lost=0.05, word_lost=0.05, hangs=0.02)
    plans, settings = [*fleet(12), *pair(90)], Settings(hosts_per_machine=1)
    in_cluster(lambda: AuthorityCluster(plans, MACHINES, settings, weather=weather), scenario)


# --- helpers ----------------------------------------------------------------------------------------


async def befall(cluster: AuthorityCluster, random: Random) -> None:
    """Let one thing happen."""
    workers = sorted(host for host in cluster.processes if host != CONTROL)
    happenings: list[Callable[[], Awaitable[None]]] = [
        lambda: kill(cluster, random.choice([CONTROL, *workers])),
        lambda: lose(cluster, random.choice([each.name for each in MACHINES])),
        lambda: find(cluster, random.choice([each.name for each in MACHINES])),
        lambda: freeze(cluster, random.choice([CONTROL, *workers])),
        lambda: cut(cluster, random.choice(workers)),
        lambda: replace_control(cluster),
        lambda: mute(cluster, random.random() < 0.5),
        lambda: change(cluster, random.randrange(12), random.randrange(100)),
        lambda: mend(cluster),
    ]
    if workers:
        await random.choice(happenings)()


async def kill(cluster: AuthorityCluster, host: str) -> None:
    await cluster.kill(host)


async def lose(cluster: AuthorityCluster, machine: str) -> None:
    if machine in cluster.machines.machines and len(cluster.machines.machines) > 2:
        await cluster.lose(machine)


async def find(cluster: AuthorityCluster, machine: str) -> None:
    cluster.machines.machines.setdefault(machine, next(each for each in MACHINES if each.name == machine))


async def freeze(cluster: AuthorityCluster, host: str) -> None:
    cluster.fabric.freeze(host)


async def cut(cluster: AuthorityCluster, host: str) -> None:
    cluster.fabric.cut(CONTROL, host)


async def replace_control(cluster: AuthorityCluster) -> None:
    if CONTROL in cluster.processes:
        cluster.replace(CONTROL)


async def mute(cluster: AuthorityCluster, silent: bool) -> None:  # noqa: FBT001 - it is drawn
    cluster.machines.mute = silent


async def change(cluster: AuthorityCluster, number: int, priority: int) -> None:
    cluster.plans[number] = replace(cluster.plans[number], priority=priority)
    try:
        await cluster.reload()
    except (RuntimeFault, StopIteration):
        # Nobody answers now; whoever reads the configuration next finds it.
        return


async def mend(cluster: AuthorityCluster) -> None:
    cluster.fabric.mend()
    cluster.machines.mute = False


async def heal(cluster: AuthorityCluster) -> None:
    """End everything that goes on, and have the configuration read."""
    await mend(cluster)
    for machine in MACHINES:
        await find(cluster, machine.name)
    await cluster.until(lambda: CONTROL in cluster.processes and len(cluster.processes) > 1)
    async with asyncio.timeout(600):
        while True:
            try:
                await cluster.reload()
            except RuntimeFault:
                await asyncio.sleep(1)
            else:
                return


def settled_under_one_coordinator(cluster: AuthorityCluster) -> bool:
    workers = [each for host, each in cluster.processes.items() if host != CONTROL]
    return (
        len(workers) == len(MACHINES)
        and cluster.settled()
        and len({each.assigned.epoch for each in workers}) == 1
        and len({each.assigned.version for each in workers}) == 1
    )
