"""Making private keys in this process, from the operating system's randomness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import ec, mldsa, rsa

from peerkey.pki.key_types import KeyType

if TYPE_CHECKING:
    from collections.abc import Callable

    from peerkey.pki.laboratory import SigningKey

#: F4: what every verifier accepts, and checks fast.
RSA_EXPONENT: Final = 65_537

_MAKE: Final[dict[KeyType, Callable[[], SigningKey]]] = {
    KeyType.EC_P256: lambda: ec.generate_private_key(ec.SECP256R1()),
    KeyType.EC_P384: lambda: ec.generate_private_key(ec.SECP384R1()),
    KeyType.EC_P521: lambda: ec.generate_private_key(ec.SECP521R1()),
    KeyType.ML_DSA_44: mldsa.MLDSA44PrivateKey.generate,
    KeyType.ML_DSA_65: mldsa.MLDSA65PrivateKey.generate,
    KeyType.ML_DSA_87: mldsa.MLDSA87PrivateKey.generate,
}


def generate(kind: KeyType) -> SigningKey:
    """Make a new private key. RSA takes up to some seconds, everything else no time."""
    bits = kind.rsa_bits
    return _MAKE[kind]() if bits is None else rsa.generate_private_key(RSA_EXPONENT, bits)
