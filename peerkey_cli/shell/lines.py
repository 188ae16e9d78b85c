r"""A line as words: blanks separate, quotes join, ``|`` passes on, ``#`` begins a remark.

As in a POSIX shell, and no more than that: ``'…'`` takes everything as it stands, ``"…"`` all but ``\"`` and
``\\``, and ``\`` the next character. Nothing is ever substituted. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: The longest line that is carried out, completed or kept: far beyond what anybody types, well below what
#: would make a prompt slow.
LONGEST_LINE: Final = 4_096

_BARE: Final = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@%+,=-",
)


@dataclass(frozen=True, slots=True)
class Word:
    """A word, and where in the line it stands."""

    text: str
    start: int
    #: Some of it was quoted: it stands for itself.
    quoted: bool = False
    #: It is the ``|`` between two commands.
    pipe: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """The words of a line."""

    words: tuple[Word, ...]
    #: A quote has no end yet, or the last character quotes one that is not there.
    unfinished: bool
    #: The last word may go on: no blank follows it.
    touching: bool

    def parts(self) -> tuple[tuple[Word, ...], ...]:
        """Return the command, and what stands behind each pipe."""
        parts: list[list[Word]] = [[]]
        for word in self.words:
            if word.pipe:
                parts.append([])
            else:
                parts[-1].append(word)
        return tuple(map(tuple, parts))


def read(text: str) -> Line:
    """Return the words of a line, or of what stands before the cursor."""
    words: list[Word] = []
    letters: list[str] | None = None
    start, quote, quoted, place = 0, "", False, 0
    while place < len(text):
        each = text[place]
        following = text[place + 1 : place + 2]
        if each == "\\" and quote != "'" and (not quote or following in {'"', "\\"}):
            letters, start = (letters, start) if letters is not None else ([], place)
            letters.append(following)
            quoted = True
            place += 1
            if not following:
                quote = "\\"
        elif quote:
            if each == quote:
                quote = ""
            elif letters is not None:
                letters.append(each)
        elif each in "'\"":
            letters, start = (letters, start) if letters is not None else ([], place)
            quote, quoted = each, True
        elif each.isspace() or each == "|":
            if letters is not None:
                words.append(Word("".join(letters), start, quoted))
            letters, quoted = None, False
            if each == "|":
                words.append(Word("|", place, pipe=True))
        elif each == "#" and letters is None:
            return Line(tuple(words), unfinished=False, touching=False)
        else:
            letters, start = (letters, start) if letters is not None else ([], place)
            letters.append(each)
        place += 1
    if letters is not None:
        words.append(Word("".join(letters), start, quoted))
    return Line(tuple(words), unfinished=bool(quote), touching=letters is not None)


def written(word: str) -> str:
    """Return how a word is typed so that it is read as it is, here as in bash and zsh."""
    return "".join(each if each in _BARE else f"\\{each}" for each in word) or "''"
