"""Keys of no exchange, for tests of what is done with keys."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from peerkey.protocol.keyring import PeerKey
from peerkey.secret import Secret


def key(index: int, of: str = "one exchange") -> PeerKey:
    """Return the key of an index; of another exchange it is another key."""

    def made(what: str, length: int) -> bytes:
        return hashlib.shake_128(f"{of} {index} {what}".encode()).digest(length)

    return PeerKey(
        index=index,
        key_id=made("id", 16),
        peer_key=Secret(made("peer key", 32)),
        confirm_initiator=Secret(made("initiator", 48)),
        confirm_responder=Secret(made("responder", 48)),
        probe=Secret(made("probe", 48)),
        request_digest=made("request", 48),
        response_digest=made("response", 48),
        local_leaf=made("local", 32),
        peer_leaf=made("peer", 32),
        algorithm="ml-kem-768",
        computed_at=datetime(2030, 6, 15, 12, 0, 0, 250_000, tzinfo=UTC),
    )
