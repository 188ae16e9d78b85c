"""The file of a running system's configuration: which version is there, and another one in its place.

A version has a tag, which is the SHA-256 of its bytes. Whoever replaces the file says which version they have
seen; where another one is there by now, nothing is replaced. The file appears whole or not at all, keeps its
mode, and the version before it stays beside it, under its name and ``.before``.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from actors.whole_files import write_whole
from peerkey.errors import Misconfigured
from peerkey_cli.files import MAXIMUM_CONFIGURATION_BYTES, read_bounded

if TYPE_CHECKING:
    from pathlib import Path

    from peerkey_cli.plans import PlansReader

#: What the name of the version before ends with.
BEFORE: Final = ".before"


class Outdated(Misconfigured):
    """Another version of the file is there than whoever wants to replace it has seen."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the file."""

    content: bytes = field(repr=False)
    mode: int

    @property
    def tag(self) -> str:
        """What names it."""
        return sha256(self.content).hexdigest()


class ConfigurationFile:
    """See the module. Call it on a thread: it reads and writes."""

    def __init__(self, reader: PlansReader) -> None:
        """Look after the file that ``reader`` reads."""
        self._reader = reader
        self._turn = threading.Lock()

    @property
    def path(self) -> Path:
        """The file, as it was named."""
        return self._reader.file

    def version(self) -> Version:
        """Return the version that is there.

        :raises Misconfigured: it cannot be read.
        """
        try:
            content = read_bounded(self.path, MAXIMUM_CONFIGURATION_BYTES)
            return Version(content, self.path.stat().st_mode & 0o777)
        except OSError as fault:
            message = f"{self.path}: cannot be read: {fault.strerror}"
            raise Misconfigured(message) from fault

    def replace(self, text: str, tag: str | None) -> Version:
        """Put ``text`` in the place of the version ``tag``, or of any; return the one that was there.

        :raises ConfigurationFaults: ``text`` cannot be used. Relative names in it count from the directory of
            the file.
        :raises Outdated: another version is there.
        :raises Misconfigured: ``text`` lacks a node that this system is to run, or the file cannot be read or
            written.
        """
        self._reader.of_text(text)
        with self._turn:
            former = self.version()
            if tag is not None and tag != former.tag:
                message = f"{self.path}: the file is another one by now; look at it again, and then decide"
                raise Outdated(message)
            target = self._target()
            self._write(target.with_name(target.name + BEFORE), former)
            self._write(target, Version(text.encode(), former.mode))
            return former

    def put_back(self, text: str, former: Version) -> None:
        """Put ``former`` back in the place of ``text``, unless somebody has replaced that meanwhile.

        :raises Misconfigured: the file cannot be read or written.
        """
        with self._turn:
            if self.version().content == text.encode():
                self._write(self._target(), former)

    def _target(self) -> Path:
        """Return the file itself: what leads to it is left alone."""
        return self.path.resolve()

    def _write(self, path: Path, version: Version) -> None:
        try:
            write_whole(path, (version.content,), version.mode)
            # Whoever made this process may have narrowed what a new file may be.
            os.chmod(path, version.mode)  # noqa: PTH101 - of a path that was resolved
        except OSError as fault:
            message = f"{path}: cannot be written: {fault.strerror}; nothing was changed"
            raise Misconfigured(message) from fault
