"""The options that go with ``--api https://HOST:PORT``, on every command that asks a running system.

They are added where ``--api`` is, so that no command forgets them. A token is never an argument, which every
user of a machine can read: its file is named.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typer
from typer.main import get_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typer.core import TyperGroup

#: Names the file of the token where no option does.
TOKEN_FILE: Final = "PEERKEY_API_TOKEN_FILE"  # noqa: S105 - the name of a variable
#: Names the file of the trusted CA where no option does.
CA: Final = "PEERKEY_API_CA"

#: The command whose ``--api`` says where to listen.
_LISTENS: Final = "run"


@dataclass(frozen=True, slots=True)
class RemoteOptions:
    """What a command line said of a system that is asked over TCP."""

    token_file: Path | None = None
    ca: Path | None = None


_said: ContextVar[RemoteOptions] = ContextVar("remote options")


def said() -> RemoteOptions:
    """Return what the command line that is being carried out has said."""
    return _said.get(RemoteOptions())


def add_remote_options(group: TyperGroup) -> None:
    """Give the options to every command below ``group`` that has ``--api``."""
    options = _options()
    for command in _asking(group):
        command.params.extend(options)


def _asking(group: TyperGroup) -> Iterator[Any]:
    """Yield every command that asks a running system."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _asking(cast("TyperGroup", command))
        elif name != _LISTENS and any("--api" in each.opts for each in command.params):
            yield command


def _options() -> list[Any]:
    """Return new options, made as typer makes those of a function."""
    probe = typer.Typer(add_completion=False)
    probe.command()(_remember)
    return [each for each in get_command(probe).params if each.name != "help"]


def _token_file(value: Path | None) -> Path | None:
    _said.set(RemoteOptions(value, said().ca))
    return value


def _ca(value: Path | None) -> Path | None:
    _said.set(RemoteOptions(said().token_file, value))
    return value


def _remember(
    api_token_file: Annotated[
        Path | None,
        typer.Option(
            "--api-token-file",
            metavar="FILE",
            envvar=TOKEN_FILE,
            expose_value=False,
            callback=_token_file,
            help="With --api https://HOST:PORT: the file that holds the token.",
        ),
    ] = None,
    api_ca: Annotated[
        Path | None,
        typer.Option(
            "--api-ca",
            metavar="FILE",
            envvar=CA,
            expose_value=False,
            callback=_ca,
            help="With --api https://HOST:PORT: who vouches for its certificate; those of this machine else.",
        ),
    ] = None,
) -> None:
    """Stand for the options."""
