"""What the machines of an HA pair want done, as values, to be carried out in order.

Writes are asked for by :class:`StoreCopy`, :class:`DeleteCopy` and :class:`StoreTerm`. The shell begins
them in this order, and reports each when it is durable. One that fails or is refused ends the incarnation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from peerkey.ha.messages import Beat, Version
from peerkey.ha.records import Copy
from peerkey.observe.events import Event
from peerkey.protocol.keyring import KeyRing


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes to the channel."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Write what was sent, then close the channel; the machine has forgotten it. ``reason`` is for a log."""

    reason: str


@dataclass(frozen=True, slots=True)
class StoreCopy:
    """Write this copy of the mate's record ``name``; report ``write`` with ``stored`` once it is durable."""

    write: int
    name: str
    copy: Copy


@dataclass(frozen=True, slots=True)
class DeleteCopy:
    """Delete the copy of the record ``name``; report ``write`` with ``stored`` once that is durable."""

    write: int
    name: str


@dataclass(frozen=True, slots=True)
class Held:
    """The mate has this version of our record in its store."""

    name: str
    version: Version


@dataclass(frozen=True, slots=True)
class Lacks:
    """The mate, which was told to hold a version of our record, holds another or none: its store was lost."""

    name: str


@dataclass(frozen=True, slots=True)
class InStep:
    """The mate has all our records, for the first time on this connection. How many there are."""

    records: int


@dataclass(frozen=True, slots=True)
class Greeted:
    """The mate has said HELLO on a new connection, and is who it should be."""


@dataclass(frozen=True, slots=True)
class Beaten:
    """The mate has said that it lives."""

    beat: Beat


@dataclass(frozen=True, slots=True)
class StoreTerm:
    """Write this term; report it with ``term_stored`` once it is durable. It is not used before."""

    term: int


@dataclass(frozen=True, slots=True)
class StoreOwn:
    """Write this record of our own among those of the node; report it with ``changed`` once it is durable."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class TakenOver:
    """The mate is silent: its key rings, by record name, may be sealed with here from now on.

    What is sealed is sealed under *this* node's UUID and epoch (:func:`peerkey.ha.takeover.seal_key`), and a
    counter goes on where a takeover before this one, of the same process, has left it.
    """

    rings: Mapping[str, KeyRing]

    def __repr__(self) -> str:
        """Show how many there are."""
        return f"TakenOver({len(self.rings)} rings)"


@dataclass(frozen=True, slots=True)
class Released:
    """The mate is back: its keys are its own again. Here they only open."""


@dataclass(frozen=True, slots=True)
class Emit:
    """Something happened that an operator may want to know."""

    event: Event


#: Of the link alone.
LinkEffect: TypeAlias = (
    Send | Close | StoreCopy | DeleteCopy | Held | Lacks | InStep | Greeted | Beaten | Emit
)
#: Of :class:`~peerkey.ha.pair.PairNode`, for the shell.
Effect: TypeAlias = (
    Send
    | Close
    | StoreCopy
    | DeleteCopy
    | StoreOwn
    | Held
    | Lacks
    | InStep
    | StoreTerm
    | TakenOver
    | Released
    | Emit
)
