"""The records of one node of an HA pair, and how far their copies at its mate have come: from outside.

Every state that a record ever had in its owner's store is written down, in order, and a copy may only go on
in that history: it is never older than it was, never lost while the record is there, and never of a state
that the owner's store did not have. What the mate acknowledges or lists is durable there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from actors.desk import is_peering
from peerkey.ha.messages import Inventory, Mark, Record, Version
from peerkey.ha.records import decode_copy, mark_of
from peerkey.protocol.state import key_ids

if TYPE_CHECKING:
    from runtime.store.port import Record as StoredRecord

#: Records of one channel that are not acknowledged, beyond which the first are forgotten; and channels.
_MOST_FLIGHTS: Final = 1_024
_MOST_CHANNELS: Final = 4


class RecordCopies:
    """See the module."""

    def __init__(self, owner: str, fail: Callable[[str], object]) -> None:
        """Begin without any; ``fail`` is told what the mate of ``owner`` has done that must not be."""
        self._owner = owner
        self._fail = fail
        #: Of each record, its states in order; ``None`` where it was deleted or lost.
        self._history: dict[str, list[Mark | None]] = {}
        #: Of each copy, how far in that history it has come, and the ids of the keys in it.
        self._reached: dict[str, int] = {}
        self._keys: dict[str, frozenset[bytes]] = {}
        #: Keys whose copies went with the mate's store: nobody can expect them there.
        self._excused: set[bytes] = set()
        #: RECORDs that were sent and are not acknowledged, by channel.
        self._flights: dict[int, deque[Record]] = {}

    # --- looking ----------------------------------------------------------------------------------

    def has(self, name: str, key_id: bytes) -> bool:
        """Tell whether the mate has this key of that record in its store, or is excused for it."""
        if key_id in self._keys.get(name, ()):
            self._excused.discard(key_id)
            return True
        return key_id in self._excused

    def differences(self) -> Iterator[str]:
        """Yield the records of which the mate does not hold the latest state."""
        for name, states in self._history.items():
            if self._held(name) != states[-1]:
                yield name

    # --- what happens -----------------------------------------------------------------------------

    def written(self, name: str, found: tuple[StoredRecord, bytes] | None) -> None:
        """See a state of a record become durable at its owner, or (without one) the record being gone."""
        states = self._history.setdefault(name, [])
        if found is None:
            states.append(None)
        else:
            record, content = found
            states.append(mark_of(Version(record.epoch, record.version), content))

    def lost(self) -> None:
        """See the owner lose its store."""
        for states in self._history.values():
            states.append(None)

    def copied(self, name: str, stored: bytes | None) -> None:
        """See a copy change in the mate's store, or (without content) go."""
        states, before = self._history.get(name, []), self._reached.get(name)
        copy = None if stored is None else decode_copy(stored)
        mark = None if copy is None else mark_of(copy.version, copy.content)
        if mark == self._held(name):
            return
        later = range(0 if before is None else before + 1, len(states))
        at = next((at for at in later if states[at] == mark), None)
        if at is None:
            went = "was lost" if mark is None else "went back" if mark in states else "was made up"
            self._fail(f"1: the copy of {self._owner}'s {name} {went}")
            return
        self._reached[name] = at
        has_keys = copy is not None and is_peering(name)
        self._keys[name] = key_ids(copy.content) if copy is not None and has_keys else frozenset()

    def copies_lost(self) -> None:
        """See the mate lose its store."""
        self._excused.update(*self._keys.values())
        self._reached.clear()
        self._keys.clear()

    def sent(self, channel: int, record: Record) -> None:
        """See the owner send a record to its mate."""
        while channel not in self._flights and len(self._flights) >= _MOST_CHANNELS:
            del self._flights[next(iter(self._flights))]
        self._flights.setdefault(channel, deque(maxlen=_MOST_FLIGHTS)).append(record)

    def acknowledged(self, channel: int, number: int) -> None:
        """See the mate acknowledge: "when a RECORD and all before it are durable"."""
        flights = self._flights.get(channel, deque())
        last = {record.name: record for record in flights}
        for record in last.values():
            held = self._held(record.name)
            if record.number > number:
                continue
            if record.deleted:
                durable = held is None or held.version > record.version
            else:
                durable = held is not None and held.version >= record.version
            if not durable:
                self._fail(f"1: record {number} is acknowledged before it is durable")
        while flights and flights[0].number <= number:
            flights.popleft()

    def listed(self, inventory: Inventory) -> None:
        """See the mate list what it holds: what "was received" and is durable, and nothing newer.

        An incarnation that another has replaced may list what it knew: what it is sent then ends it.
        """
        for name, mark in inventory.entries:
            reached = self._reached.get(name, -1)
            if mark not in self._history.get(name, [])[: reached + 1]:
                self._fail(f"1: an inventory lists {self._owner}'s {name}, which is not durable")

    def _held(self, name: str) -> Mark | None:
        reached = self._reached.get(name)
        return None if reached is None else self._history[name][reached]
