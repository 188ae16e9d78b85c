"""A call that stands in the queue of a store, and how many may.

Every store that groups calls does it in the same way: calls wait in one bounded queue, what has gathered is
one group, a group is carried out as a whole, and then each of its calls is answered with what became of it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

W = TypeVar("W")

#: Calls that may wait at one time. Ten thousand paths of one host restart at once; no more than that.
QUEUE_LIMIT: Final = 20_000

#: So many calls share one group at most, so that none waits long for its answer.
GROUP_LIMIT: Final = 512


def let_out(worker: asyncio.Task[None]) -> None:
    """Let a bug of the task behind a queue reach the loop's handler at once; a callback of that task."""
    if not worker.cancelled():
        worker.result()


@dataclass(slots=True)
class Call(Generic[W]):
    """What somebody waits for."""

    future: asyncio.Future[Any]
    work: W
    result: object = None
    error: Exception | None = None

    def answer(self) -> None:
        """Tell whoever waits what became of it, if anybody still does. Belongs to the loop of the future."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)
