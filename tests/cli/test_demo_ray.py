"""``peerkey demo --runtime ray``: it ends with 0 only if no key was lost, and leaves no process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from tests.cli.commands import peerkey
from tests.support.hosts import wait_for
from tests.support.ports import free_port

pytest.importorskip("ray", reason="Ray is not installed: pip install -e '.[cluster]'")


@pytest.mark.timeout(400)
def test_a_host_is_killed_and_no_key_is_lost_or_replaced(tmp_path: Path) -> None:
    mark = {**os.environ, "PEERKEY_TEST_MARK": str(tmp_path)}

    metrics, printed = f"127.0.0.1:{free_port()}", tmp_path / "printed"
    command = [
        *(sys.executable, "-m", "peerkey_cli.main", "demo", "--runtime", "ray", "--metrics", metrics),
        *("--routers", "3", "--paths", "1", "--algorithm", "ml-kem-768", "--timeout", "300"),
    ]

    with (
        printed.open("wb") as out,
        subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, env=mark) as demo,
    ):
        # Prometheus may watch meanwhile.
        wait_for(lambda: keyed(metrics) == 6, 200, told=printed.read_text)
        complaint = demo.stderr.read().decode() if demo.stderr is not None else ""

    assert (demo.returncode, complaint) == (0, "")
    told = printed.read_text()
    shapes = [
        r"3 routers, 3 peerings, 3 paths, keyed by ml-kem-768, on 2 hosts of a Ray cluster",
        r"  keyed: 3 of 3",
        r"  host local-0 on machine local: \d nodes, process \d+",
        r"Killing host local-\d with its \d nodes: SIGKILL to process (\d+)\.",
        r"Ray started it again, process (\d+): everything was as before after \d+\.\d s\.",
        r"  rekeys since the death: none; keys lost: none of 3",
        r"  new keys agreed: 3 of 3",
        r"  rotated: 3 of 3",
        r"  nodes that know it is revoked: 3 of 3",
        r"  Peer `router3/node0` certificate is invalid: `revoked` .*",
    ]
    where = 0
    for shape in shapes:
        found = re.compile(f"^{shape}$", re.MULTILINE).search(told, where)
        assert found is not None, f"{shape}\n{told}"
        where = found.start()
    assert [process for process in psutil.process_iter() if marked(process, str(tmp_path))] == []


def test_what_does_not_go_together_is_said() -> None:
    assert "of its own" in peerkey("demo", "--runtime", "ray", "--ha").stderr
    assert "there are `local` and `ray`" in peerkey("demo", "--runtime", "nosuch").stderr


def keyed(metrics: str) -> float:
    """Return how many ends of peerings have a current key, by the page for Prometheus."""
    try:
        page = httpx.get(f"http://{metrics}/metrics", timeout=10, trust_env=False).text
    except httpx.TransportError:
        return 0.0
    samples = re.findall(r'^peerkey_keys\{node=".*",role="current"\} (.*)$', page, re.MULTILINE)
    return sum(map(float, samples))


def marked(process: psutil.Process, mark: str) -> bool:
    """Tell whether a process was started by that demonstration, by whatever way."""
    try:
        return process.environ().get("PEERKEY_TEST_MARK") == mark and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
