"""What an agent does on its host: it answers, and it does not let go."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from actors.cluster.agent import PAGE
from actors.cluster.asking import host_status
from actors.cluster.messages import GetHostStatus, HostStatus
from actors.names import AGENT, CONTROL
from peerkey.observe.events import HaLinkUp
from runtime.actor import Actor
from runtime.errors import RuntimeFault
from runtime.supervision import PATIENT
from tests.support.authority_cluster import (
    AuthorityCluster,
    NotingAuthority,
    Process,
    fleet,
    in_cluster,
    machines,
)

SECOND = timedelta(seconds=1)
NOW = datetime(2030, 6, 15, tzinfo=UTC)
HOST = "m0-0"


class Idle(Actor):
    """One of many."""


class Deaf(NotingAuthority):
    """An authority that does not answer the first few times."""

    left = 2

    def receive(self, message: object) -> None:
        if Deaf.left:
            Deaf.left -= 1
            raise RuntimeError
        super().receive(message)


def test_a_host_tells_of_itself() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()

        status = await ask(cluster, GetHostStatus())

        assert (status.host, status.machine, status.pid, status.incarnation) == (HOST, "m0", 1000, 1)
        assert (status.epoch, status.version) == (1, 1)
        assert status.wanted == status.planned == len(cluster.processes[HOST].noted.plans)
        assert [each.name for each in status.actors] == ["agent", "authority"]
        assert status.total == status.system.actors == 2

    in_cluster(lambda: AuthorityCluster(fleet(6), machines(1)), scenario)


def test_a_host_of_many_actors_tells_of_them_page_by_page() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        for number in range(2 * PAGE):
            cluster.processes[HOST].system.spawn(Idle, f"idle{number}")

        assert len((await ask(cluster, GetHostStatus())).actors) == PAGE
        whole = await host_status(cluster.processes[CONTROL].system.ref, HOST, 5 * SECOND)

        assert len({each.name for each in whole.actors}) == whole.total == 2 * PAGE + 2

    in_cluster(lambda: AuthorityCluster(fleet(2), machines(1)), scenario)


def test_events_are_told_once_and_those_of_a_new_process_from_its_beginning() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        record(cluster.processes[HOST], "a", "b")
        first = await ask(cluster, GetHostStatus())
        record(cluster.processes[HOST], "c")

        second = await ask(cluster, GetHostStatus(events_after=first.mark))

        assert [*mates(first), *mates(second)] == ["a", "b", "c"]
        assert mates(await ask(cluster, GetHostStatus(events_after=second.mark))) == []

        await cluster.kill(HOST)
        await cluster.until(lambda: HOST in cluster.processes)
        record(cluster.processes[HOST], "d")
        await asyncio.sleep(5)
        assert mates(await ask(cluster, GetHostStatus(events_after=second.mark))) == ["d"]

    in_cluster(lambda: AuthorityCluster(fleet(2), machines(1)), scenario)


def test_more_events_than_one_answer_holds_come_with_the_next() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        # More than the journal remembers: the first of them are gone.
        record(cluster.processes[HOST], *map(str, range(2_100)))
        mark, told = (0, 0), []
        while (status := await ask(cluster, GetHostStatus(events_after=mark))).events:
            mark = status.mark
            told += mates(status)

        assert told == [str(each) for each in range(100, 2_100)]

    in_cluster(lambda: AuthorityCluster(fleet(2), machines(1)), scenario)


def test_an_agent_that_crashes_goes_on_with_what_its_host_has() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        await cluster.end(CONTROL)
        process = cluster.processes[HOST]
        had = dict(process.noted.plans)
        routes = dict(process.routes)
        process.routes.clear()

        await process.system.stop_actor(process.system.ref(AGENT))
        cluster.spawn_agent(process)
        await asyncio.sleep(5)

        assert process.noted.plans == had
        assert process.routes == routes

    in_cluster(lambda: AuthorityCluster(fleet(6), machines(1)), scenario)


def test_an_authority_that_does_not_answer_is_told_again() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        Deaf.left = 2
        await cluster.until_settled()
        assert Deaf.left == 0
        await asyncio.sleep(2)
        assert all(each.complete for each in (await cluster.placement()).hosts)

    class WithDeaf(AuthorityCluster):
        def spawn_authority(self, process: Process) -> None:
            process.system.spawn(
                lambda: Deaf(process.assigned, process.noted), "authority", supervision=PATIENT
            )

    in_cluster(lambda: WithDeaf(fleet(6), machines(1)), scenario)


def test_a_host_that_is_not_there_is_an_error_and_no_silence() -> None:
    async def scenario(cluster: AuthorityCluster) -> None:
        await cluster.until_settled()
        with pytest.raises(RuntimeFault):
            await host_status(cluster.processes[CONTROL].system.ref, "m9-0", 20 * SECOND)

    in_cluster(lambda: AuthorityCluster(fleet(2), machines(1)), scenario)


# --- helpers ----------------------------------------------------------------------------------------


async def ask(cluster: AuthorityCluster, question: GetHostStatus) -> HostStatus:
    return await cluster.ask(HOST, AGENT, question)


def record(process: Process, *mates: str) -> None:
    for mate in mates:
        process.journal.record(NOW, "r0/node0", HaLinkUp(mate))


def mates(status: HostStatus) -> list[object]:
    return [each.event.detail()["mate"] for each in status.events]
