"""One peering over time: its keys, when its paths were in service, and what happened to it.

Both of its ends tell of it. A key has the same id at both, so it is one bar: agreed when the first end says
so, in use when the first one uses it, erased when the last one that had it has erased it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from peerkey_cli.palette import Standing
from peerkey_cli.report.spans import Kept, KeySpan, Lasted, Span
from peerkey_cli.terminal import shortened

#: Marks of one peering: what failed, and what removed it.
MOST_MARKS: Final = 64
#: Keys of one peering that are not erased: a ring has five, and each end may be a step behind.
MOST_OPEN: Final = 16
#: Paths of one peering, seen from both ends.
MOST_PATHS: Final = 128
#: A text is a sentence; a peer may have had a say in it.
LONGEST_TEXT: Final = 300


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened in a moment."""

    time: datetime
    standing: Standing
    text: str


@dataclass(slots=True)
class _Held:
    """A key that is not erased, and the ends that have it."""

    key: KeySpan
    ends: set[str]


@dataclass(slots=True)
class Lane:
    """One peering. Times do not go back."""

    first: str
    second: str
    keys: Kept[KeySpan] = field(default_factory=Kept)
    #: When not all of its paths were in service, and for how long.
    outages: Kept[Span] = field(default_factory=Kept)
    out: Lasted = field(default_factory=Lasted)
    outage: Span | None = None
    #: How often that began, and since when it is so.
    out_times: int = 0
    out_since: datetime | None = None
    #: When an end found the certificate of the other not good.
    suspected: Kept[Span] = field(default_factory=Kept)
    suspicions: dict[str, Span] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)
    marks_left_out: int = 0
    #: When a key came into use first, and for how long there was one, and a path in service.
    first_used: datetime | None = None
    usable: timedelta = timedelta(0)
    usable_since: datetime | None = None
    _held: dict[str, _Held] = field(default_factory=dict)
    _paths: dict[tuple[str, str], bool] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Both ends."""
        return f"{self.first} and {self.second}"

    @property
    def is_usable(self) -> bool:
        """Whether a key is in use and, as far as is known, a path in service."""
        down = bool(self._paths) and not any(self._paths.values())
        return not down and any(held.key.active is not None for held in self._held.values())

    def bars(self) -> Iterator[KeySpan]:
        """Yield its keys, those that are not erased last."""
        yield from self.keys.even()
        yield from (held.key for held in self._held.values())

    def spans(self) -> Iterator[Span]:
        """Yield when its paths were not all in service, or a certificate not good."""
        yield from self.suspected
        yield from self.suspicions.values()
        yield from self.outages
        yield from (() if self.outage is None else (self.outage,))

    def take(self, time: datetime, kind: str, node: str, detail: Mapping[str, Any]) -> None:
        """Take an event of it. What is not of the form that its kind has is left out."""
        match kind:
            case "key.accepted" | "key.activated" | "key.erased":
                self._of_key(time, kind, node, detail)
            case "path.up" | "path.down":
                self._of_path(time, node, detail, up=kind == "path.up")
            case "peering.removed":
                self._mark(time, Standing.DOWN, f"removed, says {node}: {said(detail, 'reason')}")
            case "peering.failed":
                why = said(detail, "reason", "detail_text")
                self._mark(time, Standing.SUSPECT, f"failed, says {node}: {why}")
            case "system.peer_certificate_validation":
                self._of_certificate(time, node, detail)
            case "ha.key_not_replicated":
                self._mark(time, Standing.DEGRADED, f"{node} uses a key that its mate does not hold")
            case _:
                pass

    def _mark(self, time: datetime, standing: Standing, text: str) -> None:
        if len(self.marks) < MOST_MARKS:
            self.marks.append(Mark(time, standing, short(text)))
        else:
            self.marks_left_out += 1

    def _of_key(self, time: datetime, kind: str, node: str, detail: Mapping[str, Any]) -> None:
        index, key_id = detail.get("index"), detail.get("key_id")
        if not isinstance(index, int) or not isinstance(key_id, str):
            return
        held = self._held.get(key_id)
        if kind == "key.erased":
            # Without it the beginning of the log is gone, or this end never said that it had it.
            if held is not None:
                held.ends.discard(node)
                if not held.ends:
                    self.keys.add(replace(held.key, erased=time))
                    del self._held[key_id]
            return
        if held is None:
            if len(self._held) >= MOST_OPEN:
                self.keys.add(replace(self._held.pop(next(iter(self._held))).key, erased=time))
            held = self._held[key_id] = _Held(KeySpan(index, index, time), set())
        held.ends.add(node)
        if kind == "key.activated" and held.key.active is None:
            for other in self._held.values():
                if other.key.active is not None and other.key.replaced is None:
                    other.key = replace(other.key, replaced=time)
            held.key = replace(held.key, active=time)

    def _of_path(self, time: datetime, node: str, detail: Mapping[str, Any], *, up: bool) -> None:
        path = (node, short(str(detail.get("path"))))
        if path not in self._paths and (not up or len(self._paths) >= MOST_PATHS):
            # It was never in service, so it has not left it.
            return
        self._paths[path] = up
        standing = Standing.GOOD
        if not all(self._paths.values()):
            standing = Standing.DEGRADED if any(self._paths.values()) else Standing.DOWN
        if self.outage is not None:
            if self.outage.standing is standing:
                return
            self.outages.add(replace(self.outage, end=time))
        if standing is Standing.GOOD:
            self._back(time)
        elif self.out_since is None:
            self.out_times, self.out_since = self.out_times + 1, time
        text = short(f"{path[1]} of {node}: {said(detail, 'reason')}")
        self.outage = None if standing is Standing.GOOD else Span(time, None, standing, text)

    def _back(self, time: datetime) -> None:
        if self.out_since is not None:
            self.out.add(time - self.out_since)
            self.out_since = None

    def close(self, time: datetime) -> None:
        """Count up to the end of the run. Nothing is taken afterwards."""
        if self.usable_since is not None:
            self.usable += time - self.usable_since
            self.usable_since = None
        self._back(time)

    def _of_certificate(self, time: datetime, node: str, detail: Mapping[str, Any]) -> None:
        """Tell by its fields which of four events it is: they have one type."""
        why = said(detail, "reason", "detail_text")
        if "behavior" in detail:
            text = short(f"certificate not good, says {node}: {why}")
            self.suspicions.setdefault(node, Span(time, None, Standing.SUSPECT, text))
        elif "state" in detail:
            self._mark(time, Standing.SUSPECT, f"certificate refused by {node}: {why}")
        elif node in self.suspicions:
            self.suspected.add(replace(self.suspicions.pop(node), end=time))


def said(detail: Mapping[str, Any], *names: str) -> str:
    """Return the texts of these fields that are there."""
    return " - ".join(each for name in names if isinstance(each := detail.get(name), str) and each)


def short(text: str) -> str:
    """Return a text of bounded length."""
    return shortened(text, LONGEST_TEXT)
