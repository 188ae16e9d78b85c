"""A node that is being taken out of work before maintenance: what it has still to do, and that it is out.

In order: it writes down that it is to be drained, so that a restart finds it so; where it has a mate that
holds every key in use, it falls silent, and the mate takes its keys over; else it says farewell to every peer
(PEERING_REMOVED, which the paths repeat) and its keys are erased on both ends. Then it is as one whose
``enhanced-security-key-management`` is off: it sends and answers nothing, and keeps its pins and numbers.

That a node is drained is a record of its own: it goes with the node from host to host, and stays until an
operator undoes it. A restart in the middle of leaving is the end of leaving.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, final

from actors.messages import DrainedNode
from peerkey.observe import alarms
from peerkey.observe.events import NodeDrained, NodeUndrained

if TYPE_CHECKING:
    from actors.journal import Journal
    from actors.messages import NodeStatus
    from peerkey.config.plan import NodePlan
    from runtime.actor import Context
    from runtime.store.port import Record, Store

#: The record of a node that says since when it is drained.
RECORD: Final = "drained"
#: How long a mate that lacks a key is waited for; the time that a new key waits for it, and a little.
HANDOVER_WITHIN: Final = timedelta(seconds=35)
#: How often it is looked whether the mate has every key.
LOOK_EVERY: Final = timedelta(seconds=1)
#: How long the farewell is repeated for: three times, 1.5 s apart, and a way over the network.
FAREWELL: Final = timedelta(seconds=5)

#: What is said of how a node left.
HANDED_OVER: Final = "handed over to its mate"
SAID_FAREWELL: Final = "said farewell to its peers"


@dataclass(frozen=True, slots=True)
class DrainStored:
    """That the node is to be drained, or is to be no more, is in the store."""


@dataclass(frozen=True, slots=True)
class LeaveDue:
    """Look whether the mate has every key; or the farewell has been repeated for long enough."""


@final
class Draining:
    """Whether one node is in work, leaving it, or out of it."""

    def __init__(  # noqa: PLR0913 - what there is, and the ports
        self,
        ctx: Context,
        *,
        store: Store,
        owner: str,
        epoch: int,
        record: Record | None,
        journal: Journal,
        mate_has_all: Callable[[], bool | None],
        say_farewell: Callable[[], None],
        take_up: Callable[[], None],
    ) -> None:
        """Go on as the record says.

        ``mate_has_all`` tells whether the mate can take over, ``None`` where there is none; ``say_farewell``
        has every peering removed; ``take_up`` has the plan taken up again, as :meth:`applied` changes it.
        """
        self._ctx = ctx
        self._store, self._owner, self._epoch = store, owner, epoch
        self._journal = journal
        self._mate_has_all, self._say_farewell, self._take_up = mate_has_all, say_farewell, take_up
        self._version = 0 if record is None else record.version
        self._since: datetime | None = None if record is None else _time(record.value)
        #: Until when a mate is waited for; and when the farewell has been said for long enough.
        self._until: timedelta | None = None
        self._saying = False
        self._how = "" if record is None else "before it started"
        #: What an operator wants, which may be newer than what is written.
        self._wanted = record is not None
        self._writing = False

    def applied(self, plan: NodePlan) -> NodePlan:
        """Return what the node does of its plan: nothing, where it is out of work or leaving it."""
        return plan if self._since is None else replace(plan, enabled=False)

    def ordered(self, name: str, *, undo: bool) -> DrainedNode:
        """Begin to drain, or undo it; say how the node stands then. To order it twice is to order it once."""
        self._wanted = not undo
        self._write_what_is_wanted()
        return self.status(name)

    def _write_what_is_wanted(self) -> None:
        """Write that the node is to be drained, or no more: one write after the other, the last word last."""
        if self._writing or self._wanted is (self._since is not None):
            return
        self._writing = True
        if self._wanted:
            self._since = self._ctx.clock.wall()
            value = self._since.isoformat().encode()
            write = self._store.write(self._owner, self._epoch, RECORD, value, self._version)
            self._version += 1
            self._ctx.pipe(write, lambda _: DrainStored())
        else:
            self._since, self._how, self._until, self._saying = None, "", None, False
            self._ctx.cancel_timer("leave")
            delete = self._store.delete(self._owner, self._epoch, RECORD, self._version)
            self._version = 0
            self._ctx.pipe(delete, lambda _: DrainStored())

    def stored(self, name: str) -> None:
        """Begin to leave, or to work again: it is durable that the node is to."""
        self._writing = False
        if self._since is None:
            self._journal.record(self._ctx.clock.wall(), name, NodeUndrained())
            self._take_up()
        else:
            self._until = self._ctx.clock.monotonic() + HANDOVER_WITHIN
            if self._wanted:
                self.due(name)
        self._write_what_is_wanted()

    def due(self, name: str) -> None:
        """Go on leaving."""
        if self._since is None or self._how or self._until is None:
            return
        if self._saying:
            self._left(name, SAID_FAREWELL)
            return
        held = self._mate_has_all()
        if held:
            self._left(name, HANDED_OVER)
        elif held is None or self._ctx.clock.monotonic() >= self._until:
            self._saying = True
            self._say_farewell()
            self._ctx.set_timer("leave", FAREWELL, LeaveDue())
        else:
            self._ctx.set_timer("leave", LOOK_EVERY, LeaveDue())

    def _left(self, name: str, how: str) -> None:
        self._how = how
        self._journal.record(self._ctx.clock.wall(), name, NodeDrained(how))
        self._take_up()

    # --- what an operator is shown ------------------------------------------------------------------

    def status(self, name: str) -> DrainedNode:
        """Return how the node stands."""
        if self._since is None or not self._wanted:
            return DrainedNode(name, "in-service")
        return DrainedNode(name, "drained" if self._how else "draining", _text(self._since), self._how)

    def shown(self, status: NodeStatus) -> NodeStatus:
        """Add to a node's status that it is out of work, and the alarm that says so."""
        if self._since is None or not self._wanted:
            return status
        mine = self.status(status.node)
        alarm = alarms.node_drained(status.node, mine.since)
        return replace(status, drained=mine, alarms=(*status.alarms, alarm))


def _text(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03d}Z"


def _time(value: bytes) -> datetime:
    return datetime.fromisoformat(value.decode("ascii"))
