"""What one peering remembers: all of it is stored, nothing else is.

    "No signed or MACed frame of kinds 3 to 7 or 10 leaves without a successful write under the
    sender's epoch."

:class:`PeeringState` is that memory. :func:`encode_state` and :func:`decode_state` turn it into one
record and back. The record holds key material in the clear; the store seals it before it is
written (AES-256-GCM), so these bytes never rest anywhere as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

import msgpack

from peerkey.errors import Misconfigured
from peerkey.protocol.keyring import KeyRing, PeerKey
from peerkey.protocol.messages import Role
from peerkey.secret import Secret

#: The layout of the record. A record of another layout is refused, never guessed at.
RECORD_FORMAT: Final = 1
#: Where the keys stand in it; each is a role, an index, an id, and what is secret.
_KEYS_FIELD: Final = 6


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """The certificate of the peer that was accepted last."""

    #: DER, leaf first.
    chain: tuple[bytes, ...]
    #: SHA-256 of the leaf.
    fingerprint: bytes
    #: The announcement that brought it: announcements under one leaf are ordered by number.
    number: int
    digest: bytes
    #: What the peer announced that it can do.
    versions: tuple[int, ...]
    algorithms: tuple[str, ...]
    #: False once fail-hard has put it out of force; it then still orders announcements.
    in_force: bool = True
    #: It was the first, nothing validated it, and only the rules for pins replace it.
    pinned: bool = False

    def put_in_force(self, *, in_force: bool = True) -> PeerCertificate:
        """Return the certificate in force again, or out of it."""
        return replace(self, in_force=in_force)


@dataclass(frozen=True, slots=True)
class DroppedKey:
    """What is left of a key that was answered and given up: enough to know its KEY_CONFIRM as the peer's."""

    request_digest: bytes
    response_digest: bytes
    confirm_initiator: Secret

    @property
    def names(self) -> tuple[bytes, bytes]:
        """By which request and response a KEY_CONFIRM names it."""
        return (self.request_digest, self.response_digest)


@dataclass(slots=True)
class PeeringState:
    """Everything of a peering that survives a restart."""

    #: The number of our latest announcement; it only grows.
    announcement_number: int
    #: What we expect a peer to echo that has heard from us lately.
    challenge: bytes = field(repr=False)
    #: What we echo: the challenge last heard from the peer, or nothing.
    peer_challenge: bytes = field(default=b"", repr=False)
    #: Greater than or equal to every key index proposed, accepted or seen by either side.
    highest_index: int = 0
    #: Digest of the KEY_REQUEST last sent. Its ephemeral secrets are not stored.
    request_digest: bytes = b""
    ring: KeyRing = field(default_factory=KeyRing)
    #: The encoded KEY_RESPONSE that goes with ``ring.pending``.
    response: bytes = field(default=b"", repr=False)
    #: The encoded KEY_CONFIRM that goes with ``ring.held``.
    confirm: bytes = field(default=b"", repr=False)
    #: The pending key that was given up last: whoever confirms it late is told, with proof and to proof.
    dropped: DroppedKey | None = None
    #: The key being computed is to be used at once: the peer lacks our current one.
    activate_at_once: bool = False
    peer: PeerCertificate | None = None
    #: The leaf of ours that the peer has proved to hold, by naming it in an exchange that verified; none
    #: from the moment on at which another is announced.
    peer_holds: bytes = b""
    #: Why fail-hard or the peer removed the peering; empty while it stands.
    removed: str = ""
    #: How many keys have become current.
    key_changes: int = 0
    #: The greatest index that the peer has said, under that very key, it seals with.
    peer_seals_with: int = 0

    @property
    def peer_may_seal_with_previous(self) -> bool:
        """Tell whether a replaced key is there that the peer is not known to have left behind."""
        current = self.ring.current
        return self.ring.previous is not None and current is not None and self.peer_seals_with < current.index


def encode_state(state: PeeringState) -> bytes:
    """Return the record of a state, to be sealed by the store."""
    peer = state.peer
    record: bytes = msgpack.packb(
        (
            RECORD_FORMAT,
            state.announcement_number,
            state.challenge,
            state.peer_challenge,
            state.highest_index,
            state.request_digest,
            [(role.value, *_key_fields(key)) for role, key in state.ring],
            state.response,
            state.confirm,
            None
            if state.dropped is None
            else (
                state.dropped.request_digest,
                state.dropped.response_digest,
                state.dropped.confirm_initiator.reveal(),
            ),
            state.activate_at_once,
            None
            if peer is None
            else (
                peer.chain,
                peer.fingerprint,
                peer.number,
                peer.digest,
                peer.versions,
                peer.algorithms,
                peer.in_force,
                peer.pinned,
            ),
            state.removed,
            state.key_changes,
            state.peer_seals_with,
            state.peer_holds,
        ),
    )
    return record


def decode_state(record: bytes) -> PeeringState:
    """Read a record that :func:`encode_state` wrote and the store has unsealed.

    Raises:
        Misconfigured: where it is of another layout, as after a step back to older software.

    """
    fields: list[Any] = msgpack.unpackb(record, use_list=False)
    if fields[0] != RECORD_FORMAT:
        message = (
            f"the stored record of a peering has format {fields[0]}, this software reads {RECORD_FORMAT}: "
            "run the version that wrote it, or upgrade"
        )
        raise Misconfigured(message)
    (_, number, challenge, peer_challenge, highest, request, keys, response, confirm) = fields[:9]
    dropped, at_once, peer, removed, changes, peer_seals, peer_holds = fields[9:]
    return PeeringState(
        announcement_number=number,
        challenge=challenge,
        peer_challenge=peer_challenge,
        highest_index=highest,
        request_digest=request,
        ring=KeyRing(**{Role(role).value: _key(*key) for role, *key in keys}),
        response=response,
        confirm=confirm,
        dropped=None if dropped is None else DroppedKey(dropped[0], dropped[1], Secret(dropped[2])),
        activate_at_once=at_once,
        peer=None if peer is None else PeerCertificate(*peer),
        removed=removed,
        key_changes=changes,
        peer_seals_with=peer_seals,
        peer_holds=peer_holds,
    )


def key_ids(record: bytes) -> frozenset[bytes]:
    """Return the ids of the keys in a record that :func:`encode_state` wrote: they are public."""
    keys = msgpack.unpackb(record, use_list=False)[_KEYS_FIELD]
    return frozenset(key_id for _, _, key_id, *_ in keys)


def _key_fields(key: PeerKey) -> tuple[Any, ...]:
    return (
        key.index,
        key.key_id,
        key.peer_key.reveal(),
        key.confirm_initiator.reveal(),
        key.confirm_responder.reveal(),
        key.probe.reveal(),
        key.request_digest,
        key.response_digest,
        key.local_leaf,
        key.peer_leaf,
        key.algorithm,
        key.computed_at.timestamp(),
    )


def _key(  # noqa: PLR0913, PLR0917 - the fields of a key, in the order of the record
    index: int,
    key_id: bytes,
    peer_key: bytes,
    confirm_initiator: bytes,
    confirm_responder: bytes,
    probe: bytes,
    request_digest: bytes,
    response_digest: bytes,
    local_leaf: bytes,
    peer_leaf: bytes,
    algorithm: str,
    computed_at: float,
) -> PeerKey:
    return PeerKey(
        index,
        key_id,
        Secret(peer_key),
        Secret(confirm_initiator),
        Secret(confirm_responder),
        Secret(probe),
        request_digest,
        response_digest,
        local_leaf,
        peer_leaf,
        algorithm,
        datetime.fromtimestamp(computed_at, UTC),
    )
