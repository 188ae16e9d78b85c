"""The commands as a tree of values, and where a line of words has led in it.

:func:`walked` follows words from the root. A word may be abbreviated as long as it is clear which is meant:
``sh peers sec`` is ``show peers security``. That holds for commands, options and words of a fixed list, and
never for names of peers or files. Pure: see :mod:`peerkey_cli.shell.reading` for where the tree comes from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from peerkey.errors import PeerkeyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: What ends the options of a command line.
_END_OF_OPTIONS: Final = "--"


class Kind(Enum):
    """What a value names, where that is not one of a fixed list."""

    PEER = "a peer"
    NODE = "a node"
    PATH = "a path"
    ALARM = "an alarm"
    EVENT = "a type of event"
    COUNTER = "a counter"
    FILE = "a file"
    DIRECTORY = "a directory"


@dataclass(frozen=True, slots=True)
class Parameter:
    """An option, or an argument, which has no dashes."""

    #: ``--json``; of an argument how it is called in usage, such as ``FILE``.
    names: tuple[str, ...]
    help: str = ""
    #: It takes no value.
    flag: bool = False
    #: It may be given again.
    repeats: bool = False
    required: bool = False
    #: The values of a fixed list.
    choices: tuple[str, ...] = ()
    kind: Kind | None = None
    #: What usage calls the value of an option.
    metavar: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """A command, or a group of them."""

    name: str
    help: str = ""
    options: tuple[Parameter, ...] = ()
    arguments: tuple[Parameter, ...] = ()
    commands: tuple[Command, ...] = ()

    def child(self, name: str) -> Command:
        """Return the command of that name.

        :raises KeyError: there is none.
        """
        for each in self.commands:
            if each.name == name:
                return each
        raise KeyError(name)


#: What fingers type on every router, whatever else begins with it.
_USUAL: Final = {"sh": "show"}


class Ambiguous(PeerkeyError):
    """An abbreviation that may mean several words."""

    def __init__(self, word: str, meanings: Sequence[str]) -> None:
        """Say which."""
        listed = f"{', '.join(meanings[:-1])} or {meanings[-1]}"
        super().__init__(f"{word!r} is ambiguous: it may be {listed}")
        self.word = word
        self.meanings = tuple(meanings)


@dataclass(frozen=True, slots=True)
class Place:
    """Where words have led."""

    command: Command
    #: The names of the groups and the command on the way.
    path: tuple[str, ...] = ()
    #: All words so far, abbreviations written out.
    words: tuple[str, ...] = ()
    #: Values of options, by every name of theirs; of a repeated one the last.
    values: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    #: Arguments so far.
    arguments: tuple[str, ...] = ()
    #: The option whose value comes next.
    waiting: Parameter | None = None
    #: ``--`` was said: what comes is no option.
    only_arguments: bool = False
    #: Something was said that does not exist, so nothing is known of what may follow.
    lost: bool = False

    def argument(self) -> Parameter | None:
        """Return the argument that may come next."""
        parameters, taken = self.command.arguments, len(self.arguments)
        if taken < len(parameters):
            return parameters[taken]
        return parameters[-1] if parameters and parameters[-1].repeats else None

    def open_options(self) -> tuple[Parameter, ...]:
        """Return the options that may still be given."""
        if self.only_arguments:
            return ()
        return tuple(
            each for each in self.command.options if each.repeats or each.names[0] not in self.values
        )

    def complete(self) -> bool:
        """Tell whether nothing is missing: the line could be carried out."""
        if self.command.commands or self.waiting is not None or self.lost:
            return False
        missing = self.command.arguments[len(self.arguments) :]
        wanted = (each for each in self.command.options if each.required)
        return not any(each.required for each in missing) and all(
            each.names[0] in self.values for each in wanted
        )


def walked(root: Command, words: Iterable[str]) -> Place:
    """Follow ``words`` from the root; return where they lead.

    :raises Ambiguous: an abbreviation may mean several words.
    """
    place = Place(root)
    for word in words:
        place = _next(place, word)
    return place


def meant(word: str, choices: Iterable[str]) -> str | None:
    """Return the one of ``choices`` that ``word`` is or abbreviates, or ``None`` where there is none.

    :raises Ambiguous: there are several.
    """
    possible = [each for each in choices if each.startswith(word)]
    if word in possible:
        return word
    if _USUAL.get(word) in possible:
        return _USUAL[word]
    if len(possible) > 1:
        raise Ambiguous(word, possible)
    return possible[0] if possible and word else None


def _next(place: Place, word: str) -> Place:
    if place.lost:
        return _moved(place, word)
    if place.waiting is not None:
        value = meant(word, place.waiting.choices) or word
        return _moved(place, value, values=_with(place, place.waiting, value), waiting=None)
    if not place.only_arguments and word.startswith("-") and len(word) > 1:
        return _option(place, word)
    if place.command.commands:
        name = meant(word, (each.name for each in place.command.commands))
        if name is None:
            return _moved(place, word, lost=True)
        child = place.command.child(name)
        return Place(child, (*place.path, name), (*place.words, name), place.values)
    parameter = place.argument()
    if parameter is None:
        return _moved(place, word, lost=True)
    value = meant(word, parameter.choices) or word
    return _moved(place, value, arguments=(*place.arguments, value))


def _option(place: Place, word: str) -> Place:
    if word == _END_OF_OPTIONS:
        return _moved(place, word, only_arguments=True)
    said, equals, value = word.partition("=")
    known = {name: each for each in place.command.options for name in each.names}
    # One dash abbreviates nothing.
    name = meant(said, known) if said.startswith("--") else said if said in known else None
    if name is None:
        return _moved(place, word, lost=True)
    option = known[name]
    if equals:
        value = meant(value, option.choices) or value
        return _moved(place, f"{name}={value}", values=_with(place, option, value))
    if option.flag:
        return _moved(place, name, values=_with(place, option, ""))
    return _moved(place, name, waiting=option)


def _with(place: Place, option: Parameter, value: str) -> Mapping[str, str]:
    return MappingProxyType({**place.values, **dict.fromkeys(option.names, value)})


def _moved(  # what may change from word to word is that much
    place: Place,
    word: str,
    *,
    values: Mapping[str, str] | None = None,
    arguments: tuple[str, ...] | None = None,
    waiting: Parameter | None = None,
    only_arguments: bool = False,
    lost: bool = False,
) -> Place:
    return Place(
        command=place.command,
        path=place.path,
        words=(*place.words, word),
        values=place.values if values is None else values,
        arguments=place.arguments if arguments is None else arguments,
        waiting=waiting,
        only_arguments=place.only_arguments or only_arguments,
        lost=place.lost or lost,
    )
