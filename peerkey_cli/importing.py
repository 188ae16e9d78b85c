"""Importing a certificate for one node: what is to be replaced, the three checks, the replacement.

Everything is decided before anything is written. The new certificate appears whole, under the old one's name,
or not at all; whatever goes wrong, the old one stays. A system that runs is then told to read it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from peerkey.config.plan import CertificateSource, ValidationMode
from peerkey.errors import Misconfigured
from peerkey.pki.crl import read_crls
from peerkey.pki.identity import PeerIdentity
from peerkey.pki.ingest import MAXIMUM_IMPORT_BYTES, Accepted, Holder, accepted, handed_over
from peerkey.pki.list_frame import MAXIMUM_LIST_BYTES
from peerkey.pki.revocation import AllOf, NoRevocation, Revocation
from peerkey.pki.revocation_lists import RevocationLists
from peerkey.pki.trust import TrustAnchors
from peerkey_cli.errors import NotFound
from peerkey_cli.files import read_bounded, read_file
from peerkey_cli.laboratory.writing import PUBLIC, write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from peerkey.config.plan import NodePlan

_STANDARD_INPUT: Final = "-"


class Keys(Protocol):
    """What an import needs of a key store."""

    def public_key(self, name: str) -> PublicKeyTypes:
        """See :meth:`actors.keystores.port.KeyStore.public_key`."""
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """Whose certificate it is, and where it belongs."""

    #: As the audit log names the node: ``router/node``, or its UUID.
    node: str
    #: What the certificate is called.
    name: str
    identity: PeerIdentity
    key_name: str
    certificate: Path
    trusted: tuple[CertificateSource, ...]


def target_of(plans: Sequence[NodePlan], node: str | None, file: Path) -> Target:
    """Return the target that a configuration describes.

    :raises NotFound: it has no such node, or several and none was named.
    :raises Misconfigured: the text of the certificate stands in the configuration.
    """
    named = {plan.name: plan for plan in plans}
    if node is None and len(named) != 1:
        message = f"{file}: has {len(named)} nodes; choose one with --node: {', '.join(named)}"
        raise NotFound(message)
    plan = named[node] if node is not None else next(iter(named.values()))
    if plan.certificate.file is None:
        message = (
            f"{file}: the text of the certificate of {plan.name} stands in the configuration; "
            "name a file there, or replace the text"
        )
        raise Misconfigured(message)
    return Target(
        plan.name,
        plan.certificate.name,
        PeerIdentity(plan.uuid, plan.alias),
        plan.key_file,
        Path(plan.certificate.file),
        plan.trusted,
    )


def target_at(uuid: UUID, alias: str | None, key: str, out: Path, trust: Sequence[Path]) -> Target:
    """Return the target that options describe."""
    return Target(str(uuid), out.stem, PeerIdentity(uuid, alias), key, out, sources_of(trust))


def sources_of(files: Sequence[Path]) -> tuple[CertificateSource, ...]:
    """Return trusted certificates that options name."""
    return tuple(CertificateSource(str(file), str(file), None, ValidationMode.STRICT) for file in files)


def read_given(given: str) -> tuple[bytes, str]:
    """Read a file, or standard input where it is ``-``; return its content and how to call it.

    One byte more than is accepted is enough to refuse it.

    :raises NotFound: there is no such file, or it cannot be read.
    """
    limit = MAXIMUM_IMPORT_BYTES + 1
    if given == _STANDARD_INPUT:
        return sys.stdin.buffer.read(limit), "standard input"
    try:
        with Path(given).open("rb") as file:
            return file.read(limit), given
    except OSError as fault:
        message = f"{given}: cannot be read: {fault.strerror}; nothing was changed"
        raise NotFound(message) from fault


def judged(
    content: bytes,
    source: str,
    target: Target,
    keys: Keys,
    *,
    known: Revocation,
    crls: Sequence[Path],
    at: datetime,
    helpers: Sequence[x509.Certificate] = (),
) -> Accepted:
    """Make the three checks. ``helpers`` may stand between the certificate and a trusted CA, and no more.

    Nothing may be revoked by what is ``known``, nor by the lists that an operator gives beside it.

    :raises ImportRefused: one of them fails.
    :raises Misconfigured: the private key, the trusted certificates or a revocation list cannot be read.
    """
    certificates = tuple(dict.fromkeys((*handed_over(content, source), *helpers)))
    public_key = keys.public_key(target.key_name)
    trust = read_trust(target.trusted)
    holder = Holder(target.identity, public_key, target.key_name)
    revocation = AllOf((known, _given_lists(crls, certificates, trust, at)))
    return accepted(certificates, source, holder, trust=trust, revocation=revocation, at=at)


def install(target: Target, imported: Accepted) -> None:
    """Put the certificate where it belongs; a link there keeps pointing to it.

    :raises Misconfigured: it cannot be written; the old certificate is as it was.
    """
    path = target.certificate
    write(path.resolve() if path.is_symlink() else path, imported.pem, PUBLIC, force=True)


def read_trust(sources: Sequence[CertificateSource]) -> TrustAnchors:
    """Read whom to trust: all of it, because "same hierarchy" asks for no less.

    :raises Misconfigured: a part of it cannot be read.
    """
    files: list[tuple[bytes, str]] = []
    for source in sources:
        if source.content is not None:
            files.append((source.content.encode(), source.name))
            continue
        path = source.file or ""
        try:
            files.append((read_file(path), path))
        except OSError as fault:
            message = f"{path}: the trusted certificate {source.name} cannot be read: {fault.strerror}"
            raise Misconfigured(message) from fault
    return TrustAnchors.read(files)


def _list(file: Path) -> bytes:
    try:
        return read_bounded(file, MAXIMUM_LIST_BYTES)
    except OSError as fault:
        message = f"{file}: the revocation list cannot be read: {fault.strerror}"
        raise Misconfigured(message) from fault


def _given_lists(
    crls: Sequence[Path], certificates: Sequence[x509.Certificate], trust: TrustAnchors, at: datetime
) -> Revocation:
    """Read lists of revoked certificates; one that counts for nothing is refused, for somebody relies on it.

    :raises Misconfigured: a file cannot be read, or holds a list that no trusted authority has signed.
    """
    if not crls:
        return NoRevocation()
    lists = [each for file in crls for each in read_crls(_list(file), str(file))]
    known = RevocationLists.of(lists, certificates, trust, at)
    if known.remarks:
        message = f"{'; '.join(known.remarks)}: leave out --crl, or name the lists of the trusted authority"
        raise Misconfigured(message)
    return known
