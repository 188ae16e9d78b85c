"""What a cluster does as a whole: start, move, reload, and go on without its coordinator."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from actors.cluster import record
from actors.cluster.assigned import Assigned
from actors.cluster.reconciling import Settings, machine_of
from actors.names import CONTROL
from peerkey.config.findings import ConfigurationFaults, Finding
from peerkey.errors import Misconfigured
from runtime.backends.virtual import VirtualClock
from runtime.cluster.placement import Placement
from runtime.cluster.simulated import FabricWeather
from runtime.errors import StoreUnavailable
from runtime.store.memory import MemoryStore
from runtime.store.port import Change
from tests.support.authority_cluster import (
    AuthorityCluster,
    Process,
    fleet,
    in_cluster,
    machines,
    pair,
    plan,
)


def test_every_node_starts_once_and_everybody_knows_where() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()

        assert len(set(cluster.places().values())) == 6
        await asyncio.sleep(2)
        status = await cluster.placement()
        assert {each.node: each.host for each in status.nodes} == cluster.places()
        assert all(each.complete and each.answers and each.pid == 1000 for each in status.hosts)
        assert status.alarms == ()
        hub = cluster.processes[cluster.places()["r0/node0"]]
        assert len(hub.routes) >= 39
        assert set(hub.routes.values()) >= {f"authority/r{spoke}.node0" for spoke in range(1, 40)}

    in_cluster(lambda: AuthorityCluster(fleet(40), machines(3)), scenario)


def test_the_machines_of_a_new_cluster_come_one_by_one_and_all_have_a_share() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        for machine in machines(3)[1:]:
            await asyncio.sleep(2)
            cluster.machines.machines[machine.name] = machine
        await cluster.until_settled()

        assert {machine_of(host) for host in cluster.places().values()} == {"m0", "m1", "m2"}
        assert (await cluster.placement()).version == 1

    in_cluster(lambda: AuthorityCluster(fleet(30), machines(1)), scenario)


def test_a_process_that_dies_has_its_nodes_again_and_nothing_moves() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        places = cluster.places()
        victim = places["r0/node0"]

        await cluster.kill(victim)
        await cluster.until_settled()

        assert cluster.places() == places
        assert ("discard", victim) not in cluster.machines.asked
        assert [each["host"] for each in cluster.events("cluster.host_back")] == [victim]
        assert cluster.events("cluster.node_moved") == []

    in_cluster(lambda: AuthorityCluster(fleet(12), machines(2)), scenario)


def test_the_nodes_of_a_lost_machine_move_and_no_others() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        places = cluster.places()
        lost = machine_of(places["r0/node0"])

        await cluster.lose(lost)
        await cluster.until_settled()

        after = cluster.places()
        moved = {name for name in places if places[name] != after[name]}
        assert moved == {name for name, host in places.items() if machine_of(host) == lost}
        told = cluster.events("cluster.node_moved")
        assert {(each["former"], each["reason"]) for each in told} == {
            (host, "its machine is lost") for host in places.values() if machine_of(host) == lost
        }
        assert {each["host"] for each in cluster.events("cluster.host_lost")} == {f"{lost}-0", f"{lost}-1"}
        assert [each.identity for each in (await cluster.placement()).alarms] == [f"machine:{lost}"]

    in_cluster(lambda: AuthorityCluster(fleet(12), machines(3)), scenario)


def test_a_machine_that_returns_takes_nothing_back_and_clears_its_alarm() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        (machine,) = [each for name, each in cluster.machines.machines.items() if name == "m0"]
        await cluster.lose("m0")
        await cluster.until_settled()
        places = cluster.places()

        cluster.machines.machines["m0"] = machine
        await cluster.until(lambda: "m0-0" in cluster.processes and "m0-1" in cluster.processes)
        await cluster.until_settled()

        assert cluster.places() == places
        await asyncio.sleep(5)
        assert (await cluster.placement()).alarms == ()

    in_cluster(lambda: AuthorityCluster(fleet(12), machines(2)), scenario)


def test_hosts_go_on_without_the_control_host_and_a_new_one_finds_everything() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        places = cluster.places()
        starts = len(cluster.machines.asked)

        await cluster.end(CONTROL)
        await asyncio.sleep(60)
        assert cluster.places() == places

        cluster.start(CONTROL)
        await asyncio.sleep(10)
        await cluster.until_settled()
        status = await cluster.placement()
        assert cluster.places() == places
        assert (status.epoch, status.version) == (2, 1)
        assert {each.epoch for each in assigned(cluster)} == {2}
        assert {what for what, _ in cluster.machines.asked[starts:]} <= {"start"}
        assert cluster.events("cluster.node_moved") == []

    in_cluster(lambda: AuthorityCluster(fleet(12), machines(2)), scenario)


def test_a_machine_that_is_lost_with_the_control_host_has_its_nodes_moved() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        await cluster.end(CONTROL)
        await cluster.lose("m0")

        cluster.start(CONTROL)
        await cluster.until_settled()

        assert {machine_of(host) for host in cluster.places().values()} == {"m1"}
        assert {each["former"] for each in cluster.events("cluster.node_moved")} == {"m0-0", "m0-1"}

    in_cluster(lambda: AuthorityCluster(fleet(12), machines(2)), scenario)


def test_an_older_coordinator_changes_nothing_and_stands_down() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        places = cluster.places()
        cluster.replace(CONTROL)
        (old,) = cluster.former
        await cluster.until(lambda: {each.epoch for each in assigned(cluster)} == {2})

        # The old one thinks that a machine is lost, and decides: it is refused.
        await cluster.lose("m1")
        await cluster.until(lambda: not old.system.actors())
        await cluster.until_settled()

        after = cluster.places()
        assert {machine_of(host) for host in after.values()} == {"m0"}
        assert all(after[name] == host for name, host in places.items() if machine_of(host) == "m0")
        status = await cluster.placement()
        assert (status.epoch, status.version) == (2, 2)

    in_cluster(lambda: AuthorityCluster(fleet(12), machines(2)), scenario)


def test_an_older_coordinator_ends_no_host_although_it_hears_of_none() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        places = cluster.places()
        cluster.machines.hidden = True
        cluster.replace(CONTROL)
        (old,) = cluster.former

        # To the old one every host is silent. It finds out before it discards any.
        await cluster.until(lambda: not old.system.actors())
        await asyncio.sleep(60)

        assert {what for what, _ in cluster.machines.asked} == {"start"}
        assert cluster.places() == places

    in_cluster(lambda: AuthorityCluster(fleet(6), machines(2)), scenario)


def test_nobody_is_told_before_the_decision_is_in_the_store() -> None:
    class SlowStore(MemoryStore):
        async def commit(self, owner: str, epoch: int, changes: Sequence[Change]) -> tuple[int, ...]:
            await asyncio.sleep(30)
            return await super().commit(owner, epoch, changes)

    async def scenario(cluster: AuthorityCluster) -> None:
        await asyncio.sleep(59)
        assert await cluster.store.read(record.OWNER, record.ASSIGNMENT) is None
        assert cluster.machines.asked == []

        await cluster.until_settled()
        found = await cluster.store.read(record.OWNER, record.ASSIGNMENT)
        assert found is not None
        assert record.decode(found.value) == cluster.places()

    in_cluster(lambda: AuthorityCluster(fleet(6), machines(2), store=SlowStore()), scenario)


def test_a_store_that_fails_ends_the_incarnation_and_the_next_one_decides() -> None:
    class FailingStore(MemoryStore):
        failing = False

        async def commit(self, owner: str, epoch: int, changes: Sequence[Change]) -> tuple[int, ...]:
            if self.failing:
                raise StoreUnavailable
            return await super().commit(owner, epoch, changes)

    store = FailingStore()

    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        store.failing = True
        await cluster.lose("m0")
        await asyncio.sleep(60)
        # What could not be written has not happened.
        assert {each.version for each in assigned(cluster)} == {1}
        assert cluster.processes[CONTROL].system.info().crashes > 1

        store.failing = False
        await cluster.until_settled()
        assert {each.version for each in assigned(cluster)} == {2}

    in_cluster(lambda: AuthorityCluster(fleet(6), machines(2), store=store), scenario)


def test_a_process_whose_clock_was_set_back_takes_over_all_the_same() -> None:
    class LateStore(MemoryStore):
        refusals = 2

        async def activate(self, owner: str) -> int:
            if self.refusals:
                self.refusals -= 1
                raise StoreUnavailable
            return await super().activate(owner)

    async def scenario(cluster: AuthorityCluster) -> None:
        epoch = await MemoryStore.activate(store, record.OWNER)
        await store.write(record.OWNER, epoch, record.CONTROLLER, b"99", 0)

        await cluster.until_settled()

        assert store.refusals == 0
        assert (await cluster.placement()).epoch == 2

    store = LateStore()
    in_cluster(lambda: AuthorityCluster(fleet(3), machines(1), store=store), scenario)


def test_a_host_that_comes_back_from_a_partition_has_its_nodes_stopped() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        (machine,) = [each for name, each in cluster.machines.machines.items() if name == "m0"]
        old = [cluster.processes.pop(host) for host in ("m0-0", "m0-1")]
        had = {name for each in old for name in each.noted.plans}
        for each in old:
            cluster.fabric.detach(each.transport)
        del cluster.machines.machines["m0"]
        await cluster.until_settled()
        assert had
        assert {name for each in old for name in each.noted.plans} == had

        for each in old:
            cluster.fabric.reattach(each.transport)
            cluster.processes[each.host] = each
        cluster.machines.machines["m0"] = machine
        await cluster.until_settled()

        assert {name for each in old for name in each.noted.plans} == set()
        assert all(each.assigned.target for each in old)

    in_cluster(lambda: AuthorityCluster(fleet(12), machines(2)), scenario)


def test_a_silent_host_on_a_living_machine_is_started_again_after_the_grace() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        places = cluster.places()
        victim = places["r0/node0"]
        began = asyncio.get_running_loop().time()

        cluster.fabric.freeze(victim)
        await cluster.until(lambda: ("discard", victim) in cluster.machines.asked)
        assert asyncio.get_running_loop().time() - began >= 29
        cluster.fabric.thaw(victim)
        await cluster.until_settled()

        assert cluster.places() == places
        assert cluster.machines.asked[-2:] == [("discard", victim), ("start", victim)]

    in_cluster(lambda: AuthorityCluster(fleet(12), machines(2)), scenario)


def test_the_nodes_of_a_host_that_never_starts_move_in_the_end() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        cluster.machines.barren.add("m0-0")
        await cluster.until_settled()

        assert "m0-0" not in cluster.places().values()
        status = await cluster.placement()
        assert [each.identity for each in status.alarms] == ["host:m0-0"]
        assert "it does not start" in status.alarms[0].message
        assert 4 < cluster.machines.asked.count(("start", "m0-0")) < 12

    in_cluster(lambda: AuthorityCluster(fleet(12), machines(2)), scenario)


def test_a_control_host_that_was_frozen_blames_nobody_for_the_silence() -> None:
    class Frozen(VirtualClock):
        """Of a process that did not run for a while: when it goes on, the time of the others has passed."""

        missed = timedelta(0)

        def monotonic(self) -> timedelta:
            return super().monotonic() + self.missed

    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        await asyncio.sleep(10)
        places, asked = cluster.places(), list(cluster.machines.asked)

        clock = Frozen(asyncio.get_running_loop(), cluster.began)
        clock.missed = timedelta(minutes=5)
        cluster.processes[CONTROL].system.clock = clock
        await asyncio.sleep(60)
        await cluster.until_settled()

        assert cluster.places() == places
        assert cluster.machines.asked == asked
        assert (await cluster.placement()).version == 1

    in_cluster(lambda: AuthorityCluster(fleet(12), machines(2)), scenario)


def test_a_reload_changes_what_has_changed_and_has_everything_read_again() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        places = cluster.places()
        cluster.plans[3] = replace(cluster.plans[3], priority=7)
        cluster.plans[0] = plan(0, [each for each in range(1, 12) if each != 5])
        del cluster.plans[5]
        cluster.plans.append(plan(40))

        names = await cluster.reload()
        await cluster.until_settled()

        assert set(names) == {each.name for each in cluster.plans}
        after = cluster.places()
        assert set(after) == set(names)
        assert all(after[name] == host for name, host in places.items() if name in after)
        await cluster.until(lambda: {each.noted.reloads for each in workers(cluster)} == {1})
        await asyncio.sleep(30)
        assert {each.noted.reloads for each in workers(cluster)} == {1}

    in_cluster(lambda: AuthorityCluster(fleet(12), machines(2)), scenario)


def test_a_configuration_with_a_fault_changes_nothing_and_whoever_asked_is_told() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        cluster.config_fault = Misconfigured("peerkey.yaml:3:1: no such thing")

        with pytest.raises(Misconfigured, match="no such thing"):
            await cluster.reload()

        await asyncio.sleep(5)
        assert cluster.settled()
        assert {each.noted.reloads for each in workers(cluster)} == {0}
        cluster.config_fault = None
        await cluster.reload()

    in_cluster(lambda: AuthorityCluster(fleet(6), machines(2)), scenario)


@pytest.mark.parametrize(("found", "length", "listed"), [(3, 40, 3), (1200, 40, 1000), (1000, 2_000, 64)])
def test_every_fault_of_a_configuration_reaches_whoever_asked(found: int, length: int, listed: int) -> None:
    faults = [Finding("/etc/fleet.yaml", line, 3, "authority", "x" * length) for line in range(1, found + 1)]

    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        cluster.config_fault = ConfigurationFaults(faults)
        with pytest.raises(ConfigurationFaults) as told:
            await cluster.reload()

        assert told.value.count == found
        assert told.value.faults == tuple(faults[:listed])

    in_cluster(lambda: AuthorityCluster(fleet(2), machines(1)), scenario)


def test_a_coordinator_that_finds_a_faulty_configuration_leaves_everything_as_it_is() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        cluster.config_fault = Misconfigured("peerkey.yaml:3:1: no such thing")
        await cluster.end(CONTROL)
        cluster.start(CONTROL)
        await asyncio.sleep(60)

        assert cluster.settled()
        status = await cluster.placement()
        assert [each.identity for each in status.alarms] == ["cluster:coordinator"]
        assert {each.node for each in status.nodes} == {each.name for each in cluster.plans}

        cluster.config_fault = None
        await cluster.until(lambda: {each.epoch for each in assigned(cluster)} == {2})
        await asyncio.sleep(15)
        assert (await cluster.placement()).alarms == ()
        assert cluster.settled()

    in_cluster(lambda: AuthorityCluster(fleet(6), machines(2)), scenario)


def test_the_nodes_of_a_pair_are_apart_and_one_waits_where_there_is_no_second_machine() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        assert cluster.machine_of("r1/node0") != cluster.machine_of("r1/node1")

        await cluster.lose("m0")
        await cluster.until(lambda: len(cluster.places()) == 1)
        await asyncio.sleep(5)

        (lacking,) = [each for each in (await cluster.placement()).nodes if each.why]
        assert lacking.why == "every machine it could be on has another node of router r1"
        identities = {each.identity for each in (await cluster.placement()).alarms}
        assert identities == {"machine:m0", f"node-unplaced:{lacking.node}"}

    in_cluster(lambda: AuthorityCluster(pair(1), machines(2)), scenario)


def test_messages_that_are_lost_are_made_up_for() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        cluster.plans[2] = replace(cluster.plans[2], priority=1)
        await cluster.reload()
        await cluster.until_settled()

    weather = FabricWeather(longest_delay=0.5, lost=0.2, word_lost=0.2, hangs=0.05)
    in_cluster(lambda: AuthorityCluster(fleet(60), machines(3), weather=weather), scenario)


def test_a_cluster_that_does_not_answer_is_told_of_and_nothing_moves() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        cluster.machines.mute = True
        await asyncio.sleep(130)

        assert cluster.settled()
        assert [each.identity for each in (await cluster.placement()).alarms] == ["cluster:coordinator"]
        cluster.machines.mute = False
        await asyncio.sleep(5)
        assert (await cluster.placement()).alarms == ()

    in_cluster(lambda: AuthorityCluster(fleet(6), machines(2)), scenario)


def test_a_control_host_that_is_cut_off_from_everything_takes_no_place_away() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        places, asked = cluster.places(), list(cluster.machines.asked)
        cluster.machines.mute = True
        for host in [each.host for each in workers(cluster)]:
            cluster.fabric.cut(CONTROL, host)
        await asyncio.sleep(300)

        cluster.fabric.mend()
        cluster.machines.mute = False
        await cluster.until(lambda: {each.epoch for each in assigned(cluster)} == {1})
        await asyncio.sleep(10)
        status = await cluster.placement()
        assert (status.version, status.alarms) == (1, ())
        assert cluster.places() == places
        assert cluster.machines.asked == asked

    in_cluster(lambda: AuthorityCluster(fleet(6), machines(2)), scenario)


def test_a_coordinator_that_nobody_reaches_ends_no_host_of_which_the_process_is_there() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        places = cluster.places()
        others = [each.host for each in workers(cluster)]
        for host in others:
            cluster.fabric.cut(CONTROL, host)
        await asyncio.sleep(140)

        assert {what for what, _ in cluster.machines.asked} == {"start"}
        cluster.fabric.mend()
        await cluster.until(lambda: {each.epoch for each in assigned(cluster)} == {1})
        await asyncio.sleep(10)
        assert (await cluster.placement()).alarms == ()
        assert cluster.places() == places
        assert {each["host"] for each in cluster.events("cluster.host_back")} == set(others)

    in_cluster(lambda: AuthorityCluster(fleet(6), machines(2)), scenario)


def test_every_node_has_a_host_of_its_own_where_that_is_configured() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        assert len(set(cluster.places().values())) == 6

        cluster.plans[:] = fleet(2)
        await cluster.reload()
        await cluster.until(lambda: len(cluster.processes) == 3)
        await cluster.until_settled()

    settings = Settings(placement=Placement.NODE)
    in_cluster(lambda: AuthorityCluster(fleet(6), machines(2), settings), scenario)


def test_a_thousand_plans_are_placed_and_told() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        began = asyncio.get_running_loop().time()
        await cluster.until_settled()
        assert asyncio.get_running_loop().time() - began < 30
        assert (await cluster.placement()).total == 1_000
        assert len((await cluster.placement()).nodes) == 1_000

    settings = Settings(gone_after=timedelta(minutes=5))
    in_cluster(lambda: AuthorityCluster(fleet(1_000), machines(3), settings), scenario)


# --- helpers ----------------------------------------------------------------------------------------


def workers(cluster: AuthorityCluster) -> list[Process]:
    return [each for host, each in cluster.processes.items() if host != CONTROL]


def assigned(cluster: AuthorityCluster) -> list[Assigned]:
    return [each.assigned for each in workers(cluster)]
