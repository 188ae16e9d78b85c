"""bash and zsh, real ones on a terminal, complete the words of ``peerkey``; and what they are told."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.main import get_command

from peerkey_cli.main import app
from peerkey_cli.shell import completing
from peerkey_cli.shell.candidates import Candidate, NoNames
from peerkey_cli.shell.completing import BREAKS, LINE, Shell, answer, install
from peerkey_cli.shell.grammar import Kind, Place
from peerkey_cli.shell.reading import read_command
from tests.cli.background import in_background
from tests.cli.commands import peerkey
from tests.cli.two_routers import two_routers
from tests.shell.terminal import Terminal

ROOT = read_command(get_command(app), "peerkey")
WORD_BREAKS = " \t\n\"'@><=;|&(:"


class OddNames:
    """Knows names that a shell would obey, were they not quoted."""

    def known(self, kind: Kind, place: Place, begun: str) -> Iterable[Candidate]:
        del place
        odd = ["path-down:west:1", "$(reboot)", "two words"]
        return [Candidate(each) for each in odd if each.startswith(begun)] if kind is Kind.ALARM else []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("peerkey show pe", ["peers"]),
        ("/usr/bin/peerkey show pe", ["peers"]),
        ("peerkey create private-key --algorithm rsa-2", ["rsa-2048", "rsa-2304", "rsa-2560", "rsa-2816"]),
        # bash begins a word anew behind these characters.
        ("peerkey create private-key --algorithm=rsa-4", ["rsa-4096"]),
        ("peerkey show alarms id path-down:w", ["west:1"]),
        ("peerkey show alarms id path-down:west:", ["1"]),
        ("peerkey show alarms id $", [r"\$\(reboot\)"]),
        ("peerkey show alarms id ", ["path-down:west:1", r"\$\(reboot\)", r"two\ words"]),
        ("peerkey show alarms id 'tw", []),
        ("peerkey", []),
        ("", []),
        ("peerkey nonsense ", []),
        ("peerkey " + "x" * 5_000, []),
    ],
)
def test_bash_is_told_what_may_stand_at_the_cursor_and_nothing_that_it_would_obey(
    line: str, words: list[str]
) -> None:
    said = answer(ROOT, Shell.BASH, {LINE: line, BREAKS: WORD_BREAKS}, OddNames())

    assert [each.split("\t")[1] for each in said.splitlines()] == words


def test_zsh_is_told_the_words_as_they_are_with_their_help() -> None:
    said = answer(ROOT, Shell.ZSH, {LINE: "peerkey show peers s"}, NoNames())

    assert said == "word\tsecurity\tShow certificates and keys too.\n"


@pytest.mark.parametrize(
    ("line", "said"), [("run ", "files\n"), ("pki issue --ca x", "directories\n"), ("rekey --peer ", "")]
)
def test_files_are_left_to_the_shell(line: str, said: str) -> None:
    assert answer(ROOT, Shell.BASH, {LINE: f"peerkey {line}"}, NoNames()) == said


@pytest.mark.parametrize("shell", list(Shell))
def test_it_is_installed_once_however_often(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / ".bashrc").write_text("alias x=y")
    install(shell, tmp_path)
    script, start = install(shell, tmp_path)

    lines = start.read_text().splitlines()
    assert script.read_text() == completing.SCRIPTS[shell]
    assert len(lines) == (2 if shell is Shell.BASH else 1)
    assert lines[0] == "alias x=y" or shell is Shell.ZSH


def test_the_command_prints_the_script_or_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    assert peerkey("completion", "zsh").stdout == completing.SCRIPTS[Shell.ZSH]
    assert "wrote" in peerkey("completion", "bash", "--install").stdout
    assert (tmp_path / ".bash_completions" / "peerkey.sh").exists()

    (tmp_path / ".zfunc").write_text("in the way")
    refused = peerkey("completion", "zsh", "--install")
    assert refused.exit_code == 1
    assert refused.stderr.count("\n") == 1


def test_the_older_options_do_the_same_for_the_shell_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completing, "shell_in_use", lambda: Shell.BASH)
    assert peerkey("--show-completion").stdout == completing.SCRIPTS[Shell.BASH]

    monkeypatch.setattr(completing, "shell_in_use", lambda: None)
    assert peerkey("--install-completion").exit_code == 2


def test_bash_completes_commands_values_names_of_the_system_and_files(fleet: Path, tmp_path: Path) -> None:
    with shell("bash", tmp_path) as terminal:
        terminal.type("PS1='> '; source <(peerkey completion bash); clear\r")
        walk_through(terminal, fleet, tmp_path)
        # Where no file may stand none is offered.
        terminal.type("peerkey show peers authori\t")
        terminal.ready("> peerkey show peers authori")


def test_zsh_completes_commands_values_names_of_the_system_and_files(fleet: Path, tmp_path: Path) -> None:
    with shell("zsh", tmp_path) as terminal:
        terminal.type(
            "PS1='> '; autoload -Uz compinit; compinit -D -u; source <(peerkey completion zsh); clear\r"
        )
        walk_through(terminal, fleet, tmp_path)
        terminal.type("peerkey show peers \t")
        terminal.shows("security", "-- Show certificates and keys too.")


# --- helpers --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Run two routers; yield the state directory."""
    folder = tmp_path_factory.mktemp("fleet")
    with in_background(two_routers(folder).file, folder / "state"):
        yield folder / "state"


def walk_through(terminal: Terminal, fleet: Path, folder: Path) -> None:
    """Complete one thing of each kind, in whichever shell."""
    terminal.until(lambda screen: screen.rstrip("\n") == "> ", "a prompt on a screen that was cleared")
    for keys, line in (
        ("peerkey sho\t", "peerkey show "),
        (
            "\x15peerkey create private-key --algorithm rsa-4\t",
            "peerkey create private-key --algorithm rsa-4096 ",
        ),
        (
            f"\x15peerkey rekey --state-dir {fleet} --peer west/\t",
            f"peerkey rekey --state-dir {fleet} --peer west/node0 ",
        ),
        ("\x15peerkey run authori\t", "peerkey run authority.yaml "),
        ("\x15peerkey pki issue --ca fold\t", "peerkey pki issue --ca folder/"),
    ):
        terminal.type(keys)
        terminal.until(lambda screen, line=line: screen.replace("\n", "").endswith(f"> {line}"), f"{line!r}")  # type: ignore[misc]
    terminal.type("\x15")
    terminal.ready("> ")


@contextmanager
def shell(name: str, folder: Path) -> Iterator[Terminal]:
    """Start a shell in a folder with a file, a directory, and a ``peerkey`` on its path."""
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed; `apt-get install {name}`")
    (folder / "folder").mkdir()
    (folder / "authority.yaml").touch()
    (folder / "bin").mkdir()
    command = folder / "bin" / "peerkey"
    command.write_text(f"#!{sys.executable}\nfrom peerkey_cli.main import app\napp(prog_name='peerkey')\n")
    command.chmod(0o755)
    quiet = {"bash": ["--norc", "--noprofile", "-i"], "zsh": ["-f", "-i"]}[name]
    environment = {
        "PATH": f"{folder / 'bin'}:/usr/bin:/bin",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "HOME": str(folder),
    }
    terminal = Terminal(program, quiet, cwd=folder, columns=180, environment=environment)
    try:
        yield terminal
    finally:
        terminal.close()
