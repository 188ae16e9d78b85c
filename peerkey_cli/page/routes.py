"""``GET /`` of the admin API: the status page.

However many look at it, it is made once in two seconds at most, and never more than a tenth of the time is
spent on making it: a page of a very large fleet is made less often. It is made on a thread of the API.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Response

from peerkey_cli.page.observed import observed

if TYPE_CHECKING:
    from peerkey_cli.alarm_times import AlarmTimes
    from peerkey_cli.fleet import Fleet
    from peerkey_cli.page.html import Page
    from runtime.threads import Threads

#: For how long a page that was made is good enough.
KEPT_FOR: Final = timedelta(seconds=2)
#: At least this many times as long as it took to make.
KEPT_TIMES: Final = 9


class KeptPage:
    """The page that was made last, and when the next one may be."""

    def __init__(self, make: Callable[[], Awaitable[Page]], clock: Callable[[], float]) -> None:
        """Have ``make`` make pages; ``clock`` returns seconds that never go back."""
        self._make = make
        self._clock = clock
        self._page: Page | None = None
        self._good_until = 0.0
        self._turn = asyncio.Lock()

    async def page(self) -> Page:
        """Return a page that is new enough. Those who ask at one time share one."""
        async with self._turn:
            begun = self._clock()
            if self._page is None or begun >= self._good_until:
                self._page = await self._make()
                ended = self._clock()
                self._good_until = ended + max(KEPT_FOR.total_seconds(), KEPT_TIMES * (ended - begun))
            return self._page


def page_routes(fleet: Fleet, times: AlarmTimes, threads: Threads) -> APIRouter:
    """Return what answers ``GET /``. It is for eyes, and so in no description of the API."""
    router = APIRouter(include_in_schema=False)

    async def make() -> Page:
        # Most systems are never asked for it, and need neither the templates nor their library.
        from peerkey_cli.page.html import page
        from peerkey_cli.page.view import view_of

        found = await observed(fleet, times)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(threads, lambda: page(view_of(found)))

    kept = KeptPage(make, lambda: asyncio.get_running_loop().time())

    @router.api_route("/", methods=["GET", "HEAD"])
    async def status_page() -> Response:
        """Return the status page."""
        made = await kept.page()
        return Response(made.content, made.status, dict(made.headers))

    return router
