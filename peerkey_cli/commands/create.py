"""``peerkey create``: what a node needs before an authority can give it a certificate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from peerkey_cli.key_types import KeyType
from peerkey_cli.options import Json, StateDir

#: "The private key of the base certificate."
_BASE = "base"

_group = typer.Typer(help="Make what a certificate is asked for with.", rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(_group, name="create")


@_group.callback()
def create() -> None:
    """Make what a certificate is asked for with."""


@_group.command("private-key")
def private_key(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="Its name, the path of its file, or where it is in hardware: pkcs11:… or tpm:NAME.",
            show_default=_BASE,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="Make the key of a node of this configuration."),
    ] = None,
    node: Annotated[
        str | None, typer.Option("--node", metavar="ROUTER/NODE", help="The node, with --config.")
    ] = None,
    algorithm: Annotated[
        KeyType, typer.Option("--algorithm", help="Kind and size of the key.")
    ] = KeyType.EC_P256,
    force: Annotated[bool, typer.Option("--force", help="Replace a key that is there.")] = False,
    state_dir: StateDir = None,
    json: Json = False,
) -> None:
    """Make a private key where it stays; nothing but its public key is ever shown."""
    from peerkey_cli.private_keys import create_private_key, owner_in, owner_of_this_machine
    from peerkey_cli.state import StateDirectory, default_directory

    if (config is None) is not (node is None):
        raise typer.BadParameter("--config and --node go together")
    if name is not None and config is not None:
        raise typer.BadParameter("give either NAME or --config and --node; the configuration names the key")
    state = StateDirectory(state_dir or default_directory())
    if config is not None and node is not None:
        owner = owner_in(config, node)
    else:
        owner = owner_of_this_machine(name or _BASE, state)
    made = create_private_key(owner, algorithm, state, replace=force)
    if json:
        typer.echo(made.model_dump_json(indent=2))
        return
    typer.echo(f"{'replaced' if made.replaced else 'created'} {made.name}")
    typer.echo(f"  algorithm    {made.algorithm}")
    typer.echo(f"  fingerprint  {made.fingerprint}")
    typer.echo(f"  node         {made.node_uuid}")
