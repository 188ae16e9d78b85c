"""A list comes to the same wherever it is judged."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from actors.crl import ingesting
from actors.crl.ingesting import GoodList, IngestWork, InlineIngester, Judges, ListIngester, ProcessIngester
from peerkey.errors import Unavailable
from peerkey.pki.list_ingestion import ListRefused, Refusal
from peerkey.testing.ca import NOW, TestCA
from peerkey.testing.lists import revocation_list

CA = TestCA()
NAMED = CA.intermediate.certificate
JUDGES = Judges((CA.root.certificate.public_bytes(Encoding.DER),), ())
EVERYTHING = 0


def test_a_process_comes_to_what_is_judged_in_place(tmp_path: Path) -> None:
    first = judged_by(InlineIngester(), work(1))

    second = work(2, first)
    here = judged_by(InlineIngester(), second)
    there = judged_by(ProcessIngester(tmp_path, EVERYTHING), second)

    assert here.facts == there.facts
    assert here.facts.number == 2
    assert bytes(here.entries) == bytes(there.entries[:])
    assert there.held().entries.total == 1


def test_what_a_process_has_mapped_can_be_what_was_before(tmp_path: Path) -> None:
    ingester = ProcessIngester(tmp_path, EVERYTHING)
    first = judged_by(ingester, work(1))

    assert judged_by(ingester, work(2, first)).facts.added == 0
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_comes_out_of_the_process_with_its_reason(tmp_path: Path) -> None:
    first = judged_by(InlineIngester(), work(5))

    with pytest.raises(ListRefused) as refused:
        judged_by(ProcessIngester(tmp_path, EVERYTHING), work(4, first))

    assert refused.value.refusal is Refusal.WENT_BACK
    assert "number 4" in refused.value.text


def test_where_no_file_can_be_written_a_list_is_judged_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    assert judged_by(ProcessIngester(tmp_path / "file", EVERYTHING), work(1)).facts.total == 1


def test_what_a_process_left_behind_that_was_killed_is_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / "judging.old").mkdir()
    (tmp_path / "judging.old" / "list").write_bytes(b"half")

    judged_by(ProcessIngester(tmp_path, EVERYTHING), work(1))

    assert list(tmp_path.iterdir()) == []


def test_a_process_that_dies_is_told_and_the_next_list_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingester = ProcessIngester(tmp_path, EVERYTHING)
    with monkeypatch.context() as patch:
        patch.setattr(ingesting, "_JUDGE", ("-c", "import os; os._exit(9)"))
        with pytest.raises(Unavailable, match="has ended without an answer"):
            judged_by(ingester, work(1))

    assert judged_by(ingester, work(1)).facts.total == 1


def test_a_process_that_hangs_is_ended_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingesting, "_JUDGE", ("-c", "import time; time.sleep(600)"))
    monkeypatch.setattr(ingesting, "JUDGED_WITHIN", timedelta(seconds=0.2))

    with pytest.raises(Unavailable, match="could not be judged within"):
        judged_by(ProcessIngester(tmp_path, EVERYTHING), work(1))


def test_a_process_that_cannot_write_leaves_the_judging_to_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingesting, "_JUDGE", ("-c", f"raise SystemExit({ingesting.DISK_FAILED})"))

    assert judged_by(ProcessIngester(tmp_path, EVERYTHING), work(1)).facts.total == 1


# --- helpers --------------------------------------------------------------------------------------


def work(number: int, *before: GoodList) -> IngestWork:
    """Return a list that names the issuing authority, of its root."""
    crl = revocation_list(CA.root, NAMED, number=number)
    at = NOW + timedelta(hours=number)
    return IngestWork("http://crl.example/", crl.public_bytes(Encoding.DER), before, (), JUDGES, at)


def judged_by(ingester: ListIngester, asked: IngestWork) -> GoodList:
    return asyncio.run(ingester.ingest(asked))
