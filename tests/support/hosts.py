"""Hosts of the tests' own: network namespaces joined by virtual cables, and peerkey processes on them.

Everything here needs root on Linux. The namespaces are named after this process, so that two runs of the
tests on one machine do not meet, and each test removes those that it made.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest

from tests.cli.commands import peerkey

_numbers = count()
#: How long a process may take to stop after it was asked to.
_STOP_WITHIN: Final = 15.0


def require_namespaces() -> None:
    """Skip the test where no network namespace can be made."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("platform: network namespaces need root on Linux")
    for command, package in (("ip", "iproute2"), ("nft", "nftables")):
        if shutil.which(command) is None:
            pytest.skip(f"{command} is missing: apt-get install {package}")


@dataclass
class Host:
    """One network namespace."""

    name: str
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, *command: str) -> str:
        """Run a command on the host to its end; return what it printed."""
        return subprocess.run(
            ["ip", "netns", "exec", self.name, *command],
            check=True,
            capture_output=True,
            text=True,
            timeout=30,
        ).stdout

    def lose(self, percent: int) -> None:
        """Let the host lose this share of the UDP datagrams that arrive; 0 ends it."""
        self.run("nft", "add", "table", "inet", "loss")
        self.run("nft", "flush", "table", "inet", "loss")
        if percent:
            hook = "{ type filter hook input priority 0; }"
            self.run("nft", "add", "chain", "inet", "loss", "input", hook)
            chance = f"numgen random mod 100 < {percent}" if percent < 100 else ""
            self.run(*f"nft add rule inet loss input meta l4proto udp {chance} drop".split())

    def link(self, *, up: bool) -> None:
        """Set the cable's interface up or down."""
        self.run("ip", "link", "set", "wan", "up" if up else "down")

    def peerkey(self, *arguments: str, log: Path) -> subprocess.Popen[bytes]:
        """Start a peerkey process on the host; what it prints goes to ``log``."""
        with log.open("ab") as output:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.name, sys.executable, "-m", "peerkey_cli.main", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.started.append(process)
        return process

    def stop(self) -> None:
        """Stop what was started here, then take the namespace away."""
        for process in self.started:
            stop(process)
        subprocess.run(["ip", "netns", "delete", self.name], check=False, capture_output=True)


def stop(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> int:
    """End a process that this test started; return its exit status."""
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(_STOP_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


@contextmanager
def cabled_hosts(*, mtu: int = 1280) -> Iterator[tuple[Host, Host]]:
    """Two hosts on one cable: 10.77.0.1 and .2, fd77::1 and ::2, on the interface ``wan``."""
    with named_hosts(2) as (left, right):
        cable(left, right, "10.77.0", "fd77:", mtu=mtu)
        yield left, right


@contextmanager
def named_hosts(number: int) -> Iterator[tuple[Host, ...]]:
    """Make some hosts without any cable, and stop them in the end."""
    hosts = tuple(Host(f"peerkey-{os.getpid()}-{next(_numbers)}") for _ in range(number))
    try:
        for host in hosts:
            subprocess.run(["ip", "netns", "add", host.name], check=True, capture_output=True)
            host.run("ip", "link", "set", "lo", "up")
        yield hosts
    finally:
        for host in hosts:
            host.stop()


def cable(
    left: Host, right: Host, v4: str, v6: str, *, mtu: int, names: tuple[str, str] = ("wan", "wan")
) -> None:
    """Lay a cable: the left end is ``.1`` and ``:1`` of the two networks, the right end ``.2`` and ``:2``."""
    number = next(_numbers)
    ends = (f"pk{os.getpid() % 10_000}l{number}", f"pk{os.getpid() % 10_000}r{number}")
    subprocess.run(
        ["ip", "link", "add", ends[0], "type", "veth", "peer", "name", ends[1]],
        check=True,
        capture_output=True,
    )
    for place, (host, end, name) in enumerate(zip((left, right), ends, names, strict=True), start=1):
        subprocess.run(["ip", "link", "set", end, "netns", host.name], check=True, capture_output=True)
        host.run("ip", "link", "set", end, "name", name, "mtu", str(mtu))
        host.run("ip", "address", "add", f"{v4}.{place}/24", "dev", name)
        host.run("ip", "address", "add", f"{v6}:{place}/64", "dev", name, "nodad")
        host.run("ip", "link", "set", name, "up")


@dataclass
class Router:
    """One router process on a host, with its own configuration, state and log."""

    host: Host
    file: Path
    state: Path
    process: subprocess.Popen[bytes] | None = None
    #: Which node of the file it runs, where that has several.
    node: str = ""

    @property
    def log(self) -> Path:
        """Where the process writes."""
        return self.state.with_suffix(".log")

    def start(self) -> None:
        """Start the router."""
        arguments = ["run", str(self.file), "--state-dir", str(self.state)]
        if self.node:
            arguments += ["--node", self.node]
        self.process = self.host.peerkey(*arguments, log=self.log)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End the router's process."""
        assert self.process is not None
        return stop(self.process, how)

    def events(self) -> list[dict[str, Any]]:
        """Return the audit events so far."""
        journal = self.state / "events.jsonl"
        if not journal.exists():
            return []
        return [json.loads(line) for line in journal.read_text().splitlines() if line.endswith("}")]

    def ask(self, *command: str) -> Any:  # noqa: ANN401 - a JSON document
        """Return what a ``show`` command prints, or ``None`` while the router does not answer."""
        done = peerkey(*command, "--json", "--state-dir", self.state)
        return json.loads(done.stdout) if done.exit_code == 0 else None

    def tell(self, *command: str) -> None:
        """Run a command that changes something, and see that it succeeds."""
        done = peerkey(*command, "--state-dir", self.state)
        assert done.exit_code == 0, done.output

    def path_in_service(self) -> bool:
        """Tell whether the latest event about the path is that it entered service."""
        states = [event["type"] for event in self.events() if event["type"] in {"path.up", "path.down"}]
        return bool(states) and states[-1] == "path.up"

    def current_keys(self) -> list[str]:
        """Return the key ids that became current, in order."""
        return [event["detail"]["key_id"] for event in self.events() if event["type"] == "key.activated"]

    def failures(self) -> list[str]:
        """Return the reasons of the failures that were told, in order."""
        return [
            event["detail"]["reason"]
            for event in self.events()
            if event["type"] == "peering.failed" or event["title"] == "Refused a peer certificate."
        ]


def wait_for(
    condition: Callable[[], bool], within: float, *, told: Callable[[], object] = lambda: ""
) -> None:
    """Wait until something outside of this process has happened.

    :raises AssertionError: it did not, within that many seconds.
    """
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, f"not within {within} s; {told()}"
        time.sleep(0.1)
