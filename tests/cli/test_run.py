"""``peerkey run`` as an operator meets it: processes, signals, sudden death."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from peerkey_cli.state import StateDirectory
from tests.cli.commands import peerkey
from tests.cli.remote_system import certify_api
from tests.cli.stored import files_of, found, stored_secrets
from tests.cli.two_routers import UUIDS, free_ports, two_routers
from tests.support.hosts import stop, wait_for
from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "peerkey_cli.main")


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    """Start processes that end with the test at the latest."""
    started: list[Process] = []

    def begin(file: Path, state: Path, *more: str, ready: bool = True) -> Process:
        process = Process(file, StateDirectory(state), more)
        started.append(process)
        process.start(ready=ready)
        return process

    yield begin
    for each in started:
        each.end()


def test_two_routers_in_one_process_survive_its_sudden_death(
    tmp_path: Path, start: Callable[..., Process]
) -> None:
    process = start(two_routers(tmp_path).file, tmp_path / "state")
    process.wait_until_up()
    before = process.keys()
    assert process.end(signal.SIGKILL) == -signal.SIGKILL

    process.start()
    process.wait_until_up()

    assert process.keys() == before
    assert len(process.events("key.activated")) == len(UUIDS)


def test_the_peer_of_a_process_that_died_does_not_notice(
    tmp_path: Path, start: Callable[..., Process]
) -> None:
    routers = two_routers(tmp_path)
    east = start(routers.write("east", "east"), tmp_path / "east")
    west = start(routers.write("west", "west"), tmp_path / "west")
    east.wait_until_up()
    west.wait_until_up()
    before = west.keys()

    east.end(signal.SIGKILL)
    seen = len(east.events("path.up"))
    east.start()
    wait_for(lambda: len(east.events("path.up")) > seen, 40, told=east.story)
    east.wait_until_up()

    assert list(east.keys().values()) == list(west.keys().values()) == list(before.values())
    assert len(west.events("key.activated")) == 1
    assert len(east.events("key.activated")) == 1


def test_sigterm_ends_it_in_order_and_nothing_is_left(tmp_path: Path, start: Callable[..., Process]) -> None:
    process = start(two_routers(tmp_path).file, tmp_path / "state")
    process.wait_until_up()

    assert process.end(signal.SIGTERM) == 0

    assert process.logged("stopped")
    assert sorted(each.name for each in process.state.path.iterdir()) == [
        "crl",
        "events.checkpoint",
        "events.jsonl",
        "lock",
        "sealing.key",
        "store.sqlite",
    ]


def test_sigterm_while_it_starts_ends_it_in_order_and_nothing_is_left(
    tmp_path: Path, start: Callable[..., Process]
) -> None:
    process = start(two_routers(tmp_path).file, tmp_path / "state", ready=False)
    wait_for((process.state.path / "lock").exists, 30)

    assert process.end(signal.SIGTERM) == 0

    assert process.logged("stopped")
    assert not process.state.socket.exists()


def test_a_second_sigterm_ends_it_at_once_and_nothing_is_left(
    tmp_path: Path, start: Callable[..., Process]
) -> None:
    process = start(two_routers(tmp_path).file, tmp_path / "state")
    process.wait_until_up()
    assert process.process is not None
    family = psutil.Process(process.process.pid)
    assert family.children(recursive=True) == []

    process.tell(signal.SIGTERM)
    assert process.end(signal.SIGTERM) == 0

    assert process.logged("stopped")
    assert sorted(each.name for each in process.state.path.iterdir()) == [
        "crl",
        "events.checkpoint",
        "events.jsonl",
        "lock",
        "sealing.key",
        "store.sqlite",
    ]


def test_sighup_reloads_and_a_faulty_file_is_told_in_the_log(
    tmp_path: Path, start: Callable[..., Process]
) -> None:
    routers = two_routers(tmp_path)
    process = start(routers.file, tmp_path / "state")

    process.tell(signal.SIGHUP)
    wait_for(lambda: bool(process.logged("reloaded")), 30)
    routers.write("both", **{"peer-key-timeout": 1})
    process.tell(signal.SIGHUP)
    wait_for(lambda: bool(process.logged("not reloaded")), 30)

    (refused,) = process.logged("not reloaded")
    assert "peer-key-timeout" in refused["faults"][0]
    assert process.ask("show", "peers") is not None


def test_prometheus_is_told_what_is_so(tmp_path: Path, start: Callable[..., Process]) -> None:
    (port,) = free_ports(1)
    process = start(two_routers(tmp_path).file, tmp_path / "state", "--metrics", f"127.0.0.1:{port}")
    process.wait_until_up()

    text = httpx.get(f"http://127.0.0.1:{port}/metrics").text

    assert "peerkey_up 1.0\n" in text
    for node in ("east/node0", "west/node0"):
        assert f'peerkey_peerings{{node="{node}",state="MKEY_EXCH_COMP"}} 1.0\n' in text
        assert f'peerkey_paths{{node="{node}",state="in-service"}} 1.0\n' in text
        assert f'peerkey_keys{{node="{node}",role="current"}} 1.0\n' in text
    assert 'peerkey_actors{kind="PeerPath",state="running"} 2.0\n' in text


def test_a_second_process_is_kept_out_of_the_state_directory(
    tmp_path: Path, start: Callable[..., Process]
) -> None:
    file = two_routers(tmp_path).file
    process = start(file, tmp_path / "state")

    second = run("run", str(file), "--state-dir", str(tmp_path / "state"))

    assert process.process is not None
    assert second.returncode == 1
    assert second.stderr == (
        f"peerkey: {tmp_path / 'state'}: process {process.process.pid} uses this state directory; "
        "stop it, or name another directory with --state-dir\n"
    )


def test_a_store_whose_sealing_key_is_gone_is_not_opened(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path / "state")
    state.path.mkdir(0o700)
    state.store.touch(0o600)

    refused = run("run", str(two_routers(tmp_path).file), "--state-dir", str(state.path))

    assert refused.returncode == 1
    assert "sealing.key is missing" in refused.stderr
    assert not state.sealing_key.exists()


def test_a_store_that_another_key_has_sealed_is_not_run_on(
    tmp_path: Path, start: Callable[..., Process]
) -> None:
    state = StateDirectory(tmp_path / "state")
    process = start(two_routers(tmp_path).file, state.path)
    process.wait_until_up()
    process.end()
    state.sealing_key.write_bytes(bytes(32))

    refused = run("run", str(two_routers(tmp_path).file), "--state-dir", str(state.path))

    assert refused.returncode == 1
    assert "does not open" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_only_the_named_nodes_run(tmp_path: Path, start: Callable[..., Process]) -> None:
    process = start(two_routers(tmp_path).file, tmp_path / "state", "--node", "west/node0")

    document = process.ask("show", "security", "key-status")

    assert [node["node"] for node in document["nodes"]] == ["west/node0"]


def test_no_secret_is_written_anywhere_but_sealed(tmp_path: Path, start: Callable[..., Process]) -> None:
    process = start(two_routers(tmp_path).file, tmp_path / "state")
    process.wait_until_up()
    shown = [
        json.dumps(process.ask("show", *words)).encode()
        for words in (["peers", "security"], ["security", "key-status"], ["events"], ["actors"])
    ]
    process.end(signal.SIGKILL)
    left = files_of(process.state)

    secrets = stored_secrets(process.state, UUIDS.values())

    assert len(secrets) > 4
    assert b"SQLite format 3" in b"".join(left)
    assert found(secrets, [*left, *shown, process.log.read_bytes()]) == []
    assert len(found(secrets, [b"".join(secrets)])) == len(secrets)


def test_the_api_is_asked_over_tls_and_a_token_is_taken_back_by_its_line(
    tmp_path: Path, start: Callable[..., Process]
) -> None:
    routers = two_routers(tmp_path)
    certify_api(tmp_path, routers.ca)
    tokens, mine, address = tmp_path / "tokens", tmp_path / "mine", f"https://127.0.0.1:{free_port()}"
    made = run("create", "api-token", "--role", "read", "alice", "--tokens", str(tokens))
    mine.touch(mode=0o600)
    mine.write_text(made.stdout)
    files = ("--api-certificate", "api.pem", "--api-key", "api.key", "--api-tokens", "tokens")
    given = (word if word.startswith("--") else str(tmp_path / word) for word in files)
    process = start(routers.file, tmp_path / "state", "--api", address, *given)
    ask = ("--api", address, "--api-token-file", str(mine), "--api-ca", str(tmp_path / "ca.pem"))

    shown, refused = run("show", "actors", *ask), run("rekey", *ask)
    tokens.write_text("")
    process.tell(signal.SIGHUP)
    wait_for(lambda: bool(process.logged("reloaded")), 30, told=process.log.read_text)
    unknown = run("show", "actors", *ask)

    assert process.logged("ready")[0]["remote"] == address
    assert shown.returncode == 0, shown.stderr
    assert refused.returncode == 1
    assert refused.stderr == ("peerkey: the token alice may read only; this needs one with the role write\n")
    assert unknown.returncode == 1
    assert unknown.stderr == "peerkey: unknown token; present a token of this system\n"
    assert [event["detail"]["reason"] for event in process.events("api.login_refused")] == [
        "role",
        "unknown token",
    ]
    secret = made.stdout.strip().encode()
    assert found([secret], [*files_of(process.state), process.log.read_bytes(), tokens.read_bytes()]) == []


# --- helpers --------------------------------------------------------------------------------------


@dataclass
class Process:
    """One ``peerkey run``, its state directory and its log."""

    file: Path
    state: StateDirectory
    more: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def log(self) -> Path:
        return self.state.path.with_suffix(".log")

    def start(self, *, ready: bool = True) -> None:
        """Start it and, unless ``ready`` is false, wait until its API answers."""
        answers = len(self.logged("ready"))
        arguments = ("run", str(self.file), "--state-dir", str(self.state.path), *self.more)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*COMMAND, *arguments], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        if ready:
            wait_for(lambda: len(self.logged("ready")) > answers, 30, told=self.log.read_text)

    def tell(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        return stop(self.process, how)

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Return the lines of the log that tell of this."""
        if not self.log.exists():
            return []
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.endswith("}")]
        return [line for line in lines if line["event"] == event]

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Return the audit events of one type, of this process and of those before it."""
        lines = [json.loads(line) for line in self.state.journal.read_text().splitlines()]
        return [line for line in lines if line["type"] == kind]

    def ask(self, *words: str) -> Any:  # noqa: ANN401 - JSON
        """Return the document that a command prints."""
        done = peerkey(*words, "--json", "--state-dir", self.state.path)
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    def wait_until_up(self) -> None:
        """Wait until every path is in service."""
        wait_for(self.all_up, 30, told=self.story)

    def all_up(self) -> bool:
        return all(peer["status"] == "up" for peer in self.ask("show", "peers")["peers"])

    def story(self) -> str:
        """Return what there is to read when something did not happen."""
        return "\n".join(each.read_text() for each in (self.log, self.state.journal) if each.exists())

    def keys(self) -> dict[str, tuple[int, str]]:
        """Return index and id of each node's current key."""
        return {
            peer["node"]: (key["index"], key["key_id"])
            for peer in self.ask("show", "peers", "security")["peers"]
            for key in peer["keys"]
            if key["role"] == "current"
        }


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*COMMAND, *words], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
