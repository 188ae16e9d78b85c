"""The commands, read from typer's own objects: what is registered there is known here.

What a value names is told by how it is called in usage: ``FILE`` is a file, ``--peer`` a peer. The rules are
in :func:`kind_of`, so that a new command that follows them is completed without an edit.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

from peerkey_cli.shell.grammar import Command, Kind, Parameter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Added by typer when a command is parsed, and so not among the parameters of any.
HELP: Final = Parameter(("--help",), "Show this command's own help.", flag=True)

#: How usage calls files.
_FILES: Final = frozenset({"FILE", "JSON", "F", "LEAF", "CHAIN", "PATH"})
_OPTIONS: Final[Mapping[str, Kind]] = {"--peer": Kind.PEER, "--node": Kind.NODE, "--path": Kind.PATH}
_METAVARS: Final[Mapping[str, Kind]] = {
    "DIR": Kind.DIRECTORY,
    "PEER": Kind.PEER,
    "NODE": Kind.NODE,
    "ROUTER/NODE": Kind.NODE,
    **dict.fromkeys(_FILES, Kind.FILE),
}
_HELP_WIDTH: Final = 200


def read_command(command: Any, name: str, path: tuple[str, ...] = ()) -> Command:  # noqa: ANN401 - typer's own
    """Return a command of typer's with everything below it."""
    parameters = [each for each in command.params if not getattr(each, "hidden", False)]
    options = [each for each in parameters if each.param_type_name == "option"]
    arguments = [each for each in parameters if each.param_type_name == "argument"]
    below: Mapping[str, Any] = getattr(command, "commands", {})
    return Command(
        name=name,
        help=command.get_short_help_str(_HELP_WIDTH),
        options=(*(_option(each, path) for each in options), HELP),
        arguments=tuple(_argument(each, path) for each in arguments),
        commands=tuple(
            read_command(child, each, (*path, each))
            for each, child in sorted(below.items())
            if not getattr(child, "hidden", False)
        ),
    )


def kind_of(path: tuple[str, ...], names: tuple[str, ...], metavar: str, annotation: object) -> Kind | None:
    """Return what a value names, by the command, the names of the option and how usage calls the value."""
    word = metavar.strip("[]. …").partition("|")[0].partition("]")[0]
    if word == "ID" and any(each.startswith("alarm") for each in path):
        return Kind.ALARM
    if "--type" in names and any(each.startswith("event") for each in path):
        return Kind.EVENT
    if path[-2:] == ("stats", "security") and word.startswith("WORD"):
        return Kind.COUNTER
    by_name = next((_OPTIONS[each] for each in names if each in _OPTIONS), None)
    if by_name is not None:
        return by_name
    if word in _METAVARS:
        return _METAVARS[word]
    return Kind.FILE if _is_path(annotation) else None


def _option(parameter: Any, path: tuple[str, ...]) -> Parameter:  # noqa: ANN401 - typer's own
    # A long name first: it says more.
    names = tuple(sorted((*parameter.opts, *parameter.secondary_opts), key=lambda name: name[:2] != "--"))
    flag = bool(getattr(parameter, "is_flag", False) or getattr(parameter, "count", False))
    metavar = parameter.metavar or ""
    return Parameter(
        names=names,
        help=_first_line(parameter.help),
        flag=flag,
        repeats=bool(parameter.multiple),
        required=bool(parameter.required),
        choices=() if flag else tuple(_choices(parameter)),
        kind=None if flag else kind_of(path, names, metavar, _annotation(parameter)),
        metavar=metavar,
    )


def _argument(parameter: Any, path: tuple[str, ...]) -> Parameter:  # noqa: ANN401 - typer's own
    metavar = parameter.metavar or parameter.name.upper()
    choices = tuple(_choices(parameter))
    keyword = metavar.strip("[]")
    # Usage calls a word by itself where nothing else may stand there.
    if parameter.metavar and not choices and keyword.isalpha() and keyword.islower():
        choices = (keyword,)
    return Parameter(
        names=(metavar.strip("[]"),),
        help=_first_line(getattr(parameter, "help", "")),
        repeats=parameter.nargs == -1,
        required=bool(parameter.required),
        choices=choices,
        kind=None if choices else kind_of(path, (), metavar, _annotation(parameter)),
        metavar=metavar.strip("[]"),
    )


def _choices(parameter: Any) -> Iterator[str]:  # noqa: ANN401 - typer's own
    """Yield the values of a fixed list, of an enum or spelt out."""
    annotation = _annotation(parameter)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        yield from (str(each.value) for each in annotation)
    elif get_origin(annotation) is Literal:
        yield from map(str, get_args(annotation))
    else:
        yield from map(str, getattr(getattr(parameter, "type", None), "choices", ()) or ())


def _annotation(parameter: Any) -> object:  # noqa: ANN401 - typer's own
    annotation = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    while not isinstance(annotation, type) and get_origin(annotation) is not Literal:
        inner = [each for each in get_args(annotation) if each is not type(None)]
        if not inner:
            return None
        annotation = inner[0]
    return annotation


def _is_path(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Path)


def _first_line(text: str | None) -> str:
    return " ".join((text or "").split())
