"""The key schedule: which secret is derived from what, and every label, in one place.

::

    transcript   = SHA-384(digest(KEY_REQUEST)
                           || SHA-384("peerkey v1 response" || sender || receiver || inner))
    prk          = HKDF-Extract(salt = transcript, shared secret)
    peer key     = HKDF-Expand(prk, "peerkey v1 peer key")              32 bytes, sealing keys come from it
                   ... and so on, one line of DERIVATIONS each
    confirmation = HMAC(confirm responder, "peerkey v1 confirmation" || transcript)
    seal key     = HKDF-Expand(peer key, "peerkey v1 seal " || sender UUID || sender's epoch)
    HA record    = HKDF(salt = both HELLOs, X25519 secret, "peerkey v1 ha record " || sender UUID)

with SHA-384 throughout. Both leaf fingerprints, both nonces, the algorithm and the index stand in
the request and in ``inner``; whoever changes one of them on the way makes two ends with different
keys, which the confirmation shows.

HKDF (RFC 5869) is written here with :func:`hmac.digest`: measured as fast as ``cryptography``'s, and
every vector of RFC 5869 runs through it.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final, NamedTuple

from peerkey.errors import PeerFault
from peerkey.protocol.constants import DOMAIN, KEY_ID_BYTES, MAC_BYTES, UUID_BYTES
from peerkey.protocol.suites.agreement import SharedSecret
from peerkey.secret import Secret

#: The hash of the transcript, of HKDF and of every MAC.
HASH: Final = "sha384"
#: An AES-256 key.
PEER_KEY_BYTES: Final = 32
SEAL_KEY_BYTES: Final = 32
EPOCH_BYTES: Final = 8
#: RFC 5869 counts its blocks in one byte.
_MAXIMUM_BLOCKS: Final = 255

# --- Labels. Each is preceded by "peerkey v1 ", and none is another's beginning ------------------

#: What is expanded from the pseudo-random key: field of :class:`DerivedKeys`, label, bytes.
DERIVATIONS: Final = (
    ("peer_key", "peer key", PEER_KEY_BYTES),
    ("confirm_initiator", "confirm initiator", MAC_BYTES),
    ("confirm_responder", "confirm responder", MAC_BYTES),
    ("probe", "probe", MAC_BYTES),
    ("key_id", "key id", KEY_ID_BYTES),
)
_RESPONSE: Final = DOMAIN + b" response"
_CONFIRMATION: Final = DOMAIN + b" confirmation"
_SEAL: Final = DOMAIN + b" seal "
_REPLICATION: Final = DOMAIN + b" ha record "
_INFO: Final = {field: DOMAIN + b" " + label.encode() for field, label, _ in DERIVATIONS}


class BadMac(PeerFault):
    """A MAC or a confirmation does not verify."""


class DerivedKeys(NamedTuple):
    """What one exchange gives. All but ``key_id`` is secret; ``key_id`` names the key on the wire."""

    peer_key: Secret
    confirm_initiator: Secret
    confirm_responder: Secret
    probe: Secret
    key_id: bytes


def transcript(request_digest: bytes, sender: bytes, receiver: bytes, inner: bytes) -> bytes:
    """Return the 48 bytes that stand for one exchange.

    ``request_digest`` is the digest of the KEY_REQUEST frame; ``sender`` and ``receiver`` are the
    UUIDs (16 bytes) in the envelope of the KEY_RESPONSE, so ``sender`` is the responder; ``inner`` is
    that response's inner part as it came.
    """
    response = hashlib.sha384(b"".join((_RESPONSE, sender, receiver, inner))).digest()
    return hashlib.sha384(request_digest + response).digest()


def derive(exchange: bytes, secret: SharedSecret) -> DerivedKeys:
    """Derive everything from the shared secret, bound to the exchange by its :func:`transcript`."""
    prk = hkdf_extract(exchange, secret.encoded().reveal())
    peer_key, confirm_initiator, confirm_responder, probe, key_id = (
        hkdf_expand(prk, _INFO[field], length) for field, _, length in DERIVATIONS
    )
    return DerivedKeys(
        Secret(peer_key),
        Secret(confirm_initiator),
        Secret(confirm_responder),
        Secret(probe),
        key_id,
    )


def confirmation(keys: DerivedKeys, exchange: bytes) -> bytes:
    """Return the responder's proof, inside KEY_RESPONSE, that it has derived the same keys (48 bytes)."""
    return mac(keys.confirm_responder, _CONFIRMATION + exchange)


def mac(key: Secret, data: bytes) -> bytes:
    """Return HMAC-SHA-384, 48 bytes. For a frame, ``data`` is its ``signed`` bytes."""
    return hmac.digest(key.reveal(), data, HASH)


def verify_confirmation(keys: DerivedKeys, exchange: bytes, given: bytes) -> None:
    """Check a responder's confirmation in constant time.

    Raises:
        BadMac: where it is not the one of these keys and this exchange.

    """
    _require_equal(confirmation(keys, exchange), given)


def verify_mac(key: Secret, data: bytes, given: bytes) -> None:
    """Check a MAC in constant time.

    Raises:
        BadMac: where it is not the one of this key and these data.

    """
    _require_equal(mac(key, data), given)


def seal_key(peer_key: Secret, sender: bytes, epoch: int) -> Secret:
    """Return the AES-256 key of one direction and one incarnation of its sender.

    ``sender`` is the UUID (16 bytes) of the node that seals and ``epoch`` the number that its store
    gave it (written as u64, big endian). Two incarnations never share a key, so a counter that starts
    again with the process never repeats a nonce.

    Raises:
        ValueError: where ``sender`` or ``epoch`` has another size: two directions could get one key.

    """
    if len(sender) != UUID_BYTES or not 0 <= epoch < 1 << (8 * EPOCH_BYTES):
        message = "a seal key is for a UUID of 16 bytes and an epoch of 64 bits"
        raise ValueError(message)
    info = b"".join((_SEAL, sender, epoch.to_bytes(EPOCH_BYTES, "big")))
    return Secret(hkdf_expand(peer_key.reveal(), info, SEAL_KEY_BYTES))


def replication_key(hellos: bytes, shared: Secret, sender: bytes) -> Secret:
    """Return the AES-256 key that seals what one node of an HA pair sends to the other on one connection.

    ``hellos`` (48 bytes) stands for the HELLOs of both, ``shared`` is what their ephemeral keys agree on, and
    ``sender`` the UUID (16 bytes) of the node that seals.
    """
    return Secret(hkdf_expand(hkdf_extract(hellos, shared.reveal()), _REPLICATION + sender, SEAL_KEY_BYTES))


def hkdf_extract(salt: bytes, input_key: bytes, hash_name: str = HASH) -> bytes:
    """Concentrate ``input_key`` into one pseudo-random key (RFC 5869 section 2.2)."""
    return hmac.digest(salt, input_key, hash_name)


def hkdf_expand(prk: bytes, info: bytes, length: int, hash_name: str = HASH) -> bytes:
    """Return ``length`` bytes for one purpose (RFC 5869 section 2.3).

    Raises:
        ValueError: where more than 255 blocks are asked for, which is all there is.

    """
    block = output = hmac.digest(prk, info + b"\x01", hash_name)
    if length > _MAXIMUM_BLOCKS * len(block):
        message = f"HKDF cannot give {length} bytes"
        raise ValueError(message)
    counter = 1
    while len(output) < length:
        counter += 1
        block = hmac.digest(prk, block + info + bytes((counter,)), hash_name)
        output += block
    return output[:length]


def _require_equal(expected: bytes, given: bytes) -> None:
    if not hmac.compare_digest(expected, given):
        message = "the MAC does not verify"
        raise BadMac(message)
