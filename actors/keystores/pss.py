"""The encoding of RSASSA-PSS (RFC 8017 section 9.1.1), for devices that know the bare operation only."""

from __future__ import annotations

from hashlib import new as new_hash
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

_TRAILER = b"\xbc"


def encode(data: bytes, hashed: HashAlgorithm, salt: bytes, modulus_bits: int) -> bytes:
    """Return EMSA-PSS of ``data`` with MGF1 of the same hash, as long as the modulus."""
    bits = modulus_bits - 1
    length = (bits + 7) // 8
    inner = new_hash(hashed.name, data).digest()
    digest = new_hash(hashed.name, bytes(8) + inner + salt).digest()
    block = bytes(length - len(salt) - len(digest) - 2) + b"\x01" + salt
    mask = _mgf1(digest, len(block), hashed)
    masked = bytearray(a ^ b for a, b in zip(block, mask, strict=True))
    masked[0] &= 0xFF >> (8 * length - bits)
    return (bytes(masked) + digest + _TRAILER).rjust((modulus_bits + 7) // 8, b"\0")


def _mgf1(seed: bytes, length: int, hashed: HashAlgorithm) -> bytes:
    blocks = -(-length // hashed.digest_size)
    each = (new_hash(hashed.name, seed + n.to_bytes(4, "big")).digest() for n in range(blocks))
    return b"".join(each)[:length]
