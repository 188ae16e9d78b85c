"""Packets between `branch` and the two nodes of `hub`, while one of these goes away and comes back.

Run it as ``python traffic.py authority.yaml``. Each node is a system of its own in this process, with its
own state and a data plane that really seals and opens. The network is a function call. It prints what
happens, and fails where a packet does not open.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from peerkey.testing.data_plane import CannotOpen, CannotSeal, MemoryDataPlane
from peerkey_cli.compose import composed
from peerkey_cli.plans import PlansReader
from peerkey_cli.state import StateDirectory

HUB0, HUB1, BRANCH = "hub/node0", "hub/node1", "branch/node0"
#: Seconds that anything here may take, and between two packets.
WITHIN, PAUSE = 60.0, 0.02
PACKETS = 1_000


@dataclass
class Node:
    """A node of the authority that runs here."""

    uuid: UUID
    data_plane: MemoryDataPlane
    stack: AsyncExitStack


async def main(file: Path) -> None:
    """Send packets, stop a node, send packets, start it again, send packets."""
    with TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            hub0, hub1, branch = [
                await started(file, name, Path(folder), stack) for name in (HUB0, HUB1, BRANCH)
            ]
            await until(lambda: both_ways(branch, hub0, hub0) and both_ways(branch, hub1, hub1))
            await until(lambda: opens(branch, hub0, hub1))
            print("keyed; what branch seals to node0 opens at node1 too, and node1 seals nothing for node0")
            key = sealed(branch, hub0)[:16]

            before = time.monotonic()
            await hub0.stack.aclose()
            inward = 0
            while not both_ways(branch, hub1, hub0):
                inward += opens(branch, hub0, hub1)
                await asyncio.sleep(PAUSE)
            print(f"node0 is stopped; {time.monotonic() - before:.1f} s later node1 seals for it")
            print(f"meanwhile node1 has opened {inward} packets that branch sealed to node0")
            passed = sum(both_ways(branch, hub1, hub0) for _ in range(PACKETS))
            print(f"{PACKETS} packets each way for node0, over node1: {passed} opened at both ends")

            again = await started(file, HUB0, Path(folder), stack)
            await until(lambda: both_ways(branch, again, again) and not seals(hub1, branch, again))
            same = sealed(branch, again)[:16] == key
            print(f"node0 is back, and node1 seals nothing for it; the key is the same: {same}")
            if passed < PACKETS or not same:
                sys.exit(1)


async def started(file: Path, name: str, folder: Path, stack: AsyncExitStack) -> Node:
    """Start a node with a data plane."""
    data_plane = MemoryDataPlane()
    own = await stack.enter_async_context(AsyncExitStack())
    reader = PlansReader(file, [name])
    state = StateDirectory(folder / name.replace("/", "-"))
    await own.enter_async_context(composed(reader, state, data_plane))
    return Node(reader.latest[0].uuid, data_plane, own)


def sealed(sender: Node, to: Node) -> bytes:
    """Return a packet to a peer."""
    return sender.data_plane.seal(sender.uuid, to.uuid, b"hello")


def seals(node: Node, peer: Node, owner: Node) -> bool:
    """Tell whether a node seals to a peer over the peering of ``owner``."""
    try:
        node.data_plane.seal(node.uuid, peer.uuid, b"hello", owner=owner.uuid)
    except CannotSeal:
        return False
    return True


def opens(sender: Node, to: Node, at: Node) -> bool:
    """Tell whether what ``sender`` seals to a peer opens at a node."""
    try:
        return at.data_plane.open(at.uuid, sealed(sender, to)) == b"hello"
    except (CannotSeal, CannotOpen):
        return False


def both_ways(branch: Node, at: Node, owner: Node) -> bool:
    """Tell whether packets of the peering of ``owner`` with ``branch`` pass both ways, handled at a node."""
    if not opens(branch, owner, at) or not seals(at, branch, owner):
        return False
    packet = at.data_plane.seal(at.uuid, branch.uuid, b"hello", owner=owner.uuid)
    return branch.data_plane.open(branch.uuid, packet) == b"hello"


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(WITHIN):
        while not condition():  # noqa: ASYNC110 - a data plane tells nobody what it was given
            await asyncio.sleep(PAUSE)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
