"""How an address is spelled, whoever names it, and how the actor is called that has its list."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from actors.crl.port import shown
from peerkey.pki.list_addresses import normal

#: Of an address in the name of its actor, and of the digest that tells it from another that begins alike.
_NAME_CHARACTERS: Final = 80
_DIGEST_CHARACTERS: Final = 12


def spelled(url: str) -> str:
    """Return the operator's address in the spelling that certificates' are brought to."""
    return spelled_or_none(url) or url


def spelled_or_none(url: str) -> str | None:
    """Return an address in the spelling of all, unless it is none that can be fetched."""
    try:
        return normal(url)
    except ValueError:
        return None


def actor_name(url: str) -> str:
    """Return a name of an actor in which an operator finds the address, and which is that address's alone."""
    digest = sha256(url.encode()).hexdigest()[:_DIGEST_CHARACTERS]
    return f"{shown(url).replace('/', '~')[:_NAME_CHARACTERS]}#{digest}"
