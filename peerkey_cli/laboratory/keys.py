"""Making private keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import ec, mldsa, rsa

from peerkey_cli.key_types import KeyType

if TYPE_CHECKING:
    from peerkey.pki.laboratory import SigningKey

_EXPONENT: Final = 65_537


_MAKE: Final[dict[KeyType, Callable[[], SigningKey]]] = {
    KeyType.EC_P256: lambda: ec.generate_private_key(ec.SECP256R1()),
    KeyType.EC_P384: lambda: ec.generate_private_key(ec.SECP384R1()),
    KeyType.EC_P521: lambda: ec.generate_private_key(ec.SECP521R1()),
    KeyType.RSA_2048: lambda: rsa.generate_private_key(_EXPONENT, 2_048),
    KeyType.RSA_3072: lambda: rsa.generate_private_key(_EXPONENT, 3_072),
    KeyType.RSA_4096: lambda: rsa.generate_private_key(_EXPONENT, 4_096),
    KeyType.ML_DSA_44: mldsa.MLDSA44PrivateKey.generate,
    KeyType.ML_DSA_65: mldsa.MLDSA65PrivateKey.generate,
    KeyType.ML_DSA_87: mldsa.MLDSA87PrivateKey.generate,
}


def generate(kind: KeyType) -> SigningKey:
    """Make a new private key. RSA takes up to some seconds, everything else no time."""
    return _MAKE[kind]()
