"""``peerkey config``: is a configuration right, and what may be in one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from peerkey_cli.options import Api, Json, StateDir, client

if TYPE_CHECKING:
    from peerkey_cli.check import Checked

_group = typer.Typer(help="Check a configuration, and show what may be in one.", rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(_group, name="config")


@_group.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The configuration.", readable=False)],
    json: Json = False,
) -> None:
    """Report every fault of a configuration, and of the files that it names, with file and line.

    Ends with 1 where there is a fault. Warnings, such as a file that is not there yet, do not count.
    """
    from peerkey_cli.check import checked
    from peerkey_cli.errors import Status
    from peerkey_cli.terminal import say_json
    from peerkey_cli.working import working

    with working(f"Checking {file}"):
        outcome = checked(file)
    if json:
        say_json(outcome.document())
    else:
        _print(outcome)
    raise typer.Exit(Status.DONE if outcome.valid else Status.NO)


def _print(outcome: Checked) -> None:
    from peerkey_cli.terminal import printable, say

    for severity, finding in outcome.findings():
        where = f"{finding.source}:{finding.line}:{finding.column}" if finding.line else finding.source
        path = f"{finding.path}: " if finding.path else ""
        say(printable(f"{where}: {severity}: {path}{finding.message}"))
    if outcome.unlisted:
        say(f"and {outcome.unlisted} more faults")
    say(outcome.summary())


@_group.command()
def diff(
    first: Annotated[Path, typer.Argument(metavar="A", help="The configuration that runs.", readable=False)],
    second: Annotated[
        Path | None,
        typer.Argument(metavar="[B]", help="The one that is to take its place.", readable=False),
    ] = None,
    json: Json = False,
    state_dir: StateDir = None,
    api: Api = None,
) -> None:
    """Tell what a reload from A to B would do; with one file, what it would do to the running system.

    Nothing is changed. Names of files in B count from the directory of A.
    """
    from peerkey_cli.foretelling import between, lines, to_running
    from peerkey_cli.terminal import printable, say, say_json

    found = to_running(client(state_dir, api), first) if second is None else between(first, second)
    if json:
        say_json(found)
        return
    for line in lines(found):
        say(printable(line))


@_group.command()
def schema(
    yang: Annotated[
        bool, typer.Option("--yang", help="Print a YANG module (RFC 7950) in place of it.")
    ] = False,
) -> None:
    """Print the JSON Schema of a configuration (draft 2020-12), for editors and other tools."""
    if yang:
        from peerkey.config.yang import yang_module

        typer.echo(yang_module(), nl=False)
        return
    import json

    from peerkey.config.schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
