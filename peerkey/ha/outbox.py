"""Our own records, on their way to the mate.

The outbox knows the latest content of each of our records, what the mate is known or expected to hold of
it, and what is under way. On a new connection the mate's inventory says what it has; what differs is sent,
then changes as they happen. Of one record only its latest content ever waits: a newer version takes the
place of an unsent older one, so that what waits is never more than what there is.

The mate never takes a copy that is not newer than the one it has. A record that was deleted and made again
begins again at version 1, maybe within one epoch; then, and wherever what the mate holds is not older than
what it should hold, it is told of the deletion first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import final

from peerkey.errors import Malformed
from peerkey.ha.constants import MAXIMUM_CONTENT_BYTES, MAXIMUM_RECORDS, WINDOW_BYTES, WINDOW_RECORDS
from peerkey.ha.effects import Held, Lacks, LinkEffect
from peerkey.ha.messages import Entry, Mark, Record, Version
from peerkey.ha.records import mark_of

Seal = Callable[[int, str, Version, "bytes | None"], Record]


@dataclass(frozen=True, slots=True)
class _Own:
    mark: Mark
    #: With keys in the clear, until it is sealed.
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Flight:
    number: int
    name: str
    #: What the mate holds once it has acknowledged this; ``None``: nothing.
    mark: Mark | None
    size: int
    #: Whether its owner is to be told; not of a record that has been deleted since, and may be there anew.
    told: bool = True


@final
class Outbox:
    """What the mate should have, has, and is being sent."""

    def __init__(self, own: Mapping[str, tuple[Version, bytes]]) -> None:
        """Begin with the stored records of this node: version and content, by name."""
        self._own: dict[str, _Own] = {}
        #: What the mate holds as soon as everything under way has arrived.
        self._expected: dict[str, Mark] = {}
        #: What the mate has acknowledged, or told in an inventory; kept over connections.
        self._held: dict[str, Mark] = {}
        #: Records to be looked at, in the order of their changes.
        self._waiting: dict[str, None] = {}
        self._flights: deque[_Flight] = deque()
        self._bytes = 0
        self._number = 0
        self._mates_store = b""
        #: Records that have changed while the inventory was arriving.
        self._changed_meanwhile: dict[str, None] = {}
        #: Whether this connection's inventory is complete, so that sending may begin.
        self._open = False
        for name, (version, content) in own.items():
            self.changed(name, version, content)

    # --- facts ------------------------------------------------------------------------------------

    @property
    def lag(self) -> int:
        """How many records the mate is known to be behind; all of them until it has shown its inventory."""
        behind = {flight.name for flight in self._flights} | self._waiting.keys()
        return len(behind) if self._open else max(len(behind), self.unheld)

    @property
    def unheld(self) -> int:
        """How many of our records the mate has not acknowledged as they are now."""
        return sum(1 for name, own in self._own.items() if self._held.get(name) != own.mark)

    @property
    def records(self) -> int:
        """How many records this node has."""
        return len(self._own)

    @property
    def caught_up(self) -> bool:
        """Whether the mate has everything."""
        return self._open and not self._waiting and not self._flights

    # --- what happens -----------------------------------------------------------------------------

    def changed(self, name: str, version: Version, content: bytes | None) -> None:
        """Take up that a record was written, or (without content) deleted.

        What is older than what is known, as after a restart that has read the store ahead of its messages,
        is passed over.

        Raises:
            ValueError: where the content, or the number of records, is beyond what a mate takes.

        """
        known = self._own.get(name)
        if known is not None and version < known.mark.version:
            return
        if content is None:
            self._own.pop(name, None)
            flights = (replace(each, told=False) if each.name == name else each for each in self._flights)
            self._flights = deque(flights)
        else:
            if len(content) > MAXIMUM_CONTENT_BYTES:
                message = f"record {name} has {len(content)} bytes; the limit is {MAXIMUM_CONTENT_BYTES}"
                raise ValueError(message)
            if known is None and len(self._own) >= MAXIMUM_RECORDS:
                message = f"more than {MAXIMUM_RECORDS} records are not replicated"
                raise ValueError(message)
            self._own[name] = _Own(mark_of(version, content), content)
        if not self._open:
            self._changed_meanwhile[name] = None
            return
        if content is None and name not in self._expected:
            # The mate has never been sent it.
            self._waiting.pop(name, None)
        else:
            self._waiting[name] = None

    def connected(self) -> None:
        """Begin a connection: nothing is under way, and what the mate holds is not known yet."""
        self._flights.clear()
        self._waiting.clear()
        self._expected.clear()
        self._changed_meanwhile.clear()
        self._bytes = self._number = 0
        self._open = False

    def greeted(self, store_id: bytes) -> Iterator[LinkEffect]:
        """Take up which store the mate has now: another one holds nothing that the one before has held."""
        if store_id != self._mates_store:
            self._mates_store = store_id
            for name in self._held:
                yield Lacks(name)
            self._held.clear()

    def lost(self) -> None:
        """End the connection."""
        self.connected()

    def inventory(self, entries: tuple[Entry, ...], *, last: bool) -> Iterator[LinkEffect]:
        """Take up what the mate holds; with the last part it is known what it lacks.

        Raises:
            Malformed: where there is more than a mate can hold, or a second inventory.

        """
        if self._open:
            message = "a second inventory on one connection"
            raise Malformed(message)
        for name, mark in entries:
            self._expected[name] = mark
            own, held = self._own.get(name), self._held.get(name)
            if own is None or own.mark != mark:
                self._waiting[name] = None
            elif held != mark:
                self._held[name] = mark
                yield Held(name, mark.version)
        if len(self._expected) > MAXIMUM_RECORDS:
            message = f"an inventory of more than {MAXIMUM_RECORDS} records"
            raise Malformed(message)
        if last:
            self._open = True
            self._waiting.update(self._changed_meanwhile)
            self._waiting.update(dict.fromkeys(name for name in self._own if name not in self._expected))
            for name in [name for name, mark in self._held.items() if self._expected.get(name) != mark]:
                del self._held[name]
                yield Lacks(name)

    def to_send(self, seal: Seal) -> Iterator[Record]:
        """Yield the records that the window has room for."""
        while self._waiting and len(self._flights) < WINDOW_RECORDS and self._bytes < WINDOW_BYTES:
            name = next(iter(self._waiting))
            del self._waiting[name]
            own, expected = self._own.get(name), self._expected.get(name)
            if own is not None and expected == own.mark:
                continue
            if expected is not None and (own is None or own.mark.version <= expected.version):
                yield self._fly(name, None, seal(self._number + 1, name, expected.version, None))
            if own is not None:
                version, content = own.mark.version, own.content
                yield self._fly(name, own.mark, seal(self._number + 1, name, version, content))

    def _fly(self, name: str, mark: Mark | None, record: Record) -> Record:
        self._number += 1
        self._flights.append(_Flight(record.number, name, mark, len(record.sealed)))
        self._bytes += len(record.sealed)
        if mark is None:
            self._expected.pop(name, None)
        else:
            self._expected[name] = mark
        return record

    def acknowledged(self, number: int) -> Iterator[LinkEffect]:
        """Take up that the mate has everything up to this RECORD in its store.

        Raises:
            Malformed: where no such RECORD was sent.

        """
        if number > self._number:
            message = f"record {number} is acknowledged, {self._number} were sent"
            raise Malformed(message)
        while self._flights and self._flights[0].number <= number:
            flight = self._flights.popleft()
            self._bytes -= flight.size
            if flight.mark is None:
                self._held.pop(flight.name, None)
            else:
                self._held[flight.name] = flight.mark
            if flight.mark is not None and flight.told:
                yield Held(flight.name, flight.mark.version)
