"""Is this certificate good, and is the audit log as it was written? Questions that cost, and change nothing.

They have a thread of their own, so that whoever asks holds up nobody but others who do; and few may wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Query, Response

from peerkey.observe.audit_chain import Head
from peerkey_cli import schemas
from peerkey_cli.api.denied import Denied
from peerkey_cli.api.problems import problems
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


class Bench:
    """Answers such questions, one after the other."""

    def __init__(self, thread: Threads) -> None:
        """Answer on this thread."""
        self._thread = thread
        self._waiting = 0

    async def answered(self, work: Callable[[], Document]) -> Response:
        """Return a document as an answer.

        :raises Denied: too many wait.
        """
        if self._waiting >= MAXIMUM_WAITING:
            raise Denied(503, "too many questions of this kind wait already", {"Retry-After": "5"})
        self._waiting += 1
        loop = asyncio.get_running_loop()
        done = loop.run_in_executor(self._thread, lambda: work().model_dump_json())
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
