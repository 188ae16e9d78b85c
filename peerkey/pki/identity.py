"""Which node a certificate names.

    "Contained within the SVR certificate is a router identifier, which must match the identifier of
    the router in the peer configuration. This router identifier is a UUID and guaranteed to be
    unique per node, even across RMAs."

The UUID stands in the common name or in a SAN ``urn:uuid:<uuid>`` (RFC 9562 section 4). The newer
form is an alias, ``peering-common-name``: in the common name or in a SAN
``urn:ssr:peering:<alias>``. The nodes of an HA pair share an alias, so a UUID that is there decides,
and the alias counts only for a certificate without one (``docs/decisions/0021``).

A leaf that could be read as two nodes is refused: two readers must never take it for different peers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from cryptography import x509
from cryptography.x509.oid import NameOID

from peerkey.pki.faults import Fault, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Only the canonical form, 8-4-4-4-12 digits of either case: ``uuid.UUID`` alone would take braces,
#: missing hyphens and prefixes, and what has many spellings invites two readings.
_CANONICAL_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
#: "urn" and the namespace are case-insensitive (RFC 8141 section 3.1); an alias is not.
_UUID_URN: Final = "urn:uuid:"
_ALIAS_URN: Final = "urn:ssr:peering:"


@dataclass(frozen=True, slots=True)
class PeerIdentity:
    """Who a node is according to the configuration."""

    uuid: UUID
    #: ``peering-common-name``, compared exactly; ``None`` where the router has none.
    alias: str | None = None

    def __str__(self) -> str:
        """Show the UUID, and the alias where there is one."""
        return f"{self.uuid} ({self.alias})" if self.alias else str(self.uuid)


@dataclass(frozen=True, slots=True)
class Names:
    """Everything in a leaf that could name a node, without repetitions and in the order found."""

    common_names: tuple[str, ...]
    #: From the common name and from ``urn:uuid`` names.
    uuids: tuple[UUID, ...]
    #: From ``urn:ssr:peering`` names only.
    aliases: tuple[str, ...]

    @property
    def ambiguous(self) -> bool:
        """Whether the leaf names two identities."""
        return len(self.common_names) > 1 or len(self.uuids) > 1 or len(self.aliases) > 1

    def match(self, identity: PeerIdentity) -> Finding | None:
        """Return what keeps these names from being ``identity``; ``None`` when they are."""
        if self.ambiguous:
            return Finding(Fault.NAMES_TWO_IDENTITIES, f"the certificate names {self}")
        if self.uuids:
            matches = self.uuids[0] == identity.uuid
        else:
            matches = bool(identity.alias) and identity.alias in (*self.common_names, *self.aliases)
        if matches:
            return None
        return Finding(Fault.IDENTITY_MISMATCH, f"the certificate names {self}, not {identity}")

    def __str__(self) -> str:
        """List the names; "nobody" when there are none."""
        shown = [name for name in self.common_names if as_uuid(name) is None]
        shown += [str(uuid) for uuid in self.uuids]
        shown += [alias for alias in self.aliases if alias not in self.common_names]
        # "!a" because the other end chose these characters and a terminal may show them.
        return (
            ", ".join(name if name.isascii() and name.isprintable() else f"{name!a}" for name in shown)
            or "nobody"
        )


def as_uuid(text: str) -> UUID | None:
    """Return the UUID that ``text`` is in canonical form, else ``None``."""
    return UUID(text) if _CANONICAL_UUID.fullmatch(text) else None


def names_of(certificate: x509.Certificate) -> Names:
    """Collect what ``certificate`` calls its holder.

    Raises:
        ValueError: where the subject or the extensions cannot be parsed. Certificates that came
            through :mod:`peerkey.pki.certificate` have been parsed.
    """
    common_names = tuple(dict.fromkeys(_common_names(certificate)))
    uris = tuple(_uris(certificate))
    uuids = [as_uuid(name) for name in common_names]
    uuids += [as_uuid(uri[len(_UUID_URN) :]) for uri in uris if uri.lower().startswith(_UUID_URN)]
    aliases = (uri[len(_ALIAS_URN) :] for uri in uris if uri.lower().startswith(_ALIAS_URN))
    return Names(
        common_names,
        tuple(dict.fromkeys(uuid for uuid in uuids if uuid is not None)),
        tuple(dict.fromkeys(alias for alias in aliases if alias)),
    )


def _common_names(certificate: x509.Certificate) -> Iterator[str]:
    for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME):
        value = attribute.value
        yield value if isinstance(value, str) else value.decode("latin-1")


def _uris(certificate: x509.Certificate) -> Iterator[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return
    yield from extension.value.get_values_for_type(x509.UniformResourceIdentifier)
