"""``peerkey events``: the audit log as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from peerkey_cli.errors import Status, WrongUsage
from peerkey_cli.options import Api, Json, StateDir, client


def register(app: typer.Typer) -> None:
    """Add the group."""
    events = typer.Typer(help="Look after the audit log.", rich_markup_mode=None)
    events.command("verify")(verify)
    # With a callback the group stays a group, also while it has only one command.
    events.callback()(_nothing_in_common)
    app.add_typer(events, name="events")


def verify(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", help="A log, instead of those of the state directory.", readable=False
        ),
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(
            "--head",
            metavar="SEQUENCE:HASH",
            help="A head noted earlier: the log must lead to it or beyond it.",
        ),
    ] = None,
    json: Json = False,
    state_dir: StateDir = None,
    api: Api = None,
) -> None:
    """Check that no line of the audit log was changed, removed, inserted or moved. No system need run.

    With --api the system that answers there reads its own.
    """
    from peerkey.observe.audit_chain import Head
    from peerkey_cli import layouts, schemas
    from peerkey_cli.chain_verification import logs_of, verified
    from peerkey_cli.terminal import say, say_json
    from peerkey_cli.working import working

    if sum(each is not None for each in (file, state_dir, api)) > 1:
        message = "give one of FILE, --state-dir and --api"
        raise WrongUsage(message)
    try:
        noted = None if head is None else Head.of_text(head)
    except ValueError as fault:
        message = f"--head {head}: {fault}"
        raise WrongUsage(message) from fault
    if api is not None:
        document = client(None, api).get("events/verify", schemas.AuditVerified, head=head)
    else:
        with working("Verifying the audit log"):
            document = verified(logs_of(file, state_dir), noted)
    if json:
        say_json(document)
    else:
        say(*layouts.audit_verified(document, False))
    if not document.valid:
        raise typer.Exit(Status.NO)


def _nothing_in_common() -> None:
    """Look after the audit log."""
