"""A process that is not its host any more finds out, and ends.

A machine may be given up that still runs: its network has failed, or what watched over it is frozen. Its
hosts are started elsewhere, and the former ones live on. They can write nothing, because each of their actors
is fenced by the epoch of its successor. But an actor that is refused crashes, begins anew under a newer
epoch, and so fences its successor, and back and forth.

Who is right only the store can say: a process is its host for as long as the epoch that it began with
(:attr:`runtime.cluster.program.Program.incarnation`) is the newest one of its host. This actor asks once a
second. A store that does not answer says nothing: whatever it is away for, nobody else can begin then either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from runtime.actor import Actor
from runtime.errors import StaleEpoch, StoreUnavailable
from runtime.store.port import Store

#: How often the store is asked.
EVERY: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class _Due:
    """It is time to ask."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What the store has said."""

    error: Exception | None


class Tenure(Actor):
    """See the module."""

    def __init__(self, store: Store, owner: str, epoch: int, superseded: Callable[[], object]) -> None:
        """Call ``superseded`` when ``owner`` has a newer epoch in the store than ``epoch``."""
        self._store = store
        self._owner = owner
        self._epoch = epoch
        self._superseded = superseded

    async def started(self) -> None:
        """Ask in a moment."""
        self.ctx.set_timer("due", EVERY, _Due())

    def receive(self, message: object) -> None:
        """Ask, or judge by the answer."""
        match message:
            case _Due():
                # No change at all, and refused all the same under an old epoch.
                asked = self._store.commit(self._owner, self._epoch, ())
                self.ctx.pipe(asked, lambda _: _Told(None), _Told, drain=False)
            case _Told(StaleEpoch()):
                self.ctx.log.error("another process is this host now", owner=self._owner, epoch=self._epoch)
                self._superseded()
            case _Told(None | StoreUnavailable()):
                self.ctx.set_timer("due", EVERY, _Due())
            case _Told(error):
                raise error if error is not None else AssertionError
