"""``peerkey show events``: what happened, from the audit log, and what happens."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Final

import typer

from peerkey_cli.errors import Unreachable, WrongUsage
from peerkey_cli.options import Api, Json, StateDir, client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peerkey_cli.event_log import EventQuery
    from peerkey_cli.schemas import Event, Events

#: Events that are shown at most, unless somebody says otherwise, and however much they say.
LIMIT: Final = 2_000
MOST: Final = 100_000
#: Those that are shown before it is followed what comes.
_BEFORE_FOLLOWING: Final = 10


def events(  # noqa: PLR0913, PLR0917 - the options of the command
    kind: Annotated[
        str | None,
        typer.Option("--type", metavar="T", help="Only this type, or all below it: `key`, `path.down`."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="T", help="Only from then on: an ISO 8601 time, or `15m`, `2h`, `1d`."
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="T", help="Only before then, written in the same way.")
    ] = None,
    node: Annotated[
        str | None, typer.Option("--node", metavar="ROUTER/NODE", help="Only what this node tells.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, max=MOST, help=f"The latest so many; {LIMIT} if not given."),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on with what happens, until interrupted.")
    ] = False,
    files: Annotated[
        bool, typer.Option("--files", help="Read the files of the state directory, and ask no system.")
    ] = False,
    json: Json = False,
    state_dir: StateDir = None,
    api: Api = None,
) -> None:
    """Show audit events, oldest first, from the audit log; where no system runs, from its files."""
    if follow and (files or until is not None):
        message = "--follow goes on with what happens: it goes with neither --files nor --until"
        raise WrongUsage(message)
    if files and api is not None:
        message = "--files reads the state directory of this machine, and asks nobody at --api"
        raise WrongUsage(message)
    from peerkey_cli import layouts
    from peerkey_cli.event_log import EventQuery
    from peerkey_cli.printing import print_document
    from peerkey_cli.times import instant

    started = monotonic()
    query = EventQuery(
        kind, None if since is None else instant(since), None if until is None else instant(until), node
    )
    if follow:
        _follow(query, limit or (_BEFORE_FOLLOWING if since is None else LIMIT), json, state_dir, api)
        return
    if files:
        document = _of_files(state_dir, query, limit or LIMIT)
    else:
        document = _asked(state_dir, api, query, limit or LIMIT)
    print_document(document, layouts.events, json=json, started=started)


def _asked(state_dir: Path | None, api: str | None, query: EventQuery, limit: int) -> Events:
    """Ask the system; where none runs on this machine, read what it has left.

    :raises Unreachable: none answers, and there are no files of it.
    """
    from peerkey_cli.errors import NotFound

    try:
        return _pages(state_dir, api, query, limit)
    except Unreachable:
        if api is not None:
            raise
        try:
            return _of_files(state_dir, query, limit)
        except NotFound:
            pass
        raise


def _pages(state_dir: Path | None, api: str | None, query: EventQuery, limit: int) -> Events:
    """Ask for the latest events, as many pages of them as it takes."""
    from peerkey_cli.schemas import Events

    ask = client(state_dir, api)
    found: tuple[Event, ...] = ()
    before: str | None = None
    while True:
        answer = ask.get(
            "events",
            Events,
            type=query.kind,
            since=None if query.since is None else query.since.isoformat(),
            until=None if query.until is None else query.until.isoformat(),
            node=query.node,
            limit=str(min(LIMIT, limit - len(found))),
            before=before,
        )
        found = answer.events + found
        before = answer.older
        if before is None or len(found) >= limit:
            return answer.model_copy(update={"events": found})


def _of_files(state_dir: Path | None, query: EventQuery, limit: int) -> Events:
    """Read the files of the state directory.

    :raises NotFound: there are none.
    :raises Misconfigured: they cannot be read.
    """
    from datetime import UTC, datetime

    from peerkey.errors import Misconfigured
    from peerkey_cli.chain_verification import logs_of
    from peerkey_cli.event_log import page

    logs = logs_of(None, state_dir)
    try:
        return page(logs, query, datetime.now(UTC), limit=limit)
    except OSError as fault:
        message = (
            f"{fault.filename or logs[0].active}: cannot be read: {fault.strerror}; "
            "become the user that runs the system"
        )
        raise Misconfigured(message) from fault


def _follow(query: EventQuery, limit: int, json: bool, state_dir: Path | None, api: str | None) -> None:
    """Print events as they come, until interrupted."""
    import sys

    from peerkey_cli import layouts
    from peerkey_cli.following import as_line, followed
    from peerkey_cli.terminal import coloured, say

    def before() -> Iterator[Event]:
        yield from _pages(state_dir, api, query, limit).events

    for each in followed(client(state_dir, api), query, before):
        if isinstance(each, str):
            sys.stderr.write(f"peerkey: {each}\n")
        elif json:
            say(as_line(each))
        else:
            say("", *layouts.event(each, coloured(sys.stdout)))
        sys.stdout.flush()
