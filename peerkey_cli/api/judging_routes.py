"""Is this certificate good, and is the audit log as it was written? Questions that cost, and change nothing.

They have a thread of their own, so that whoever asks holds up nobody but others who do; and few may wait. But
threads take the interpreter from the actors, so that all of it together has a share of the time and no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Query, Response

from peerkey.observe.audit_chain import Head
from peerkey_cli import schemas
from peerkey_cli.api.denied import Denied
from peerkey_cli.api.problems import problems
from peerkey_cli.api.rates import retry_after
from peerkey_cli.api.requests import Question
from peerkey_cli.chain_verification import logs_of, verified
from peerkey_cli.verification import answered_of

if TYPE_CHECKING:
    from pathlib import Path

    from peerkey_cli.fleet import Fleet
    from peerkey_cli.schemas import Document
    from runtime.threads import Threads

#: A chain of RSA keys takes some milliseconds, an audit log of a year some seconds.
MAXIMUM_WAITING: Final = 4
#: How long they may take at once, in seconds, and how much of the time in the long run.
AT_ONCE_SECONDS: Final = 5.0
SHARE: Final = 0.1


class Spent:
    """What was spent of a share of the time. Pure; ``now`` is in seconds, and monotonic."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._seconds = 0.0
        self._at = 0.0

    def take(self, seconds: float, now: float) -> None:
        """Count what was spent."""
        self._seconds = self._left(now) + seconds
        self._at = now

    def wait(self, now: float) -> float:
        """Return after how many seconds more may be spent; 0 for now."""
        return max(0.0, self._left(now) - AT_ONCE_SECONDS) / SHARE

    def _left(self, now: float) -> float:
        return max(0.0, self._seconds - (now - self._at) * SHARE)


class Bench:
    """Answers such questions, one after the other."""

    def __init__(self, thread: Threads) -> None:
        """Answer on this thread."""
        self._thread = thread
        self._waiting = 0
        self._spent = Spent()

    async def answered(self, work: Callable[[], Document]) -> Response:
        """Return a document as an answer.

        :raises Denied: too many wait, or too much was asked lately.
        """
        if self._waiting >= MAXIMUM_WAITING:
            raise Denied(503, "too many questions of this kind wait already", {"Retry-After": "5"})
        loop = asyncio.get_running_loop()
        wait = self._spent.wait(loop.time())
        if wait:
            later = {"Retry-After": retry_after(timedelta(seconds=wait))}
            raise Denied(503, "too much of this kind was asked lately", later)
        self._waiting += 1

        def timed() -> str:
            began = loop.time()
            try:
                return work().model_dump_json()
            finally:
                loop.call_soon_threadsafe(self._spent.take, loop.time() - began, loop.time())

        done = loop.run_in_executor(self._thread, timed)
        done.add_done_callback(self._leave)
        # Whoever does not wait for it keeps its place all the same: the thread is not free before.
        return Response(await asyncio.shield(done), media_type="application/json")

    def _leave(self, done: asyncio.Future[str]) -> None:
        self._waiting -= 1
        if not done.cancelled():
            done.exception()


def judging_routes(fleet: Fleet, thread: Threads, state: Path | None) -> APIRouter:
    """Return the questions; the audit logs are those of the state directory ``state``."""
    router = APIRouter(responses=problems())
    bench = Bench(thread)

    @router.post("/pki/verify", response_model=schemas.Verified)
    async def verify(question: Question) -> Response:
        """Say whether a certificate is good, by the rules by which routers judge their peers.

        It changes nothing: the role `read` is enough.
        """
        now = fleet.now()
        return await bench.answered(lambda: answered_of(question, now))

    @router.get("/events/verify", responses=problems(404), response_model=schemas.AuditVerified)
    async def verify_events(
        head: Annotated[
            str | None,
            Query(
                pattern="^[0-9]{1,18}:[0-9a-f]{64}$",
                description="A head noted earlier, `SEQUENCE:HASH`: the log must lead to it or beyond it.",
            ),
        ] = None,
    ) -> Response:
        """Check that no line of the audit logs of this machine was changed, removed, inserted or moved."""
        noted = None if head is None else Head.of_text(head)
        return await bench.answered(lambda: verified(logs_of(None, state), noted))

    return router
