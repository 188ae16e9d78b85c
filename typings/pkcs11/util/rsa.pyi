"""Encodings of RSA keys."""

from pkcs11 import PublicKey

def encode_rsa_public_key(key: PublicKey) -> bytes: ...
