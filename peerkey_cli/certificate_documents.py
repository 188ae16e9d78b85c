"""A certificate that has been accepted, as the documents describe it."""

from __future__ import annotations

from hashlib import sha1, sha256
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from peerkey.pki import text
from peerkey.pki.certificate import public_key_of
from peerkey_cli import schemas
from peerkey_cli.certificate_summary import key_name, printable

_Value = TypeVar("_Value", bound=x509.ExtensionType)


def described(der: bytes, *, detail: bool = False) -> schemas.CertificateInfo:
    """Return the fields of a certificate that was read before; with ``detail`` also OpenSSL's text."""
    certificate = x509.load_der_x509_certificate(der)
    key = public_key_of(certificate)
    names = _extension(certificate, x509.SubjectAlternativeName)
    purposes = _extension(certificate, x509.ExtendedKeyUsage)
    points = _extension(certificate, x509.CRLDistributionPoints)
    return schemas.CertificateInfo(
        subject=printable(certificate.subject.rfc4514_string()),
        issuer=printable(certificate.issuer.rfc4514_string()),
        serial=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        key="unknown" if key is None else key_name(key),
        signature_algorithm=text.word(certificate.signature_algorithm_oid),
        alternative_names=tuple(printable(text.general(name)) for name in names or ()),
        purposes=tuple(text.word(purpose) for purpose in purposes or ()),
        crl_urls=tuple(
            printable(name.value)
            for point in points or ()
            for name in point.full_name or ()
            if isinstance(name, x509.UniformResourceIdentifier)
        ),
        # An operator compares it with what other tools show; nothing is decided by it.
        fingerprint_sha1=sha1(der, usedforsecurity=False).digest().hex(":").upper(),
        fingerprint_sha256=sha256(der).digest().hex(":").upper(),
        pem=certificate.public_bytes(Encoding.PEM).decode(),
        text=tuple(text.lines(certificate)) if detail else (),
    )


def _extension(certificate: x509.Certificate, kind: type[_Value]) -> _Value | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
