"""Carries a schedule of faults out, and puts everything right again.

Each fault is a small task: it breaks something, waits in virtual time, and mends it. What two faults break at
the same time is mended by the first that ends; :meth:`Injector.calm` mends whatever is left.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, assert_never

from actors.messages import Rekey, ReleasePin
from peerkey.config.plan import InvalidCertificateBehavior
from peerkey.protocol.constants import PROTOCOL_VERSION
from peerkey.protocol.segments import MAGIC
from peerkey_cli.simulation import model
from peerkey_cli.simulation.faults import Fault, FaultKind
from peerkey_cli.simulation.ha_faults import bad_pair
from peerkey_cli.simulation.list_faults import DELAY_NOTHING, bad_list
from peerkey_cli.simulation.watch import Injected
from runtime.wire.port import Address
from runtime.wire.weather import FINE, Weather

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from peerkey.config.plan import NodePlan, PathPlan, PeeringPlan
    from peerkey_cli.simulation.fleet import Fleet, Site

#: A process is killed within so many turns of its actors, or after a moment if nothing happens.
_LONGEST_FUSE: Final = 40
_FUSE_SECONDS: Final = 2.0

#: What a node sends and receives in bad weather.
_STORM: Final = Weather(
    loss=0.4,
    duplication=0.2,
    corruption=0.1,
    truncation=0.05,
    replay=0.1,
    jitter=timedelta(seconds=3),
)

_CLOCK_STEPS: Final = (
    timedelta(seconds=2),
    timedelta(minutes=5),
    timedelta(hours=1),
    timedelta(hours=26),
    timedelta(days=400),
)

_ALGORITHMS: Final = ("ml-kem-768", "diffie-hellman-2048", "diffie-hellman-2048-ml-kem-768")

#: A certificate that is about to expire does so after at most this.
_SHORT_LIFE: Final = timedelta(minutes=10)

#: Earlier datagrams that an attacker sends again at one time, and how often they are such as followed each
#: other: most frames have several segments, and one of them proves nothing.
_REPLAYS: Final = 8
_IN_A_ROW: Final = 0.5


class Injector:
    """See the module."""

    def __init__(self, fleet: Fleet, random: Random) -> None:
        """Break what belongs to ``fleet``; an attacker's bytes are drawn from ``random``."""
        self._fleet = fleet
        self._random = random
        self._tasks: dict[asyncio.Task[None], None] = {}
        #: Addresses of nodes of another version.
        self._translated: set[str] = set()

    async def run(self, schedule: Sequence[Fault]) -> None:
        """Begin each fault when its time comes; return when the last has begun."""
        loop = asyncio.get_running_loop()
        for fault in schedule:
            await asyncio.sleep(max(0.0, fault.at.total_seconds() - loop.time()))
            site = self._fleet.sites.get(fault.node)
            if site is None:
                continue
            self._fleet.trace.note("fault", fault.node, str(fault))
            task = loop.create_task(self._carry(fault, site), name=str(fault))
            self._tasks[task] = None
            task.add_done_callback(lambda done: self._tasks.pop(done, None))

    async def stop(self) -> None:
        """Let no fault go on."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def calm(self) -> None:
        """End every fault and put everything right, as operators would."""
        await self.stop()
        fleet = self._fleet
        network = fleet.network
        network.weather, network.gateway = FINE, None
        network.links.clear()
        fleet.ha_road.calm()
        self._translated.clear()
        if fleet.lists is not None:
            fleet.lists.calm()
        for site in fleet.sites.values():
            for address in site.addresses:
                network.set_interface(address, up=True)
            _mend(site)
            site.machine.oscillator.offset = timedelta(0)
            site.plan = site.base
            if site.lists is not None:
                site.lists.calm()
            if self._stays_revoked(site):
                site.show_certificate()
            else:
                site.certify()
        for site in fleet.sites.values():
            await site.boot()
            await site.reload()
        for site in fleet.sites.values():
            for peering in site.base.peerings:
                if not site.base.trusted:
                    # Nobody vouches for a replaced certificate; an operator has to.
                    await site.ask(ReleasePin(str(peering.peer_uuid)))

    def _stays_revoked(self, site: Site) -> bool:
        """Tell whether nobody replaces a node's revoked certificate: chance says so, where all fail hard."""
        hard = all(model.fails_hard(each.base) for each in self._fleet.sites.values())
        return site.revoked and hard and bool(self._random.getrandbits(1))

    # --- each fault -------------------------------------------------------------------------------

    async def _carry(self, fault: Fault, site: Site) -> None:
        lists = self._fleet.lists
        with nullcontext() if lists is None or fault.kind in DELAY_NOTHING else lists.watch.trouble():
            await self._carry_out(fault, site)

    async def _carry_out(self, fault: Fault, site: Site) -> None:
        match fault.kind:
            case FaultKind.ACTOR_CRASH:
                _crash_an_actor(site, fault.choice)
            case FaultKind.TWIN:
                await site.twinned(fault.lasts)
            case (
                FaultKind.CRASH
                | FaultKind.POWER_LOSS
                | FaultKind.RESTART
                | FaultKind.STORE_LOST
                | FaultKind.RESTORE
            ):
                await _bad_process(fault, site)
            case FaultKind.DISK_FULL | FaultKind.DISK_SLOW | FaultKind.DISK_FAILING:
                await _bad_disk(fault, site)
            case FaultKind.BAD_WEATHER | FaultKind.PARTITION | FaultKind.ONE_WAY | FaultKind.INTERFACE_DOWN:
                await self._bad_network(fault, site)
            case FaultKind.CLOCK_STEP:
                step = _CLOCK_STEPS[int(fault.choice * len(_CLOCK_STEPS))]
                forward = int(fault.choice * len(_CLOCK_STEPS) * 2) % 2 == 0
                site.machine.oscillator.offset += step if forward else -step
            case (
                FaultKind.CERTIFICATE_REPLACED
                | FaultKind.CERTIFICATE_EXPIRED
                | FaultKind.CERTIFICATE_MISSING
                | FaultKind.CERTIFICATE_REVOKED
                | FaultKind.CERTIFICATE_UNTRUSTED
                | FaultKind.CA_MIGRATION
            ):
                await _bad_certificate(fault, site)
            case FaultKind.ALGORITHM:
                await self._other_algorithm(fault, site)
            case FaultKind.BEHAVIOR | FaultKind.DISABLED:
                change = _other_behavior if fault.kind is FaultKind.BEHAVIOR else _switched
                await _reconfigured(fault, site, change)
            case FaultKind.OTHER_VERSION:
                await self._other_version(fault, site)
            case FaultKind.REKEY:
                await site.ask(Rekey())
            case FaultKind.REPLAY | FaultKind.FORGERY:
                self._attack(fault, site)
            case (
                FaultKind.CRL_REVOKED
                | FaultKind.CRL_HELD
                | FaultKind.CRL_SERVER_FAILS
                | FaultKind.CRL_SERVER_LIES
                | FaultKind.CRL_STALE
                | FaultKind.CRL_ACTOR_CRASH
                | FaultKind.CRL_WRITE_CRASH
            ):
                await bad_list(fault, site)
            case (
                FaultKind.HA_CUT
                | FaultKind.HA_ONE_WAY
                | FaultKind.HA_SLOW
                | FaultKind.HA_FLAPPING
                | FaultKind.HA_RESET
                | FaultKind.HA_NODE_CRASH
                | FaultKind.HA_LINK_CRASH
            ):
                await bad_pair(fault, site)
            case unreachable:
                assert_never(unreachable)

    async def _bad_network(self, fault: Fault, site: Site) -> None:
        network, own = self._fleet.network, site.addresses
        peer = self._fleet.sites.get(fault.peer)
        theirs = () if peer is None else peer.addresses
        if not own:
            return
        match fault.kind:
            case FaultKind.BAD_WEATHER:
                links = [
                    link
                    for path in _paths(site.base)
                    for link in (
                        (path.local.address, path.peer.address),
                        (path.peer.address, path.local.address),
                    )
                ]
                for link in links:
                    network.links.set_weather(*link, _STORM)
                await _pass(fault.lasts)
                for link in links:
                    network.links.set_weather(*link, None)
            case FaultKind.PARTITION:
                partition = network.links.partition(own, theirs)
                await _pass(fault.lasts)
                network.links.heal(partition)
            case FaultKind.ONE_WAY:
                address = own[int(fault.choice * len(own))]
                for other in theirs:
                    network.links.cut(address, other)
                await _pass(fault.lasts)
                for other in theirs:
                    network.links.mend(address, other)
            case _:
                address = own[int(fault.choice * len(own))]
                network.set_interface(address, up=False)
                await _pass(fault.lasts)
                network.set_interface(address, up=True)

    async def _other_version(self, fault: Fault, site: Site) -> None:
        """Let a node and all others speak in versions that differ, until the node is upgraded."""
        translated = self._translated
        translated.update(site.addresses)
        self._fleet.network.gateway = lambda source, destination, data: (
            _in_another_version(data)
            if (source.host in translated) != (destination.host in translated)
            else data
        )
        await _pass(fault.lasts)
        translated.difference_update(site.addresses)

    async def _other_algorithm(self, fault: Fault, site: Site) -> None:
        """Change the algorithm of one peering, here first and at the peer when the fault ends."""
        peer = self._fleet.sites.get(fault.peer)
        if peer is None:
            return
        name = _ALGORITHMS[int(fault.choice * len(_ALGORITHMS))]
        site.plan = _with_algorithm(site.plan, peer.name, name)
        await site.reload()
        await _pass(fault.lasts)
        peer.plan = _with_algorithm(peer.plan, site.name, name)
        await peer.reload()

    def _attack(self, fault: Fault, site: Site) -> None:
        """Send something to a node that its peers have not sent, or not now, or not by that path."""
        paths = _paths(site.base)
        if not paths:
            return
        path = paths[int(fault.choice * len(paths))]
        local, peer = Address(*path.local), Address(*path.peer)
        network, random = self._fleet.network, self._random
        if fault.kind is FaultKind.FORGERY:
            for _ in range(_REPLAYS):
                network.inject(local, peer, b"PK\x01" + random.randbytes(random.randrange(64)))
            return
        earlier = network.links.seen(path.peer.address, path.local.address)
        target = paths[random.randrange(len(paths))]
        if not earlier:
            return
        first = random.randrange(len(earlier))
        # In a row, a frame of several segments is among them as a whole.
        again = (
            earlier[first : first + _REPLAYS]
            if random.random() < _IN_A_ROW
            else [random.choice(earlier) for _ in range(_REPLAYS)]
        )
        for each in again:
            data = each.data
            if data and random.random() < 0.3:  # noqa: PLR2004 - a share, as good as any
                place = random.randrange(len(data))
                data = data[:place] + bytes((data[place] ^ 1 << random.randrange(8),)) + data[place + 1 :]
            network.inject(Address(*target.local), Address(*target.peer), data)


async def _pass(lasts: timedelta) -> None:
    await asyncio.sleep(lasts.total_seconds())


def _paths(plan: NodePlan) -> list[PathPlan]:
    return [path for peering in plan.peerings for path in peering.paths]


def _crash_an_actor(site: Site, choice: float) -> None:
    system = site.system
    if system is None:
        return
    names = [info.name for info in system.actors()]
    if names:
        system.crash(system.ref(names[int(choice * len(names))]), Injected())


async def _burnt_down(site: Site, choice: float, *, power: bool) -> None:
    """Let a process live for a few more turns of its actors, or for a moment where there are none."""
    system = site.system
    if system is None:
        return
    dead: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def burn() -> None:
        site.kill(power=power)
        if not dead.done():
            dead.set_result(None)

    system.fuse = (int(choice * _LONGEST_FUSE), burn)
    try:
        await asyncio.wait((dead,), timeout=_FUSE_SECONDS)
    finally:
        system.fuse = None


async def _bad_process(fault: Fault, site: Site) -> None:
    if fault.kind is FaultKind.RESTART:
        await site.restart()
        return
    if fault.kind is FaultKind.RESTORE:
        await _from_backup(fault, site)
        return
    power = fault.kind is not FaultKind.CRASH
    await _burnt_down(site, fault.choice, power=power)
    async with site.held_off(power=power):
        await _pass(fault.lasts)
        if fault.kind is FaultKind.STORE_LOST:
            site.lose_store()


async def _from_backup(fault: Fault, site: Site) -> None:
    """Let a backup grow old while the node goes on, and restore it onto a machine with an empty disk."""
    backup = site.backed_up()
    await _pass(fault.lasts)
    await _burnt_down(site, fault.choice, power=True)
    async with site.held_off(power=True):
        site.restore(backup)


async def _bad_disk(fault: Fault, site: Site) -> None:
    disk = site.machine.disk
    match fault.kind:
        case FaultKind.DISK_FULL:
            disk.full = True
        case FaultKind.DISK_SLOW:
            disk.slow = True
        case _:
            disk.failing = True
    await _pass(fault.lasts)
    _mend(site)


def _mend(site: Site) -> None:
    disk = site.machine.disk
    disk.full = disk.slow = disk.failing = False


async def _bad_certificate(fault: Fault, site: Site) -> None:
    match fault.kind:
        case FaultKind.CERTIFICATE_REPLACED:
            site.certify()
        case FaultKind.CERTIFICATE_EXPIRED:
            site.certify(_SHORT_LIFE * fault.choice + timedelta(seconds=1))
            await site.reload()
            await _pass(fault.lasts)
            site.certify()
        case FaultKind.CERTIFICATE_REVOKED:
            await _revoked(fault, site)
        case FaultKind.CERTIFICATE_UNTRUSTED:
            site.certify(by_new_authority=True)
            await site.reload()
            await _pass(fault.lasts)
            site.certify()
        case FaultKind.CA_MIGRATION:
            for each in site.fleet.sites.values():
                each.trust_both()
                await each.reload()
            site.certify(by_new_authority=True)
            await site.reload()
            await _pass(fault.lasts)
            site.certify()
        case _:
            site.hide_certificate()
            await site.reload()
            await _pass(fault.lasts)
            site.show_certificate()
    await site.reload()


async def _revoked(fault: Fault, site: Site) -> None:
    """Put a node's certificate on lists for a while; then it is released, or a good one takes its place."""
    if site.issued is None:
        return
    certificate = site.issued.certificate
    if site.lists is not None:
        # What the nodes of this run know is on the CA's list.
        kind = FaultKind.CRL_HELD if int(fault.choice * 6) % 2 else FaultKind.CRL_REVOKED
        await bad_list(replace(fault, kind=kind), site)
        return
    others = [each for each in site.fleet.sites.values() if each is not site]
    knowing = ([site], others, [site, *others])[int(fault.choice * 3)]
    for each in knowing:
        each.revocation.revoke(certificate, certificate.not_valid_before_utc)
    await _pass(fault.lasts)
    if int(fault.choice * 6) % 2:
        for each in knowing:
            each.revocation.release(certificate)
    else:
        site.certify()


async def _reconfigured(fault: Fault, site: Site, change: Callable[[NodePlan], NodePlan]) -> None:
    """Run a node under a changed configuration for a while."""
    site.plan = change(site.plan)
    await site.reload()
    await _pass(fault.lasts)
    site.plan = replace(site.plan, enabled=site.base.enabled, policy=site.base.policy)
    await site.reload()


def _other_behavior(plan: NodePlan) -> NodePlan:
    soft, hard = InvalidCertificateBehavior.FAIL_SOFT, InvalidCertificateBehavior.FAIL_HARD
    other = soft if plan.policy.invalid_certificate_behavior is hard else hard
    return replace(plan, policy=replace(plan.policy, invalid_certificate_behavior=other))


def _switched(plan: NodePlan) -> NodePlan:
    return replace(plan, enabled=not plan.enabled)


def _with_algorithm(plan: NodePlan, peer: str, name: str) -> NodePlan:
    def changed(peering: PeeringPlan) -> PeeringPlan:
        same = f"{peering.peer_router}/{peering.peer_node}" == peer
        return replace(peering, algorithm_name=name) if same else peering

    return replace(plan, peerings=tuple(map(changed, plan.peerings)))


def _in_another_version(data: bytes) -> bytes:
    """Return a datagram as if of a later version, of which nobody knows more than the header."""
    place = len(MAGIC)
    return data[:place] + bytes((PROTOCOL_VERSION + 1,)) + data[place + 1 :]
