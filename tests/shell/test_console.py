"""The shell on a real terminal, with a system that runs: what a person types, and what the screen shows."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.commands import peerkey as command_line
from tests.cli.remote_system import RemoteSystem, remote_system
from tests.cli.two_routers import two_routers
from tests.shell.terminal import Terminal, peerkey


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteSystem]:
    """Run two routers, with their API at an address of TCP too."""
    with remote_system(tmp_path_factory.mktemp("fleet")) as running:
        yield running


@pytest.fixture(scope="module")
def state(system: RemoteSystem) -> Path:
    """Return the state directory of two routers that run."""
    return system.routers.folder / "state"


def test_a_person_finds_the_way_by_tab_question_mark_and_pages(state: Path, tmp_path: Path) -> None:
    with shell(state, tmp_path, rows=30) as console:
        # The prompt tells of the system.
        console.ready("@2 nodes# ")
        console.type("sho\t")
        console.shows("# show ")
        console.type("pe\t")
        console.shows("# show peers ")
        console.type("?")
        # What may come next is shown, and the line is still there.
        console.shows("security ", "--json", "<Enter>", "Carry it out.")
        console.ready("# show peers ")
        console.type("sec\t\r")
        console.shows("Retrieving peer paths", "--More--")
        console.type(" ")
        console.shows("Completed in")
        console.ready()
        console.type("sh peers | inc west | exclude east | count\r")
        console.shows("Count: 0 lines")
        console.ready()
        # Names are those of the system that runs.
        console.type("rekey --peer w\t")
        console.shows("# rekey --peer west")
        console.type("\r")
        console.shows("Agreeing new keys for 1 peering.")
        leave(console)


def test_a_mistake_is_one_line_and_the_next_shell_remembers_what_was_typed(
    state: Path, tmp_path: Path
) -> None:
    with shell(state, tmp_path) as console:
        console.ready()
        console.type("re\r")
        console.shows("peerkey: 're' is ambiguous: it may be rekey, release-pin, reload, report or restore")
        console.ready()
        console.type("rekey --peer nobody\r")
        console.shows("peerkey: there is no peer")
        console.ready()
        console.type("show 'half a li")
        console.shows("half a li")
        console.type("\x03")
        console.ready()
        console.type("show hosts | count\r")
        console.shows("Count: ")
        console.ready()
        console.type("\x04")
        assert console.ended() == 0
    file = tmp_path / "peerkey" / "shell_history"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    # A line that was given up is not among them.
    assert file.read_text().splitlines() == ["re", "rekey --peer nobody", "show hosts | count"]

    with shell(state, tmp_path) as console:
        console.ready()
        console.type("\x1b[A\x1b[A")
        console.shows("# rekey --peer nobody")
        console.type("\x03")
        leave(console)


def test_who_has_seen_enough_of_a_long_output_is_asked_for_the_next_line(state: Path, tmp_path: Path) -> None:
    with shell(state, tmp_path, rows=10) as console:
        console.ready()
        console.type("config schema\r")
        console.shows("--More--")
        console.type("\r\r \x03")
        console.ready()
        assert "--More--" not in console.text
        console.type("config schema | no-more\r")
        console.shows("\n}\n")
        leave(console)


def test_a_command_that_goes_on_stops_at_ctrl_c_and_the_shell_does_not(tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    file = two_routers(folder).file
    with shell(folder / "state", tmp_path) as console:
        console.ready("(no system answers)# ")
        console.type(f"run {file}\r")
        console.shows("ready")
        console.type("\x03")
        console.ready()
        console.type("--version\r")
        console.shows("peerkey 0.")
        console.ready()
        # Of lines that were pasted those behind one that fails are left.
        console.type("\x1b[200~--version | count\nnothing-such\n--version\x1b[201~\r")
        console.shows(
            "Count: 1 line", "no such command 'nothing-such'", "1 line behind this one: not carried out"
        )
        console.ready()
        # A command that asks is answered as ever.
        console.type("create private-key\r")
        console.shows("created ")
        console.ready()
        console.type("delete private-key\r")
        console.shows("[y/N]: ")
        console.type("y\r")
        console.shows("deleted ")
        leave(console)
    # What was answered is no line.
    assert "y" not in (tmp_path / "peerkey" / "shell_history").read_text().splitlines()


def test_a_system_on_another_machine_is_named_once_for_every_line(system: RemoteSystem) -> None:
    lines = b"show hosts | include running | count\nrekey --peer ?\nrekey --peer west\n"

    done = command_line("shell", *system.options(), stdin=lines)
    reading = command_line("shell", *system.options("read"), stdin=b"sh hosts | count\nrekey\n")

    assert done.exit_code == 0
    assert "Count: 1 lines" in done.stdout
    assert "  west/node0" in done.stdout
    assert "Agreeing new keys for 1 peering." in done.stdout
    assert reading.exit_code == 1
    assert "read" in reading.stderr


# --- helpers --------------------------------------------------------------------------------------


@contextmanager
def shell(state: Path, home: Path, rows: int = 24) -> Iterator[Terminal]:
    console = peerkey("shell", "--state-dir", state, rows=rows, environment={"XDG_STATE_HOME": str(home)})
    try:
        yield console
    finally:
        console.close()


def leave(console: Terminal) -> None:
    console.ready()
    console.type("exit\r")
    assert console.ended() == 0
