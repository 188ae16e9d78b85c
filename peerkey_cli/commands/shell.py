"""``peerkey shell``: the same words at an interactive prompt."""

from __future__ import annotations

from pathlib import Path

import typer

from peerkey_cli.options import Api, StateDir


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("shell")(shell)


def shell(context: typer.Context, state_dir: StateDir = None, api: Api = None) -> None:
    """Type the same commands at a prompt, with completion, `?` help, history, pages and filters.

    What is said here of the system holds for every command. From a file or a pipe each line is carried out
    without a prompt; the exit status is then that of the first line that failed.
    """
    import sys

    from peerkey_cli.remote_options import said
    from peerkey_cli.shell.executing import Executor, addressed, words_of_the_shell
    from peerkey_cli.shell.names import Addressed, Asked, LiveNames
    from peerkey_cli.shell.reading import read_command

    application = context.find_root().command
    root = words_of_the_shell(read_command(application, "peerkey"))
    remote = said()
    system = Addressed(_text(state_dir), api, _text(remote.token_file), _text(remote.ca))
    asked = Asked()
    names = LiveNames(asked, system)
    person = sys.stdin.isatty() and sys.stdout.isatty()
    executor = Executor(application, root, system, names, paged=person)
    with addressed(system):
        if person:
            from peerkey_cli.shell.prompt import Console

            Console(executor, root, names, asked, system).run()
            return
        from peerkey_cli.shell.script import run

        raise typer.Exit(run(executor, sys.stdin))


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
