"""The keys of one peering: previous, current, next, and the slot of a key not accepted yet.

    "A single symmetric key is used for all paths between two routers. The key is saved and remains
    valid during network outages and path failures, until a new key is accepted as a replacement."

A key's life::

    responder:  pending --accept--> next --activate--> current --activate--> previous --erase--> gone
    initiator:  held    --accept--> next      (the same from there on)

*Accepted* means: the other end is known to be able to open with it. Only accepted keys seal and MAC.
Every key in the ring opens. A ring is a value; each step returns a new one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from peerkey.protocol.messages import Role, SummaryEntry
from peerkey.protocol.schedule import DerivedKeys
from peerkey.secret import Secret


@dataclass(frozen=True, slots=True)
class PeerKey:
    """One agreed key with what was derived beside it and what it was agreed under."""

    index: int
    key_id: bytes
    peer_key: Secret
    confirm_initiator: Secret
    confirm_responder: Secret
    probe: Secret
    #: Digests of the exchange that made it: a repeated KEY_CONFIRM is recognised as long as the key lives.
    request_digest: bytes
    response_digest: bytes
    #: Fingerprints of the two leaves whose keys signed the exchange.
    local_leaf: bytes
    peer_leaf: bytes
    algorithm: str
    #: When its secret was computed here, for showing and for the rekey interval after a restart.
    computed_at: datetime

    @classmethod
    def derived(
        cls,
        keys: DerivedKeys,
        *,
        index: int,
        exchange: tuple[bytes, bytes],
        leaves: tuple[bytes, bytes],
        algorithm: str,
        at: datetime,
    ) -> PeerKey:
        """Return the key of one exchange.

        ``exchange`` are the digests of request and response, ``leaves`` the fingerprints of this node's
        leaf and the peer's.
        """
        return cls(
            index,
            keys.key_id,
            keys.peer_key,
            keys.confirm_initiator,
            keys.confirm_responder,
            keys.probe,
            *exchange,
            *leaves,
            algorithm,
            at,
        )

    def named_by(self, entry: SummaryEntry) -> bool:
        """Tell whether a peer's summary entry speaks of this very key."""
        return entry.key_index == self.index and entry.key_id == self.key_id

    def __repr__(self) -> str:
        """Show the index and the key id, which is public."""
        return f"PeerKey(index={self.index}, key_id={self.key_id.hex()})"


#: The roles whose key the holder has accepted.
ACCEPTED = frozenset({Role.PREVIOUS, Role.CURRENT, Role.NEXT})


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of one peering. At most one of ``pending`` and ``held`` is there."""

    previous: PeerKey | None = None
    current: PeerKey | None = None
    next: PeerKey | None = None
    pending: PeerKey | None = None
    held: PeerKey | None = None

    def __iter__(self) -> Iterator[tuple[Role, PeerKey]]:
        """Iterate over the keys that are there, each with its role."""
        if self.previous is not None:
            yield Role.PREVIOUS, self.previous
        if self.current is not None:
            yield Role.CURRENT, self.current
        if self.next is not None:
            yield Role.NEXT, self.next
        if self.pending is not None:
            yield Role.PENDING, self.pending
        if self.held is not None:
            yield Role.HELD, self.held

    def __bool__(self) -> bool:
        """Tell whether any key is there."""
        return any(True for _ in self)

    def accepted(self) -> Iterator[PeerKey]:
        """Iterate over the keys that may MAC: newest first."""
        for key in (self.next, self.current, self.previous):
            if key is not None:
                yield key

    def find(self, index: int) -> tuple[Role, PeerKey] | None:
        """Return the key of this index with its role."""
        for role, key in self:
            if key.index == index:
                return role, key
        return None

    def summary(self) -> tuple[SummaryEntry, ...]:
        """Return what this side can open, as a peer is told."""
        return tuple(SummaryEntry(key.index, key.key_id, role) for role, key in self)

    def lacked_by(self, summary: tuple[SummaryEntry, ...]) -> bool:
        """Tell whether a peer's summary shows that it cannot open with the current key."""
        current = self.current
        return current is not None and not any(current.named_by(entry) for entry in summary)

    def highest_index(self) -> int:
        """Return the greatest index in the ring, or 0."""
        return max((key.index for _, key in self), default=0)

    def with_pending(self, key: PeerKey) -> KeyRing:
        """Return the ring with ``key`` answered but not confirmed; an older such key is dropped."""
        return replace(self, pending=key, held=None)

    def with_held(self, key: PeerKey) -> KeyRing:
        """Return the ring with ``key`` computed but not established."""
        return replace(self, held=key, pending=None)

    def without_unaccepted(self) -> KeyRing:
        """Return the ring without the key that was not accepted."""
        return replace(self, pending=None, held=None)

    def accept(self) -> KeyRing:
        """Return the ring with the pending or held key as ``next``.

        A ``next`` that is still waiting is activated first: that happens only with a peer that lacks
        our current key, and then waiting longer protects nothing.
        """
        key = self.pending or self.held
        if key is None:
            message = "nothing to accept"
            raise ValueError(message)
        ring = self if self.next is None else self.activate()
        return replace(ring, next=key, pending=None, held=None)

    def activate(self) -> KeyRing:
        """Return the ring that seals with ``next``; the key it replaces goes on opening as ``previous``."""
        if self.next is None:
            message = "no next key to activate"
            raise ValueError(message)
        return replace(self, previous=self.current, current=self.next, next=None)

    def without_previous(self) -> KeyRing:
        """Return the ring without the replaced key."""
        return replace(self, previous=None)
