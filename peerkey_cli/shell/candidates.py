"""What may stand next in a line: for completion the words, for ``?`` the words with a line of help each.

Pure. Names that only a running system or a disk knows come from a :class:`Names`, which is asked when the
cursor stands where such a name belongs.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

from peerkey_cli.shell.grammar import Ambiguous, Command, Kind, Parameter, Place, meant, walked
from peerkey_cli.shell.lines import Line, Word, read
from peerkey_cli.shell.pipes import FILTERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: Longer lists help nobody, and a fleet may have thousands of peers.
MOST_CANDIDATES: Final = 500
#: What stands for the key that carries a line out.
ENTER: Final = "<Enter>"
_PIPE: Final = "|"
_PIPE_HELP: Final = "Filter what is printed: include, exclude, begin, count, no-more."


@dataclass(frozen=True, slots=True)
class Candidate:
    """A word that may stand at the cursor."""

    text: str
    help: str = ""
    #: More of the same word may follow, as behind the name of a directory.
    partial: bool = False
    #: It tells, and cannot be completed to.
    shown_only: bool = False


class Names(Protocol):
    """Whoever knows what is called how."""

    def known(self, kind: Kind, place: Place, begun: str) -> Iterable[Candidate]:
        """Return the names of a kind that begin so; none where nobody can be asked."""
        ...


class NoNames:
    """Knows none."""

    def known(self, kind: Kind, place: Place, begun: str) -> Iterable[Candidate]:
        """See :class:`Names`."""
        del kind, place, begun
        return ()


@dataclass(frozen=True, slots=True)
class Completions:
    """What the word at the cursor may become."""

    #: Where in the line that word begins.
    start: int
    candidates: tuple[Candidate, ...]
    #: The kind of name that is wanted here, for whoever has a better source of it, as bash has of files.
    kind: Kind | None = None


def completions(root: Command, before: str, names: Names) -> Completions:
    """Return what the word that ends at the cursor may become; ``before`` is the line up to there."""
    line = read(before)
    *_, part = line.parts()
    begun = part[-1] if line.touching and part else Word("", len(before))
    done = part[:-1] if line.touching and part else part
    if len(line.parts()) > 1:
        filters = () if done else _starting(begun.text, FILTERS.items())
        return Completions(begun.start, tuple(filters))
    try:
        place = walked(root, (word.text for word in done))
    except Ambiguous:
        return Completions(begun.start, ())
    parameter, base, rest = _wanted(place, begun.text)
    found = [
        Candidate(f"{base}{each.text}", each.help, each.partial)
        for each in _bounded(_words(place, parameter, rest, names))
    ]
    kind = None if parameter is None or parameter.choices else parameter.kind
    return Completions(begun.start, tuple(found), kind)


def help_lines(root: Command, before: str, names: Names) -> list[Candidate]:
    """Return what may come next, each with its line of help, for ``?``.

    :raises Ambiguous: a word before the cursor may mean several.
    """
    line = read(before)
    *_, part = line.parts()
    begun = part[-1].text if line.touching and part else ""
    done = part[:-1] if line.touching and part else part
    if len(line.parts()) > 1:
        return _of_a_filter(done, begun)
    place = walked(root, (word.text for word in done))
    if place.lost:
        return []
    parameter, _, rest = _wanted(place, begun)
    shown = _bounded(_words(place, parameter, rest, names))
    if parameter is not None and not shown and not parameter.choices:
        shown = [Candidate(_title(parameter), parameter.help, shown_only=True)]
    if place.waiting is None and not begun and not place.command.commands:
        listed = {each.text for each in shown}
        shown += [each for each in _options(place, "") if each.text not in listed]
        if place.complete():
            shown += [
                Candidate(ENTER, "Carry it out.", shown_only=True),
                Candidate(_PIPE, _PIPE_HELP, shown_only=True),
            ]
    return shown


def _of_a_filter(done: Sequence[Word], begun: str) -> list[Candidate]:
    if not done:
        return list(_starting(begun, FILTERS.items()))
    name = meant(done[0].text, FILTERS)
    text = [] if name in {"count", "no-more"} else [Candidate("TEXT", FILTERS.get(name or "", ""))]
    ready = len(done) > 1 or name in {"count", "no-more"} or begun
    return [*text, *([Candidate(ENTER, "Carry it out."), Candidate(_PIPE, _PIPE_HELP)] if ready else [])]


def _wanted(place: Place, begun: str) -> tuple[Parameter | None, str, str]:
    """Return what the word is a value of, what of it is no part of the value, and what has been begun."""
    if place.waiting is not None:
        return place.waiting, "", begun
    said, equals, value = begun.partition("=")
    if begun.startswith("-") and not place.only_arguments:
        if equals:
            for each in place.command.options:
                if said in each.names and not each.flag:
                    return each, f"{said}=", value
        return None, "", begun
    return place.argument(), "", begun


def _words(place: Place, parameter: Parameter | None, begun: str, names: Names) -> Iterator[Candidate]:
    if place.lost:
        return
    if parameter is not None:
        if parameter.choices:
            yield from _starting(begun, ((each, parameter.help) for each in parameter.choices))
        elif parameter.kind is not None:
            yield from names.known(parameter.kind, place, begun)
        return
    if begun.startswith("-"):
        yield from _options(place, begun)
    elif place.command.commands:
        yield from _starting(begun, ((each.name, each.help) for each in place.command.commands))
    elif not begun:
        yield from _options(place, "")


def _options(place: Place, begun: str) -> Iterator[Candidate]:
    for option in place.open_options():
        names = [name for name in option.names if name.startswith(begun)]
        # Without a dash the long name says more; the others are there for whoever begins them.
        yield from (Candidate(name, option.help) for name in (names if begun else names[:1]))


def _starting(begun: str, words: Iterable[tuple[str, str]]) -> Iterator[Candidate]:
    return (Candidate(word, text) for word, text in words if word.startswith(begun))


def _bounded(found: Iterable[Candidate]) -> list[Candidate]:
    return list(islice(found, MOST_CANDIDATES))


def _title(parameter: Parameter) -> str:
    return parameter.metavar or parameter.names[0]


def is_help(line: Line) -> bool:
    """Tell whether a line asks what may come next: its last word is a ``?`` that nobody has quoted."""
    return bool(line.words) and line.words[-1].text.endswith("?") and not line.words[-1].quoted
