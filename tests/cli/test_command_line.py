"""Exit statuses and the one line that goes with them; how quickly the command answers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from peerkey_cli.errors import Commands, Refused, Status, Unreachable, WrongUsage, status_of
from peerkey_cli.main import app

#: What must not be loaded before a command is known to need it.
HEAVY = (
    "asyncio",
    "cryptography",
    "fastapi",
    "httpx",
    "peerkey.config",
    "pydantic",
    "rich",
    "structlog",
    "uvicorn",
)


def test_ctrl_c_ends_a_command_with_one_line() -> None:
    group = typer.Typer(cls=Commands)

    @group.command()
    def stop() -> None:
        raise KeyboardInterrupt

    @group.command()
    def another() -> None:
        """Make a group of it."""

    done = CliRunner().invoke(group, ["stop"])

    assert (done.exit_code, done.stderr) == (130, "peerkey: interrupted\n")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["shwo"], "no such command 'shwo'"),
        (["show"], "missing command; see `peerkey show --help`"),
        (
            ["show", "peers", "salt"],
            (
                "invalid value for '[VIEW]': 'salt' is not one of 'security', 'certificate'; "
                "see `peerkey show peers --help`"
            ),
        ),
        (["run"], "missing argument 'FILE'; see `peerkey run --help`"),
        (["rekey", "--per", "x"], "no such option: --per"),
        (["run", "f", "--runtime", "nosuch"], "--runtime nosuch: there are `local` and `ray`"),
        (
            ["demo", "--ha", "--metrics", "127.0.0.1:9464"],
            "--metrics is of one page: leave --ha out, whose nodes have a page each",
        ),
        (
            ["run", "f", "--metrics-detail", "all"],
            "invalid value for '--metrics-detail': 'all' is not one of 'auto', 'peer', 'node', 'fleet'",
        ),
        (["run", "f", "--metrics", "localhost:9464"], "'localhost:9464' is no address; write one like"),
        (["run", "f", "--metrics", "[::1]:99999"], "'[::1]:99999' is no address; write one like"),
        (["show", "alarms", "id"], "what follows `show alarms` is `id ID`, or nothing"),
        (["show", "events", "--since", "noon"], "'noon' is no time; write one like 2030-06-15T12:00:00Z"),
    ],
)
def test_wrong_usage_is_told_in_one_line_with_status_2(words: list[str], line: str) -> None:
    done = peerkey(*words)

    assert done.exit_code == Status.USAGE
    assert done.stdout == ""
    assert done.stderr.lower().startswith(f"peerkey: {line}".lower().replace("[view]", "view"))
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("address", ["127.0.0.1:8080", "tcp:host", "unix:", "/run/api.sock"])
def test_an_api_that_is_no_unix_socket_is_refused_with_the_reason(address: str, tmp_path: Path) -> None:
    done = peerkey("run", str(tmp_path / "f"), "--api", address)

    assert done.exit_code == Status.USAGE
    assert done.stderr == (
        f"peerkey: --api {address}: write unix:PATH or https://HOST:PORT; "
        "without TLS nothing is said over TCP\n"
    )


def test_a_state_directory_whose_socket_would_have_too_long_a_path_is_refused() -> None:
    done = peerkey("show", "peers", "--state-dir", "/run/" + "long/" * 30)

    assert done.exit_code == Status.USAGE
    assert "a Unix socket's path has at most" in done.stderr


def test_a_system_that_does_not_run_is_unreachable(tmp_path: Path) -> None:
    for words in (["show", "peers", "--json"], ["rekey"], ["reload"]):
        done = peerkey(*words, "--state-dir", str(tmp_path))
        assert done.exit_code == Status.UNREACHABLE
        assert done.stderr == (
            f"peerkey: {tmp_path / 'api.sock'}: no system runs there; start one with `peerkey run`, "
            "or name its --state-dir\n"
        )


def test_a_socket_that_nobody_listens_at_is_unreachable(tmp_path: Path) -> None:
    (tmp_path / "api.sock").touch()

    done = peerkey("show", "peers", "--state-dir", str(tmp_path))

    assert done.exit_code == Status.UNREACHABLE
    assert "nobody answers" in done.stderr


def test_the_state_directory_may_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEERKEY_STATE_DIR", str(tmp_path))

    assert peerkey("show", "peers").stderr.startswith(f"peerkey: {tmp_path / 'api.sock'}: ")


def test_a_missing_configuration_ends_with_status_1(tmp_path: Path) -> None:
    done = peerkey("run", str(tmp_path / "absent.yaml"), "--state-dir", str(tmp_path / "state"))

    assert done.exit_code == Status.NO
    assert done.stderr.count("\n") == 1
    assert "No such file or directory" in done.stderr
    assert not (tmp_path / "state").exists()


def test_a_faulty_configuration_has_a_line_for_each_fault(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("authority:\n  nme: x\n  security-key-management: {peer-key-timeout: 1}\n")

    done = peerkey("run", str(file), "--state-dir", str(tmp_path / "state"))

    assert done.exit_code == Status.NO
    assert len(done.stderr.splitlines()) > 1
    assert all(line.startswith(f"peerkey: {file}:") for line in done.stderr.splitlines())


def test_without_a_command_the_help_is_shown_as_wrong_usage() -> None:
    done = peerkey()

    assert done.exit_code == Status.USAGE
    assert "Commands:" in done.stderr


def test_help_and_version_end_with_status_0() -> None:
    assert peerkey("--help").exit_code == Status.DONE
    assert peerkey("--version").stdout.startswith("peerkey ")


@pytest.mark.parametrize(
    ("fault", "status"),
    [(WrongUsage("x"), Status.USAGE), (Refused("x"), Status.NO), (Unreachable("x"), Status.UNREACHABLE)],
)
def test_the_kind_of_an_error_decides_the_exit_status(
    fault: WrongUsage | Refused | Unreachable, status: Status
) -> None:
    assert status_of(fault) is status


def test_help_loads_nothing_that_is_slow() -> None:
    script = (
        "import json, sys\nfrom peerkey_cli.main import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "json.dump(sorted(sys.modules), sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )

    loaded = json.loads(done.stderr)
    assert "peerkey_cli.commands.show" in loaded
    assert [name for name in HEAVY if name in loaded] == []


# --- helpers --------------------------------------------------------------------------------------


def peerkey(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), prog_name="peerkey")
