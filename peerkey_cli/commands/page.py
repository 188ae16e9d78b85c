"""``peerkey page``: the status page of a running system, for a browser on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from peerkey_cli.options import Api, StateDir


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("page")(page)


def page(
    listen: Annotated[
        str,
        typer.Option(
            "--listen",
            metavar="ADDR",
            help="A loopback address and a port; 0 is one that is free.",
        ),
    ] = "127.0.0.1:0",
    state_dir: StateDir = None,
    api: Api = None,
) -> None:
    """Serve the status page of a running system to a browser on this machine, until Ctrl-C.

    Prints a link that counts once; when it has been used, another one. The page shows what `peerkey show`
    does, as it happens, and can change nothing.
    """
    import asyncio
    import contextlib

    from peerkey_cli.options import client
    from peerkey_cli.page.serving import loopback, serve
    from peerkey_cli.schemas import Health

    address = loopback(listen)
    asked = client(state_dir, api)
    # Whatever is wrong with the way there is said here, in one line, and not in the browser.
    asked.get("health", Health)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(asked, address, _say))


def _say(line: str) -> None:
    typer.echo(line)
