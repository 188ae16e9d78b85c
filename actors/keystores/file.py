"""Keys in files that only their owner can read.

A private key is PEM (RFC 7468): PKCS#8, or the older forms of RSA and EC keys. The sealing key is 32
bytes of the operating system's generator, made once beside the store. A file that its group or the
world can read is refused: it may have been read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from peerkey.errors import Misconfigured, Unavailable
from peerkey.protocol.suites import Signer, signer_for
from peerkey.secret import Secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

SEALING_KEY_BYTES: Final = 32
#: An RSA-8192 key in PEM has 6.4 KB.
MAXIMUM_KEY_FILE_BYTES: Final = 64 * 1024
#: Keys that a reload does not load again where their files are the same. Loading an RSA key tests its
#: primes, a third of a second for 4,096 bits, and nothing else in the process runs meanwhile.
KEYS_REMEMBERED: Final = 64
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class FileKeyStore:
    """Private keys by file name; the sealing key at a path of its own."""

    def __init__(self, sealing_key: Path) -> None:
        """Keep the sealing key at ``sealing_key``; private keys are wherever their names say."""
        self._sealing_key = sealing_key
        # By SHA-256 of the file.
        self._loaded: dict[bytes, tuple[Signer, PublicKeyTypes]] = {}

    def signer(self, name: str) -> tuple[Signer, PublicKeyTypes]:
        """See :meth:`actors.keystores.port.KeyStore.signer`. ``name`` is the path of a PEM file."""
        content = _read_private(Path(name))
        digest = hashlib.sha256(content).digest()
        known = self._loaded.get(digest)
        if known is not None:
            return known
        try:
            key = load_pem_private_key(content, password=None)
        except TypeError:
            message = f"{name}: the private key is encrypted; decrypt it, or keep it in a hardware key store"
            raise Misconfigured(message) from None
        except (ValueError, UnsupportedAlgorithm):
            message = f"{name}: not a private key in PEM; write one with `openssl genpkey`"
            raise Misconfigured(message) from None
        try:
            loaded = signer_for(key), key.public_key()
        except Misconfigured as fault:
            message = f"{name}: {fault}"
            raise Misconfigured(message) from None
        if len(self._loaded) >= KEYS_REMEMBERED:
            self._loaded.clear()
        self._loaded[digest] = loaded
        return loaded

    def sealing_key(self) -> Secret:
        """See :meth:`actors.keystores.port.KeyStore.sealing_key`."""
        path = self._sealing_key
        try:
            if not path.exists():
                _write_private(path, secrets.token_bytes(SEALING_KEY_BYTES))
            content = _read_private(path)
        except OSError as fault:
            message = f"{path}: the sealing key cannot be read or made: {fault.strerror}"
            raise Unavailable(message) from fault
        if len(content) != SEALING_KEY_BYTES:
            message = (
                f"{path}: a sealing key has {SEALING_KEY_BYTES} bytes, this file has {len(content)}; "
                "restore it from a backup, or delete it together with the store to start with new keys"
            )
            raise Misconfigured(message)
        return Secret(content)


def _read_private(path: Path) -> bytes:
    """Read a small file that nobody but its owner may read.

    Raises:
        Misconfigured: it is not there, not readable, too large, or readable by others.

    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & _OTHERS:
                message = (
                    f"{path}: others can read it (mode {stat.S_IMODE(mode):04o}); run `chmod 600 {path}`"
                )
                raise Misconfigured(message)
            content = file.read(MAXIMUM_KEY_FILE_BYTES + 1)
    except OSError as fault:
        message = f"{path}: cannot be read: {fault.strerror}"
        raise Misconfigured(message) from fault
    if len(content) > MAXIMUM_KEY_FILE_BYTES:
        message = f"{path}: larger than {MAXIMUM_KEY_FILE_BYTES} bytes, so it is no key"
        raise Misconfigured(message)
    return content


def _write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, all of it or none of it, unless it is there already."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # A link fails where the name exists: of two processes that start at once, one key wins for both.
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
