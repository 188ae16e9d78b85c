"""A fleet of router nodes on a cluster that is broken in every way: no key is lost, none is replaced, every
peering can be used again at both ends, alarms are raised and go, and for Prometheus no counter goes back.

One test, so that one cluster and one fleet serve for all of it: what takes long by its nature (a frozen
process, a lost machine) is left to ``make chaos``.
"""

# Ray is loaded after it has been told how it is going to be used.
# ruff: noqa: E402

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from peerkey.observe.alarms import actor_crashing, host_gone
from runtime.backends.ray.connecting import LOCAL, prepare

if find_spec("ray") is None:
    pytest.skip("Ray is not installed: pip install -e '.[cluster]'", allow_module_level=True)
prepare(LOCAL, token=True)

from tests.chaos.cluster import NOTICED
from tests.chaos.fleet import Fleet, chaos_fleet
from tests.chaos.ways import Chaos, Kind, Way
from tests.support.hosts import wait_for
from tests.support.ports import free_port
from tests.support.prometheus import Prometheus, prometheus

if TYPE_CHECKING:
    from tests.chaos.cluster import ChaosCluster

#: Each kind of actor and each way once; ``make chaos`` has them all in all combinations.
COMBINATIONS = (
    *((kind, Way.EXCEPTION) for kind in Kind),
    (Kind.ACTOR_HOST, Way.SIGKILL),
    (Kind.COORDINATOR, Way.RAY_KILL),
    (Kind.ROUTER_NODE, Way.HEAD),
    (Kind.PEER_PATH, Way.REDIS),
)


#: Often: a scrape that a dead host holds up is lost, and there is another.
SCRAPED_EVERY = "2s"


@pytest.fixture
def scraped() -> str:
    """Return where Prometheus may ask the fleet."""
    return f"127.0.0.1:{free_port()}"


@pytest.fixture
def fleet(chaos: ChaosCluster, scraped: str) -> Iterator[Fleet]:
    host, _, port = scraped.partition(":")
    with (
        tempfile.TemporaryDirectory(prefix="pk-", dir="/tmp") as folder,
        chaos_fleet(chaos, Path(folder), metrics=(host, int(port))) as fleet,
    ):
        yield fleet


@pytest.fixture
def watcher(fleet: Fleet, scraped: str, tmp_path: Path) -> Iterator[Prometheus | None]:
    """Let a Prometheus watch the fleet, if there is one."""
    del fleet
    if shutil.which("prometheus") is None:
        yield None
        return
    found = {"url": f"http://{scraped}/targets", "refresh_interval": "1s"}
    job = {"job_name": "peerkey", "http_sd_configs": [found]}
    with prometheus(tmp_path, [job], every=SCRAPED_EVERY) as running:
        wait_for(lambda: bool(running.query("peerkey_up == 1")), NOTICED)
        yield running


@pytest.mark.timeout(600)
def test_whatever_is_broken_no_key_is_lost_or_replaced_and_every_peering_is_usable_again(
    fleet: Fleet, watcher: Prometheus | None
) -> None:
    chaos = Chaos(fleet, Random(7))
    keys = dict(fleet.keys)

    for kind, way in COMBINATIONS:
        recovery = chaos.perform(kind, way)
        assert recovery is not None, f"there is no {kind.value}"
        assert fleet.keys == keys, f"{kind.value}, {way.value}"

    # An alarm for as long as a host is frozen, and for minutes after a third crash.
    (host, path), *_ = fleet.look().actors(Kind.PEER_PATH.value)
    with fleet.killer.frozen_process(host):
        fleet.alarmed(host_gone(host, "", "").identity)
    fleet.recovered()
    for _ in range(3):
        fleet.killer.crash_actor(host, path)
    fleet.alarmed(actor_crashing("", path, "").identity)
    fleet.recovered()

    assert fleet.keys == keys
    assert (fleet.tally.lost, fleet.tally.rekeyed) == (0, 0)
    fleet.quiet_by_api()

    if watcher is None:
        pytest.skip("install prometheus: apt install prometheus")
    wait_for(lambda: bool(watcher.query("peerkey_up == 1")), NOTICED)
    assert watcher.query("count_over_time(peerkey_up[1h]) > 10"), "it has looked all the time"
    assert watcher.steps_back("peerkey") == {}
    assert watcher.query("changes(peerkey_counters_created_timestamp_seconds[1h]) > 0") == {}
    assert watcher.doubled("peerkey") == {}
    assert len(watcher.query("count by (instance, machine) (count_over_time(up[1h]))")) == 1, "one name"
