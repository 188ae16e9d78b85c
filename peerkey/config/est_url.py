"""Where an EST server is: the URL of ``ca-profile``, and the address of each operation below it.

    "https://www.example.com/.well-known/est/arbitraryLabel1/cacerts" (RFC 7030 section 3.2.2)

What is written is the server, or the server with the path in full; the label is that of one CA among several
behind one server. Only ``https`` counts: everything that enrolment relies on is TLS (section 3.3).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from peerkey.errors import Misconfigured

#: RFC 7030 section 3.2.2.
WELL_KNOWN: Final = "/.well-known/est"
#: The unreserved characters of RFC 3986: whatever else a label may be made of, a proxy may rewrite.
_LABEL: Final = re.compile(r"[A-Za-z0-9._~-]{1,64}")


class Operation(StrEnum):
    """What can be asked of an EST server, by its path segment (RFC 7030 section 3.2.2)."""

    CACERTS = "cacerts"
    SIMPLE_ENROLL = "simpleenroll"
    SIMPLE_REENROLL = "simplereenroll"


#: "the CA label MUST NOT be the same as any defined operation path segment."
_TAKEN: Final = frozenset({*Operation, "fullcmc", "serverkeygen", "csrattrs"})


@dataclass(frozen=True, slots=True)
class EstUrl:
    """One CA of one EST server."""

    #: ``host`` or ``host:port``, as it was written.
    authority: str
    #: Which CA of the server; empty for its only one.
    label: str

    def __str__(self) -> str:
        """Return the URL in full, without an operation."""
        return f"https://{self.authority}{WELL_KNOWN}{f'/{self.label}' if self.label else ''}"

    def of(self, operation: Operation) -> str:
        """Return the URL of an operation."""
        return f"{self}/{operation}"


def est_url(written: str) -> EstUrl:
    """Return the EST server that a URL names.

    Raises:
        Misconfigured: it has another scheme than ``https``, another path, or an operation in it.
    """
    try:
        parts = urlsplit(written)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme != "https" or not parts.hostname or port == 0 or not parts.netloc.isascii():
        message = f"{_shown(written)}: not the URL of an EST server; it begins with https:// and a host"
        raise Misconfigured(message)
    if "@" in parts.netloc or parts.query or parts.fragment or not parts.netloc.isprintable():
        message = f"{_shown(written)}: an EST server has no user, query or fragment in its URL"
        raise Misconfigured(message)
    path = parts.path.rstrip("/")
    label = path.removeprefix(WELL_KNOWN).removeprefix("/")
    if path not in {"", WELL_KNOWN, f"{WELL_KNOWN}/{label}"} or (label and not _LABEL.fullmatch(label)):
        message = f"{_shown(written)}: an EST server is at https://HOST or https://HOST{WELL_KNOWN}/LABEL"
        raise Misconfigured(message)
    if label in _TAKEN:
        message = (
            f"{_shown(written)}: {label} is an operation of EST; leave it out, the operation is added here"
        )
        raise Misconfigured(message)
    return EstUrl(parts.netloc, label)


def _shown(written: str) -> str:
    text = ascii(written)[1:-1]
    return text if "@" not in text else "the URL"
