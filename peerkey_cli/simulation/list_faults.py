"""What can go wrong with revocation lists: with the CA, its server, the actors that follow it, their disk.

The certificate of a node is named and released; a server fails or lies to one node or to all; the CA sleeps;
an actor of the CRL manager raises; a process dies in the middle of writing a list.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from actors.names import AUTHORITY, REVOCATION
from peerkey_cli.simulation.faults import HA_KINDS, Fault, FaultKind
from peerkey_cli.simulation.list_machine import FAILURES, LIES
from peerkey_cli.simulation.watch import Injected

if TYPE_CHECKING:
    from peerkey_cli.simulation.fleet import Site
    from peerkey_cli.simulation.list_authority import ListAuthority

#: What keeps no list from arriving in time. Everything else might.
DELAY_NOTHING: Final = frozenset(
    {
        FaultKind.CRL_REVOKED,
        FaultKind.CRL_HELD,
        FaultKind.CERTIFICATE_REPLACED,
        FaultKind.CERTIFICATE_REVOKED,
        FaultKind.CERTIFICATE_EXPIRED,
        FaultKind.BAD_WEATHER,
        FaultKind.PARTITION,
        FaultKind.ONE_WAY,
        FaultKind.INTERFACE_DOWN,
        FaultKind.ALGORITHM,
        FaultKind.BEHAVIOR,
        FaultKind.DISABLED,
        FaultKind.OTHER_VERSION,
        FaultKind.REKEY,
        FaultKind.REPLAY,
        FaultKind.FORGERY,
        *(HA_KINDS - {FaultKind.HA_NODE_CRASH}),
    }
)

#: How the names of the actors begin that have to do with lists.
_CRL_ACTORS: Final = f"{AUTHORITY}/{REVOCATION}"
#: A process that is to die of a writing waits for one so long: a list is published within an hour.
_LONGEST_WAIT_SECONDS: Final = 7200.0
#: A list is written in two steps, and the master list after it.
_STEPS: Final = 4


async def bad_list(fault: Fault, site: Site) -> None:
    """Carry out a fault that has to do with revocation lists; nothing where the node follows none."""
    lists = site.fleet.lists
    if lists is None or site.lists is None:
        return
    match fault.kind:
        case FaultKind.CRL_REVOKED | FaultKind.CRL_HELD:
            await _named(fault, site, lists.authority)
        case FaultKind.CRL_SERVER_FAILS | FaultKind.CRL_SERVER_LIES:
            await _bad_server(fault, site)
        case FaultKind.CRL_STALE:
            with lists.authority.asleep():
                await _pass(fault)
        case FaultKind.CRL_ACTOR_CRASH:
            _crash_an_actor(site, fault.choice)
        case _:
            await _crash_in_a_write(fault, site)


async def _named(fault: Fault, site: Site, authority: ListAuthority) -> None:
    """Let the list name a node's certificate; then it is released, or another takes its place."""
    if site.issued is None or not authority.concerns(site.issued.certificate):
        return
    certificate = site.issued.certificate
    if fault.kind is FaultKind.CRL_HELD:
        authority.hold(certificate)
        await _pass(fault)
        authority.release(certificate)
        return
    authority.revoke(certificate)
    await _pass(fault)
    site.certify()
    await site.reload()


async def _bad_server(fault: Fault, site: Site) -> None:
    """Let the server be bad to one node, or in every other case to all."""
    troubles = FAILURES if fault.kind is FaultKind.CRL_SERVER_FAILS else LIES
    share = fault.choice * len(troubles)
    kind, rest = troubles[int(share)], share % 1.0
    sites = site.fleet.sites.values() if int(rest * 2) else (site,)
    with ExitStack() as stack:
        for each in sites:
            if each.lists is not None:
                stack.enter_context(each.lists.server.troubled(kind, rest))
        await _pass(fault)


def _crash_an_actor(site: Site, choice: float) -> None:
    system = site.system
    if system is None:
        return
    names = [info.name for info in system.actors() if info.name.startswith(_CRL_ACTORS)]
    if names:
        system.crash(system.ref(names[int(choice * len(names))]), Injected())


async def _crash_in_a_write(fault: Fault, site: Site) -> None:
    """Have the list fetched again, and let the process die while it is written; then it starts again."""
    lists = site.lists
    if lists is None or site.system is None:
        return
    power = bool(int(fault.choice * 2 * _STEPS) % 2)
    dead: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def die() -> None:
        site.kill(power=power)
        if not dead.done():
            dead.set_result(None)

    lists.disk.burn(int(fault.choice * _STEPS), die)
    try:
        # Something is written when the CA says something new, whenever that is.
        await asyncio.wait((dead,), timeout=_LONGEST_WAIT_SECONDS)
    finally:
        lists.disk.spare()
    if dead.done():
        async with site.held_off(power=power):
            await _pass(fault)


async def _pass(fault: Fault) -> None:
    await asyncio.sleep(fault.lasts.total_seconds())
