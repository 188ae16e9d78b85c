"""The last good lists, as files."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from actors.crl.kept_lists import KeptFiles
from actors.crl.port import KeptLists
from actors.crl.status import RevocationStatus, SourceStatus
from peerkey.errors import Unavailable
from peerkey.pki.crl_polling import PollState, Validators
from peerkey.pki.list_subscriptions import Origin
from peerkey_cli.cluster.program import PROGRAM
from runtime.cluster.codec import Codec
from runtime.ref import Delivery, Ref

URL = "http://crl.example/ca.crl"
FETCHED = datetime(2030, 6, 15, 12, tzinfo=UTC)


def test_what_was_kept_is_there_again(tmp_path: Path) -> None:
    KeptFiles(tmp_path / "crl").save(kept(b"\x30list\nwith lines"))

    assert KeptFiles(tmp_path / "crl").load(URL) == kept(b"\x30list\nwith lines")
    assert KeptFiles(tmp_path / "crl").addresses() == ((URL, FETCHED),)


def test_what_is_told_of_a_list_that_was_kept_travels_to_another_host(tmp_path: Path) -> None:
    KeptFiles(tmp_path).save(kept(b"list"))
    found = KeptFiles(tmp_path).load(URL)
    assert found is not None
    (_, until), *_ = KeptFiles(tmp_path).addresses()

    codec = Codec(PROGRAM.registry, str, lambda name: Ref(name, cast("Delivery", None)))
    status = RevocationStatus(
        sources=(
            SourceStatus(URL, Origin.CONFIGURED, PollState.WAITING, fetched=found.fetched, confirmed=until),
        )
    )

    assert codec.decode_untrusted(codec.encode(status)) == status


def test_a_directory_that_is_not_there_keeps_nothing(tmp_path: Path) -> None:
    assert KeptFiles(tmp_path / "none").load(URL) is None
    assert KeptFiles(tmp_path / "none").addresses() == ()


def test_the_next_list_replaces_the_one_before(tmp_path: Path) -> None:
    keeper = KeptFiles(tmp_path)
    keeper.save(kept(b"one"))
    keeper.save(kept(b"two"))

    assert keeper.load(URL) == kept(b"two")
    assert len(list(tmp_path.iterdir())) == 1


def test_what_was_dropped_is_gone_and_may_be_dropped_again(tmp_path: Path) -> None:
    keeper = KeptFiles(tmp_path)
    keeper.save(kept(b"one"))
    keeper.drop(URL)
    keeper.drop(URL)

    assert keeper.load(URL) is None
    assert keeper.addresses() == ()


def test_every_damage_to_a_file_is_noticed(tmp_path: Path) -> None:
    keeper = KeptFiles(tmp_path)
    keeper.save(kept(b"a list"))
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()

    read = []
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        read.append(keeper.load(URL))
        path.write_bytes(whole[:place])
        read.append(keeper.load(URL))

    assert set(read) == {None}


def test_a_list_under_the_name_of_another_address_is_not_taken(tmp_path: Path) -> None:
    keeper = KeptFiles(tmp_path)
    keeper.save(kept(b"theirs"))
    (theirs,) = tmp_path.iterdir()
    keeper.save(kept(b"ours", "http://other.example/"))
    (ours,) = set(tmp_path.iterdir()) - {theirs}
    theirs.replace(ours)

    assert keeper.load("http://other.example/") is None
    assert keeper.addresses() == ()


def test_a_draft_that_a_crash_left_is_no_list(tmp_path: Path) -> None:
    keeper = KeptFiles(tmp_path)
    keeper.save(kept(b"whole"))
    (path,) = tmp_path.iterdir()
    path.with_name(f".{path.name}.0a0b").write_bytes(path.read_bytes()[:40])

    assert keeper.load(URL) == kept(b"whole")
    assert keeper.addresses() == ((URL, FETCHED),)


def test_a_place_that_cannot_be_written_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(Unavailable, match="file"):
        KeptFiles(tmp_path / "file").save(kept(b"one"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# --- helpers --------------------------------------------------------------------------------------


def kept(content: bytes, url: str = URL) -> KeptLists:
    validators = Validators('"tag"', "Sat, 15 Jun 2030 12:00:00 GMT")
    return KeptLists(url, (b"older", content), validators, FETCHED, FETCHED, (b"signer",))
