"""The SSH key of a node of an HA pair: Ed25519, in a file of OpenSSH's form that its owner alone can read.

It authenticates the link to the mate and nothing else; the node's certificate has another key.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from actors.keystores.port import KeyExists
from actors.keystores.private_files import read_private, write_private
from peerkey.errors import Misconfigured
from peerkey.secret import Secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def create_ssh_key(file: Path, *, replace: bool) -> Ed25519PublicKey:
    """Make a key in ``file`` and return its public half.

    Raises:
        KeyExists: there is a file of that name, and ``replace`` is false.
        Unavailable: it cannot be written.

    """
    key = Ed25519PrivateKey.generate()
    content = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    try:
        write_private(file, content, replace=replace)
    except FileExistsError as fault:
        message = f"{file}: exists already; use --force to replace the private key that is there"
        raise KeyExists(message) from fault
    return key.public_key()


def read_ssh_key(file: Path, public_line: str) -> Secret:
    """Return the content of the key file, whose public half is the configured one.

    Raises:
        Misconfigured: it cannot be read, is no Ed25519 key without a password, or is another one.

    """
    content = read_private(file)
    try:
        key = load_ssh_private_key(content, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        message = f"{file}: is no SSH key without a password, as `peerkey create ha-key` makes it"
        raise Misconfigured(message) from None
    if not isinstance(key, Ed25519PrivateKey):
        message = f"{file}: is no Ed25519 key, as `peerkey create ha-key` makes it"
        raise Misconfigured(message)
    if public_line_of(key.public_key()) != public_line:
        message = f"{file}: its public key is not the configured one: {public_line_of(key.public_key())}"
        raise Misconfigured(message)
    return Secret(content)


def public_line_of(key: Ed25519PublicKey) -> str:
    """Return a public key as OpenSSH writes it, without a comment."""
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")
