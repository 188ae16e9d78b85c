"""ML-KEM-512 (FIPS 203)."""

PUBLIC_KEY_SIZE: int
SECRET_KEY_SIZE: int
CIPHERTEXT_SIZE: int
SHARED_SECRET_SIZE: int

def keygen() -> tuple[bytes, bytes]: ...
def encaps(public_key: bytes, /) -> tuple[bytes, bytes]: ...
def decaps(secret_key: bytes, ciphertext: bytes, /) -> bytes: ...
