"""Enrollment over Secure Transport (RFC 7030): what is sent to a CA, and what its answers mean.

An answer comes as a :class:`Reply`, the parts of an HTTP response that count. :func:`outcome_untrusted` makes
one of a closed union of it, and nothing in it is believed: what :class:`Issued` holds has been decoded and
counted, no more, and still has to pass the three checks of every import (:mod:`peerkey.pki.ingest`).

======================  =============================================================================
200                     :class:`Issued`: certificates, as base64 of a certs-only PKCS#7
202                     :class:`Pending`: the CA has not decided; the same request again, later
301, 302, 307, 308      :class:`Moved`: the same request at another address of the same server
400 to 499              :class:`Refused`: with the server's own short words
429, 500 to 599         :class:`Busy`: the server cannot now; later
everything else         ``Malformed``
======================  =============================================================================

What ``cacerts`` answers is trusted for nothing: it is shown, and it may stand between a certificate and a CA
that the operator has trusted before (``docs/decisions/0070-what-is-enrolled.md``).
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import urljoin, urlsplit

from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from peerkey.errors import Malformed
from peerkey.pki.certificate import MAXIMUM_CERTIFICATE_BYTES, fingerprint, warning_nobody
from peerkey.pki.ingest import MAXIMUM_IMPORT_BYTES, MAXIMUM_IMPORTED

if TYPE_CHECKING:
    from cryptography import x509

#: Of a response's body: as much as an import may be.
MAXIMUM_REPLY_BYTES: Final = MAXIMUM_IMPORT_BYTES
#: How long a Retry-After is believed. A CA that decides by hand takes a day; a month is a mistake.
LONGEST_RETRY: Final = timedelta(days=7)
#: What an unreadable Retry-After, or none, stands for.
ORDINARY_RETRY: Final = timedelta(seconds=60)
#: Nobody is asked more often, whatever it says.
SHORTEST_RETRY: Final = timedelta(seconds=1)
#: Characters of the server's own words that are shown: a sentence or two, in one line.
MAXIMUM_WORDS: Final = 200
#: Of them this much is looked at: error pages begin with their style sheets.
_LOOKED_AT_BYTES: Final = 16 * 1024

REQUEST_TYPE: Final = "application/pkcs10"
_ANSWER_TYPE: Final = "application/pkcs7-mime"
_CERTS_ONLY: Final = frozenset({"", "certs-only"})
_DIGITS: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_TAGS: Final = re.compile(
    r"<(style|script|head)\b.*?(?:</\1\s*>|\Z)|<[^>]*>?", re.DOTALL | re.IGNORECASE | re.ASCII
)

_OK: Final = 200
_ACCEPTED: Final = 202
_MOVED: Final = frozenset({301, 302, 307, 308})
_TOO_MANY_REQUESTS: Final = 429
_CLIENT_ERRORS: Final = range(400, 500)
_SERVER_ERRORS: Final = range(500, 600)


@dataclass(frozen=True, slots=True)
class Reply:
    """What counts of an HTTP response. Fields that were not there are empty."""

    status: int
    content_type: str
    retry_after: str
    location: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Issued:
    """Certificates came back. They are not trusted, not checked, and in no order."""

    #: The PKCS#7 container in DER, as an import takes it.
    container: bytes
    certificates: tuple[x509.Certificate, ...]


@dataclass(frozen=True, slots=True)
class Pending:
    """The CA has the request and has not decided."""

    retry_after: timedelta


@dataclass(frozen=True, slots=True)
class Moved:
    """The same is to be asked at another address of the same server."""

    url: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The server understood and said no, or did not accept who asked."""

    status: int
    words: str

    def __str__(self) -> str:
        """Return what a person is told."""
        return _told(self.status, self.words)


@dataclass(frozen=True, slots=True)
class Busy:
    """The server cannot do it now."""

    status: int
    words: str
    #: When it wants to be asked again, if it said so.
    retry_after: timedelta | None

    def __str__(self) -> str:
        """Return what a person is told."""
        return _told(self.status, self.words)


#: What became of a request.
Outcome: TypeAlias = Issued | Pending | Moved | Refused | Busy


def body_of(request: x509.CertificateSigningRequest) -> bytes:
    """Return the body of a request: base64 of PKCS#10 in DER, in lines (RFC 7030 section 4.2.1, RFC 8951)."""
    return base64.encodebytes(request.public_bytes(Encoding.DER))


def outcome_untrusted(reply: Reply, url: str, at: datetime) -> Outcome:
    """Return what a server's answer to a request at ``url`` means, ``at`` being when it came.

    Raises:
        Malformed: it is none of EST.
    """
    status = reply.status
    if status == _OK:
        return issued_untrusted(reply)
    if status == _ACCEPTED:
        return Pending(retry_after_untrusted(reply.retry_after, at) or ORDINARY_RETRY)
    if status in _MOVED:
        return Moved(target_untrusted(reply.location, url))
    if status == _TOO_MANY_REQUESTS or status in _SERVER_ERRORS:
        return Busy(status, words_untrusted(reply), retry_after_untrusted(reply.retry_after, at))
    if status in _CLIENT_ERRORS:
        return Refused(status, words_untrusted(reply))
    message = f"the server answered {status}, which EST has no meaning for"
    raise Malformed(message)


def issued_untrusted(reply: Reply) -> Issued:
    """Return the certificates of an answer (RFC 7030 sections 4.1.3 and 4.2.3).

    Raises:
        Malformed: the type is another, it is too long, or it does not hold 1 to :data:`MAXIMUM_IMPORTED`
            certificates as base64 of a PKCS#7 container.
    """
    kind, parameters = _type_untrusted(reply.content_type)
    if kind != _ANSWER_TYPE or parameters.get("smime-type", "") not in _CERTS_ONLY:
        shown = _line(reply.content_type) or "no type"
        message = f"the server answered with {shown} where {_ANSWER_TYPE} is expected; is this an EST server?"
        raise Malformed(message)
    if len(reply.body) > MAXIMUM_REPLY_BYTES:
        message = f"the answer is longer than {MAXIMUM_REPLY_BYTES} bytes"
        raise Malformed(message)
    try:
        container = base64.b64decode(b"".join(reply.body.split()), validate=True)
    except binascii.Error:
        message = "the answer is not base64"
        raise Malformed(message) from None
    return Issued(container, certificates_untrusted(container))


def certificates_untrusted(container: bytes) -> tuple[x509.Certificate, ...]:
    """Return the certificates of a certs-only PKCS#7 container in DER, each once.

    Raises:
        Malformed: it is none, holds none or more than :data:`MAXIMUM_IMPORTED`, or one that is too long.
    """
    try:
        with warning_nobody():
            found = pkcs7.load_der_pkcs7_certificates(container)
            distinct = tuple({fingerprint(certificate): certificate for certificate in found}.values())
    except Exception:  # noqa: BLE001 - a parser of bytes from outside: whatever it raises, they are no PKCS#7
        message = "the answer is not a PKCS#7 container of certificates"
        raise Malformed(message) from None
    if not 1 <= len(distinct) <= MAXIMUM_IMPORTED:
        message = f"the answer holds {len(distinct)} certificates; 1 to {MAXIMUM_IMPORTED} are taken"
        raise Malformed(message)
    if any(len(each.public_bytes(Encoding.DER)) > MAXIMUM_CERTIFICATE_BYTES for each in distinct):
        message = f"the answer holds a certificate of more than {MAXIMUM_CERTIFICATE_BYTES} bytes"
        raise Malformed(message)
    return distinct


def retry_after_untrusted(field: str, at: datetime) -> timedelta | None:
    """Return how long to wait by a Retry-After (RFC 9110 section 10.2.3): seconds, or a date.

    Within :data:`SHORTEST_RETRY` and :data:`LONGEST_RETRY`, whatever was written; ``None`` for what cannot be
    read. It raises nothing.
    """
    written = field.strip()
    if _DIGITS.fullmatch(written):
        wait = timedelta(seconds=min(int(written), LONGEST_RETRY.total_seconds()))
    else:
        try:
            then = parsedate_to_datetime(written)
            then = then.replace(tzinfo=UTC) if then.tzinfo is None else then
            wait = then - at
        except (ValueError, TypeError, OverflowError, IndexError):
            return None
    return max(SHORTEST_RETRY, min(LONGEST_RETRY, wait))


def target_untrusted(location: str, url: str) -> str:
    """Return where a redirection of ``url`` leads, if the client may follow it without asking anybody.

    Redirections "to the same web origin ... SHOULD be handled by the client without user input"; to another
    origin never (RFC 7030 section 3.2.1).

    Raises:
        Malformed: it leads elsewhere, or nowhere.
    """
    try:
        target = urljoin(url, location)
        same = origin_of(target) == origin_of(url)
    except ValueError:
        target, same = "", False
    if not location or not same or not (target.isascii() and target.isprintable()):
        shown = _line(location) or "nowhere"
        message = (
            f"the server redirects to {shown}, which is not the same server; name that one if it is meant"
        )
        raise Malformed(message)
    return target


def origin_of(url: str) -> tuple[str, str | None, int]:
    """Return scheme, host and port of a URL.

    Raises:
        ValueError: it is none.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or "@" in parts.netloc:
        message = "not a URL of https without a user"
        raise ValueError(message)
    return parts.scheme, parts.hostname, parts.port or 443


def words_untrusted(reply: Reply) -> str:
    """Return the server's own words in one short line of printable ASCII; empty where there are none."""
    kind, _ = _type_untrusted(reply.content_type)
    if not (kind.startswith("text/") or kind in {"", "application/json", "application/problem+json"}):
        return ""
    text = reply.body[:_LOOKED_AT_BYTES].decode("utf-8", "replace")
    return _line(_TAGS.sub(" ", text) if kind in {"", "text/html"} else text)


def _type_untrusted(field: str) -> tuple[str, dict[str, str]]:
    """Return a media type and its parameters, in lower case (RFC 9110 section 8.3.1)."""
    kind, *rest = field.split(";")
    parameters = (each.partition("=") for each in rest)
    return kind.strip().lower(), {
        name.strip().lower(): value.strip().strip('"').lower() for name, _, value in parameters
    }


def _line(text: str) -> str:
    line = " ".join(text.split())
    shown = line if line.isascii() and line.isprintable() else ascii(line)[1:-1]
    return f"{shown[:MAXIMUM_WORDS]}..." if len(shown) > MAXIMUM_WORDS else shown


def _told(status: int, words: str) -> str:
    return f"{status}: {words}" if words else f"{status}"
