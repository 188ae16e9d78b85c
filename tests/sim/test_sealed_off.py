"""Nothing leads out of a simulation: no clock, sleep, socket, file, thread or entropy can be reached in one.

Proved twice. *At run time* a trap (:mod:`tests.support.sealed`) sees whatever a run with all its faults
calls. *At rest* the code that a simulation runs neither imports nor calls such a thing, but for the adapters
that stand between production and the world, each named here with what it is for.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

ROOT = Path(__file__).parents[2]

#: Modules that lead out. Of ``random`` it is a matter of which name is used.
WORLDLY: Final = frozenset(
    {
        *(
            "time",
            "sched",
            "signal",
            "secrets",
            "uuid1",
            "random",
            "os",
            "io",
            "pathlib",
            "tempfile",
            "shutil",
        ),
        *("anyio", "socket", "select", "selectors", "ssl", "http", "httpx", "redis"),
        *("threading", "concurrent", "queue"),
        *("multiprocessing", "subprocess", "sqlite3", "fcntl", "psutil", "glob"),
    }
)
#: What of such a module leads nowhere: a generator that somebody seeds, a path that no file has, and a lock,
#: for which nobody waits where there is one thread.
HARMLESS: Final = frozenset({"random.Random", "pathlib.PurePath", "pathlib.PurePosixPath", "threading.Lock"})

#: The adapters, and what each may use.
ADAPTERS: Final[dict[str, frozenset[str]]] = {
    # The network of revocation lists, their files, and a process for each large one of them.
    "actors/audit_files.py": frozenset({"os", "pathlib"}),
    "actors/audit_log.py": frozenset({"os", "pathlib", "threading"}),
    "actors/crl/fetch_faults.py": frozenset({"httpx", "os", "socket", "ssl"}),
    "actors/crl/fetching.py": frozenset({"anyio", "httpx", "io", "open", "os", "run_in_executor", "ssl"}),
    "actors/crl/ingesting.py": frozenset({"pathlib", "run_in_executor", "shutil", "subprocess", "tempfile"}),
    "actors/crl/judging.py": frozenset({"pathlib"}),
    "actors/crl/kept_lists.py": frozenset({"os", "pathlib"}),
    "actors/crl/reading.py": frozenset({"io"}),
    # The link between the nodes of an HA router, and its key.
    "actors/ha/ssh.py": frozenset({"pathlib", "to_thread"}),
    "actors/ha/ssh_keys.py": frozenset({"pathlib"}),
    "actors/journal.py": frozenset({"pathlib"}),
    "actors/keystores/file.py": frozenset({"os", "pathlib", "secrets"}),
    "actors/keystores/identity_file.py": frozenset({"pathlib", "uuid.uuid4"}),
    "actors/keystores/passwords.py": frozenset({"pathlib"}),
    "actors/keystores/pkcs11.py": frozenset({"os", "pathlib", "secrets", "threading"}),
    "actors/keystores/private_files.py": frozenset({"os", "pathlib"}),
    "actors/keystores/stores.py": frozenset({"os", "pathlib"}),
    "actors/keystores/tpm.py": frozenset({"os", "pathlib", "secrets", "threading"}),
    "actors/master_list_file.py": frozenset({"os", "pathlib"}),
    "actors/whole_files.py": frozenset({"os", "pathlib", "secrets"}),
    "peerkey_cli/simulation/progress.py": frozenset({"time"}),
    "peerkey_cli/simulation/requests.py": frozenset({"pathlib"}),
    "runtime/backends/local.py": frozenset({"random.SystemRandom"}),
    # The process of a host, and calls between such processes.
    "runtime/backends/ray/actor_host.py": frozenset({"concurrent", "os", "threading", "time"}),
    "runtime/backends/ray/connecting.py": frozenset({"os", "secrets", "socket"}),
    "runtime/backends/ray/hosts.py": frozenset({"concurrent", "time"}),
    "runtime/backends/ray/machines.py": frozenset({"psutil", "run_in_executor", "time"}),
    "runtime/backends/ray/transport.py": frozenset({"concurrent", "run_in_executor"}),
    # A buffer in memory, which is what a pickle is written to.
    "runtime/cluster/codec.py": frozenset({"io"}),
    "runtime/clock.py": frozenset({"datetime.now", "time"}),
    "runtime/executor.py": frozenset({"os", "queue", "threading"}),
    "runtime/lifecycle.py": frozenset({"add_signal_handler", "signal"}),
    # For ``os.strerror`` alone: see below.
    "runtime/store/disk.py": frozenset({"os"}),
    "runtime/store/whole.py": frozenset({"pathlib", "sqlite3"}),
    # The shared store of a cluster: its server, the password of it, and whom to believe.
    "runtime/store/redis.py": frozenset({"random.SystemRandom"}),
    "runtime/store/redis_link.py": frozenset({"redis", "ssl"}),
    "runtime/store/redis_server.py": frozenset({"os", "pathlib", "redis", "ssl"}),
    "runtime/store/schema.py": frozenset({"os", "pathlib", "sqlite3"}),
    "runtime/store/sqlite.py": frozenset({"pathlib", "queue", "sqlite3", "threading", "to_thread"}),
    "runtime/threads.py": frozenset({"concurrent", "queue", "threading"}),
    "runtime/wire/interfaces.py": frozenset({"add_reader", "psutil", "socket"}),
    "runtime/wire/sockets.py": frozenset({"socket"}),
    "runtime/wire/udp.py": frozenset({"add_reader", "socket"}),
}


@pytest.mark.parametrize(
    ("authority", "seed"), [("pair", 1), ("hard", 2), ("pinned", 3), ("probed", 4), ("ha", 5)]
)
def test_a_run_with_all_its_faults_reaches_nothing_of_the_world(authority: str, seed: int) -> None:
    run = trapped(authority, str(seed))

    assert run["caught"] == {}
    assert run["inside"] == run["outside"]
    assert run["kinds"] > 10
    assert run["finding"] is None


def test_the_trap_catches_every_leak_that_is_planted() -> None:
    planted = trapped("pair", "1", "--leak")["planted"]

    assert len(planted) > 20
    assert [name for name, caught in planted.items() if not caught] == []


def test_only_the_named_adapters_use_what_leads_out() -> None:
    used = {
        (file, what)
        for file in sources()
        for what in leads_out(ast.parse((ROOT / file).read_text("utf-8")))
        if what not in ADAPTERS.get(file, frozenset())
    }

    assert used == set()


def test_every_adapter_uses_what_it_is_named_for() -> None:
    unused = {
        (file, what)
        for file, allowed in ADAPTERS.items()
        for what in allowed - set(leads_out(ast.parse((ROOT / file).read_text("utf-8"))))
    }

    assert unused == set()


def test_a_simulated_disk_asks_the_operating_system_for_the_words_of_an_error_only() -> None:
    tree = ast.parse((ROOT / "runtime/store/disk.py").read_text("utf-8"))

    asked = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os"
    }

    assert asked == {"strerror"}


@pytest.mark.parametrize(
    "code",
    [
        "import time",
        "from time import monotonic as now",
        "def late():\n    import socket",
        "from datetime import datetime\ndatetime.now()",
        "import datetime as dt\nnow = dt.datetime.utcnow",
        "from datetime import date\ndate.today()",
        "import random\nrandom.random()",
        "from random import choice",
        "from random import Random\nRandom()",
        "from random import SystemRandom",
        "open('/etc/passwd')",
        "from uuid import uuid4",
        "import uuid\nuuid.uuid1()",
        "import concurrent.futures",
        "from threading import Lock, Thread",
        "__import__('time')",
        "loop.run_in_executor(None, f)",
    ],
)
def test_the_reader_of_code_notices(code: str) -> None:
    assert list(leads_out(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "from random import Random\nRandom(7).random()",
        "from uuid import UUID\nUUID(int=1)",
        "self.clock.wall()",
        "from threading import Lock",
        "from datetime import datetime, UTC\ndatetime(2026, 1, 1, tzinfo=UTC)",
        "asyncio.sleep(1)",
    ],
)
def test_the_reader_of_code_lets_pass(code: str) -> None:
    assert list(leads_out(ast.parse(code))) == []


# --- helpers --------------------------------------------------------------------------------------


def trapped(*words: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.sealed", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    caught: dict[str, Any] = json.loads(done.stdout)
    return caught


def sources() -> Iterator[str]:
    """Yield every file whose code a simulation runs, or that stands beside such a file."""
    for folder in ("peerkey", "runtime", "actors", "metrics", "peerkey_cli/simulation"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix()


def leads_out(tree: ast.AST) -> Iterator[str]:
    """Yield whatever in a file leads out of a simulation, by its name."""
    # A generator that somebody was given may be called ``random`` too.
    modules_named = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                modules = {alias.name.partition(".")[0] for alias in names}
                yield from modules & (WORLDLY - {"random"})
            case ast.ImportFrom(module=str(module), names=names, level=0):
                package = module.partition(".")[0]
                imported = {f"{package}.{alias.name}" for alias in names} - HARMLESS
                if package in WORLDLY - {"random"} and imported:
                    yield package
                else:
                    yield from (name for name in imported if name.startswith(("random.", "uuid.uuid")))
            case ast.Attribute(value, attribute):
                owner = ast.unparse(value)
                if owner not in {"random", "uuid"} or owner in modules_named:
                    yield from _attribute(owner, attribute)
            case ast.Call(ast.Name("open" | "__import__" | "input" as name)):
                yield name
            case ast.Call(ast.Name("Random") | ast.Attribute(ast.Name("random"), "Random"), [], []):
                yield "random.Random()"


def _attribute(owner: str, name: str) -> Iterator[str]:
    last = owner.rpartition(".")[2]
    if last in {"datetime", "date"} and name in {"now", "utcnow", "today"}:
        yield f"{last}.{name}"
    elif (owner == "random" and f"random.{name}" not in HARMLESS) or (
        owner == "uuid" and name.startswith("uuid")
    ):
        yield f"{owner}.{name}"
    elif name in {
        "run_in_executor",
        "to_thread",
        "create_datagram_endpoint",
        "add_reader",
        "add_signal_handler",
    }:
        yield name
