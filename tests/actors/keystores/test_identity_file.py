"""The identity of a node: made once, by whoever comes first, and replaced by nobody."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from uuid import UUID, uuid4

import pytest

from actors.keystores.identity_file import node_uuid
from peerkey.errors import Misconfigured, Unavailable

NODE = UUID("d66887a3-a556-4782-952b-f8818ec8d8bc")


def test_it_is_made_on_first_need_and_the_same_ever_after(tmp_path: Path) -> None:
    path = tmp_path / "state" / "identity"

    assert node_uuid(path, lambda: NODE) == NODE
    assert node_uuid(path) == NODE
    assert path.read_text("ascii") == f"{NODE}\n"
    assert [each.name for each in path.parent.iterdir()] == ["identity"]


def test_it_survives_the_removal_of_everything_else(tmp_path: Path) -> None:
    first = node_uuid(tmp_path / "identity")
    copy = tmp_path / "new" / "identity"
    copy.parent.mkdir()
    copy.write_bytes((tmp_path / "identity").read_bytes())

    assert node_uuid(copy) == first


def test_of_many_that_begin_at_once_one_wins_for_all(tmp_path: Path) -> None:
    together = Barrier(8)

    def begin() -> UUID:
        def new() -> UUID:
            together.wait()  # each has found no file, and makes its own UUID
            return uuid4()

        return node_uuid(tmp_path / "identity", new)

    with ThreadPoolExecutor(8) as threads:
        found = {each.result() for each in [threads.submit(begin) for _ in range(8)]}

    assert len(found) == 1
    assert found == {node_uuid(tmp_path / "identity")}


@pytest.mark.parametrize(
    "content",
    ["", "nonsense\n", "00000000-0000-0000-0000-000000000000\n", f"{NODE.hex}\n", f"{NODE}x", "\xff"],
)
def test_a_damaged_one_is_told_and_left_alone(content: str, tmp_path: Path) -> None:
    path = tmp_path / "identity"
    path.write_text(content, "latin-1")

    with pytest.raises(Misconfigured, match="holds no UUID"):
        node_uuid(path)

    assert path.read_text("latin-1") == content


def test_what_cannot_be_read_or_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").touch()

    with pytest.raises(Misconfigured, match="leads nowhere"):
        node_uuid(tmp_path / "dangling")
    with pytest.raises(Misconfigured, match="cannot be read"):
        node_uuid(tmp_path)
    with pytest.raises((Misconfigured, Unavailable), match="identity"):
        node_uuid(tmp_path / "file" / "identity")
