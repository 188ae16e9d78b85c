"""Records are sealed from the node that owns them to the mate, inside the channel that carries them.

Each connection has two ephemeral X25519 keys, one in each HELLO, and two AES-256-GCM keys, one for each
direction (:func:`peerkey.protocol.schedule.replication_key`). They are bound to both HELLOs, so that a
changed name, UUID or epoch in one of them makes two ends that cannot open each other's records. The nonce
is the record's number on this connection; name, version and whether it is deleted are authenticated with
it::

    transcript = SHA-384("peerkey v1 ha hello" || HELLO of the lower UUID || HELLO of the higher UUID)
    key        = HKDF(salt = transcript, X25519 shared secret, "peerkey v1 ha record " || sender's UUID)
    nonce      = number as u96, big endian

Who the two ends are is proved by the channel, which has authenticated both: whoever breaks that can take
part, but what an old log, a store or a capture of the channel's inside shows is sealed.
"""

from __future__ import annotations

import hashlib
from typing import Final, final

import msgpack
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from peerkey.errors import Malformed
from peerkey.ha.messages import Hello, Record, Version, encode
from peerkey.protocol import schedule
from peerkey.protocol.constants import DOMAIN
from peerkey.secret import Secret

_HELLO: Final = DOMAIN + b" ha hello"
_NONCE_BYTES: Final = 12


class NotAuthentic(Malformed):
    """A sealed record that does not open: the two ends have different keys, or it was changed."""


@final
class Seals:
    """Seals what goes to the mate and opens what comes from it, on one connection."""

    __slots__ = ("_from_mate", "_to_mate")

    def __init__(self, to_mate: Secret, from_mate: Secret) -> None:
        """Take the key of each direction."""
        self._to_mate = AESGCM(to_mate.reveal())
        self._from_mate = AESGCM(from_mate.reveal())

    def __repr__(self) -> str:
        """Show nothing of the keys."""
        return "Seals()"

    def seal(self, number: int, name: str, version: Version, content: bytes | None) -> Record:
        """Return the RECORD of that number; without content it tells of a deletion."""
        deleted = content is None
        bound = _bound(name, version, deleted=deleted)
        return Record(
            number, name, version, deleted, self._to_mate.encrypt(_nonce(number), content or b"", bound)
        )

    def open_untrusted(self, record: Record) -> bytes:
        """Return the content of a RECORD.

        Raises:
            Malformed: as :class:`NotAuthentic`, where it does not open.

        """
        bound = _bound(record.name, record.version, deleted=record.deleted)
        try:
            return self._from_mate.decrypt(_nonce(record.number), record.sealed, bound)
        except InvalidTag:
            message = f"record {record.number} does not open"
            raise NotAuthentic(message) from None


def public_key(private: Secret) -> bytes:
    """Return the public half of an ephemeral key (32 bytes, RFC 7748)."""
    return X25519PrivateKey.from_private_bytes(private.reveal()).public_key().public_bytes_raw()


def agree_untrusted(private: Secret, own: Hello, mate: Hello) -> Seals:
    """Return the seals of the connection that these two HELLOs open.

    Raises:
        Malformed: where the mate's public key is one of the few that agree on nothing (RFC 7748, section 6).

    """
    try:
        shared = X25519PrivateKey.from_private_bytes(private.reveal()).exchange(
            X25519PublicKey.from_public_bytes(mate.public_key)
        )
    except ValueError:
        message = "the public key of the mate's HELLO is no key"
        raise Malformed(message) from None
    hellos = sorted((own, mate), key=lambda hello: hello.sender)
    transcript = hashlib.sha384(b"".join((_HELLO, *map(encode, hellos)))).digest()
    to_mate, from_mate = (
        schedule.replication_key(transcript, Secret(shared), hello.sender) for hello in (own, mate)
    )
    return Seals(to_mate, from_mate)


def _nonce(number: int) -> bytes:
    return number.to_bytes(_NONCE_BYTES, "big")


def _bound(name: str, version: Version, *, deleted: bool) -> bytes:
    bound: bytes = msgpack.packb((name, *version, deleted))
    return bound
