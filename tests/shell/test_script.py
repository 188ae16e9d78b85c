"""Lines of a file are carried out one after the other."""

from __future__ import annotations

import io
import logging
import os
import signal
from pathlib import Path
from typing import Annotated

import pytest
import structlog
import typer

from peerkey_cli.errors import Commands, Status
from peerkey_cli.shell.candidates import NoNames
from peerkey_cli.shell.executing import Executor, words_of_the_shell
from peerkey_cli.shell.lines import LONGEST_LINE
from peerkey_cli.shell.names import Addressed
from peerkey_cli.shell.reading import read_command
from peerkey_cli.shell.script import lines_of
from tests.cli.commands import peerkey


def script(*lines: str, words: tuple[object, ...] = ()) -> tuple[int, str, str]:
    done = peerkey("shell", *words, stdin="\n".join(lines).encode())
    return done.exit_code, done.stdout, done.stderr


def test_lines_are_carried_out_and_remarks_are_not() -> None:
    assert script("# a remark", "", "show stats secur ? ", "config sch | include draft | count") == (
        Status.DONE,
        script("show stats security ?")[1] + "Count: 1 lines\n",
        "",
    )


def test_the_exit_status_is_that_of_the_first_line_that_failed(tmp_path: Path) -> None:
    status, out, said = script(
        "--version", "show peers", "shwo", "re", "--version", words=("--state-dir", tmp_path)
    )

    assert status == Status.UNREACHABLE
    assert out.count("peerkey 0") == 2
    unreachable, unknown, ambiguous = said.splitlines()
    assert unreachable.startswith(f"peerkey: {tmp_path}/api.sock: no system runs there")
    assert unknown.startswith("peerkey: no such command 'shwo'")
    assert ambiguous.startswith("peerkey: line 4: 're' is ambiguous: it may be rekey, release-pin")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("shell", "this is the shell already"),
        ("shell --api unix:/x", "this is the shell already"),
        ("| count", "before | stands a command"),
        ("show peers |", "after | stands one of"),
        ("show peers | grep x", "after | stands one of"),
        ("show 'peers", "a quote has no end"),
        ("exit now", "`exit` stands alone"),
        ("x" * (LONGEST_LINE + 1), f"a line has at most {LONGEST_LINE} characters"),
        ("x" * (3 * LONGEST_LINE), f"a line has at most {LONGEST_LINE} characters"),
    ],
)
def test_a_line_that_cannot_be_carried_out_is_told_with_its_number(line: str, said: str) -> None:
    status, out, error = script("", line, "--version")

    assert status == Status.USAGE
    assert error.startswith(f"peerkey: line 2: {said}")
    assert error.count("\n") == 1
    assert out.startswith("peerkey 0")


def test_what_follows_exit_is_not_carried_out() -> None:
    assert script("exit", "--version") == (Status.DONE, "", "")
    assert script("ex", "--version") == (Status.DONE, "", "")


def test_a_command_that_reads_standard_input_does_not_eat_the_script() -> None:
    status, out, _ = script("wire decode -", "--version")

    assert status == Status.NO
    assert out.startswith("peerkey 0")


def test_bytes_that_are_no_text_are_refused_as_words() -> None:
    done = peerkey("shell", stdin=b"\xff\xfe show\n--version\n")

    assert done.exit_code == Status.USAGE
    assert done.stdout.startswith("peerkey 0")


def test_a_long_line_is_skipped_to_its_end() -> None:
    long = "x" * (2 * LONGEST_LINE)

    assert [len(each) > LONGEST_LINE for each in lines_of(io.StringIO(f"a\n{long}\nb"))] == [
        False,
        True,
        False,
    ]


def test_what_a_command_changes_of_the_process_is_put_back(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM), dict(os.environ), logging.getLogger().level

    status = executor().run("spoil")

    assert status == Status.DONE
    assert (signal.getsignal(signal.SIGTERM), dict(os.environ), logging.getLogger().level) == before
    assert not structlog.is_configured()


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [("crash", 1, "ZeroDivisionError"), ("stop", 130, ""), ("leave", 7, ""), ("words", 0, "")],
)
def test_whatever_a_command_does_the_shell_goes_on(
    line: str, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert executor().run(line) == status
    assert said in capsys.readouterr().err


def test_the_system_of_the_shell_is_asked_by_every_command_that_asks_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = executor(Addressed(api="unix:/s")).run
    for line in ("ask", "ask --api unix:/other", "ask --state-dir /d", "ask -- --x", "words", "run"):
        run(line)
    executor(Addressed(api="https://hub:1")).run("run")

    assert capsys.readouterr().out.splitlines() == [
        "ask unix:/s None []",
        "ask unix:/other None []",
        "ask None /d []",
        "ask unix:/s None ['--x']",
        "words",
        "run unix:/s",
        # It cannot listen where another machine does.
        "run None",
    ]


# --- helpers --------------------------------------------------------------------------------------


def executor(system: Addressed | None = None) -> Executor:
    """Return an executor of an application with commands that behave badly."""
    application = typer.Typer(cls=Commands, pretty_exceptions_enable=False)

    @application.command()
    def crash() -> None:
        raise ZeroDivisionError

    @application.command()
    def stop() -> None:
        raise KeyboardInterrupt

    @application.command()
    def leave() -> None:
        raise SystemExit(7)

    @application.command()
    def words() -> None:
        typer.echo("words")

    @application.command()
    def spoil() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        logging.getLogger().setLevel(1)
        os.environ["SPOILT"] = "yes"
        structlog.configure()

    @application.command()
    def ask(
        more: Annotated[list[str] | None, typer.Argument()] = None,
        api: Annotated[str | None, typer.Option()] = None,
        state_dir: Annotated[str | None, typer.Option()] = None,
    ) -> None:
        typer.echo(f"ask {api} {state_dir} {more or []}")

    @application.command()
    def run(api: Annotated[str | None, typer.Option()] = None) -> None:
        typer.echo(f"run {api}")

    command = typer.main.get_command(application)
    root = words_of_the_shell(read_command(command, "peerkey"))
    return Executor(command, root, system or Addressed(), NoNames(), paged=False)
