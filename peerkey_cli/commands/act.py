"""Commands that tell a running system to do something: ``rekey``, ``release-pin`` and ``reload``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from peerkey_cli.options import Api, Json, StateDir, client, peer_named


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("rekey")(rekey)
    app.command("release-pin")(release_pin)
    app.command("reload")(reload)


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
