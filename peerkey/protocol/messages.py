"""The ten kinds of message and their fields: the table is the format.

A message is a ``NamedTuple`` whose order is the order on the wire; :data:`LAYOUTS` says what each
field may be. ``encode_body`` and ``decode_body_untrusted`` are the only two ways between a message
and its bytes.

What proves a message (a signature, a MAC) stands beside its body in the frame and is checked by the
machine that knows the key; nothing here verifies anything.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

import msgpack

from peerkey.errors import Malformed
from peerkey.protocol import codec
from peerkey.protocol.constants import (
    CHALLENGE_BYTES,
    DIGEST_BYTES,
    FINGERPRINT_BYTES,
    KEY_ID_BYTES,
    MAC_BYTES,
    MAXIMUM_ALGORITHMS,
    MAXIMUM_CERTIFICATE_BYTES,
    MAXIMUM_CHAIN,
    MAXIMUM_DETAIL_CHARACTERS,
    MAXIMUM_DH_BYTES,
    MAXIMUM_FRAME_BYTES,
    MAXIMUM_INDEX,
    MAXIMUM_KEM_BYTES,
    MAXIMUM_NAME_CHARACTERS,
    MAXIMUM_SIGNATURE_BYTES,
    MAXIMUM_SUMMARY,
    MAXIMUM_VERSIONS,
    NONCE_BYTES,
    PATH_ID_BYTES,
    PROBE_NONCE_BYTES,
    Kind,
)
from peerkey.protocol.frame import Frame


class Role(StrEnum):
    """The place of a key in a ring, as a ring summary names it."""

    PREVIOUS = "previous"
    CURRENT = "current"
    NEXT = "next"
    PENDING = "pending"
    HELD = "held"


class Reason(StrEnum):
    """Why a frame is refused. A reason that is not known here is shown as it came."""

    STALE = "stale"
    BUSY = "busy"
    UNKNOWN_EXCHANGE = "unknown-exchange"
    UNSUPPORTED_VERSION = "unsupported-version"
    ALGORITHM_MISMATCH = "algorithm-mismatch"
    CERTIFICATE_CHANGED = "certificate-changed"
    CERTIFICATE_INVALID = "certificate-invalid"
    PINNED = "pinned"
    WRONG_SENDER = "wrong-sender"
    WRONG_RECEIVER = "wrong-receiver"


#: Reasons that somebody must remove before a key can be agreed. Others pass by themselves.
LASTING: Final = frozenset(
    {
        Reason.ALGORITHM_MISMATCH,
        Reason.UNSUPPORTED_VERSION,
        Reason.CERTIFICATE_INVALID,
        Reason.PINNED,
        Reason.WRONG_SENDER,
        Reason.WRONG_RECEIVER,
    }
)


class SummaryEntry(NamedTuple):
    """One key that the sender of a ring summary can open."""

    key_index: int
    key_id: bytes
    role: Role


class Certificate(NamedTuple):
    """Kind 1: who the sender is. Signed by the leaf's key, also by the pinned key where one is replaced."""

    number: int
    chain: tuple[bytes, ...]
    versions: tuple[int, ...]
    algorithms: tuple[str, ...]
    challenge: bytes
    echo: bytes


class Ack(NamedTuple):
    """Kind 2: a hint that the frame of this digest was accepted."""

    digest: bytes


class KeyRequest(NamedTuple):
    """Kind 3: the initiator's half of an exchange. Signed."""

    proposed_index: int
    priority: int
    algorithm: str
    dh_public: bytes
    kem_public: bytes
    nonce: bytes
    sender_leaf: bytes
    receiver_leaf: bytes
    echo: bytes
    summary: tuple[SummaryEntry, ...]


class ResponseInner(NamedTuple):
    """The part of a KEY_RESPONSE that the transcript covers."""

    request_digest: bytes
    key_index: int
    dh_public: bytes
    kem_ciphertext: bytes
    nonce: bytes
    sender_leaf: bytes
    receiver_leaf: bytes
    challenge: bytes
    summary: tuple[SummaryEntry, ...]


class KeyResponse(NamedTuple):
    """Kind 4: the responder's half, and its proof that it has the key. Signed."""

    inner: bytes
    confirmation: bytes


class KeyConfirm(NamedTuple):
    """Kind 5: the initiator has the key. MACed with its confirmation key."""

    request_digest: bytes
    response_digest: bytes
    challenge: bytes


class KeyEstablished(NamedTuple):
    """Kind 6: the responder has accepted the key. MACed with its confirmation key."""

    confirm_digest: bytes


class Refusal(NamedTuple):
    """Kind 7: a frame was refused. Signed; unsigned it is only a hint."""

    digest: bytes
    reason: str
    detail: str
    challenge: bytes


class Probe(NamedTuple):
    """Kinds 8 and 9: is this path alive, and which key does each side seal with? MACed with a probe key."""

    path: bytes
    key_index: int
    seals_with: int
    nonce: bytes


class PeeringRemoved(NamedTuple):
    """Kind 10: the sender has erased the keys of this peering. MACed with the key that was current."""

    reason: str


Message: TypeAlias = (
    Certificate
    | Ack
    | KeyRequest
    | KeyResponse
    | KeyConfirm
    | KeyEstablished
    | Refusal
    | Probe
    | PeeringRemoved
)

_ROLES: Final = {role.value: role for role in Role}

_digest = codec.blob(DIGEST_BYTES)
_leaf = codec.blob(FINGERPRINT_BYTES)
_challenge = codec.blob(CHALLENGE_BYTES)
_maybe_challenge = codec.blob(0, CHALLENGE_BYTES)
_name = codec.text(MAXIMUM_NAME_CHARACTERS)


def _role(value: object) -> Role:
    role = _ROLES.get(value) if type(value) is str else None
    if role is None:
        message = f"expected one of {', '.join(Role)}"
        raise Malformed(message)
    return role


_summary = codec.sequence(
    codec.structure(SummaryEntry, codec.index(), codec.blob(KEY_ID_BYTES), _role),
    MAXIMUM_SUMMARY,
)

_PROBE: Final = (
    codec.blob(PATH_ID_BYTES),
    codec.index(),
    codec.index(),
    codec.blob(PROBE_NONCE_BYTES),
)

#: For each kind: the message it is read into, and what each of its fields may be.
LAYOUTS: Final[dict[int, tuple[type[Message], tuple[codec.Field, ...]]]] = {
    Kind.CERTIFICATE: (
        Certificate,
        (
            codec.index(),
            codec.sequence(codec.blob_up_to(MAXIMUM_CERTIFICATE_BYTES, 1), MAXIMUM_CHAIN, 1),
            codec.sequence(codec.number(255), MAXIMUM_VERSIONS, 1),
            codec.sequence(_name, MAXIMUM_ALGORITHMS, 1),
            _challenge,
            _maybe_challenge,
        ),
    ),
    Kind.ACK: (Ack, (_digest,)),
    Kind.KEY_REQUEST: (
        KeyRequest,
        (
            codec.index(),
            codec.number(2**32 - 1),
            _name,
            codec.blob_up_to(MAXIMUM_DH_BYTES),
            codec.blob_up_to(MAXIMUM_KEM_BYTES),
            codec.blob(NONCE_BYTES),
            _leaf,
            _leaf,
            _maybe_challenge,
            _summary,
        ),
    ),
    Kind.KEY_RESPONSE: (KeyResponse, (codec.blob_up_to(MAXIMUM_FRAME_BYTES), codec.blob(MAC_BYTES))),
    Kind.KEY_CONFIRM: (KeyConfirm, (_digest, _digest, _challenge)),
    Kind.KEY_ESTABLISHED: (KeyEstablished, (_digest,)),
    Kind.REFUSAL: (
        Refusal,
        (codec.blob(0, DIGEST_BYTES), _name, codec.text(MAXIMUM_DETAIL_CHARACTERS), _maybe_challenge),
    ),
    Kind.PROBE: (Probe, _PROBE),
    Kind.PROBE_REPLY: (Probe, _PROBE),
    Kind.PEERING_REMOVED: (PeeringRemoved, (_name,)),
}

#: The layout of :class:`ResponseInner`, which stands as bytes inside a KEY_RESPONSE.
RESPONSE_INNER: Final[tuple[codec.Field, ...]] = (
    _digest,
    codec.number(MAXIMUM_INDEX),
    codec.blob_up_to(MAXIMUM_DH_BYTES),
    codec.blob_up_to(MAXIMUM_KEM_BYTES),
    codec.blob(NONCE_BYTES),
    _leaf,
    _leaf,
    _challenge,
    _summary,
)

_signature = codec.blob_up_to(MAXIMUM_SIGNATURE_BYTES, 1)
_signatures = codec.sequence(_signature, 2, 1)


def encode_body(message: Message | ResponseInner) -> bytes:
    """Return the one encoding of a message's fields."""
    body: bytes = msgpack.packb(message)
    return body


def decode_body_untrusted(frame: Frame) -> Message:
    """Read the message that a frame from the network carries.

    Raises:
        Malformed: where the kind is unknown or a field is not what its layout allows.

    """
    try:
        make, fields = LAYOUTS[frame.kind]
    except KeyError:
        message = f"kind {frame.kind} is not known to this version"
        raise Malformed(message) from None
    return make(*codec.fields_untrusted(codec.array_untrusted(frame.body), fields))  # type: ignore[arg-type]


def decode_inner_untrusted(inner: bytes) -> ResponseInner:
    """Read the inner part of a KEY_RESPONSE.

    Raises:
        Malformed: where a field is not what its layout allows.

    """
    values = codec.fields_untrusted(codec.array_untrusted(inner), RESPONSE_INNER)
    return ResponseInner(*values)  # type: ignore[arg-type]


def encode_signatures(*signatures: bytes) -> bytes:
    """Return the ``auth`` of a CERTIFICATE: the leaf's signature, and the pinned key's where there is one."""
    auth: bytes = msgpack.packb(signatures)
    return auth


def decode_signatures_untrusted(auth: bytes) -> tuple[bytes, ...]:
    """Read the ``auth`` of a CERTIFICATE.

    Raises:
        Malformed: where it is not one or two signatures.

    """
    signatures: tuple[bytes, ...] = _signatures(codec.array_untrusted(auth))  # type: ignore[assignment]
    return signatures
