"""``peerkey bench``: the rows of ``benchmarks/``, where a checkout is there.

They are not in the installed package: what they measure beside (pykka, xoscar, a cluster of Ray's) belongs to
who develops peerkey, and a number means little without the machine and the commit that it was taken on. What
runs them is a process of its own in the checkout, so that nothing loaded here is measured with them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from peerkey_cli.options import Json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("bench")(bench)


def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...", help="These alone, such as protocol or pauses; all unless given."
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Each for a moment, to see that it works.")] = False,
    checkout: Annotated[
        Path | None,
        typer.Option(
            "--checkout", metavar="DIR", help="The checkout of peerkey; that which is installed unless given."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Measure keys a second, the actor runtime and the longest pauses, in a checkout of peerkey."""
    import os
    import subprocess
    import sys

    from peerkey_cli.errors import NotFound
    from peerkey_cli.terminal import say

    root = checkout or Path(__file__).resolve().parents[2]
    if not (root / "benchmarks" / "__main__.py").is_file() or not (root / "peerkey_cli").is_dir():
        message = (
            f"{root} has no benchmarks: they are not in the installed package; clone the repository and run "
            "`make bench` there, or name the clone with --checkout"
        )
        raise NotFound(message)
    flags = [*(["--quick"] if quick else []), *(["--json"] if json else [])]
    # Names stand behind the flags and begin with no dash, so that none of them is taken for one.
    command = [sys.executable, "-m", "benchmarks", *flags, "--", *(names or ())]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    # Row by row through our own output: in the shell it may have filters.
    with subprocess.Popen(  # noqa: S603 - ourselves
        command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True
    ) as running:
        for row in running.stdout or ():
            say(row.rstrip("\n"))
            sys.stdout.flush()
    raise typer.Exit(running.returncode)
