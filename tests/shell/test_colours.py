"""Colours go to terminals, and nowhere if ``NO_COLOR`` is set: every kind of output, on a real terminal."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.background import in_background
from tests.cli.commands import peerkey
from tests.cli.two_routers import two_routers
from tests.shell.terminal import Terminal
from tests.shell.terminal import peerkey as on_terminal

#: Selects a colour of text or ground; bold and "as before" are no colours.
COLOUR = re.compile(rb"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;[0-9;]*)?m")

#: Runs every line of its first argument as a command, then what the demonstration and the log write.
PROGRAM = """
import logging, shlex, sys
from peerkey_cli.main import app
for line in sys.argv[1].splitlines():
    print("$", line, flush=True)
    try:
        app(shlex.split(line), prog_name="peerkey")
    except SystemExit:
        pass
from peerkey_cli import logs
from peerkey_cli.demo.display import display
print("$ log", flush=True)
logs.configure()
import structlog
structlog.get_logger().warning("a warning", node="east/node0")
logging.getLogger("library").error("an error")
print("$ bars", flush=True)
with display() as shown:
    shown.tell("A sentence with a number, 42.")
    shown.count("peerings", 1, 2)
print("$ end", flush=True)
"""


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Run two routers; yield a command line of every kind."""
    folder = tmp_path_factory.mktemp("fleet")
    file, state, ca = two_routers(folder).file, folder / "state", folder / "ca"
    peerkey("pki", "init-ca", ca)
    peerkey("pki", "publish-crl", "--ca", ca)
    system = f"--state-dir {state}"
    with in_background(file, state):
        yield [
            f"show peers {system}",
            f"show peers security {system}",
            f"show peers certificate {system}",
            f"show certificate {system}",
            f"show certificate crl {system}",
            f"show security key-status {system}",
            f"show alarms {system}",
            f"show events {system}",
            f"show stats security {system}",
            f"show actors {system}",
            f"show alarms --json {system}",
            f"show hosts {system}",
            f"rekey {system}",
            f"events verify {system}",
            f"config check {file}",
            f"pki verify {folder / 'east.pem'} --trust {folder / 'ca.pem'}",
            f"pki crl {ca / 'ca.crl'}",
            f"simulate {file} --days 0.002 --seed 1 --faults none",
            "config schema",
            "wire decode /dev/null",
            "nonsense",
            "--help",
        ]


def test_a_terminal_is_shown_colours(lines: list[str]) -> None:
    shown = outputs([lines[0], "config schema"])

    assert {line for line, output in shown.items() if COLOUR.search(output)} == {"show peers", "log", "bars"}


def test_nothing_has_colours_where_nobody_wants_them(lines: list[str]) -> None:
    shown = outputs(lines, NO_COLOR="1")

    assert {line for line, output in shown.items() if COLOUR.search(output)} == set()
    assert len(shown) == len(lines) + 2


@pytest.mark.parametrize("unwanted", [True, False])
def test_the_prompt_has_no_colours_either_where_nobody_wants_them(unwanted: bool, tmp_path: Path) -> None:  # noqa: FBT001
    environment = {"XDG_STATE_HOME": str(tmp_path), **({"NO_COLOR": "1"} if unwanted else {})}
    console = on_terminal("shell", "--state-dir", tmp_path, environment=environment)
    try:
        console.ready("(no system answers)# ")
    finally:
        console.close()

    assert (COLOUR.search(console.written) is None) is unwanted


# --- helpers --------------------------------------------------------------------------------------


def outputs(lines: list[str], **environment: str) -> dict[str, bytes]:
    """Return what a terminal was sent by each command, under its words without options."""
    terminal = Terminal(
        sys.executable,
        ["-c", PROGRAM, "\n".join(lines)],
        cwd=Path(__file__).parents[2],
        environment=environment,
    )
    try:
        assert terminal.ended() == 0
    finally:
        terminal.close()
    _, *parts = re.split(rb"^\$ (.+?)\r$", terminal.written, flags=re.MULTILINE)
    found: dict[str, bytes] = {}
    for line, output in zip(parts[::2], parts[1::2], strict=True):
        words = line.decode().partition(" --state-dir")[0]
        found[words] = found.get(words, b"") + output
    return found
