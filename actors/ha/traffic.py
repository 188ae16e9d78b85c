"""What a data plane is told of the mate's keys: they open here always, and seal while the mate is silent.

    "When two nodes are configured as a redundant pair, each of the keys need to be exchanged between nodes.
    This is done to avoid rekeying on flow migration due to node failures."

Each copy is handed on as it arrives, so that a takeover is one word and no work: that very moment what the
dead node's peers seal can be opened, and sealed to them as well. With the end of the link's actor the rings
are taken away; the next one hands on what the store holds, and stands by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final
from uuid import UUID

from actors.desk import is_peering, peer_of, record_name
from peerkey.ha.takeover import sealing
from peerkey.protocol.traffic import TrafficKeys

if TYPE_CHECKING:
    from peerkey.protocol.keyring import KeyRing
    from peerkey.protocol.traffic import DataPlane

#: How many rings are handed on at a time, a few microseconds each, before others have their turn.
RINGS_AT_ONCE: Final = 256


@final
class MateTraffic:
    """The keys of the mate of one node, for the data plane of its process, if there is one."""

    def __init__(self, data_plane: DataPlane | None, node: UUID, epoch: int, mate: UUID) -> None:
        """Begin with no ring. What is sealed is sealed by ``node`` under its ``epoch``."""
        self._data_plane = data_plane
        self._node, self._epoch, self._mate = node, epoch, mate

    def copied(self, name: str, ring: KeyRing | None) -> None:
        """Take up the copy of a record, or (without a ring) that it is gone or cannot be read."""
        peer = _peer_untrusted(name)
        if self._data_plane is None or peer is None:
            return
        if ring is None:
            self._data_plane.forget(self._node, self._mate, peer)
        else:
            keys = TrafficKeys(self._node, self._epoch, self._mate, peer, ring=ring, seals=sealing(ring))
            self._data_plane.use(keys)

    def taken_over(self) -> None:
        """Take up that the mate is silent."""
        if self._data_plane is not None:
            self._data_plane.take_over(self._node, self._mate)

    def released(self) -> None:
        """Take up that the mate is back."""
        if self._data_plane is not None:
            self._data_plane.give_back(self._node, self._mate)

    def ended(self) -> None:
        """Take everything away."""
        if self._data_plane is not None:
            self._data_plane.forget_all(self._node, self._mate)


def _peer_untrusted(name: str) -> UUID | None:
    """Return the peer of the peering that a mate's record of that name is of, if it is of one."""
    try:
        peer = peer_of(name) if is_peering(name) else None
    except ValueError:
        return None
    # A UUID may be written in many ways, and is in one.
    return peer if peer is not None and record_name(peer) == name else None
