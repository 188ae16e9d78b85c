"""Two ends of a link on this machine, and what each was told."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

from actors.ha.ssh import SshEnd, SshTransport
from actors.ha.ssh_keys import create_ssh_key, public_line_of
from actors.ha.transport import ChannelData, ChannelLost, ChannelOpened, Word
from peerkey.config.plan import Endpoint, HaPlan
from tests.support.ports import free_port

#: A loopback round trip and a handshake take milliseconds; a machine may be busy.
WITHIN = 20.0


@dataclass
class Told:
    """What an end was told, in order."""

    words: list[Word] = field(default_factory=list)
    #: Whether there is room for more.
    room: bool = True

    def __call__(self, word: Word) -> bool:
        if self.room:
            self.words.append(word)
        return self.room

    def of(self, kind: type) -> list[Word]:
        return [word for word in self.words if isinstance(word, kind)]

    @property
    def data(self) -> bytes:
        return b"".join(word.data for word in self.words if isinstance(word, ChannelData))

    async def opened(self, times: int = 1) -> int:
        await until(lambda: len(self.of(ChannelOpened)) >= times)
        last = self.of(ChannelOpened)[-1]
        assert isinstance(last, ChannelOpened)
        return last.channel

    async def lost(self) -> ChannelLost:
        await until(lambda: bool(self.of(ChannelLost)))
        last = self.of(ChannelLost)[-1]
        assert isinstance(last, ChannelLost)
        return last


class Pair:
    """A node that connects and one that listens; the plan of each may be changed before it is opened."""

    def __init__(self, folder: Path) -> None:
        first, second = (
            public_line_of(create_ssh_key(folder / f"{name}.key", replace=False))
            for name in ("first", "second")
        )
        here, there = (Endpoint("127.0.0.1", free_port()) for _ in range(2))
        keys = (str(folder / "first.key"), str(folder / "second.key"))
        self.connects = HaPlan("two", UUID(int=2), here, there, first, second, keys[0], listens=False)
        self.listens = HaPlan("one", UUID(int=1), there, here, second, first, keys[1], listens=True)
        self.transport = SshTransport()
        self._ends: list[SshEnd] = []

    def open(self, plan: HaPlan) -> tuple[SshEnd, Told]:
        told = Told()
        end = self.transport.open(plan, told)
        self._ends.append(end)
        return end, told

    async def listening(self) -> tuple[SshEnd, Told]:
        """Open the end that listens, and wait until somebody can connect."""
        end, told = self.open(self.listens)
        end.attempt()
        await until(lambda: answers(self.listens.local.port))
        return end, told

    async def close(self) -> None:
        for end in self._ends:
            end.close()
        await asyncio.sleep(0.1)


def other_key(plan: HaPlan, folder: Path, name: str = "other") -> HaPlan:
    """Give a node another key than the one that its mate knows."""
    public = public_line_of(create_ssh_key(folder / f"{name}.key", replace=False))
    return replace(plan, public_key=public, key_file=str(folder / f"{name}.key"))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN):
        while not condition():  # noqa: ASYNC110 - what another process or the network does is not told
            await asyncio.sleep(0.01)


def answers(port: int) -> bool:
    with socket.socket() as each:
        return each.connect_ex(("127.0.0.1", port)) == 0
