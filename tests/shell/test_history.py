"""What was typed is kept, for its owner alone and within a bound."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from peerkey_cli.shell.history import MOST_LINES, FileOfLines, history_file
from peerkey_cli.shell.lines import LONGEST_LINE


def test_the_next_shell_has_the_lines_of_the_one_before(tmp_path: Path) -> None:
    first = FileOfLines.opened(tmp_path / "deep" / "file")
    first.append_string("show peers ")
    first.append_string("show alarms")

    assert list(FileOfLines.opened(tmp_path / "deep" / "file").load_history_strings()) == [
        "show alarms",
        "show peers",
    ]


def test_only_its_owner_can_read_it_whoever_made_it(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch(mode=0o644)
    FileOfLines.opened(file).append_string("x")

    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("line", ["", "  hidden", "a\x1b[2J", "\n", "x" * (LONGEST_LINE + 1)])
def test_some_lines_are_not_kept(line: str, tmp_path: Path) -> None:
    history = FileOfLines.opened(tmp_path / "file")
    history.append_string(line)

    assert (tmp_path / "file").read_bytes() == b""


def test_a_line_that_is_repeated_is_kept_once(tmp_path: Path) -> None:
    history = FileOfLines.opened(tmp_path / "file")
    for line in ("a", "a", "b", "a"):
        history.append_string(line)

    assert (tmp_path / "file").read_text() == "a\nb\na\n"


def test_a_long_file_is_shortened_to_its_latest_lines(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("".join(f"{number}\n" for number in range(3 * MOST_LINES)))

    lines = list(FileOfLines.opened(file).load_history_strings())

    assert lines[0] == str(3 * MOST_LINES - 1)
    assert len(lines) == MOST_LINES == len(file.read_text().splitlines())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_huge_file_is_read_from_its_end_and_bytes_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with file.open("wb") as opened:
        opened.write(b"\xff\x00" * 1000)
        opened.seek(6_000_000)
        opened.write(b"\nlast\n")

    assert list(FileOfLines.opened(file).load_history_strings()) == ["last"]
    assert file.read_text() == "last\n"


def test_a_link_or_a_directory_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("secret\n")
    (tmp_path / "link").symlink_to(tmp_path / "other")
    (tmp_path / "folder").mkdir()

    for name in ("link", "folder"):
        with pytest.raises(OSError, match=name):
            FileOfLines.opened(tmp_path / name)


def test_it_is_where_a_person_keeps_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert history_file() == tmp_path / "peerkey" / "shell_history"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/somewhere")
    assert history_file() == Path("/somewhere/.local/state/peerkey/shell_history")
