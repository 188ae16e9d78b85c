"""Work on the executor that waits for its turn: a full executor delays, it does not crash.

The executor's bound protects the process from an endless queue. For a node that has something to
compute it means "not yet": a thousand peers that start to agree keys at one moment are no fault of any.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from runtime.errors import LimitReached

if TYPE_CHECKING:
    from runtime.actor import Context

T = TypeVar("T")

#: How long to wait before a full executor is asked again, in seconds: a few heavy steps.
_PAUSE_SECONDS: Final = 0.05


async def computed(ctx: Context, function: Callable[..., T], *args: object) -> T:
    """Return ``function(*args)``, computed on the executor as soon as it takes the work.

    Await it in ``started``, or give it to ``ctx.pipe``. Raises whatever ``function`` raises.
    """
    while True:
        try:
            return await ctx.execute(function, *args)
        except LimitReached:
            await asyncio.sleep(_PAUSE_SECONDS)
