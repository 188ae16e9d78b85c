"""Every command with everything that a stranger may hand it: one line that says what is wrong, no traceback.

Each file and directory that a command takes is given as one that is missing, a directory, a loop of links,
empty, binary, text that is no UTF-8, JSON, YAML that is none, and PEM of nothing. Streams are closed, full or
left before their end. Whoever is root may read and write everything, so permissions are tried elsewhere.
"""

from __future__ import annotations

import asyncio
import re
import resource
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from actors.restored import OF_NODE
from peerkey_cli.main import app
from peerkey_cli.state import StateDirectory
from runtime.store.sqlite import SqliteStore
from tests.cli.commands import peerkey
from tests.cli.two_routers import UUIDS, two_routers

ROOT = Path(__file__).parents[2]
#: What stands for words that many lines have in common.
SHORT = {
    "RUN": "run GOOD/both.yaml HERE",
    "DOOR": "--api https://127.0.0.1:1",
    "HERE": "--state-dir NEW/s",
    "TRUST": "--trust GOOD/ca.pem",
    "OUT": "--out NEW/o",
    "KEY": "--key GOOD/east.key",
    "PASSPHRASE": "--passphrase-file GOOD/password",
    "USER": "--user u --password-file GOOD/password",
    "ENROLL": "enroll --url https://127.0.0.1:1 --uuid UUID",
}
#: Command lines in which ``BAD`` is what is wrong. ``GOOD`` names a folder of things that are right, ``NEW``
#: one that is empty. None of them reaches a running system. Behind a star everything is tried, else a few.
LINES = tuple(
    """
run BAD HERE
run GOOD/both.yaml --state-dir BAD/s
RUN --api unix:BAD/s
RUN DOOR --api-certificate BAD --api-key GOOD/east.key --api-tokens GOOD/tokens
RUN DOOR --api-certificate GOOD/east.pem --api-key BAD --api-tokens GOOD/tokens
RUN DOOR --api-certificate GOOD/east.pem --api-key GOOD/east.key --api-tokens BAD
RUN --runtime ray --redis 127.0.0.1:1 --redis-password-file BAD
RUN --runtime ray --redis rediss://127.0.0.1:1 --redis-ca BAD
rekey --state-dir BAD
release-pin --peer nobody --state-dir BAD
reload --state-dir BAD
demo --keep BAD --routers 1
* simulate BAD --days 0.001
enroll --config BAD
ENROLL --key BAD OUT TRUST USER HERE
ENROLL KEY OUT --trust BAD USER HERE
ENROLL KEY OUT TRUST --user u --password-file BAD HERE
ENROLL KEY OUT TRUST --ca BAD USER HERE
ENROLL KEY OUT TRUST --client-certificate BAD --client-key GOOD/east.key HERE
ENROLL KEY OUT TRUST --client-certificate GOOD/east.pem --client-key BAD HERE
ENROLL KEY OUT TRUST --request BAD USER HERE
ENROLL KEY OUT TRUST --crl BAD USER HERE
enroll --url https://127.0.0.1:1 TRUST --uuid UUID KEY --out BAD/o USER HERE
enroll --url https://127.0.0.1:1 TRUST --cacerts BAD/o
show peers --state-dir BAD
show peers --api unix:BAD
show peers DOOR --api-token-file BAD
show peers DOOR --api-token-file GOOD/password --api-ca BAD
show certificate crl --state-dir BAD
show alarms --state-dir BAD
show events --state-dir BAD
show actors --state-dir BAD
show hosts --state-dir BAD
show targets --state-dir BAD
page --state-dir BAD
report BAD --out NEW/report.html
report GOOD/state --out BAD/o
simulate GOOD/both.yaml --days 0.001 --report BAD/o
show stats security --state-dir BAD
show security key-status --state-dir BAD
* config check BAD
create private-key BAD/key HERE
create private-key --config BAD --node east/node0 HERE
create private-key base --state-dir BAD/s
* create ha-key BAD --node east/node0 HERE
create ha-key GOOD/both.yaml --node east/node0 --state-dir BAD/s
* create api-token --role read --tokens BAD alice
create certificate-request --batch --config BAD HERE
* create certificate-request --batch --uuid UUID --key BAD HERE
create certificate-request --batch --uuid UUID KEY --out BAD/o HERE
create certificate-request --batch --uuid UUID KEY --state-dir BAD/s
* delete private-key BAD --yes HERE
delete private-key --config BAD --node east/node0 --yes HERE
delete private-key base --yes --state-dir BAD
* import certificate BAD --config GOOD/both.yaml --node east/node0 HERE
import certificate GOOD/east.pem --config BAD --node east/node0 HERE
import certificate GOOD/east.pem --uuid UUID --key BAD OUT TRUST HERE
import certificate GOOD/east.pem --uuid UUID KEY OUT --trust BAD HERE
import certificate GOOD/east.pem --uuid UUID KEY --out BAD/o TRUST HERE
import certificate GOOD/east.pem --uuid UUID KEY OUT TRUST --crl BAD HERE
import certificate GOOD/east.pem --uuid UUID KEY OUT TRUST --state-dir BAD/s
pki init-ca BAD/ca
pki issue --ca BAD --uuid UUID
pki issue --ca GOOD/lab --config BAD
pki issue --ca GOOD/lab --uuid UUID --out BAD/o
* pki verify BAD
pki verify GOOD/east.pem BAD
* pki verify GOOD/east.pem --trust BAD
pki verify GOOD/east.pem TRUST --crl BAD
* pki crl BAD
pki crl GOOD/ca.pem --issuer BAD
* wire decode BAD
* events verify BAD
events verify --state-dir BAD
clear stats --state-dir BAD
drain --state-dir BAD
shelve alarm --type clock --for 1h --reason x --state-dir BAD
unshelve alarm --type clock --state-dir BAD
* config diff GOOD/both.yaml BAD
config diff BAD GOOD/both.yaml
config diff GOOD/both.yaml --state-dir BAD
backup --out BAD/o PASSPHRASE --state-dir GOOD/state
backup OUT --config BAD PASSPHRASE --state-dir GOOD/state
backup OUT --include BAD PASSPHRASE --state-dir GOOD/state
backup OUT --passphrase-file BAD --state-dir GOOD/state
backup OUT PASSPHRASE --state-dir BAD
* backup --check BAD PASSPHRASE
restore BAD PASSPHRASE HERE
restore GOOD/both.yaml --passphrase-file BAD HERE
pki revoke --ca BAD --serial 0A
* pki revoke --ca GOOD/lab BAD
pki publish-crl --ca BAD
pki publish-crl --ca GOOD/lab --out BAD/o
bench --checkout BAD
""".strip().splitlines()
)
#: Command lines that take no file. What the shell reads are lines.
PLAIN = {"completion", "config schema", "shell"}

KINDS = {
    "missing": None,
    "a directory": None,
    "a loop of links": None,
    "empty": b"",
    "blank": b"\n\n  \n",
    "binary": bytes(range(256)) * 40,
    "no UTF-8": "authority: { name: 'caf\xe9' }\n".encode("latin-1"),
    "JSON": b'{"authority": [1, 2, {"router": null}]}',
    "a JSON number": b"7",
    "broken JSON": b'{"authority": ',
    "YAML with a tab": b"authority:\n\tname: x\n",
    "deep": b"[" * 100_000,
    "PEM of nothing": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "half a key": b"-----BEGIN PRIVATE KEY-----\nMIG\n",
}
#: What is tried where another line has tried everything that the same code reads.
FEW = ("missing", "a directory", "binary")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of things that are right."""
    folder = tmp_path_factory.mktemp("good")
    assert two_routers(folder).file.name == "both.yaml"
    assert peerkey("pki", "init-ca", folder / "lab").exit_code == 0
    (folder / "tokens").touch(mode=0o600)
    (folder / "password").touch(mode=0o600)
    (folder / "password").write_text("a passphrase of many words\n")
    # A backup needs no more than a store to fail at what comes next.
    state = StateDirectory(folder / "state")
    state.prepare()
    asyncio.run(made(state))
    return folder


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of one file of each kind that is wrong."""
    folder = tmp_path_factory.mktemp("bad")
    for name, content in KINDS.items():
        if content is not None:
            (folder / name).touch(mode=0o600)
            (folder / name).write_bytes(content)
    (folder / "a directory").mkdir()
    (folder / "a loop of links").symlink_to("a loop of links")
    return folder


@pytest.mark.parametrize("line", LINES)
def test_what_is_wrong_is_told_in_one_line(
    line: str, good: Path, bad: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    odd = []
    for kind in KINDS if line.startswith("* ") else FEW:
        if kind in harmless(line):
            continue
        new = tmp_path / kind
        new.mkdir()
        words = spelled(line, good, bad / kind, new)
        done = peerkey(*words, stdin=b"")
        trouble = complaint(done.exit_code, done.stdout, done.stderr)
        if trouble:
            odd.append(f"{kind}: {trouble}: {done.stderr.strip() or done.stdout[:300]}")

    assert odd == []


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("config schema > /dev/full", 1, "what was asked for cannot be written: No space left on device"),
        ("--help > /dev/full", 1, "what was asked for cannot be written: No space left on device"),
        ("config schema | head -1", 0, ""),
        ("config check GOOD/both.yaml >&-", 0, ""),
        ("show peers --state-dir NEW 2>&-", 3, ""),
        ("wire decode - <&-", 1, ""),
        (f"rekey --peer {'x' * 600} --state-dir NEW", 2, "no peer has such a name"),
        (r"rekey --peer $'\xff' --state-dir NEW", 2, "no peer has such a name"),
        (r"config check $'\xff.yaml'", 1, "cannot be read: No such file or directory"),
        # No file may grow, as on a disk that is full: a limit of the kernel's, whose signal is ignored.
        ("run GOOD/both.yaml --state-dir NEW/s", 1, "cannot be used as state directory: File too large"),
    ],
)
def test_streams_that_are_closed_full_or_left_and_words_that_are_none(
    line: str, status: int, said: str, good: Path, tmp_path: Path
) -> None:
    words = line.replace("GOOD", str(good)).replace("NEW", str(tmp_path))
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m peerkey_cli.main {words}; exit ${{PIPESTATUS[0]}}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        preexec_fn=nothing_grows if line.startswith("run ") else None,
    )

    assert (done.returncode, "Traceback" in done.stderr) == (status, False), done.stderr
    assert said in done.stderr
    assert done.stderr.count("peerkey: ") <= 1


def test_every_command_and_every_file_that_one_takes_is_tried() -> None:
    tried = {
        name: " ".join(expanded(line) for line in LINES if expanded(line).startswith(name))
        for name in names()
    }

    assert [name for name, lines in tried.items() if not lines and name not in PLAIN] == []
    untried = [
        f"{name} {option}"
        for name, command in names().items()
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--")
        and parameter.metavar in {"FILE", "DIR"}
        and option not in {"--state-dir", "--api-token-file", "--api-ca"}
        and f"{option} BAD" not in tried[name]
    ]
    assert untried == []


# --- helpers --------------------------------------------------------------------------------------


async def made(state: StateDirectory) -> None:
    """Make the store of a node that has run, and let it go."""
    store = await SqliteStore.open(state.store)
    await store.activate(f"{OF_NODE}{UUIDS['east']}")
    await store.close()


def spelled(line: str, good: Path, wrong: Path, new: Path) -> list[str]:
    """Return the words of a line with everything put in."""
    places = {"GOOD": str(good), "BAD": str(wrong), "NEW": str(new), "UUID": str(UUIDS["east"])}
    words = shlex.split(expanded(line))
    return [re.sub("|".join(places), lambda found: places[found.group()], word) for word in words]


def expanded(line: str) -> str:
    """Return a line with its short words written out."""
    for short, full in SHORT.items():
        line = re.sub(rf"(?<![\w-]){short}\b", full, line)
    return line.removeprefix("* ")


def nothing_grows() -> None:
    """Let no file of this process get a byte longer; pipes do not count."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def complaint(status: int, out: str, err: str) -> str:
    """Return what is wrong with an answer; nothing if it is as it should be."""
    if "Traceback" in err or "Error(" in err:
        return "a traceback"
    if status == 0:
        return "taken for good"
    if status not in {1, 2, 3}:
        return f"status {status}"
    lines = err.splitlines()
    if not lines and not out:
        return "nothing is said"
    # What `run` warns of before it fails is a line of its log.
    if not all(each.startswith(("peerkey: ", '{"finding": ')) for each in lines):
        return "another's line"
    return ""


def harmless(line: str) -> set[str]:
    """Return what is no fault there: a folder that is missing is made, and what is empty holds nothing."""
    if re.search(r"BAD/\w|--keep BAD", line):
        return {"missing", "a directory"}
    if "--tokens BAD" in line:
        return {"missing", "empty", "blank"}
    if line == "* events verify BAD":
        return {"empty"}
    return set()


def names() -> dict[str, Any]:
    """Return every command by its words."""

    def below(command: Any, name: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - of typer's own kinds
        inner = getattr(command, "commands", None)
        if inner is None:
            yield name, command
            return
        for each, child in inner.items():
            yield from below(child, f"{name} {each}".strip())

    return dict(below(get_command(app), ""))
