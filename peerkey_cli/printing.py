"""A document as a command prints it: for a program, or for a person."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from peerkey_cli.schemas import Document

    D = TypeVar("D", bound=Document)


def print_document(
    document: D, layout: Callable[[D, bool], list[str]], *, json: bool, started: float
) -> None:
    """Print a document for a program, or for a person with how long it took since ``started``."""
    import sys

    from peerkey_cli.terminal import coloured, say, say_json

    if json:
        say_json(document)
    else:
        say(*layout(document, coloured(sys.stdout)))
        say("", f"Completed in {monotonic() - started:.2f} seconds")
