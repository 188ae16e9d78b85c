"""Commands that tell a running system to do something: ``rekey``, ``release-pin``, ``reload``, ``drain``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from peerkey_cli.options import Api, Json, StateDir, client, peer_named

if TYPE_CHECKING:
    from peerkey_cli.client import Client


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("rekey")(rekey)
    app.command("release-pin")(release_pin)
    app.command("reload")(reload)
    app.command("drain")(drain)


def rekey(
    peer: Annotated[
        str | None,
        typer.Option("--peer", metavar="P", help="A router, router/node or UUID; every peer unless given."),
    ] = None,
    json: Json = False,
    state_dir: StateDir = None,
    api: Api = None,
) -> None:
    """Agree new keys now, with every peer or with one.

    A new key is used thirty seconds after it has been computed; the former one stays readable meanwhile.
    """
    from peerkey_cli.schemas import Rekeyed, RekeyRequest
    from peerkey_cli.terminal import say, say_json

    request = RekeyRequest(peer=None if peer is None else peer_named(peer))
    done = client(state_dir, api).post("rekey", Rekeyed, request)
    if json:
        say_json(done)
    else:
        say(f"Agreeing new keys for {done.peerings} peering{'s' if done.peerings != 1 else ''}.")


def release_pin(
    peer: Annotated[str, typer.Option("--peer", metavar="P", help="A router, router/node or UUID.")],
    json: Json = False,
    state_dir: StateDir = None,
    api: Api = None,
) -> None:
    """Forget the pinned certificate of a peer: the next one that it shows is taken.

    Only where `peer-validation` is off are certificates pinned. Be sure that the next one is the peer's.
    """
    from peerkey_cli.schemas import PinReleased, PinRequest
    from peerkey_cli.terminal import say, say_json

    done = client(state_dir, api).post("release-pin", PinReleased, PinRequest(peer=peer_named(peer)))
    if json:
        say_json(done)
    else:
        say(f"Released the pin in {done.peerings} peering{'s' if done.peerings != 1 else ''}.")


def reload(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="A configuration that is to take the place of the system's own, which is kept.",
            readable=False,
        ),
    ] = None,
    json: Json = False,
    state_dir: StateDir = None,
    api: Api = None,
) -> None:
    """Read the configuration and the certificates again. A faulty configuration changes nothing.

    With FILE that is put in the place of the configuration first. Relative names in it count from there.
    """
    from peerkey_cli.replacing import replaced
    from peerkey_cli.schemas import Reloaded
    from peerkey_cli.terminal import say, say_json

    ask = client(state_dir, api)
    done = ask.post("reload", Reloaded) if file is None else replaced(ask, file)
    if json:
        say_json(done)
        return
    say(f"Reloaded: {', '.join(done.nodes)}.")
    for each in done.restart_needed:
        say(f"Restart of the authority needed: {each.setting}: {each.running} -> {each.configured}")


def drain(
    node: Annotated[
        str | None,
        typer.Option("--node", metavar="ROUTER/NODE", help="Only this node; every node unless given."),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option("--host", metavar="H", help="On a cluster: move all nodes off this host or machine."),
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Back to work.")] = False,
    within: Annotated[
        int, typer.Option("--within", metavar="SECONDS", min=0, max=3600, help="How long to wait for it.")
    ] = 60,
    json: Json = False,
    state_dir: StateDir = None,
    api: Api = None,
) -> None:
    """Take a node out of work before maintenance, in order, until `--undo`. A restart changes nothing of it.

    Its mate takes its keys over, where it has one that holds them; else it says farewell to its peers.
    """
    from peerkey_cli.draining import lines, waited
    from peerkey_cli.errors import Status, WrongUsage
    from peerkey_cli.schemas import DrainRequest, Drains
    from peerkey_cli.terminal import say, say_json

    asked = client(state_dir, api)
    if host is not None:
        if node is not None:
            message = "give either --node or --host"
            raise WrongUsage(message)
        _drain_host(asked, host, undo=undo, within=within, json=json)
        return
    done = asked.post("drain", Drains, DrainRequest(node=node, undo=undo))
    say_of = None if json else lambda text: typer.echo(text, err=True)
    done = waited(lambda: asked.get("drain", Drains), done, within, say_of=say_of)
    if json:
        say_json(done)
    else:
        say(*lines(done))
    if any(each.state == "draining" for each in done.nodes):
        raise typer.Exit(Status.NO)


def _drain_host(asked: Client, host: str, *, undo: bool, within: int, json: bool) -> None:
    """Move all nodes off a host or a machine, and wait until they are elsewhere."""
    from peerkey_cli.draining import emptied, host_lines
    from peerkey_cli.errors import Status
    from peerkey_cli.schemas import HostDrainRequest, Hosts, HostsDrained
    from peerkey_cli.terminal import say, say_json

    asked.post("drain/host", HostsDrained, HostDrainRequest(host=host, undo=undo))
    say_of = None if json else lambda text: typer.echo(text, err=True)
    found, left = emptied(lambda: asked.get("hosts", Hosts), host, 0 if undo else within, say_of=say_of)
    if json:
        say_json(found)
    else:
        say(*host_lines(found, host))
    if left and not undo:
        raise typer.Exit(Status.NO)
