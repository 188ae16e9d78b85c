"""A certificate authority for laboratories, demonstrations and tests.

Pure functions: keys, serial numbers and times come from the caller, so the same call builds the same
certificate wherever the signature algorithm is deterministic (RSA, and ECDSA, which is signed after
RFC 6979 here). What it issues is what :mod:`peerkey.pki.policy` asks for, no more: critical
basicConstraints and keyUsage, key identifiers for path building, the purposes of a TLS client and
server, and the node's names.

It is no authority for a fleet: it keeps no register and the caller keeps its keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from peerkey.pki.identity import PeerIdentity

SigningKey: TypeAlias = (
    ec.EllipticCurvePrivateKey
    | rsa.RSAPrivateKey
    | mldsa.MLDSA44PrivateKey
    | mldsa.MLDSA65PrivateKey
    | mldsa.MLDSA87PrivateKey
)

#: A laboratory's certificates are read by people; more levels than this only test patience.
_PATH_LENGTH_OF_INTERMEDIATE: Final = 0


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA that can sign: its certificate and the private key that belongs to it."""

    certificate: x509.Certificate
    key: SigningKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class Validity:
    """From when until when, both inclusive, aware, in whole seconds."""

    not_before: datetime
    not_after: datetime


def new_root(name: str, key: SigningKey, *, serial: int, validity: Validity) -> Authority:
    """Return a self-signed CA called ``name``."""
    subject = common_name(name)
    builder = started(subject, subject, key.public_key(), serial=serial, validity=validity)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(CA_USAGE, critical=True)
    return Authority(signed(builder, key), key)


def new_intermediate(
    name: str,
    key: SigningKey,
    issuer: Authority,
    *,
    serial: int,
    validity: Validity,
) -> Authority:
    """Return a CA called ``name`` that ``issuer`` vouches for and that may sign leaves only."""
    builder = started(
        common_name(name),
        issuer.certificate.subject,
        key.public_key(),
        serial=serial,
        validity=validity,
    )
    basic = x509.BasicConstraints(ca=True, path_length=_PATH_LENGTH_OF_INTERMEDIATE)
    builder = builder.add_extension(basic, critical=True).add_extension(CA_USAGE, critical=True)
    builder = builder.add_extension(_issued_by(issuer), critical=False)
    return Authority(signed(builder, issuer.key), key)


def issue(  # what a certificate says is that many things
    identity: PeerIdentity,
    public_key: CertificatePublicKeyTypes,
    issuer: Authority,
    *,
    serial: int,
    validity: Validity,
    crl_urls: Sequence[str] = (),
) -> x509.Certificate:
    """Return the certificate of a node.

    The common name is the node's UUID, as the seed has it; SANs repeat it as ``urn:uuid`` and name
    the alias, where there is one, as ``urn:ssr:peering``. ``crl_urls`` become one distribution point.
    """
    builder = started(
        common_name(str(identity.uuid)),
        issuer.certificate.subject,
        public_key,
        serial=serial,
        validity=validity,
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(LEAF_USAGE, critical=True)
    builder = builder.add_extension(LEAF_PURPOSES, critical=False)
    builder = builder.add_extension(_issued_by(issuer), critical=False)
    names = [f"urn:uuid:{identity.uuid}"]
    if identity.alias is not None:
        names.append(f"urn:ssr:peering:{identity.alias}")
    builder = builder.add_extension(alternative_names(names), critical=False)
    if crl_urls:
        where = [x509.UniformResourceIdentifier(url) for url in crl_urls]
        point = x509.DistributionPoint(full_name=where, relative_name=None, reasons=None, crl_issuer=None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
    return signed(builder, issuer.key)


@dataclass(frozen=True, slots=True)
class Revoked:
    """An entry of a revocation list."""

    serial: int
    #: Aware, in whole seconds.
    since: datetime
    #: Left out of the entry where it is ``unspecified`` (RFC 5280 section 5.3.1).
    reason: x509.ReasonFlags


def revocation_list(
    issuer: Authority, serials: Sequence[int], number: int, validity: Validity
) -> x509.CertificateRevocationList:
    """Return the list of ``issuer`` that names these of its certificates, for good, as of its beginning.

    ``validity`` is ``thisUpdate`` and ``nextUpdate``; ``number`` grows from list to list (RFC 5280 section
    5.2.3).
    """
    reason = x509.ReasonFlags.key_compromise
    entries = [Revoked(serial, validity.not_before, reason) for serial in serials]
    return list_of(issuer, entries, number, validity)


def list_of(
    issuer: Authority, entries: Sequence[Revoked], number: int, validity: Validity, base: int | None = None
) -> x509.CertificateRevocationList:
    """Return the list of ``issuer`` with these entries.

    With ``base`` it is a delta: what has changed since the complete list of that number (RFC 5280 section
    5.2.4).
    """
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(validity.not_before)
        .next_update(validity.not_after)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(_issued_by(issuer), critical=False)
    )
    if base is not None:
        builder = builder.add_extension(x509.DeltaCRLIndicator(base), critical=True)
    for entry in entries:
        made = x509.RevokedCertificateBuilder().serial_number(entry.serial).revocation_date(entry.since)
        if entry.reason is not x509.ReasonFlags.unspecified:
            made = made.add_extension(x509.CRLReason(entry.reason), critical=False)
        builder = builder.add_revoked_certificate(made.build())
    key = issuer.key
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return builder.sign(key, hash_of(key.curve), ecdsa_deterministic=True)
    return builder.sign(key, hashes.SHA256() if isinstance(key, rsa.RSAPrivateKey) else None)


def common_name(name: str) -> x509.Name:
    """Return the subject that consists of this common name alone."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def alternative_names(uris: Sequence[str]) -> x509.SubjectAlternativeName:
    """Return a SAN of these URIs."""
    return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in uris])


def started(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: CertificatePublicKeyTypes,
    *,
    serial: int,
    validity: Validity,
) -> x509.CertificateBuilder:
    """Begin a certificate: what every one of them carries."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(validity.not_before)
        .not_valid_after(validity.not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def signed(builder: x509.CertificateBuilder, key: SigningKey) -> x509.Certificate:
    """Sign with the hash that suits the key: that of its curve, SHA-256 for RSA, none for ML-DSA."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return builder.sign(key, hash_of(key.curve), ecdsa_deterministic=True)
    return builder.sign(key, hashes.SHA256() if isinstance(key, rsa.RSAPrivateKey) else None)


def hash_of(curve: ec.EllipticCurve) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512:
    """Return the hash whose strength is that of the curve."""
    if isinstance(curve, ec.SECP521R1):
        return hashes.SHA512()
    return hashes.SHA384() if isinstance(curve, ec.SECP384R1) else hashes.SHA256()


def _issued_by(issuer: Authority) -> x509.AuthorityKeyIdentifier:
    own = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


CA_USAGE: Final = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
LEAF_USAGE: Final = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
LEAF_PURPOSES: Final = x509.ExtendedKeyUsage(
    [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
)
