"""A stream that is sealed under a passphrase: what is cut off, changed, moved or added shows.

::

    header (77 bytes) || chunk 0 || chunk 1 || … || last chunk

The header says how the key is made of the passphrase (Argon2id, RFC 9106) and is bound into it, so that a
header with another word in it opens nothing. Each chunk is 64 KiB sealed with AES-256-GCM; its nonce counts
the chunks and tells the last one (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015).
A reader is given nothing that is not authenticated, and learns of a missing end as an error.

What a header may ask for is bounded before any of it is done: it is read before anybody has proved anything.
"""

from __future__ import annotations

import hmac
import struct
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from peerkey.errors import Misconfigured
from peerkey.secret import Secret

MAGIC: Final = b"peerkey backup\n"
VERSION: Final = 1
#: Plain bytes of a chunk; of the last one up to as many.
CHUNK_BYTES: Final = 64 * 1024
#: The largest backup: logs of 128 MiB, lists of a million entries, and room for ten times as much.
MAXIMUM_BACKUP_BYTES: Final = 2 * 1024**3

_SALT_BYTES: Final = 16
_PREFIX_BYTES: Final = 7
_CHECK_BYTES: Final = 32
_TAG_BYTES: Final = 16
_KEY_BYTES: Final = 32
#: version, iterations, lanes, memory in KiB, salt, prefix of the nonces.
_HEADER: Final = struct.Struct(f">BBBI{_SALT_BYTES}s{_PREFIX_BYTES}s")
_HEADER_BYTES: Final = len(MAGIC) + _HEADER.size + _CHECK_BYTES


class NoBackup(Misconfigured):
    """What was given is no backup, is damaged, or is of a version that is not known here."""


class WrongPassphrase(Misconfigured):
    """The passphrase is not the one that the backup was sealed under."""


@dataclass(frozen=True, slots=True)
class Effort:
    """What trying one passphrase costs (Argon2id). These are the second choice of RFC 9106, section 4."""

    iterations: int = 3
    lanes: int = 4
    memory_kib: int = 64 * 1024

    def require_bearable(self) -> None:
        """See that it is neither too little nor more than a machine can be asked for by a stranger.

        :raises NoBackup: it is.
        """
        if not (
            1 <= self.iterations <= MOST.iterations
            and 1 <= self.lanes <= MOST.lanes
            and 8 * self.lanes <= self.memory_kib <= MOST.memory_kib
        ):
            message = "its header asks for more work, or less, than any backup does: it is damaged or forged"
            raise NoBackup(message)


#: The most that a header may ask for: 256 MiB for a few seconds.
MOST: Final = Effort(iterations=16, lanes=8, memory_kib=256 * 1024)


def sealed(
    plain: Iterable[bytes], passphrase: Secret, entropy: Callable[[int], bytes], effort: Effort | None = None
) -> Iterator[bytes]:
    """Yield the sealed form of what ``plain`` yields, in pieces of any size.

    :raises Misconfigured: it is larger than :data:`MAXIMUM_BACKUP_BYTES`.
    """
    effort = effort or Effort()
    salt, prefix = entropy(_SALT_BYTES), entropy(_PREFIX_BYTES)
    head = MAGIC + _HEADER.pack(VERSION, effort.iterations, effort.lanes, effort.memory_kib, salt, prefix)
    key, check = _keys(passphrase, head, effort, salt)
    yield head + check
    waiting, number = bytearray(), 0
    for piece in plain:
        waiting += piece
        # One byte more than a chunk says that this one is not the last.
        while len(waiting) > CHUNK_BYTES:
            yield key.encrypt(_nonce(prefix, number, last=False), bytes(waiting[:CHUNK_BYTES]), head)
            del waiting[:CHUNK_BYTES]
            number += 1
            if number * CHUNK_BYTES > MAXIMUM_BACKUP_BYTES:
                message = f"there is more to back up than {MAXIMUM_BACKUP_BYTES >> 30} GiB; leave --logs out"
                raise Misconfigured(message)
    yield key.encrypt(_nonce(prefix, number, last=True), bytes(waiting), head)


def opened_untrusted(file: BinaryIO, passphrase: Secret) -> Iterator[bytes]:
    """Yield what was sealed, chunk by chunk, each after it was authenticated. At the end the end was there.

    :raises NoBackup: it is no backup, another version, damaged or cut off. What was yielded before is
        authentic.
    :raises WrongPassphrase: the passphrase is another.
    """
    head, effort, salt, prefix, check = _header_untrusted(file.read(_HEADER_BYTES))
    key, expected = _keys(passphrase, head, effort, salt)
    if not hmac.compare_digest(check, expected):
        message = "the passphrase is not the one it was sealed under (or its first 77 bytes are damaged)"
        raise WrongPassphrase(message)
    size = CHUNK_BYTES + _TAG_BYTES
    number, chunk = 0, file.read(size)
    while True:
        following = file.read(size)
        try:
            plain = key.decrypt(_nonce(prefix, number, last=not following), chunk, head)
        except (InvalidTag, ValueError):
            message = f"it is damaged, or cut off, at byte {_HEADER_BYTES + number * size} or behind it"
            raise NoBackup(message) from None
        yield plain
        if not following:
            return
        number, chunk = number + 1, following
        if number * CHUNK_BYTES > MAXIMUM_BACKUP_BYTES:
            message = f"it is larger than any backup: {MAXIMUM_BACKUP_BYTES >> 30} GiB"
            raise NoBackup(message)


def _header_untrusted(header: bytes) -> tuple[bytes, Effort, bytes, bytes, bytes]:
    if not header.startswith(MAGIC):
        message = "it is no backup of peerkey"
        raise NoBackup(message)
    version = header[len(MAGIC)] if len(header) > len(MAGIC) else 0
    if version > VERSION:
        message = (
            f"it is a backup of format {version}; this software reads {VERSION}: use the version that made it"
        )
        raise NoBackup(message)
    if len(header) < _HEADER_BYTES or version != VERSION:
        message = "its header is cut off or damaged"
        raise NoBackup(message)
    head, check = header[:-_CHECK_BYTES], header[-_CHECK_BYTES:]
    _, iterations, lanes, memory, salt, prefix = _HEADER.unpack(head[len(MAGIC) :])
    effort = Effort(iterations, lanes, memory)
    effort.require_bearable()
    return head, effort, salt, prefix, check


def _keys(passphrase: Secret, head: bytes, effort: Effort, salt: bytes) -> tuple[AESGCM, bytes]:
    """Return what seals the chunks, and what tells a wrong passphrase from a damaged file.

    The passphrase is taken as Unicode's NFC, so that it does not matter on which keyboard it was typed.
    """
    text = unicodedata.normalize("NFC", passphrase.reveal().decode("utf-8", "surrogateescape"))
    root = Argon2id(
        salt=salt,
        length=_KEY_BYTES,
        iterations=effort.iterations,
        lanes=effort.lanes,
        memory_cost=effort.memory_kib,
    ).derive(text.encode("utf-8", "surrogateescape"))

    def expanded(label: bytes) -> bytes:
        return HKDFExpand(SHA256(), _KEY_BYTES, b"peerkey v1 backup " + label + b"\0" + head).derive(root)

    return AESGCM(expanded(b"chunks")), expanded(b"check")


def _nonce(prefix: bytes, number: int, *, last: bool) -> bytes:
    return prefix + number.to_bytes(4, "big") + (b"\1" if last else b"\0")
