"""What is kept of a run: fed with audit events in the order of their time, in bounded memory.

An event is what a line of the audit log says: its time, type, node and detail. What is about a peering goes
to the :class:`~peerkey_cli.report.lanes.Lane` of both ends; alarms, and what was wrong with a node, have a
:class:`Row` each; everything else is counted. Nothing here is secret, because nothing in an event is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from peerkey_cli.palette import SEVERITIES, Standing
from peerkey_cli.report.lanes import Lane, said, short
from peerkey_cli.report.spans import Kept, Lasted, Lowest, Span

#: Peerings that are followed: the events of more are counted alone.
MOST_LANES: Final = 5_000
#: Alarms, faults and nodes that something was wrong with.
MOST_ROWS: Final = 2_000

ALARMS: Final = "alarms"
NODES: Final = "nodes"
FAULTS: Final = "faults"


@dataclass(slots=True)
class Row:
    """Something beside the peerings that was wrong, perhaps more than once."""

    name: str
    standing: Standing
    spans: Kept[Span] = field(default_factory=Kept)
    lasted: Lasted = field(default_factory=Lasted)
    open: Span | None = None

    @property
    def times(self) -> int:
        """How often it was wrong."""
        return self.spans.count + (self.open is not None)

    def all(self) -> Iterator[Span]:
        """Yield when it was wrong."""
        yield from self.spans
        yield from (() if self.open is None else (self.open,))


class Chronicle:
    """Everything that is drawn of a run."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.begin: datetime | None = None
        self.end: datetime | None = None
        self.events: Counter[str] = Counter()
        self.lanes: dict[tuple[str, str], Lane] = {}
        #: Events of peerings that are not followed, and occurrences that have no row.
        self.lanes_left_out = 0
        self.rows_left_out = 0
        #: Alarms by their ids, and what was wrong with nodes, by group and name.
        self.rows: dict[tuple[str, str], Row] = {}
        #: How many peerings could be used, over time.
        self.usable = Lowest()
        self._usable_now = 0
        #: How often a clock was set back by more than a second, or lines were not in order.
        self.times_back = 0

    @property
    def nodes(self) -> int:
        """How many nodes the peerings have."""
        return len({end for ends in self.lanes for end in ends})

    def group(self, name: str) -> list[Row]:
        """Return the rows of a group: the worst first, of these what was wrong for longest."""
        found = [row for (group, _), row in self.rows.items() if group == name]
        return sorted(found, key=lambda row: (-row.standing.rank, -row.lasted.total, row.name))

    def take(self, time: datetime, kind: str, node: str, detail: Mapping[str, Any]) -> None:
        """Take the next event."""
        if self.end is not None and time < self.end:
            # Time does not go back in a picture: what a clock says that was set back happened now.
            self.times_back += time < self.end - timedelta(seconds=1)
            time = self.end
        self.begin = self.begin or time
        self.end = time
        self.events[kind] += 1
        peer = detail.get("peer")
        if isinstance(peer, str):
            lane = self._lane(node, peer)
            if lane is not None:
                lane.take(time, kind, node, detail)
                self._count(lane, time)
        elif kind in {"alarm.raised", "alarm.cleared"}:
            severity, text = said(detail, "severity"), said(detail, "message")
            standing = SEVERITIES.get(severity, Standing.UNKNOWN)
            name = short(f"{severity}: {text}")
            self._turn(
                (ALARMS, said(detail, "alarm")), name, standing, time, text, begins=kind == "alarm.raised"
            )
        elif kind in _OF_NODES:
            self._of_node(time, kind, node, detail)

    def take_fault(self, kind: str, node: str, begin: datetime, end: datetime) -> None:
        """Take a fault of a simulation."""
        row = self._row((FAULTS, kind), kind, Standing.DEGRADED)
        if row is not None:
            row.spans.add(Span(begin, end, Standing.DEGRADED, node))
            row.lasted.add(end - begin)

    def finish(self, end: datetime | None = None) -> None:
        """Count up to the last event, or to the end of the run. Nothing is taken afterwards."""
        if end is not None and (self.end is None or end > self.end):
            self.begin, self.end = self.begin or end, end
        if self.end is None:
            return
        for lane in self.lanes.values():
            lane.close(self.end)
        for row in self.rows.values():
            if row.open is not None:
                row.lasted.add(self.end - row.open.begin)
        self.usable.add(self.end, self._usable_now)

    def _lane(self, node: str, peer: str) -> Lane | None:
        ends = (node, peer) if node < peer else (peer, node)
        lane = self.lanes.get(ends)
        if lane is None:
            if len(self.lanes) >= MOST_LANES:
                self.lanes_left_out += 1
                return None
            lane = self.lanes[ends] = Lane(*ends)
        return lane

    def _count(self, lane: Lane, time: datetime) -> None:
        """Note whether the peering can be used from now on."""
        usable = lane.is_usable
        if usable and lane.usable_since is None:
            lane.usable_since = time
            lane.first_used = lane.first_used or time
            self._usable_now += 1
        elif not usable and lane.usable_since is not None:
            lane.usable += time - lane.usable_since
            lane.usable_since = None
            self._usable_now -= 1
        else:
            return
        self.usable.add(time, self._usable_now)

    def _of_node(self, time: datetime, kind: str, node: str, detail: Mapping[str, Any]) -> None:
        what, standing, begins = _OF_NODES[kind]
        about = said(detail, "host") or said(detail, "mate") or said(detail, "actor")
        text = short(said(detail, "state", "reason", "detail_text", "error"))
        name = short(f"{node}: {what} {about}".rstrip())
        if begins is None:
            row = self._row((NODES, name), name, standing)
            if row is not None:
                row.spans.add(Span(time, time, standing, text))
        else:
            self._turn((NODES, name), name, standing, time, text, begins=begins)

    def _turn(
        self, key: tuple[str, str], name: str, standing: Standing, time: datetime, text: str, *, begins: bool
    ) -> None:
        """Let something begin, or end."""
        if not begins and key not in self.rows:
            return
        row = self._row(key, name, standing)
        if row is None:
            return
        if begins and row.open is None:
            row.open = Span(time, None, standing, text)
        elif not begins and row.open is not None:
            row.spans.add(replace(row.open, end=time))
            row.lasted.add(time - row.open.begin)
            row.open = None

    def _row(self, key: tuple[str, str], name: str, standing: Standing) -> Row | None:
        row = self.rows.get(key)
        if row is None:
            if len(self.rows) >= MOST_ROWS:
                self.rows_left_out += 1
                return None
            row = self.rows[key] = Row(name, standing)
        return row


#: Events with which something begins (True) or ends (False) to be wrong with a node, or happens (None).
_OF_NODES: Final[dict[str, tuple[str, Standing, bool | None]]] = {
    "certificate.invalid": ("own certificate not good", Standing.DOWN, True),
    "certificate.valid": ("own certificate not good", Standing.DOWN, False),
    "ha.link_down": ("no link to", Standing.DOWN, True),
    "ha.link_up": ("no link to", Standing.DOWN, False),
    "ha.takeover": ("has the keys of", Standing.WAITING, True),
    "ha.released": ("has the keys of", Standing.WAITING, False),
    "cluster.host_lost": ("lost host", Standing.DOWN, True),
    "cluster.host_back": ("lost host", Standing.DOWN, False),
    "cluster.node_moved": ("moved to", Standing.WAITING, None),
    "actor.crashed": ("crash of", Standing.DEGRADED, None),
    "actor.failed": ("failure of", Standing.DOWN, None),
    "configuration.changed": ("configuration changed", Standing.WAITING, None),
    "audit.gap": ("events not written", Standing.DOWN, None),
}
