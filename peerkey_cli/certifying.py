"""The private key of a certificate signing request: an existing file, judged like any key of a node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from actors.keystores.file import MAXIMUM_KEY_FILE_BYTES
from peerkey_cli.files import read_bounded

if TYPE_CHECKING:
    from peerkey.pki.laboratory import SigningKey
    from peerkey_cli.importing import Keys


def certifier(keys: Keys, name: str) -> SigningKey:
    """Return what signs a request with the private key in the file ``name``.

    A request is signed with another padding than frames are, so the key store's signer will not do.

    :raises Misconfigured: the key store would not use this key: see
        :meth:`actors.keystores.port.KeyStore.signer`.
    """
    keys.signer(name)
    return cast("SigningKey", load_pem_private_key(read_bounded(Path(name), MAXIMUM_KEY_FILE_BYTES), None))
