"""``peerkey run --runtime ray`` on a cluster of real processes: a head of Ray and a Redis of the test.

The routers of an authority run on the cluster but for one, which is in a process of its own and is spoken to
over UDP. One fleet is started, looked at, disturbed and ended; a test each for what can be said of it alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from peerkey.protocol.suites.algorithm import Algorithm
from peerkey.testing.ca import TestCA
from peerkey_cli.api.roles import Role
from peerkey_cli.api.tokens import add_token
from peerkey_cli.demo.authority import DemoAuthority, lay_out
from peerkey_cli.demo.pair_facts import keys_in_use, paths_in_service
from peerkey_cli.schemas import PeersSecurity
from runtime.backends.ray.settings import SETTINGS
from tests.cli.commands import document, peerkey
from tests.cli.remote_system import certify_api
from tests.support.ports import free_port
from tests.support.prometheus import needs_prometheus, prometheus
from tests.support.redis_server import Redis, redis_server

pytest.importorskip("ray", reason="Ray is not installed: pip install -e '.[cluster]'")
pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.timeout(300)]

#: Whatever has to happen happens within so many seconds, on a machine that is busy with other things.
SOON: Final = 90.0
ON_CLUSTER: Final = ("router1/node0", "router2/node0", "router3/node0")
#: The counter of peers that were accepted or refused, which is of the machine.
AUTHENTICATIONS: Final = "peerkey_peer_authentications_total"
OUTSIDE: Final = "router4/node0"


@dataclass
class World:
    """Everything that the tests share."""

    authority: DemoAuthority
    redis: Redis
    #: Of Ray's head.
    address: str
    folder: Path
    environment: dict[str, str]
    #: Where the machine answers Prometheus.
    metrics: str
    #: Where it answers clients over TCP, in the words of a command line.
    api: str

    @property
    def state(self) -> Path:
        """Of the machine, which all hosts of the cluster share."""
        return self.folder / "machine"

    def command(self, *more: str, nodes: tuple[str, ...] = ON_CLUSTER) -> list[str]:
        words = [sys.executable, "-m", "peerkey_cli.main", "run", str(self.authority.file)]
        words += ["--runtime", "ray", "--ray-address", self.address, "--state-dir", str(self.state)]
        words += ["--redis", f"unix://{self.redis.socket}", "--metrics", self.metrics, "--api", self.api]
        for option, file in (("certificate", "api.pem"), ("key", "api.key"), ("tokens", "tokens")):
            words += [f"--api-{option}", str(self.folder / file)]
        return [*words, *(word for node in nodes for word in ("--node", node)), *more]

    def run(self, *more: str, nodes: tuple[str, ...] = ON_CLUSTER) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        return subprocess.run(
            self.command(*more, nodes=nodes),
            capture_output=True,
            text=True,
            check=False,
            timeout=SOON,
            env=self.environment,
        )

    def token(self, name: str, role: Role) -> str:
        """Make a token; it counts once the machine has read it."""
        return add_token(self.folder / "tokens", name, role, datetime.now(UTC)).reveal().decode()

    def http(self, token: str) -> httpx.Client:
        """Return a client with a token."""
        context = ssl.create_default_context(cafile=self.folder / "api-ca.pem")
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.api, verify=context, headers=headers, trust_env=False, timeout=SOON)

    def show(self, *words: str) -> Any:  # noqa: ANN401 - JSON
        return document("show", *words, "--state-dir", self.state)

    def get(self, resource: str) -> Any:  # noqa: ANN401 - JSON
        """Ask at the Unix socket."""
        transport = httpx.HTTPTransport(uds=str(self.state / "api.sock"))
        with httpx.Client(transport=transport, base_url="http://peerkey", timeout=SOON) as http:
            return http.get(f"/v1/{resource}").json()

    def series(self) -> frozenset[str]:
        """Return the gauges of the page that the machine shows to Prometheus; no series is there twice.

        Those that count what a process does begin anew with it.
        """
        page = httpx.get(f"http://{self.metrics}/metrics", timeout=SOON).text
        lines = [line.rpartition(" ")[0] for line in page.splitlines() if line and not line.startswith("#")]
        assert len(lines) == len(set(lines))
        passing = ("peerkey_alarms", "peerkey_actors", "peerkey_mailbox")
        counted = re.compile(r"[a-z_]+_(total|bucket|count|sum)\b")
        return frozenset(line for line in lines if not counted.match(line) and not line.startswith(passing))

    def authentications(self) -> float:
        """Return how often peers were authenticated on this machine, as Prometheus is told."""
        page = httpx.get(f"http://{self.metrics}/metrics", timeout=SOON).text
        counted = [line.split() for line in page.splitlines() if line.startswith(AUTHENTICATIONS)]
        return sum(float(words[-1]) for words in counted)

    def keyed(self, peerings: int) -> dict[frozenset[str], str]:
        """Return the keys in use within the cluster, once there are so many and all paths serve."""

        def look() -> dict[frozenset[str], str] | None:
            ends = PeersSecurity.model_validate(self.show("peers", "security")).peers
            keys, paths = keys_in_use(ends), paths_in_service(ends)
            return keys if (len(keys), len(paths)) == (peerings, peerings) else None

        found: dict[frozenset[str], str] = until(look, f"{peerings} peerings have keys")
        return found


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="pk-") as made, redis_server() as redis:
        folder = Path(made)
        authority = lay_out(folder / "authority", routers=4, paths=1, algorithm=Algorithm.parse("ml-kem-768"))
        environment = {**os.environ, **SETTINGS, "RAY_AUTH_MODE": "disabled"}
        port = free_port()
        # Ray forgets to end what it has started when it is killed; a session of its own ends all of it.
        words = [str(Path(sys.executable).parent / "ray"), "start", "--head", "--block", "--num-cpus", "2"]
        words += ["--node-ip-address", "127.0.0.1", "--port", str(port), "--include-dashboard", "false"]
        words += ["--node-name", "edge", "--object-store-memory", str(80 << 20), "--temp-dir", f"{made}/ray"]
        words += ["--ray-client-server-port", str(free_port()), "--dashboard-agent-listen-port", "0"]
        with (folder / "ray.log").open("wb") as log:
            head = subprocess.Popen(words, stdout=log, stderr=log, env=environment, start_new_session=True)
        try:
            until(lambda: listens(port), "Ray's head listens")
            metrics, api = f"127.0.0.1:{free_port()}", f"https://127.0.0.1:{free_port()}"
            ca = TestCA(now=datetime.now(UTC).replace(microsecond=0))
            certify_api(folder, ca)
            (folder / "api-ca.pem").write_bytes(ca.root.certificate.public_bytes(Encoding.PEM))
            yield World(authority, redis, f"127.0.0.1:{port}", folder, environment, metrics, api)
        finally:
            whole = [*psutil.Process(head.pid).children(recursive=True), psutil.Process(head.pid)]
            head.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                head.wait(15)
            for process in whole:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            head.wait()
            psutil.wait_procs(whole, timeout=SOON)


@pytest.fixture(scope="module")
def fleet(world: World) -> Iterator[World]:
    """Run three routers on the cluster, left to themselves by their driver, and one outside of it."""
    words = [sys.executable, "-m", "peerkey_cli.main", "run", str(world.authority.file), "--node", OUTSIDE]
    words += ["--state-dir", str(world.folder / "outside")]
    with (world.folder / "outside.log").open("wb") as log:
        outside = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        done = world.run("--detach")
        assert done.returncode == 0, done.stderr
        assert '"ready"' in done.stderr
        yield world
    finally:
        outside.terminate()
        outside.wait(SOON)


def test_a_fleet_runs_on_after_its_driver_and_peers_with_a_router_outside(fleet: World) -> None:
    # Three peerings within the cluster have both their ends there.
    fleet.keyed(3)

    def outside() -> bool:
        states = {
            (each["node"], each["security_status"], each["paths"][0]["state"])
            for each in fleet.show("peers", "security")["peers"]
            if each["peer"] == OUTSIDE
        }
        return states == {(node, "MKEY_EXCH_COMP", "in-service") for node in ON_CLUSTER}

    until(outside, "each of them shares a key with the router outside, over UDP")


def test_every_actor_is_shown_with_its_host_process_and_machine(fleet: World) -> None:
    shown = fleet.show("actors")["actors"]

    hosts = fleet.show("hosts")
    processes = {each["host"]: each["process"] for each in hosts["hosts"]}
    assert hosts["complete"]
    assert hosts["machines"] == ["edge"]
    assert {each["kind"] for each in shown} >= {"Coordinator", "Agent", "Authority", "RouterNode", "PeerPath"}
    assert {each["machine"] for each in shown if each["host"] != "control"} == {"edge"}
    for each in shown:
        number = int(each["process"].rpartition(":")[2])
        assert "ray::" in " ".join(psutil.Process(number).cmdline())
        if each["host"] != "control":
            assert each["process"] == processes[each["host"]]
    nodes = [each for each in shown if each["kind"] == "RouterNode"]
    assert len(nodes) == len(ON_CLUSTER)
    assert sum(host["nodes"] for host in hosts["hosts"]) == len(ON_CLUSTER)


def test_a_faulty_configuration_changes_nothing_and_every_fault_is_told(fleet: World) -> None:
    keys, file = fleet.keyed(3), fleet.authority.file
    good = file.read_text()
    file.write_text(good.replace("peer-key-timeout: 10", "peer-key-timeout: 10\n    peer-key-timout: 1"))
    try:
        done = peerkey("reload", "--state-dir", fleet.state)
    finally:
        file.write_text(good)

    assert done.exit_code == 1
    assert "peer-key-timout" in done.stderr
    assert peerkey("reload", "--state-dir", fleet.state).exit_code == 0
    assert fleet.keyed(3) == keys


def test_a_host_that_is_killed_comes_back_with_its_keys(fleet: World) -> None:
    keys = fleet.keyed(3)
    series = fleet.series()
    counted = fleet.authentications()
    # The one that speaks for the machine: another takes its seat.
    speaker = number_of(fleet.get("health"))
    host = next(each for each in fleet.show("hosts")["hosts"] if number_of(each) == speaker)

    killed(fleet, host)

    assert fleet.keyed(3) == keys
    until(lambda: fleet.series() >= series, "Prometheus is told the same series again")
    assert number_of(fleet.get("health")) != speaker
    assert fleet.authentications() >= counted > 0
    events = document("show", "events", "--type", "key.accepted", "--state-dir", fleet.state)["events"]
    assert len(events) <= 2 * 6, "each of six peerings was keyed once, and each end told it once"


@needs_prometheus
def test_prometheus_sees_no_counter_go_back_whichever_host_is_killed_or_frozen(
    fleet: World, tmp_path: Path
) -> None:
    targets = [{"url": f"http://{fleet.metrics}/targets", "refresh_interval": "1s"}]
    # A host that is dead costs a scrape five seconds.
    with prometheus(tmp_path, [{"job_name": "peerkey", "http_sd_configs": targets}], every="6s") as watcher:
        keyed = f'sum(peerkey_peerings_keyed{{job="peerkey",machine="edge"}}) == {3 * 3}'
        until(lambda: watcher.query(keyed), "Prometheus has found the machine")
        # One of them speaks for the machine.
        for host in fleet.show("hosts")["hosts"]:
            killed(fleet, host)
            until(lambda: watcher.query(keyed), "Prometheus is told of every node again")
        # One that is frozen, and does not speak, is told of until it is given up.
        speaker = number_of(fleet.get("health"))
        processes = {number_of(each) for each in fleet.show("hosts")["hosts"] if each["nodes"]}
        frozen = next(iter(processes - {speaker}))
        os.kill(frozen, signal.SIGSTOP)
        try:
            until(lambda: watcher.firing("PeerkeyHostGone"), "Prometheus alerts on the host")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(frozen, signal.SIGCONT)
        until(lambda: not watcher.firing("PeerkeyHostGone"), "the alert is over")
        until(lambda: watcher.query(keyed), "Prometheus is told of every node again")

        assert watcher.steps_back("peerkey") == {}
        begun = watcher.query('changes(peerkey_counters_created_timestamp_seconds{job="peerkey"}[1h]) > 0')
        assert begun == {}, "who speaks next counts on"
        assert watcher.doubled("peerkey") == {}
        machines = 'count by (machine) (count_over_time(up{job="peerkey"}[1h]))'
        assert len(watcher.query(machines)) == 1


def killed(fleet: World, host: dict[str, Any]) -> None:
    """Kill the process of a host, and wait until it runs again with everything that it should."""
    os.kill(int(host["process"].rpartition(":")[2]), signal.SIGKILL)

    def back() -> bool:
        hosts = fleet.show("hosts")
        again = next(each for each in hosts["hosts"] if each["host"] == host["host"])
        return bool(hosts["complete"]) and again["process"] != host["process"]

    until(back, "Ray has started it again")


def test_the_outer_door_opens_once_its_files_are_there_and_follows_its_tokens(fleet: World) -> None:
    alarms = {each["message"] for each in fleet.show("alarms")["alarms"]}
    assert any("the admin API over TCP is shut on edge" in each and "tokens" in each for each in alarms)

    write, read = fleet.token("alice", Role.WRITE), fleet.token("prometheus", Role.READ)
    with fleet.http(write) as writer, fleet.http(read) as reader:
        until(lambda: answers(writer), "the door is open")
        until(lambda: not fleet.show("alarms")["alarms"], "nothing is wrong any more")
        assert {each["node"] for each in reader.get("/v1/peers").json()["peers"]} == set(ON_CLUSTER)
        assert reader.post("/v1/rekey", json={}).status_code == 403
        assert reader.get("/v1/ready").json()["nodes"] == len(ON_CLUSTER)
        assert {each["name"] for each in reader.get("/v1/tokens").json()["tokens"]} == {"alice", "prometheus"}
        assert writer.delete("/v1/tokens/prometheus").status_code == 200
        assert reader.get("/v1/peers").status_code == 401
        late = fleet.token("late", Role.READ)
        assert writer.post("/v1/reload").status_code == 200
        with fleet.http(late) as other:
            until(lambda: answers(other), "the new token counts")
    events = document("show", "events", "--type", "api", "--state-dir", fleet.state)["events"]
    assert {(each["type"], each["permitted"]) for each in events} == {
        ("api.login_refused", False),
        ("api.token_revoked", True),
    }


def test_keys_of_a_node_are_made_where_it_runs_whoever_is_asked(fleet: World) -> None:
    token = fleet.token("keys", Role.WRITE)
    assert peerkey("reload", "--state-dir", fleet.state).exit_code == 0
    brought = ec.generate_private_key(ec.SECP256R1())
    pem = brought.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with fleet.http(token) as http:
        until(lambda: answers(http), "the token counts")
        for node in ON_CLUSTER:
            router, _, name = node.partition("/")
            base = f"/v1/router/{router}/node/{name}"
            made = http.post(f"{base}/private-key", json={"name": "next"})
            assert (made.status_code, made.json()["node"]) == (201, node), made.text
            (file,) = (fleet.state / "pki" / made.json()["node_uuid"]).glob("next.key")
            assert file.stat().st_mode & 0o777 == 0o600
            assert http.post(f"{base}/private-key", json={"name": "next"}).status_code == 409
            taken = http.put(f"{base}/private-key", json={"name": "brought", "private_key": pem})
            assert taken.status_code == 200
            assert (
                "BEGIN CERTIFICATE REQUEST" in http.post(f"{base}/certificate-request", json={}).json()["csr"]
            )
            assert http.get(f"{base}/certificate").json()["configured"] is True
            assert http.get(f"{base}/trusted-ca-certificate").json()["node"] == node
            assert http.delete(f"{base}/private-key", params={"name": "next"}).status_code == 200
        assert http.get("/v1/router/router9/node/node0/private-key").status_code == 404
        assert http.get("/v1/private-key").status_code == 404
        assert http.get("/v1/router/router1/node/node0/enrollment").status_code == 404
        whole = http.get("/v1/events/verify").json()
    assert whole["valid"] is True
    assert {log["file"].split("/")[-2] for log in whole["logs"]} >= {"control"}
    kinds = {each["type"] for each in fleet.show("events", "--type", "system")["events"]}
    assert {"system.create_private_key", "system.import_private_key", "system.generate_csr"} <= kinds
    secret = pem.splitlines()[1]
    logs = [path for path in fleet.folder.rglob("*") if path.suffix in {".log", ".err", ".out", ".jsonl"}]
    assert len(logs) > 3
    assert [path for path in logs if path.is_file() and secret in path.read_text(errors="replace")] == []


def test_other_settings_are_refused_while_the_fleet_runs(fleet: World) -> None:
    done = fleet.run("--hosts", "3")

    assert done.returncode == 1
    assert "in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_driver_that_is_killed_changes_nothing_and_the_next_one_ends_the_fleet(fleet: World) -> None:
    keys = fleet.keyed(3)
    with attached(fleet) as driver:
        driver.kill()
    assert fleet.keyed(3) == keys

    with attached(fleet) as driver:
        driver.terminate()
        assert driver.wait(SOON) == 0

    done = peerkey("show", "hosts", "--state-dir", fleet.state)
    assert done.exit_code == 3
    assert [each for each in psutil.process_iter() if is_host(each, fleet)] == []


def test_a_cluster_that_is_not_there_is_told_in_one_line(world: World) -> None:
    started = time.monotonic()
    nobody = replace(world, address=f"127.0.0.1:{free_port()}")

    done = nobody.run()

    assert done.returncode != 0
    assert done.stderr.count("\n") == 1
    assert "no cluster at" in done.stderr
    assert time.monotonic() - started < SOON


@contextlib.contextmanager
def attached(world: World) -> Iterator[subprocess.Popen[bytes]]:
    """Start a driver, and wait until it says that the fleet runs."""
    log = world.folder / "driver.log"
    with log.open("wb") as written:
        driver = subprocess.Popen(world.command(), stdout=written, stderr=written, env=world.environment)
    try:
        until(lambda: '"ready"' in log.read_text() or driver.poll() is not None, "the driver is ready")
        assert driver.poll() is None, log.read_text()
        yield driver
    finally:
        if driver.poll() is None:
            driver.kill()
        driver.wait(SOON)


def number_of(process: dict[str, Any]) -> int:
    """Return what the operating system calls a process by."""
    return int(process["process"].rpartition(":")[2])


def answers(http: httpx.Client) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return http.get("/v1/health").status_code == 200
    return False


def is_host(process: psutil.Process, world: World) -> bool:
    """Tell whether a process is a host on the cluster of the test."""
    try:
        return process.cmdline()[:1] == ["ray::ActorHost"] and str(world.folder) in json.dumps(
            process.environ()
        )
    except psutil.Error:
        return False


def until(look: Callable[[], Any], what: str) -> Any:  # noqa: ANN401 - whatever is looked for
    """Look until there is something."""
    end = time.monotonic() + SOON
    while not (found := quietly(look)):
        assert time.monotonic() < end, what
        time.sleep(0.2)
    return found


def quietly(look: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever is looked for
    """Look; a system that does not answer yet has nothing to show."""
    try:
        return look()
    except json.JSONDecodeError:
        return None


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
