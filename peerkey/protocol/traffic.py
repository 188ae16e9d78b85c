"""What a data plane is given to seal and open the traffic of a peering with.

The port is :class:`DataPlane`. It is in the process of the nodes, because a key leaves a process sealed or
not at all: what is told outside of it (events, the admin API) names keys and never shows them.

What is given is a ring for each peering of a node and, in an HA router, for each peering of its mate. Every
key of a ring opens. What is sealed is sealed by the *node*, whose ever the ring is: under
:attr:`TrafficKeys.seals` with :meth:`TrafficKeys.seal_key`, which is the node's own. With a mate's ring
nothing is sealed but between :meth:`DataPlane.take_over` and :meth:`DataPlane.give_back`.

A *counter* belongs to a seal key and to the process: it never starts again while the process lives, not even
where a ring was forgotten and given again. So no nonce is used twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from peerkey.protocol import schedule
from peerkey.protocol.keyring import KeyRing, PeerKey
from peerkey.secret import Secret


@dataclass(frozen=True, slots=True)
class TrafficKeys:
    """The keys of one peering, as one node may use them. It prints no key."""

    #: Who opens and seals with them, in this process, and its epoch.
    node: UUID
    epoch: int
    #: Who agreed them: the node itself, or its mate.
    owner: UUID
    peer: UUID
    #: Every key in it opens what the peer seals.
    ring: KeyRing = field(repr=False)
    #: The key to seal with; ``None``: there is none to seal with.
    seals: PeerKey | None

    def seal_key(self) -> Secret:
        """Return the AES-256 key that the node seals with.

        Raises:
            ValueError: where there is none.

        """
        if self.seals is None:
            message = f"no key to seal with to {self.peer}"
            raise ValueError(message)
        return schedule.seal_key(self.seals.peer_key, self.node.bytes, self.epoch)

    def open_key(self, key_id: bytes, sender: UUID, epoch: int) -> Secret:
        """Return the AES-256 key that ``sender`` seals with in its ``epoch``, under the key of that id.

        The sender is the peer, or the mate of it.

        Raises:
            LookupError: where the ring has no such key.

        """
        for _, key in self.ring:
            if key.key_id == key_id:
                return schedule.seal_key(key.peer_key, sender.bytes, epoch)
        message = f"no key {key_id.hex()} with {self.peer}"
        raise LookupError(message)


class DataPlane(Protocol):
    """Seals and opens traffic in this process. No method blocks or raises; each is called on the loop."""

    def use(self, keys: TrafficKeys) -> None:
        """Use these keys from now on, in place of those that the same node had of the same owner and peer.

        Keys under an older epoch than the newest of the node are passed over: that incarnation is over.
        """
        ...

    def forget(self, node: UUID, owner: UUID, peer: UUID) -> None:
        """Forget the keys that ``node`` has of the peering of ``owner`` with ``peer``, if there are any."""
        ...

    def forget_all(self, node: UUID, owner: UUID) -> None:
        """Forget everything that ``node`` has of ``owner``; what was taken over is given back with it."""
        ...

    def take_over(self, node: UUID, mate: UUID) -> None:
        """Seal at ``node`` with the rings of its mate too: that is silent. Its flows may come here."""
        ...

    def give_back(self, node: UUID, mate: UUID) -> None:
        """Seal with the rings of the mate no more: it is back. They go on opening here."""
        ...
