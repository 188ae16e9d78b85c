"""``peerkey run --runtime ray --placement dedicated`` on a real cluster: a process for each node and path."""

from __future__ import annotations

import contextlib
import os
import signal
from collections import defaultdict
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

import psutil
import pytest

from peerkey_cli.client import Client
from peerkey_cli.errors import Refused, Unreachable
from peerkey_cli.schemas import Actors, Events, Hosts, PeersSecurity
from peerkey_cli.state import StateDirectory
from tests.cli.test_run import Process
from tests.cli.two_routers import two_routers
from tests.support.hosts import wait_for

if find_spec("ray") is None:
    pytest.skip("Ray is not installed: pip install -e '.[cluster]'", allow_module_level=True)

Fleet: TypeAlias = tuple[Process, Client]

#: A cluster starts, and so do four hosts: a quarter of a minute where there is nothing else to do.
WITHIN_SECONDS = 200
pytestmark = pytest.mark.timeout(2 * WITHIN_SECONDS)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One cluster for all tests: it takes long to start."""
    with dedicated_fleet(tmp_path_factory.mktemp("dedicated")) as started:
        process, client = started
        wait_for(lambda: keyed(client), WITHIN_SECONDS, told=process.log.read_text)
        yield started


def test_every_node_and_every_path_has_a_process_of_its_own(fleet: Fleet) -> None:
    _, client = fleet
    found = pids(client)
    kinds: defaultdict[str, set[str]] = defaultdict(set)
    for actor in client.get("actors", Actors).actors:
        kinds[actor.host].add(actor.kind)

    assert sorted(found) == ["local-0", "local-1", "local-p0", "local-p1"]
    assert len({*found.values()}) == len(found)
    assert {host for host in kinds if "RouterNode" in kinds[host]} == {"local-0", "local-1"}
    assert {host for host in kinds if "PeerPath" in kinds[host]} == {"local-p0", "local-p1"}


def test_the_process_of_a_path_has_not_even_the_key_that_seals_the_keys(fleet: Fleet) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may look into any process")
    process, client = fleet
    secret = process.state.sealing_key.read_bytes()

    assert {host: secret in memory_of(pid) for host, pid in pids(client).items()} == {
        "local-0": True,
        "local-1": True,
        "local-p0": False,
        "local-p1": False,
    }


def test_a_path_whose_process_is_killed_is_back_in_another_and_its_node_has_the_same_process_and_key(
    fleet: Fleet,
) -> None:
    process, client = fleet
    before, keys = pids(client), keys_of(client)
    victim = "local-p0"

    os.kill(before[victim], signal.SIGKILL)
    wait_for(lambda: went_down_and_up(client), WITHIN_SECONDS, told=process.log.read_text)

    after = pids(client)
    assert after.pop(victim) != before.pop(victim)
    assert after == before
    assert keys_of(client) == keys
    assert keyed(client)


# --- helpers ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def dedicated_fleet(folder: Path) -> Iterator[Fleet]:
    """Run two routers with a path between them. No process of the cluster is left afterwards."""
    more = ("--runtime", "ray", "--ray-address", "local", "--placement", "dedicated")
    process = Process(two_routers(folder).file, StateDirectory(folder / "state"), more)
    process.start(ready=False)
    assert process.process is not None
    driver = psutil.Process(process.process.pid)
    try:
        yield process, Client(process.state.socket)
    finally:
        children = driver.children(recursive=True) if driver.is_running() else []
        status = process.end()
        left = psutil.wait_procs(children, timeout=20)[1]
        for child in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
    assert (status, left) == (0, [])


def pids(client: Client) -> dict[str, int]:
    return {
        each.host: int(each.process.rpartition(":")[2])
        for each in client.get("hosts", Hosts).hosts
        if each.process is not None
    }


def keys_of(client: Client) -> dict[str, list[str]]:
    peers = client.get("peers/security", PeersSecurity).peers
    return {peer.node: [key.key_id for key in peer.keys] for peer in peers}


def keyed(client: Client) -> bool:
    """Tell whether everything runs, has one key, and its path in service."""
    try:
        hosts, peers = client.get("hosts", Hosts), client.get("peers/security", PeersSecurity).peers
    except (Unreachable, Refused):
        return False
    return (
        hosts.complete
        and len(peers) == 2
        and all([key.role for key in peer.keys] == ["current"] for peer in peers)
        and all([path.state for path in peer.paths] == ["in-service"] for peer in peers)
    )


def went_down_and_up(client: Client) -> bool:
    """Tell whether a path has been lost, and everything is in service since."""
    told = [each.type for each in client.get("events", Events).events]
    return "path.down" in told and keyed(client)


def memory_of(pid: int) -> bytes:
    """Return what a process has written in its memory."""
    found = []
    maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in maps:
            span, rights, *rest = line.split()
            if not rights.startswith("rw") or rest[-1].startswith("/dev/"):
                continue
            first, last = (int(each, 16) for each in span.split("-"))
            memory.seek(first)
            try:
                found.append(memory.read(last - first))
            except OSError:
                # Reserved, and never written.
                continue
    return b"".join(found)
