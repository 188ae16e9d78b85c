"""SSH alone: frames through a bare channel of asyncssh, by the algorithms of the HA link and no more.

It is the floor of :mod:`benchmarks.ha_ssh`: the same two keys, the same options, the loopback address, both
ends on one thread.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

import asyncssh

from actors.ha.ssh_ends import (
    SUBSYSTEM,
    ClientEnd,
    Connection,
    ServerEnd,
    Session,
    client_options,
    server_options,
)
from actors.ha.transport import WrongKey
from peerkey.config.plan import HaPlan

#: Nothing here takes so long; what hangs ends.
WITHIN_SECONDS: Final = 120
#: Frames that are written before SSH is waited for.
_BATCH: Final = 128


@dataclass(frozen=True, slots=True)
class Taken:
    """What one run took."""

    wall: float
    cpu: float


class Watch:
    """Two clocks that are started and read together."""

    def __init__(self) -> None:
        """Start both."""
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> Taken:
        """Return what has passed."""
        return Taken(time.perf_counter() - self._wall, time.process_time() - self._cpu)


class _Counter:
    """The end of a bare channel that counts what comes. See :class:`actors.ha.ssh_ends.End`."""

    def __init__(self, expected: int) -> None:
        self._left = expected
        self.done = asyncio.Event()

    def is_mate(self, key: asyncssh.SSHKey, which: WrongKey) -> bool:  # noqa: ARG002 - whoever it is
        """Accept any key: both are proved to be held, as on the link."""
        return True

    def stranger(self, connection: Connection) -> None:
        """Let it be."""

    def settled(self, connection: Connection) -> None:
        """Let it be."""

    def opened(self, session: Session) -> None:
        """Wait for what comes."""

    def came(self, session: Session, data: bytes) -> None:  # noqa: ARG002 - there is one
        """Count."""
        self._left -= len(data)
        if not self._left:
            self.done.set()

    def lost(self, session: Session, reason: str) -> None:
        """Let it be."""


async def push(frames: Sequence[int], listens: HaPlan, connects: HaPlan) -> Taken:
    """Push frames of these lengths through a bare channel, from the end that connects to the other."""
    sizes = {size: os.urandom(size) for size in set(frames)}
    counter = _Counter(sum(frames))
    keys = [asyncssh.read_private_key(each.key_file) for each in (listens, connects)]
    host, port = listens.local.address, listens.local.port
    async with asyncio.timeout(WITHIN_SECONDS), AsyncExitStack() as stack:
        options = server_options(keys[0], lambda: ServerEnd(counter))
        await stack.enter_async_context(await asyncssh.listen(host, port, options=options))
        connection = await stack.enter_async_context(
            asyncssh.connect(host, port, options=client_options(keys[1], lambda: ClientEnd(counter)))
        )
        writer, _, _ = await connection.open_session(subsystem=SUBSYSTEM, encoding=None)
        watch = Watch()
        for begin in range(0, len(frames), _BATCH):
            for size in frames[begin : begin + _BATCH]:
                writer.write(sizes[size])
            await writer.drain()
        await counter.done.wait()
        return watch.read()
