"""A certificate in a few words: whose it is, who says so, until when, and with which kind of key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from peerkey.errors import Malformed
from peerkey.pki.certificate import parse_chain_untrusted
from peerkey_cli.schemas import iso

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes


def summary(der: bytes) -> dict[str, Any]:
    """Describe the bytes of a certificate that anybody may have sent; ``fault`` says why they are none."""
    try:
        chain = parse_chain_untrusted([der])
    except Malformed as fault:
        return {"bytes": len(der), "fault": str(fault)}
    leaf = chain.leaf
    return {
        "bytes": len(der),
        "subject": printable(leaf.subject.rfc4514_string()),
        "issuer": printable(leaf.issuer.rfc4514_string()),
        "serial": f"{leaf.serial_number:x}",
        "not_before": iso(leaf.not_valid_before_utc),
        "not_after": iso(leaf.not_valid_after_utc),
        "key": key_name(chain.public_key),
        "fingerprint": chain.fingerprint.hex(),
        "fault": None,
    }


def key_name(key: CertificatePublicKeyTypes) -> str:
    """Return kind and size of a public key: ``EC secp256r1``, ``RSA 2048``, ``MLDSA65``."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.curve.name}"
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    return type(key).__name__.removesuffix("PublicKey").lstrip("_")


def printable(text: str) -> str:
    """Return what somebody else has chosen in a way that no terminal acts upon."""
    return text if text.isascii() and text.isprintable() else ascii(text)[1:-1]
