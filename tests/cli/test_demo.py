"""``peerkey demo``: it ends with 0 only if all of it happened, and says what did not."""

from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from cryptography import x509

from actors.messages import NodeStatus, PathStatus, PeerStatus
from peerkey.observe import alarms
from peerkey.protocol.peering import PeeringStatus
from peerkey.protocol.suites.algorithm import ALL, Algorithm
from peerkey_cli.demo.authority import free_ports, lay_out
from peerkey_cli.demo.display import Lines
from peerkey_cli.demo.facts import alarmed, facts_of, without_peerings
from peerkey_cli.demo.lists import ListServer
from peerkey_cli.plans import PlansReader
from tests.cli.commands import document, peerkey
from tests.support.ports import free_port
from tests.support.prometheus import Prometheus, prometheus

A, B = "router1/node0", "router2/node0"


def test_a_fleet_keys_itself_rotates_and_raises_the_alarm(tmp_path: Path) -> None:
    keep = tmp_path / "kept"

    done = demo("--routers", "3", "--paths", "2", "--keep", str(keep), folder=tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    told = [
        "3 routers, 3 peerings, 6 paths, keyed by diffie-hellman-2048-ml-kem-768, on UDP",
        "  authenticated: 3 of 3",
        "  keyed: 3 of 3",
        "  paths in service: 6 of 6",
        "  new keys agreed: 3 of 3",
        "  rotated: 3 of 3",
        "The CA revokes the certificate of router3/node0. Every list is fetched again.",
        "  nodes that know it is revoked: 3 of 3",
        "  accepted by its peers: 2 of 2",
        "  nodes with the alarm: 3 of 3",
        "show peers security",
        "show alarms",
    ]
    assert [line for line in lines if line in told] == told
    (list_came,) = [line for line in lines if ".crl: " in line]
    assert re.fullmatch(
        r"  http://127\.0\.0\.1:\d+/demonstration\.crl: \d+ bytes, 1 revoked, 1 of them new", list_came
    )
    assert any(line.startswith("  Peer `router3/node0` certificate is invalid: `revoked`") for line in lines)
    assert not any(line.startswith("  peerings gone") for line in lines), "fail-soft keeps them"
    assert len([line for line in lines if re.search(r"router\d/node0 +router\d/node0 +wan\d ", line)]) == 12
    assert (
        len([line for line in lines if "Peer `router3/node0` certificate is invalid: `expired`" in line]) == 2
    )
    assert any("certificates are expired: `router3/node0`" in line for line in lines)
    assert all(line.isprintable() for line in lines), "control codes in a pipe"
    assert document("config", "check", keep / "authority.yaml")["peerings"] == 3


def test_under_fail_hard_a_revoked_router_loses_its_peerings(tmp_path: Path) -> None:
    with watched(tmp_path) as (metrics, watcher):
        done = demo("--routers", "3", "--paths", "1", "--fail-hard", *metrics, folder=tmp_path)

        assert done.returncode == 0, done.stderr
        if watcher is not None:
            assert watcher.steps_back("peerkey") == {}
            alerted = 'max_over_time(ALERTS{alertstate="firing",node="router3/node0"}[10m])'
            names = {dict(labels)["alertname"] for labels in watcher.query(alerted)}
            assert {"PeerkeyCertificateBad", "PeerkeyCertificateExpired"} <= names
            rekeys = watcher.query("sum(max_over_time(peerkey_rekey_duration_seconds_count[10m]))")
            assert set(rekeys.values()) == {6.0}, "each of three peerings was rekeyed, at both ends"
    told = ["  nodes that know it is revoked: 3 of 3", "  peerings gone: 2 of 2"]
    assert [line for line in done.stdout.splitlines() if line in told] == told


@contextmanager
def watched(folder: Path) -> Iterator[tuple[list[str], Prometheus | None]]:
    """Let a real Prometheus watch, where there is one; return the option for it."""
    if shutil.which("prometheus") is None:
        yield [], None
        return
    address = f"127.0.0.1:{free_port()}"
    (folder / "prometheus").mkdir()
    config = {"job_name": "peerkey", "static_configs": [{"targets": [address]}]}
    with prometheus(folder / "prometheus", [config]) as running:
        yield ["--metrics", address], running


def test_the_list_server_serves_one_list_and_is_gone_behind_its_block() -> None:
    with ListServer() as server:
        assert httpx.get(server.url).status_code == 404, "nothing is published yet"
        server.publish(b"a list")
        assert httpx.get(server.url).content == b"a list"
        assert httpx.get(f"{server.url}.other").status_code == 404

    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)


def test_the_list_of_a_demonstration_names_the_certificates_that_it_should(tmp_path: Path) -> None:
    algorithm = Algorithm.parse("ml-kem-768")
    authority = lay_out(tmp_path, routers=2, paths=1, algorithm=algorithm, crl="http://127.0.0.1:9/a.crl")
    shown = x509.load_pem_x509_certificates((tmp_path / "pki" / "router2-node0.pem").read_bytes())

    nobody = x509.load_der_x509_crl(authority.revocation_list(1))
    one = x509.load_der_x509_crl(authority.revocation_list(2, "router2/node0"))

    assert list(nobody) == []
    assert [each.serial_number for each in one] == [shown[0].serial_number]
    assert one.issuer == shown[0].issuer


def test_peerings_are_gone_only_when_neither_end_has_a_key_of_any_kind() -> None:
    gone = without_peerings((node(A, B, None), node(B, A, None)), B)
    one_end = without_peerings((node(A, B, "k1"), node(B, A, None)), B)
    followed = without_peerings((node(A, B, None, "k2"), node(B, A, None)), B)

    assert [set(each) for each in (gone, one_end, followed)] == [{A}, set(), set()]


def test_what_has_not_happened_in_time_is_said_and_ends_with_1(tmp_path: Path) -> None:
    done = demo("--routers", "2", "--paths", "1", "--timeout", "3", folder=tmp_path)

    assert done.returncode == 1
    assert done.stderr == "peerkey: the demonstration failed: not every key has been rotated\n"
    assert list(tmp_path.iterdir()) == [], "the throw-away authority is still there"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demonstration_that_is_interrupted_leaves_nothing_behind(
    number: signal.Signals, tmp_path: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "peerkey_cli.main", "demo", "--routers", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as process:
        assert process.stdout is not None
        while b"Every peering was keyed" not in process.stdout.readline() and process.poll() is None:
            continue
        process.send_signal(number)
        _, complaint = process.communicate(timeout=30)

    assert process.returncode == 130
    assert b"Traceback" not in complaint
    assert list(tmp_path.iterdir()) == []


def test_on_a_terminal_bars_grow_and_the_cursor_comes_back(tmp_path: Path) -> None:
    shown = b"".join(
        on_a_terminal("demo", "--routers", "2", "--paths", "1", "--timeout", "2", folder=tmp_path)
    ).decode()

    assert "━" in shown
    assert "paths in service" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
    assert not re.search("\x1b\\[[0-9;]*m", shown), "colours although NO_COLOR is set"


@pytest.mark.parametrize("algorithm", ALL, ids=str)
def test_the_authority_of_a_demonstration_is_what_was_asked_for(algorithm: Algorithm, tmp_path: Path) -> None:
    authority = lay_out(tmp_path, routers=3, paths=2, algorithm=algorithm)

    plans = PlansReader(authority.file)()
    found = document("config", "check", authority.file)

    assert (found["valid"], found["peerings"], found["paths"], found["missing"]) == (True, 3, 6, [])
    assert {peering.algorithm_name for plan in plans for peering in plan.peerings} == {algorithm.name}
    assert all(plan.enabled and plan.peer_validation for plan in plans)
    assert len({interface.local for plan in plans for interface in plan.interfaces}) == 6


@pytest.mark.parametrize(
    ("words", "status", "line"),
    [
        (["--runtime", "nosuch"], 2, "--runtime nosuch: there are `local` and `ray`"),
        (
            ["--algorithm", "rot13"],
            2,
            "--algorithm rot13: no such key exchange; there are diffie-hellman-1024,",
        ),
        (["--routers", "1"], 2, "invalid value for '--routers': "),
        (["--keep", "."], 1, ".: not empty; name a directory that is new or empty"),
    ],
)
def test_what_cannot_be_shown_is_one_line(words: list[str], status: int, line: str) -> None:
    done = peerkey("demo", *words)

    assert done.exit_code == status
    assert line in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_peering_counts_only_when_both_ends_have_the_same_key() -> None:
    both = facts_of((node(A, B, "k1"), node(B, A, "k1")))
    one = facts_of((node(A, B, "k1"), node(B, A, None)))
    different = facts_of((node(A, B, "k1"), node(B, A, "k2")))

    assert (len(both.current), len(one.current), len(different.current)) == (1, 0, 0)
    assert both.without_key == ()
    assert one.without_key == different.without_key == (f"{A} and {B}",)
    assert (len(both.authenticated), len(both.in_service)) == (1, 1)


def test_a_new_key_is_agreed_before_it_is_in_use() -> None:
    before = facts_of((node(A, B, "k1"), node(B, A, "k1"))).current
    agreed = facts_of((node(A, B, "k1", "k2"), node(B, A, "k1", "k2")))
    halfway = facts_of((node(A, B, "k2"), node(B, A, "k1", "k2")))
    rotated = facts_of((node(A, B, "k2"), node(B, A, "k2")))

    assert [facts.renewed(before) for facts in (agreed, halfway, rotated)] == [1, 1, 1]
    assert [facts.rotated(before) for facts in (agreed, halfway, rotated)] == [0, 0, 1]


def test_a_path_counts_only_when_it_is_in_service_at_both_ends() -> None:
    facts = facts_of((node(A, B, "k1"), node(B, A, "k1", state="out-of-service")))

    assert facts.in_service == frozenset()


def test_only_alarms_about_an_expired_certificate_count() -> None:
    expired = alarms.peer_certificate_invalid(B, "expired", "it ended")
    other = alarms.peer_certificate_invalid(B, "untrusted", "nobody knows it")
    own = alarms.certificate_bad(B, "expired", "it ended")
    fleet = tuple(
        replace(node(name, B, None), alarms=(alarm,))
        for name, alarm in ((A, expired), (B, own), ("c", other))
    )

    assert alarmed(fleet, B) == {A, B}
    assert alarmed(fleet, B, "untrusted") == {"c"}


def test_lines_tell_a_count_once_and_a_wait_every_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    with Lines() as lines:
        for done in (0, 0, 2, 2):
            lines.count("keyed", done, 2)
        for passed in range(32):
            lines.wait("until", float(passed), 30.0)

    assert capsys.readouterr().out.splitlines() == [
        "  keyed: 2 of 2",
        *(f"  until: {left} s to go" for left in (30, 20, 10, 0)),
    ]


def test_free_ports_are_different() -> None:
    assert len(set(free_ports(50))) == 50


def demo(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the demonstration in a process of its own, with its temporary files in ``folder``."""
    return subprocess.run(
        [sys.executable, "-m", "peerkey_cli.main", "demo", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
        env={**os.environ, "TMPDIR": str(folder)},
    )


def on_a_terminal(*words: str, folder: Path) -> Iterator[bytes]:
    """Run a command on a terminal of its own, without colours; yield what it shows."""
    mine, its = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "peerkey_cli.main", *words],
        stdin=its,
        stdout=its,
        stderr=its,
        env={**os.environ, "TMPDIR": str(folder), "NO_COLOR": "1", "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(its)
    with process, os.fdopen(mine, "rb", buffering=0) as terminal:
        while True:
            try:
                shown = terminal.read(4_096)
            except OSError:
                # Linux says so when nobody has the other side open any more.
                return
            if not shown:
                return
            yield shown


def node(
    name: str, peer: str, current: str | None, following: str | None = None, *, state: str = "in-service"
) -> NodeStatus:
    """Return the status of a node with one peer and one path."""
    keys = [
        (role, 1, key_id)
        for role, key_id in (("current", current), ("next", following))
        if key_id is not None
    ]
    here, there = f"{name}:1", f"{peer}:1"
    security = PeeringStatus(
        peer=peer,
        security_status="MKEY_EXCH_COMP",
        algorithm="ml-kem-768",
        keys=tuple(keys),
        key_index=1,
        peer_seals_with=1,
        certificate_received=True,
        certificate_acknowledged=True,
        key_received=True,
        key_acknowledged=True,
        key_changes=1,
        last_rekey=None,
        next_rekey_seconds=None,
        last_error="",
        peer_certificate_fault="",
    )
    path = PathStatus("wan0", state, "", here, there, 1500)
    return NodeStatus(
        node=name,
        uuid="",
        enabled=True,
        certificate=None,
        peers=(PeerStatus(peer, "", security, (path,), ()),),
        alarms=(),
        rekey_interval_hours=24,
    )
