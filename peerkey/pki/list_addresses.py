"""Where certificates and lists say that revocation is told: CRL distribution points and freshest CRL.

"CRL Manager handles the discovery": an address that a certificate names is taken only where it is HTTP or
HTTPS without a user name, and never a file: who issues certificates has no say in what a router reads from
its own disk. The names of one distribution point lead to the same list (RFC 5280 section 4.2.1.13); all of
them are taken, so that one that is down takes nothing away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

from cryptography import x509

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Addresses that one certificate or list may name. Authorities name one to three.
MAXIMUM_ADDRESSES: Final = 8
#: As long as an address may be in a configuration.
MAXIMUM_ADDRESS_CHARACTERS: Final = 2_048

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Addresses:
    """What was found, in order and each once."""

    #: In one spelling, whatever the spelling there.
    fetchable: tuple[str, ...] = ()
    #: What cannot be fetched, with the reason.
    others: tuple[tuple[str, str], ...] = ()


def addresses_in(extensions: x509.Extensions) -> Addresses:
    """Return the addresses that the extensions of a certificate or of a list name."""
    fetchable: dict[str, None] = {}
    others: dict[str, str] = {}
    for text in _uris(extensions):
        if len(fetchable) + len(others) >= MAXIMUM_ADDRESSES:
            break
        try:
            fetchable[normal(text)] = None
        except ValueError as refusal:
            others[text[:MAXIMUM_ADDRESS_CHARACTERS]] = str(refusal)
    return Addresses(tuple(fetchable), tuple(others.items()))


def normal(url: str) -> str:
    """Return an address in the one spelling under which it is fetched.

    Raises:
        ValueError: it is none that a certificate may have us fetch; the text says why.

    """
    if len(url) > MAXIMUM_ADDRESS_CHARACTERS or not url.isascii() or not url.isprintable() or " " in url:
        message = "it is no address"
        raise ValueError(message)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        message = "it is no address"
        raise ValueError(message) from None
    scheme = parts.scheme.lower()
    if scheme in {"ldap", "ldaps"}:
        message = "LDAP is not supported"
        raise ValueError(message)
    if scheme not in _DEFAULT_PORTS:
        message = "a certificate may name http and https addresses only"
        raise ValueError(message)
    if not parts.hostname or "@" in parts.netloc:
        message = "it names no server, or a user"
        raise ValueError(message)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    place = host if port in {None, _DEFAULT_PORTS[scheme]} else f"{host}:{port}"
    return urlunsplit((scheme, place, parts.path or "/", parts.query, ""))


def _uris(extensions: x509.Extensions) -> Iterator[str]:
    for extension in extensions:
        if isinstance(extension.value, x509.CRLDistributionPoints | x509.FreshestCRL):
            yield from _uris_of(extension.value)


def _uris_of(points: Iterable[x509.DistributionPoint]) -> Iterator[str]:
    for point in points:
        for name in point.full_name or ():
            if isinstance(name, x509.UniformResourceIdentifier):
                yield name.value
