"""``peerkey wire``: what was captured on a path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from peerkey_cli.options import Json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peerkey_cli.anatomy import Capture, Fields

#: Longer byte strings are shown by their beginning; ``--json`` has all of them.
_SHOWN_DIGITS = 64
_WIDTH = 18

_group = typer.Typer(help="Look at captured frames.", rich_markup_mode=None)


@_group.callback()
def _wire() -> None:
    """Look at captured frames."""


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(_group, name="wire")


@_group.command()
def decode(
    file: Annotated[str, typer.Argument(metavar="FILE", help="What was captured; - for standard input.")],
    as_json: Json = False,
) -> None:
    """Print a captured frame, or its segments, field by field.

    FILE holds bytes or hexadecimal digits: one frame, the segments of one frame one behind the other, or one
    segment a line. Nothing is verified, because that needs the keys.
    """
    import json

    from peerkey_cli.anatomy import dissect_untrusted
    from peerkey_cli.terminal import say

    capture = dissect_untrusted(_content(file))
    if as_json:
        say(json.dumps(capture.document(), indent=2))
    else:
        say(*_lines(capture))


def _content(file: str) -> bytes:
    from pathlib import Path

    from peerkey.errors import Misconfigured
    from peerkey_cli.anatomy import MAXIMUM_INPUT_BYTES
    from peerkey_cli.files import read_bounded

    try:
        if file == "-":
            return typer.get_binary_stream("stdin").read(MAXIMUM_INPUT_BYTES)
        return read_bounded(Path(file), MAXIMUM_INPUT_BYTES)
    except OSError as fault:
        message = f"{file}: cannot be read: {fault.strerror}; name a file with what was captured, or -"
        raise Misconfigured(message) from fault


def _lines(capture: Capture) -> Iterator[str]:
    for segment in capture.segments:
        yield _segment(segment)
    for frame in capture.frames:
        name = frame["name"] or "of a kind that this version does not know"
        yield f"frame {name} ({frame['kind']}), {frame['bytes']} bytes"
        for field in ("sender", "receiver", "digest"):
            yield from _field(field, frame[field], 1)
        yield from _field("body", frame["body"], 1)
        proof = frame["auth"]
        yield from _field(
            "auth", proof["type"] if not proof["values"] else {proof["type"]: proof["values"]}, 1
        )
    for frame in capture.incomplete:
        yield f"frame {frame['frame_id']} is incomplete: {frame['present']} of {frame['count']} segments"


def _segment(segment: Fields) -> str:
    if not segment["known"]:
        return f"segment of version {segment['version']}, which this version does not understand"
    never = ", never to be answered" if segment["never_answer"] else ""
    return (
        f"segment {segment['index'] + 1} of {segment['count']} of frame {segment['frame_id']}: "
        f"version {segment['version']}, {segment['slice_bytes']} bytes{never}"
    )


def _field(name: str, value: object, depth: int) -> Iterator[str]:
    """Yield a field: on one line where it is a value, on several where it has parts."""
    head = f"{'  ' * depth}{name.replace('_', '-'):<{_WIDTH}}"
    if isinstance(value, dict):
        yield head.rstrip()
        for part, inner in value.items():
            yield from _field(part, inner, depth + 1)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for number, item in enumerate(value, 1):
            yield from _field(f"{name} {number}", item, depth)
    elif isinstance(value, list):
        for item in value or ["none"]:
            yield from _field(name, item, depth)
    else:
        yield f"{head} {_shown(value)}"


def _shown(value: object) -> str:
    if value is None or value == "":
        return "none"
    text = str(value)
    if len(text) > _SHOWN_DIGITS and all(digit in "0123456789abcdef" for digit in text):
        return f"{text[:_SHOWN_DIGITS]}… ({len(text) // 2} bytes)"
    return text
