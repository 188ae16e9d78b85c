"""``peerkey demo --ha``: it ends with 0 only if no key was lost or replaced, and says what did not hold."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from peerkey.protocol.suites.algorithm import Algorithm
from peerkey_cli.demo.display import Lines
from peerkey_cli.demo.failed import DemoFailed
from peerkey_cli.demo.pair_authority import PAIR, PairAuthority, lay_out_pair
from peerkey_cli.demo.pair_facts import accepted_keys, in_step, keys_in_use, paths_in_service
from peerkey_cli.demo.pair_story import PairDemonstration
from peerkey_cli.demo.processes import NodeProcess
from peerkey_cli.plans import PlansReader
from peerkey_cli.state import StateDirectory
from tests.cli.commands import document, peerkey
from tests.support.false_pair import EAST, ONE, TWO, WEST, FalsePair, event

WITHIN = timedelta(seconds=30)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a directory whose path is short: there are Unix sockets in it."""
    with tempfile.TemporaryDirectory(prefix="pk-") as made:
        yield Path(made)


def test_the_node_that_leads_is_killed_taken_over_and_comes_back_without_a_rekey(folder: Path) -> None:
    keep = folder / "kept"

    done = demo("--routers", "3", "--paths", "2", "--keep", str(keep), folder=folder)

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    told = done.stdout
    (killed,) = re.findall(r"^Killing (hub/node\d), which leads: SIGKILL", told, re.MULTILINE)
    (mate,) = set(PAIR) - {killed}
    shapes = [
        r"an HA router of 2 nodes, 2 peers, 4 peerings, 8 paths, keyed by .*",
        r"Killing .*",
        rf"{mate} took over [0-2]\.\d\d s after the death, and leads under term \d+\.",
        rf"  branch1/node0 seals to {killed} with key [0-9a-f]{{32}}, which {mate} holds",
        rf"  branch2/node0 seals to {killed} with key [0-9a-f]{{32}}, which {mate} holds",
        r"  rekeys since the death: none",
        rf"  paths of {mate} that changed: none of 4",
        rf"An operator orders a new key of {mate} with branch1/node0\.",
        rf"  {mate}: Active Leader, mate {killed}, link down .*, 1 of 2 records replicated, lag 1, .*",
        rf"Starting {killed} again\.",
        rf"  {mate}: .*, mate {killed}, link in-step, 2 of 2 records replicated, lag 0, 2 copies held",
        rf"{mate} gave the keys back: every peering of {killed} has the key of before\.",
        r"  rekeys since the death: the one that was ordered",
        rf"  paths of {mate} that changed: none of 4",
        r"show security key-status",
    ]
    lines = iter(told.splitlines())
    assert [shape for shape in shapes if not any(re.fullmatch(shape, line) for line in lines)] == []
    assert all(line.isprintable() for line in told.splitlines()), "control codes in a pipe"
    assert re.search(r"HA Taken Over: +False", told)
    assert document("config", "check", keep / "authority.yaml")["peerings"] == 4
    assert not running(folder), "a process has outlived the demonstration"


def test_a_demonstration_that_is_killed_leaves_no_process_behind(folder: Path) -> None:
    with started(folder) as process:
        until_told(process, "Killing hub/node")
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    _, left = psutil.wait_procs(children, timeout=60)

    assert len(children) >= 2
    assert left == []


def test_a_demonstration_that_is_interrupted_leaves_nothing_behind(folder: Path) -> None:
    with started(folder) as process:
        until_told(process, "Made a CA")
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=60)

    assert process.returncode == 130
    assert b"Traceback" not in complaint
    assert list(folder.iterdir()) == []
    assert not running(folder)


def test_what_has_not_happened_in_time_is_one_line_and_ends_with_1(folder: Path) -> None:
    done = demo("--routers", "2", "--timeout", "1", folder=folder)

    assert done.returncode == 1
    missing = "not every peering is keyed, with its keys at both nodes of the hub"
    assert done.stderr.startswith(f"peerkey: the demonstration failed: {missing}; ")
    assert done.stderr.count("\n") == 1
    assert list(folder.iterdir()) == [], "the throw-away authority is still there"


def test_a_pair_of_which_all_is_true_passes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    show(FalsePair(), tmp_path)

    assert "hub/node1 took over 1.80 s after the death" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("pair", "missing"),
    [
        (
            FalsePair(takeover_after=timedelta(seconds=3.2)),
            "hub/node1 took over 3.20 s after the death of hub/node0; 3 s are allowed",
        ),
        (
            FalsePair(held={WEST: "another"}),
            "keys of hub/node0 that peers seal with and hub/node1 does not hold: branch2/node0 with first-2",
        ),
        (
            FalsePair(events=[event("key.accepted", WEST, peer=ONE)]),
            "peerings have rekeyed after the death of hub/node0: branch2/node0 and hub/node0",
        ),
        (
            FalsePair(events=[event("path.up", EAST, peer=TWO)]),
            "paths of hub/node1 have changed: path.up at branch1/node0",
        ),
        (FalsePair(down=frozenset({TWO})), "paths of hub/node1 have changed: one is out of service"),
        (
            FalsePair(keys_on_return={WEST: "new"}),
            "the peerings of hub/node0 have other keys than before its death: branch2/node0",
        ),
    ],
    ids=["late", "not held", "rekeyed", "path changed", "path out of service", "other key"],
)
def test_a_claim_that_does_not_hold_is_what_the_demonstration_ends_with(
    pair: FalsePair, missing: str, tmp_path: Path
) -> None:
    with pytest.raises(DemoFailed) as failed:
        show(pair, tmp_path)

    assert str(failed.value) == f"the demonstration failed: {missing}"


def test_what_one_end_alone_says_does_not_count() -> None:
    pair = FalsePair()
    ours, theirs = pair.ends(ONE), pair.ends("peers")

    assert (keys_in_use(theirs), accepted_keys(theirs), paths_in_service(theirs)) == ({}, {}, frozenset())
    assert keys_in_use((*ours, *theirs)) == {
        frozenset((ONE, EAST)): "first-1",
        frozenset((ONE, WEST)): "first-2",
    }
    assert len(paths_in_service((*ours, *theirs))) == len(paths_in_service((*ours, *theirs), WEST)) + 1 == 2


def test_a_node_is_in_step_only_when_each_has_all_of_the_other() -> None:
    ha = FalsePair().ha(ONE)
    behind = ({"replicated": 1}, {"copies": 1}, {"lag": 1}, {"link": "resynchronising"}, {"taken_over": True})

    assert in_step(ha, 2)
    assert not in_step(ha, 3)
    assert [in_step(ha.model_copy(update=each), 2) for each in behind] == [False] * 5


def test_a_process_that_ends_by_itself_is_told_with_the_last_line_of_its_log(folder: Path) -> None:
    with NodeProcess("hub/node0", folder / "none.yaml", ["hub/node0"], StateDirectory(folder / "s")) as one:
        one.start()
        with pytest.raises(DemoFailed, match=r"of hub/node0 ended with 1: peerkey: .*none\.yaml: "):
            watch(one)


def test_the_nodes_of_the_pair_share_no_key_port_or_state(tmp_path: Path) -> None:
    authority = lay_out_pair(tmp_path, branches=3, paths=2, algorithm=Algorithm.parse("ml-kem-768"))

    plans = {plan.name: plan for plan in PlansReader(authority.file)()}
    found = document("config", "check", authority.file)

    assert (found["valid"], found["peerings"], found["paths"], found["missing"]) == (True, 6, 12, [])
    one, two = (plans[node].ha for node in PAIR)
    assert one is not None
    assert two is not None
    assert (one.public_key, one.local) == (two.mate_public_key, two.remote)
    assert one.public_key != two.public_key
    assert one.key_file != two.key_file
    assert [Path(each.key_file).stat().st_mode & 0o777 for each in (one, two)] == [0o600, 0o600]
    assert authority.peerings == 6
    assert len({authority.state(name).path for name in ("node0", "node1", "peers")}) == 3


def test_two_demonstrations_at_once_are_refused() -> None:
    done = peerkey("demo", "--ha", "--fail-hard")

    assert done.exit_code == 2
    assert done.stderr == "peerkey: --ha and --fail-hard are two demonstrations; ask for one of them\n"


# --- helpers --------------------------------------------------------------------------------------


def show(pair: FalsePair, folder: Path) -> None:
    """Run the story on a pair that answers as it is told."""
    PairDemonstration(PairAuthority(folder, 2, 1), pair.processes(), Lines(), WITHIN).run()


def watch(process: NodeProcess) -> None:
    """See that a process has not ended, again and again."""
    while True:
        process.check()
        time.sleep(0.05)


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "peerkey_cli.main", "demo", "--ha", *words]


def demo(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the demonstration in a process of its own, with its temporary files in ``folder``."""
    return subprocess.run(
        command(*words),
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
        env={**os.environ, "TMPDIR": str(folder)},
    )


def started(folder: Path) -> subprocess.Popen[bytes]:
    """Start a small demonstration."""
    return subprocess.Popen(
        command("--routers", "2", "--paths", "1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(folder)},
    )


def until_told(process: subprocess.Popen[bytes], words: str) -> None:
    """Read what a demonstration tells until it says so."""
    assert process.stdout is not None
    while line := process.stdout.readline():
        if words.encode() in line:
            return
    pytest.fail(f"ended without {words!r}")


def running(folder: Path) -> list[psutil.Process]:
    """Return the processes that run anything of ``folder``."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder) in word for word in process.info["cmdline"] or ())
    ]
