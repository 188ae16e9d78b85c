"""One good message of each kind, for tests that then spoil it."""

from __future__ import annotations

import hashlib
from typing import Final

from peerkey.protocol.constants import Kind
from peerkey.protocol.messages import (
    Ack,
    Certificate,
    KeyConfirm,
    KeyEstablished,
    KeyRequest,
    KeyResponse,
    Message,
    PeeringRemoved,
    Probe,
    Refusal,
    ResponseInner,
    Role,
    SummaryEntry,
    encode_body,
)


def digest(of: str) -> bytes:
    """Return some digest of 48 bytes."""
    return hashlib.sha384(of.encode()).digest()


def fingerprint(of: str) -> bytes:
    """Return some fingerprint, challenge or nonce of 32 bytes."""
    return hashlib.sha256(of.encode()).digest()


SUMMARY: Final = (
    SummaryEntry(6, bytes(16), Role.PREVIOUS),
    SummaryEntry(7, bytes(range(16)), Role.CURRENT),
)

INNER: Final = ResponseInner(
    request_digest=digest("request"),
    key_index=9,
    dh_public=bytes(256),
    kem_ciphertext=bytes(1088),
    nonce=fingerprint("nonce"),
    sender_leaf=fingerprint("responder"),
    receiver_leaf=fingerprint("initiator"),
    challenge=fingerprint("challenge"),
    summary=SUMMARY,
)

MESSAGES: Final[dict[Kind, Message]] = {
    Kind.CERTIFICATE: Certificate(
        number=3,
        chain=(b"leaf", b"intermediate"),
        versions=(1,),
        algorithms=("ml-kem-768",),
        challenge=fingerprint("challenge"),
        echo=b"",
    ),
    Kind.ACK: Ack(digest("acknowledged")),
    Kind.KEY_REQUEST: KeyRequest(
        proposed_index=8,
        priority=10,
        algorithm="diffie-hellman-2048-ml-kem-768",
        dh_public=bytes(256),
        kem_public=bytes(1184),
        nonce=fingerprint("nonce"),
        sender_leaf=fingerprint("initiator"),
        receiver_leaf=fingerprint("responder"),
        echo=fingerprint("echo"),
        summary=SUMMARY,
    ),
    Kind.KEY_RESPONSE: KeyResponse(inner=encode_body(INNER), confirmation=bytes(48)),
    Kind.KEY_CONFIRM: KeyConfirm(digest("request"), digest("response"), fingerprint("challenge")),
    Kind.KEY_ESTABLISHED: KeyEstablished(digest("confirm")),
    Kind.REFUSAL: Refusal(digest("refused"), "busy", "a rekey is being completed", fingerprint("challenge")),
    Kind.PROBE: Probe(bytes(8), 7, 7, bytes(16)),
    Kind.PROBE_REPLY: Probe(bytes(8), 7, 6, bytes(16)),
    Kind.PEERING_REMOVED: PeeringRemoved("expired"),
}
