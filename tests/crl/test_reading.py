"""Reading large files in pieces."""

from __future__ import annotations

from io import BytesIO

import pytest

from actors.crl.reading import PIECE_BYTES, read_in_pieces


class Watched(BytesIO):
    """A file that knows how much was asked for at once."""

    most = 0

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size >= 0
        self.most = max(self.most, size)
        return super().read(size)


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, 3 * PIECE_BYTES + 1])
def test_all_of_a_file_comes_in_small_pieces(size: int) -> None:
    content = bytes(index % 251 for index in range(size))
    file = Watched(content)

    assert read_in_pieces(file, size + 1) == content
    assert file.most <= PIECE_BYTES


def test_no_more_is_read_than_is_wanted() -> None:
    file = Watched(bytes(2 * PIECE_BYTES))

    assert len(read_in_pieces(file, PIECE_BYTES + 3)) == PIECE_BYTES + 3
    assert file.tell() == PIECE_BYTES + 3
