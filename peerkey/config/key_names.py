"""The names of keys that are not files: ``pkcs11:`` (RFC 7512) and ``tpm:``.

A name is what a configuration, a command and a log may show, so it never holds a PIN: ``pin-source`` names
the file that does, and ``pin-value`` is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

from peerkey.errors import Misconfigured

PKCS11_SCHEME: Final = "pkcs11:"
TPM_SCHEME: Final = "tpm:"

#: Becomes a file name, beside becoming part of one.
_TPM_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Pkcs11Token:
    """A token, the library that reaches it, and the file that its PIN is in."""

    module: str
    label: str
    pin_file: str | None

    def name_of(self, key: str) -> str:
        """Return the full name of a key on this token."""
        pin = f"&pin-source=file:{quote(self.pin_file, safe='/')}" if self.pin_file else ""
        token, label, module = quote(self.label, safe=""), quote(key, safe=""), quote(self.module, safe="/")
        return f"{PKCS11_SCHEME}token={token};object={label}?module-path={module}{pin}"


@dataclass(frozen=True, slots=True)
class Tpm:
    """A TPM by the configuration of its transport (TCTI); ``None`` for that of this machine."""

    tcti: str | None

    def name_of(self, key: str) -> str:
        """Return the full name of a key of this TPM."""
        return f"{TPM_SCHEME}{key}" + (f"?tcti={quote(self.tcti, safe='/')}" if self.tcti else "")


def is_file(name: str) -> bool:
    """Return whether a key of this name is in a file."""
    return not name.startswith((PKCS11_SCHEME, TPM_SCHEME))


def parse_pkcs11(name: str) -> tuple[Pkcs11Token, str]:
    """Return the token of a name, and the label of the key on it.

    Raises:
        Misconfigured: it is not such a name, or holds a PIN.

    """
    path, _, query = name.removeprefix(PKCS11_SCHEME).partition("?")
    found = _attributes(name, path, ";") | _attributes(name, query, "&")
    if "pin-value" in found:
        message = f"{PKCS11_SCHEME}…: a name never holds a PIN; name its file with pin-source=file:/…"
        raise Misconfigured(message)
    for needed in ("token", "object", "module-path"):
        if not found.get(needed):
            message = (
                f"{name}: {needed} is missing; "
                f"write {PKCS11_SCHEME}token=TOKEN;object=LABEL?module-path=/…/library.so"
            )
            raise Misconfigured(message)
    pin = found.get("pin-source")
    return (
        Pkcs11Token(found["module-path"], found["token"], pin.removeprefix("file:") if pin else None),
        found["object"],
    )


def parse_tpm(name: str) -> tuple[Tpm, str]:
    """Return the TPM of a name, and the short name of the key in it.

    Raises:
        Misconfigured: it is not such a name.

    """
    key, _, query = name.removeprefix(TPM_SCHEME).partition("?")
    if not _TPM_NAME.fullmatch(key):
        message = f"{name}: write {TPM_SCHEME}NAME, of 1 to 64 letters, digits, '.', '_' and '-'"
        raise Misconfigured(message)
    return Tpm(_attributes(name, query, "&").get("tcti")), key


def _attributes(name: str, text: str, separator: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, text.split(separator)):
        key, equals, value = part.partition("=")
        if not equals or key in found:
            message = f"{name.partition('?')[0]}: {key!r} has no value, or two"
            raise Misconfigured(message)
        found[key] = unquote(value)
    return found
