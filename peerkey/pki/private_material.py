"""Does a private key accompany a certificate? The first question of an import.

    "Ensure that there is no private key accompanying the certificate."

A key that arrives beside a certificate has been where it must not have been. So it is looked for in every
form in which tools hand it over, in any position: PEM of every label, also pasted without its line ends or
under the label of a certificate; DER or bare base64 beside a block of PEM; PKCS#8, PKCS#1 and SEC 1 in DER;
PKCS#12; OpenSSH and PuTTY files. Shapes are recognised, nothing is decrypted, and what is returned says which
shape, never a byte of the key.
"""

from __future__ import annotations

import base64
import re
from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

#: "BEGIN … PRIVATE KEY" with whatever a paste made of the spaces; the dashes around it may be lost.
_LABEL: Final = re.compile(
    rb"BEGIN[A-Z0-9 ._\t-]{0,40}?(?P<kind>ENCRYPTED|OPENSSH)?\s{0,4}PRIVATE\s{0,4}KEY", re.IGNORECASE
)
_OPENSSH: Final = b"openssh-key-v1"
_PUTTY: Final = re.compile(rb"PuTTY-User-Key-File-|^Private-Lines:", re.MULTILINE)

_PEM_BODY: Final = re.compile(rb"-----BEGIN [^-]{1,64}-----(?P<body>[^-]*)")
_NOT_BASE64: Final = re.compile(rb"[^A-Za-z0-9+/]")
#: Beside a block: base64 that has lost its dashes. The key of P-256 takes 92 digits in its shortest form.
_BARE_BASE64: Final = re.compile(rb"[A-Za-z0-9+/][A-Za-z0-9+/\r\n]{62,}")
#: Beside a block: how PKCS#8, PKCS#1, SEC 1, PKCS#12 and encrypted PKCS#8 begin in DER. No text begins so.
_BARE_DER: Final = re.compile(
    rb"\x30(?:[\x10-\x7f]|\x81.|\x82..|\x83...|\x80)"
    rb"(?:\x02\x01[\x00\x01](?:\x30|\x02[\x01-\x84]|\x04)|\x02\x01\x03\x30"
    rb"|\x30(?:[\x10-\x7f]|\x81.|\x82..)\x06[\x09\x0a]\x2a\x86\x48\x86\xf7\x0d\x01[\x05\x0c])",
    re.DOTALL,
)

_SEQUENCE: Final = 0x30
_INTEGER: Final = 0x02
_OCTET_STRING: Final = 0x04
#: The length of an element that ends with a mark, as BER has it and old PKCS#12 files do.
_INDEFINITE: Final = 0x80
#: Elements that are looked at one after the other: some tools append DER files to each other.
_MOST_ELEMENTS: Final = 64


def private_key_in(content: bytes) -> str | None:
    """Say in which form ``content`` holds a private key; ``None`` where it holds none.

    The cost grows with the length of ``content``, which the caller bounds.
    """
    # Editors that save text as UTF-16 put a zero byte beside each letter.
    text = content.replace(b"\0", b"")
    label = _LABEL.search(text)
    if label is not None:
        kind = (label["kind"] or b"").decode().lower()
        return {"encrypted": "an encrypted private key in PEM", "openssh": "an OpenSSH private key"}.get(
            kind, "a private key in PEM"
        )
    if _OPENSSH in content:
        return "an OpenSSH private key"
    if _PUTTY.search(text):
        return "a PuTTY private key"
    if content[:1] != bytes((_SEQUENCE,)) and _BARE_DER.search(content):
        return "a private key in DER"
    for der in _binaries(content, text):
        if _OPENSSH in der[: len(_OPENSSH)]:
            return "an OpenSSH private key"
        for element in islice(_elements(der), _MOST_ELEMENTS):
            shape = _shape(element)
            if shape is not None:
                return shape
    return None


def _binaries(content: bytes, text: bytes) -> Iterator[bytes]:
    """Yield whatever may be DER: the content itself, and what base64 in it stands for."""
    if content[:1] == bytes((_SEQUENCE,)):
        yield content
        return
    bodies = [body["body"] for body in _PEM_BODY.finditer(text)]
    bodies += [bare[0] for bare in _BARE_BASE64.finditer(_PEM_BODY.sub(b"-", text))] if bodies else [text]
    for body in bodies:
        digits = _NOT_BASE64.sub(b"", body)
        yield base64.b64decode(digits[: len(digits) // 4 * 4])


def _elements(der: bytes) -> Iterator[bytes]:
    """Yield the contents of each SEQUENCE at the top; end at what is none."""
    while der[:1] == bytes((_SEQUENCE,)):
        content, der = _opened(der)
        yield content


def _opened(der: bytes) -> tuple[bytes, bytes]:
    """Return the contents of the first element, and what follows it; both are short where it was cut."""
    length = der[1] if len(der) > 1 else 0
    if length == _INDEFINITE:
        return der[2:], b""
    begin = 2
    if length > _INDEFINITE:
        begin += length - _INDEFINITE
        length = int.from_bytes(der[2:begin])
    return der[begin : begin + length], der[begin + length :]


def _shape(content: bytes) -> str | None:
    """Recognise a private key by how the SEQUENCE around it begins.

    A certificate begins with a SEQUENCE and another one behind it, PKCS#7 with an OBJECT IDENTIFIER. PKCS#8,
    PKCS#1 and SEC 1 begin with their version, 0 or 1, and PKCS#12 with version 3.
    """
    tag = content[:1]
    if tag == bytes((_INTEGER,)):
        version = content[1:3]
        if version == b"\x01\x03":
            return "a key store in PKCS#12"
        return "a private key in DER" if version in {b"\x01\x00", b"\x01\x01"} else None
    if tag == bytes((_SEQUENCE,)):
        inner, behind = _opened(content)
        if inner[:1] == b"\x06" and behind[:1] == bytes((_OCTET_STRING,)):
            return "an encrypted private key in DER"
    return None
