"""What a link keeps in its node's store: copies of the mate's records, the last term, the id of the store.

All of it is under the owner ``mate:<UUID of the mate>``, sealed as everything there. Writes are begun in the
order in which they are asked for, and none waits for the one before: it is known which version each finds.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, final

from peerkey.ha.constants import STORE_ID_BYTES
from peerkey.ha.records import Copy, decode_copy, encode_copy

if TYPE_CHECKING:
    from uuid import UUID

    from peerkey.protocol.core import Entropy
    from runtime.store.port import Store

_COPY: Final = "copy:"
_TERM: Final = "term"
_STORE_ID: Final = "store-id"
_TERM_BYTES: Final = 8


def mate_owner(mate: UUID) -> str:
    """Return the owner, in the store, of everything that is kept of a mate."""
    return f"mate:{mate}"


@final
@dataclass(slots=True)
class MateRecords:
    """The records of one link."""

    store: Store
    owner: str
    epoch: int
    versions: dict[str, int]
    #: What was there at the start, until it has been taken.
    copies: dict[str, Copy]
    term: int
    store_id: bytes

    @classmethod
    async def opened(cls, store: Store, mate: UUID, entropy: Entropy) -> Self:
        """Begin an incarnation: read what is there, and draw the id of a store that has none yet.

        Raises:
            Misconfigured: a copy is of another layout.

        """
        owner = mate_owner(mate)
        epoch = await store.activate(owner)
        found = {record.name: record for record in await store.scan(owner)}
        term, store_id = found.get(_TERM), found.get(_STORE_ID)
        records = cls(
            store=store,
            owner=owner,
            epoch=epoch,
            versions={name: record.version for name, record in found.items()},
            copies={
                name.removeprefix(_COPY): decode_copy(record.value)
                for name, record in found.items()
                if name.startswith(_COPY)
            },
            term=0 if term is None else int.from_bytes(term.value, "big"),
            store_id=b"" if store_id is None else store_id.value,
        )
        if store_id is None:
            records.store_id = entropy(STORE_ID_BYTES)
            await records._write(_STORE_ID, records.store_id)
        return records

    def taken_copies(self) -> dict[str, Copy]:
        """Return what was there at the start, and keep nothing of it: its keys may be erased soon."""
        copies, self.copies = self.copies, {}
        return copies

    def keep(self, name: str, copy: Copy) -> Awaitable[object]:
        """Write a copy."""
        return self._write(_COPY + name, encode_copy(copy))

    def drop(self, name: str) -> Awaitable[object]:
        """Delete a copy."""
        kept = _COPY + name
        return self.store.delete(self.owner, self.epoch, kept, self.versions.pop(kept))

    def keep_term(self, term: int) -> Awaitable[object]:
        """Write the last term."""
        return self._write(_TERM, term.to_bytes(_TERM_BYTES, "big"))

    def _write(self, name: str, value: bytes) -> Awaitable[object]:
        expected = self.versions.get(name, 0)
        self.versions[name] = expected + 1
        return self.store.write(self.owner, self.epoch, name, value, expected)
