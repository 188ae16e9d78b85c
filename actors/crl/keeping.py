"""Keeping what is in use, and finding again what was kept: by digest, because the disk alone has the lists.

Everything here waits for the disk, and runs on the executor.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from peerkey.errors import Unavailable

if TYPE_CHECKING:
    from actors.crl.port import KeptLists, ListKeeper
    from actors.crl.remembered import Remembered


def digest_of(content: bytes) -> bytes:
    """Return SHA-256 of a list."""
    return sha256(content).digest()


def saved(keeper: ListKeeper, kept: KeptLists, digests: tuple[bytes, ...], turn: int, of: Remembered) -> str:
    """Keep the lists of these digests: those that are given, and of those before what still counts.

    Nothing is written where ``turn`` is not the latest of the writings ``of`` the address.

    Return why not all of them are on the disk now, or nothing.
    """
    with of.lock:
        if turn != of.writings:
            return "another writing has come before"
        try:
            there = _by_digest(kept.contents)
            if not there.keys() >= set(digests):
                before = keeper.load(kept.url)
                there = _by_digest(before.contents if before else ()) | there
            contents = tuple(there[digest] for digest in digests if digest in there)
            keeper.save(replace(kept, contents=contents))
        except Unavailable as fault:
            return str(fault)
    missing = len(digests) - len(contents)
    return f"{missing} of its lists are gone from the disk, and are fetched again" if missing else ""


def loaded(
    keeper: ListKeeper, url: str, digests: AbstractSet[bytes], unkept: Iterable[bytes] = ()
) -> tuple[bytes, ...]:
    """Return the lists of these digests, kept or not, or all without any, as far as they can be read."""
    try:
        kept = keeper.load(url)
    except Unavailable:
        kept = None
    there = _by_digest(kept.contents if kept else ()) | _by_digest(unkept)
    return tuple(content for digest, content in there.items() if not digests or digest in digests)


def _by_digest(contents: Iterable[bytes]) -> dict[bytes, bytes]:
    return {digest_of(content): content for content in contents}
