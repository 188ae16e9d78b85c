"""Audit events as they happen, for a command: those that are there, then each that comes, none twice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import ValidationError

from peerkey_cli import schemas

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from peerkey_cli.client import Client
    from peerkey_cli.event_log import EventQuery


def followed(
    client: Client, query: EventQuery, before: Callable[[], Iterable[schemas.Event]]
) -> Iterator[schemas.Event | str]:
    """Yield events, and in words what of them is not known: without an end, unless the system goes.

    The stream is opened before ``before`` is asked for what has happened so far, so that nothing falls in
    between. A stream that has ended in order is opened again where it ended.
    """
    last: str | None = None
    known: list[schemas.Event] = []
    first = True
    while True:
        with client.following("events/stream", last, type=query.kind) as lines:
            if first:
                first = False
                known = list(before())
                yield from known
            for name, kind, data in _messages(lines):
                last = name or last
                event = _event(data)
                if kind == "gap" or event is None:
                    yield "some events are not remembered; `peerkey show events` has them from the log"
                elif event not in known and query.wants(event.type, event.node, event.time):
                    yield event


def _event(data: str) -> schemas.Event | None:
    try:
        return schemas.Event.model_validate_json(data)
    except ValidationError:
        return None


def _messages(lines: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Yield id, event and data of each message of a stream (WHATWG HTML, section 9.2.6)."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        else:
            if "data" in fields:
                yield fields.get("id", ""), fields.get("event", "message"), fields["data"]
            fields = {}


def as_line(event: schemas.Event) -> str:
    """Return an event as one line of JSON in ASCII."""
    return json.dumps(event.model_dump(mode="json"))
