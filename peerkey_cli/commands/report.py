"""``peerkey report``: a run as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from peerkey_cli.options import StateDir


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(report)


def report(
    run: Annotated[
        Path | None,
        typer.Argument(
            metavar="[RUN]",
            help="A state directory, what `demo --keep` left, an audit log (.jsonl), or a document of "
            "`simulate --json`; the state directory unless given.",
            readable=False,
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="The page to write.", writable=False)
    ] = Path("report.html"),
    state_dir: StateDir = None,
) -> None:
    """Draw what happened in a run as one HTML page: keys of every peering, outages, alarms, faults.

    The page needs nothing else, and holds no secret. No system need run.
    """
    from peerkey_cli.errors import WrongUsage
    from peerkey_cli.report.page import report as page_of
    from peerkey_cli.report.sources import of_run
    from peerkey_cli.report.writing import check, write
    from peerkey_cli.state import default_directory

    if run is not None and state_dir is not None:
        message = "give either RUN or --state-dir"
        raise WrongUsage(message)
    check(out)
    heading, chronicle = of_run(run or state_dir or default_directory())
    write(out, page_of(heading, chronicle))
    many = chronicle.events.total()
    typer.echo(f"wrote {out}: {many} event{'' if many == 1 else 's'}, {len(chronicle.lanes)} peerings")
