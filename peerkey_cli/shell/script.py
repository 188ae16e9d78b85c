"""Lines of a file, or of whatever standard input is: carried out one after the other, without a prompt.

Every line is carried out, also after one that failed; the exit status is that of the first that did. What
commands would read from standard input, or ask, they do not get: it holds the lines.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from peerkey.errors import PeerkeyError
from peerkey_cli.errors import Status, status_of
from peerkey_cli.shell.executing import Leave, error_lines
from peerkey_cli.shell.grammar import Ambiguous
from peerkey_cli.shell.lines import LONGEST_LINE
from peerkey_cli.shell.pipes import BadFilter

if TYPE_CHECKING:
    from peerkey_cli.shell.executing import Executor


def run(executor: Executor, stream: TextIO) -> int:
    """Carry out each line; return the status of the first that failed, or 0."""
    if isinstance(stream, io.TextIOWrapper):
        # What is no text is refused as a word, not by a traceback.
        stream.reconfigure(errors="replace")
    first = int(Status.DONE)
    kept, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO())
    try:
        for number, line in enumerate(lines_of(stream), 1):
            try:
                status = executor.run(line)
            except Leave:
                break
            except PeerkeyError as fault:
                sys.stderr.write(error_lines(fault).replace("peerkey: ", f"peerkey: line {number}: ", 1))
                status = status_of_line(fault)
            first = first or status
    finally:
        sys.stdin = kept
    return first


def status_of_line(fault: PeerkeyError) -> Status:
    """Return the status of a line that no command could take."""
    return Status.USAGE if isinstance(fault, Ambiguous | BadFilter) else status_of(fault)


def lines_of(stream: TextIO) -> Iterator[str]:
    """Yield each line; of one that is longer than a line may be, enough for it to be refused."""
    while begun := stream.readline(LONGEST_LINE + 2):
        rest = begun
        while rest and not rest.endswith("\n"):
            rest = stream.readline(LONGEST_LINE + 2)
        yield begun.rstrip("\r\n")
