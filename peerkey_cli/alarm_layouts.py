"""What a person is shown of one alarm, of those that have gone, and of the shelf."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Final

from peerkey_cli.schemas import iso
from peerkey_cli.terminal import block, printable, table

if TYPE_CHECKING:
    from peerkey_cli import schemas

#: As wide as the rule above a block.
_WIDTH: Final = 100
#: How often it was raised, of which so many times are shown.
_SHOWN_TIMES: Final = 5


def explained(document: schemas.AlarmExplained, colours: bool) -> list[str]:
    """Return ``show alarms id ID``: the block of the original, more, what to do, and what happened."""
    (alarm,) = document.alarms
    times = [iso(each) for each in document.raised]
    shelving = document.shelving
    fields = (
        ("Time", iso(alarm.time)),
        ("Severity", alarm.severity),
        ("Source", alarm.source),
        ("Category", alarm.category),
        ("Process", alarm.process),
        ("Message", alarm.message),
    )
    more = (
        ("Node", alarm.node),
        ("Type", alarm.type),
        ("Present", alarm.present),
        ("Raised", f"{_often(len(times))} within a day: {', '.join(times[-_SHOWN_TIMES:])}"),
        ("Shelved", "no" if shelving is None else _shelved(shelving)),
        ("Documentation", document.page),
    )
    lines = ["✔ Retrieving alarms...", "", *block(f"Alarm: {alarm.id}", fields, colours=colours)]
    lines += ["", *block("About it", more, colours=colours)]
    lines += ["", *_wrapped(document.means, " ")]
    lines += ["", " What to do:"]
    for number, step in enumerate(document.todo, 1):
        lines += _wrapped(step, f" {number}. ")
    if document.events:
        lines += ["", " What happened:"]
        lines += [printable(f" {iso(each.time)} {each.node} {each.description}") for each in document.events]
    return lines


def cleared(document: schemas.ClearedAlarms, colours: bool) -> list[str]:
    """Return ``show alarms --cleared``: a row for each."""
    titles = ("ID", "Time", "Cleared", "Severity", "Source", "Category", "Message")
    rows = [
        (each.id, iso(each.time), iso(each.cleared), each.severity, each.source, each.category, each.message)
        for each in document.alarms
    ]
    none = [] if rows else ["", " No alarm has gone of late."]
    return ["✔ Retrieving alarms...", "", *table(titles, rows, colours=colours), *none]


def shelvings(document: schemas.Shelvings, colours: bool) -> list[str]:
    """Return ``show alarms --shelved``: a block for each shelving, with the alarms under it."""
    lines = ["✔ Retrieving alarms..."]
    for each in document.shelvings:
        title = each.alarm or f"type {each.type}" + (f" of {each.node}" if each.node else "")
        fields = (
            ("Since", iso(each.since)),
            ("Until", iso(each.until)),
            ("By", each.by),
            ("Reason", each.reason),
            ("Alarms", len(each.alarms)),
        )
        lines += ["", *block(f"Shelved: {title}", fields, colours=colours)]
        lines += [printable(f" {alarm.id} {alarm.severity} {alarm.message}") for alarm in each.alarms]
    return lines if document.shelvings else [*lines, "", " Nothing is shelved."]


def _often(times: int) -> str:
    return "once" if times == 1 else f"{times} times"


def _shelved(shelving: schemas.Shelving) -> str:
    return f"until {iso(shelving.until)} by {shelving.by}: {shelving.reason}"


def _wrapped(text: str, first: str) -> list[str]:
    return wrap(text, _WIDTH, initial_indent=first, subsequent_indent=" " * len(first))
