"""``peerkey show alarms``: what is wrong, all about one alarm, what was wrong, and what is shelved."""

from __future__ import annotations

from time import monotonic
from typing import Annotated

import typer

from peerkey.observe.alarms import Category, Severity
from peerkey_cli.errors import WrongUsage
from peerkey_cli.options import Api, Json, StateDir, client


def alarms(  # noqa: PLR0913, PLR0917 - the options of the command
    by: Annotated[str | None, typer.Argument(metavar="[id", help="The word `id`.")] = None,
    name: Annotated[str | None, typer.Argument(metavar="ID]", help="All about this alarm alone.")] = None,
    severity: Annotated[Severity | None, typer.Option("--severity", help="Only those so urgent.")] = None,
    category: Annotated[Category | None, typer.Option("--category", help="Only of this category.")] = None,
    kind: Annotated[
        str | None, typer.Option("--type", metavar="T", help="Only of this type, as docs/alarms.md has it.")
    ] = None,
    node: Annotated[
        str | None, typer.Option("--node", metavar="ROUTER/NODE", help="Only those that this node noticed.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", metavar="NAME", help="Only those about this node or peer.")
    ] = None,
    cleared: Annotated[bool, typer.Option("--cleared", help="Those that have gone, the latest 200.")] = False,
    shelved: Annotated[
        bool, typer.Option("--shelved", help="What is shelved: by whom, why, until when.")
    ] = False,
    json: Json = False,
    state_dir: StateDir = None,
    api: Api = None,
) -> None:
    """Show what is wrong now; with `id ID` what one alarm means and what to do about it."""
    filters = {"severity": severity, "category": category, "type": kind, "node": node, "source": source}
    filtered = any(each is not None for each in filters.values())
    if by not in {None, "id"} or (by is None) != (name is None):
        message = "what follows `show alarms` is `id ID`, or nothing"
        raise WrongUsage(message)
    if name is not None and (filtered or cleared or shelved):
        message = "`id ID` names one alarm, and goes with no option that chooses others"
        raise WrongUsage(message)
    if shelved and (cleared or filtered):
        message = "--shelved shows all that is shelved, and goes with no option that chooses alarms"
        raise WrongUsage(message)
    from peerkey_cli import alarm_layouts, layouts
    from peerkey_cli.printing import print_document
    from peerkey_cli.schemas import AlarmExplained, Alarms, ClearedAlarms, Shelvings

    started, ask = monotonic(), client(state_dir, api)
    if name is not None:
        one = ask.get("alarms/explained", AlarmExplained, id=name)
        print_document(one, alarm_layouts.explained, json=json, started=started)
    elif shelved:
        shelf = ask.get("alarms/shelvings", Shelvings)
        print_document(shelf, alarm_layouts.shelvings, json=json, started=started)
    elif cleared:
        gone = ask.get("alarms/cleared", ClearedAlarms, **filters)
        print_document(gone, alarm_layouts.cleared, json=json, started=started)
    else:
        document = ask.get("alarms", Alarms, **filters)
        print_document(document, layouts.alarms, json=json, started=started)
