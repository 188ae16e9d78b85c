"""What a link keeps of its mate in the store of its node, and what it does not keep beside that."""

from __future__ import annotations

from uuid import UUID

from actors.ha.records import MateRecords
from peerkey.ha.messages import Version
from peerkey.ha.records import Copy
from runtime.store.memory import MemoryStore

MATE = UUID(int=2)
COPY = Copy(bytes(16), Version(1, 1), b"with keys")


async def test_copies_are_taken_once_and_stay_in_the_store_alone() -> None:
    store = MemoryStore()
    first = await MateRecords.opened(store, MATE, bytes)
    await first.keep("peering:a", COPY)
    records = await MateRecords.opened(store, MATE, bytes)

    assert records.taken_copies() == {"peering:a": COPY}
    assert records.taken_copies() == {}
    assert (await MateRecords.opened(store, MATE, bytes)).taken_copies() == {"peering:a": COPY}
