"""What every key store offers.

    "The Trusted Platform Module (TPM) stores the private key of the base certificate. The
    certificate and any keys are not included in any configuration."

A private key is used and never handed out: a key in hardware could not be. Protocol messages are signed
through a :class:`~peerkey.protocol.suites.Signer`, certificate requests through what
:meth:`KeyStore.certifier` returns, which ``cryptography`` takes for a private key and which can do nothing
but sign.

A key has one name, and the name says where it is:

====================================================  ================================================
``/etc/peerkey/hub.key``                              a PEM file
``pkcs11:token=T;object=O?module-path=…&pin-source=…``  a token of PKCS#11, written as in RFC 7512
``tpm:NAME`` or ``tpm:NAME?tcti=…``                   a TPM 2.0
====================================================  ================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from peerkey.errors import Misconfigured

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from peerkey.pki.key_types import KeyType
    from peerkey.pki.laboratory import SigningKey
    from peerkey.protocol.suites import Signer
    from peerkey.secret import Secret


class KeyExists(Misconfigured):
    """A key of this name is there, and nobody has allowed to replace it."""


class NoSuchKey(Misconfigured):
    """There is no key of this name."""


class KeyUse(Protocol):
    """What a running node needs of the place where its keys are.

    Every method may block; actors call it on the executor. Besides what is listed, each raises
    ``Misconfigured`` where the operator must change something (a library, a PIN, a mode), and
    ``Unavailable`` where the device does not answer.
    """

    def signer(self, name: str) -> tuple[Signer, PublicKeyTypes]:
        """Return what signs with the private key of this name, and the public key that belongs to it.

        Raises:
            Misconfigured: there is no such key, it cannot be read, others can read it, or it is too weak.

        """
        ...

    def sealing_key(self) -> Secret:
        """Return the 32 bytes that seal this machine's store; made once, on first use.

        Raises:
            Misconfigured: it is damaged, or others can read it.
            Unavailable: it cannot be read or made.

        """
        ...


class KeyStore(KeyUse, Protocol):
    """A place that makes and keeps private keys, by name."""

    def certifier(self, name: str) -> SigningKey:
        """Return what signs a certificate request with this key: it signs, and refuses everything else.

        Raises:
            Misconfigured: as :meth:`signer` does.

        """
        ...

    def public_key(self, name: str) -> PublicKeyTypes:
        """Return the public key of this name.

        Raises:
            Misconfigured: as :meth:`signer` does.

        """
        ...

    def create(self, name: str, kind: KeyType, *, replace: bool = False) -> PublicKeyTypes:
        """Make a private key where it stays, and return its public key.

        It is durable when this returns. A crash in between leaves the former key or the new one.

        Raises:
            KeyExists: there is one of this name, and ``replace`` is false.
            Misconfigured: this store cannot hold such a key, or cannot be written.

        """
        ...

    def delete(self, name: str) -> None:
        """Destroy the private key of this name.

        Raises:
            NoSuchKey: there is none.

        """
        ...

    def names(self) -> tuple[str, ...]:
        """Return the names of the keys that are here, sorted."""
        ...

    def retry(self) -> None:
        """Try again what was refused, a PIN: an operator has looked at it. Never blocks."""
        ...
