"""A server on the loopback that answers as no server should: cut off, drop by drop, packed a thousandfold.

async with RudeServer() as server:
    server.answers["/list"] = truncated(b"...")
    fetch(server.url("/list"))
"""

from __future__ import annotations

import asyncio
import gzip
from collections import Counter
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]

_OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"


class RudeServer:
    """Answers each path as it was told to, and counts the requests."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: Counter[str] = Counter()
        #: The head of each request, in order.
        self.heads: list[str] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._tasks: set[asyncio.Task[None]] = set()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._answer(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            path = head.split(" ")[1]
            self.asked[path] += 1
            self.heads.append(head)
            await self.answers[path](writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # The other side has had enough.
        finally:
            writer.close()


def whole(content: bytes, *headers: str, status: str = "200 OK") -> Answer:
    """Answer as it should be."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", "Connection: close", *headers]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + content)

    return answer


def truncated(content: bytes) -> Answer:
    """End before the announced end."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(_OK + f"Content-Length: {2 * len(content)}\r\n\r\n".encode() + content)

    return answer


def truncated_in_packing(content: bytes) -> Answer:
    """End in the midst of what is packed, which the length does not show."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        packed = gzip.compress(content)[:-4]
        writer.write(
            _OK + f"Content-Length: {len(packed)}\r\nContent-Encoding: gzip\r\n\r\n".encode() + packed
        )

    return answer


def dripping(every: float) -> Answer:
    """Send a byte now and then, for ever."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(_OK + b"Content-Length: 100000\r\n\r\n")
        while True:
            writer.write(b"0")
            await writer.drain()
            await asyncio.sleep(every)

    return answer


def dripping_head(every: float) -> Answer:
    """Never come to the end of the headers."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(_OK + b"X-Slow: ")
        while True:
            writer.write(b"0")
            await writer.drain()
            await asyncio.sleep(every)

    return answer


def silent() -> Answer:
    """Take the request and say nothing."""

    async def answer(_: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    return answer


def bomb(unpacked: int) -> Answer:
    """Send a thousandth of what it unpacks to."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        packed = gzip.compress(bytes(unpacked), 9)
        writer.write(
            _OK + f"Content-Length: {len(packed)}\r\nContent-Encoding: gzip\r\n\r\n".encode() + packed
        )

    return answer


def endless() -> Answer:
    """Send zeros for ever, without saying how many."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(_OK + b"\r\n")
        while True:
            writer.write(bytes(65536))
            await writer.drain()

    return answer


def nonsense() -> Answer:
    """Speak another protocol."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")

    return answer
