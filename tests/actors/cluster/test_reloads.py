"""Reloads of a cluster: in which order, what waits for a restart of the authority, and what is foretold."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import pytest

from actors.cluster.deploying import DEPLOYMENT, UnreadableDeployment, decode, encode
from actors.cluster.foretelling import MAX_PACKED_BYTES, MAX_TEXT_BYTES, Foretell, packed, unpacked_untrusted
from actors.names import CONTROL, COORDINATOR
from peerkey.config.plan import NodePlan
from peerkey.config.reload_plan import Counts, Deployment, RestartNeeded
from peerkey.errors import Misconfigured
from runtime.executor import InlineExecutor
from tests.support.authority_cluster import AuthorityCluster, fleet, in_cluster, machines

T = TypeVar("T")
OFF_ON = RestartNeeded("authority > enhanced-security-key-management", "false", "true")


class SlowOnce(InlineExecutor):
    """Computes in place; what was computed first is there five seconds later."""

    def __init__(self) -> None:
        self.slow = True

    def run(self, function: Callable[..., T], args: tuple[object, ...]) -> asyncio.Future[T]:
        done = super().run(function, args)
        if not self.slow:
            return done
        self.slow = False
        return asyncio.ensure_future(later(done))


async def later(done: asyncio.Future[T]) -> T:
    await asyncio.sleep(5)
    return await done


def test_of_two_reloads_that_overlap_the_later_file_counts() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        cluster.processes[CONTROL].system.executor = SlowOnce()
        cluster.plans[0] = replace(cluster.plans[0], priority=1)
        first = asyncio.create_task(cluster.reload())
        await asyncio.sleep(1)
        cluster.plans[0] = replace(cluster.plans[0], priority=2)
        second = asyncio.create_task(cluster.reload())

        names = {each.name for each in cluster.plans}
        assert set(await first) == set(await second) == names
        await cluster.until_settled()
        told = [
            entry.event.detail()["differences"]
            for entry in cluster.journal.recent()
            if entry.event.TYPE == "configuration.changed"
        ]
        assert told == [("priority: 0 -> 1",), ("priority: 1 -> 2",)]

    in_cluster(lambda: AuthorityCluster(fleet(2), machines(1)), scenario)


def test_what_needs_a_restart_waits_for_one_of_the_authority_and_not_of_a_process() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until(lambda: len(cluster.running()) == 2)
        cluster.plans = [
            replace(cluster.plans[0], enabled=True, priority=4),
            replace(cluster.plans[1], enabled=True),
        ]
        held = [replace(each, enabled=False) for each in cluster.plans]

        await cluster.reload()
        await taken_up(cluster, held)
        status = await cluster.placement()
        assert status.restart_needed == (OFF_ON,)
        assert [each.identity for each in status.alarms] == ["restart-needed"]
        assert [
            entry.event.detail()
            for entry in cluster.journal.recent()
            if entry.event.TYPE == "configuration.restart_needed"
        ] == [{"settings": (str(OFF_ON),)}]

        # Another process of the control host, on another machine perhaps, is no restart of the authority.
        await cluster.kill(CONTROL)
        await asyncio.sleep(60)
        assert (await cluster.placement()).restart_needed == (OFF_ON,)
        await taken_up(cluster, held)

        cluster.creation = "second"
        await cluster.kill(CONTROL)
        await taken_up(cluster, cluster.plans)
        assert (await cluster.placement()).restart_needed == ()

    off = [replace(each, enabled=False) for each in fleet(2)]
    in_cluster(lambda: AuthorityCluster(off, machines(1)), scenario)


def test_the_coordinator_foretells_what_a_reload_of_a_text_would_do() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        cluster.texts["less"] = (replace(cluster.plans[0], priority=3),)

        foretold = await cluster.ask(CONTROL, COORDINATOR, Foretell(packed("less")))

        assert foretold.node_counts == Counts(stop=1, change=1)
        assert [node.differences for node in foretold.nodes] == [("priority: 0 -> 3",), ()]
        assert len(cluster.running()) == 2
        with pytest.raises(Misconfigured, match="cannot be unpacked"):
            await cluster.ask(CONTROL, COORDINATOR, Foretell(b"nothing that was packed"))

    in_cluster(lambda: AuthorityCluster(fleet(2), machines(1)), scenario)


def test_a_text_that_is_too_large_for_a_message_is_refused_on_both_sides() -> None:
    assert unpacked_untrusted(packed("a: 1\n" * 1000)) == "a: 1\n" * 1000
    with pytest.raises(Misconfigured, match="too large"):
        packed("x" * (MAX_TEXT_BYTES + 1))
    with pytest.raises(Misconfigured, match="more than"):
        unpacked_untrusted(zlib.compress(b"x" * (MAX_TEXT_BYTES + 1)))
    with pytest.raises(Misconfigured, match="or is torn"):
        unpacked_untrusted(packed("a: 1\n" * 1000)[:-5])
    assert MAX_PACKED_BYTES < MAX_TEXT_BYTES


def test_a_stored_deployment_that_cannot_be_read_is_told() -> None:
    deployment = Deployment("test", enabled=True)
    assert decode(encode("token", deployment)) == ("token", deployment)
    for bad in (b"", b"\xc1", encode("token", deployment)[:-1], b"\x91\x02", b"\x94\x02\xa0\xa0\xc2"):
        with pytest.raises(UnreadableDeployment):
            decode(bad)


def test_the_deployment_is_in_the_store_before_any_node_runs() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        found = await cluster.store.read("cluster", DEPLOYMENT)
        assert found is not None
        assert decode(found.value) == ("first", Deployment("test", enabled=cluster.plans[0].enabled))

    in_cluster(lambda: AuthorityCluster(fleet(1), machines(1)), scenario)


# --- helpers --------------------------------------------------------------------------------------


async def taken_up(cluster: AuthorityCluster, plans: list[NodePlan]) -> None:
    """Wait until every node runs by these plans."""
    wanted = {plan.name: plan for plan in plans}
    await cluster.until(
        lambda: (
            {name: plan for each in cluster.processes.values() for name, plan in each.noted.plans.items()}
            == wanted
        )
    )
