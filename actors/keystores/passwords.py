"""PINs and passphrases: from a file that only its owner can read, or from the environment; never from argv.

A variable ``NAME_FILE`` names the file and comes before ``NAME``, which holds the secret itself. A service
manager fits the first (systemd: ``LoadCredential=`` and ``%d``), a container the second.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from actors.keystores.private_files import read_private
from peerkey.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Encrypts every private key file that this process makes, and opens those that are encrypted.
KEY_PASSPHRASE: Final = "PEERKEY_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable
#: Opens the token of PKCS#11 where the key's name has no ``pin-source``.
PKCS11_PIN: Final = "PEERKEY_PKCS11_PIN"


def password(variable: str, environment: Mapping[str, str]) -> Secret | None:
    """Return the secret that the environment has under ``variable``, if there is one.

    Raises:
        Misconfigured: the file cannot be read, or others can read it.

    """
    file = environment.get(f"{variable}_FILE")
    if file:
        return password_in(Path(file))
    value = environment.get(variable)
    return Secret(value.encode()) if value else None


def password_in(path: Path) -> Secret:
    """Return the secret in a file, without the line end behind it.

    Raises:
        Misconfigured: the file cannot be read, or others can read it.

    """
    return Secret(read_private(path).rstrip(b"\r\n"))
