"""Keeping what is in use, and finding again what was kept: by digest, because the disk alone has the lists.

Everything here waits for the disk, and runs on the executor.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from peerkey.errors import Unavailable

if TYPE_CHECKING:
    from actors.crl.port import KeptLists, ListKeeper


def digest_of(content: bytes) -> bytes:
    """Return SHA-256 of a list."""
    return sha256(content).digest()


def saved(keeper: ListKeeper, kept: KeptLists, digests: tuple[bytes, ...]) -> str:
    """Keep the lists of these digests: the one that is given, and of those before what still counts.

    Return why that was not possible, or nothing.
    """
    try:
        there = {digest_of(content): content for content in kept.contents}
        if there.keys() != set(digests):
            before = keeper.load(kept.url)
            there |= {digest_of(content): content for content in (before.contents if before else ())}
        contents = tuple(there[digest] for digest in digests if digest in there)
        keeper.save(replace(kept, contents=contents))
    except Unavailable as fault:
        return str(fault)
    return ""


def loaded(keeper: ListKeeper, url: str, digests: AbstractSet[bytes]) -> tuple[bytes, ...]:
    """Return the kept lists of these digests, or all without any, as far as they can be read."""
    try:
        kept = keeper.load(url)
    except Unavailable:
        return ()
    contents = kept.contents if kept else ()
    return tuple(content for content in contents if not digests or digest_of(content) in digests)
