"""What every key store offers.

    "The Trusted Platform Module (TPM) stores the private key of the base certificate. The
    certificate and any keys are not included in any configuration."

A private key is used through a :class:`~peerkey.protocol.suites.Signer` and never handed out: a key in
hardware could not be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from peerkey.protocol.suites import Signer
    from peerkey.secret import Secret


class KeyStore(Protocol):
    """A place that keeps private keys, by name, and the sealing key of a store.

    Every method may block; actors call it on the executor.
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
