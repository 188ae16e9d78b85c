"""A data plane in memory: it really seals and opens, and refuses what a forwarder must refuse.

::

    packet = key id (16) || sender's UUID (16) || sender's epoch (u64) || counter (u64) || AES-256-GCM

The header is the associated data, and the counter the nonce. What a replayed packet does is left to who
receives it; nothing here remembers packets.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from peerkey.protocol.traffic import TrafficKeys

_KEY_ID: Final = 16
_UUID: Final = 16
_NUMBER: Final = 8
_HEADER: Final = _KEY_ID + _UUID + 2 * _NUMBER
_NONCE: Final = 12


class CannotSeal(Exception):
    """There is no key to seal with, or it is not this node's to seal with now."""


class CannotOpen(Exception):
    """The packet is under no key that is held, or not what was sealed."""


@final
class MemoryDataPlane:
    """The data plane of the nodes of one process; it is a :class:`~peerkey.protocol.traffic.DataPlane`."""

    def __init__(self) -> None:
        """Begin without keys."""
        #: By node, owner and peer.
        self.keys: dict[tuple[UUID, UUID, UUID], TrafficKeys] = {}
        #: Pairs of a node and the mate whose rings it has taken over.
        self.taken_over: set[tuple[UUID, UUID]] = set()
        #: Of each seal key, by what makes it: key id, node, epoch. Never begun again: see the port.
        self._counters: Counter[tuple[bytes, UUID, int]] = Counter()
        #: The newest epoch of each node: what comes under an older one is of an incarnation that is over.
        self._epochs: dict[UUID, int] = {}

    # --- the port -----------------------------------------------------------------------------------

    def use(self, keys: TrafficKeys) -> None:
        """See the port."""
        newest = self._epochs[keys.node] = max(self._epochs.get(keys.node, 0), keys.epoch)
        if keys.epoch == newest:
            self.keys[keys.node, keys.owner, keys.peer] = keys

    def forget(self, node: UUID, owner: UUID, peer: UUID) -> None:
        """See the port."""
        self.keys.pop((node, owner, peer), None)

    def forget_all(self, node: UUID, owner: UUID) -> None:
        """See the port."""
        for place in [place for place in self.keys if place[:2] == (node, owner)]:
            del self.keys[place]
        self.taken_over.discard((node, owner))

    def take_over(self, node: UUID, mate: UUID) -> None:
        """See the port."""
        self.taken_over.add((node, mate))

    def give_back(self, node: UUID, mate: UUID) -> None:
        """See the port."""
        self.taken_over.discard((node, mate))

    # --- traffic ------------------------------------------------------------------------------------

    def seal(self, node: UUID, peer: UUID, payload: bytes, *, owner: UUID | None = None) -> bytes:
        """Return the packet in which ``node`` sends a payload to a peer, over the peering of ``owner``.

        Raises:
            CannotSeal: there is no key to do so with, or the owner lives and seals itself.

        """
        owner = node if owner is None else owner
        keys = self.keys.get((node, owner, peer))
        if owner != node and (node, owner) not in self.taken_over:
            message = f"the peerings of {owner} are its own"
            raise CannotSeal(message)
        if keys is None or keys.seals is None:
            message = f"no key with {peer}"
            raise CannotSeal(message)
        key_id = keys.seals.key_id
        place = (key_id, keys.node, keys.epoch)
        self._counters[place] += 1
        counter = self._counters[place].to_bytes(_NUMBER, "big")
        header = key_id + keys.node.bytes + keys.epoch.to_bytes(_NUMBER, "big") + counter
        nonce = bytes(_NONCE - _NUMBER) + counter
        return header + AESGCM(keys.seal_key().reveal()).encrypt(nonce, payload, header)

    def open(self, node: UUID, packet: bytes) -> bytes:
        """Return the payload of a packet that has come to ``node``, by whichever of its peerings.

        Raises:
            CannotOpen: it is under no key of these, or was changed.

        """
        header, sealed = packet[:_HEADER], packet[_HEADER:]
        key_id, sender = header[:_KEY_ID], header[_KEY_ID : _KEY_ID + _UUID]
        epoch, counter = header[_KEY_ID + _UUID : -_NUMBER], header[-_NUMBER:]
        if len(header) < _HEADER:
            message = f"a packet of {len(packet)} bytes"
            raise CannotOpen(message)
        for keys in [keys for place, keys in self.keys.items() if place[0] == node]:
            try:
                key = keys.open_key(key_id, UUID(bytes=sender), int.from_bytes(epoch, "big"))
                nonce = bytes(_NONCE - _NUMBER) + counter
                return AESGCM(key.reveal()).decrypt(nonce, sealed, header)
            except LookupError:
                continue
            except InvalidTag:
                break
        message = f"a packet under key {key_id.hex()} does not open at {node}"
        raise CannotOpen(message)
