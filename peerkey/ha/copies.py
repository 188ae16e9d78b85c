"""The mate's records, as they arrive: which is taken, and when what has arrived is durable.

A copy never overwrites one that is as new or newer (epoch, version); a deletion only what is not newer than
it. What is passed over counts as received. An ACK goes out when a RECORD and all before it are in the
store: by then the mate relies on it.

The inventory that a connection begins with waits until every write of the connections before is done, so that
it lists what is durable and nothing is left to change it. Writes have numbers of their own, which go on over
connections.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import final

from peerkey.errors import Malformed
from peerkey.ha.constants import INVENTORY_ENTRIES, MAXIMUM_RECORDS, MAXIMUM_UNACKNOWLEDGED
from peerkey.ha.effects import DeleteCopy, StoreCopy
from peerkey.ha.messages import Entry, Inventory, Record
from peerkey.ha.records import Copy, mark_of


@final
class Copies:
    """Copies of the mate's records."""

    def __init__(self, copies: Mapping[str, Copy]) -> None:
        """Begin with what the store holds."""
        #: Whose records they are: the mate's store of that id; none until the first HELLO.
        self.store_id = next((copy.store_id for copy in copies.values()), b"")
        #: The greatest epoch that the mate was heard under: what comes under an older one is history.
        self.epoch = max((copy.version.epoch for copy in copies.values()), default=0)
        #: What the store holds, once the writes that are under way are done.
        self._marks = {name: mark_of(copy.version, copy.content) for name, copy in copies.items()}
        self._under_way: set[int] = set()
        self._last_write = 0
        #: RECORDs of this connection that are not acknowledged, with the write that each waits for.
        self._received: deque[tuple[int, int]] = deque()
        self._number = 0

    @property
    def count(self) -> int:
        """How many copies there are."""
        return len(self._marks)

    @property
    def settled(self) -> bool:
        """Whether everything that was to be written is durable."""
        return not self._under_way

    # --- a connection -----------------------------------------------------------------------------

    def greeted(self, store_id: bytes, epoch: int) -> list[StoreCopy | DeleteCopy]:
        """Begin a connection with a mate whose records are of that store; another store's are dropped."""
        self._received.clear()
        self._number = 0
        dropped: list[StoreCopy | DeleteCopy] = []
        if store_id != self.store_id:
            dropped = [self._delete(name) for name in list(self._marks)]
        self.store_id, self.epoch = store_id, epoch
        return dropped

    def inventory(self) -> Iterator[Inventory]:
        """Yield what is there, in parts, where it is settled; the last one says that it is the last."""
        entries = [Entry(name, mark) for name, mark in self._marks.items()]
        for start in range(0, max(len(entries), 1), INVENTORY_ENTRIES):
            part = tuple(entries[start : start + INVENTORY_ENTRIES])
            yield Inventory(part, last=start + INVENTORY_ENTRIES >= len(entries))

    def received(self, record: Record, content: bytes) -> StoreCopy | DeleteCopy | None:
        """Take a RECORD, or pass it over.

        Raises:
            Malformed: where it is not the next one, of an epoch that has not begun, or one too many: of
                records, or of those that are not acknowledged.

        """
        if len(self._received) >= MAXIMUM_UNACKNOWLEDGED:
            message = f"more than {MAXIMUM_UNACKNOWLEDGED} records that are not acknowledged"
            raise Malformed(message)
        if record.number != self._number + 1:
            message = f"record {record.number} came after record {self._number}"
            raise Malformed(message)
        if record.version.epoch > self.epoch:
            message = f"a record of epoch {record.version.epoch} from a node of epoch {self.epoch}"
            raise Malformed(message)
        known = self._marks.get(record.name)
        write: StoreCopy | DeleteCopy | None = None
        if record.deleted:
            if known is not None and record.version >= known.version:
                write = self._delete(record.name)
        elif known is None or record.version > known.version:
            if known is None and len(self._marks) >= MAXIMUM_RECORDS:
                message = f"more than {MAXIMUM_RECORDS} records"
                raise Malformed(message)
            self._marks[record.name] = mark_of(record.version, content)
            copy = Copy(self.store_id, record.version, content)
            write = StoreCopy(self._write(), record.name, copy)
        self._number = record.number
        self._received.append((record.number, 0 if write is None else write.write))
        return write

    # --- durable ----------------------------------------------------------------------------------

    def stored(self, write: int) -> None:
        """Take up that a write is durable."""
        self._under_way.discard(write)

    def to_acknowledge(self) -> int | None:
        """Return the number up to which all that was received is durable, if it has grown."""
        number = None
        while self._received and self._received[0][1] not in self._under_way:
            number, _ = self._received.popleft()
        return number

    def _delete(self, name: str) -> DeleteCopy:
        del self._marks[name]
        return DeleteCopy(self._write(), name)

    def _write(self) -> int:
        self._last_write += 1
        self._under_way.add(self._last_write)
        return self._last_write
