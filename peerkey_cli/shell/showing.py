"""How ``?`` shows what may come next: a column of words, a column of help, as wide as the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from peerkey_cli.terminal import printable, width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from peerkey_cli.shell.candidates import Candidate

#: A longer word has its help pushed aside, and the others keep their column.
_WIDEST: Final = 32


def shown(candidates: Sequence[Candidate]) -> list[str]:
    """Return a line for each."""
    words = [printable(each.text) for each in candidates]
    column = min(_WIDEST, max(map(len, words), default=0))
    room = width() - column - 4
    return [
        f"  {word:<{column}}  {_short(printable(each.help), room)}".rstrip()
        for word, each in zip(words, candidates, strict=True)
    ]


def _short(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 1].rstrip()}…"
