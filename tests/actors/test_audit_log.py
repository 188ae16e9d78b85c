"""The audit log on disk: chained, rotated, repaired, and counted once, however its writer dies."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from actors.audit_files import AuditFiles, lines_of
from actors.audit_log import FILE_BYTES, FULL_FILES
from actors.journal import FileJournal, MemoryJournal
from peerkey.errors import Unavailable
from peerkey.observe.events import CertificateRefused, ConfigurationChanged, CsrFailed, Event, KeyActivated
from peerkey.observe.security_stats import Counter
from peerkey_cli.chain_verification import verified
from tests.support.hosts import wait_for

ROOT = Path(__file__).parents[2]
NOW = datetime(2030, 6, 15, 12, 0, 0, 123456, tzinfo=UTC)
EAST = "east/node0"
FAILED = CsrFailed("base", "there is no key")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


@pytest.fixture
def opened(path: Path) -> Iterator[Callable[..., FileJournal]]:
    """Open journals that are closed with the test at the latest."""
    made: list[FileJournal] = []

    def open_one(file_bytes: int = FILE_BYTES, full_files: int = FULL_FILES) -> FileJournal:
        made.append(FileJournal(path, file_bytes=file_bytes, full_files=full_files))
        return made[-1]

    yield open_one
    for each in made:
        each.close()


# --- the chain --------------------------------------------------------------------------------------


def test_a_line_can_be_checked_with_sed_and_sha256sum_alone(
    path: Path, opened: Callable[..., FileJournal]
) -> None:
    write(opened(), 3)
    command = rf"sed -n 2p {path} | sed -E 's/,\"hash\":\"[0-9a-f]{{64}}\"\}}$/}}/' | tr -d '\n' | sha256sum"

    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)

    assert done.stdout.split()[0] == documents(path)[1]["hash"] == documents(path)[2]["previous"]


def test_what_an_event_says_is_what_the_line_says(path: Path, opened: Callable[..., FileJournal]) -> None:
    opened().record(NOW, EAST, FAILED)

    (line,) = documents(path)
    assert {key: line[key] for key in line if key not in {"previous", "hash"}} == {
        "sequence": 1,
        "time": "2030-06-15T12:00:00.123Z",
        "type": "certificate.request_failed",
        "node": EAST,
        "title": "Failed to generate a certificate signing request.",
        "description": "No CSR for base: there is no key",
        "detail": {"name": "base", "reason": "there is no key"},
        "permitted": True,
        "counted": {"CSR failure": 1},
    }


def test_text_of_any_kind_is_one_line(path: Path, opened: Callable[..., FileJournal]) -> None:
    opened().record(NOW, EAST, CsrFailed("\u2028\n\x85\x00\ud800é", '"},"hash":"'))

    (line,) = documents(path)
    assert line["detail"]["reason"] == '"},"hash":"'
    assert path.read_bytes().count(b"\n") == 1
    assert fault(path) is None


def test_an_event_that_is_too_long_is_told_without_its_detail(
    path: Path, opened: Callable[..., FileJournal]
) -> None:
    opened().record(NOW, EAST, ConfigurationChanged("changed", ("x" * 70_000,), 0))

    (line,) = documents(path)
    assert line["type"] == "configuration.changed"
    assert line["detail"]["left_out"].endswith("65536 are the most")


def test_the_chain_goes_on_where_it_was(path: Path, opened: Callable[..., FileJournal]) -> None:
    first = opened()
    write(first, 3)
    head = first.head
    first.close()

    write(opened(), 2)

    assert documents(path)[3]["previous"] == head.digest.hex()
    assert [line["sequence"] for line in documents(path)] == [1, 2, 3, 4, 5]
    assert fault(path) is None


# --- rotation ---------------------------------------------------------------------------------------


def test_a_full_file_is_followed_by_another_and_the_oldest_are_deleted(
    path: Path, opened: Callable[..., FileJournal]
) -> None:
    journal = opened(file_bytes=2_000, full_files=3)

    write(journal, 60)

    files = AuditFiles(path)
    assert len(files.full()) == 3
    assert all(each.stat().st_size <= 2_000 for each in (*files.full(), path))
    found = verified((files,)).logs[0]
    assert found.fault is None
    assert found.files == 4
    assert found.first is not None
    assert found.first > 1
    assert found.head == str(journal.head)
    assert journal.counted().totals() == {Counter.CSR_FAILURE: 60}


def test_what_is_counted_survives_the_deletion_of_its_lines(
    path: Path, opened: Callable[..., FileJournal]
) -> None:
    journal = opened(file_bytes=2_000, full_files=2)
    write(journal, 60)
    journal.close()

    assert opened().counted().totals() == {Counter.CSR_FAILURE: 60}


def test_a_writer_that_dies_between_two_files_loses_nothing(
    path: Path, opened: Callable[..., FileJournal]
) -> None:
    journal = opened(file_bytes=2_000, full_files=9)
    write(journal, 3)
    journal.abandon()
    # As it is after the first of two steps.
    path.rename(AuditFiles(path).full_name(1))

    again = opened(file_bytes=2_000, full_files=9)
    write(again, 1)

    assert [line["sequence"] for line in documents(path)] == [1, 2, 3, 4]
    assert again.counted().totals() == {Counter.CSR_FAILURE: 4}
    assert fault(path) is None


# --- death ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file_bytes", [1_000_000, 4_000], ids=["one file", "many files"])
def test_the_log_of_a_killed_process_is_intact_to_the_last_acknowledged_event(
    path: Path, file_bytes: int
) -> None:
    counted = sequence = 0
    for life in range(6):
        promised = killed(path, file_bytes, after=150 + 60 * life)
        assert promised[0] > sequence
        there = {line["sequence"]: line["hash"] for line in documents(path, torn=True)}
        assert sorted(there) == list(range(1, len(there) + 1))
        assert there[promised[0]] == promised[1]
        assert len(there) - promised[0] <= 1, "more than what was under way"

        journal = FileJournal(path, file_bytes=file_bytes, full_files=10_000)
        counted = sum(each.number for each in journal.counted().counts)
        sequence = journal.head.sequence
        journal.close()

        assert promised[2] <= counted <= promised[2] + 1
        assert counted == sum(sum(line.get("counted", {}).values()) for line in documents(path))
        assert fault(path) is None


@pytest.mark.parametrize("torn", [b"{", b'{"sequence":4,"previous":"00', b"\x00" * 4_096])
def test_a_torn_line_is_taken_out_and_told_of(
    path: Path, opened: Callable[..., FileJournal], torn: bytes
) -> None:
    journal = opened()
    write(journal, 3)
    journal.abandon()
    with path.open("ab") as file:
        file.write(torn)
    found = verified((AuditFiles(path),)).logs[0]
    assert found.fault is None
    assert f"{len(torn)} bytes of a line that nobody was promised" in found.remarks[0]

    write(opened(), 1)

    *_, repaired, last = documents(path)
    assert repaired["type"] == "audit.repaired"
    assert repaired["detail"]["bytes"] == len(torn)
    assert repaired["detail"]["sha256"] == sha256(torn).hexdigest()
    assert last["sequence"] == 5
    assert fault(path) is None


def test_nothing_is_counted_twice_wherever_the_checkpoint_was_when_the_process_died(
    path: Path, opened: Callable[..., FileJournal]
) -> None:
    journal = opened()
    checkpoints = []
    for _ in range(4):
        journal.record(NOW, EAST, FAILED)
        wait_for(lambda: noted(path) == journal.head.sequence, 30)
        checkpoints.append(AuditFiles(path).checkpoint.read_bytes())
    journal.abandon()

    for checkpoint in checkpoints:
        AuditFiles(path).checkpoint.write_bytes(checkpoint)
        again = opened()
        assert again.counted().totals() == {Counter.CSR_FAILURE: 4}
        assert again.recent() == ()
        again.abandon()


# --- what somebody has done to it -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda files: files.checkpoint.unlink(), "the checkpoint beside it is missing"),
        (lambda files: files.checkpoint.write_text("{}"), "the checkpoint beside it cannot be read"),
        (lambda files: shorten(files.active), "its last 1 line is missing, up to 5"),
        (lambda files: files.active.unlink(), "its last 5 lines are missing, up to 5"),
        (lambda files: double_last(files.active), "line 5 was repeated, moved or inserted here"),
    ],
    ids=["no checkpoint", "another checkpoint", "shortened", "deleted", "lengthened"],
)
def test_a_log_that_is_not_as_it_was_left_says_so_and_goes_on(
    path: Path, opened: Callable[..., FileJournal], spoil: Callable[[AuditFiles], object], reason: str
) -> None:
    journal = opened()
    write(journal, 5)
    journal.close()
    spoil(AuditFiles(path))

    again = opened()

    told = [entry.event for entry in again.recent()]
    assert [each.TYPE for each in told] == ["audit.damaged"]
    assert reason in told[0].description()
    assert documents(path)[-1]["sequence"] == 6
    assert again.counted().totals() == {Counter.CSR_FAILURE: 5}


def test_a_log_from_before_there_was_a_chain_is_kept_under_another_name(
    path: Path, opened: Callable[..., FileJournal]
) -> None:
    path.write_text('{"time": "2030-06-15T12:00:00.000Z", "type": "key.activated"}\n')

    write(opened(), 1)

    assert "key.activated" in path.with_name("events.unchained.jsonl").read_text()
    assert [line["type"] for line in documents(path)] == ["audit.damaged", FAILED.TYPE]
    assert fault(path) is None


# --- the disk ---------------------------------------------------------------------------------------


def test_what_a_full_disk_has_swallowed_is_told_of_and_counted_once(
    path: Path, opened: Callable[..., FileJournal], monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened()
    write(journal, 1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full_disk)
        journal.record(NOW, EAST, FAILED)
        journal.record(NOW, EAST, KeyActivated("west/node0", 1, "00"))
        journal.record(NOW, "west/node0", CertificateRefused("base", "validity", "x"))
        assert journal.lost == 3
        assert journal.counted().totals() == {Counter.CSR_FAILURE: 2, Counter.IMPORT_FAILURE: 1}
        with pytest.raises(Unavailable, match="nothing was cleared"):
            journal.clear_statistics(NOW, "authority")

    write(journal, 1)

    first, east, west, last = documents(path)
    assert (east["type"], east["node"], east["detail"]["lost"]) == ("audit.gap", EAST, 2)
    assert east["counted"] == {"CSR failure": 1}
    assert (west["node"], west["counted"]) == ("west/node0", {"certificate import failure": 1})
    assert (first["sequence"], last["sequence"]) == (1, 4)
    expected = {Counter.CSR_FAILURE: 3, Counter.IMPORT_FAILURE: 1}
    assert journal.counted().totals() == expected
    journal.abandon()
    assert opened().counted().totals() == expected
    assert fault(path) is None


def test_half_a_line_that_had_room_is_taken_back(
    path: Path, opened: Callable[..., FileJournal], monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened()
    write(journal, 1)
    real, calls = os.write, []

    def half(descriptor: int, data: bytes) -> int:
        calls.append(data)
        return real(descriptor, data[: len(data) // 2]) if len(calls) == 1 else full_disk(descriptor, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        journal.record(NOW, EAST, FAILED)

    write(journal, 1)

    assert [line["type"] for line in documents(path)] == [FAILED.TYPE, "audit.gap", FAILED.TYPE]
    assert fault(path) is None


def test_a_process_that_wakes_up_beside_its_successor_does_not_break_the_chain(
    path: Path, opened: Callable[..., FileJournal]
) -> None:
    sleeper = opened()
    write(sleeper, 2)
    successor = opened()
    write(successor, 2)

    write(sleeper, 1)

    assert sleeper.lost == 1
    sleeper.abandon()
    write(successor, 1)
    assert [line["sequence"] for line in documents(path)] == [1, 2, 3, 4, 5]
    assert fault(path) is None


# --- statistics -------------------------------------------------------------------------------------


def test_clearing_is_an_event_and_stays_cleared(path: Path, opened: Callable[..., FileJournal]) -> None:
    journal = opened()
    write(journal, 2)
    journal.clear_statistics(NOW + timedelta(hours=1), "authority")
    write(journal, 1)
    journal.abandon()

    again = opened().counted()

    assert again.totals() == {Counter.CSR_FAILURE: 1}
    assert again.since == NOW.replace(microsecond=123000) + timedelta(hours=1)
    assert documents(path)[2]["detail"] == {"former": {"CSR failure": 2}}


def test_clearing_sets_no_metric_back() -> None:
    journal = MemoryJournal()
    journal.record(NOW, EAST, FAILED)
    before = journal.tally.samples()

    journal.clear_statistics(NOW, "authority")

    # The event that clears is counted, too.
    after = journal.tally.samples()
    assert all(
        after[metric][labels] == value
        for metric, counts in before.items()
        for labels, value in counts.items()
    )
    assert journal.counted().totals() == {}


# --- helpers ----------------------------------------------------------------------------------------


def write(journal: FileJournal, times: int, event: Event = FAILED) -> None:
    for _ in range(times):
        journal.record(NOW, EAST, event)


def documents(path: Path, *, torn: bool = False) -> list[dict[str, Any]]:
    """Return every line of a log; where it may end with a torn one, without that."""
    return [json.loads(line.content) for line in lines_of(AuditFiles(path)) if line.whole or not torn]


def fault(path: Path) -> object:
    return verified((AuditFiles(path),)).logs[0].fault


def noted(path: Path) -> int:
    return int(json.loads(AuditFiles(path).checkpoint.read_bytes())["sequence"])


def full_disk(descriptor: int, data: bytes) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def shorten(path: Path) -> None:
    """Take the last line away."""
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def double_last(path: Path) -> None:
    """Write the last line again."""
    content = path.read_bytes()
    path.write_bytes(content + content.splitlines(keepends=True)[-1])


def killed(path: Path, file_bytes: int, after: int) -> tuple[int, str, int]:
    """Let a process write until it was promised ``after`` lines, kill it; return the last promise."""
    command = (sys.executable, "-m", "tests.support.doomed_journal", str(path), str(file_bytes))
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(after)]
        process.send_signal(signal.SIGKILL)
        said += process.stdout.read().splitlines(keepends=True)
    assert process.returncode == -signal.SIGKILL
    last = [line for line in said if line.endswith(b"\n")][-1].decode()
    head, counted = last.split()
    sequence, digest = head.split(":")
    return int(sequence), digest, int(counted)
