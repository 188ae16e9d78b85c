"""Who may use the admin API over TCP: bearer tokens, of which this side keeps only digests.

A token is 256 random bits, so that SHA-256 of it can be kept as it is: there is nothing to guess, and whoever
reads the file learns nothing that opens a door. The file has one line for each, and a line that is removed is
a token that no longer counts, from the next reload on::

    # name role digest made
    prometheus read sha256:9f86d081… 2030-06-15T12:00:00Z
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from actors.keystores.private_files import read_private, write_private
from peerkey.config.fields import NAME_PATTERN
from peerkey.errors import Misconfigured
from peerkey.secret import Secret
from peerkey_cli.api.roles import Role
from peerkey_cli.errors import NotFound
from peerkey_cli.files import alone_in

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

#: By this a scanner of repositories and logs knows one that was left there.
PREFIX: Final = "peerkey_"
#: 256 bits.
TOKEN_BYTES: Final = 32
#: What a token has as text. What is longer is none.
TOKEN_CHARACTERS: Final = len(PREFIX) + 43
#: Each request is compared with every token; more than these are many people.
MAXIMUM_TOKENS: Final = 256

_LINE: Final = re.compile(rf"({NAME_PATTERN}) (read|write) sha256:([0-9a-f]{{64}})(?: (\S{{1,64}}))?")


@dataclass(frozen=True, slots=True)
class Token:
    """One token, by what is known of it here."""

    name: str
    role: Role
    digest: bytes
    #: When it was made, as its line says.
    made: str = ""


@dataclass(frozen=True, slots=True)
class Tokens:
    """All tokens that count."""

    tokens: tuple[Token, ...]

    def owner(self, presented: str) -> Token | None:
        """Return the token that was presented, if it is one.

        Each is compared, in constant time: how long it takes tells nothing.
        """
        digest = sha256(presented.encode()).digest()
        found = None
        for token in self.tokens:
            if hmac.compare_digest(token.digest, digest):
                found = token
        return found


def read_tokens(path: Path) -> Tokens:
    """Read the file.

    :raises Misconfigured: it cannot be read, others can read it, or a line of it is none.
    """
    tokens: dict[str, Token] = {}
    for number, line in enumerate(_text(path).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        if found is None:
            # The line is not repeated: somebody may have put a token there.
            message = f"{path}: line {number} is no token; make one with `peerkey create api-token`"
            raise Misconfigured(message)
        name, role, digest, made = found.groups()
        if name in tokens:
            message = f"{path}: line {number}: there is a token {name} already"
            raise Misconfigured(message)
        tokens[name] = Token(name, Role(role), bytes.fromhex(digest), made or "")
    if len(tokens) > MAXIMUM_TOKENS:
        message = f"{path}: {len(tokens)} tokens; at most {MAXIMUM_TOKENS} are taken"
        raise Misconfigured(message)
    return Tokens(tuple(tokens.values()))


def add_token(path: Path, name: str, role: Role, now: datetime) -> Secret:
    """Make a token, add its digest to the file, which is made where it is missing, and return it.

    :raises Misconfigured: the name is none or is taken, or the file cannot be used.
    :raises Unavailable: the file cannot be written.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        message = f"{name!a} is no name: 1 to 64 letters, digits, '.', '_' and '-'"
        raise Misconfigured(message)
    with alone_in(path.absolute().parent):
        text = _text(path) if os.path.lexists(path) else "# name role digest made\n"
        known = read_tokens(path).tokens if os.path.lexists(path) else ()
        if any(each.name == name for each in known):
            message = (
                f"{path}: there is a token {name} already; remove its line first, or choose another name"
            )
            raise Misconfigured(message)
        if len(known) >= MAXIMUM_TOKENS:
            message = f"{path}: {len(known)} tokens are there; no more are taken"
            raise Misconfigured(message)
        token = f"{PREFIX}{secrets.token_urlsafe(TOKEN_BYTES)}"
        made = f"{name} {role.value} sha256:{sha256(token.encode()).hexdigest()} {now:%Y-%m-%dT%H:%M:%SZ}"
        separator = "" if text.endswith("\n") or not text else "\n"
        write_private(path, f"{text}{separator}{made}\n".encode(), replace=True)
    return Secret(token.encode())


def remove_token(path: Path, name: str) -> Token:
    """Take the line of a token out of the file; return what it was.

    :raises NotFound: there is none of this name.
    :raises Misconfigured: the file cannot be used.
    :raises Unavailable: the file cannot be written.
    """
    with alone_in(path.absolute().parent):
        found = next((each for each in read_tokens(path).tokens if each.name == name), None)
        if found is None:
            message = f"there is no token {ascii(name)[1:-1]!r}; `GET /v1/tokens` lists them"
            raise NotFound(message)
        lines = _text(path).splitlines(keepends=True)
        left = "".join(line for line in lines if line.startswith("#") or line.split()[:1] != [name])
        write_private(path, left.encode(), replace=True)
    return found


def presented_in(path: Path) -> Secret:
    """Return the token that a client keeps in a file.

    :raises Misconfigured: it cannot be read, others can read it, or it holds no token.
    """
    text = read_private(path).strip()
    if len(text) != TOKEN_CHARACTERS or not text.startswith(PREFIX.encode()):
        message = f"{path}: holds no token; `peerkey create api-token` prints one"
        raise Misconfigured(message)
    return Secret(text)


def _text(path: Path) -> str:
    try:
        return read_private(path).decode("utf-8")
    except UnicodeDecodeError:
        message = f"{path}: not a text file; make one with `peerkey create api-token`"
        raise Misconfigured(message) from None
