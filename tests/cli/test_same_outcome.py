"""One configuration file in one process, in virtual time and on a Ray cluster: the same comes of it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest

from peerkey.protocol.suites.algorithm import Algorithm
from peerkey_cli.demo.authority import lay_out
from tests.cli.commands import peerkey

pytest.importorskip("ray", reason="Ray is not installed: pip install -e '.[cluster]'")

#: Node, peer, its path's local and remote address, and the state of that path.
Outcome: TypeAlias = frozenset[tuple[str, str, str, str, str]]
WITHIN: Final = 120.0


@pytest.mark.timeout(400)
def test_the_same_file_has_the_same_outcome_everywhere() -> None:
    with tempfile.TemporaryDirectory(prefix="pk-") as made:
        folder = Path(made)
        authority = lay_out(folder / "a", routers=3, paths=2, algorithm=Algorithm.parse("ml-kem-512"))
        wanted = 3 * 2 * authority.paths

        simulated = peerkey("simulate", authority.file, "--days", "0.002", "--json")
        outcomes = {"sim": outcome_of(json.loads(simulated.stdout)["peers"])}
        for runtime in ("local", "ray"):
            with running(authority.file, folder / runtime, runtime):
                outcomes[runtime] = keyed(folder / runtime, wanted)

    assert simulated.exit_code == 0
    assert len(outcomes["sim"]) == wanted
    assert {state for *_, state in outcomes["sim"]} == {"in-service"}
    assert outcomes["local"] == outcomes["ray"] == outcomes["sim"]


def outcome_of(peers: Iterable[Any]) -> Outcome:
    return frozenset(
        (peer["node"], peer["peer"], path["local"], path["remote"], path["state"])
        for peer in peers
        for path in peer["paths"]
    )


def keyed(state: Path, wanted: int) -> Outcome:
    """Return what has come of it, once every end of every peering has a key and every path is in service."""
    end = time.monotonic() + WITHIN
    while True:
        shown = peerkey("show", "peers", "security", "--json", "--state-dir", state)
        if shown.exit_code == 0:
            peers = json.loads(shown.stdout)["peers"]
            found = outcome_of(peers)
            serving = [each for each in found if each[-1] == "in-service"]
            if len(serving) == wanted and all(peer["key_index"] for peer in peers):
                return found
        assert time.monotonic() < end, shown.output
        time.sleep(0.2)


@contextlib.contextmanager
def running(file: Path, state: Path, runtime: str) -> Iterator[None]:
    words = [sys.executable, "-m", "peerkey_cli.main", "run", str(file), "--runtime", runtime]
    log = state.with_suffix(".log")
    with log.open("wb") as written:
        process = subprocess.Popen(
            [*words, "--state-dir", str(state)], stdout=written, stderr=written, env=dict(os.environ)
        )
    try:
        yield
        process.terminate()
        assert process.wait(WITHIN) == 0, log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
