"""Every number of the protocol on one page, with the reason for each.

The first block is the specification's; the second is ours: bounds that keep a hostile peer from
taking memory or time. Nothing below this line is configurable; what an operator may set lives in
``peerkey.config``.
"""

from __future__ import annotations

from datetime import timedelta
from enum import IntEnum
from typing import Final

PROTOCOL_VERSION: Final = 1

#: What every signature, MAC and digest begins with, so that nothing made here means anything elsewhere.
DOMAIN: Final = b"peerkey v1"


class Kind(IntEnum):
    """The kinds of frame. 16 and above are reserved for what travels sealed under the peer key."""

    CERTIFICATE = 1
    ACK = 2
    KEY_REQUEST = 3
    KEY_RESPONSE = 4
    KEY_CONFIRM = 5
    KEY_ESTABLISHED = 6
    REFUSAL = 7
    PROBE = 8
    PROBE_REPLY = 9
    PEERING_REMOVED = 10


#: Kinds that the receiver acknowledges, on the path that they came by.
ACKNOWLEDGED: Final = frozenset(
    {
        Kind.CERTIFICATE,
        Kind.KEY_REQUEST,
        Kind.KEY_RESPONSE,
        Kind.KEY_CONFIRM,
        Kind.KEY_ESTABLISHED,
        Kind.PEERING_REMOVED,
    },
)

#: Kinds that are never answered with a REFUSAL; their segments carry ``FLAG_NEVER_ANSWER``.
NEVER_REFUSED: Final = frozenset({Kind.ACK, Kind.REFUSAL, Kind.PROBE, Kind.PROBE_REPLY})

# --- Said by the specification ------------------------------------------------------------------

#: "A wait time of 30 seconds is added post key computation to prevent any retransmitted packets,
#: delayed packets, or long latency packets not having a key ready for use." (Peer Key and Rekey)
ACTIVATION_DELAY: Final = timedelta(seconds=30)

#: The replaced key goes on opening for as long again, once both sides are known to seal with the new one.
ERASURE_DELAY: Final = timedelta(seconds=30)

#: A key that was answered but never confirmed is forgotten after this, or after four retransmit
#: intervals where that is longer (protocol.md, K5).
EXCHANGE_TIMEOUT_MINIMUM: Final = timedelta(seconds=120)
EXCHANGE_TIMEOUT_INTERVALS: Final = 4

#: How often a key that is due asks whether the HA mate holds it: a fraction of what it waits at most, which
#: is another :data:`ACTIVATION_DELAY`.
MATE_POLL: Final = timedelta(seconds=1)

#: How long a rekey that an interval makes due waits for the turn of its node in an HA pair: as long as the
#: turn of the mate and half of it more. It asks every :data:`MATE_POLL`.
TURN_WAIT: Final = timedelta(seconds=90)

#: A rekey starts up to this share of the interval early, so that a fleet does not rekey all at once.
REKEY_JITTER: Final = 0.10

# --- Sizes of fields, in bytes ------------------------------------------------------------------

UUID_BYTES: Final = 16
DIGEST_BYTES: Final = 48  # SHA-384
FINGERPRINT_BYTES: Final = 32  # SHA-256 of a certificate's DER
CHALLENGE_BYTES: Final = 32
NONCE_BYTES: Final = 32
PROBE_NONCE_BYTES: Final = 16  # sender's epoch and a counter, so that a replayed probe shows
PATH_ID_BYTES: Final = 8
MAC_BYTES: Final = 48  # HMAC-SHA-384
KEY_ID_BYTES: Final = 16
MAXIMUM_INDEX: Final = 2**64 - 1
#: How far an index may jump ahead of everything seen: room for a store that was lost, none for exhaustion.
MAXIMUM_INDEX_JUMP: Final = 2**32

# --- Bounds -------------------------------------------------------------------------------------

#: The largest frame: a chain of six ML-DSA-87 certificates (about 7.5 KB each) and its signature fit.
MAXIMUM_FRAME_BYTES: Final = 64 * 1024
MAXIMUM_SEGMENTS: Final = 64
#: A datagram that crosses every path whose MTU is at least IPv6's minimum of 1,280 bytes.
DEFAULT_SEGMENT_BYTES: Final = 1200
#: Frames being put together at the same time, for one path.
REASSEMBLY_SLOTS: Final = 8
REASSEMBLY_TIMEOUT: Final = timedelta(seconds=5)
#: Largest DH value (4,096 bits), ML-KEM-1024 ciphertext or encapsulation key.
MAXIMUM_DH_BYTES: Final = 512
MAXIMUM_KEM_BYTES: Final = 1568
#: Leaf, four intermediates and a root that need not be there.
MAXIMUM_CHAIN: Final = 6
MAXIMUM_CERTIFICATE_BYTES: Final = 16 * 1024
#: An ML-DSA-87 signature is 4,627 bytes; an RSA-8192 one 1,024.
MAXIMUM_SIGNATURE_BYTES: Final = 4627
MAXIMUM_VERSIONS: Final = 16
MAXIMUM_ALGORITHMS: Final = 16
MAXIMUM_NAME_CHARACTERS: Final = 64
MAXIMUM_DETAIL_CHARACTERS: Final = 256
#: previous, current, next, and the slot of a key that is not accepted yet.
MAXIMUM_SUMMARY: Final = 4

#: When a frame's segments leave again, counted from its first transmission, until it is acknowledged.
COPY_TIMES: Final = (timedelta(0), timedelta(seconds=1.5), timedelta(seconds=3))
#: Segments that leave back to back, and the pause before the next such burst.
PACE_BURST: Final = 16
PACE_PAUSE: Final = timedelta(milliseconds=5)
#: Frames that one path may have under way; announcements, exchange frames and answers together.
MAXIMUM_TRANSMISSIONS: Final = 16

#: Immediate new attempts after REFUSAL ``stale``; then the retransmit interval paces again.
IMMEDIATE_RETRIES: Final = 3
#: Probes on a path in service that may go unanswered, where periodic probing is on.
PROBE_MISSES: Final = 3
#: Outstanding probes that a path remembers; an answer to an older one is too late to mean anything.
OUTSTANDING_PROBES: Final = 4

#: How long after it was seen last an alarm says that a peer's identity is that of two nodes.
TWO_NODES_TOLD_FOR: Final = timedelta(hours=1)
