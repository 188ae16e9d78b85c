"""What becomes of the mate's keys: they open here always, and are sealed with here while the mate is silent.

    "When two nodes are configured as a redundant pair, each of the keys need to be exchanged between nodes.
    This is done to avoid rekeying on flow migration due to node failures."

A copy of a key ring opens whatever its peer seals. Once the mate has said nothing for the lease, its rings
are *taken over*: this node seals with them too. It seals under its own UUID and its own epoch
(:func:`seal_key`), so that its keys are others than the mate's even where the mate is alive behind a broken
link: no nonce is used twice, and peers need not know. With the mate's next HELLO its rings are its own
again, and only open here.

A node that takes over agrees no keys in its mate's name, probes for it and answers for it in nothing: it has
neither its certificate nor its private key.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final, TypeAlias, final

from peerkey.errors import Malformed
from peerkey.ha.constants import LEASE
from peerkey.ha.effects import Emit, Released, TakenOver
from peerkey.ha.rings import ring_untrusted
from peerkey.moment import Instant
from peerkey.observe.events import HaReleased, HaTakeover
from peerkey.protocol import schedule
from peerkey.protocol.keyring import KeyRing, PeerKey
from peerkey.secret import Secret

TakeoverEffect: TypeAlias = TakenOver | Released | Emit


class TakeoverState(Enum):
    """Whose the mate's key rings are."""

    STANDING_BY = auto()
    TAKEN_OVER = auto()


class TakeoverStep(Enum):
    """What changes that."""

    SILENCE = auto()
    HELLO = auto()


#: The machine. A step that has no edge here is a bug and raises ``KeyError``.
TAKEOVER_EDGES: Final = {
    (TakeoverState.STANDING_BY, TakeoverStep.SILENCE): TakeoverState.TAKEN_OVER,
    (TakeoverState.TAKEN_OVER, TakeoverStep.HELLO): TakeoverState.STANDING_BY,
    (TakeoverState.STANDING_BY, TakeoverStep.HELLO): TakeoverState.STANDING_BY,
}


@final
class Takeover:
    """The mate's key rings, as they are held here."""

    def __init__(self, mate_name: str, copies: Mapping[str, bytes], now: Instant) -> None:
        """Stand by with the stored copies: contents by record name. The mate's lease begins now."""
        self.state = TakeoverState.STANDING_BY
        #: The mate's key rings by record name. Every key in them opens.
        self.rings: dict[str, KeyRing] = {}
        #: Copies that this software cannot read: the mate runs another version of it, or lies.
        self.unreadable: set[str] = set()
        self._mate_name = mate_name
        self._heard_at = now
        for name, content in copies.items():
            self.copied(name, content)

    def copied(self, name: str, content: bytes | None) -> None:
        """Take up a copy that has arrived, or (without content) that the mate's record is gone."""
        self.rings.pop(name, None)
        self.unreadable.discard(name)
        if content is None:
            return
        try:
            self.rings[name] = ring_untrusted(content)
        except Malformed:
            self.unreadable.add(name)

    def heard(self, at: Instant) -> None:
        """Take up when the mate was heard last."""
        self._heard_at = at

    def greeted(self) -> list[TakeoverEffect]:
        """Give the mate's keys back: it has said HELLO."""
        before, self.state = self.state, TAKEOVER_EDGES[self.state, TakeoverStep.HELLO]
        if before is TakeoverState.STANDING_BY:
            return []
        return [Released(), Emit(HaReleased(self._mate_name))]

    def deadline(self) -> Instant | None:
        """Return when :meth:`tick` has something to do."""
        return self._heard_at + LEASE if self.state is TakeoverState.STANDING_BY and self.rings else None

    def tick(self, now: Instant) -> list[TakeoverEffect]:
        """Take over where the mate has been silent for the lease and has left something to take."""
        due = self.deadline()
        if due is None or now < due:
            return []
        self.state = TAKEOVER_EDGES[self.state, TakeoverStep.SILENCE]
        return [TakenOver(dict(self.rings)), Emit(HaTakeover(self._mate_name, len(self.rings)))]


def sealing(ring: KeyRing) -> PeerKey | None:
    """Return the key of a ring that was taken over to seal with: the newest that is accepted.

    Its peer can open with it whether the mate used it already or not: "early is always safe" (protocol.md,
    K6).
    """
    return ring.next or ring.current


def seal_key(key: PeerKey, survivor: bytes, epoch: int) -> Secret:
    """Return the AES-256 key that ``survivor`` (UUID, 16 bytes) seals with under a peer key in its ``epoch``.

    It is never the one of the key's owner, whose UUID is another, and never that of an earlier incarnation
    of the survivor. Its counter belongs to the process: a second takeover goes on where the first has
    stopped.
    """
    return schedule.seal_key(key.peer_key, survivor, epoch)
