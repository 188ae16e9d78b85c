"""HTTP/1.1 of one connection, with an end to every waiting: uvicorn's protocol, and the clocks that it lacks.

uvicorn ends a connection that is idle after an answer. Here one also ends that does not come to the end of
its headers, or does not take what it is sent: whoever is slow costs one connection for some seconds, and no
memory that grows. How long a body may take is the application's matter.

Reading costs time, too, and it is the time of the actors. What comes at once is read in pieces, so that the
bounds hold within it, and a body has so many pieces at most: one of single bytes costs a hundred times what
it says.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

#: From the connection, or the first byte of a request, to the end of its headers. A slow line needs one.
HEADERS_WITHIN_SECONDS: Final = 10.0
#: For how long a client may leave what it is sent where it is: some 64 KiB, and the buffers of the kernel.
TAKEN_WITHIN_SECONDS: Final = 15.0
#: A request line and headers: a token has fifty bytes, a long path five hundred.
MAXIMUM_HEADER_BYTES: Final = 16 * 1024


#: Small ones, of a body. A client that sends chunks has some kilobytes in each; what is whole is not counted,
#: so that whoever sends too much is told that, and not that it is no HTTP.
MAXIMUM_PIECES: Final = 1_024
#: Of what a connection gives at once, which may be sixteen times as much as headers may have.
_PIECE_BYTES: Final = 4 * 1024


class _Counting(h11.Connection):
    """Counts the pieces of each body."""

    def __init__(self) -> None:
        super().__init__(h11.SERVER, MAXIMUM_HEADER_BYTES)
        self._pieces = 0

    def next_event(self) -> Any:  # noqa: ANN401 - h11's own
        """Return what is next.

        :raises RemoteProtocolError: what comes is no HTTP, or is in too many pieces.
        """
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._pieces = 0
        elif isinstance(event, h11.Data) and len(event.data) < _PIECE_BYTES:
            self._pieces += 1
            if self._pieces > MAXIMUM_PIECES:
                message = f"a body has at most {MAXIMUM_PIECES} pieces"
                raise h11.RemoteProtocolError(message, 400)
        return event


class PatientProtocol(H11Protocol):
    """One connection. :attr:`closed` is set when it is gone."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """As uvicorn makes it."""
        super().__init__(config, server_state, app_state, _loop)
        self.conn = _Counting()
        self.closed = asyncio.Event()
        self._reading: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._watch_headers()

    def data_received(self, data: bytes) -> None:
        """Take what the client has sent."""
        for start in range(0, len(data), _PIECE_BYTES):
            if self.transport.is_closing():
                break
            super().data_received(data[start : start + _PIECE_BYTES])
        self._watch_headers()

    def pause_writing(self) -> None:
        """Wait until the client has taken what it was sent, but not for ever."""
        super().pause_writing()
        if self._writing is None:
            self._writing = self.loop.call_later(TAKEN_WITHIN_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on writing."""
        super().resume_writing()
        _cancel(self._writing)
        self._writing = None

    def on_response_complete(self) -> None:
        """End the connection, or wait for the next request."""
        super().on_response_complete()
        self._end_if_closing()

    def timeout_keep_alive_handler(self) -> None:
        """End a connection that nobody uses."""
        super().timeout_keep_alive_handler()
        self._end_if_closing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget everything about it."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        _cancel(self._reading)
        _cancel(self._writing)
        self.closed.set()

    def _watch_headers(self) -> None:
        """Set the clock where headers are waited for, and take it away where they have come."""
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            if self._reading is None:
                self._reading = self.loop.call_later(HEADERS_WITHIN_SECONDS, self.transport.abort)
            return
        _cancel(self._reading)
        self._reading = None
        self._end_if_closing()

    def _end_if_closing(self) -> None:
        """Closing writes what is left first, which a client may refuse to take."""
        if self.transport.is_closing():
            self.loop.call_later(TAKEN_WITHIN_SECONDS, self.transport.abort)


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
