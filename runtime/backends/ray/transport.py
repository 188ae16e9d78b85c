"""Batches as calls of Ray actors.

A call returns when the host has handled the batch on its loop. Ray repeats nothing
(``max_task_retries=0``): a call that failed may have been handled, and the link sends its batch again under
the same number. A host that is being restarted fails calls within a second or so; one that is frozen fails
none, and the link gives them up.

Ray's futures live on threads of Ray's, and are awaited here without being cancelled: one that nobody waits
for any more ends by itself.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from functools import partial
from typing import Any, Final

import ray
import structlog
from ray.exceptions import RayError

from runtime.cluster.transport import Inbox
from runtime.crash import describe, say
from runtime.errors import HostUnreachable

#: The group of an actor's methods that one thread of its own runs: batches wait for nothing but batches.
DELIVERIES: Final = "deliveries"
#: And what a host says of itself waits for nothing but the same.
QUESTIONS: Final = "questions"
#: How the names of hosts begin among those of Ray's actors.
_HOST: Final = "host."
#: A host handles a batch within so many seconds, or its loop is stuck.
_HANDLED_WITHIN: Final = 30.0

_log = structlog.get_logger("runtime")


def actor_name(host: str) -> str:
    """Return the name of a host among Ray's actors."""
    return f"{_HOST}{host}"


def host_name(actor: str) -> str | None:
    """Return the host of that name among Ray's actors; ``None`` for any other actor."""
    return actor.removeprefix(_HOST) if actor.startswith(_HOST) else None


class RayTransport:
    """The transport of one process."""

    def __init__(self, host: str, incarnation: int, namespace: str, loop: asyncio.AbstractEventLoop) -> None:
        """Be process number ``incarnation`` of ``host``, whose loop runs on another thread than Ray's."""
        self.host = host
        self.incarnation = incarnation
        self._namespace = namespace
        self._loop = loop
        self._inbox: Inbox | None = None
        self._deliveries: dict[str, Any] = {}
        self._finding: dict[str, asyncio.Future[Any]] = {}

    def listen(self, inbox: Inbox) -> None:
        """See :meth:`runtime.cluster.transport.Transport.listen`."""
        self._inbox = inbox

    async def send(self, host: str, batch: bytes) -> bool:
        """See :meth:`runtime.cluster.transport.Transport.send`."""
        try:
            if host not in self._deliveries:
                self._deliveries[host] = await self._found(host)
            call = asyncio.wrap_future(self._deliveries[host].remote(batch).future())
            call.add_done_callback(_seen)
            return bool(await asyncio.shield(call))
        except (RayError, ValueError) as error:
            # Its actor may have been replaced by another one of its name.
            self._deliveries.pop(host, None)
            raise HostUnreachable(host, type(error).__name__) from error

    async def close(self) -> None:
        """See :meth:`runtime.cluster.transport.Transport.close`."""
        self._inbox = None

    def deliver(self, batch: bytes) -> bool:
        """Hand over a batch that has arrived on another thread; return what the inbox said."""
        taken: concurrent.futures.Future[bool] = concurrent.futures.Future()
        self._loop.call_soon_threadsafe(self._hand_over, batch, taken)
        return taken.result(_HANDLED_WITHIN)

    def _hand_over(self, batch: bytes, taken: concurrent.futures.Future[bool]) -> None:
        try:
            handled = self._inbox is not None and self._inbox(batch)
        except Exception as error:  # noqa: BLE001 - every other batch waits for the thread that waits for this
            say(_log.error, "a batch was not handled", traceback=describe(error))
            taken.set_exception(error)
        else:
            taken.set_result(handled)

    async def _found(self, host: str) -> Any:  # noqa: ANN401 - see below
        """Look a host up, on a thread, once at a time: Ray may take long while its head is away."""
        finding = self._finding.get(host)
        if finding is None:
            finding = self._finding[host] = self._loop.run_in_executor(None, self._find, host)
            finding.add_done_callback(partial(self._looked_up, host))
        return await asyncio.shield(finding)

    def _looked_up(self, host: str, finding: asyncio.Future[Any]) -> None:
        del self._finding[host]
        _seen(finding)

    def _find(self, host: str) -> Any:  # noqa: ANN401 - Ray's methods have no type of their own
        """Ask Ray for the actor of a host, which takes a call.

        :raises ValueError: there is none.
        """
        handle = ray.get_actor(actor_name(host), namespace=self._namespace)
        return handle.deliver.options(concurrency_group=DELIVERIES)


def _seen(call: asyncio.Future[Any]) -> None:
    if not call.cancelled():
        call.exception()  # Whoever sent the batch may have given it up.
