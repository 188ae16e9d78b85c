"""Where errands about keys and certificates are done: on one thread, one after the other, whatever they cost.

The actors go on meanwhile. What is asked is refused where too many wait, and what does not come to its end in
time is told of as such: it may still be done later, for a device cannot be interrupted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeVar

from peerkey.errors import PeerkeyError, Unavailable
from peerkey_cli.enrollments import Enrollments
from peerkey_cli.errands import ENROLLING, Errand, performed
from runtime.errors import RuntimeFault
from runtime.threads import Threads

if TYPE_CHECKING:
    from types import TracebackType

    from peerkey.observe.events import Event
    from peerkey_cli.custody import Custody
    from peerkey_cli.schemas import Document

D = TypeVar("D", bound="Document")
T = TypeVar("T")

#: An RSA key of 4096 bits on a slow machine, with some before it. A device that hangs is told of then.
DONE_WITHIN: Final = timedelta(seconds=60)
#: Whoever comes while so many wait is told to come again.
MAXIMUM_WAITING: Final = 8
#: For an event to be written.
_RECORDED_WITHIN_SECONDS: Final = 10.0


class TooManyWait(Unavailable):
    """There are as many requests about keys as there may be."""


class Desk(Protocol):
    """Whoever has errands done."""

    async def done(self, errand: Errand, kind: type[D]) -> D:
        """Have it done; return the answer, which is of this kind.

        :raises PeerkeyError: it cannot be done, or not now.
        :raises RuntimeFault: nobody answers where it would be done.
        """
        ...


class LocalDesk:
    """See :class:`Desk`: with the files and devices of this machine."""

    def __init__(
        self,
        custody: Custody,
        record: Callable[[str, Event], Awaitable[datetime]],
        reread: Callable[[], Awaitable[object]],
    ) -> None:
        """Act through ``custody``, ``record`` what was done, and have the nodes ``reread`` what they use."""
        self._custody = custody
        self._record = record
        self._reread = reread
        self._thread = Threads("custody", 1)
        self._waiting = 0
        self._enrollments = Enrollments(custody, self._on_thread, record, self._read_again)

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give up what enrolls, and what has not begun."""
        await self._enrollments.end()
        self._thread.shutdown()

    async def done(self, errand: Errand, kind: type[D]) -> D:
        """See :class:`Desk`."""
        if errand.what in ENROLLING:
            return _of(kind, await self._enrollments.answered(errand))
        loop = asyncio.get_running_loop()

        def record(name: str, event: Event) -> datetime:
            async def recorded() -> datetime:
                return await self._record(name, event)

            told = asyncio.run_coroutine_threadsafe(recorded(), loop)
            return told.result(_RECORDED_WITHIN_SECONDS)

        document, used = await self._on_thread(lambda: performed(self._custody, errand, record))
        if "reloaded" in type(document).model_fields:
            document = document.model_copy(update={"reloaded": used and await self._read_again()})
        return _of(kind, document)

    async def _on_thread(self, work: Callable[[], T]) -> T:
        """Return what ``work`` returns.

        :raises TooManyWait: too many wait.
        :raises Unavailable: it has not come to its end in time.
        """
        if self._waiting >= MAXIMUM_WAITING:
            message = "too many requests about keys wait already"
            raise TooManyWait(message)
        self._waiting += 1
        done = asyncio.get_running_loop().run_in_executor(self._thread, work)
        done.add_done_callback(self._leave)
        try:
            async with asyncio.timeout(DONE_WITHIN.total_seconds()):
                return await asyncio.shield(done)
        except TimeoutError:
            message = f"not done within {DONE_WITHIN.total_seconds():g} s; it may still be done later"
            raise Unavailable(message) from None

    async def _read_again(self) -> bool:
        """Have the nodes read what was changed; return whether they have."""
        try:
            await self._reread()
        except (PeerkeyError, RuntimeFault):
            return False
        return True

    def _leave(self, done: asyncio.Future[Any]) -> None:
        self._waiting -= 1
        if not done.cancelled():
            # Where nobody waits any more, nobody else would look at it.
            done.exception()


def _of(kind: type[D], document: Document) -> D:
    if not isinstance(document, kind):
        message = f"an errand ends with {kind.__name__}, not with {type(document).__name__}"
        raise TypeError(message)
    return document
