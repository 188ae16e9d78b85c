"""``peerkey simulate``: a configuration under virtual time, with faults that a seed decides."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from peerkey_cli.options import Json

if TYPE_CHECKING:
    from peerkey_cli.simulation.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("simulate")(simulate)


def simulate(  # noqa: PLR0913, PLR0917 - a parameter for each option: typer's convention
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The configuration.", readable=False)],
    days: Annotated[float, typer.Option("--days", metavar="D", help="Virtual days of faults.")] = 1.0,
    seed: Annotated[
        int | None,
        typer.Option("--seed", metavar="S", help="Decides everything; drawn and shown unless given."),
    ] = None,
    loss: Annotated[
        float, typer.Option("--loss", metavar="P", help="Share of datagrams that are always lost, 0 to 1.")
    ] = 0.0,
    faults: Annotated[
        str,
        typer.Option(
            "--faults",
            metavar="KINDS",
            help="What goes wrong: `all`, `none`, or kinds with commas between them; `list` names them.",
        ),
    ] = "all",
    intensity: Annotated[
        float, typer.Option("--intensity", metavar="X", help="How often, as a multiple of the ordinary rate.")
    ] = 1.0,
    schedule: Annotated[
        Path | None,
        typer.Option(
            "--schedule",
            metavar="JSON",
            help="Exactly the faults of this document of an earlier run (its `violations`).",
        ),
    ] = None,
    shrink: Annotated[
        bool, typer.Option("--shrink/--no-shrink", help="Look for the few faults that a violation needs.")
    ] = True,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", help="Also draw the run as one HTML page.", writable=False),
    ] = None,
    json: Json = False,
) -> None:
    """Run the authority of FILE under virtual time, with everything going wrong that a seed decides.

    The same actors as `peerkey run`; clocks, disks and networks are simulated, and certificates are
    throw-away ones. After every step the eight invariants of the protocol are checked; when the faults end,
    everything must be keyed and in service within a bound that follows from the configuration. Ends with 1
    if not.
    """
    import secrets
    from dataclasses import replace
    from datetime import timedelta

    from peerkey_cli.errors import Status
    from peerkey_cli.plans import PlansReader
    from peerkey_cli.report.simulated import Drawing
    from peerkey_cli.simulation.faults import HABITS, FaultKind
    from peerkey_cli.simulation.progress import Progress
    from peerkey_cli.simulation.report import document, lines
    from peerkey_cli.simulation.requests import request, scheduled
    from peerkey_cli.simulation.run import simulate as run
    from peerkey_cli.simulation.shrink import shrunk
    from peerkey_cli.terminal import coloured, say, say_json

    if faults == "list":
        say(*(f"{kind.value:22} {HABITS[kind].per_day:g} a day and node" for kind in FaultKind))
        return
    settings = request(
        seed=secrets.randbelow(2**32) if seed is None else seed,
        days=days,
        loss=loss,
        faults=faults,
        intensity=intensity,
    )
    if schedule is not None:
        settings = replace(settings, schedule=scheduled(schedule))
    plans = PlansReader(file)()
    drawing = None if report is None else Drawing(report)
    with Progress(settings.lasts, json=json) as progress:
        outcome = run(plans, settings, progress.passed, on_event=None if drawing is None else drawing.take)
        elapsed = progress.elapsed()
        whole = outcome
        if outcome.finding is not None and shrink and settings.schedule is None:
            outcome = shrunk(plans, outcome, on_run=progress.shortened)
    made = document(str(file), outcome, max(elapsed, timedelta(milliseconds=1)))
    if drawing is not None:
        # Of the run itself: a shorter one that breaks the same is of a few faults, and ends early.
        drawing.write(document(str(file), whole, max(elapsed, timedelta(milliseconds=1))), whole.schedule)
    if json:
        say_json(made)
    else:
        import sys

        say(*lines(made, _again(file, settings, faults, schedule), colours=coloured(sys.stdout)))
    raise typer.Exit(Status.DONE if outcome.finding is None else Status.NO)


def _again(file: Path, settings: Settings, faults: str, schedule: Path | None) -> str:
    """Return the command that does the same again, to the last digit."""
    import shlex
    from datetime import timedelta

    numbers = {
        "--days": settings.lasts / timedelta(days=1),
        "--loss": settings.loss,
        "--intensity": settings.intensity,
    }
    words = ["peerkey", "simulate", str(file), "--seed", str(settings.seed), "--faults", faults]
    words += (word for option, number in numbers.items() for word in (option, repr(number)))
    if schedule is not None:
        words += ("--schedule", str(schedule))
    return shlex.join(words)
