"""Every key store of this machine behind one port: the name of a key says which store has it.

The sealing key of the store rests where the operator's keys do. A file tells by how it begins who made it,
so that a machine goes on with the sealing key that it has; a new one is made in hardware where
``home`` names a key that is there, and in a file elsewhere.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, TypeVar

from actors.keystores.file import FileKeyStore
from actors.keystores.private_files import read_private
from peerkey.config.key_names import (
    PKCS11_SCHEME,
    TPM_SCHEME,
    Pkcs11Token,
    Tpm,
    is_file,
    parse_pkcs11,
    parse_tpm,
)
from peerkey.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from actors.keystores.port import KeyStore
    from peerkey.pki.key_types import KeyType
    from peerkey.pki.laboratory import SigningKey
    from peerkey.protocol.suites import Signer
    from peerkey.secret import Secret

INSTALL_PKCS11: Final = (
    "keys in PKCS#11 need the package python-pkcs11; install it with `pip install 'peerkey[pkcs11]'`"
)
INSTALL_TPM: Final = (
    "keys in a TPM need the package tpm2-pytss; install it with `pip install 'peerkey[tpm]'` "
    "(Debian and Ubuntu: after `apt install libtss2-dev gcc pkg-config python3-dev`)"
)
#: How the file of a sealing key begins that a token or a TPM has sealed.
_SEALED_BY_A_DEVICE: Final = (b"peerkey sealing key, PKCS#11\n", b"-----BEGIN TSS2 PRIVATE KEY-----")

_Place = TypeVar("_Place", Pkcs11Token, Tpm)


def home_of(names: Iterable[str]) -> str:
    """Return the key whose device also seals the store: the first, where every key is in hardware."""
    known = tuple(names)
    return known[0] if known and not any(map(is_file, known)) else ""


class KeyStores:
    """Files, tokens and TPMs."""

    def __init__(
        self,
        sealing_key: Path,
        *,
        home: str = "",
        directory: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Keep the sealing key at ``sealing_key``; a new one is made in the store of the key ``home``.

        ``directory`` is where key files and the blobs of TPM keys are: that of the sealing key unless given.
        """
        self._sealing_key = sealing_key
        self._home = home
        self._directory = directory or sealing_key.parent
        self._environment = os.environ if environment is None else environment
        self._files = FileKeyStore(sealing_key, directory=directory, environment=self._environment)
        self._devices: dict[Pkcs11Token | Tpm, KeyStore] = {}

    def signer(self, name: str) -> tuple[Signer, PublicKeyTypes]:
        """See :meth:`actors.keystores.port.KeyUse.signer`."""
        return self._store(name).signer(name)

    def certifier(self, name: str) -> SigningKey:
        """See :meth:`actors.keystores.port.KeyStore.certifier`."""
        return self._store(name).certifier(name)

    def public_key(self, name: str) -> PublicKeyTypes:
        """See :meth:`actors.keystores.port.KeyStore.public_key`."""
        return self._store(name).public_key(name)

    def create(self, name: str, kind: KeyType, *, replace: bool = False) -> PublicKeyTypes:
        """See :meth:`actors.keystores.port.KeyStore.create`."""
        return self._store(name).create(name, kind, replace=replace)

    def take(self, name: str, key: SigningKey, *, replace: bool = False) -> PublicKeyTypes:
        """Keep a private key that was made elsewhere, in a file.

        Raises:
            KeyExists: there is one of this name, and ``replace`` is false.
            Misconfigured: the name is of a device, which makes its keys itself, or peers accept no such key.
            Unavailable: it cannot be written.

        """
        if not is_file(name):
            message = f"{name}: a device makes its keys itself, and takes none; create one there"
            raise Misconfigured(message)
        return self._files.take(name, key, replace=replace)

    def delete(self, name: str) -> None:
        """See :meth:`actors.keystores.port.KeyStore.delete`."""
        self._store(name).delete(name)

    def names(self) -> tuple[str, ...]:
        """See :meth:`actors.keystores.port.KeyStore.names`: of the files, and the devices met so far."""
        stores: list[KeyStore] = [self._files, *self._devices.values()]
        return tuple(name for store in stores for name in store.names())

    def sealing_key(self) -> Secret:
        """See :meth:`actors.keystores.port.KeyUse.sealing_key`."""
        if not self._sealing_key.exists():
            return self._store(self._home).sealing_key()
        content = read_private(self._sealing_key)
        if not content.startswith(_SEALED_BY_A_DEVICE):
            return self._files.sealing_key()
        if is_file(self._home):
            message = (
                f"{self._sealing_key}: was sealed by a device, and no node has its key there; restore "
                "the configuration, or delete it together with the store to start with new keys"
            )
            raise Misconfigured(message)
        return self._store(self._home).sealing_key()

    def retry(self) -> None:
        """Try again what a device has refused: an operator has looked at it."""
        for device in tuple(self._devices.values()):
            device.retry()

    def _store(self, name: str) -> KeyStore:
        """Return the store that has the key of this name.

        Raises:
            Misconfigured: it needs a package that is not installed, or the name is none.

        """
        if name.startswith(PKCS11_SCHEME):
            token, _ = parse_pkcs11(name)
            return self._devices.get(token) or self._kept(token, self._pkcs11(name, token))
        if name.startswith(TPM_SCHEME):
            tpm, _ = parse_tpm(name)
            return self._devices.get(tpm) or self._kept(tpm, self._tpm(name, tpm))
        return self._files

    def _kept(self, place: _Place, store: KeyStore) -> KeyStore:
        self._devices[place] = store
        return store

    def _pkcs11(self, name: str, token: Pkcs11Token) -> KeyStore:
        try:
            from actors.keystores.pkcs11 import Pkcs11KeyStore  # noqa: PLC0415 - an extra
        except ImportError:
            message = f"{name}: {INSTALL_PKCS11}"
            raise Misconfigured(message) from None
        return Pkcs11KeyStore(token, self._sealing_key, environment=self._environment)

    def _tpm(self, name: str, tpm: Tpm) -> KeyStore:
        try:
            from actors.keystores.tpm import TpmKeyStore  # noqa: PLC0415 - an extra
        except ImportError:
            message = f"{name}: {INSTALL_TPM}"
            raise Misconfigured(message) from None
        return TpmKeyStore(tpm, self._directory / "tpm", self._sealing_key, environment=self._environment)
