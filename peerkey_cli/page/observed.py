"""Asking a fleet for all that the page shows: each part for itself, so that a silent one hides no other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from peerkey_cli.versions import own_process, own_version
from runtime.errors import RuntimeFault

if TYPE_CHECKING:
    from datetime import datetime

    from actors.cluster.messages import PlacementStatus
    from actors.crl.status import RevocationStatus
    from actors.messages import NodeStatus
    from peerkey.observe.alarm_history import Standing
    from peerkey_cli.alarm_times import AlarmTimes
    from peerkey_cli.fleet import Fleet

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Observed:
    """What the parts of a fleet have said. ``None``: this part does not answer."""

    now: datetime
    version: str
    since: datetime
    #: Which process answers: its machine and its number.
    process: str = ""
    nodes: tuple[NodeStatus, ...] | None = None
    revocation: RevocationStatus | None = None
    #: The alarms that are there and not shelved, and how many are.
    alarms: tuple[Standing, ...] | None = None
    shelved: int = 0
    placement: PlacementStatus | None = None


async def observed(fleet: Fleet, times: AlarmTimes) -> Observed:
    """Return what the parts of ``fleet`` say now.

    ``times`` knows since when each alarm is there, and what is shelved.
    """
    nodes, revocation, noticing, placement = await asyncio.gather(
        _or_none(fleet.nodes),
        _or_none(fleet.revocation),
        _or_none(fleet.noticing),
        _or_none(fleet.placement),
    )
    now = fleet.now()
    standing = None if noticing is None else times.seen(noticing, now, fleet.alarm_changed)
    shown = None if standing is None else tuple(each for each in standing if not times.shelving(each, now))
    return Observed(
        now=now,
        version=own_version(),
        since=fleet.since,
        process=own_process(),
        nodes=nodes,
        revocation=revocation,
        alarms=shown,
        shelved=len(standing or ()) - len(shown or ()),
        placement=placement,
    )


async def _or_none(ask: Callable[[], Awaitable[T]]) -> T | None:
    try:
        return await ask()
    except RuntimeFault:
        return None
