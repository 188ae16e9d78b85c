"""A store around a store, which seals every value on its way in.

The inner store sees owners, names, versions and sizes, and never a plain value. Owner, name and version are
bound into the seal as associated data, so that a sealed value cannot be moved to another record or put in
the place of a later one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from runtime.errors import Unsealable
from runtime.store.port import MAX_VALUE_BYTES, Change, Put, Record, Store, check_changes

#: AES-256.
KEY_BYTES: Final = 32

#: The nonce of NIST SP 800-38D, section 8.2.2: random, 96 bits.
NONCE_BYTES: Final = 12

_TAG_BYTES: Final = 16

#: The first byte of a sealed value: which format the rest has.
_FORMAT: Final = b"\x01"


class Sealer(Protocol):
    """What seals and opens values. A hardware key store may be one."""

    def seal(self, plain: bytes, aad: bytes) -> bytes:
        """Encrypt and authenticate ``plain``, and authenticate ``aad``."""
        ...

    def open(self, sealed: bytes, aad: bytes) -> bytes:
        """Return what was sealed with the same ``aad``.

        :raises Unsealable: the key or ``aad`` differ, or the bytes were changed.
        """
        ...


class AesGcmSealer:
    """AES-256-GCM with random nonces (NIST SP 800-38D): format byte, nonce, ciphertext with tag.

    Random nonces allow 2^32 sealings under one key (section 8.3): at a thousand writes a second that
    is fifty days, at the one write a second of a busy fleet over a century.
    """

    __slots__ = ("_aead", "_entropy")

    def __init__(self, key: bytes, entropy: Callable[[int], bytes]) -> None:
        """Seal with ``key`` (32 bytes); ``entropy(n)`` returns n fresh random bytes.

        :raises ValueError: the key is not 32 bytes long.
        """
        if len(key) != KEY_BYTES:
            message = f"the sealing key has {len(key)} bytes, not {KEY_BYTES}"
            raise ValueError(message)
        self._aead = AESGCM(key)
        self._entropy = entropy

    def __repr__(self) -> str:
        """Show nothing of the key."""
        return "AesGcmSealer()"

    def seal(self, plain: bytes, aad: bytes) -> bytes:
        """See :meth:`Sealer.seal`."""
        nonce = self._entropy(NONCE_BYTES)
        return _FORMAT + nonce + self._aead.encrypt(nonce, plain, aad)

    def open(self, sealed: bytes, aad: bytes) -> bytes:
        """See :meth:`Sealer.open`."""
        if len(sealed) < 1 + NONCE_BYTES + _TAG_BYTES or sealed[:1] != _FORMAT:
            message = "this is not a sealed value"
            raise Unsealable(message)
        nonce, rest = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            return self._aead.decrypt(nonce, rest, aad)
        except InvalidTag:
            message = "a sealed value does not open: another key, another place, or it was changed"
            raise Unsealable(message) from None


class SealedStore(Store):
    """The same promises as the inner store's, and nothing readable in it."""

    def __init__(self, inner: Store, sealer: Sealer) -> None:
        """Seal with ``sealer`` what goes to ``inner``. Closing this closes ``inner``."""
        self._inner = inner
        self._sealer = sealer

    async def activate(self, owner: str) -> int:
        """See :meth:`runtime.store.port.Store.activate`."""
        return await self._inner.activate(owner)

    async def read(self, owner: str, name: str) -> Record | None:
        """See :meth:`runtime.store.port.Store.read`.

        :raises Unsealable: the record was sealed with another key, or tampered with.
        """
        record = await self._inner.read(owner, name)
        return None if record is None else self.opened(owner, record)

    async def scan(self, owner: str) -> tuple[Record, ...]:
        """See :meth:`runtime.store.port.Store.scan`.

        :raises Unsealable: a record was sealed with another key, or tampered with.
        """
        return tuple(self.opened(owner, record) for record in await self._inner.scan(owner))

    async def commit(self, owner: str, epoch: int, changes: Sequence[Change]) -> tuple[int, ...]:
        """See :meth:`runtime.store.port.Store.commit`."""
        check_changes(changes, MAX_VALUE_BYTES)
        return await self._inner.commit(owner, epoch, [self._sealed(owner, change) for change in changes])

    async def close(self) -> None:
        """See :meth:`runtime.store.port.Store.close`."""
        await self._inner.close()

    def _sealed(self, owner: str, change: Change) -> Change:
        if not isinstance(change, Put):
            return change
        aad = _place(owner, change.name, change.expected_version + 1)
        return Put(change.name, self._sealer.seal(change.value, aad), change.expected_version)

    def opened(self, owner: str, record: Record) -> Record:
        """Return a record of the inner store as it was before it was sealed.

        :raises Unsealable: another key sealed it, or it belongs to another place.
        """
        plain = self._sealer.open(record.value, _place(owner, record.name, record.version))
        return Record(record.name, record.version, record.epoch, plain)

    def sealed(self, owner: str, record: Record) -> Record:
        """Return a record as the inner store has it, for who fills one by other means than writes."""
        value = self._sealer.seal(record.value, _place(owner, record.name, record.version))
        return Record(record.name, record.version, record.epoch, value)


def _place(owner: str, name: str, version: int) -> bytes:
    """Return owner, name and version as bytes, with lengths so that no two places look alike."""
    parts = (owner.encode(), name.encode())
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts) + version.to_bytes(8, "big")
