"""Which keys, algorithms, roles and extensions are accepted.

The lists follow the vendor's published requirements, with ML-DSA (FIPS 204) added. They hold at
run time for every certificate that counts: the leaf of a peer always, also where
``peer-validation`` is off, and every CA before it may be part of a path, so that no signature is
ever checked with a key that was not accepted first (a CA of 65,536 bits is a way to burn time).

``cryptography``'s verifier then sees to the path: names, dates, signatures, path lengths, name
constraints and unknown critical extensions. It knows no revocation, wants a DNS name by default
and ignores extendedKeyUsage when told to permit everything; :data:`CA_EXTENSIONS` and
:data:`LEAF_EXTENSIONS` say what is wanted instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, rsa
from cryptography.x509.oid import (
    ExtendedKeyUsageOID,
    ExtensionOID,
    PublicKeyAlgorithmOID,
    SignatureAlgorithmOID,
)
from cryptography.x509.verification import Criticality, ExtensionPolicy

from peerkey.pki.certificate import public_key_of
from peerkey.pki.faults import Fault, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

MINIMUM_RSA_BITS: Final = 2048
#: "RSA at most 8,192 bits" (protocol.md section 2): verification time grows with the square.
MAXIMUM_RSA_BITS: Final = 8192
#: Below, padding mistakes become forgeries; above, verification becomes slow.
MINIMUM_RSA_EXPONENT: Final = 65537
MAXIMUM_RSA_EXPONENT: Final = 2**32

CURVES: Final = frozenset({"secp256r1", "secp384r1", "secp521r1"})
HASHES: Final = frozenset({"sha256", "sha384", "sha512"})

#: ``cryptography`` has no public names for the ML-DSA signature algorithms (FIPS 204, RFC 9881 section 2).
ML_DSA: Final = frozenset(x509.ObjectIdentifier(f"2.16.840.1.101.3.4.3.{arc}") for arc in (17, 18, 19))
SIGNATURE_ALGORITHMS: Final = ML_DSA | {
    SignatureAlgorithmOID.RSA_WITH_SHA256,
    SignatureAlgorithmOID.RSA_WITH_SHA384,
    SignatureAlgorithmOID.RSA_WITH_SHA512,
    SignatureAlgorithmOID.RSASSA_PSS,
    SignatureAlgorithmOID.ECDSA_WITH_SHA256,
    SignatureAlgorithmOID.ECDSA_WITH_SHA384,
    SignatureAlgorithmOID.ECDSA_WITH_SHA512,
}

#: What a node's certificate may be for: peerings are neither side's server, so either role will do.
_PURPOSES: Final = frozenset(
    {
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    },
)
#: Critical extensions that are acted on, here or by the verifier. Key identifiers and authority information
#: access are not among them: nothing here acts on them, and an issuer "MUST mark" them as non-critical.
_UNDERSTOOD: Final = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.NAME_CONSTRAINTS,
    },
)

_NAMES: Final = {
    oid: name.lower().replace("_", "-")
    for names in (SignatureAlgorithmOID, ExtendedKeyUsageOID)
    for name, oid in vars(names).items()
    if isinstance(oid, x509.ObjectIdentifier)
}


def leaf_findings(certificate: x509.Certificate, key: CertificatePublicKeyTypes) -> tuple[Finding, ...]:
    """Return what forbids this certificate to a node: role, usages, key and signature algorithm."""
    return (
        *_leaf_role(certificate),
        *_common(certificate),
        *key_findings(key),
    )


def leaf_remarks(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return what is no reason to refuse this certificate of a node, and is worth saying to an operator."""
    remarks = []
    if not any(isinstance(each.value, x509.ExtendedKeyUsage) for each in certificate.extensions):
        remarks.append("the certificate does not say what it is for: TLS client or server authentication")
    if certificate.subject == certificate.issuer:
        remarks.append("the certificate is signed by its own key: no authority vouches for it")
    return tuple(remarks)


def ca_findings(certificate: x509.Certificate) -> tuple[Finding, ...]:
    """Return what forbids this certificate to a CA.

    Raises nothing for a certificate that :mod:`peerkey.pki.certificate` has read.
    """
    key = public_key_of(certificate)
    if key is None:
        on_key: tuple[Finding, ...] = (Finding(Fault.FORBIDDEN_ALGORITHM, "a public key of an unknown kind"),)
    else:
        on_key = key_findings(key)
    if certificate.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS:
        # The verifier takes PSS signatures of ordinary RSA keys only (docs/decisions/0023).
        on_key = (Finding(Fault.FORBIDDEN_ALGORITHM, "the key of a CA is marked as RSASSA-PSS only"), *on_key)
    return (*_ca_role(certificate), *_common(certificate), *on_key)


def key_findings(key: CertificatePublicKeyTypes) -> tuple[Finding, ...]:
    """Return what is wrong with a public key, before anything is computed with it."""
    if isinstance(key, rsa.RSAPublicKey):
        return tuple(_rsa_findings(key))
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name in CURVES:
            return ()
        return (Finding(Fault.FORBIDDEN_ALGORITHM, f"an EC key on {key.curve.name}"),)
    if isinstance(key, mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey):
        return ()
    kind = type(key).__name__.removesuffix("PublicKey")
    return (Finding(Fault.FORBIDDEN_ALGORITHM, f"a key of kind {kind}; RSA, EC and ML-DSA are accepted"),)


def _rsa_findings(key: rsa.RSAPublicKey) -> Iterator[Finding]:
    if not MINIMUM_RSA_BITS <= key.key_size <= MAXIMUM_RSA_BITS:
        wanted = f"{MINIMUM_RSA_BITS} to {MAXIMUM_RSA_BITS} are accepted"
        yield Finding(Fault.WEAK_KEY, f"RSA with {key.key_size} bits; {wanted}")
    exponent = key.public_numbers().e
    if exponent % 2 == 0 or not MINIMUM_RSA_EXPONENT <= exponent <= MAXIMUM_RSA_EXPONENT:
        yield Finding(Fault.WEAK_KEY, f"RSA with an exponent of {exponent.bit_length()} bits; 65537 is usual")


def _common(certificate: x509.Certificate) -> Iterator[Finding]:
    """Yield what is asked of a leaf and of a CA alike."""
    algorithm = certificate.signature_algorithm_oid
    if algorithm not in SIGNATURE_ALGORITHMS:
        yield Finding(Fault.FORBIDDEN_ALGORITHM, f"signed with {_named(algorithm)}")
    elif algorithm not in ML_DSA:
        hashed = signature_hash(certificate)
        if hashed not in HASHES:
            yield Finding(Fault.FORBIDDEN_ALGORITHM, f"signed over {hashed or 'no known hash'}")
    for extension in certificate.extensions:
        if extension.critical and extension.oid not in _UNDERSTOOD:
            detail = f"{extension.oid.dotted_string} is critical and not understood"
            yield Finding(Fault.UNKNOWN_CRITICAL_EXTENSION, detail)
        elif isinstance(extension.value, x509.ExtendedKeyUsage) and _PURPOSES.isdisjoint(extension.value):
            purposes = ", ".join(_named(purpose) for purpose in extension.value)
            yield Finding(Fault.BAD_EXTENDED_KEY_USAGE, f"for {purposes} only")


def signature_hash(signed: x509.Certificate | x509.CertificateRevocationList) -> str | None:
    """Return the name of the hash that was signed; ``None`` where the algorithm has none, or names none.

    RSASSA-PSS names it in parameters, which whoever made the bytes may have left out or spoiled.
    """
    try:
        hashed = signed.signature_hash_algorithm
    except (UnsupportedAlgorithm, ValueError):
        return None
    return None if hashed is None else hashed.name


def _leaf_role(certificate: x509.Certificate) -> Iterator[Finding]:
    for extension in certificate.extensions:
        value = extension.value
        if isinstance(value, x509.BasicConstraints) and value.ca:
            yield Finding(Fault.CA_LEAF, "the certificate of a node says CA:TRUE")
        if isinstance(value, x509.NameConstraints):
            # "MUST be used only in a CA certificate" (RFC 5280 section 4.2.1.10).
            yield Finding(Fault.CA_LEAF, "the certificate of a node constrains the names of others")
        if isinstance(value, x509.KeyUsage) and not value.digital_signature:
            yield Finding(Fault.BAD_KEY_USAGE, "keyUsage lacks digitalSignature")
        if isinstance(value, x509.KeyUsage) and value.key_cert_sign:
            # "If the cA boolean is not asserted, then the keyCertSign bit MUST NOT be asserted"
            # (RFC 5280 section 4.2.1.9).
            yield Finding(Fault.BAD_KEY_USAGE, "keyUsage lets a node sign certificates")


def _ca_role(certificate: x509.Certificate) -> Iterator[Finding]:
    basic = None
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.BasicConstraints):
            basic = extension
        elif isinstance(extension.value, x509.KeyUsage) and not extension.value.key_cert_sign:
            yield Finding(Fault.BAD_KEY_USAGE, "keyUsage of a CA lacks keyCertSign")
    if basic is None:
        yield Finding(Fault.BAD_BASIC_CONSTRAINTS, "a CA without basicConstraints")
    elif not basic.value.ca:
        yield Finding(Fault.BAD_BASIC_CONSTRAINTS, "a CA whose basicConstraints say CA:FALSE")
    elif not basic.critical:
        # "Conforming CAs MUST include this extension ... and MUST mark the extension as critical"
        # (RFC 5280 section 4.2.1.9).
        yield Finding(Fault.BAD_BASIC_CONSTRAINTS, "a CA whose basicConstraints are not critical")


def _named(oid: x509.ObjectIdentifier) -> str:
    """Return the OID, with its name where it is a usual one."""
    name = _NAMES.get(oid)
    return f"{name} ({oid.dotted_string})" if name else oid.dotted_string


#: For the verifier: what a CA must and may carry. It asserts cA itself.
CA_EXTENSIONS: Final = ExtensionPolicy.permit_all().require_present(
    x509.BasicConstraints,
    Criticality.CRITICAL,
    None,
)
#: For the verifier: a leaf needs no alternative name; :func:`leaf_findings` judges the rest first.
LEAF_EXTENSIONS: Final = ExtensionPolicy.permit_all()
