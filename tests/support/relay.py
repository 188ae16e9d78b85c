"""A network that doubles and reorders: forwards UDP between two cables, started as a process of its own.

    python relay.py SEED 10.77.1.2:1280=10.77.1.1:1280 10.77.2.1:1280=10.77.2.2:1280

Each argument is an address of the relay and the router behind it. What comes from one router leaves to
the other, from the relay's address there, after a random delay of up to 60 ms; every fifth datagram twice.
It ends by itself after three minutes.
"""

from __future__ import annotations

import asyncio
import random
import sys
from functools import partial
from typing import cast

LIFETIME = 180.0
MAXIMUM_DELAY = 0.060
DOUBLED = 0.2


def _address(text: str) -> tuple[str, int]:
    host, port = text.rsplit(":", 1)
    return host, int(port)


class Side(asyncio.DatagramProtocol):
    """One address of the relay."""

    def __init__(self, router: tuple[str, int], draw: random.Random) -> None:
        self.router = router
        self.draw = draw
        self.other: Side | None = None
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if addr != self.router or self.other is None:
            return
        for _ in range(1 + (self.draw.random() < DOUBLED)):
            delay = self.draw.uniform(0, MAXIMUM_DELAY)
            asyncio.get_running_loop().call_later(delay, self.other.leave, data)

    def leave(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.sendto(data, self.router)


def _same(side: Side) -> Side:
    return side


async def relay(seed: str, *sides: str) -> None:
    """Forward until the end."""
    draw = random.Random(seed)
    made: list[Side] = []
    for side in sides:
        own, router = side.split("=")
        protocol = Side(_address(router), draw)
        made.append(protocol)
        await asyncio.get_running_loop().create_datagram_endpoint(
            partial(_same, protocol), local_addr=_address(own)
        )
    made[0].other, made[1].other = made[1], made[0]
    print("ready", flush=True)  # noqa: T201 - what the test waits for
    await asyncio.sleep(LIFETIME)


if __name__ == "__main__":
    asyncio.run(relay(sys.argv[1], *sys.argv[2:]))
