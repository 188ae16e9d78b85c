"""Events from the files of the audit log: pages back in time, over rotation, without a process that runs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.audit_files import AuditFiles
from actors.journal import FileJournal
from peerkey.observe.events import CsrFailed
from peerkey_cli import event_log
from peerkey_cli.errors import WrongUsage
from peerkey_cli.event_log import EventQuery, page
from tests.cli.commands import document, peerkey

NOW = datetime(2030, 6, 15, 12, tzinfo=UTC)
EAST, WEST = "east/node0", "west/node0"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> AuditFiles:
    """Return a log of two hundred events in several files, one a second, of two nodes in turn."""
    path = tmp_path_factory.mktemp("state") / "events.jsonl"
    journal = FileJournal(path, file_bytes=8_000)
    for number in range(200):
        journal.record(
            NOW + timedelta(seconds=number), (EAST, WEST)[number % 2], CsrFailed(f"{number}", "none")
        )
    journal.close()
    files = AuditFiles(path)
    assert len(files.full()) > 3
    return files


def test_the_latest_come_oldest_first_and_say_where_those_before_them_are(log: AuditFiles) -> None:
    found = page([log], EventQuery(), NOW, limit=3)

    assert names(found) == ["197", "198", "199"]
    assert found.source == "log"
    assert names(page([log], EventQuery(), NOW, limit=3, before=found.older)) == ["194", "195", "196"]


@pytest.mark.parametrize("limit", [1, 7, 64, 199, 200, 5_000])
def test_pages_lead_through_all_files_and_leave_nothing_out(log: AuditFiles, limit: int) -> None:
    assert all_pages([log], EventQuery(), limit) == [f"{number}" for number in range(200)]


def test_what_is_asked_for_is_chosen_by_type_node_and_time(log: AuditFiles) -> None:
    at = [NOW + timedelta(seconds=second) for second in range(200)]

    assert all_pages([log], EventQuery(kind="certificate", node=WEST), 9) == [
        str(n) for n in range(1, 200, 2)
    ]
    assert all_pages([log], EventQuery(kind="cert"), 9) == []
    assert all_pages([log], EventQuery(since=at[190], until=at[193]), 2) == ["190", "191", "192"]
    assert all_pages([log], EventQuery(until=at[2]), 50) == ["0", "1"]
    assert all_pages([log], EventQuery(node="nobody"), 50) == []


def test_new_events_and_full_files_move_no_page(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "events.jsonl", file_bytes=4_000)
    files = AuditFiles(tmp_path / "events.jsonl")
    write(journal, range(50))
    latest = page([files], EventQuery(), NOW, limit=10)
    write(journal, range(50, 100))

    assert names(page([files], EventQuery(), NOW, limit=10, before=latest.older)) == [
        str(number) for number in range(30, 40)
    ]
    journal.close()


def test_several_logs_are_one_by_their_times(tmp_path: Path) -> None:
    logs = []
    for host in ("a", "b,=c"):
        (tmp_path / host).mkdir()
        journal = FileJournal(tmp_path / host / "events.jsonl")
        write(journal, range(0 if host == "a" else 1, 40, 2))
        journal.close()
        logs.append(AuditFiles(tmp_path / host / "events.jsonl"))

    assert all_pages(logs, EventQuery(), 7) == [str(number) for number in range(40)]


def test_what_is_no_line_is_left_out(tmp_path: Path, log: AuditFiles) -> None:
    lines = log.active.read_bytes().splitlines(keepends=True)
    torn = tmp_path / "events.jsonl"
    begun = lines[1][:200]
    torn.write_bytes(
        b"garbage\n" + lines[0] + b"\xff" * 200_000 + b"\n" + b"[" * 5_000 + b"\n" + begun + b"}\n" + begun
    )

    assert len(page([AuditFiles(torn)], EventQuery(), NOW, limit=100).events) == 1
    torn.write_bytes(b"")
    assert page([AuditFiles(torn)], EventQuery(), NOW, limit=100).events == ()


@pytest.mark.parametrize(
    "cursor", ["", "x", "=", "a=b", "a=1,", ",a=1", "a=" + "9" * 19, "a" * 5_000 + "=1", "a=1\n"]
)
def test_a_cursor_that_was_never_given_is_refused(log: AuditFiles, cursor: str) -> None:
    with pytest.raises(WrongUsage, match="cursor"):
        page([log], EventQuery(), NOW, limit=1, before=cursor)


@given(
    st.lists(st.binary(max_size=40).map(lambda each: each.replace(b"\n", b" ")), max_size=40),
    st.integers(1, 16),
)
def test_lines_are_the_same_readbackwards(lines: list[bytes], block: int) -> None:
    patch = pytest.MonkeyPatch()
    descriptor = os.memfd_create("lines")
    with os.fdopen(descriptor, "w+b") as file, patch.context() as small:
        small.setattr(event_log, "_BLOCK", block)
        file.write(b"\n".join(lines))
        file.flush()
        found = list(event_log.backwards(file))

    assert found[::-1] == (b"\n".join(lines)).split(b"\n")


def test_only_wanted_lines_are_held(log: AuditFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of one reads one block, however long the log is."""
    read: list[bytes] = []
    inner: Callable[..., Iterator[bytes]] = event_log.backwards

    def noting(file: BinaryIO) -> Iterator[bytes]:
        for line in inner(file):
            read.append(line)
            yield line

    monkeypatch.setattr(event_log, "backwards", noting)

    page([log], EventQuery(), NOW, limit=1)

    # The end of the file, the one that is shown, and the one that says that there are more.
    assert len(read) == 3


def test_without_a_system_the_command_reads_the_files(log: AuditFiles) -> None:
    state = log.active.parent

    shown = document("show", "events", "--state-dir", state, "--limit", "2")
    words = peerkey("show", "events", "--files", "--state-dir", state, "--node", EAST, "--limit", "1").stdout

    assert [event["detail"]["name"] for event in shown["events"]] == ["198", "199"]
    assert (shown["source"], shown["older"]) == ("log", f"{state.name}=199")
    assert "Certificate request 198" in words or '"name":"198"' in words


def test_without_a_system_and_without_a_log_it_says_that_no_system_runs(tmp_path: Path) -> None:
    done = peerkey("show", "events", "--state-dir", tmp_path)

    assert done.exit_code == 3
    assert "no system runs there" in done.stderr


def test_files_that_are_not_there_are_not_found(tmp_path: Path) -> None:
    done = peerkey("show", "events", "--files", "--state-dir", tmp_path)

    assert (done.exit_code, len(done.stderr.splitlines())) == (1, 1)


@pytest.mark.parametrize(
    "words",
    [
        ["--follow", "--files"],
        ["--follow", "--until", "1h"],
        ["--files", "--api", "unix:/tmp/x"],
        ["--limit", "0"],
        ["--limit", "100001"],
        ["--since", "yesterday"],
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(words: list[str], tmp_path: Path) -> None:
    done = peerkey("show", "events", "--state-dir", tmp_path, *words)

    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)


# --- helpers --------------------------------------------------------------------------------------


def write(journal: FileJournal, numbers: range) -> None:
    for number in numbers:
        journal.record(NOW + timedelta(seconds=number), EAST, CsrFailed(f"{number}", "none"))


def names(found: Any) -> list[str]:  # noqa: ANN401 - a page
    return [event.detail["name"] for event in found.events]


def all_pages(logs: list[AuditFiles], query: EventQuery, limit: int) -> list[str]:
    found: list[str] = []
    before: str | None = None
    while True:
        answer = page(logs, query, NOW, limit=limit, before=before)
        found = names(answer) + found
        before = answer.older
        if before is None:
            return found
        json.dumps(answer.model_dump(mode="json"))
