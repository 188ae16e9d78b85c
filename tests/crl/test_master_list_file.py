"""A master list is on the disk whole or not at all, whenever its writer dies; old ones are unmapped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from actors.master_list_file import MasterListFile
from peerkey.errors import Unavailable
from peerkey.pki.master_list import ForeignList, MasterList
from tests.support.doomed_publisher import BALLAST, ISSUER, pieces, serial_of

ROOT = Path(__file__).parents[2]
#: Lists that each doomed process has told of before it is killed, and how many are killed.
LIVES = 12


def test_what_was_published_is_mapped_and_read_again(tmp_path: Path) -> None:
    file = MasterListFile(tmp_path / "deep" / "master.crl")
    assert file.read() is None

    published = file.publish(pieces(1))

    for each in (published, file.read()):
        assert each is not None
        assert (each.generation, each.total) == (1, BALLAST)
        assert each.lookup(ISSUER, serial_of(1, 0)) is not None
    assert names(tmp_path / "deep") == ["master.crl"]


def test_others_may_read_the_file(tmp_path: Path) -> None:
    MasterListFile(tmp_path / "master.crl").publish(pieces(1))

    assert (tmp_path / "master.crl").stat().st_mode & 0o044 == 0o044


def test_a_list_that_was_replaced_still_answers_whoever_holds_it_and_is_then_unmapped(tmp_path: Path) -> None:
    file = MasterListFile(tmp_path / "master.crl")
    old: MasterList | None = file.publish(pieces(1))
    assert old is not None

    new = file.publish(pieces(2))

    assert old.lookup(ISSUER, serial_of(1, 0)) is not None
    assert new.lookup(ISSUER, serial_of(1, 0)) is None
    assert mappings(tmp_path) == 2
    old = None
    assert mappings(tmp_path) == 1
    assert new.lookup(ISSUER, serial_of(2, 0)) is not None


def test_pieces_that_fail_leave_the_old_list_and_no_draft(tmp_path: Path) -> None:
    file = MasterListFile(tmp_path / "master.crl")
    file.publish(pieces(1))

    def failing() -> Iterator[bytes]:
        yield next(iter(pieces(2)))
        raise OSError(28, "No space left on device")

    with pytest.raises(Unavailable, match="No space left on device"):
        file.publish(failing())

    found = file.read()
    assert found is not None
    assert found.generation == 1
    assert names(tmp_path) == ["master.crl"]


def test_a_directory_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(Unavailable, match="cannot be written"):
        MasterListFile(tmp_path / "file" / "master.crl").publish(pieces(1))


@pytest.mark.parametrize("content", [b"", b"-----BEGIN X509 CRL-----\n", bytes(4096)])
def test_a_foreign_file_is_refused_and_replaced_by_the_next_list(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "master.crl"
    path.write_bytes(content)
    with pytest.raises(ForeignList):
        MasterListFile(path).read()

    assert MasterListFile(path).publish(pieces(7)).generation == 7


def test_a_torn_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "master.crl"
    MasterListFile(path).publish(pieces(1))
    os.truncate(path, path.stat().st_size - 1)

    with pytest.raises(ForeignList):
        MasterListFile(path).read()


def test_whenever_a_publisher_is_killed_there_is_the_whole_of_the_last_list_or_the_next(
    tmp_path: Path,
) -> None:
    path = tmp_path / "master.crl"
    random = Random(7)
    told = 0
    for _ in range(LIVES):
        told = killed_after(path, random.randrange(1, 6))

        found = MasterListFile(path).read()

        assert found is not None
        assert found.generation in (told, told + 1)
        assert found.total == BALLAST
        assert found.lookup(ISSUER, serial_of(found.generation, BALLAST - 1)) is not None
    MasterListFile(path).publish(pieces(told + 2))
    assert names(tmp_path) == ["master.crl"], "what the dead left is gone"


# --- helpers --------------------------------------------------------------------------------------


def killed_after(path: Path, lists: int) -> int:
    """Let a process publish until it has told of so many lists and kill it; return the last that it told."""
    doomed = subprocess.Popen(
        [sys.executable, "-m", "tests.support.doomed_publisher", str(path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert doomed.stdout is not None
    with doomed.stdout as output:
        try:
            lines = [int(output.readline()) for _ in range(lists)]
        finally:
            doomed.send_signal(signal.SIGKILL)
            doomed.wait(timeout=30)
        lines += [int(line) for line in output.read().split("\n") if line]
    return lines[-1]


def mappings(folder: Path) -> int:
    """Count the files under ``folder`` that this process maps."""
    lines = Path("/proc/self/maps").read_text("ascii").splitlines()
    return len([line for line in lines if str(folder) in line])


def names(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]
