"""Fetching a list over HTTP or HTTPS, or from a file.

    fetcher = NetworkFetcher()
    await fetcher.fetch(ListRequest("http://crl.example/ca.crl"))

What comes from a server is bounded in every direction: how long until it takes the connection, how long
until it answers, how slowly its answer may come, how long all of it takes, how large it may be, packed and
unpacked, and how far it may lead to elsewhere. An answer that leads elsewhere never leads from HTTPS to
HTTP, and never to anything else than these two: what a server says must not read files of this machine.

A server proves by TLS who it is, to the authorities that the machine trusts and to those that the operator
configured for the routers (``docs/decisions/0084-who-vouches-for-a-crl-server.md``). Nothing of the
environment counts: no proxy, no ``.netrc``, no certificates of a variable.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import stat
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from typing import Final, TypeVar
from urllib.parse import unquote, urlsplit

import anyio
import httpx
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from actors.crl.fetch_faults import explained
from actors.crl.port import (
    FetchFailed,
    FetchFault,
    ListFetched,
    ListRequest,
    ListUnchanged,
)
from actors.crl.reading import read_in_pieces
from actors.crl.unpacking import ACCEPTED, Unpackable, unpacker
from peerkey.pki.crl_polling import Validators
from peerkey.pki.list_frame import MAXIMUM_LIST_BYTES
from runtime.threads import Threads

#: Lists of all addresses that are being fetched, at most: two of the largest, or many of the usual size.
MAXIMUM_BYTES_UNDER_WAY: Final = 2 * MAXIMUM_LIST_BYTES
#: Fetches at one time. Each that a slow server holds up takes only itself away.
MAXIMUM_AT_ONCE: Final = 32
#: What a validator may be long: it is kept, and sent back.
_MAXIMUM_VALIDATOR: Final = 512
#: Contexts of TLS that are remembered: before and after a change of what is trusted.
_CONTEXTS: Final = 2

T = TypeVar("T")

_OK: Final = 200
_NOT_MODIFIED: Final = 304
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What is put up with."""

    #: Until the connection is there, TLS included.
    connect: timedelta = timedelta(seconds=10)
    #: Between two pieces of an answer, and before the first: a server that thinks for longer has hung.
    pause: timedelta = timedelta(seconds=30)
    #: The whole fetch, with whatever it was led to: 128 MiB at 4 Mbit/s.
    total: timedelta = timedelta(minutes=5)
    #: In each span of this length an answer brings at least so many bytes, or it is given up: a kilobyte a
    #: second is less than a modem's.
    window: timedelta = timedelta(seconds=15)
    window_bytes: int = 15 * 1024
    #: Of the list, unpacked; packed it may not be larger either.
    list_bytes: int = MAXIMUM_LIST_BYTES
    redirects: int = 5


class NetworkFetcher:
    """Fetches lists; see :class:`actors.crl.port.ListFetcher`."""

    def __init__(self, limits: FetchLimits | None = None) -> None:
        """Fetch within ``limits``."""
        self._limits = limits or FetchLimits()
        self._turns = asyncio.Semaphore(MAXIMUM_AT_ONCE)
        #: To begin takes the event loop a millisecond or two: fifty lists begin one after the other.
        self._beginning = asyncio.Lock()
        # Without TLS nothing is trusted, rather than what httpx would read from the disk for each client.
        self._plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._under_way = 0
        self._warm = False
        self._contexts: OrderedDict[tuple[bytes, ...], ssl.SSLContext] = OrderedDict()
        self._threads = Threads("lists", MAXIMUM_AT_ONCE)

    async def fetch(self, request: ListRequest) -> ListFetched | ListUnchanged:
        """See :meth:`actors.crl.port.ListFetcher.fetch`."""
        scheme = urlsplit(request.url).scheme.lower()
        async with self._turns:
            if scheme == "file":
                return await self._away(_read, request, self._limits.list_bytes)
            if scheme not in {"http", "https"}:
                why = f"{scheme[:16] or 'this'} is not supported: use http, https or file"
                raise FetchFailed(FetchFault.UNSUPPORTED, request.url, why)
            total = self._limits.total
            try:
                async with asyncio.timeout(total.total_seconds()):
                    return await self._follow(request)
            except TimeoutError:
                why = f"not all of it came within {total.total_seconds():g} s"
                raise FetchFailed(FetchFault.SLOW, request.url, why) from None

    async def _follow(self, request: ListRequest) -> ListFetched | ListUnchanged:
        """Ask, and ask where the answer leads, for as long as that is allowed."""
        url, seen = httpx.URL(request.url), set[str]()
        while True:
            seen.add(str(url))
            async with self._asked(request, url) as response:
                if response.status_code not in _REDIRECTS:
                    return await self._answer(request, response)
                url = _led_to(request.url, url, response.headers.get("location", ""))
            if str(url) in seen:
                raise FetchFailed(FetchFault.REDIRECTS, request.url, "its redirects lead in a circle")
            if len(seen) > self._limits.redirects:
                why = f"it is redirected more than {self._limits.redirects} times"
                raise FetchFailed(FetchFault.REDIRECTS, request.url, why)

    @asynccontextmanager
    async def _asked(self, request: ListRequest, url: httpx.URL) -> AsyncIterator[httpx.Response]:
        """Ask one server; within the block its answer can be read."""
        context = await self._context(request.roots) if url.scheme == "https" else self._plain
        async with self._beginning:
            if not self._warm:
                await self._away(_warm_up)
                self._warm = True
            await asyncio.sleep(0)
        pause = self._limits.pause.total_seconds()
        timeout = httpx.Timeout(pause, connect=self._limits.connect.total_seconds())
        headers = {
            "Accept": "application/pkix-crl, */*",
            "Accept-Encoding": ACCEPTED,
            "User-Agent": "peerkey",
        }
        if request.validators.etag:
            headers["If-None-Match"] = request.validators.etag
        if request.validators.last_modified:
            headers["If-Modified-Since"] = request.validators.last_modified
        try:
            async with (
                httpx.AsyncClient(
                    verify=context, trust_env=False, timeout=timeout, headers=headers
                ) as client,
                client.stream("GET", url) as response,
            ):
                yield response
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, ValueError) as error:
            raise FetchFailed(*explained(request.url, url, error)) from error

    async def _answer(self, request: ListRequest, response: httpx.Response) -> ListFetched | ListUnchanged:
        """Read what was answered."""
        url, status = request.url, response.status_code
        if status == _NOT_MODIFIED and request.validators:
            return ListUnchanged()
        if status != _OK:
            raise FetchFailed(FetchFault.STATUS, url, f"the server answers {status}")
        content = await self._body(url, response)
        headers = response.headers
        return ListFetched(
            content, Validators(_validator(headers.get("etag")), _validator(headers.get("last-modified")))
        )

    async def _body(self, url: str, response: httpx.Response) -> bytes:
        """Read the list itself, as quickly as it must come and as large as it may be."""
        limits, loop = self._limits, asyncio.get_running_loop()
        encoding = response.headers.get("content-encoding", "")
        unpack = unpacker(encoding)
        if unpack is None:
            raise FetchFailed(FetchFault.ENCODING, url, "it is packed otherwise than was asked for")
        too_large = FetchFailed(FetchFault.SIZE, url, f"it is larger than {limits.list_bytes} bytes")
        announced = response.headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > limits.list_bytes:
            raise too_large
        content = BytesIO()
        window = limits.window.total_seconds()
        begun, came = loop.time(), 0
        try:
            async for raw in response.aiter_raw():
                came += len(raw)
                for piece in unpack.take(raw):
                    if content.tell() + len(piece) > limits.list_bytes:
                        raise too_large
                    if self._under_way + len(piece) > MAXIMUM_BYTES_UNDER_WAY:
                        why = "too much is being fetched at this moment"
                        raise FetchFailed(FetchFault.BUSY, url, why)
                    self._under_way += len(piece)
                    content.write(piece)
                    # A small piece may unpack to many large ones: others have their turn between.
                    await asyncio.sleep(0)
                if loop.time() - begun >= window:
                    if came < limits.window_bytes:
                        why = f"it comes too slowly: {came} bytes in {window:g} s"
                        raise FetchFailed(FetchFault.SLOW, url, why)
                    begun, came = loop.time(), 0
        except Unpackable as error:
            raise FetchFailed(FetchFault.ENCODING, url, "it cannot be unpacked") from error
        finally:
            self._under_way -= content.tell()
        if not unpack.complete:
            raise FetchFailed(FetchFault.TRUNCATED, url, "the answer ends before the list does")
        # Without a copy: nobody else has what is in it.
        return content.getvalue()

    async def _context(self, roots: tuple[bytes, ...]) -> ssl.SSLContext:
        """Return what checks servers against the machine's authorities and these."""
        context = self._contexts.get(roots)
        if context is None:
            context = await self._away(_trusting, roots)
            self._contexts[roots] = context
            if len(self._contexts) > _CONTEXTS:
                self._contexts.popitem(last=False)
        return context

    async def _away(self, function: Callable[..., T], *args: object) -> T:
        """Return what a function returns that waits for a disk, which may be far and may never answer."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)


def _warm_up() -> None:
    """Let httpx import on this thread, for 0.1 s, what it would import with the first request."""
    httpx.AsyncClient(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), trust_env=False)
    anyio.run(anyio.sleep, 0)


def _trusting(roots: tuple[bytes, ...]) -> ssl.SSLContext:
    """Make a context; it takes some tens of milliseconds."""
    context = ssl.create_default_context()
    if roots:
        context.load_verify_locations(cadata=b"".join(roots))
    return context


def _led_to(original: str, url: httpx.URL, location: str) -> httpx.URL:
    """Return where an answer leads.

    Raises:
        FetchFailed: to nowhere, or to where it must not.

    """
    nowhere = FetchFailed(FetchFault.REDIRECTS, original, "it is redirected to nowhere")
    try:
        target = url.join(location)
    except (httpx.InvalidURL, ValueError):
        raise nowhere from None
    if target.scheme not in {"http", "https"} or target.userinfo:
        raise FetchFailed(
            FetchFault.FORBIDDEN, original, "it is redirected to what is not plain HTTP or HTTPS"
        )
    if not location or not target.host:
        raise nowhere
    if url.scheme == "https" and target.scheme != "https":
        raise FetchFailed(FetchFault.FORBIDDEN, original, "it is redirected from HTTPS to HTTP")
    return target.copy_with(fragment=None)


def _validator(value: str | None) -> str:
    """Return what a server gave to be given back, unless it is more than can be kept."""
    return value if value and len(value) <= _MAXIMUM_VALIDATOR and value.isascii() else ""


def _read(request: ListRequest, limit: int) -> ListFetched | ListUnchanged:
    """Read a list from a file of this machine.

    Raises:
        FetchFailed: there is no such file, or it cannot be read.

    """
    parts = urlsplit(request.url)
    path = unquote(parts.path)
    try:
        if parts.netloc not in {"", "localhost"} or "\0" in path or not path.startswith("/"):
            raise FetchFailed(FetchFault.FILE, request.url, "names no file of this machine: file:///path")
        # A pipe that nobody writes to would never be opened otherwise.
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123
            state = os.fstat(file.fileno())
            if not stat.S_ISREG(state.st_mode):
                raise FetchFailed(FetchFault.FILE, request.url, "is not a file")
            found = Validators(etag=f"{state.st_mtime_ns}-{state.st_size}-{state.st_ino}")
            if found == request.validators:
                return ListUnchanged()
            content = read_in_pieces(file, limit + 1)
    except OSError as error:
        why = f"cannot be read: {error.strerror}"
        raise FetchFailed(FetchFault.FILE, request.url, why) from error
    if len(content) > limit:
        raise FetchFailed(FetchFault.SIZE, request.url, f"it is larger than {limit} bytes")
    return ListFetched(content, found)


def roots_of(certificates: tuple[x509.Certificate, ...]) -> tuple[bytes, ...]:
    """Return certificates as a request takes them, the same order for the same ones."""
    return tuple(sorted(each.public_bytes(Encoding.DER) for each in certificates))
