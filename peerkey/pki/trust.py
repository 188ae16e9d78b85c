"""The trusted authorities, and a digest that says whether they changed.

"Several trusted CA certificates, chains appended in one file": what the operator installs is a set
of CA certificates, and each plays one of two parts (``docs/decisions/0022``):

- a root, and a subordinate CA whose issuer is not in the set, is an **anchor**: a path may end there;
- a subordinate CA whose issuer *is* in the set is a **helper**: it helps to build paths, and the
  path goes on to its issuer. Were it an anchor, its issuer could neither revoke nor outlive it.

A certificate that no CA may have (:func:`peerkey.pki.policy.ca_findings`) is kept aside under
``refused`` and trusts nobody. :class:`TrustAnchors` is immutable; replacing the CAs means making
another one, whose ``generation`` differs exactly when its certificates do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.verification import Store

from peerkey.pki.certificate import fingerprint, read_bundle
from peerkey.pki.expiry import end_of
from peerkey.pki.policy import ca_findings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from cryptography import x509

    from peerkey.pki.faults import Finding


@dataclass(frozen=True, slots=True)
class TrustAnchors:
    """What one node trusts. Make it with :meth:`of` or :meth:`read`; equal sets are equal."""

    #: SHA-256 over the fingerprints of all certificates in a fixed order: content is the generation,
    #: so that nodes with different trust may share a cache of verdicts.
    generation: bytes
    anchors: tuple[x509.Certificate, ...] = field(compare=False, repr=False)
    helpers: tuple[x509.Certificate, ...] = field(compare=False, repr=False)
    refused: tuple[tuple[x509.Certificate, tuple[Finding, ...]], ...] = field(compare=False, repr=False)
    #: The instants at which a certificate of the set begins or ends, in order.
    boundaries: tuple[datetime, ...] = field(compare=False, repr=False)
    #: The anchors as the verifier takes them; ``None`` when there are none.
    store: Store | None = field(compare=False, repr=False)

    @classmethod
    def of(cls, certificates: Iterable[x509.Certificate]) -> TrustAnchors:
        """Trust these CA certificates; order and repetitions do not matter."""
        distinct = {fingerprint(certificate): certificate for certificate in certificates}
        judged = [(distinct[print_], ca_findings(distinct[print_])) for print_ in sorted(distinct)]
        accepted = [certificate for certificate, findings in judged if not findings]
        anchors, helpers = _parts(accepted)
        return cls(
            generation=sha256(b"".join(sorted(distinct))).digest(),
            anchors=anchors,
            helpers=helpers,
            refused=tuple((certificate, findings) for certificate, findings in judged if findings),
            boundaries=boundaries_of(accepted),
            store=Store(list(anchors)) if anchors else None,
        )

    @classmethod
    def read(cls, files: Iterable[tuple[bytes, str]]) -> TrustAnchors:
        """Trust every CA certificate in these files, each given as content and name.

        Raises:
            Misconfigured: as :func:`peerkey.pki.certificate.read_bundle` does.
        """
        return cls.of(
            certificate for content, source in files for certificate in read_bundle(content, source)
        )

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """Every CA that counts, anchors first."""
        return (*self.anchors, *self.helpers)


def boundaries_of(certificates: Iterable[x509.Certificate]) -> tuple[datetime, ...]:
    """Return, in order, every instant at which one of ``certificates`` begins or ends to be valid."""
    instants = {
        instant
        for certificate in certificates
        for instant in (certificate.not_valid_before_utc, end_of(certificate.not_valid_after_utc))
    }
    return tuple(sorted(instants))


def has_issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Whether ``issuer`` bears the issuer's name of ``certificate`` and its key made the signature.

    Ask only of an issuer whose key was accepted: the check costs what the key demands.
    """
    if issuer.subject != certificate.issuer:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _parts(
    accepted: list[x509.Certificate],
) -> tuple[tuple[x509.Certificate, ...], tuple[x509.Certificate, ...]]:
    """Tell anchors from helpers. What only refers to itself in a circle is trusted as it stands."""
    anchors = [certificate for certificate in accepted if has_issued(certificate, certificate)]
    rest = [certificate for certificate in accepted if certificate not in anchors]
    top = [
        certificate for certificate in rest if not any(has_issued(other, certificate) for other in accepted)
    ]
    anchors += top
    rest = [certificate for certificate in rest if certificate not in top]
    helpers: list[x509.Certificate] = []
    while rest:
        known = (*anchors, *helpers)
        found = [certificate for certificate in rest if any(has_issued(ca, certificate) for ca in known)]
        if not found:
            break
        helpers += found
        rest = [certificate for certificate in rest if certificate not in found]
    return (*anchors, *rest), tuple(helpers)
