"""What can go wrong between the two nodes of an HA pair: with their link, and with either of them.

The link is cut, carries one way only, is slow, flaps, or breaks in the middle of each resynchronisation; a
node dies while it is being caught up; the actor of the link raises. Other faults of nodes and disks happen to
pairs as to anybody.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from peerkey_cli.simulation.faults import Fault, FaultKind
from peerkey_cli.simulation.watch import Injected

if TYPE_CHECKING:
    from collections.abc import Callable

    from peerkey.config.plan import Endpoint, HaPlan
    from peerkey_cli.simulation.fleet import Site

#: How long one way takes in a slow link: there and back it is below the lease, and above, where no link stays
#: up; and one way more than the lease.
DELAYS: Final = tuple(timedelta(seconds=each) for each in (0.1, 0.5, 0.9, 1.2, 1.9, 3.0, 6.0))
#: How long a flapping link is there, and then not.
PERIODS: Final = tuple(timedelta(seconds=each) for each in (0.05, 0.4, 1.5, 3.0, 12.0))
#: What passes where one way is stopped, in bytes: nothing; packets that open a channel, and beats; a HELLO
#: too, and no record.
_PASSES: Final = (0, 64, 300)
#: Frames from an open channel to the end of its resynchronisation, about: greetings, inventories, records
#: and acknowledgements of both.
_MOST_FRAMES: Final = 12
#: A node that is to die of its frames waits for them so long.
_LONGEST_WAIT_SECONDS: Final = 20.0
#: How the names of the actors end that are links.
_LINK_ACTOR: Final = "ha-sync"


async def bad_pair(fault: Fault, site: Site) -> None:
    """Carry out a fault that has to do with a pair; nothing where the node has no mate."""
    ha = site.base.ha
    if ha is None or site.fleet.mate_of(site) is None:
        return
    match fault.kind:
        case FaultKind.HA_CUT:
            await _cut(fault, site, ha)
        case FaultKind.HA_ONE_WAY:
            await _one_way(fault, site, ha)
        case FaultKind.HA_SLOW:
            road = site.fleet.ha_road
            delay = DELAYS[int(fault.choice * len(DELAYS))]
            with road.way(ha.local).slow(delay), road.way(ha.remote).slow(delay):
                await _pass(fault.lasts)
        case FaultKind.HA_FLAPPING:
            await _flapping(fault, site, ha)
        case FaultKind.HA_RESET:
            await _resets(fault, site, ha)
        case FaultKind.HA_NODE_CRASH:
            await _dies_in_step(fault, site, ha)
        case _:
            _crash_the_link(site)


async def _cut(fault: Fault, site: Site, ha: HaPlan) -> None:
    """Stop both ways; in every other case the ends are told that their channel is gone."""
    with ExitStack() as stack:
        for end in (ha.local, ha.remote):
            stack.enter_context(site.fleet.ha_road.way(end).stopped())
        if int(fault.choice * 2):
            site.fleet.sync.reset(ha)
        await _pass(fault.lasts)


async def _one_way(fault: Fault, site: Site, ha: HaPlan) -> None:
    """Stop what this node sends: all of it, all that is larger than a beat, or than a greeting."""
    passes = _PASSES[int(fault.choice * len(_PASSES))]
    with site.fleet.ha_road.way(ha.local).stopped(lambda size: size > passes):
        await _pass(fault.lasts)


async def _flapping(fault: Fault, site: Site, ha: HaPlan) -> None:
    """Cut and mend again and again: in silence, or with a reset each time."""
    share = fault.choice * len(PERIODS)
    period, resets = PERIODS[int(share)], bool(int(share % 1.0 * 2))
    loop = asyncio.get_running_loop()
    end = loop.time() + fault.lasts.total_seconds()
    while loop.time() < end:
        with ExitStack() as stack:
            for each in (ha.local, ha.remote):
                stack.enter_context(site.fleet.ha_road.way(each).stopped())
            if resets:
                site.fleet.sync.reset(ha)
            await _pass(period)
        await _pass(period)


async def _resets(fault: Fault, site: Site, ha: HaPlan) -> None:
    """Reset the channel now, and each that follows a few frames after it was opened."""
    fleet, ends = site.fleet, frozenset({ha.local, ha.remote})
    frames = int(fault.choice * _MOST_FRAMES)
    loop = asyncio.get_running_loop()
    end = loop.time() + fault.lasts.total_seconds()
    while loop.time() < end:
        fleet.sync.reset(ha)
        await _frames(site, ends, frames, end - loop.time(), lambda: None)
    fleet.sync.reset(ha)


async def _dies_in_step(fault: Fault, site: Site, ha: HaPlan) -> None:
    """Reset the channel, and let the process die a few frames after it was opened anew."""
    share = fault.choice * _MOST_FRAMES
    power = bool(int(share % 1.0 * 2))
    site.fleet.sync.reset(ha)
    ends = frozenset({ha.local, ha.remote})
    await _frames(site, ends, int(share), _LONGEST_WAIT_SECONDS, lambda: site.kill(power=power))
    async with site.held_off(power=power):
        await _pass(fault.lasts)


async def _frames(
    site: Site, ends: frozenset[Endpoint], frames: int, seconds: float, then: Callable[[], object]
) -> None:
    """Wait until the ends have sent so many frames more, and do something in that very moment."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def now() -> None:
        if not done.done():
            then()
            done.set_result(None)

    # Behind the turn of whoever has sent the frame.
    with site.fleet.ha_road.after_frames(ends, frames, lambda: loop.call_soon(now)):
        await asyncio.wait((done,), timeout=max(0.0, seconds))
    if not done.done():
        done.cancel()


def _crash_the_link(site: Site) -> None:
    """Let every link of the process raise: an older incarnation of the node may have one too."""
    system = site.system
    if system is None:
        return
    for info in list(system.actors()):
        if info.name.rpartition("/")[2].startswith(_LINK_ACTOR):
            system.crash(system.ref(info.name), Injected())


async def _pass(lasts: timedelta) -> None:
    await asyncio.sleep(lasts.total_seconds())
