"""Serving an ASGI application on a socket, within the event loop of the system that it is about."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from peerkey_cli.doorkeeper import Doorkeeper
from peerkey_cli.http_protocol import MAXIMUM_HEADER_BYTES, PatientProtocol

if TYPE_CHECKING:
    import ssl

#: Operators, their scripts and a dashboard. More than this are told to come again (503).
MAXIMUM_CONNECTIONS: Final = 64
#: How long requests under way may still take when the system stops.
_END_WITHIN_SECONDS: Final = 2


class _Server(uvicorn.Server):
    """A server that leaves signals to the process it is a part of, and tells when it answers."""

    def __init__(
        self, config: uvicorn.Config, listener: socket.socket, tls: Callable[[], ssl.SSLContext] | None
    ) -> None:
        super().__init__(config)
        self.answers = asyncio.Event()
        self._doorkeeper = Doorkeeper(listener, self._protocol, tls)
        self._accepting: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - uvicorn's
        """Begin to answer."""
        await self.lifespan.startup()
        # Ours accepts in their place.
        self.servers: list[asyncio.base_events.Server] = []
        self._accepting = asyncio.create_task(self._doorkeeper.work(), name="doorkeeper")
        self.started = True
        self.answers.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nobody else, finish what is under way, and cut off the rest."""
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
        await super().shutdown(sockets)
        await self._doorkeeper.end()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    def _protocol(self) -> PatientProtocol:
        return PatientProtocol(self.config, self.server_state, self.lifespan.state)


@contextlib.asynccontextmanager
async def served(
    app: Any,  # noqa: ANN401 - an ASGI application, which uvicorn and starlette each type in their own way
    listener: socket.socket,
    tls: Callable[[], ssl.SSLContext] | None = None,
) -> AsyncIterator[None]:
    """Answer the connections of ``listener`` while the block lasts; then finish what is under way.

    ``tls`` returns what the next connection is made with.
    """
    config = uvicorn.Config(
        app,
        lifespan="off",
        http=PatientProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MAXIMUM_CONNECTIONS,
        h11_max_incomplete_event_size=MAXIMUM_HEADER_BYTES,
        timeout_graceful_shutdown=_END_WITHIN_SECONDS,
    )
    server = _Server(config, listener, tls)
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
