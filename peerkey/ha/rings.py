"""The key ring in a copy of a mate's record.

A copy is written by another node: of another version, or one that lies. So unlike a record of one's own
nothing in it is taken for granted. :func:`ring_untrusted` gives a ring in which every field that is used here
is what it should be, or raises one error.
"""

from __future__ import annotations

from typing import Final

from peerkey.errors import Malformed, Misconfigured
from peerkey.protocol import codec
from peerkey.protocol.constants import KEY_ID_BYTES
from peerkey.protocol.keyring import KeyRing
from peerkey.protocol.schedule import PEER_KEY_BYTES
from peerkey.protocol.state import decode_state

#: Of each key: the index and the id, which are shown, and the secret, from which the keys to seal and to open
#: with are derived.
_USED: Final = (codec.index(), codec.blob(KEY_ID_BYTES), codec.blob(PEER_KEY_BYTES))


def ring_untrusted(content: bytes) -> KeyRing:
    """Read the ring of a record that a mate has sent.

    Raises:
        Malformed: where it is not what :func:`peerkey.protocol.state.encode_state` writes here.

    """
    try:
        ring = decode_state(content).ring
        for _, key in ring:
            codec.fields_untrusted((key.index, key.key_id, key.peer_key.reveal()), _USED)
    except (Misconfigured, ValueError, TypeError, LookupError, OverflowError, OSError) as fault:
        # What the record says may be secret: that it was no record is all that is told.
        message = f"not the record of a peering: {type(fault).__name__}"
        raise Malformed(message) from None
    return ring
