"""The state directory and its lock; sockets and what they replace; times and files as operators give them."""

from __future__ import annotations

import os
import socket
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from peerkey.errors import Misconfigured
from peerkey_cli.errors import WrongUsage
from peerkey_cli.files import read_bounded, read_configuration
from peerkey_cli.plans import PlansReader
from peerkey_cli.sockets import MAXIMUM_PATH_BYTES, check_length, listening
from peerkey_cli.state import StateDirectory, default_directory
from peerkey_cli.times import instant
from tests.cli.two_routers import two_routers

NOW = datetime(2030, 6, 15, 12, 0, 0, tzinfo=UTC)


# --- the directory --------------------------------------------------------------------------------


def test_a_state_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path / "a" / "b")

    with state.held():
        assert stat.S_IMODE(state.path.stat().st_mode) == 0o700


def test_a_directory_that_is_in_use_is_refused_with_the_process_that_uses_it(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)

    with state.held(), pytest.raises(Misconfigured, match=f"process {os.getpid()} uses this"), state.held():
        pass


def test_a_directory_is_free_again_afterwards(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)

    with state.held():
        pass
    with state.held():
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_a_directory_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o770)

    with pytest.raises(Misconfigured, match="chmod 700"), StateDirectory(tmp_path).held():
        pass


def test_a_file_in_the_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").touch()

    with (
        pytest.raises(Misconfigured, match="name one with --state-dir"),
        StateDirectory(tmp_path / "state").held(),
    ):
        pass


def test_the_default_directory_depends_on_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PEERKEY_STATE_DIR", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", "/home/x/state")

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_directory() == Path("/var/lib/peerkey")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert default_directory() == Path("/home/x/state/peerkey")
    monkeypatch.setenv("PEERKEY_STATE_DIR", "/srv/state")
    assert default_directory() == Path("/srv/state")


# --- sockets --------------------------------------------------------------------------------------


def test_a_socket_is_for_its_owner_alone_and_gone_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "made" / "api.sock"

    with listening(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not path.exists()


def test_what_a_dead_process_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    with listening(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_socket_that_somebody_listens_at_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"

    with listening(path):
        with pytest.raises(Misconfigured, match="another process listens there"), listening(path):
            pass
        assert path.exists()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    path.write_text("precious")

    with pytest.raises(Misconfigured, match="no socket"), listening(path):
        pass
    assert path.read_text() == "precious"


def test_the_longest_path_of_a_socket_is_accepted_and_one_byte_more_is_not() -> None:
    longest = "/" + "x" * (MAXIMUM_PATH_BYTES - 1)

    check_length(Path(longest))
    with pytest.raises(WrongUsage, match=f"this one has {MAXIMUM_PATH_BYTES + 1}"):
        check_length(Path(longest + "x"))


# --- times ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("15m", NOW - timedelta(minutes=15)),
        ("2h", NOW - timedelta(hours=2)),
        ("1d", NOW - timedelta(days=1)),
        ("2030-01-01T00:00:00Z", datetime(2030, 1, 1, tzinfo=UTC)),
        ("2030-01-01T02:00:00+02:00", datetime(2030, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_is_iso_8601_or_so_long_ago(text: str, meant: datetime) -> None:
    assert instant(text, NOW) == meant


@pytest.mark.parametrize("text", ["", "m", "15", "15w", "999999d", "-5m", "2030-13-01", "٣m"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(WrongUsage, match="is no time"):
        instant(text, NOW)


# --- files ----------------------------------------------------------------------------------------


def test_a_file_is_read_up_to_its_limit_and_not_beyond(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"12345")

    assert read_bounded(file, 5) == b"12345"
    with pytest.raises(OSError, match="larger than 4 bytes"):
        read_bounded(file, 4)


def test_a_configuration_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"# one\nauthority: \xff")

    with pytest.raises(Misconfigured, match="f:2:12: byte 17 is not UTF-8"):
        read_configuration(file)


def test_plans_are_those_of_the_named_nodes(tmp_path: Path) -> None:
    file = two_routers(tmp_path).file

    assert [plan.name for plan in PlansReader(file)()] == ["east/node0", "west/node0"]
    assert [plan.name for plan in PlansReader(file, ["west/node0"])()] == ["west/node0"]


def test_a_named_node_that_is_not_there_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"no node 'est/node0'; did you mean '\w+/node0'"):
        PlansReader(two_routers(tmp_path).file, ["est/node0"])()
