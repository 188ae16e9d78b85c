"""Every way of breaking a cluster, tried on the smallest program: a counter that may skip nothing and forget
nothing, on two hosts.
"""

# Ray is loaded after it has been told how it is going to be used.
# ruff: noqa: E402

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

import psutil
import pytest

from runtime.backends.ray.connecting import LOCAL, prepare

if find_spec("ray") is None:
    pytest.skip("Ray is not installed: pip install -e '.[cluster]'", allow_module_level=True)
prepare(LOCAL, token=True)

import ray

from runtime.backends.ray import hosts as backend
from runtime.backends.ray.hosts import HostNotStarted
from runtime.backends.ray.machines import RayMachines
from runtime.cluster.directory import on_host
from tests.chaos import toy
from tests.chaos.cluster import until
from tests.chaos.killing import AskFailed, Handle, Killer
from tests.chaos.toy import Add

if TYPE_CHECKING:
    from runtime.backends.ray.actor_host import About
    from tests.chaos.cluster import ChaosCluster

_numbers = itertools.count(1)
#: Longer than the silence after which a host is given up.
LONG = 6.0


class Toy:
    """Two hosts that count: ``east`` on the machine ``one``, ``west`` on ``two``.

    No number that was answered is forgotten or comes twice, and none is skipped that nobody asked for.
    """

    def __init__(self, cluster: ChaosCluster) -> None:
        self.namespace = f"toy-{next(_numbers)}"
        argument = json.dumps({"redis": cluster.redis_address, "namespace": self.namespace})
        self.machines = RayMachines(self.namespace, toy.NAME, argument)
        self.killer = Killer(cluster, self.namespace)
        #: How often each host was asked to count.
        self.asked: dict[str, int] = {}
        #: The number that each host has answered last.
        self.counted: dict[str, int] = {}

    def start(self, host: str, machine: str) -> About:
        asyncio.run(self.machines.start(host, machine))
        return self.killer.ready(host)

    def discard(self, host: str) -> None:
        asyncio.run(self.machines.discard(host))

    def count(self, host: str, *, by: str = "east") -> int:
        """Have a host count, asked from within another one, as soon as it does; return the number."""

        def counts() -> bool:
            try:
                self.count_now(host, self.killer.handle(by))
            except AskFailed:
                return False
            return True

        until(counts, f"{host} counts")
        return self.counted[host]

    def count_now(self, host: str, by: Handle, seconds: float = 3.0) -> int:
        """Have a host count, asked from within the one with the handle ``by``; return the number.

        What was asked in vain may have been counted; what was answered stays, and no number comes twice.

        :raises AskFailed: there was no answer.
        """
        self.asked[host] = self.asked.get(host, 0) + 1
        number = self.killer.ask_of(by, on_host(host, "counter"), Add(), seconds)
        assert self.counted.get(host, 0) < number <= self.asked[host]
        self.counted[host] = number
        return number

    def stop(self) -> None:
        for process in asyncio.run(self.machines.processes()):
            self.discard(process.host)
            with_pid_gone(process.pid)


@pytest.fixture(scope="module")
def hosts(chaos: ChaosCluster) -> Iterator[Toy]:
    toys = Toy(chaos)
    yield toys
    toys.stop()


@pytest.fixture
def toys(hosts: Toy) -> Toy:
    """The two hosts, each in its place, and ``west`` has just counted."""
    # It may have ended by itself, some seconds after Redis was away in the test before.
    hosts.killer.cluster.ensure_head()
    for host, machine in (("east", "one"), ("west", "two")):
        about = hosts.killer.about(host)
        if about is not None and about.machine != hosts.killer.cluster.node_id(machine):
            hosts.discard(host)
        hosts.start(host, machine)
    hosts.count("west")
    return hosts


def test_an_actor_that_crashes_counts_on(toys: Toy) -> None:
    before, number = toys.killer.ready("west"), toys.counted["west"]

    toys.killer.crash_actor("west", "counter")

    assert toys.killer.ready("west").pid == before.pid
    assert toys.count("west") == number + 1


@pytest.mark.parametrize("way", [Killer.restart_process, Killer.kill_process])
def test_a_host_whose_process_is_killed_counts_on_in_another(
    toys: Toy, way: Callable[[Killer, str], About]
) -> None:
    before = toys.killer.ready("west")

    after = way(toys.killer, "west")

    assert after.pid != before.pid
    assert not psutil.pid_exists(before.pid)
    assert after.machine == before.machine
    toys.count("west")
    (_, west) = asyncio.run(toys.machines.processes())
    assert west.pid == after.pid
    assert west.restarts > 0


def test_a_host_whose_machine_is_lost_counts_on_on_the_next_one_of_that_name(toys: Toy) -> None:
    before = toys.killer.ready("west")

    toys.killer.lose_machine("two")

    assert [machine.name for machine in asyncio.run(toys.machines.living())] == ["head", "one"]
    assert [process.host for process in asyncio.run(toys.machines.processes())] == ["east"]
    with pytest.raises(HostNotStarted, match="host west did not start: there is no machine two"):
        toys.start("west", "two")
    toys.killer.cluster.add("two")
    # It was on that machine or nowhere, and is not on the new one by itself.
    assert toys.killer.about("west") is None
    toys.discard("west")
    after = toys.start("west", "two")
    assert after.incarnation > before.incarnation
    assert after.machine != before.machine
    toys.count("west")


def test_a_host_of_no_machine_is_started_by_ray_on_another_one(
    toys: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So large that no machine has room for two of them, and one of three is on the machine that will be lost.
    memory = min(node["Resources"]["memory"] for node in ray.nodes() if node["Alive"])
    monkeypatch.setattr(backend, "PROCESS_BYTES", int(0.6 * memory))
    abouts = []
    for host in ("a", "b", "c"):
        asyncio.run(toys.machines.start(host, None))
        abouts.append(toys.killer.ready(host))
    lost = toys.killer.cluster.node_id("two")
    (moving,) = [about for about in abouts if about.machine == lost]
    toys.discard(next(about.host for about in abouts if about is not moving))
    number = toys.count(moving.host)

    toys.killer.lose_machine("two")

    after = toys.killer.ready(moving.host, other_than=moving.pid)
    assert after.machine != lost
    assert after.incarnation > moving.incarnation
    assert toys.count(moving.host) > number
    toys.killer.cluster.add("two")
    for host in ("a", "b", "c"):
        toys.discard(host)


def test_hosts_speak_to_each_other_while_the_head_is_away_and_are_found_when_it_is_back(toys: Toy) -> None:
    before = toys.killer.ready("west")
    handle, number = toys.killer.handle("east"), toys.counted["west"]
    with toys.killer.lost_head():
        for more in range(1, 5):
            assert toys.count_now("west", handle, 10.0) == number + more

    assert toys.killer.ready("west").pid == before.pid
    assert [process.host for process in asyncio.run(toys.machines.processes())] == ["east", "west"]
    # And Ray does again what the head is for.
    toys.killer.kill_process("west")
    toys.count("west")


def test_hosts_outlive_the_loss_of_redis_and_forget_nothing_that_was_answered(toys: Toy) -> None:
    before = toys.killer.ready("west")
    handle = toys.killer.handle("east")
    with toys.killer.lost_redis():
        with pytest.raises(AskFailed):
            toys.count_now("west", handle)
        until(toys.killer.cluster.head_has_ended, "the head ends without Redis")

    assert toys.killer.ready("west").pid == before.pid
    toys.count("west")


def test_a_frozen_host_is_given_up_and_counts_on_when_it_thaws(toys: Toy) -> None:
    before = toys.killer.ready("west")
    with toys.killer.frozen_process("west"):
        thaw = time.monotonic() + LONG
        handle = toys.killer.handle("east")
        while time.monotonic() < thaw:
            with pytest.raises(AskFailed):
                toys.count_now("west", handle, 1.0)

    toys.count("west")
    assert toys.killer.ready("west").pid == before.pid


def test_a_frozen_host_that_was_replaced_changes_nothing_when_it_thaws(toys: Toy) -> None:
    with toys.killer.frozen_process("west") as before:
        toys.discard("west")
        after = toys.start("west", "one")
        toys.count("west")

    with_pid_gone(before.pid)
    first = toys.count("west")
    assert toys.count("west") == first + 1
    assert toys.killer.ready("west").pid == after.pid


def test_a_host_on_a_machine_that_was_given_up_while_it_runs_ends_itself_and_its_successor_counts(
    toys: Toy,
) -> None:
    before = toys.killer.ready("west")
    with toys.killer.frozen_machine("two"):
        # Ray cannot reach it, and it lives.
        assert psutil.pid_exists(before.pid)
        assert toys.killer.about("west") is None
        toys.discard("west")
        after = toys.start("west", "one")
        assert after.incarnation > before.incarnation
        until(lambda: not runs(before.pid), "the former process has learned that it is west no more")
        toys.count("west")
        first = toys.count("west")
        assert toys.count("west") == first + 1

    assert toys.killer.ready("west").pid == after.pid
    toys.killer.cluster.add("two")


# --- helpers --------------------------------------------------------------------------------------


def runs(pid: int) -> bool:
    """Tell whether a process runs; nobody waits for the children of a frozen one."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def with_pid_gone(pid: int) -> None:
    until(lambda: not runs(pid), f"process {pid} has ended")
