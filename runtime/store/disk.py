"""One file on a simulated disk: what its cache shows, what its medium keeps, what a crash leaves of both.

An append reaches the cache at once, where every process of the machine sees it. A sync brings it to the
medium after a drawn delay. A crash may come at any instant:

- where only **the process** died, the cache is still there; of the last append, as long as no sync after it
  has ended, a drawn part may be missing, because the process may have died while it wrote;
- where **power was lost**, there is what was synced, and a drawn part of what followed, in its order. The
  last piece of it may be torn: cut at any byte, or one sector of it garbled.

Faults are switched on and off by attributes while the disk is in use: :attr:`Disk.full`, :attr:`Disk.slow`
and :attr:`Disk.failing`. A sync that fails does what fsync does on Linux: what it was to bring to the medium
counts as clean from then on. The cache goes on showing it, no later sync brings it to the medium, and whether
it got there is unknown. Whoever needs it writes it again.

All chance comes from one generator and all waiting from the running loop: the same seed gives the same bytes.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from random import Random
from typing import Final, NamedTuple

from runtime.store.image import Image

#: How long a sync takes, at least and at most: a solid-state disk, sometimes busy.
SYNC_DELAY: Final = (timedelta(milliseconds=0.5), timedelta(milliseconds=8))

#: The same while the disk is slow: a bus that resets, a controller that retries.
SLOW_DELAY: Final = (timedelta(seconds=0.5), timedelta(seconds=10))

#: What a medium writes as one piece, in bytes.
SECTOR: Final = 512


class _Change(NamedTuple):
    """From ``offset`` on the file is ``data``, and ends: an append or, without data, a truncation."""

    offset: int
    data: bytes

    def make(self, file: bytearray) -> None:
        if len(file) < self.offset:
            # An append before this one was lost: the file has a hole, which reads as zeros.
            file.extend(bytes(self.offset - len(file)))
        file[self.offset :] = self.data


class Disk:
    """See the module. One process of the machine uses it at a time; it outlives them all."""

    def __init__(
        self, random: Random, contents: bytes = b"", *, delay: tuple[timedelta, timedelta] = SYNC_DELAY
    ) -> None:
        """Begin with ``contents`` safe on the medium; a sync takes between both of ``delay``."""
        #: Appends and replacements fail; of an append, a part may have been written.
        self.full = False
        #: Syncs and replacements that begin now take as long as :data:`SLOW_DELAY` says.
        self.slow = False
        #: Syncs and replacements that end now fail.
        self.failing = False
        #: How many syncs have been asked for.
        self.syncs = 0
        #: An observer's note, not a part of the machine: what the store on this disk has acknowledged. It is
        #: kept here because it must outlive the store's process, as the disk does.
        self.acknowledged = Image()
        self._random = random
        self._delay = delay
        self._cache = bytearray(contents)
        self._medium = bytearray(contents)
        #: What the cache has and no sync has dealt with, and how many changes syncs have dealt with.
        self._unsynced: list[_Change] = []
        self._dealt_with = 0
        self._replacement: bytes | None = None
        #: What was begun before a crash does not end after it.
        self._crashes = 0

    def read(self) -> bytes:
        """Return the file as a process sees it."""
        return bytes(self._cache)

    def append(self, data: bytes) -> None:
        """Write at the end of the file, into the cache.

        :raises OSError: the disk is full, and an unknown part has been written.
        """
        if self.full:
            self._change(_Change(len(self._cache), data[: self._random.randrange(max(1, len(data)))]))
            raise _error(errno.ENOSPC)
        self._change(_Change(len(self._cache), data))

    def truncate(self, length: int) -> None:
        """Cut the file off, in the cache. This needs no room."""
        self._change(_Change(min(length, len(self._cache)), b""))

    def sync(self) -> asyncio.Future[None]:
        """Bring to the medium what has been written up to now; that is so when the future is done.

        It fails with ``OSError`` where it is unknown what the medium has; see the module.
        """
        self.syncs += 1
        return self._later(partial(self._end_sync, self._dealt_with + len(self._unsynced)))

    def replace(self, contents: bytes) -> asyncio.Future[None]:
        """Put a new file in the place of this one: write it beside, sync it, rename it, sync the directory.

        A crash meanwhile leaves the one or the other whole. When it fails with ``OSError``, the old one is
        there as it was. What is written to the old one meanwhile is lost with it.
        """
        self._replacement = contents
        return self._later(partial(self._end_replace, contents))

    def crash(self, *, power: bool) -> None:
        """Let the process die, or with ``power`` the machine; nothing that was under way ends any more."""
        self._crashes += 1
        contents, self._replacement = self._replacement, None
        if contents is not None and not self.full and not self.failing and self._random.random() < 1 / 2:
            self._switch(contents)
        elif power:
            self._lose(self._unsynced)
            self._cache = bytearray(self._medium)
            self._unsynced = []
        elif self._unsynced and self._random.random() < 1 / 2:
            offset, data = self._unsynced.pop()
            self._change(_Change(offset, data[: self._random.randint(0, len(data))]))

    # --- Inside ---------------------------------------------------------------------------------

    def _change(self, change: _Change) -> None:
        change.make(self._cache)
        self._unsynced.append(change)

    def _later(self, end: Callable[[], None]) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        least, most = SLOW_DELAY if self.slow else self._delay
        delay = self._random.uniform(least.total_seconds(), most.total_seconds())
        loop.call_later(delay, self._end, self._crashes, future, end)
        return future

    def _end(self, crashes: int, future: asyncio.Future[None], end: Callable[[], None]) -> None:
        if crashes != self._crashes or future.done():
            return
        try:
            end()
        except OSError as error:
            future.set_exception(error)
        else:
            future.set_result(None)

    def _end_sync(self, mark: int) -> None:
        count = max(0, mark - self._dealt_with)
        changes = self._unsynced[:count]
        del self._unsynced[:count]
        self._dealt_with += count
        if self.failing:
            self._lose(changes)
            raise _error(errno.EIO)
        for change in changes:
            change.make(self._medium)

    def _end_replace(self, contents: bytes) -> None:
        self._replacement = None
        if self.full:
            raise _error(errno.ENOSPC)
        if self.failing:
            raise _error(errno.EIO)
        self._switch(contents)

    def _switch(self, contents: bytes) -> None:
        self._cache = bytearray(contents)
        self._medium = bytearray(contents)
        self._dealt_with += len(self._unsynced)
        self._unsynced = []

    def _lose(self, changes: Sequence[_Change]) -> None:
        """Let a drawn part of ``changes`` reach the medium, the last piece of it perhaps torn."""
        whole = self._random.randint(0, len(changes))
        for change in changes[:whole]:
            change.make(self._medium)
        if whole < len(changes) and changes[whole].data and self._random.random() < 2 / 3:
            self._torn(changes[whole]).make(self._medium)

    def _torn(self, change: _Change) -> _Change:
        """Return an append that is cut at a drawn byte, or has a drawn sector garbled."""
        offset, data = change
        position = self._random.randrange(len(data))
        if self._random.random() < 1 / 2:
            return _Change(offset, data[:position])
        sector = (offset + position) // SECTOR * SECTOR
        begin, end = max(sector - offset, 0), min(sector + SECTOR - offset, len(data))
        return _Change(offset, data[:begin] + self._random.randbytes(end - begin) + data[end:])


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
