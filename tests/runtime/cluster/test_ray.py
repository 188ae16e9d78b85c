"""The suite of all transports over Ray, where hosts are processes, and what only Ray can do."""

# Ray is loaded after it has been told how it is going to be used.
# ruff: noqa: E402

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from runtime.backends.ray.connecting import LOCAL, ClusterUnavailable, connect, prepare

if find_spec("ray") is None:
    pytest.skip("Ray is not installed: pip install -e '.[cluster]'", allow_module_level=True)
prepare(LOCAL, token=True)

import ray

from runtime.backends.ray import hosts
from runtime.backends.ray.actor_host import About
from runtime.backends.ray.hosts import (
    HostNotStarted,
    NamespaceInUse,
    about_host,
    discard_host,
    find_host,
    start_host,
    stop_host,
)
from tests.support.cluster_program import Echoed, Heard, PutTo, Unanswerable, WatchOver
from tests.support.cluster_ray import PROGRAM, RayCluster, another_machine, end, on_ray, ray_session
from tests.support.cluster_suite import NOTICED, Conformance, Scenario, answers, heard, until
from tests.support.grafana_eyes import Eyes
from tests.support.hosts import wait_for
from tests.support.prometheus import needs_prometheus, prometheus

KEEPER = "tests.support.cluster_keeper:PROGRAM"
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module", autouse=True)
def ray_is_here() -> Iterator[None]:
    with ray_session(ROOT):
        yield


class TestRay(Conformance):
    def run(self, scenario: Scenario) -> None:
        on_ray(scenario)


def test_a_host_outlives_whoever_started_it_and_is_found_by_its_name() -> None:
    started = driver(
        f"from runtime.backends.ray.hosts import start_host\n"
        f"print(start_host('north', 'lasting', {PROGRAM!r}, '', ())[1].pid)"
    )

    handle = find_host("north", "lasting")
    assert handle is not None
    about = about_host("north", handle)
    assert about.pid == int(started.stdout)
    assert psutil.pid_exists(about.pid)
    # Who starts it once more finds the one that is there.
    assert start_host("north", "lasting", PROGRAM, "", ())[1] == about

    stop_host("north", "lasting", seconds=5)

    psutil.wait_procs([psutil.Process(about.pid)] if psutil.pid_exists(about.pid) else [], timeout=10)
    assert find_host("north", "lasting") is None
    stop_host("north", "lasting", seconds=5)  # Nobody is there, and nothing happens.


@needs_prometheus
def test_what_the_board_shows_of_ray_is_told_by_the_ray_that_is_installed(tmp_path: Path) -> None:
    (machine,) = [node for node in ray.nodes() if node["Alive"]]
    target = f"127.0.0.1:{machine['MetricsExportPort']}"
    _, about = start_host("north", "shown", PROGRAM, "", ())
    try:
        with prometheus(
            tmp_path, [{"job_name": "ray", "static_configs": [{"targets": [target]}]}], "1s"
        ) as running:
            eyes = Eyes(
                ROOT / "deploy" / "monitoring" / "grafana" / "dashboards" / "peerkey-actors.json",
                running.query,
            )
            panels = [
                panel["title"]
                for panel in eyes.board["panels"]
                if any("$ray" in target["expr"] for target in panel.get("targets", ()))
            ]

            def missing() -> list[str]:
                return [title for title in panels if not eyes.lines(title)]

            # Ray tells of its actors every few seconds.
            wait_for(lambda: not missing(), NOTICED, told=lambda: str(missing()))
            wait_for(lambda: "ALIVE" in eyes.lines("Actors of Ray by state"), NOTICED)

            assert len(panels) == 8
            (variable,) = (each for each in eyes.board["templating"]["list"] if each["name"] == "ray")
            (series,) = re.findall(r"label_values\((\w+), job\)", variable["query"]["query"])
            assert {dict(labels)["job"] for labels in running.query(series)} == {"ray"}
            assert eyes.lines("Machines of Ray")["machines"].text == "1"
            assert target in eyes.lines("Memory of each machine")
    finally:
        stop_host("north", "shown", seconds=1)
        end(about.pid)


def test_a_host_runs_on_the_machine_that_was_named_or_nowhere() -> None:
    here = ray.get_runtime_context().get_node_id()
    _, about = start_host("north", "placed", PROGRAM, "", (), machine=here)
    try:
        assert about.machine == here
    finally:
        stop_host("north", "placed", seconds=1)
        end(about.pid)


def test_a_namespace_in_which_another_program_runs_is_refused() -> None:
    _, about = start_host("north", "taken", PROGRAM, "", ())
    try:
        with pytest.raises(
            NamespaceInUse, match=r"namespace taken is in use: host north runs tests\."
        ) as refused:
            start_host("north", "taken", "somebody.else:PROGRAM", "", ())
        assert "\n" not in str(refused.value)
    finally:
        stop_host("north", "taken", seconds=1)
        end(about.pid)


def test_a_host_whose_program_does_not_start_is_told_of_in_one_line() -> None:
    with pytest.raises(HostNotStarted) as refused:
        start_host("north", "broken", "tests.support.cluster_program:start", "", ())

    what = "ImportError: tests.support.cluster_program:start names no program of a cluster"
    assert str(refused.value) == f"host north did not start: {what}"
    # And nothing of it is in anybody's way.
    assert find_host("north", "broken") is None


def test_a_namespace_in_which_the_program_runs_with_another_argument_is_refused() -> None:
    _, about = start_host("north", "settled", PROGRAM, "{}", ())
    try:
        with pytest.raises(NamespaceInUse, match=r"host north runs tests\.\S+ with other settings\. Choose"):
            start_host("north", "settled", PROGRAM, '{"other": 1}', ())
    finally:
        stop_host("north", "settled", seconds=1)
        end(about.pid)


def test_a_host_whose_store_is_away_waits_for_it_and_is_ready_when_it_is_back(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    argument = json.dumps({"folder": str(folder)})
    with ThreadPoolExecutor(1) as thread:
        starting = thread.submit(start_host, "north", "patient", KEEPER, argument, ())
        waiting = until_in_trouble("north", "patient")
        assert (waiting.ready, waiting.broken, waiting.incarnation) == (False, False, 0)
        handle = find_host("north", "patient")
        assert handle is not None
        assert ray.get(handle.deliver.remote(b"of another host"), timeout=10) is False
        with pytest.raises(HostNotStarted, match=r"did not start: StoreUnavailable: there is no folder$"):
            start_host("north", "patient", KEEPER, argument, (), within=0.5)

        folder.mkdir()
        _, about = starting.result()

    assert (about.ready, about.trouble, about.pid) == (True, "", waiting.pid)
    assert about.incarnation == 1
    end(about.pid)
    _, again = start_host("north", "patient", KEEPER, argument, ())
    assert again.pid != about.pid
    # The epoch of its store, whatever the clock says.
    assert again.incarnation == 2
    # Another process of the same host, which nobody has ended and made anew.
    assert again.creation == about.creation != ""
    stop_host("north", "patient", seconds=5)
    # What was opened for the actors has been closed, after they had ended.
    assert (folder / "log").read_text().split() == ["opened", "opened", "stopped", "closed"]


@pytest.mark.parametrize(
    "address", ["auto", "", "ray://127.0.0.1:1", "http://127.0.0.1:1", "somewhere", "host:port", "127.0.0.1:"]
)
def test_an_address_that_is_none_is_refused_at_once(address: str) -> None:
    with pytest.raises(ClusterUnavailable, match=r"is no address of a cluster: say local, or HOST:PORT"):
        connect(address, "tests", token=True)


def test_a_cluster_that_is_not_there_is_told_of_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(ClusterUnavailable, match=rf"^no cluster at 127\.0\.0\.1:{port}: Connection refused$"):
        connect(f"127.0.0.1:{port}", "tests", token=True)


def test_a_cluster_of_another_version_is_told_of_with_both_versions() -> None:
    done = driver("", before="import ray; ray.__version__ = '2.1.0'", expected=1)

    assert re.search(
        r"ClusterUnavailable: the cluster at 127\.0\.0\.1:\d+ runs ray 2\.\d+\.\d+ on python 3\.\S+,"
        r" and this is ray 2\.1\.0 on python 3\.\S+: install the same here$",
        done.stderr.strip(),
    )


def test_a_cluster_of_another_python_is_told_of_with_both_versions() -> None:
    other = "import ray._private.utils as utils; utils.compute_version_info = lambda: ('2.60.0', '3.99.1')"
    done = driver("", before=other, expected=1)

    assert re.search(
        r"ClusterUnavailable: the cluster at 127\.0\.0\.1:\d+ runs ray 2\.\d+\.\d+ on python 3\.\d+\.\d+,"
        r" and this is ray 2\.60\.0 on python 3\.99\.1: install the same here$",
        done.stderr.strip(),
    )


def test_what_others_have_left_behind_leads_no_local_cluster_astray() -> None:
    script = (
        "from runtime.backends.ray.connecting import LOCAL, connect\n"
        "connect(LOCAL, 'tests', token=True, cpus=1)\n"
        "import ray\nprint(ray.get_runtime_context().gcs_address)"
    )
    # The path of a socket has room for a hundred letters.
    with tempfile.TemporaryDirectory(prefix="stale-", dir="/tmp") as folder:
        (Path(folder) / "ray_current_cluster").write_text("192.0.2.1:6379")
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "RAY_TMPDIR": folder, "RAY_ADDRESS": "192.0.2.1:6379"},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"127\.0\.0\.1:\d+", done.stdout.strip())


def test_the_death_of_a_process_of_a_host_writes_nothing_on_anybodys_terminal() -> None:
    done = driver(
        f"import os\n"
        f"from runtime.backends.ray.hosts import start_host, stop_host\n"
        f"for _ in range(3):\n"
        f"    pid = start_host('north', 'quiet', {PROGRAM!r}, '', ())[1].pid\n"
        f"    os.kill(pid, 9)\n"
        f"    while start_host('north', 'quiet', {PROGRAM!r}, '', ())[1].pid == pid:\n"
        f"        pass\n"
        f"stop_host('north', 'quiet', 1)"
    )

    assert done.stdout + done.stderr == ""


def test_a_host_for_which_no_machine_has_memory_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    # Sixteen tebibytes; Ray counts in fixed point, and not much further.
    monkeypatch.setattr(hosts, "PROCESS_BYTES", 1 << 44)
    with pytest.raises(HostNotStarted) as refused:
        start_host("north", "crowded", PROGRAM, "", (), within=2)

    assert str(refused.value).startswith(
        "host north did not start: no machine that it may be on has had room for it within"
    )
    discard_host("north", "crowded")


def test_a_token_that_is_refused_is_told_of() -> None:
    done = driver("", before="import os; os.environ['RAY_AUTH_TOKEN'] = 'wrong' * 10", expected=1)

    assert re.search(r"ClusterUnavailable: the cluster at \S+ refuses the token.*$", done.stderr.strip())
    assert "wrong" not in done.stderr


def test_every_port_of_a_local_cluster_is_on_the_loopback_interface() -> None:
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    connections = [one for process in processes for one in process.net_connections(kind="inet")]
    listening = {one.laddr.ip for one in connections if one.status == psutil.CONN_LISTEN}

    assert listening
    assert listening <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}


def test_without_ray_the_line_says_what_to_install() -> None:
    done = driver("", before="import sys; sys.modules['ray'] = None", expected=1)

    assert done.stderr.strip().endswith("Ray is not installed: pip install 'peerkey[cluster]'")


def test_a_host_whose_loop_ends_is_started_anew() -> None:
    cluster = RayCluster()
    try:
        east = cluster.abouts["east"].pid

        async def scenario() -> None:
            cluster.handles["east"].probe_end.remote()
            await cluster.returned("east")
            await cluster.joined()
            assert await cluster.ask("west", "site.east", Echoed(1)) == 1

        asyncio.run(scenario())
        assert not psutil.pid_exists(east)
    finally:
        cluster.stop()


def test_a_machine_that_is_lost_is_noticed_and_its_host_is_started_on_another() -> None:
    with another_machine() as (machine, lose):
        here = ray.get_runtime_context().get_node_id()
        cluster = RayCluster({"east": here, "west": machine})
        assert cluster.abouts["west"].machine == machine

        async def scenario() -> None:
            await cluster.joined()
            await cluster.ask("east", "agent", WatchOver("site.west"))
            await cluster.ask("east", "agent", PutTo("site.west", Unanswerable(), 100.0))
            await cluster.ask("east", "site.west", Echoed(1))

            lose()

            await until(cluster, lambda: heard(cluster, "east", 2), NOTICED)
            news = dict(await cluster.ask("east", "agent", Heard()))
            assert news["site.west"] == "unknown"
            assert "Undeliverable" in news
            first = cluster.abouts["west"]
            discard_host("west", cluster.namespace)
            cluster.start("west", here)
            assert cluster.abouts["west"].incarnation > first.incarnation
            assert cluster.abouts["west"].creation not in {"", first.creation}
            await until(cluster, lambda: answers(cluster, "east", "site.west"), NOTICED)
            assert await cluster.ask("west", "site.east", Echoed(3)) == 3

        try:
            asyncio.run(scenario())
        finally:
            cluster.stop()


# --- helpers --------------------------------------------------------------------------------------


def until_in_trouble(host: str, namespace: str) -> About:
    """Wait until a host says why it is not ready."""
    end = time.monotonic() + NOTICED
    while True:
        handle = find_host(host, namespace)
        about = about_host(host, handle) if handle is not None else None
        if about is not None and about.trouble:
            return about
        assert time.monotonic() < end, "it is in no trouble"
        time.sleep(0.05)


def driver(code: str, *, before: str = "", expected: int = 0) -> subprocess.CompletedProcess[str]:
    """Run another process that connects to the cluster."""
    address = ray.get_runtime_context().gcs_address
    script = (
        f"{before}\n"
        f"from runtime.backends.ray.connecting import connect\n"
        f"connect({address!r}, 'tests', token=True)\n{code}"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == expected, done.stderr
    return done
