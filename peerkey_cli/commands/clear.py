"""``peerkey clear``: set what was counted back to zero."""

from __future__ import annotations

import typer

from peerkey_cli.options import Api, Json, StateDir, client


def register(app: typer.Typer) -> None:
    """Add the group."""
    clear = typer.Typer(help="Set what was counted back to zero.", rich_markup_mode=None)
    clear.command("stats")(stats)
    # With a callback the group stays a group, also while it has only one command.
    clear.callback()(_nothing_in_common)
    app.add_typer(clear, name="clear")


def stats(json: Json = False, state_dir: StateDir = None, api: Api = None) -> None:
    """Set the security statistics of every node to zero. An event tells what they were."""
    from peerkey_cli.schemas import StatsCleared, iso
    from peerkey_cli.terminal import say, say_json

    done = client(state_dir, api).post("stats/clear", StatsCleared)
    if json:
        say_json(done)
    else:
        say(f"Cleared security statistics at {iso(done.time)}.")


def _nothing_in_common() -> None:
    """Set what was counted back to zero."""
