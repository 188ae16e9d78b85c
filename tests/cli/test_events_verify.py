"""``events verify``: whatever somebody does to an audit log shows, with the first line that does not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from actors.audit_files import AuditFiles
from actors.journal import FileJournal
from peerkey.observe.audit_chain import (
    BEGINNING,
    MAXIMUM_LINE_BYTES,
    Broken,
    Head,
    chained,
    read_line_untrusted,
    require_next,
)
from peerkey.observe.events import CsrFailed
from peerkey_cli.main import app

NOW = datetime(2030, 6, 15, 12, 0, 0, tzinfo=UTC)
Lines = list[bytes]


def test_a_log_that_is_as_it_was_written_is_valid(tmp_path: Path) -> None:
    head = written(tmp_path, 5)

    done = verify("--state-dir", str(tmp_path))

    assert done.exit_code == 0
    assert f" Head:   {head}" in done.stdout
    assert document("--state-dir", str(tmp_path))["logs"] == [
        {
            "file": str(tmp_path / "events.jsonl"),
            "files": 1,
            "lines": 5,
            "first": 1,
            "head": head,
            "fault": None,
            "remarks": [],
        }
    ]


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        (b"hello", 1, "no line of it is whole: it is no audit log, or its first line is torn"),
        (b"x" * (2 * MAXIMUM_LINE_BYTES + 5), 2, "it is longer than a line may be"),
    ],
)
def test_a_file_without_a_whole_line_is_not_valid(
    tmp_path: Path, content: bytes, line: int, reason: str
) -> None:
    (tmp_path / "odd").write_bytes(content)

    done = verify(str(tmp_path / "odd"))

    assert done.exit_code == 1
    assert f"odd, line {line}: {reason}" in " ".join(done.stdout.split())
    assert "Remark:  its last line is torn: odd ends with" in done.stdout


@pytest.mark.parametrize(
    ("spoil", "line", "reason"),
    [
        (lambda lines: replaced(lines, 2, b"there is no key", b"there is a key"), 3, "it was changed"),
        (lambda lines: replaced(lines, 2, b'"permitted":true', b'"permitted": true'), 3, "it was changed"),
        (lambda lines: lines[:2] + lines[3:], 3, "1 line is missing before it"),
        (lambda lines: lines[:1] + lines[4:], 2, "3 lines are missing before it"),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], 2, "1 line is missing before it"),
        (lambda lines: [*lines[:3], lines[1], *lines[3:]], 4, "line 2 was repeated, moved or inserted here"),
        (lambda lines: [*lines[:2], forged(lines, 2), *lines[3:]], 4, "the line before it was replaced"),
        (lambda lines: [*lines[:2], b"hello\n", *lines[2:]], 3, "it is no line of an audit log"),
        (lambda lines: [*lines[:4], forged(lines, 4)], 5, "it is another than the one that the checkpoint"),
        (lambda lines: lines[:4], None, "1 of its last lines are missing: it went on to 5"),
        (lambda _: [], None, "5 of its last lines are missing: it went on to 5"),
        (lambda lines: [*lines, following(lines)], None, "it was closed after 5; who wrote the rest"),
    ],
    ids=[
        *(
            "changed",
            "re-written",
            "removed",
            "several removed",
            "swapped",
            "repeated",
            "replaced",
            "no line",
        ),
        *("last replaced", "last removed", "all removed", "lengthened"),
    ],
)
def test_the_first_line_that_does_not_fit_is_named(
    tmp_path: Path, spoil: Callable[[Lines], Lines], line: int | None, reason: str
) -> None:
    written(tmp_path, 5)
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(spoil(path.read_bytes().splitlines(keepends=True))))

    done = verify("--state-dir", str(tmp_path), "--json")

    (log,) = json.loads(done.stdout)["logs"]
    assert done.exit_code == 1
    assert log["fault"]["line"] == line
    assert log["fault"]["reason"].startswith(reason)
    assert "invalid" in verify("--state-dir", str(tmp_path)).stdout


def test_a_file_that_is_missing_in_the_middle_shows(tmp_path: Path) -> None:
    written(tmp_path, 40, file_bytes=2_000)
    files = AuditFiles(tmp_path / "events.jsonl")
    gone = files.full()[2]
    gone.unlink()

    (log,) = document("--state-dir", str(tmp_path), status=1)["logs"]

    assert log["fault"]["file"] == str(files.full()[2])
    assert log["fault"]["reason"].endswith("lines are missing before it")


def test_a_log_that_was_written_anew_shows_by_a_head_that_was_noted_elsewhere(tmp_path: Path) -> None:
    noted = written(tmp_path, 5)
    for each in tmp_path.iterdir():
        each.unlink()
    written(tmp_path, 9, reason="something else")

    assert verify("--state-dir", str(tmp_path)).exit_code == 0
    (log,) = document("--state-dir", str(tmp_path), "--head", noted, status=1)["logs"]
    assert log["fault"]["reason"] == f"no line of it is {noted}"


def test_a_head_that_was_noted_is_found_again_when_the_log_has_grown(tmp_path: Path) -> None:
    noted = written(tmp_path, 5)
    written(tmp_path, 5)

    assert verify("--state-dir", str(tmp_path), "--head", noted).exit_code == 0


def test_every_host_of_a_cluster_has_a_log_of_its_own(tmp_path: Path) -> None:
    for host in ("control", "edge-1"):
        (tmp_path / "hosts" / host).mkdir(parents=True)
        written(tmp_path / "hosts" / host, 3)

    logs = document("--state-dir", str(tmp_path))["logs"]

    assert [Path(each["file"]).parent.name for each in logs] == ["control", "edge-1"]


def test_a_copy_of_a_file_is_verified_by_itself(tmp_path: Path) -> None:
    written(tmp_path, 40, file_bytes=2_000)
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(AuditFiles(tmp_path / "events.jsonl").full()[1].read_bytes())

    (log,) = document(str(copy))["logs"]

    assert log["first"] > 1
    assert "no checkpoint" in log["remarks"][0]


def test_a_log_can_be_verified_while_it_is_being_written(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "events.jsonl", file_bytes=2_000)
    try:
        for _ in range(20):
            journal.record(NOW, "east/node0", CsrFailed("base", "there is no key"))
        assert verify("--state-dir", str(tmp_path)).exit_code == 0
    finally:
        journal.close()


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (("--state-dir", "{}"), 1, "there is no audit log"),
        (("{}/events.jsonl", "--state-dir", "{}"), 2, "give one of FILE, --state-dir and --api"),
        (("--head", "7"), 2, "a head is SEQUENCE:HASH"),
    ],
)
def test_what_cannot_be_verified_is_said(
    tmp_path: Path, words: tuple[str, ...], status: int, text: str
) -> None:
    done = verify(*(word.format(tmp_path) for word in words))

    assert done.exit_code == status
    assert text in done.stderr


@given(st.data())
def test_no_single_byte_can_be_changed(data: st.DataObject) -> None:
    lines, head = [], BEGINNING
    for number in range(3):
        line, head = chained({"type": "key.activated", "detail": {"index": number}}, head)
        lines.append(line)
    whole = bytearray(b"".join(lines))
    place = data.draw(st.integers(0, len(whole) - 2))
    whole[place] ^= data.draw(st.integers(1, 255))

    with pytest.raises(Broken):
        follow(bytes(whole), head)


# --- helpers --------------------------------------------------------------------------------------


def written(folder: Path, times: int, *, file_bytes: int = 1_000_000, reason: str = "there is no key") -> str:
    """Write a log in good order; return its head."""
    journal = FileJournal(folder / "events.jsonl", file_bytes=file_bytes)
    for _ in range(times):
        journal.record(NOW, "east/node0", CsrFailed("base", reason))
    journal.close()
    return str(journal.head)


def follow(content: bytes, end: Head) -> None:
    """Read a whole log that is known to end at ``end``."""
    former = BEGINNING
    for each in content.removesuffix(b"\n").split(b"\n"):
        line = read_line_untrusted(each)
        require_next(line, former)
        former = line.head
    if former != end:
        message = "it ends elsewhere"
        raise Broken(message)


def replaced(lines: Lines, place: int, old: bytes, new: bytes) -> Lines:
    assert old in lines[place]
    return [*lines[:place], lines[place].replace(old, new), *lines[place + 1 :]]


def forged(lines: Lines, place: int) -> bytes:
    """Return a line in the place of another, with a good hash of its own."""
    return chained({"type": "key.erased"}, read_line_untrusted(lines[place - 1].rstrip()).head)[0]


def following(lines: Lines) -> bytes:
    return chained({"type": "key.erased"}, read_line_untrusted(lines[-1].rstrip()).head)[0]


def verify(*words: str) -> Result:
    return CliRunner().invoke(app, ["events", "verify", *words])


def document(*words: str, status: int = 0) -> Any:  # noqa: ANN401 - JSON
    done = verify(*words, "--json")
    assert done.exit_code == status, done.output
    return json.loads(done.stdout)
