"""``peerkey delete``: what a node does not need any more."""

from __future__ import annotations

from typing import Annotated

import typer

from peerkey_cli.options import (
    Api,
    Config,
    Json,
    NodeOfConfig,
    PrivateKeyName,
    StateDir,
    client,
    require_one_owner,
)

_group = typer.Typer(help="Destroy what a node does not need any more.", rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(_group, name="delete")


@_group.callback()
def delete() -> None:
    """Destroy what a node does not need any more."""


@_group.command("private-key")
def private_key(
    name: PrivateKeyName = None,
    config: Config = None,
    node: NodeOfConfig = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Delete it also if a certificate belongs to it.")
    ] = False,
    state_dir: StateDir = None,
    api: Api = None,
    json: Json = False,
) -> None:
    """Destroy a private key, in a file, a token or a TPM. It cannot be brought back."""
    from peerkey_cli.deletion import check_deletable, delete_private_key
    from peerkey_cli.private_keys import BASE, key_of_this_machine, owner_in, owner_of_this_machine
    from peerkey_cli.state import StateDirectory, default_directory
    from peerkey_cli.terminal import say_json

    require_one_owner(name, config, node)
    state = StateDirectory(state_dir or default_directory())
    configured = owner_in(config, node) if config is not None and node is not None else None
    key = configured.key if configured is not None else key_of_this_machine(name or BASE, state)
    certificate = None if configured is None else configured.certificate
    print_ = check_deletable(key, certificate, state, client(state_dir, api), force=force)
    if not yes:
        _ask(key)
    # A machine that has a key has an identity; one that has none needs none for this.
    owner = configured or owner_of_this_machine(key, state)
    deleted = delete_private_key(owner, state, print_)
    if json:
        say_json(deleted)
        return
    typer.echo(f"deleted {deleted.name}")
    typer.echo(f"  fingerprint  {deleted.fingerprint or 'N/A'}")


def _ask(key: str) -> None:
    """Go on if the operator says so.

    :raises WrongUsage: nobody is there who could.
    :raises typer.Abort: they say no.
    """
    from peerkey_cli.asking import at_a_terminal
    from peerkey_cli.errors import WrongUsage

    if not at_a_terminal():
        message = f"{key}: nobody is here who could be asked; say --yes to delete it"
        raise WrongUsage(message)
    if not typer.confirm(f"Delete {key}? It cannot be brought back.", err=True):
        raise typer.Abort
