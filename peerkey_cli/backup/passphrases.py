"""The passphrase of a backup: typed twice at a terminal, or in a file of its owner's. Never an argument.

A backup leaves the machine, and whoever has it may try passphrases for years. So there is a least quality,
for new backups alone: to open one, whatever opens it is good.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actors.keystores.passwords import password_in
from peerkey.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from peerkey.secret import Secret

#: Shorter ones are tried out, however dear a try is made.
LEAST_CHARACTERS: Final = 12
#: ``aaaaaaaaaaaa`` and ``121212121212`` are not longer than they look.
LEAST_DIFFERENT: Final = 6


def require_good(passphrase: Secret) -> None:
    """See that a new passphrase is not one that is soon tried out.

    :raises Misconfigured: it is; the message does not tell it.
    """
    text = passphrase.reveal().decode("utf-8", "replace")
    if len(text) < LEAST_CHARACTERS or len(set(text)) < LEAST_DIFFERENT:
        message = (
            f"the passphrase is too weak: take at least {LEAST_CHARACTERS} characters, "
            f"{LEAST_DIFFERENT} of them different; four random words are good"
        )
        raise Misconfigured(message)


def passphrase(file: Path | None, *, new: bool, ask: Callable[[str], Secret] | None = None) -> Secret:
    """Return the passphrase, from ``file`` or from an operator, who says a ``new`` one twice.

    :raises Misconfigured: the file cannot be read, others can read it, a new one is too weak, or nobody is
        there who could be asked.
    :raises typer.Abort: the operator leaves.
    """
    from peerkey_cli.asking import at_a_terminal, secret

    if file is not None:
        found = password_in(file)
        if not len(found):
            message = f"{file}: holds no passphrase"
            raise Misconfigured(message)
        if new:
            require_good(found)
        return found
    if ask is None:
        if not at_a_terminal():
            message = (
                "nobody is here who could be asked for the passphrase; name its file with --passphrase-file"
            )
            raise Misconfigured(message)
        ask = secret
    if not new:
        return ask("Passphrase of the backup: ")
    found = ask("Passphrase for the backup: ")
    require_good(found)
    if found != ask("Once more: "):
        message = "the two passphrases differ"
        raise Misconfigured(message)
    return found
