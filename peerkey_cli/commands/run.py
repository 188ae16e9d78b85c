"""``peerkey run``: run an authority, or some nodes of it, until stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from peerkey_cli.errors import WrongUsage
from peerkey_cli.options import Api, StateDir, socket_path


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run)


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The configuration.", readable=False)],
    node: Annotated[
        list[str] | None,
        typer.Option(
            "--node", metavar="ROUTER/NODE", help="Run only this node of the file; may be repeated."
        ),
    ] = None,
    state_dir: StateDir = None,
    api: Api = None,
    metrics: Annotated[
        str | None,
        typer.Option("--metrics", metavar="HOST:PORT", help="Let Prometheus ask there, for /metrics."),
    ] = None,
    runtime: Annotated[
        str, typer.Option("--runtime", metavar="KIND", help="What runs the actors.")
    ] = "local",
) -> None:
    """Run the authority of FILE, or only the named nodes of it, until stopped.

    SIGTERM and SIGINT stop it, SIGHUP reads configuration and certificates again. It logs to standard
    error: "ready" when the admin API answers.
    """
    if runtime == "sim":
        message = "--runtime sim: a simulation has faults, a seed and an end; use `peerkey simulate FILE`"
        raise WrongUsage(message)
    if runtime != "local":
        message = f"--runtime {runtime}: not available in this version; `local` is"
        raise WrongUsage(message)
    import asyncio

    from peerkey_cli import logs
    from peerkey_cli.daemon import serve
    from peerkey_cli.plans import PlansReader
    from peerkey_cli.sockets import tcp_address
    from peerkey_cli.state import StateDirectory, default_directory

    socket = socket_path(state_dir, api)
    scraped = None if metrics is None else tcp_address(metrics)
    logs.configure()
    state = StateDirectory(state_dir or default_directory())
    asyncio.run(serve(PlansReader(file, node or ()), state, socket, scraped))
