"""Revocation lists, good by default and bad on request.

    revocation_list(ca.intermediate, leaf)                  # names the leaf
    revocation_list(ca.root, next_update=NOW)               # ends now
    revocation_list(ca.root, base=1)                        # a delta

Like :mod:`peerkey.testing.ca` it reads no clock; whoever calls says what departs from a good list.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from peerkey.pki.laboratory import SigningKey, hash_of
from peerkey.testing.ca import NOW

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from peerkey.pki.laboratory import Authority

_DAY: Final = timedelta(days=1)


def revocation_list(  # noqa: PLR0913  # each departs from a good list
    issuer: Authority,
    *revoked: x509.Certificate,
    this_update: datetime = NOW - _DAY,
    next_update: datetime = NOW + _DAY,
    number: int | None = 1,
    base: int | None = None,
    scope: x509.IssuingDistributionPoint | None = None,
    reasons: Mapping[int, x509.ReasonFlags] | None = None,
    more: Sequence[tuple[x509.ExtensionType, bool]] = (),
    key: SigningKey | None = None,
    serials: Sequence[int] = (),
) -> x509.CertificateRevocationList:
    """Return the list of ``issuer`` that names ``revoked``.

    Arguments:
        issuer: who signs, and whose name it bears.
        revoked: what it names. Those that somebody else issued are named with their issuer.
        this_update: a day ago by default.
        next_update: in a day by default.
        number: cRLNumber, ``None`` to leave it out.
        base: makes it a delta to the list of this number.
        scope: issuingDistributionPoint.
        reasons: by serial number.
        more: further extensions, each with whether it is critical.
        key: another key to sign with than the issuer's.
        serials: further certificates of the issuer that it names, by their numbers alone.
    """
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(this_update)
        .next_update(next_update)
    )
    for certificate in revoked:
        builder = builder.add_revoked_certificate(_entry(certificate, issuer, this_update, reasons or {}))
    for serial in serials:
        named = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(this_update)
        builder = builder.add_revoked_certificate(named.build())
    if number is not None:
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    if base is not None:
        builder = builder.add_extension(x509.DeltaCRLIndicator(base), critical=True)
    if scope is not None:
        builder = builder.add_extension(scope, critical=True)
    for extension, critical in more:
        builder = builder.add_extension(extension, critical=critical)
    signer = key or issuer.key
    if isinstance(signer, ec.EllipticCurvePrivateKey):
        # The same list for the same arguments, as with certificates (:mod:`peerkey.pki.laboratory`).
        return builder.sign(signer, hash_of(signer.curve), ecdsa_deterministic=True)
    return builder.sign(signer, hashes.SHA256() if isinstance(signer, rsa.RSAPrivateKey) else None)


def _entry(
    certificate: x509.Certificate,
    issuer: Authority,
    since: datetime,
    reasons: Mapping[int, x509.ReasonFlags],
) -> x509.RevokedCertificate:
    serial = certificate.serial_number
    entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since)
    if serial in reasons:
        entry = entry.add_extension(x509.CRLReason(reasons[serial]), critical=False)
    if certificate.issuer != issuer.certificate.subject:
        named = x509.CertificateIssuer([x509.DirectoryName(certificate.issuer)])
        entry = entry.add_extension(named, critical=True)
    return entry.build()
