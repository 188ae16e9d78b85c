"""The kinds of private key that a laboratory can make, by the names that the command line has for them.

They are all that peers accept. :func:`peerkey_cli.laboratory.keys.generate` makes one.
"""

from __future__ import annotations

from enum import StrEnum


class KeyType(StrEnum):
    """A kind and size of key."""

    EC_P256 = "ec-p256"
    EC_P384 = "ec-p384"
    EC_P521 = "ec-p521"
    RSA_2048 = "rsa-2048"
    RSA_3072 = "rsa-3072"
    RSA_4096 = "rsa-4096"
    ML_DSA_44 = "ml-dsa-44"
    ML_DSA_65 = "ml-dsa-65"
    ML_DSA_87 = "ml-dsa-87"
