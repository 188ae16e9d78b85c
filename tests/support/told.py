"""Runs as their audit logs would tell them, of fixed values: so many routers, so many days."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from peerkey_cli.report.chronicle import Chronicle

BEGIN = datetime(2030, 6, 1, tzinfo=UTC)
Told = tuple[datetime, str, str, dict[str, Any]]


def hub_and_branches(branches: int, days: int = 5, seed: int = 1) -> Chronicle:
    """Return what is kept of a hub and its branches: a key each day, and now and then something else."""
    chronicle = Chronicle()
    random = Random(seed)
    events = [
        each for number in range(1, branches + 1) for each in peering("hub", f"b{number:03d}", days, random)
    ]
    for each in sorted(events, key=lambda event: event[0]):
        chronicle.take(*each)
    chronicle.finish()
    return chronicle


def peering(hub: str, branch: str, days: int, random: Random) -> Iterator[Told]:
    """Yield what both ends of a peering tell in so many days."""
    ends = (f"{hub}/node0", f"{branch}/node0")
    for index in range(days):
        time = BEGIN + timedelta(days=index, seconds=random.randrange(600))
        yield from keyed(ends, index + 1, time)
        if index:
            yield from erased(ends, index, time + timedelta(minutes=20))
    for node in ends:
        yield path(node, other(ends, node), BEGIN + timedelta(minutes=11), up=True)
    if random.random() < 0.1:
        begin = BEGIN + timedelta(hours=random.randrange(12, 24 * days))
        over = begin + timedelta(hours=random.randrange(1, 9))
        for node, later in ((ends[0], 0), (ends[1], random.randrange(60))):
            yield path(node, other(ends, node), begin + timedelta(minutes=later), up=False)
            yield path(node, other(ends, node), over, up=True)
        text = f"Peer `{ends[1]}` path is down: wan0."
        for kind, time in (("raised", begin), ("cleared", begin + timedelta(hours=2))):
            yield alarm(kind, ends[0], text, time)


def keyed(ends: tuple[str, str], index: int, time: datetime) -> Iterator[Told]:
    """Yield the agreement of a key, and its use half a minute later."""
    for kind, later in (("key.accepted", 0), ("key.activated", 30)):
        for node in ends:
            yield key(kind, node, other(ends, node), index, time + timedelta(seconds=later))


def erased(ends: tuple[str, str], index: int, time: datetime) -> Iterator[Told]:
    """Yield the end of a key at both ends."""
    for number, node in enumerate(ends):
        yield key("key.erased", node, other(ends, node), index, time + timedelta(seconds=number))


def key(kind: str, node: str, peer: str, index: int, time: datetime) -> Told:
    """Return an event of a key."""
    return (
        time,
        kind,
        node,
        {"peer": peer, "index": index, "key_id": f"{min(node, peer)}{max(node, peer)}{index}"},
    )


def path(node: str, peer: str, time: datetime, *, up: bool, name: str = "wan0") -> Told:
    """Return an event of a path."""
    detail = {"peer": peer, "path": name} | ({} if up else {"reason": "no answer within 10 s"})
    return time, "path.up" if up else "path.down", node, detail


def alarm(kind: str, node: str, text: str, time: datetime, severity: str = "major") -> Told:
    """Return an event of an alarm."""
    detail = {"alarm": f"{node}:{text}", "severity": severity, "source": node, "message": text}
    return time, f"alarm.{kind}", node, detail


def other(ends: tuple[str, str], node: str) -> str:
    """Return the other end."""
    return ends[1] if node == ends[0] else ends[0]
