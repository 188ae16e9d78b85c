"""What happened in a run: a digest of all of it, and the last of it in words.

The digest is over every datagram, every write that became durable, every fault, every audit event and every
death and return of an actor, with the virtual instant of each. Two runs are the same run exactly when their
digests are equal. What only explains (a log line, a traceback) is shown and not digested: it may name files.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

    from peerkey.observe.events import Event

#: Takes an audit event: virtual seconds, the node, the event.
OnEvent: TypeAlias = "Callable[[float, str, Event], object]"

#: Lines that are remembered.
REMEMBERED: Final = 4_000
_DIGEST_BYTES: Final = 16
_CONTENT_BYTES: Final = 6


class Trace:
    """See the module."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._hash = hashlib.blake2b(digest_size=_DIGEST_BYTES)
        self._lines: deque[tuple[float, str, str, str]] = deque(maxlen=REMEMBERED)
        self._loop = asyncio.get_running_loop()
        self.count = 0
        #: Is told of each audit event with its virtual instant; it changes nothing of the run.
        self.on_event: OnEvent | None = None

    @property
    def digest(self) -> str:
        """What names everything that has happened so far."""
        return self._hash.hexdigest()

    def note(self, kind: str, who: str, what: str) -> None:
        """Take note of something that happened."""
        now = self._loop.time()
        self.count += 1
        self._hash.update(f"{now!r} {kind} {who} {what}\n".encode())
        self._lines.append((now, kind, who, what))

    def explain(self, who: str, what: str) -> None:
        """Take note of what explains, and may differ between two machines that run the same."""
        self._lines.append((self._loop.time(), "log", who, what))

    def event(self, node: str, event: Event) -> None:
        """Take note of an audit event."""
        self.note("event", node, f"{event.TYPE}: {event.description()}")
        if self.on_event is not None:
            self.on_event(self._loop.time(), node, event)

    def datagram(self, source: str, destination: str, data: bytes) -> None:
        """Take note of a datagram, by a hash of it."""
        content = hashlib.blake2b(data, digest_size=_CONTENT_BYTES).hexdigest()
        self.note("datagram", source, f"to {destination}: {len(data)} bytes {content}")

    def latest(self, *words: str, most: int) -> list[str]:
        """Return the last lines, of those that speak of any of ``words`` where some are given."""
        chosen = [
            f"{now:14.6f}  {kind:<9} {who}: {what}"
            for now, kind, who, what in self._lines
            if not words or any(word in who or word in what for word in words)
        ]
        return chosen[-most:]

    def logger(self, who: str) -> FilteringBoundLogger:
        """Return a logger whose warnings and errors are explained here."""

        def explained(_logger: WrappedLogger, method: str, event: EventDict) -> str:
            details = " ".join(f"{key}={value}" for key, value in event.items() if key != "event")
            self.explain(who, f"{method}: {event.get('event')} {details}")
            raise structlog.DropEvent

        wrapped: Any = structlog.wrap_logger(
            None,
            processors=[explained],
            wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
            cache_logger_on_first_use=True,
        )
        logger: FilteringBoundLogger = wrapped.bind()
        return logger
