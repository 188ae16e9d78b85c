"""What was typed, kept for the next time in a file for its owner alone.

A line a line, oldest first, at most :data:`MOST_LINES` of them: a longer file is shortened when a shell opens
it. Several shells may append to one. No line holds a secret, because no command takes one as a word: pass
phrases are asked for, by a prompt that keeps nothing. A line that begins with a blank is not kept.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from prompt_toolkit.history import History

from actors.whole_files import write_whole
from peerkey_cli.shell.lines import LONGEST_LINE

if TYPE_CHECKING:
    from collections.abc import Iterable

#: As many as anybody scrolls back through.
MOST_LINES: Final = 1_000
#: A file of so many of the longest lines in UTF-8; of a larger one only the end is read.
_MOST_BYTES: Final = MOST_LINES * LONGEST_LINE
_NAME: Final = "shell_history"


def history_file() -> Path:
    """Return where a person's history is: below ``$XDG_STATE_HOME``, or ``~/.local/state``.

    It belongs to who types and not to a system, so it is not in a state directory that others may own.
    """
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "peerkey" / _NAME


class FileOfLines(History):
    """A history of prompt_toolkit's in a file. Use :meth:`opened`."""

    def __init__(self, file: Path, lines: list[str]) -> None:
        """Take the lines that are in the file."""
        super().__init__()
        self._file = file
        self._lines = lines

    @classmethod
    def opened(cls, file: Path) -> FileOfLines:
        """Read the file, or make it; shorten one that is too long.

        :raises OSError: it cannot be read or made, or others may use it.
        """
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "rb") as opened:
            status = os.fstat(opened.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise OSError(0, "not a regular file", str(file))
            os.fchmod(opened.fileno(), 0o600)
            cut = status.st_size > _MOST_BYTES
            opened.seek(max(0, status.st_size - _MOST_BYTES))
            lines = opened.read(_MOST_BYTES).decode("utf-8", "replace").split("\n")
        # The first of a file whose beginning was left out is half a line.
        kept = [each for each in lines[1 if cut else 0 :] if _may_be_kept(each)]
        if cut or len(kept) > MOST_LINES:
            kept = kept[-MOST_LINES:]
            write_whole(file, ("".join(f"{each}\n" for each in kept).encode(),), 0o600)
        return cls(file, kept)

    def load_history_strings(self) -> Iterable[str]:
        """Yield the lines of earlier shells, latest first, as prompt_toolkit asks for them."""
        yield from reversed(self._lines)

    def append_string(self, string: str) -> None:
        """Keep each line of what was entered, unless it is not to be kept or is the one before."""
        for each in string.splitlines():
            line = each.rstrip()
            if _may_be_kept(line) and self.get_strings()[-1:] != [line]:
                super().append_string(line)

    def store_string(self, string: str) -> None:
        """Add a line to the file. A full disk loses it, and stops nobody."""
        try:
            descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return
        try:
            os.write(descriptor, f"{string}\n".encode("utf-8", "replace"))
        except OSError:
            return
        finally:
            os.close(descriptor)


def _may_be_kept(line: str) -> bool:
    return bool(line) and line.isprintable() and not line[0].isspace() and len(line) <= LONGEST_LINE
