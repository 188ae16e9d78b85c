"""Signatures: who may sign, how, and the check that raises.

    "Signatures use the certificate's key"

The key decides the scheme and nothing else does, so nothing can be downgraded: ECDSA on P-256, P-384
and P-521 with the hash of the curve (SHA-256, SHA-384, SHA-512), in DER; RSA-PSS with SHA-256,
MGF1-SHA-256 and a salt of 32 bytes; ML-DSA-44, -65 and -87, pure, with an empty context (FIPS 204).
Keys outside the bounds below are refused before they are used: a public exponent or modulus of a
peer's choice must not decide how long we compute.

:class:`Signer` is a port. :func:`signer_for` is its implementation for a key in this process; a key
that lives in hardware has its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeAlias, final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

from peerkey.errors import Misconfigured, PeerFault

#: Modulus of an RSA key, in bits. Below, it is weak; above, one check costs milliseconds.
RSA_BITS: Final = range(2048, 8192 + 1)
#: Public exponent of an RSA key: odd, at least F4 (SP 800-56B), at most 33 bits so that checks stay cheap.
RSA_EXPONENT: Final = range(65537, 2**32 + 1, 2)
#: Signing with a larger RSA key is expected to cost more than a millisecond, and so is ML-DSA-65 and -87,
#: which sign in a random number of attempts.
_RSA_LIGHT_BITS: Final = 2048

_ECDSA: Final = {
    "secp256r1": ("ecdsa-p256-sha256", ec.ECDSA(hashes.SHA256())),
    "secp384r1": ("ecdsa-p384-sha384", ec.ECDSA(hashes.SHA384())),
    "secp521r1": ("ecdsa-p521-sha512", ec.ECDSA(hashes.SHA512())),
}
_PSS_HASH: Final = hashes.SHA256()
_PSS: Final = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)

_SigningKey: TypeAlias = (
    ec.EllipticCurvePrivateKey
    | rsa.RSAPrivateKey
    | mldsa.MLDSA44PrivateKey
    | mldsa.MLDSA65PrivateKey
    | mldsa.MLDSA87PrivateKey
)
_Verify: TypeAlias = Callable[[bytes, bytes], None]
_Sign: TypeAlias = Callable[[bytes], bytes]


class BadSignature(PeerFault):
    """A signature does not verify under the sender's key."""


class UnsupportedKey(PeerFault):
    """A peer's public key is of a kind, curve or size that this protocol refuses."""


class Signer(Protocol):
    """Something that signs with the node's private key."""

    @property
    def scheme(self) -> str:
        """The scheme as text, such as ``ecdsa-p256-sha256``."""
        ...

    @property
    def heavy(self) -> bool:
        """Whether signing is expected to cost more than a millisecond, and so belongs on the executor."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Return the signature of ``data``. Signing the same data again may give other bytes.

        Raises:
            Unavailable: where the key lives elsewhere and does not answer.

        """
        ...


@final
class Verifier:
    """One public key, judged once, with which any number of signatures are checked."""

    __slots__ = ("_verify", "scheme")

    def __init__(self, scheme: str, verify: _Verify) -> None:
        """Use :func:`verifier_for`."""
        self.scheme = scheme
        self._verify = verify

    def verify(self, signature: bytes, data: bytes) -> None:
        """Return if ``signature`` is this key's over ``data``.

        Raises:
            BadSignature: in every other case.

        """
        try:
            self._verify(signature, data)
        except InvalidSignature:
            message = f"the {self.scheme} signature does not verify"
            raise BadSignature(message) from None

    def __repr__(self) -> str:
        """Show the scheme."""
        return f"Verifier({self.scheme})"


@final
class PrivateKeySigner:
    """A :class:`Signer` with a private key in this process."""

    __slots__ = ("_sign", "heavy", "scheme")

    def __init__(self, scheme: str, sign: _Sign, *, heavy: bool) -> None:
        """Use :func:`signer_for`."""
        self.scheme = scheme
        self.heavy = heavy
        self._sign = sign

    def sign(self, data: bytes) -> bytes:
        """Return the signature of ``data``."""
        return self._sign(data)

    def __repr__(self) -> str:
        """Show the scheme; the key is nobody's business."""
        return f"PrivateKeySigner({self.scheme})"


def verifier_for(public_key: PublicKeyTypes) -> Verifier:
    """Return the verifier of a peer's public key, after its bounds were checked.

    Raises:
        UnsupportedKey: where its kind, curve, size or exponent is not accepted.

    """
    match public_key:
        case ec.EllipticCurvePublicKey():
            return _ecdsa_verifier(public_key)
        case rsa.RSAPublicKey():
            return _rsa_verifier(public_key)
        case mldsa.MLDSA44PublicKey():
            return Verifier("ml-dsa-44", public_key.verify)
        case mldsa.MLDSA65PublicKey():
            return Verifier("ml-dsa-65", public_key.verify)
        case mldsa.MLDSA87PublicKey():
            return Verifier("ml-dsa-87", public_key.verify)
        case _:
            message = f"unsupported key: {type(public_key).__name__}"
            raise UnsupportedKey(message)


def signer_for(private_key: PrivateKeyTypes) -> PrivateKeySigner:
    """Return the signer of this node's private key; it must be one that peers accept.

    Raises:
        Misconfigured: where its kind, curve, size or exponent is not accepted.

    """
    if not isinstance(private_key, _SigningKey):
        message = f"the private key cannot be used: {type(private_key).__name__} does not sign here"
        raise Misconfigured(message)
    try:
        scheme = verifier_for(private_key.public_key()).scheme
    except UnsupportedKey as fault:
        message = f"the private key cannot be used: {fault}"
        raise Misconfigured(message) from None
    if isinstance(private_key, ec.EllipticCurvePrivateKey):
        ecdsa = _ECDSA[private_key.curve.name][1]
        return PrivateKeySigner(scheme, lambda data: private_key.sign(data, ecdsa), heavy=False)
    if isinstance(private_key, rsa.RSAPrivateKey):
        heavy = private_key.key_size > _RSA_LIGHT_BITS
        return PrivateKeySigner(scheme, lambda data: private_key.sign(data, _PSS, _PSS_HASH), heavy=heavy)
    heavy = not isinstance(private_key, mldsa.MLDSA44PrivateKey)
    return PrivateKeySigner(scheme, private_key.sign, heavy=heavy)


def _ecdsa_verifier(public_key: ec.EllipticCurvePublicKey) -> Verifier:
    known = _ECDSA.get(public_key.curve.name)
    if known is None:
        message = f"unsupported key: elliptic curve {public_key.curve.name}"
        raise UnsupportedKey(message)
    scheme, ecdsa = known
    return Verifier(scheme, lambda signature, data: public_key.verify(signature, data, ecdsa))


def _rsa_verifier(public_key: rsa.RSAPublicKey) -> Verifier:
    if public_key.key_size not in RSA_BITS:
        message = (
            f"unsupported key: RSA of {public_key.key_size} bits, outside {RSA_BITS[0]} to {RSA_BITS[-1]}"
        )
        raise UnsupportedKey(message)
    if public_key.public_numbers().e not in RSA_EXPONENT:
        message = "unsupported key: RSA with a public exponent that is even, below 65537 or above 2^32"
        raise UnsupportedKey(message)
    return Verifier("rsa-pss-sha256", lambda sig, data: public_key.verify(sig, data, _PSS, _PSS_HASH))
