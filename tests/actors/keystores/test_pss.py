"""The encoding of RSASSA-PSS, against the verifier of an independent implementation."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from actors.keystores.pss import encode


@pytest.mark.parametrize("bits", [2048, 2050, 2052, 2054, 2304])
@pytest.mark.parametrize("hashed", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()])
def test_what_is_encoded_verifies_at_every_length_of_the_modulus(
    bits: int, hashed: hashes.HashAlgorithm
) -> None:
    key = KEYS.setdefault(bits, rsa.generate_private_key(65537, bits))
    numbers = key.private_numbers()
    salt = bytes(range(hashed.digest_size))

    encoded = encode(b"data", hashed, salt, key.key_size)
    number = pow(int.from_bytes(encoded, "big"), numbers.d, numbers.public_numbers.n)

    size = (key.key_size + 7) // 8
    assert len(encoded) == size
    key.public_key().verify(
        number.to_bytes(size, "big"), b"data", padding.PSS(padding.MGF1(hashed), len(salt)), hashed
    )


KEYS: dict[int, rsa.RSAPrivateKey] = {}
