"""A node's certificate, key and trust, read from where the configuration says.

Reading files and loading keys may take a while, so it happens on the executor: :func:`load` is an
ordinary function of values. What is wrong is part of the result, not an exception: a node whose
certificate is missing or bad still runs, shows why, and recovers when a good one is there.

What cannot be read is told apart from what was read and is bad: nothing is judged by what is missing
(``docs/decisions/0060-what-cannot-be-read.md``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from peerkey.errors import Misconfigured, Unavailable
from peerkey.pki.certificate import read_bundle
from peerkey.pki.trust import TrustAnchors

if TYPE_CHECKING:
    from cryptography import x509

    from actors.keystores.port import KeyUse
    from peerkey.config.plan import CertificateSource, NodePlan
    from peerkey.protocol.suites import Signer

#: Reads a file as a whole, bounded; raises ``OSError``.
ReadFile = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What was found: the certificate chain (leaf first) with its signer, or why there is none."""

    chain: tuple[x509.Certificate, ...]
    signer: Signer | None
    #: Why the node has no certificate that it can use; empty where it has.
    missing: str
    trust: TrustAnchors
    #: What is wrong with trusted certificates; empty where nothing is.
    trust_fault: str
    #: Whether a source of trusted certificates could not be read, so that ``trust`` may lack some.
    trust_unread: bool

    @property
    def der(self) -> tuple[bytes, ...]:
        """The chain as it is announced."""
        return tuple(certificate.public_bytes(Encoding.DER) for certificate in self.chain)


def load(plan: NodePlan, keystore: KeyUse, read_file: ReadFile) -> Credentials:
    """Read a node's certificate, find its key, and read the trusted certificates."""
    found = read_trust(plan.trusted, read_file)
    try:
        chain = read_bundle(*content_of(plan.certificate, read_file))
        signer, public_key = keystore.signer(plan.key_file)
        encoding = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if public_key.public_bytes(*encoding) != chain[0].public_key().public_bytes(*encoding):
            message = (
                f"{plan.key_file} is not the private key of the first certificate in "
                f"{plan.certificate.name}: import the certificate that was issued for this key, leaf first"
            )
            raise Misconfigured(message)
    except (Misconfigured, Unavailable) as fault:
        return Credentials((), None, str(fault), *found)
    return Credentials(chain, signer, "", *found)


def read_trust(sources: tuple[CertificateSource, ...], read_file: ReadFile) -> tuple[TrustAnchors, str, bool]:
    """Trust what can be read, and say what cannot: one bad file must not take the good ones away."""
    certificates: list[x509.Certificate] = []
    faults: list[str] = []
    for source in sources:
        try:
            certificates += read_bundle(*content_of(source, read_file))
        except Misconfigured as fault:
            faults.append(str(fault))
    unread = bool(faults)
    trust = TrustAnchors.of(certificates)
    for certificate, findings in trust.refused:
        name = certificate.subject.rfc4514_string()
        faults.append(f"{name} may not be trusted: {'; '.join(map(str, findings))}")
    return trust, "; ".join(faults), unread


def content_of(source: CertificateSource, read_file: ReadFile) -> tuple[bytes, str]:
    """Return the bytes of a source and how to name it.

    Raises:
        Misconfigured: the file cannot be read.

    """
    if source.content is not None:
        return source.content.encode(), source.name
    path = source.file or ""
    try:
        return read_file(path), path
    except OSError as fault:
        message = f"{path}: the certificate {source.name} cannot be read: {fault.strerror}"
        raise Misconfigured(message) from fault
