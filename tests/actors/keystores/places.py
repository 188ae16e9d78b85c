"""A place for each key store, so that one suite of tests runs over all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from actors.keystores.file import FileKeyStore
from actors.keystores.port import KeyStore
from peerkey.pki.key_types import KeyType

#: One of each family, to be quick.
FILE_KINDS = (KeyType.EC_P256, KeyType.EC_P384, KeyType.EC_P521, KeyType.RSA_2304, KeyType.ML_DSA_65)


@dataclass(frozen=True)
class Place:
    """A key store and what a test needs to know about it."""

    #: Opens the store anew, as a process that starts does.
    opened: Callable[[], KeyStore]
    #: The full name of a key from a short one.
    name: Callable[[str], str]
    kinds: tuple[KeyType, ...]
    #: A kind that it cannot hold, where there is one.
    foreign: KeyType | None = None
    #: Texts that must never be seen.
    passwords: tuple[str, ...] = field(default=(), repr=False)


def file_place(folder: Path) -> Place:
    def opened() -> FileKeyStore:
        return FileKeyStore(folder / "sealing.key", environment={})

    return Place(opened, lambda short: str(folder / f"{short}.key"), FILE_KINDS)


def encrypted_file_place(folder: Path) -> Place:
    passphrase = "a phrase that nobody knows"  # noqa: S105 - of this test alone
    environment = {"PEERKEY_KEY_PASSPHRASE": passphrase}

    def opened() -> FileKeyStore:
        return FileKeyStore(folder / "sealing.key", environment=environment)

    return Place(
        opened, lambda short: str(folder / f"{short}.key"), (KeyType.EC_P256,), passwords=(passphrase,)
    )
