"""``peerkey shelve`` and ``unshelve``: alarms that are known and worked on, out of the list for a while."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from peerkey_cli.errors import WrongUsage
from peerkey_cli.options import Api, Json, StateDir, client

_Alarm: TypeAlias = Annotated[
    str | None, typer.Argument(metavar="ID", help="The alarm, as `show alarms` names it.")
]
_Type: TypeAlias = Annotated[
    str | None,
    typer.Option("--type", metavar="T", help="All of this type, as docs/alarms.md has it, instead of one."),
]
_Node: TypeAlias = Annotated[
    str | None, typer.Option("--node", metavar="ROUTER/NODE", help="With --type: only of this node.")
]


def register(app: typer.Typer) -> None:
    """Add the groups."""
    shelve = typer.Typer(help="Put alarms on the shelf for a while.", rich_markup_mode=None)
    shelve.command("alarm")(shelve_alarm)
    # With a callback a group stays a group, also while it has only one command.
    shelve.callback()(_shelving)
    app.add_typer(shelve, name="shelve")
    unshelve = typer.Typer(help="Take alarms from the shelf.", rich_markup_mode=None)
    unshelve.command("alarm")(unshelve_alarm)
    unshelve.callback()(_unshelving)
    app.add_typer(unshelve, name="unshelve")


def shelve_alarm(
    duration: Annotated[
        str,
        typer.Option("--for", metavar="DURATION", help="For how long: `30m`, `2h`, `7d`; 30 days at most."),
    ],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for whoever looks next.")],
    alarm: _Alarm = None,
    kind: _Type = None,
    node: _Node = None,
    json: Json = False,
    state_dir: StateDir = None,
    api: Api = None,
) -> None:
    """Put an alarm, or all of a type, on the shelf: it is there, is counted, and is not listed.

    It comes back by itself when the time is over.
    """
    from peerkey.observe.shelving import REASON_CHARACTERS
    from peerkey_cli.schemas import Shelved, ShelveRequest, iso
    from peerkey_cli.terminal import say, say_json
    from peerkey_cli.times import shelving_seconds

    _require_one(alarm, kind, node)
    if not 1 <= len(reason) <= REASON_CHARACTERS:
        message = f"--reason: say why, in at most {REASON_CHARACTERS} characters"
        raise WrongUsage(message)
    seconds = shelving_seconds(duration)
    asked = ShelveRequest(alarm=alarm, type=kind, node=node, seconds=seconds, reason=reason)
    done = client(state_dir, api).post("alarms/shelve", Shelved, asked)
    if json:
        say_json(done)
    else:
        say(f"Shelved until {iso(done.until)}: {done.alarms} alarm{'s' if done.alarms != 1 else ''} now.")


def unshelve_alarm(
    alarm: _Alarm = None,
    kind: _Type = None,
    node: _Node = None,
    json: Json = False,
    state_dir: StateDir = None,
    api: Api = None,
) -> None:
    """Take an alarm, or a type of alarms, from the shelf, named as it was shelved."""
    from peerkey_cli.schemas import Unshelved, UnshelveRequest
    from peerkey_cli.terminal import say, say_json

    _require_one(alarm, kind, node)
    asked = UnshelveRequest(alarm=alarm, type=kind, node=node)
    done = client(state_dir, api).post("alarms/unshelve", Unshelved, asked)
    if json:
        say_json(done)
    else:
        say("Shelved no more.")


def _require_one(alarm: str | None, kind: str | None, node: str | None) -> None:
    """See that it is said once what is meant.

    :raises WrongUsage: it is not.
    """
    if (alarm is None) is (kind is None) or (alarm is not None and node is not None):
        message = "name either an alarm by its ID, or --type and, if you like, --node"
        raise WrongUsage(message)


def _shelving() -> None:
    """Put alarms on the shelf for a while."""


def _unshelving() -> None:
    """Take alarms from the shelf."""
