"""``peerkey``: the command line, put together.

This module only assembles. Each module below :mod:`peerkey_cli.commands` defines one command or one group,
and imports what it needs when it is called, so that ``peerkey --help`` loads none of it.
"""

from __future__ import annotations

from typing import Annotated

import typer

from peerkey_cli.commands import (
    act,
    backup,
    bench,
    clear,
    completion,
    config,
    create,
    delete,
    demo,
    enroll,
    events,
    import_,
    page,
    pki,
    report,
    run,
    shell,
    shelve,
    show,
    simulate,
    wire,
)
from peerkey_cli.errors import Commands, Status

app = typer.Typer(
    name="peerkey",
    cls=Commands,
    help="Authenticates the peerings of a router fleet with X.509 certificates and rotates their keys.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    # Completion is our own: `peerkey_cli.shell.completing`.
    add_completion=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        from peerkey_cli.versions import own_version

        typer.echo(f"peerkey {own_version()}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    _: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", callback=_version, is_eager=True)
    ] = False,
    _install: Annotated[
        bool,
        typer.Option(
            "--install-completion",
            help="Install completion for the shell in use.",
            callback=completion.install_and_end,
            is_eager=True,
        ),
    ] = False,
    _show: Annotated[
        bool,
        typer.Option(
            "--show-completion",
            help="Print the script of completion for the shell in use.",
            callback=completion.show_and_end,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Authenticates the peerings of a router fleet with X.509 certificates and rotates their keys."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(Status.USAGE)


run.register(app)
shell.register(app)
completion.register(app)
bench.register(app)
show.register(app)
act.register(app)
backup.register(app)
config.register(app)
demo.register(app)
simulate.register(app)
create.register(app)
delete.register(app)
import_.register(app)
enroll.register(app)
pki.register(app)
wire.register(app)
events.register(app)
clear.register(app)
shelve.register(app)
page.register(app)
report.register(app)

if __name__ == "__main__":
    app(prog_name="peerkey")
