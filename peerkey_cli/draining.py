"""Waiting until nodes are out of work, and saying how far they are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

from peerkey_cli import schemas

#: How often a system is asked how far its nodes are.
ASK_EVERY_SECONDS: Final = 0.5
#: Nodes that are named in one line.
_NAMED: Final = 8


def waited(
    ask: Callable[[], schemas.Drains],
    ordered: schemas.Drains,
    within_seconds: float,
    *,
    say_of: Callable[[str], object] | None = None,
    sleep: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> schemas.Drains:
    """Call ``ask`` again and again until no node that the order is about is leaving, or time is up.

    ``say_of`` is told which are, whenever that changes.
    """
    names = {each.node for each in ordered.nodes}
    end, told, found = clock() + within_seconds, "", ordered
    while True:
        leaving = [each.node for each in found.nodes if each.state == "draining"]
        if not leaving:
            return found
        text = f"waiting for {', '.join(leaving[:_NAMED])}{' and more' if len(leaving) > _NAMED else ''}"
        if say_of is not None and text != told:
            say_of(text)
        told = text
        if clock() >= end:
            return found
        sleep(ASK_EVERY_SECONDS)
        now = ask()
        found = now.model_copy(update={"nodes": tuple(each for each in now.nodes if each.node in names)})


def lines(found: schemas.Drains) -> Iterator[str]:
    """Yield a line for each node."""
    for each in found.nodes:
        match each.state:
            case "drained":
                yield f"{each.node} is drained since {_since(each)}: it {each.how or 'was'}"
            case "draining":
                yield f"{each.node} is still leaving, since {_since(each)}; `peerkey drain` waits on"
            case _:
                yield f"{each.node} is in service"


def _since(each: schemas.Drained) -> str:
    return "" if each.since is None else schemas.iso(each.since)


def emptied(
    ask: Callable[[], schemas.Hosts],
    host: str,
    within_seconds: float,
    *,
    say_of: Callable[[str], object] | None = None,
    sleep: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[schemas.Hosts, int]:
    """Ask until no node is on a host, or on those of a machine, and all are elsewhere; or until time is up.

    Returns what was seen last, and how many nodes are still there or on their way.
    """
    end, told = clock() + within_seconds, ""
    while True:
        found = ask()
        there = sum(each.nodes for each in found.hosts if host in {each.host, each.machine})
        moving = 0 if found.complete else 1
        if not there and not moving:
            return found, 0
        text = (
            f"waiting for {there} node{'s' if there != 1 else ''} to move" if there else "waiting for hosts"
        )
        if say_of is not None and text != told:
            say_of(text)
        told = text
        if clock() >= end:
            return found, max(there, moving)
        sleep(ASK_EVERY_SECONDS)


def host_lines(found: schemas.Hosts, host: str) -> Iterator[str]:
    """Yield a line for each host concerned, and for each node that has no place."""
    for each in found.hosts:
        if host in {each.host, each.machine}:
            state = "drained" if each.drained else "in service"
            yield f"{each.host} is {state}, with {each.nodes} node{'s' if each.nodes != 1 else ''}"
    for left in found.unplaced:
        yield f"{left.node} has no place: {left.why}"
