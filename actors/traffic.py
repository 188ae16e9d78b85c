"""What a data plane is told of a node's own keys, each time in the order in which it is true.

:class:`OwnTraffic` is told which ring of a peering is durable and which key is in use, and hands both on. A
ring is handed on behind its write and before whatever waits behind that write: so a key opens before a peer
can seal with it, and none seals before its record says so. What is stored of a peering that is about to start
only opens: that is when ``fail-hard`` has its say, and what seals is told by the peering.

Where a node crashes its keys stay where they are until the next incarnation hands on its own, under its
epoch. Where it is stopped they go. :mod:`actors.ha.traffic` tells of the mate's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from peerkey.protocol.keyring import KeyRing
from peerkey.protocol.state import decode_state
from peerkey.protocol.traffic import TrafficKeys

if TYPE_CHECKING:
    from uuid import UUID

    from peerkey.protocol.traffic import DataPlane


@dataclass(slots=True)
class _Known:
    """What is so of one peering."""

    ring: KeyRing
    #: The index of the key in use, once the peering has said so.
    index: int | None = None


@final
class OwnTraffic:
    """The keys of one incarnation of a node, for the data plane of its process, if there is one."""

    def __init__(self, data_plane: DataPlane | None, node: UUID, epoch: int) -> None:
        """Begin with no peering."""
        self._data_plane, self._node, self._epoch = data_plane, node, epoch
        self._known: dict[UUID, _Known] = {}

    def opened(self, peer: UUID, ring: KeyRing | None) -> None:
        """Take up the stored ring of a peering that is about to start."""
        known = self._known[peer] = _Known(KeyRing() if ring is None else ring)
        self._hand_on(peer, known)

    def written(self, peer: UUID, record: bytes | None) -> None:
        """Take up that a record of a peering is durable, or (without content) gone."""
        if self._data_plane is None:
            return
        if record is None:
            self.gone(peer)
            return
        known, ring = self._known.get(peer), decode_state(record).ring
        if known is not None and ring != known.ring:
            known.ring = ring
            self._hand_on(peer, known)

    def usable(self, peer: UUID, index: int | None) -> None:
        """Take up which key is in use: none where the peering has none, or is disabled."""
        known = self._known.get(peer)
        if known is not None and known.index != index:
            known.index = index
            self._hand_on(peer, known)

    def gone(self, peer: UUID) -> None:
        """Take up that there is no such peering any more."""
        self._known.pop(peer, None)
        if self._data_plane is not None:
            self._data_plane.forget(self._node, self._node, peer)

    def stopped(self) -> None:
        """Take up that the node has been stopped."""
        if self._data_plane is not None:
            self._data_plane.forget_all(self._node, self._node)

    def _hand_on(self, peer: UUID, known: _Known) -> None:
        if self._data_plane is None:
            return
        found = None if known.index is None else known.ring.find(known.index)
        seals = None if found is None else found[1]
        self._data_plane.use(
            TrafficKeys(self._node, self._epoch, self._node, peer, ring=known.ring, seals=seals)
        )
