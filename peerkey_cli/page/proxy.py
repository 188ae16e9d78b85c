"""The status page for a browser on this machine: it has no token, and the admin API is not for it.

A process of the operator's own asks the API, at its Unix socket or over TLS with a token, and serves the page
at a port of the loopback address. It forwards two requests, ``GET`` of the page and of the stream of events,
and nothing else, whatever the token allows; what the API answers is given on with the headers of the page.

Others on this machine can connect to the port, and so can every page in the operator's browser. So:

* the link that is printed holds a word that counts once, and a quarter of an hour at most. It is exchanged
  for a cookie (``HttpOnly``, ``SameSite=Strict``) that the browser sends below a path of its own alone: a
  cookie of a loopback address would else go to every port of it;
* ``Host`` must be this address, so that no name that leads here is taken for it (DNS rebinding);
* what another site's page asks for is refused by ``Sec-Fetch-Site``.
"""

from __future__ import annotations

import asyncio
import hmac
import re
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import httpx

from peerkey_cli.page import html

if TYPE_CHECKING:
    from peerkey_cli.api.gate import Message, Receive, Send

#: What is asked of the API, by what a browser asks for below its path.
FORWARDED: Final = {"": "/", "v1/events/stream": "/v1/events/stream"}
#: How long a link counts.
LINK_LASTS: Final = timedelta(minutes=15)
#: Browsers that are let in at one time; the one that was let in first has to use a new link then.
MAXIMUM_BROWSERS: Final = 8
#: Streams at one time: as many as the API gives to one visitor.
MAXIMUM_STREAMS: Final = 8
#: A page of ten thousand routers has a fraction of this.
MAXIMUM_PAGE_BYTES: Final = 8 * 1024 * 1024

_PAGE_WITHIN_SECONDS: Final = 15.0
#: The stream says that it is still there every 15 seconds.
_STREAM_SILENT_SECONDS: Final = 40.0
_WORD_BYTES: Final = 24
_COOKIE: Final = "peerkey_page"
_EVENT_ID: Final = re.compile(rb"[0-9A-Za-z-]{1,64}")
#: What a browser says of a request that no other site has caused.
_OURS: Final = frozenset({b"same-origin", b"none"})
_OK: Final = 200
_MAY_MEND_ITSELF: Final = 429

#: Makes what asks the API.
Ask: TypeAlias = Callable[[], httpx.AsyncClient]


class Doors:
    """Who may see the page: the link that counts, and the browsers that came by one before."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Let nobody in yet. ``clock`` returns seconds that never go back."""
        self._clock = clock
        #: Below it is the page; who does not know it asks for nothing here.
        self.path = secrets.token_urlsafe(_WORD_BYTES)
        self._link = ""
        self._link_ends = 0.0
        self._cookies: deque[str] = deque(maxlen=MAXIMUM_BROWSERS)

    def new_link(self) -> str:
        """Return the word of a new link; the one before counts no more."""
        self._link = secrets.token_urlsafe(_WORD_BYTES)
        self._link_ends = self._clock() + LINK_LASTS.total_seconds()
        return self._link

    def enter(self, word: str) -> str | None:
        """Return a cookie for who has the word of the link, which is used up then; else ``None``."""
        alike = hmac.compare_digest(self._link.encode(), word.encode())
        if not (self._link and alike) or self._clock() >= self._link_ends:
            return None
        self._link = ""
        cookie = secrets.token_urlsafe(_WORD_BYTES)
        self._cookies.append(cookie)
        return cookie

    def knows(self, cookie: str) -> bool:
        """Tell whether a browser was let in."""
        return any(hmac.compare_digest(each.encode(), cookie.encode()) for each in self._cookies)


class PageProxy:
    """An ASGI application."""

    def __init__(self, ask: Ask, doors: Doors, port: int, entered: Callable[[], None], upstream: str) -> None:
        """Serve at ``port`` what ``ask()`` asks for. ``entered`` is called when a link was used.

        ``upstream`` is what the system is called in the page that says that it does not answer.
        """
        self._ask = ask
        self._doors = doors
        self._entered = entered
        self._upstream = upstream
        self._hosts = {f"{name}:{port}".encode() for name in ("127.0.0.1", "localhost", "[::1]")}
        self._streams = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        given = _headers(scope)
        refusal = self._refusal(scope["method"], given)
        if refusal is not None:
            await _answer(send, refusal)
            return
        first, _, rest = scope["path"].removeprefix("/").partition("/")
        if first == "enter":
            await self._enter(rest, send)
        elif not hmac.compare_digest(first.encode(), self._doors.path.encode()) or rest not in FORWARDED:
            await _answer(send, html.refused(404, _USE_THE_LINK))
        elif not self._doors.knows(_cookie(given)):
            await _answer(send, html.refused(403, _USE_THE_LINK))
        elif rest:
            await self._stream(given, receive, send)
        else:
            await self._page(send, without_body=scope["method"] == "HEAD")

    def _refusal(self, method: str, given: Mapping[bytes, list[bytes]]) -> html.Page | None:
        if len(given.get(b"host", ())) != 1 or given[b"host"][0].lower() not in self._hosts:
            return html.refused(421, "Use the address that peerkey page has printed.")
        if not set(given.get(b"sec-fetch-site", (b"none",))) <= _OURS:
            return html.refused(403, "Another site has asked for this page. Open the link yourself.")
        if method not in {"GET", "HEAD"}:
            return html.refused(405, "This page only reads.")
        return None

    async def _enter(self, word: str, send: Send) -> None:
        cookie = self._doors.enter(word)
        if cookie is None:
            await _answer(send, html.refused(403, _USE_THE_LINK))
            return
        path = f"/{self._doors.path}/"
        kept = f"{_COOKIE}={cookie}; Path={path}; HttpOnly; SameSite=Strict"
        await _answer(
            send, html.refused(303, "You are being led to the page."), location=path, set_cookie=kept
        )
        self._entered()

    async def _page(self, send: Send, *, without_body: bool) -> None:
        try:
            async with (
                asyncio.timeout(_PAGE_WITHIN_SECONDS),
                self._ask() as http,
                http.stream("GET", FORWARDED[""]) as answer,
            ):
                found = _given_on(answer, await _read(answer))
        except (httpx.HTTPError, OSError, TimeoutError) as fault:
            why = f"{self._upstream} does not answer: {_why(fault, tls=self._upstream.startswith('https:'))}"
            found = html.unreachable(why, datetime.now(UTC))
        await _answer(send, found, without_body=without_body)

    async def _stream(self, given: Mapping[bytes, list[bytes]], receive: Receive, send: Send) -> None:
        if self._streams >= MAXIMUM_STREAMS:
            await _answer(send, html.refused(503, "Too many pages are open."))
            return
        last = given.get(b"last-event-id", [b""])[0]
        more = {"Last-Event-ID": last.decode()} if _EVENT_ID.fullmatch(last) else {}
        self._streams += 1
        copying = asyncio.ensure_future(self._copy(more, send))
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait({copying, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._streams -= 1
            copying.cancel()
            gone.cancel()
            await asyncio.gather(copying, gone, return_exceptions=True)

    async def _copy(self, more: Mapping[str, str], send: Send) -> None:
        """Give the stream on, as long as both ends want it."""
        begun = False
        try:
            timeout = httpx.Timeout(_PAGE_WITHIN_SECONDS, read=_STREAM_SILENT_SECONDS)
            async with (
                self._ask() as http,
                http.stream("GET", FORWARDED["v1/events/stream"], headers=more, timeout=timeout) as answer,
            ):
                if answer.status_code != _OK:
                    await _answer(send, html.refused(503, "The system gives no stream of events now."))
                    return
                head = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
                await send({"type": "http.response.start", "status": _OK, "headers": head})
                begun = True
                async for part in answer.aiter_raw():
                    await send({"type": "http.response.body", "body": part, "more_body": True})
        except (httpx.HTTPError, OSError):
            if not begun:
                await _answer(send, html.refused(503, "The system does not answer."))
        if begun:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


_USE_THE_LINK: Final = "Open the link that peerkey page has printed last. Each one counts once."


async def _gone(receive: Receive) -> None:
    """Return when the browser has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _read(answer: httpx.Response) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in answer.aiter_bytes():
        parts.append(part)
        size += len(part)
        if size > MAXIMUM_PAGE_BYTES:
            message = f"a page has at most {MAXIMUM_PAGE_BYTES} bytes"
            raise httpx.DecodingError(message)
    return b"".join(parts)


def _given_on(answer: httpx.Response, content: bytes) -> html.Page:
    """Return what the API has answered. Only a page of this version goes on: its policy is known here."""
    same = answer.headers.get("Content-Security-Policy") == html.headers()["Content-Security-Policy"]
    if answer.status_code == _OK and same:
        return html.Page(content, html.headers())
    if answer.status_code == _OK:
        why = "What answers there is another version of peerkey: use the command of that version."
    elif answer.status_code == _MAY_MEND_ITSELF:
        why = "The system is asked too often with this token; it answers again in a moment."
    else:
        why = f"The system refuses: {_told(content) or answer.status_code}"
    return html.unreachable(why, datetime.now(UTC))


def _told(content: bytes) -> str:
    """Return the reason in a problem document, if it is one."""
    from pydantic import ValidationError

    from peerkey_cli.schemas import Problem

    try:
        return Problem.model_validate_json(content).error
    except ValidationError:
        return ""


def _why(fault: Exception, *, tls: bool) -> str:
    if isinstance(fault, (TimeoutError, httpx.TimeoutException)):
        return f"nothing came within {_PAGE_WITHIN_SECONDS:g} s."
    if isinstance(fault, httpx.ConnectError):
        accepted = ", or its certificate is not accepted" if tls else ""
        return f"nobody listens there{accepted}. Is peerkey run still there?"
    return "the connection broke. Is peerkey run still there?"


def _headers(scope: Mapping[str, Any]) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name, []).append(value)
    return found


def _cookie(given: Mapping[bytes, list[bytes]]) -> str:
    for line in given.get(b"cookie", ()):
        for each in line.decode("latin-1").split(";"):
            name, _, value = each.strip().partition("=")
            if name == _COOKIE:
                return value
    return ""


async def _answer(
    send: Send,
    page: html.Page,
    *,
    location: str | None = None,
    set_cookie: str | None = None,
    without_body: bool = False,
) -> None:
    more: Iterable[tuple[str, str | None]] = (("location", location), ("set-cookie", set_cookie))
    head = [(name.lower().encode(), value.encode()) for name, value in page.headers.items()]
    head += [(name.encode(), value.encode()) for name, value in more if value is not None]
    head.append((b"content-length", str(len(page.content)).encode()))
    await send({"type": "http.response.start", "status": page.status, "headers": head})
    await send({"type": "http.response.body", "body": b"" if without_body else page.content})
