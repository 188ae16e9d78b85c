"""What every request passes before its route, and every answer on its way out.

In this order: whether it can be understood in one way only, the path (the original's prefix ``/api`` may be
before it), who asks and what they may do (:mod:`peerkey_cli.api.visitors`), and the body, which is read
whole, up to a bound and within a time. So a route never waits for a client, and what is refused costs
nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from actors.cluster.foretelling import MAX_TEXT_BYTES
from peerkey_cli.api.denied import Denied
from peerkey_cli.api.json_parts import MAXIMUM_PARTS, parts_of
from peerkey_cli.http_protocol import MAXIMUM_HEADER_BYTES

if TYPE_CHECKING:
    from peerkey_cli.api.visitors import Visitors

#: A chain of six certificates, each with the text that OpenSSL prints beside it, takes 200 KB.
MAXIMUM_BODY_BYTES: Final = 256 * 1024
#: A configuration of the largest size that is taken, with what JSON adds to its lines.
MAXIMUM_CONFIGURATION_BODY_BYTES: Final = 5 * MAX_TEXT_BYTES // 4
#: From the end of the headers to the end of the body.
BODY_WITHIN_SECONDS: Final = 10.0

#: Where a configuration is brought.
_LARGE: Final = frozenset({"/v1/config", "/v1/config/check", "/v1/config/diff"})

#: Of a request that is refused anyway.
_DRAINED_BYTES: Final = 4 * 1024 * 1024
_DRAINED_WITHIN_SECONDS: Final = 1.0

#: Nothing here is for browsers: no page may show it in a frame, guess what it is, keep it or call it.
SECURITY_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
_TRANSPORT_SECURITY: Final = (b"strict-transport-security", b"max-age=31536000")

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class Gate:
    """An ASGI application before another."""

    def __init__(self, inner: Application, visitors: Visitors) -> None:
        """Let those through to ``inner`` whom ``visitors`` admit."""
        self._inner = inner
        self._visitors = visitors

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        if scope["path"].startswith("/api/"):
            scope["path"] = scope["path"].removeprefix("/api")
        sending = _with_headers(send, secure=scope["scheme"] == "https")
        try:
            _require_one_meaning(scope)
            scope["state"]["visitor"] = await self._visitors.admit(scope)
            body = await _body(scope, receive)
            _require_few_parts(scope, body)
        except Denied as denied:
            await _drain(scope, receive)
            denied.headers["Connection"] = "close"
            await denied.response()(scope, receive, sending)
            return
        if body is not None:
            await self._inner(scope, _Again(body, receive), sending)


def _require_one_meaning(scope: Message) -> None:
    """Refuse what a proxy before this may understand otherwise, and what a page in a browser asks.

    :raises Denied: it is one of these, or its head is too large.
    """
    names = [name for name, _ in scope["headers"]]
    size = len(scope["raw_path"]) + len(scope["query_string"])
    size += sum(len(name) + len(value) for name, value in scope["headers"])
    if size > MAXIMUM_HEADER_BYTES:
        # What comes in one piece is read as a whole.
        raise Denied(431, f"a request line and its headers have at most {MAXIMUM_HEADER_BYTES} bytes")
    if scope["http_version"] not in {"1.0", "1.1"}:
        raise Denied(505, "version 1.1 of HTTP is spoken here")
    if b"transfer-encoding" in names and b"content-length" in names:
        # RFC 9112, section 6.3: who takes the one and who takes the other see different requests.
        raise Denied(400, "a request has either Content-Length or Transfer-Encoding")
    if b"content-encoding" in names:
        raise Denied(415, "a body is sent as it is, without Content-Encoding")
    if b"origin" in names:
        raise Denied(403, "no page in a browser may ask here; leave out Origin")


def _require_few_parts(scope: Message, body: bytes | None) -> None:
    """Refuse a body that costs far more to understand than to send.

    :raises Denied: it does.
    """
    kinds = [value for name, value in scope["headers"] if name == b"content-type"]
    if not body or not any(b"json" in kind.lower() for kind in kinds):
        return
    if b"\x00" in body:
        # The parser takes UTF-16 and UTF-32, too, in which strings end elsewhere than they seem to.
        raise Denied(400, "JSON is in UTF-8, and has no zero byte")
    if parts_of(body) > MAXIMUM_PARTS:
        raise Denied(413, f"a body has at most {MAXIMUM_PARTS} values")


class _Again:
    """Gives a body that was read, then what else the client does."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        return await self._receive()


async def _body(scope: Message, receive: Receive) -> bytes | None:
    """Return the whole body; ``None`` where the client has gone.

    :raises Denied: it is too large, or too slow.
    """
    most = MAXIMUM_CONFIGURATION_BODY_BYTES if scope["path"] in _LARGE else MAXIMUM_BODY_BYTES
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > most:
            raise _too_large(most)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_WITHIN_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > most:
                    raise _too_large(most)
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        raise Denied(408, f"the request did not end within {BODY_WITHIN_SECONDS:g} s") from None


async def _drain(scope: Message, receive: Receive) -> None:
    """Read on for a moment: many a client hears an answer only when it has said everything."""
    if any(name == b"expect" for name, _ in scope["headers"]):
        return
    left = _DRAINED_BYTES
    try:
        async with asyncio.timeout(_DRAINED_WITHIN_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return


def _too_large(most: int) -> Denied:
    return Denied(413, f"a request has at most {most} bytes")


def _with_headers(send: Send, *, secure: bool) -> Send:
    more = (*SECURITY_HEADERS, _TRANSPORT_SECURITY) if secure else SECURITY_HEADERS

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = message.get("headers", ())
            names = {name for name, _ in given}
            message["headers"] = [*given, *(each for each in more if each[0] not in names)]
        await send(message)

    return sending
