"""Audit events as they happen: server-sent events, which a client that was away can take up again.

Nothing is kept for a client but the number of the last event that it was given. The events are the fleet's,
of which it remembers the latest; the feed numbers them while somebody listens. A client that reads slowly so
falls behind, and holds nothing up: HTTP ends a connection that takes nothing
(:mod:`peerkey_cli.http_protocol`), and what has been forgotten meanwhile is told as a gap.

    id: 19f3c-4711
    data: {"time": …, "type": "key.activated", …}

A number counts for one process: with that of another, the client is told of a gap and given what there is.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final

import structlog
from fastapi.responses import StreamingResponse

from actors.journal import REMEMBERED_EVENTS
from peerkey_cli import documents
from peerkey_cli.api.denied import Denied
from runtime.errors import RuntimeFault

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from actors.journal import Entry
    from peerkey_cli.api.visitors import Visitor
    from peerkey_cli.fleet import Fleet

#: How soon an event is told.
LOOK_EVERY: Final = timedelta(seconds=1)
#: How often a stream says that it is still there: before a proxy, or a firewall, takes it for dead.
STILL_HERE_EVERY: Final = timedelta(seconds=15)
#: How soon a stream ends whose token was taken back.
ASKED_AGAIN_EVERY: Final = timedelta(seconds=1)
#: A stream ends then, and the client comes again: what a proxy or a firewall has forgotten is not waited for.
ENDS_AFTER: Final = timedelta(minutes=10)
#: Streams at one time, and of one visitor.
MAXIMUM_STREAMS: Final = 16
MAXIMUM_OF_ONE_VISITOR: Final = 8
#: Events that are turned into text in one go.
_AT_ONCE: Final = 100
#: What a client waits before it comes again, in milliseconds.
_RETRY: Final = b"retry: 2000\n\n"


class EventFeed:
    """The latest audit events of a fleet, numbered."""

    def __init__(self, fleet: Fleet) -> None:
        """Number the events of ``fleet``."""
        self._fleet = fleet
        self._run = f"{int(fleet.since.timestamp() * 1000):x}"
        self._known: tuple[Entry, ...] = ()
        #: The numbers rise by one, but where events were forgotten before they were seen.
        self._numbered: deque[tuple[int, Entry]] = deque(maxlen=REMEMBERED_EVENTS)
        self._last = 0
        self._listeners: Counter[str] = Counter()
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()
        self._ended = False

    async def work(self) -> None:
        """Look for events while somebody listens, until this is cancelled."""
        log = structlog.get_logger("api")
        while True:
            await asyncio.sleep(LOOK_EVERY.total_seconds())
            if self._listeners:
                try:
                    await self.look()
                except RuntimeFault as fault:
                    log.warning("events were not looked at", reason=str(fault))

    def end(self) -> None:
        """End every stream."""
        self._ended = True
        self._news.set()

    @contextmanager
    def listening(self, visitor: str) -> Iterator[None]:
        """Count a listener while the block lasts.

        :raises Denied: there are too many.
        """
        full = self._listeners.total() >= MAXIMUM_STREAMS
        if full or self._listeners[visitor] >= MAXIMUM_OF_ONE_VISITOR:
            raise Denied(503, "too many streams of events are open", {"Retry-After": "10"})
        self._listeners[visitor] += 1
        try:
            yield
        finally:
            self._listeners[visitor] -= 1
            if not self._listeners[visitor]:
                del self._listeners[visitor]

    async def look(self) -> None:
        """Number what has happened since the last look.

        :raises RuntimeFault: the actors do not answer.
        """
        async with self._turn:
            self._number(await self._fleet.events())

    def _number(self, latest: tuple[Entry, ...]) -> None:
        # The fleet gives the same objects each time, and those that are known are held here.
        known = {id(entry) for entry in self._known}
        fresh = [entry for entry in latest if id(entry) not in known]
        if known and len(fresh) == len(latest):
            self._last += 1
        for entry in fresh:
            self._last += 1
            self._numbered.append((self._last, entry))
        self._known = latest
        if fresh:
            self._news.set()
            self._news = asyncio.Event()

    def numbered(self) -> tuple[tuple[int, Entry], ...]:
        """Return the events that are remembered, with their numbers."""
        return tuple(self._numbered)

    async def stream(
        self, last_event_id: str | None, kind: str | None, counts: Callable[[], bool] = lambda: True
    ) -> AsyncIterator[bytes]:
        """Yield what a client is sent: all that follows an event, or all from the last :meth:`look` on.

        It ends soon after ``counts()`` is false: whoever listens is not let in any more.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + ENDS_AFTER.total_seconds()
        position = self._last if last_event_id is None else self._position(last_event_id)
        yield _RETRY
        quiet_since = loop.time()
        while not self._ended and loop.time() < end and counts():
            news = self._news
            found = list(islice((each for each in self._numbered if each[0] > position), _AT_ONCE))
            for number, entry in found:
                if number != position + 1:
                    yield self._gap(number - 1)
                position = number
                if kind is None or kind == entry.event.TYPE or entry.event.TYPE.startswith(f"{kind}."):
                    yield self._event(number, entry)
            if found:
                quiet_since = loop.time()
                continue
            try:
                async with asyncio.timeout(min(STILL_HERE_EVERY, ASKED_AGAIN_EVERY).total_seconds()):
                    await news.wait()
            except TimeoutError:
                if loop.time() - quiet_since >= STILL_HERE_EVERY.total_seconds():
                    quiet_since = loop.time()
                    yield b": still here\n\n"

    def _position(self, last_event_id: str) -> int:
        """Return the number in an id; one of another process comes before everything that there is."""
        run, _, digits = last_event_id.partition("-")
        number = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < _DIGITS else 0
        return number if self._run == run and number in range(1, self._last + 1) else -1

    def _event(self, number: int, entry: Entry) -> bytes:
        (event,) = documents.events([entry], entry.time).events
        return f"id: {self._run}-{number}\ndata: {event.model_dump_json()}\n\n".encode()

    def _gap(self, number: int) -> bytes:
        data = json.dumps({"error": "events before this one are not remembered; events.jsonl has them"})
        return f"id: {self._run}-{number}\nevent: gap\ndata: {data}\n\n".encode()


#: A number of more digits was never given.
_DIGITS: Final = 18


class EventStream(StreamingResponse):
    """The answer that does not end for a while."""

    media_type = "text/event-stream"

    def __init__(
        self, feed: EventFeed, visitor: Visitor, last_event_id: str | None, kind: str | None
    ) -> None:
        """Send what ``feed`` has for this visitor, for as long as they are let in."""
        super().__init__(feed.stream(last_event_id, kind, visitor.counts))
        self._feed = feed
        self._visitor = visitor.name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it until either end has had enough.

        :raises Denied: there are too many streams.
        :raises RuntimeFault: the actors do not answer.
        """
        with self._feed.listening(self._visitor):
            await self._feed.look()
            await super().__call__(scope, receive, send)
