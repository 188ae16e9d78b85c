"""The master list on the disk: written whole beside the old one, then put in its place, then mapped.

A process that is killed while it writes leaves the old list, and a draft that the next one removes. Readers
map the file: the processes of a machine share one copy in memory, whatever number of nodes they run. A list
that was replaced stays mapped for whoever still holds it, and its memory and disk are free when nobody does.

One process publishes; any number read. Everything here waits for the disk: call it from an executor.
"""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING, Final

from actors.whole_files import remove_drafts, write_whole
from peerkey.errors import Unavailable
from peerkey.pki.master_list import MasterList

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

#: What is in it is public: every CA tells it to whoever asks.
_MODE: Final = 0o644


class MasterListFile:
    """One file, and what is in it."""

    def __init__(self, path: Path) -> None:
        """Nothing is read or written yet."""
        self._path = path

    def read(self) -> MasterList | None:
        """Map the list that is there; ``None`` where none is.

        Raises:
            ForeignList: what is there is not the whole of a master list of this version and kind of machine.
            Unavailable: the disk.
        """
        try:
            with self._path.open("rb") as file:
                if os.fstat(file.fileno()).st_size == 0:
                    return MasterList(b"")
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except FileNotFoundError:
            return None
        except OSError as fault:
            message = f"{self._path}: cannot be read: {fault.strerror}"
            raise Unavailable(message) from fault
        return MasterList(mapped)

    def publish(self, pieces: Iterable[bytes]) -> MasterList:
        """Put what :func:`peerkey.pki.list_merging.publish` yields in the place of what is there, and map it.

        When this returns the new list is on the disk; until then the old one is, and is read by whoever asks.

        Raises:
            Unavailable: the disk. The old list is still there.
        """
        path = self._path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
            remove_drafts(path)
            write_whole(path, pieces, _MODE)
        except OSError as fault:
            message = f"{path}: cannot be written: {fault.strerror}"
            raise Unavailable(message) from fault
        published = self.read()
        if published is None:
            message = f"{path}: somebody has removed it"
            raise Unavailable(message)
        return published
