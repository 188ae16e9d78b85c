"""The kinds of values that settings have, each with its range, its unit and its words for a fault.

A kind is a pydantic annotation: what it accepts, what the JSON Schema says of it, and which message
an operator reads. Numbers carry their unit in ``x-unit``, because the specification gives a unit for
each and a bare 24 does not say whether it is hours.
"""

from __future__ import annotations

import base64
import binascii
import re
from ipaddress import IPv6Address, ip_address
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictInt, StrictStr, WithJsonSchema
from pydantic_core import PydanticCustomError

#: Names become parts of path names, of alarms and of file names, hence no blanks, slashes or ``>``.
NAME_PATTERN: Final = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"

#: X.520 ``ub-common-name``: a common name in a certificate has at most 64 characters.
COMMON_NAME_PATTERN: Final = r"[!-~](?:[ -~]{0,62}[!-~])?"

UUID_PATTERN: Final = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"

#: The largest value of the specification's ``uint32``.
UINT32_MAX: Final = 2**32 - 1

MAX_FILE_NAME: Final = 1_024
MAX_URL: Final = 2_048

#: The type of the SSH keys of an HA pair, as OpenSSH writes it (RFC 8709).
SSH_KEY_TYPE: Final = "ssh-ed25519"
#: What follows it before the base64 is decoded: length and name of the type, length of the key.
_SSH_KEY_HEAD: Final = b"\0\0\0\x0bssh-ed25519\0\0\0\x20"
_ED25519_BYTES: Final = 32
MAX_SSH_KEY: Final = 1_024

#: A PEM bundle of a few hundred certificates.
MAX_PEM: Final = 1_000_000


def fault(message: str, **context: Any) -> PydanticCustomError:  # noqa: ANN401 -- goes into the text
    """Return the error of a value that is of the right type and yet not acceptable."""
    return PydanticCustomError("peerkey", message, context)


def _matching(pattern: str, message: str) -> AfterValidator:
    """Accept text that matches ``pattern`` as a whole."""
    compiled = re.compile(pattern, re.ASCII)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise fault(message)
        return text

    return AfterValidator(check)


def _uuid(text: object) -> object:
    """Read a UUID in its usual form, other than the nil UUID."""
    if isinstance(text, UUID):
        return text
    if not isinstance(text, str) or not re.fullmatch(UUID_PATTERN, text):
        raise fault("is not a UUID; it has the form 6f0c9d1e-5b7a-4c2d-8e3f-0a1b2c3d4e5f")
    value = UUID(text)
    if value.int == 0:
        raise fault("is the nil UUID, which names nobody")
    return value


def _address(text: str) -> str:
    """Return a literal IPv4 or IPv6 address in its canonical form."""
    try:
        address = ip_address(text)
    except ValueError:
        raise fault("is not an IPv4 or IPv6 address (host names are not accepted)") from None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        raise fault("is an IPv4 address in IPv6 clothes; write it as {ipv4}", ipv4=str(address.ipv4_mapped))
    if address.is_multicast or str(address) == "255.255.255.255":
        raise fault("is not the address of one host")
    return str(address)


def _url(text: str) -> str:
    """Accept an HTTP URL without a password in it."""
    try:
        parts = urlsplit(text)
        port_is_good = parts.port is None or parts.port > 0
    except ValueError:
        raise fault("is not a URL") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_is_good:
        raise fault("is not a URL; it begins with http:// or https:// and a host")
    if "@" in parts.netloc:
        raise fault("holds a user name or password; a configuration never holds one")
    if re.search(r"[\s\x00-\x1f\x7f]", text):
        raise fault("is not a URL; blanks and control characters must be escaped")
    return text


def _list_url(text: str) -> str:
    """Accept an HTTP URL, or the URL of a file of this machine."""
    try:
        parts = urlsplit(text)
    except ValueError:
        raise fault("is not a URL") from None
    if parts.scheme in {"ldap", "ldaps"}:
        raise fault(
            "is an LDAP URL, which is not supported; name the list's http://, https:// or file:// URL"
        )
    if parts.scheme != "file":
        return _url(text)
    if (
        parts.netloc not in {"", "localhost"}
        or not parts.path.startswith("/")
        or parts.query
        or parts.fragment
    ):
        raise fault("is not the URL of a file of this machine; it looks like file:///path")
    if re.search(r"[\s\x00-\x1f\x7f]", text):
        raise fault("is not a URL; blanks and control characters must be escaped")
    return text


def _file_name(text: str) -> str:
    """Accept any file name that an operating system could."""
    if not text.strip() or "\0" in text:
        raise fault("is not a file name")
    return text


def _ssh_public_key(text: str) -> str:
    """Return an Ed25519 public key in OpenSSH's form, type and base64, without the comment."""
    words = text.split()
    if len(words) < len(("type", "base64")) or words[0] != SSH_KEY_TYPE:
        raise fault(
            "is not a public key in OpenSSH's form: ssh-ed25519 AAAA..., as `peerkey create ha-key` prints it"
        )
    try:
        blob = base64.b64decode(words[1], validate=True)
    except binascii.Error:
        blob = b""
    if not blob.startswith(_SSH_KEY_HEAD) or len(blob) != len(_SSH_KEY_HEAD) + _ED25519_BYTES:
        raise fault("is not an Ed25519 public key; it was cut or changed")
    return f"{SSH_KEY_TYPE} {base64.b64encode(blob).decode()}"


def _certificates(text: str) -> str:
    """Accept text that has a certificate in PEM; whether it can be used is not decided here."""
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise fault("holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")
    return text


def _never(value: object) -> object:
    """Read ``never`` as ``None``."""
    return None if value == "never" else value


def _never_or_zero(value: object) -> object:
    """Read ``never`` and 0 as ``None``; both mean "not at all"."""
    return None if value == "never" or (value == 0 and value is not False) else value


def _hours_or_never(least: int) -> WithJsonSchema:
    """Return the schema of a number of hours, or ``never``."""
    number = {"type": "integer", "minimum": least, "maximum": 720}
    return WithJsonSchema({"anyOf": [number, {"const": "never"}], "x-unit": "hours"})


Flag = StrictBool
Name = Annotated[
    StrictStr,
    _matching(
        NAME_PATTERN, "is not a name: 1 to 64 letters, digits, '.', '_' and '-', the first a letter or digit"
    ),
    WithJsonSchema({"type": "string", "pattern": f"^{NAME_PATTERN}$", "x-allowed": "a name"}),
]
CommonName = Annotated[
    StrictStr,
    _matching(
        COMMON_NAME_PATTERN,
        "is not a common name: 1 to 64 printable ASCII characters, no blank at either end",
    ),
    WithJsonSchema(
        {"type": "string", "pattern": f"^{COMMON_NAME_PATTERN}$", "x-allowed": "1 to 64 characters"}
    ),
]
NodeUuid = Annotated[
    UUID,
    BeforeValidator(_uuid),
    WithJsonSchema({"type": "string", "format": "uuid", "pattern": f"^{UUID_PATTERN}$"}),
]
Address = Annotated[
    StrictStr,
    AfterValidator(_address),
    WithJsonSchema({"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}),
]
Port = Annotated[StrictInt, Field(ge=1, le=65_535)]
#: 576 is what every IPv4 host takes (RFC 791); 9216 is the largest frame that switches commonly carry.
Mtu = Annotated[StrictInt, Field(ge=576, le=9_216, json_schema_extra={"x-unit": "bytes"})]
Url = Annotated[
    StrictStr, Field(max_length=MAX_URL), AfterValidator(_url),
    WithJsonSchema({"type": "string", "format": "uri", "pattern": "^https?://", "maxLength": MAX_URL}),
]  # fmt: skip
ListUrl = Annotated[
    StrictStr, Field(max_length=MAX_URL), AfterValidator(_list_url),
    WithJsonSchema({
        "type": "string", "format": "uri", "pattern": "^(https?://|file:///)", "maxLength": MAX_URL,
    }),
]  # fmt: skip
FileName = Annotated[StrictStr, Field(min_length=1, max_length=MAX_FILE_NAME), AfterValidator(_file_name)]
SshPublicKey = Annotated[
    StrictStr, Field(max_length=MAX_SSH_KEY), AfterValidator(_ssh_public_key),
    WithJsonSchema({
        "type": "string", "pattern": f"^\\s*{SSH_KEY_TYPE}\\s+AAAA", "maxLength": MAX_SSH_KEY,
        "x-allowed": "an Ed25519 public key in OpenSSH's form",
    }),
]  # fmt: skip
Pem = Annotated[StrictStr, Field(max_length=MAX_PEM), AfterValidator(_certificates)]

#: "uint value of 0-720" and "1-720 or never": 0 and ``never`` both mean that there is no rekeying.
_Hours = Annotated[StrictInt, Field(ge=1, le=720)]
RekeyHours = Annotated[_Hours | None, BeforeValidator(_never_or_zero), _hours_or_never(0)]
PayloadRekeyHours = Annotated[_Hours | None, BeforeValidator(_never), _hours_or_never(1)]
RevocationCheckHours = Annotated[StrictInt, Field(ge=0, le=720, json_schema_extra={"x-unit": "hours"})]
PollingHours = Annotated[StrictInt, Field(ge=1, le=168, json_schema_extra={"x-unit": "hours"})]
RetransmitSeconds = Annotated[StrictInt, Field(ge=5, le=3_600, json_schema_extra={"x-unit": "seconds"})]
Uint32Seconds = Annotated[StrictInt, Field(ge=0, le=UINT32_MAX, json_schema_extra={"x-unit": "seconds"})]
ProbeSeconds = Annotated[StrictInt, Field(ge=0, le=86_400, json_schema_extra={"x-unit": "seconds"})]
Priority = Annotated[StrictInt, Field(ge=0, le=UINT32_MAX)]

AlgorithmFamily = Literal["diffie-hellman", "ml-kem", "diffie-hellman-ml-kem"]
DiffieHellmanSize = Annotated[Literal[1024, 2048, 4096], Field(json_schema_extra={"x-unit": "bits"})]
MlKemSize = Literal[512, 768, 1024]
