"""Keys in files that only their owner can read.

A private key is PEM (RFC 7468): PKCS#8, encrypted where there is a passphrase, or the older forms of RSA and
EC keys. The sealing key is 32 bytes of the operating system's generator, made once beside the store. A file
that its group or the world can read is refused: it may have been read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from actors.keystores.generation import generate
from actors.keystores.held import held
from actors.keystores.passwords import KEY_PASSPHRASE, password
from actors.keystores.port import KeyExists, NoSuchKey
from actors.keystores.private_files import read_private, write_private
from actors.whole_files import sync_directory
from peerkey.errors import Misconfigured
from peerkey.protocol.suites import Signer, signer_for
from peerkey.secret import Secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

    from peerkey.pki.key_types import KeyType
    from peerkey.pki.laboratory import SigningKey

SEALING_KEY_BYTES: Final = 32
#: Keys that a reload does not load again where their files are the same. Loading an RSA key tests its
#: primes, a third of a second for 4,096 bits, and nothing else in the process runs meanwhile.
KEYS_REMEMBERED: Final = 64
#: Names of key files end so.
SUFFIX: Final = ".key"


class FileKeyStore:
    """Private keys by file name; the sealing key at a path of its own."""

    def __init__(
        self,
        sealing_key: Path,
        *,
        directory: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Keep the sealing key at ``sealing_key``; private keys are wherever their names say.

        ``directory`` is where :meth:`names` looks. The passphrase comes from ``environment``, the process's
        own unless another is given; see :mod:`actors.keystores.passwords`.
        """
        self._sealing_key = sealing_key
        self._directory = directory or sealing_key.parent
        self._environment = os.environ if environment is None else environment
        # By SHA-256 of the file.
        self._loaded: dict[bytes, tuple[Signer, SigningKey]] = {}

    def signer(self, name: str) -> tuple[Signer, PublicKeyTypes]:
        """See :meth:`actors.keystores.port.KeyStore.signer`. ``name`` is the path of a PEM file."""
        signer, key = self._load(name)
        return signer, key.public_key()

    def certifier(self, name: str) -> SigningKey:
        """See :meth:`actors.keystores.port.KeyStore.certifier`."""
        return self._load(name)[1]

    def public_key(self, name: str) -> PublicKeyTypes:
        """See :meth:`actors.keystores.port.KeyStore.public_key`."""
        return self._load(name)[1].public_key()

    def create(self, name: str, kind: KeyType, *, replace: bool = False) -> PublicKeyTypes:
        """See :meth:`actors.keystores.port.KeyStore.create`."""
        path = Path(name)
        if not replace and os.path.lexists(path):
            raise KeyExists(_taken(path))
        return self.take(name, generate(kind), replace=replace)

    def take(self, name: str, key: SigningKey, *, replace: bool = False) -> PublicKeyTypes:
        """Keep a private key that was made elsewhere, as :meth:`create` keeps its own.

        Raises:
            KeyExists: there is one of this name, and ``replace`` is false.
            Misconfigured: peers accept no such key.
            Unavailable: it cannot be written.

        """
        loaded = signer_for(key), held(key)
        passphrase = password(KEY_PASSPHRASE, self._environment)
        encryption = BestAvailableEncryption(passphrase.reveal()) if passphrase else NoEncryption()
        content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
        try:
            write_private(Path(name), content, replace=replace)
        except FileExistsError:
            raise KeyExists(_taken(Path(name))) from None
        self._remember(content, *loaded)
        return key.public_key()

    def delete(self, name: str) -> None:
        """See :meth:`actors.keystores.port.KeyStore.delete`."""
        path = Path(name)
        try:
            path.unlink()
            sync_directory(path.parent)
        except FileNotFoundError:
            message = f"{path}: there is no such private key"
            raise NoSuchKey(message) from None
        except OSError as fault:
            message = f"{path}: cannot be removed: {fault.strerror}"
            raise Misconfigured(message) from fault
        # What was loaded must not outlive the file.
        self._loaded.clear()

    def names(self) -> tuple[str, ...]:
        """See :meth:`actors.keystores.port.KeyStore.names`: the files ``*.key`` of the directory."""
        found = self._directory.glob(f"*{SUFFIX}")
        return tuple(sorted(str(path) for path in found if path != self._sealing_key))

    def retry(self) -> None:
        """See :meth:`actors.keystores.port.KeyStore.retry`: nothing was refused for good."""

    def sealing_key(self) -> Secret:
        """See :meth:`actors.keystores.port.KeyStore.sealing_key`."""
        path = self._sealing_key
        if not path.exists():
            # Of two processes that start at once, one key wins for both.
            with contextlib.suppress(FileExistsError):
                write_private(path, secrets.token_bytes(SEALING_KEY_BYTES), replace=False)
        content = read_private(path)
        if len(content) != SEALING_KEY_BYTES:
            message = (
                f"{path}: a sealing key has {SEALING_KEY_BYTES} bytes, this file has {len(content)}; "
                "restore it from a backup, or delete it together with the store to start with new keys"
            )
            raise Misconfigured(message)
        return Secret(content)

    def _load(self, name: str) -> tuple[Signer, SigningKey]:
        if not os.path.lexists(name):
            message = f"{name}: cannot be read: {os.strerror(2)}"
            raise NoSuchKey(message)
        content = read_private(Path(name))
        known = self._loaded.get(hashlib.sha256(content).digest())
        if known is not None:
            return known
        try:
            signer = signer_for(key := self._opened(name, content))
        except Misconfigured as fault:
            message = str(fault) if str(fault).startswith(name) else f"{name}: {fault}"
            raise Misconfigured(message) from None
        # Of the kinds that there are, `signer_for` accepts those that sign.
        return self._remember(content, signer, held(cast("SigningKey", key)))

    def _remember(self, content: bytes, signer: Signer, key: SigningKey) -> tuple[Signer, SigningKey]:
        if len(self._loaded) >= KEYS_REMEMBERED:
            self._loaded.clear()
        self._loaded[hashlib.sha256(content).digest()] = signer, key
        return signer, key

    def _opened(self, name: str, content: bytes) -> PrivateKeyTypes:
        encrypted = b"ENCRYPTED" in content
        passphrase = password(KEY_PASSPHRASE, self._environment) if encrypted else None
        try:
            key = load_pem_private_key(content, password=passphrase.reveal() if passphrase else None)
        except TypeError:
            message = (
                f"{name}: the private key is encrypted; put its passphrase into a file that "
                f"{KEY_PASSPHRASE}_FILE names, or decrypt it"
            )
            raise Misconfigured(message) from None
        except (ValueError, UnsupportedAlgorithm):
            if passphrase:
                message = f"{name}: the passphrase of {KEY_PASSPHRASE} does not open it"
            else:
                message = f"{name}: not a private key in PEM; write one with `peerkey create private-key`"
            raise Misconfigured(message) from None
        return key


def _taken(path: Path) -> str:
    return f"{path} exists already; use --force to replace the private key that is there"
