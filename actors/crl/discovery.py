"""What certificates say of revocation lists: where they are, and who may have signed them.

Everything here is an ordinary function of values, and runs on the executor: a fleet shows thousands of
certificates when it starts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from actors.identity import content_of, read_trust
from peerkey.errors import Misconfigured
from peerkey.pki.certificate import read_bundle, warning_nobody
from peerkey.pki.expiry import end_of
from peerkey.pki.list_addresses import addresses_in
from peerkey.pki.list_scope import is_ca

if TYPE_CHECKING:
    from actors.crl.needs import Needs
    from actors.identity import ReadFile

#: A chain of certificates, leaf first, in DER.
Chain: TypeAlias = "tuple[bytes, ...]"


@dataclass(frozen=True, slots=True)
class Named:
    """What one certificate says."""

    #: SHA-256 of it.
    fingerprint: bytes
    subject: str
    #: When it ends.
    until: datetime
    fetchable: tuple[str, ...]
    #: What cannot be fetched, with the reason.
    others: tuple[tuple[str, str], ...]
    #: The certificate itself, where it is an authority's: it may have signed a list.
    authority: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Installed:
    """What the configuration's files say."""

    #: DER of the trusted authorities.
    trusted: tuple[bytes, ...] = field(repr=False)
    #: Whether some could not be read.
    unread: bool
    #: What the nodes' own chains and the trusted authorities say.
    named: tuple[Named, ...]


def installed(needs: Needs, read_file: ReadFile) -> Installed:
    """Read whom the nodes trust, and what their own chains say."""
    trust, _, unread = read_trust(needs.trusted, read_file)
    own: list[x509.Certificate] = []
    for source in needs.certificates:
        try:
            own += read_bundle(*content_of(source, read_file))
        except Misconfigured:
            # The node whose certificate it is raises the alarm.
            continue
    certificates = (*trust.certificates, *own)
    trusted = tuple(sorted(each.public_bytes(Encoding.DER) for each in trust.certificates))
    return Installed(trusted, unread, tuple(_named(each) for each in certificates))


def seen(chains: Iterable[Chain], known: AbstractSet[bytes]) -> tuple[Named, ...]:
    """Return what certificates of verified chains say that are not ``known`` by their fingerprints."""
    # In an order that is the same wherever it happens again.
    new = {hashlib.sha256(der).digest(): der for chain in sorted(chains) for der in chain}
    return tuple(
        _named(x509.load_der_x509_certificate(der)) for print_, der in new.items() if print_ not in known
    )


def _named(certificate: x509.Certificate) -> Named:
    der = certificate.public_bytes(Encoding.DER)
    with warning_nobody():
        addresses = addresses_in(certificate.extensions)
    return Named(
        hashlib.sha256(der).digest(),
        ascii(certificate.subject.rfc4514_string())[1:-1][:256],
        end_of(certificate.not_valid_after_utc),
        addresses.fetchable,
        addresses.others,
        der if is_ca(certificate) else None,
    )
