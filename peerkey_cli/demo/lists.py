"""The server of the demonstration's revocation list: one list, over HTTP, on a port of the loopback address.

::

    with ListServer() as server:
        server.publish(content)     # what whoever asks for server.url gets from now on

It is the standard library's server on a thread of its own. It answers GET for one path, waits for nobody
longer than :data:`_PATIENCE_SECONDS`, and is gone, with its socket and its thread, when the block ends.
"""

from __future__ import annotations

from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from types import TracebackType

_ADDRESS: Final = "127.0.0.1"
_PATH: Final = "/demonstration.crl"
#: Whoever connects and says nothing is let go after this. One at a time is served: one process asks.
_PATIENCE_SECONDS: Final = 5.0
#: How often the server looks whether it should end: the demonstration waits for it.
_LOOK_SECONDS: Final = 0.05


class _Server(HTTPServer):
    """Has the list that is served."""

    content = b""


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    timeout = _PATIENCE_SECONDS
    server: _Server

    def do_GET(self) -> None:
        """Give the list to whoever asks for it."""
        content = self.server.content
        if self.path != _PATH or not content:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/pkix-crl")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the library's name
        """Say nothing: the demonstration tells what matters."""


class ListServer:
    """See the module."""

    def __init__(self) -> None:
        """Take a port; nothing is served yet."""
        self._server = _Server((_ADDRESS, 0), _Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(_LOOK_SECONDS,), daemon=True)
        self.url: Final = f"http://{_ADDRESS}:{self._server.server_port}{_PATH}"

    def __enter__(self) -> Self:
        """Begin to serve."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the server and its thread."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def publish(self, content: bytes) -> None:
        """Serve this list, in DER, from now on."""
        self._server.content = content
