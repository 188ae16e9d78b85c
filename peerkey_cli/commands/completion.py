"""``peerkey completion``: what makes bash and zsh complete the words of this command."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from peerkey_cli.shell.completing import Shell


class ShellName(StrEnum):
    """The shells that there is completion for."""

    BASH = "bash"
    ZSH = "zsh"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("completion")(completion)


def completion(
    shell: Annotated[ShellName | None, typer.Argument(help="The shell; that in use unless given.")] = None,
    install: Annotated[
        bool, typer.Option("--install", help="Write it where the shell finds it at its next start.")
    ] = False,
) -> None:
    """Print the script by which bash or zsh completes commands, options, and names of the running system.

    In the shell in use it takes effect with `source <(peerkey completion)`.
    """
    from peerkey_cli.shell.completing import SCRIPTS

    chosen = _chosen(shell)
    if install:
        _install(chosen)
    else:
        typer.echo(SCRIPTS[chosen], nl=False)


def show_and_end(wanted: bool) -> None:
    """Do what ``--show-completion`` says."""
    if wanted:
        completion()
        raise typer.Exit


def install_and_end(wanted: bool) -> None:
    """Do what ``--install-completion`` says."""
    if wanted:
        completion(install=True)
        raise typer.Exit


def _chosen(shell: ShellName | None) -> Shell:
    from peerkey_cli.errors import WrongUsage
    from peerkey_cli.shell.completing import Shell, shell_in_use

    chosen = shell_in_use() if shell is None else Shell(shell.value)
    if chosen is None:
        message = "which shell is in use cannot be told; say bash or zsh, as in `peerkey completion bash`"
        raise WrongUsage(message)
    return chosen


def _install(shell: Shell) -> None:
    from pathlib import Path

    from peerkey.errors import Misconfigured
    from peerkey_cli.shell.completing import install

    try:
        script, start = install(shell, Path.home())
    except OSError as fault:
        message = f"{fault.filename}: cannot be written: {fault.strerror}"
        raise Misconfigured(message) from fault
    typer.echo(f"wrote {script}, which {start} names; a new {shell} completes peerkey")
