"""Who leads a router of two nodes: what belongs to the router, and not to a node, is the leader's business.

A leader is told by its BEATs. Who has heard none for :data:`~peerkey.ha.constants.LEASE` claims the next
term, stores it, and leads. A term is never used before it is stored, and only grows; its last bit says
whose it is, so that *no term is ever both nodes'*: whatever a leader writes carries its term, and of two
leaders on the two sides of a broken link neither can write what the other has written. When they hear each
other the higher term stays; of two that were claimed at once the lower UUID's is the higher.

The leader decides nothing about peer keys but whose turn it is to begin (:mod:`peerkey.ha.turns`). Each node
agrees and rotates its own, whoever leads.
"""

from __future__ import annotations

from datetime import timedelta
from enum import Enum, auto
from typing import Final, TypeAlias, final

from peerkey.ha.constants import CLAIM_STAGGER, LEASE
from peerkey.ha.effects import Emit, StoreTerm
from peerkey.ha.messages import Beat, Role
from peerkey.moment import Instant
from peerkey.observe.events import HaLeaderChanged

LeadershipEffect: TypeAlias = StoreTerm | Emit


class LeadershipStep(Enum):
    """What changes a node's role."""

    CLAIM = auto()  # a term of our own is stored
    FOLLOW = auto()  # a leader of a term as high as ours was heard, and the term is stored
    YIELD = auto()  # a leader of a higher term was heard; it is not stored yet


#: The machine. A step that has no edge here is a bug and raises ``KeyError``.
LEADERSHIP_EDGES: Final = {
    (Role.INACTIVE, LeadershipStep.CLAIM): Role.LEADER,
    (Role.INACTIVE, LeadershipStep.FOLLOW): Role.REDUNDANT,
    (Role.REDUNDANT, LeadershipStep.CLAIM): Role.LEADER,
    (Role.REDUNDANT, LeadershipStep.FOLLOW): Role.REDUNDANT,
    (Role.LEADER, LeadershipStep.CLAIM): Role.LEADER,
    (Role.LEADER, LeadershipStep.YIELD): Role.INACTIVE,
    (Role.INACTIVE, LeadershipStep.YIELD): Role.INACTIVE,
    (Role.REDUNDANT, LeadershipStep.YIELD): Role.REDUNDANT,
}


@final
class Leadership:
    """The role of one node."""

    def __init__(self, local: bytes, mate: bytes, *, names: tuple[str, str], term: int, now: Instant) -> None:
        """Begin ``Inactive``. ``local`` and ``mate`` are UUIDs, ``names`` what events call them.

        ``term`` is the one that was stored last, 0 where there is none.
        """
        #: The greatest term that is known and stored. Where this node leads it is the term that it leads
        #: under.
        self.term = term
        self.role = Role.INACTIVE
        self._ours = int(local < mate)
        self._local_name, self._mate_name = names
        #: When a leader was last heard, or since when one has been waited for.
        self._heard_at = now
        #: A term that is being stored, and what it is for.
        self._storing: tuple[int, LeadershipStep | None] | None = None

    def heard(self, beat: Beat, now: Instant) -> list[LeadershipEffect]:
        """Take up what the mate says it is."""
        leads = beat.role is Role.LEADER
        if leads and beat.term >= self.term and beat.term & 1 != self._ours:
            self._heard_at = now
            if beat.term == self.term:
                return self._follow()
            self._move(LeadershipStep.YIELD)
            return self._store(beat.term, LeadershipStep.FOLLOW)
        if not leads and beat.term > self.term:
            # It knows of a term that this node has not heard of. Who leads goes on, above it.
            if self.role is Role.LEADER:
                return self._claim(beat.term)
            return self._store(beat.term, None)
        return []

    def term_stored(self, term: int, now: Instant) -> list[LeadershipEffect]:
        """Take up that a term is durable: now it may be used."""
        if self._storing is None or self._storing[0] != term:
            return []
        _, step = self._storing
        self._storing, self.term = None, term
        match step:
            case LeadershipStep.FOLLOW:
                self._heard_at = now
                return self._follow()
            case LeadershipStep.CLAIM:
                self._move(LeadershipStep.CLAIM)
                return [Emit(HaLeaderChanged(self._local_name, term))]
            case _:
                return []

    def deadline(self) -> Instant | None:
        """Return when :meth:`tick` has something to do."""
        if self.role is Role.LEADER or self._storing is not None:
            return None
        return self._heard_at + LEASE + (timedelta(0) if self._ours else CLAIM_STAGGER)

    def tick(self, now: Instant) -> list[LeadershipEffect]:
        """Claim the leadership where no leader has been heard for the lease."""
        due = self.deadline()
        return self._claim(self.term) if due is not None and due <= now else []

    # --- inside -----------------------------------------------------------------------------------

    def _claim(self, above: int) -> list[LeadershipEffect]:
        return self._store((above // 2 + 1) * 2 + self._ours, LeadershipStep.CLAIM)

    def _store(self, term: int, step: LeadershipStep | None) -> list[LeadershipEffect]:
        """Store a term, one at a time: what is heard meanwhile is heard again with the next BEAT."""
        if self._storing is not None:
            return []
        self._storing = (term, step)
        return [StoreTerm(term)]

    def _follow(self) -> list[LeadershipEffect]:
        before = self.role
        self._move(LeadershipStep.FOLLOW)
        return [] if before is Role.REDUNDANT else [Emit(HaLeaderChanged(self._mate_name, self.term))]

    def _move(self, step: LeadershipStep) -> None:
        self.role = LEADERSHIP_EDGES[self.role, step]
