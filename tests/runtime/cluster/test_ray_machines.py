"""The machines of a Ray cluster, and the hosts that are started on them. Those that are lost: tests/chaos."""

# Ray is loaded after it has been told how it is going to be used.
# ruff: noqa: E402

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from runtime.backends.ray.connecting import LOCAL, ClusterUnavailable, prepare

if find_spec("ray") is None:
    pytest.skip("Ray is not installed: pip install -e '.[cluster]'", allow_module_level=True)
prepare(LOCAL, token=True)

import ray

from runtime.backends.ray import machines as module
from runtime.backends.ray.actor_host import ActorHost
from runtime.backends.ray.hosts import HostNotStarted, find_host
from runtime.backends.ray.machines import RayMachines, name_machines
from runtime.cluster.machines import HostProcess, Machine
from runtime.wire.interfaces import addresses_up
from tests.support.cluster_ray import PROGRAM, end, ray_session
from tests.support.cluster_suite import NOTICED

T = TypeVar("T")

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module", autouse=True)
def ray_is_here() -> Iterator[None]:
    with ray_session(ROOT):
        yield


async def test_a_machine_says_its_addresses_cores_and_free_memory() -> None:
    (here,) = await RayMachines("seen", PROGRAM, "").living()

    # The name that a cluster has which was started here.
    assert here.name == "local"
    assert here.addresses == addresses_up() | {"127.0.0.1", "::1"}
    assert here.cores == 2
    assert 0 < here.free_bytes < psutil.virtual_memory().total


async def test_a_host_is_started_once_found_and_discarded() -> None:
    machines = RayMachines("started", PROGRAM, "")
    (here,) = await machines.living()
    await asyncio.gather(machines.start("east", here.name), machines.start("control", None))
    control, east = await machines.processes()

    await machines.start("east", here.name)

    assert await machines.processes() == (control, east)
    assert (control.host, east.host) == ("control", "east")
    assert (east.machine, east.restarts) == (here.name, 0)
    assert east.versions.startswith("ray ")
    # Other hosts of the cluster are no concern of this namespace.
    assert await RayMachines("another", PROGRAM, "").processes() == ()

    end(east.pid)
    again = await until(lambda: process(machines, "east", lambda one: one.pid != east.pid))
    assert again.restarts == 1
    assert again.incarnation > east.incarnation

    await asyncio.gather(machines.discard("east"), machines.discard("control"))
    await machines.discard("nobody")
    assert await machines.processes() == ()
    psutil.wait_procs([psutil.Process(pid) for pid in (again.pid, control.pid) if psutil.pid_exists(pid)], 10)
    assert not psutil.pid_exists(again.pid)


async def test_a_host_sees_the_machines_and_starts_other_hosts_itself() -> None:
    machines = RayMachines("within", PROGRAM, "")
    await machines.start("control", None)
    control = find_host("control", "within")
    assert control is not None

    east = ray.get(control.__ray_call__.remote(start_from_within, "east"), timeout=NOTICED)

    assert {one.host: one for one in await machines.processes()}["east"] == east
    # What a host has started lives on without it.
    await machines.discard("control")
    assert await machines.processes() == (east,)
    await machines.discard("east")


async def test_a_host_is_not_started_on_a_machine_that_is_not_there() -> None:
    with pytest.raises(HostNotStarted, match="host east did not start: there is no machine nowhere"):
        await RayMachines("nowhere", PROGRAM, "").start("east", "nowhere")


async def test_a_head_that_hangs_is_told_of_in_time_and_asked_by_one_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []

    def hang() -> list[dict[str, Any]]:
        calls.append(1)
        time.sleep(1)
        return []

    monkeypatch.setattr(ray, "nodes", hang)
    monkeypatch.setattr(module, "_ANSWERED_WITHIN", 0.05)
    monkeypatch.setattr(module, "_LOOKED_WITHIN", 0.05)
    machines = RayMachines("hung", PROGRAM, "")
    for _ in range(3):
        with pytest.raises(
            ClusterUnavailable, match=r"^no answer of the cluster within 0\.1 s \(machines\)$"
        ):
            await machines.living()
    assert len(calls) == 1
    assert await until(lambda: answers(machines)) == ()


def test_a_machine_is_called_as_it_was_named_unless_two_are() -> None:
    nodes = [
        node("10.0.0.1", "10.0.0.1", "a"),
        node("10.0.0.2", "hall", "b"),
        node("10.0.0.3", "cellar", "c"),
        node("10.0.0.4", "cellar", "d"),
        node("10.0.0.5", "attic", "e"),
        node("10.0.0.5", "attic", "f", alive=False),
    ]

    assert list(name_machines(nodes)) == [
        "10.0.0.1-aaaaaaaa",
        "hall",
        "10.0.0.3-cccccccc",
        "10.0.0.4-dddddddd",
        "attic",
    ]


# --- helpers --------------------------------------------------------------------------------------


def start_from_within(control: ActorHost, host: str) -> HostProcess:
    """Start a host from within the process of another one, as a coordinator does."""

    async def work() -> HostProcess:
        machines = RayMachines("within", PROGRAM, "")
        (here,) = await machines.living()
        await machines.start(host, here.name)
        (_, started) = await machines.processes()
        return started

    return control.run(work, NOTICED)


def node(address: str, name: str, letter: str, *, alive: bool = True) -> dict[str, Any]:
    return {"NodeManagerAddress": address, "NodeName": name, "NodeID": letter * 56, "Alive": alive}


async def until(look: Callable[[], Awaitable[T | None]]) -> T:
    """Wait until there is something to see; return it."""
    end = time.monotonic() + NOTICED
    while (seen := await look()) is None:
        assert time.monotonic() < end, "it did not come about"
        await asyncio.sleep(0.1)
    return seen


async def process(
    machines: RayMachines, host: str, fits: Callable[[HostProcess], bool]
) -> HostProcess | None:
    return next((one for one in await machines.processes() if one.host == host and fits(one)), None)


async def answers(machines: RayMachines) -> tuple[Machine, ...] | None:
    try:
        return await machines.living()
    except ClusterUnavailable:
        return None
