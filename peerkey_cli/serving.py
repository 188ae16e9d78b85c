"""Serving an ASGI application on a socket, within the event loop of the system that it is about."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Final

import uvicorn

if TYPE_CHECKING:
    from fastapi import FastAPI

#: Operators, their scripts and a dashboard. More than this are told to come again (503).
MAXIMUM_CONNECTIONS: Final = 64
#: How long requests under way may still take when the system stops.
_END_WITHIN_SECONDS: Final = 2


class _Server(uvicorn.Server):
    """A server that leaves signals to the process it is a part of, and tells when it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answers = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self.answers.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@contextlib.asynccontextmanager
async def served(app: FastAPI, listener: socket.socket) -> AsyncIterator[None]:
    """Answer the connections of ``listener`` while the block lasts; then finish what is under way."""
    server = _Server(
        uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=MAXIMUM_CONNECTIONS,
            timeout_graceful_shutdown=_END_WITHIN_SECONDS,
        )
    )
    serve = asyncio.create_task(server.serve(sockets=[listener]), name="serve")
    begun = asyncio.create_task(server.answers.wait(), name="serving begins")
    try:
        await asyncio.wait({begun, serve}, return_when=asyncio.FIRST_COMPLETED)
        if serve.done():
            serve.result()
        yield
    finally:
        begun.cancel()
        server.should_exit = True
        await asyncio.gather(serve, return_exceptions=True)
