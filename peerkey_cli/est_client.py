"""Asking an EST server: HTTPS and nothing else, and everything about it bounded.

The server's certificate is verified against the CAs that the caller names, its host name too, under TLS 1.2
or newer. Redirections are followed on the same server only, an answer has a largest size, and a request as a
whole has a time limit, so that a server that sends a byte a second holds nobody. Proxies and passwords that
the environment may name for other programs are not used.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import httpx
from cryptography.hazmat.primitives.serialization import Encoding

from peerkey.config.est_url import EstUrl, Operation
from peerkey.errors import Malformed, Misconfigured, PeerFault
from peerkey.pki.est import (
    MAXIMUM_REPLY_BYTES,
    REQUEST_TYPE,
    Busy,
    Issued,
    Moved,
    Outcome,
    Pending,
    Refused,
    Reply,
    body_of,
    outcome_untrusted,
)
from peerkey_cli.errors import Unreachable

if TYPE_CHECKING:
    from cryptography import x509

    from peerkey.pki.trust import TrustAnchors
    from peerkey.secret import Secret

#: For a request with its answer, from the first packet to the last byte. A CA that signs by hand says 202.
TOTAL: Final = timedelta(seconds=30)
#: Redirections are followed that often; more are a loop.
MAXIMUM_REDIRECTIONS: Final = 3

#: What of it connecting, the TLS handshake, and each silence may take. Two of them fit in: a connection whose
#: making is given up is closed by the library, and one that is cancelled by us only by the garbage collector.
_PART: Final = 0.45

_UNAUTHORIZED: Final = 401


@dataclass(frozen=True, slots=True)
class Basic:
    """A user and a password for HTTP basic authentication (RFC 7617)."""

    user: str
    password: Secret

    def __post_init__(self) -> None:
        """Refuse a name that cannot be told from the password behind it.

        :raises Misconfigured: it has a colon or a control character, or is empty.
        """
        if not self.user or ":" in self.user or not self.user.isprintable():
            message = "a user name for HTTP has no colon and no control character, and is not empty"
            raise Misconfigured(message)


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A certificate and its private key, in files, for TLS."""

    chain: str
    key: str
    passphrase: Secret | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The CA has not decided; the same request may be made again after some time."""

    retry_after: timedelta


class TlsUnable(Misconfigured):
    """TLS cannot use the certificate and the key that it was given."""


class EstRefused(Misconfigured):
    """The server said no."""


class EstBusy(Unreachable):
    """The server answers, and cannot do it now."""

    def __init__(self, message: str, retry_after: timedelta | None) -> None:
        """Say why, and when it wants to be asked again."""
        super().__init__(message)
        self.retry_after = retry_after


class NotEst(PeerFault):
    """What answers is no EST server, or sends what none should."""


def tls_context(trust: TrustAnchors, client: ClientCertificate | None = None) -> ssl.SSLContext:
    """Return how to talk TLS: with servers that lead to ``trust``, and as ``client`` where there is one.

    :raises Misconfigured: nobody is trusted, or the client's certificate or key cannot be used.
    """
    if not trust.anchors:
        message = "no CA is trusted that the server could show a certificate of; name one with --ca FILE"
        raise Misconfigured(message)
    _forget_foreign_errors()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    trusted = trust.certificates
    if any(anchor.subject != anchor.issuer for anchor in trust.anchors):
        # OpenSSL ends a path at a certificate that is no root only where any may end one: helpers stay out.
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
        trusted = trust.anchors
    context.load_verify_locations(cadata=b"".join(each.public_bytes(Encoding.DER) for each in trusted))
    if client is not None:
        passphrase = client.passphrase.reveal() if client.passphrase is not None else b""
        try:
            # Without a function OpenSSL would ask a terminal.
            context.load_cert_chain(client.chain, client.key, lambda: passphrase)
        except (OSError, ValueError) as fault:
            message = (
                f"{client.chain}, {client.key}: TLS here ({ssl.OPENSSL_VERSION}) cannot use this certificate "
                f"with this key: {_reason(fault)}; enroll with a user and a password instead"
            )
            raise TlsUnable(message) from None
    return context


class EstClient:
    """One EST server, asked with one way to prove who asks."""

    def __init__(
        self,
        server: EstUrl,
        tls: ssl.SSLContext,
        basic: Basic | None = None,
        *,
        shows_certificate: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        total: timedelta = TOTAL,
    ) -> None:
        """Ask ``server``; ``tls`` is what :func:`tls_context` returned."""
        self.server = server
        self._tls = tls
        self._basic = basic
        self._shows_certificate = shows_certificate
        self._now = now
        self._total = total

    async def cacerts(self) -> tuple[x509.Certificate, ...]:
        """Return the CA certificates that the server offers. They are not trusted.

        :raises Unreachable: the server does not answer, or cannot now.
        :raises Misconfigured: it refuses, or does not show a certificate that is trusted.
        :raises NotEst: it sends what it should not.
        """
        answer = await self._asked(Operation.CACERTS, None)
        if isinstance(answer, Issued):
            return answer.certificates
        message = f"{self.server.of(Operation.CACERTS)}: the server is to answer later (202), and should not"
        raise NotEst(message)

    async def enroll(
        self, operation: Operation, request: x509.CertificateSigningRequest
    ) -> Issued | Unfinished:
        """Ask for a certificate; return what was issued, which has not been checked.

        :raises Unreachable: as :meth:`cacerts` does, and so for the other errors.
        """
        return await self._asked(operation, body_of(request))

    async def _asked(self, operation: Operation, body: bytes | None) -> Issued | Unfinished:
        url = self.server.of(operation)
        _forget_foreign_errors()
        try:
            async with asyncio.timeout(self._total.total_seconds()):
                outcome = await self._followed(url, body)
        except (TimeoutError, httpx.TimeoutException):
            seconds = self._total.total_seconds()
            message = f"{url}: the server does not answer completely within {seconds:g} s"
            raise Unreachable(message) from None
        except (httpx.TransportError, OSError) as fault:
            raise self._broken(url, fault) from fault
        except (Malformed, httpx.HTTPError, httpx.InvalidURL, ValueError) as fault:
            message = f"{url}: {_ascii(str(fault))}"
            raise NotEst(message) from None
        match outcome:
            case Issued():
                return outcome
            case Pending(retry_after):
                return Unfinished(retry_after)
            case Refused():
                message = f"{url}: the server refuses: {outcome}{self._advice(outcome)}"
                raise EstRefused(message)
            case Busy(_, _, wait):
                when = "" if wait is None else f"; it asks to come back in {wait.total_seconds():g} s"
                message = f"{url}: the server cannot do it now: {outcome}{when}"
                raise EstBusy(message, wait)
            case Moved():
                message = f"{url}: the server redirects more than {MAXIMUM_REDIRECTIONS} times"
                raise NotEst(message)

    async def _followed(self, url: str, body: bytes | None) -> Outcome:
        auth = None
        if self._basic is not None:
            auth = httpx.BasicAuth(self._basic.user, self._basic.password.reveal())
        headers = {"Accept-Encoding": "identity", "Accept": "*/*"}
        if body is not None:
            # RFC 8951 section 3.1 has done away with the second; servers of RFC 7030 may want it.
            headers |= {"Content-Type": REQUEST_TYPE, "Content-Transfer-Encoding": "base64"}
        async with httpx.AsyncClient(
            verify=self._tls,
            auth=auth,
            headers=headers,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(_PART * self._total.total_seconds()),
        ) as http:
            outcome: Outcome = Moved(url)
            for _ in range(MAXIMUM_REDIRECTIONS + 1):
                if not isinstance(outcome, Moved):
                    break
                at = outcome.url
                outcome = outcome_untrusted(await _reply(http, at, body), at, self._now())
        return outcome

    def _broken(self, url: str, fault: Exception) -> Exception:
        """Return the error of a connection that broke: TLS that fails will fail again."""
        for cause in _causes(fault):
            if isinstance(cause, ssl.SSLCertVerificationError):
                why = _ascii(cause.verify_message).rstrip(".")
                todo = "" if "mismatch" in why else "; name its CA with --ca FILE or server-ca-file"
                return Misconfigured(f"{url}: the server's certificate is not trusted: {why}{todo}")
            if isinstance(cause, ssl.SSLError):
                return EstRefused(f"{url}: TLS failed: {_reason(cause)}{self._doubt}")
        if isinstance(fault, httpx.ReadError | httpx.WriteError | httpx.RemoteProtocolError):
            return Unreachable(f"{url}: the server broke the connection{self._doubt}")
        return Unreachable(
            f"{url}: the server cannot be reached: {_ascii(str(fault)) or type(fault).__name__}"
        )

    @property
    def _doubt(self) -> str:
        """Say what an ending may mean: in TLS 1.3 a server that refuses a certificate ends the connection."""
        return "; it may not accept the certificate that it was shown" if self._shows_certificate else ""

    def _advice(self, refused: Refused) -> str:
        if refused.status != _UNAUTHORIZED:
            return ""
        if self._basic is None:
            return "; it wants a user and a password: give --user"
        return "; check the user and the password"


async def _reply(http: httpx.AsyncClient, url: str, body: bytes | None) -> Reply:
    """Make one request and read the answer, as far as it may go."""
    content = bytearray()
    async with http.stream("GET" if body is None else "POST", url, content=body) as response:
        async for piece in response.aiter_raw():
            content += piece
            if len(content) > MAXIMUM_REPLY_BYTES:
                break
        fields = response.headers
        return Reply(
            response.status_code,
            fields.get("content-type", ""),
            fields.get("retry-after", ""),
            fields.get("location", ""),
            bytes(content),
        )


def _forget_foreign_errors() -> None:
    """Empty this thread's list of OpenSSL's errors, which Python reads when TLS has something to tell.

    A library for PKCS#11 that uses the same OpenSSL may have left some there, and the next handshake would
    fail for a reason that has nothing to do with it. Python empties the list when it raises.
    """
    with suppress(ssl.SSLError):
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata="none")


def _causes(fault: BaseException | None) -> Iterator[BaseException]:
    while fault is not None:
        yield fault
        fault = fault.__cause__ or fault.__context__


def _reason(fault: Exception) -> str:
    """Return what went wrong in TLS, in OpenSSL's words and without the place in its source."""
    reason = getattr(fault, "reason", None) or getattr(fault, "strerror", None) or str(fault)
    return _ascii(str(reason).replace("_", " ").lower())


def _ascii(text: str) -> str:
    shown = " ".join(text.split())
    return (shown if shown.isascii() and shown.isprintable() else ascii(shown)[1:-1])[:300]
