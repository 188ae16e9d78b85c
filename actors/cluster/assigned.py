"""What a host has been told so far: where every node is, which nodes are its own, and what these are to do.

Pure, and older than any one agent: it is made where a host is composed, and outlives the agent's crashes.
What comes from an older coordinator than has been heard of is refused. Until all parts of a list are there,
the former list counts; until all pieces of a changed plan are there, the former plan does. A node that is
not named any more is dropped at once: another host may have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from actors.cluster.shares import Puzzle
from runtime.wire.port import Address

if TYPE_CHECKING:
    from actors.cluster.messages import Assignment, PlansOf, Target
    from actors.cluster.shares import Share
    from peerkey.config.plan import NodePlan

#: Nodes whose plans are asked for in one report.
ASKED_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class Places:
    """An assignment that is complete."""

    hosts: Mapping[str, str]
    version: int


class Assigned:
    """See the module."""

    def __init__(self) -> None:
        """Know nothing."""
        #: The latest coordinator that was heard of.
        self.epoch = 0
        #: The assignment that is in force.
        self.version = 0
        #: The digest of the target that is in force.
        self.target = b""
        #: How often an operator had everything read again, by this coordinator, and how often that was done.
        self.reloads = 0
        self.reloads_done = 0
        #: Counts changes of what :meth:`plans` and :meth:`routes` return.
        self.changes = 0
        self._wanted: dict[str, bytes] = {}
        self._shares: dict[str, Share] = {}
        self._puzzle = Puzzle()
        self._places: dict[int, Assignment] = {}
        self._targets: dict[int, Target] = {}
        self._plans: tuple[NodePlan, ...] = ()

    # --- what there is --------------------------------------------------------------------------------

    def plans(self) -> tuple[NodePlan, ...]:
        """Return the plans of the nodes of this host, those that it has. May be called from any thread."""
        return self._plans

    def routes(self) -> Mapping[tuple[Address, Address], str]:
        """Return the direct paths: both addresses, and the actor of the node at the other end."""
        return {
            (Address(local, port), Address(peer, peer_port)): actor
            for share in self._shares.values()
            for local, port, peer, peer_port, actor in share.routes
        }

    @property
    def wanted(self) -> int:
        """How many nodes are to run here."""
        return len(self._wanted)

    def lacks(self) -> tuple[str, ...]:
        """Return the nodes whose plans are to be asked for next."""
        lacking = [node for node, digest in self._wanted.items() if not self._has(node, digest)]
        return tuple(lacking[:ASKED_AT_ONCE])

    # --- what is told ---------------------------------------------------------------------------------

    def take_assignment(self, part: Assignment) -> Places | None:
        """Take a part of where every node is; return the whole with the last one."""
        if not self._newest(part.epoch) or part.version <= self.version:
            return None
        if any(each.version != part.version for each in self._places.values()):
            self._places.clear()
        self._places[part.part] = part
        if len(self._places) < part.parts:
            return None
        hosts = {
            prefix: each.hosts[number] for each in self._places.values() for prefix, number in each.prefixes
        }
        self._places.clear()
        self.version = part.version
        return Places(hosts, part.version)

    def take_target(self, part: Target) -> bool:
        """Take a part of what this host is to run; return whether it was the last one and brought news."""
        if not self._newest(part.epoch) or part.digest == self.target:
            return False
        if any(each.digest != part.digest for each in self._targets.values()):
            self._targets.clear()
        self._targets[part.part] = part
        if len(self._targets) < part.parts:
            return False
        if not self.target:
            # What has just begun has read everything anyway.
            self.reloads_done = part.reloads
        self._wanted = {node: digest for each in self._targets.values() for node, digest in each.nodes}
        self._targets.clear()
        self.target, self.reloads = part.digest, part.reloads
        self._puzzle.keep(self._wanted)
        for node in [each for each in self._shares if each not in self._wanted]:
            del self._shares[node]
        self._changed()
        return True

    def take_plans(self, told: PlansOf) -> bool:
        """Take pieces of plans; return whether they have completed any."""
        if not self._newest(told.epoch):
            return False
        completed = False
        for piece in told.pieces:
            if self._wanted.get(piece.node) != piece.digest or self._has(piece.node, piece.digest):
                continue
            whole = self._puzzle.take(piece)
            if whole is not None:
                self._shares[piece.node] = whole
                completed = True
        if completed:
            self._changed()
        return completed

    def _newest(self, epoch: int) -> bool:
        """Tell whether a coordinator is not older than the latest; one that is newer begins anew."""
        if epoch > self.epoch:
            self.epoch = epoch
            self.reloads = self.reloads_done = 0
            self._places.clear()
            self._targets.clear()
        return epoch == self.epoch

    def _has(self, node: str, digest: bytes) -> bool:
        share = self._shares.get(node)
        return share is not None and share.digest == digest

    def _changed(self) -> None:
        self._plans = tuple(self._shares[node].plan for node in sorted(self._shares))
        self.changes += 1
