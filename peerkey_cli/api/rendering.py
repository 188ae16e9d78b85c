"""Documents as answers, made where they hold nobody up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from fastapi import Response

if TYPE_CHECKING:
    from peerkey_cli.schemas import Document
    from runtime.threads import Threads


class Renderer:
    """Makes documents on threads."""

    def __init__(self, threads: Threads) -> None:
        """Make them on these."""
        self._threads = threads

    async def rendered(self, make: Callable[[], Document]) -> Response:
        """Return a document as an answer.

        It is made, and turned into text, on a thread: the certificates of a large fleet take longer than the
        actors, who have the loop, may wait.
        """
        loop = asyncio.get_running_loop()
        text = await loop.run_in_executor(self._threads, lambda: make().model_dump_json())
        return Response(text, media_type="application/json")
