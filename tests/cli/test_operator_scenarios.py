"""Six things that go wrong, and what a console and a board say of each: the cause, and the next step.

    "Tried as a new operator would: certificate about to expire, revoked peer, CRL server down, peer with
    another algorithm, wrong clock, node killed: is the cause found in under a minute with the console alone?"

A router ``hub`` peers with five others, over UDP of the loopback address. Of the five three share a process,
one has a clock that is two days behind, and one is killed. Two addresses of revocation lists are followed at
both ends: a server that answers, and a port where nobody listens. What is read is what a person would.

    "The cause of each fault of the console issue is found from the dashboards alone"

A Prometheus scrapes every process of the same fleet, all six faults at once, and somebody looks at the board
of the fleet as it is shipped, with nothing chosen.
"""

from __future__ import annotations

import functools
import http.server
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from peerkey.testing.ca import TestCA
from peerkey.testing.lists import revocation_list
from tests.cli.background import in_background
from tests.cli.commands import document, peerkey
from tests.cli.two_routers import free_ports
from tests.support.grafana_eyes import Eyes, words
from tests.support.hosts import stop, wait_for
from tests.support.ports import free_port
from tests.support.prometheus import needs_prometheus, prometheus
from tests.support.scraped import scraped, well
from tests.support.single_routers import write_certificate

ROOT = Path(__file__).parents[2]
BOARDS = ROOT / "deploy" / "monitoring" / "grafana" / "dashboards"
DAY = timedelta(days=1)
HUB = "hub"
#: The peers of the hub, each with the one thing that is wrong with it.
SPOKES = ("expiring", "revoked", "algorithm", "clock", "killed")
#: Those that run in one process.
TOGETHER = ("expiring", "revoked", "algorithm")
UUIDS = {name: UUID(int=number << 96) for number, name in enumerate((HUB, *SPOKES), 1)}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Run everything until each thing that goes wrong has gone wrong."""
    folder = tmp_path_factory.mktemp("fleet")
    fleet = Fleet(folder, dict(zip(UUIDS, free_ports(len(UUIDS)), strict=True)), datetime.now(UTC))
    with ExitStack() as stack:
        fleet.lists = (stack.enter_context(served(folder)), f"http://127.0.0.1:{free_port()}/down.crl")
        fleet.certify()
        for name in ("clock", "killed"):
            fleet.targets[name] = (f"127.0.0.1:{free_port()}", "/metrics")
        clock = stack.enter_context(
            process(fleet.write("clock"), folder / "clock", -2 * DAY, fleet.targets["clock"][0])
        )
        killed = stack.enter_context(
            process(fleet.write("killed"), folder / "killed", metrics=fleet.targets["killed"][0])
        )
        for name, routers in ((HUB, (HUB,)), ("together", TOGETHER)):
            background = stack.enter_context(in_background(fleet.write(*routers), folder / name))
            (served_at,) = stack.enter_context(scraped(background, {name: well}))
            fleet.targets[name] = (
                served_at["static_configs"][0]["targets"][0],
                served_at["metrics_path"],
            )
        wait_for(lambda: fleet.status_of("killed") == "up", 60, told=fleet.story)
        killed.send_signal(signal.SIGKILL)
        wait_for(fleet.is_all_wrong, 60, told=fleet.story)
        assert clock.poll() is None
        yield fleet


@pytest.fixture(scope="module")
def board(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Eyes]:
    """Scrape the fleet as it is now, and look at its board."""
    with prometheus(tmp_path_factory.mktemp("board"), [fleet.scraped()], "1s") as running:
        everything = f"count(up) == {len(fleet.targets)} and count(up == 1) == {len(fleet.targets) - 1}"
        firing = 'count(ALERTS{alertstate="firing",alertname=~"PeerkeyTargetDown|PeerkeyClockWrong"} > 0) > 1'
        for asks in (everything, firing):
            wait_for(lambda asks=asks: bool(running.query(asks)), 30, told=lambda: str(running.query("up")))  # type: ignore[misc]
        yield Eyes(BOARDS / "peerkey-fleet.json", running.query)


def test_a_certificate_about_to_expire_is_named_with_its_end_at_both_ends(fleet: Fleet) -> None:
    (alarm,) = fleet.alarms("together", "expiring/node0")
    shown = fleet.show("together", "certificate")
    assert "`peerkey show certificate` says of each certificate why" in fleet.show("together", "alarms")
    seen = fleet.peer(HUB, "expiring")

    assert alarm == "The following certificates are expiring in less than 7 days: `expiring/node0`."
    assert "Next Step: the certificate of this node ends" in shown
    assert "in 4 days: renew it (`peerkey enroll`" in shown
    assert seen.startswith("in order, for now -> the certificate of the peer ends")
    assert seen.endswith("in 4 days: renew it (`peerkey enroll` or `import certificate` there)")


def test_a_revoked_peer_is_named_with_since_when_at_both_ends(fleet: Fleet) -> None:
    (alarm,) = fleet.alarms(HUB, "revoked/node0")
    (own,) = fleet.alarms("together", "revoked/node0")

    assert alarm.startswith("Peer `revoked/node0` certificate is invalid: `revoked` - `revoked: ")
    assert "certificate of the peer: revoked: the certificate is revoked since" in fleet.peer(HUB, "revoked")
    assert "get the peer a new one (`peerkey enroll` there); if not, ask the CA" in fleet.peer(HUB, "revoked")
    assert own == "The following certificates are revoked: `revoked/node0`."
    assert "certificate of this node: revoked: the certificate is revoked since" in fleet.hub_from("revoked")
    assert "Detail: revoked: the certificate is revoked since" in fleet.show("together", "certificate")


@pytest.mark.parametrize("end", [HUB, "together"])
def test_a_crl_server_that_is_down_is_named_with_why_at_both_ends(fleet: Fleet, end: str) -> None:
    (alarm,) = fleet.alarms(end, "authority")
    shown = fleet.show(end, "certificate", "crl")

    assert alarm.startswith(f"The following CRL endpoints are unreachable: `{fleet.lists[1]} (")
    assert alarm.endswith("cannot be reached: Connection refused)`.")
    assert "State: unreachable" in shown
    assert "cannot be reached: Connection refused Next Step: see whether this machine reaches it" in shown


def test_a_peer_with_another_algorithm_is_named_with_both_at_both_ends(fleet: Fleet) -> None:
    for end, peer, theirs, ours in (
        (HUB, "algorithm/node0", "diffie-hellman-2048", "ml-kem-768"),
        ("together", f"{HUB}/node0", "ml-kem-768", "diffie-hellman-2048"),
    ):
        assert (
            f"Peer `{peer}` metadata-key is invalid: `algorithm-mismatch` - "
            f"`the peer is configured for {theirs}, this node for {ours}`."
        ) in fleet.alarms(end, peer)
    assert "`peerkey show peers` says of each peer why" in fleet.show(HUB, "alarms")
    for seen, theirs, ours in (
        (fleet.peer(HUB, "algorithm"), "diffie-hellman-2048", "ml-kem-768"),
        (fleet.hub_from("algorithm"), "ml-kem-768", "diffie-hellman-2048"),
    ):
        assert seen == (
            f"algorithm-mismatch: the peer is configured for {theirs}, this node for {ours} -> "
            "set the same key-exchange-algorithm and sizes on both ends, or an override for this peering, "
            "then `peerkey reload`"
        )


def test_a_wrong_clock_is_named_with_what_it_says_at_both_ends(fleet: Fleet) -> None:
    wrong = f"the clock here says {fleet.now - 2 * DAY:%Y-%m-%d}"

    (alarm,) = fleet.alarms("clock", "clock/node0")
    assert alarm.startswith(
        "The clock of `clock/node0` may be wrong: not valid yet by it: its own certificate "
    )
    assert fleet.hub_from("clock").startswith("certificate of this node: not-yet-valid: ")
    assert f"-> {wrong}" in fleet.hub_from("clock")
    assert f"Next Step: {wrong}" in fleet.show("clock", "certificate")
    (refused,) = fleet.alarms(HUB, "clock/node0")
    assert refused.startswith(
        "Peer `clock/node0` metadata-key is invalid: `not-yet-valid` - "
        "`the peer refuses the certificate of this node: "
    )
    seen = fleet.peer(HUB, "clock")
    assert seen.startswith("the peer refuses the certificate of this node: not-yet-valid: the certificate")
    assert "-> compare the clocks: that of the peer, and the one here, which says 20" in seen


def test_a_killed_node_is_named_at_its_peer_and_where_it_ran(fleet: Fleet) -> None:
    seen = fleet.peer(HUB, "killed")

    assert fleet.alarms(HUB, "killed/node0") == ["Peer `killed/node0` is not reachable."]
    assert seen.startswith("path by wan0: ")
    assert "-> see whether `peerkey run` runs on the peer, and whether UDP gets from 127.0.0.1:" in seen
    refused = peerkey("show", "alarms", "--state-dir", fleet.folder / "killed")
    assert refused.exit_code == 3
    assert "has died without a word: its log says more. Start it again with `peerkey run`" in refused.stderr


@needs_prometheus
def test_a_certificate_about_to_expire_is_seen_on_the_board_with_its_end(board: Eyes) -> None:
    ends = board.number("First certificate ends in")
    first = board.table("Certificates by their end")[0]

    assert (ends.text, ends.colour) == (first["Ends in"].text, "orange")
    assert first["node"].text == "expiring/node0"
    assert first["Ends in"].text.endswith(" days")
    assert ("major", "certificate-expiring", "expiring/node0") in words(
        board.table("Alarms"), "severity", "type", "node"
    )


@needs_prometheus
def test_a_revoked_peer_is_seen_on_the_board_at_both_ends(board: Eyes) -> None:
    assert board.number("Bad peer certificates").colour == "red"
    assert board.number("Bad own certificates").colour == "red"
    assert (f"{HUB}/node0", "revoked/node0", "peer-certificate", "revoked") in which(board)
    assert ("revoked/node0", f"{HUB}/node0", "own-certificate", "revoked") in which(board)
    assert (f"{HUB}/node0", "revoked") in words(board.table("Why a peer is not accepted"), "node", "reason")


@needs_prometheus
def test_a_crl_server_that_is_down_is_seen_on_the_board_with_its_address(board: Eyes, fleet: Fleet) -> None:
    lists = board.table("Revocation lists")

    # Both are not current: one of them for the machine with the wrong clock alone.
    assert (board.number("Lists that are not current").text, len(lists)) == ("2", 6)
    assert board.number("Lists that are not current").colour == "orange"
    seen = {(line["url"].text, line["state"].text, line["state"].colour) for line in lists}
    assert seen == {
        (fleet.lists[0], "current", "green"),
        (fleet.lists[1], "unreachable", "yellow"),
        # By the wrong clock the list that is served is of the future.
        (fleet.lists[0], "refused", "orange"),
    }
    (late,) = [line["instance"].text for line in lists if line["state"].text == "refused"]
    assert late == fleet.targets["clock"][0]


@needs_prometheus
def test_a_peer_with_another_algorithm_is_seen_on_the_board_at_both_ends(board: Eyes) -> None:
    assert board.number("Peerings without a key").colour == "red"
    assert (f"{HUB}/node0", "algorithm/node0", "key", "algorithm-mismatch") in which(board)
    assert ("algorithm/node0", f"{HUB}/node0", "key", "algorithm-mismatch") in which(board)
    reasons = words(board.table("Why there is no key"), "node", "reason")
    assert ("algorithm/node0", "algorithm-mismatch") in reasons


@needs_prometheus
def test_a_wrong_clock_is_seen_on_the_board_with_its_machine_and_by_how_much(
    board: Eyes, fleet: Fleet
) -> None:
    differs = board.number("Clocks differ by")
    worst = board.table("Clocks")[0]

    assert (differs.text, differs.colour) == ("2 days", "red")
    assert words([worst], "instance", "Differs by") == [(fleet.targets["clock"][0], "2 days")]
    assert (f"{HUB}/node0", "clock/node0", "refused-by-peer", "not-yet-valid") in which(board)
    (where,) = [
        line["instance"]
        for line in board.table("Which peering is not as it should be, and why")
        if line["node"].text == "clock/node0"
    ]
    assert where == worst["instance"]


@needs_prometheus
def test_a_killed_node_is_seen_on_the_board_with_its_machine_and_its_peer(board: Eyes, fleet: Fleet) -> None:
    assert board.number("Machines that are silent").text == "1"
    assert board.number("Machines that are silent").colour == "red"
    silent = words(board.table("Machines that do not answer"), "instance", "silent")
    assert silent == [(fleet.targets["killed"][0], "machine")]
    assert (f"{HUB}/node0", "killed/node0", "path", "silent") in which(board)
    missing = words(board.table("Peers out of reach, by node"), "node")
    assert (f"{HUB}/node0",) in missing


@needs_prometheus
def test_a_peering_of_which_nothing_is_wrong_is_not_on_the_board(board: Eyes) -> None:
    assert not {("expiring/node0", f"{HUB}/node0"), (f"{HUB}/node0", "expiring/node0")} & {
        named[:2] for named in which(board)
    }


def test_a_fleet_of_which_nothing_is_wrong_is_told_nothing_of(fleet: Fleet) -> None:
    told = [each for each in fleet.peers("together") if each["node"] == "expiring/node0"]

    assert [(each["fault"], each["status"]) for each in told] == [("", "up")]


# --- helpers --------------------------------------------------------------------------------------


def which(board: Eyes) -> list[tuple[str, ...]]:
    """Return what the board says of each peering that is not in order."""
    table = board.table("Which peering is not as it should be, and why")
    return words(table, "node", "peer", "about", "reason")


@dataclass
class Fleet:
    """Where everything is, and what the console says."""

    folder: Path
    ports: dict[str, int]
    now: datetime
    #: The addresses of revocation lists: of a server that answers, and of one that is down.
    lists: tuple[str, ...] = ()
    #: Where each process is scraped: ``HOST:PORT`` and a path.
    targets: dict[str, tuple[str, str]] = field(default_factory=dict)

    def scraped(self) -> dict[str, Any]:
        """Return how Prometheus scrapes all of it, as one job."""
        return {
            "job_name": "peerkey",
            "static_configs": [
                {"targets": [target], "labels": {"__metrics_path__": path}}
                for target, path in self.targets.values()
            ],
        }

    def certify(self) -> None:
        """Issue all certificates, and the list that revokes one of them."""
        now = self.now.replace(microsecond=0)
        ca = TestCA(now=now)
        (self.folder / "ca.pem").write_bytes(ca.root.certificate.public_bytes(Encoding.PEM))
        for name, uuid in UUIDS.items():
            issued = ca.issue(uuid, not_after=now + 5 * DAY if name == "expiring" else None)
            write_certificate(self.folder, name, issued)
            if name == "revoked":
                crl = revocation_list(
                    ca.intermediate,
                    issued.certificate,
                    this_update=now - DAY,
                    next_update=now + DAY,
                    number=7,
                )
                (self.folder / "up.crl").write_bytes(crl.public_bytes(Encoding.DER))

    def write(self, *routers: str) -> Path:
        """Write the configuration of one process."""
        keys = {"peer-key-retransmit-interval": 5, "peer-key-timeout": 10, "path-probe-interval": 1}
        document = {
            "authority": {
                "name": "test",
                "enhanced-security-key-management": True,
                "security-key-management": {**keys, "key-exchange-algorithm": "ml-kem"},
                "trusted-ca-certificate": [{"name": "root", "file": "ca.pem"}],
                "certificate-revocation": [{"url": url} for url in self.lists],
                "router": [self._router(name) for name in routers],
            }
        }
        file = self.folder / f"{routers[0]}.yaml"
        file.write_text(json.dumps(document, indent=1))
        return file

    def _router(self, name: str) -> dict[str, Any]:
        peers = [self._peer(each) for each in (SPOKES if name == HUB else (HUB,))]
        router: dict[str, Any] = {
            "name": name,
            "peer-validation": True,
            "node": [
                {
                    "name": "node0",
                    "uuid": str(UUIDS[name]),
                    "client-certificate": {"name": "base", "file": f"{name}.pem"},
                    "private-key": {"file": f"{name}.key"},
                    "network-interface": [{"name": "wan0", "address": "127.0.0.1", "port": self.ports[name]}],
                }
            ],
            "peer": peers,
        }
        if name == "algorithm":
            router["key-exchange-algorithm-override"] = "diffie-hellman"
        return router

    def _peer(self, name: str) -> dict[str, Any]:
        path: dict[str, Any] = {"node": "node0", "network-interface": "wan0", "peer-node": "node0"}
        path |= {"peer-address": "127.0.0.1", "peer-port": self.ports[name]}
        return {"name": name, "node": [{"name": "node0", "uuid": str(UUIDS[name])}], "path": [path]}

    # --- the console ----------------------------------------------------------------------------------

    def show(self, end: str, *words: str) -> str:
        """Return what a person reads, without the folding."""
        done = peerkey("show", *words, "--state-dir", self.folder / end)
        assert done.exit_code == 0, done.stderr
        return " ".join(done.stdout.split())

    def alarms(self, end: str, source: str) -> list[str]:
        """Return the messages of the alarms about a source."""
        alarms = document("show", "alarms", "--state-dir", self.folder / end)["alarms"]
        found = [each["message"] for each in alarms if each["source"] == source]
        assert all(each in self.show(end, "alarms") for each in found)
        return found

    def peers(self, end: str) -> list[dict[str, Any]]:
        return list(document("show", "peers", "--state-dir", self.folder / end)["peers"])

    def peer(self, end: str, name: str, node: str = "hub/node0") -> str:
        """Return what ``show peers`` says below its table of a peer."""
        lines = peerkey("show", "peers", "--state-dir", self.folder / end).stdout.splitlines()
        (told,) = [
            " ".join(paragraph.split())
            for paragraph in "\n".join(lines).split("\n\n")
            if paragraph.startswith(f" {name}/node0 (from {node})")
        ]
        return told.partition(": ")[2]

    def hub_from(self, name: str) -> str:
        """Return what is said of the hub at the other end."""
        return self.peer("together" if name in TOGETHER else name, HUB, f"{name}/node0")

    def status_of(self, name: str) -> str:
        (found,) = [each["status"] for each in self.peers(HUB) if each["peer"] == f"{name}/node0"]
        return str(found)

    def is_all_wrong(self) -> bool:
        """Tell whether everything that goes wrong has."""
        told = {each["peer"]: (each["fault"], each["advice"]) for each in self.peers(HUB)}
        if not all(any(told[f"{name}/node0"]) for name in SPOKES) or self.status_of("killed") == "up":
            return False
        own = self.peers("together")
        down = all(self.alarms(end, "authority") for end in (HUB, "together"))
        return down and all(each["fault"] for each in own if each["node"] != "expiring/node0")

    def story(self) -> str:
        return json.dumps([self.peers(HUB), self.peers("together")], indent=1)


@contextmanager
def process(
    file: Path, state: Path, wrong: timedelta = timedelta(0), metrics: str = ""
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``peerkey run`` in a process of its own, on a clock that is so wrong, scraped at ``metrics``."""
    command = (sys.executable, "-m", "tests.support.wrong_clock", str(wrong.total_seconds()))
    with state.with_suffix(".log").open("wb") as log:
        started = subprocess.Popen(
            [*command, "run", str(file), "--state-dir", str(state), "--metrics", metrics],
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )
    try:
        yield started
    finally:
        stop(started)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve the list in ``folder`` over HTTP; give its address."""
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="list server")
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/up.crl"
        finally:
            server.shutdown()
            thread.join()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files, and says nothing."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""
