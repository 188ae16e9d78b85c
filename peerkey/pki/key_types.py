"""The kinds and sizes of private keys that a certificate may be for, by the names that operators write.

They are all that peers accept and that peerkey makes: EC on the three NIST curves, RSA from 2048 to 4096
bits in steps of 256, and ML-DSA. Which of them a key store can hold is the store's to say.
"""

from __future__ import annotations

from enum import StrEnum


class KeyType(StrEnum):
    """A kind and size of key."""

    EC_P256 = "ec-p256"
    EC_P384 = "ec-p384"
    EC_P521 = "ec-p521"
    RSA_2048 = "rsa-2048"
    RSA_2304 = "rsa-2304"
    RSA_2560 = "rsa-2560"
    RSA_2816 = "rsa-2816"
    RSA_3072 = "rsa-3072"
    RSA_3328 = "rsa-3328"
    RSA_3584 = "rsa-3584"
    RSA_3840 = "rsa-3840"
    RSA_4096 = "rsa-4096"
    ML_DSA_44 = "ml-dsa-44"
    ML_DSA_65 = "ml-dsa-65"
    ML_DSA_87 = "ml-dsa-87"

    @property
    def rsa_bits(self) -> int | None:
        """The size of the modulus of an RSA key; ``None`` for every other kind."""
        family, _, size = self.value.partition("-")
        return int(size) if family == "rsa" else None
