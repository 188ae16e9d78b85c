"""The nodes of an authority, each on a simulated machine of its own, with throw-away certificates.

The plans are those of the configuration file; only the certificates are replaced, by ones of a laboratory CA
that every node trusts if it trusts anybody. Files exist in memory alone. Keys, signatures and key
agreements do the same again for the same seed (:mod:`peerkey.testing.reproducible`), with the sizes of the
real ones.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter, deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from cryptography.hazmat.primitives.serialization import Encoding

from actors.authority import Authority
from actors.desk import is_peering, record_name
from actors.ha.direct import DirectSync
from actors.journal import MemoryJournal
from actors.messages import GetFleet, ListsWanted, NodeStatus, Reload
from actors.names import AUTHORITY, node_actor
from actors.restored import Owned, kept, owners_of, restored
from actors.router_node import Ports, RouterNode, store_owner
from peerkey.config.plan import CertificateSource, NodePlan, ValidationMode
from peerkey.errors import Misconfigured, PeerkeyError
from peerkey.protocol.restoring import floor
from peerkey.protocol.state import PeeringState, decode_state
from peerkey.secret import Secret
from peerkey.testing.ca import Issued, TestCA
from peerkey.testing.data_plane import MemoryDataPlane
from peerkey.testing.reproducible import DeterministicSigner, PlainAgreement, numbered_key
from peerkey.testing.revocation import RevocationTable
from peerkey_cli.simulation.fleet_lists import FleetLists, SiteLists, following
from peerkey_cli.simulation.ha_road import HaRoad
from peerkey_cli.simulation.ha_watch import HaWatch
from peerkey_cli.simulation.model import BOOT_AGAIN_AFTER
from peerkey_cli.simulation.watch import Injected
from peerkey_cli.simulation.watched import WatchedPeering
from runtime.backends.sim import Machine, Process
from runtime.backends.sim.machine import BEGINNING
from runtime.errors import RuntimeFault, StoreUnavailable
from runtime.store.frames import FIRST_CHECK, encode
from runtime.store.image import Entry, Image
from runtime.store.memory import MemoryStore
from runtime.store.port import Record
from runtime.store.sealed import AesGcmSealer, SealedStore
from runtime.supervision import PATIENT
from runtime.wire.network import Network
from runtime.wire.weather import Weather

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from peerkey.observe.events import Event
    from peerkey.protocol.core import Entropy
    from peerkey.protocol.suites import Algorithm, KeyAgreement, Signer
    from peerkey_cli.simulation.trace import Trace
    from peerkey_cli.simulation.watch import Watch
    from runtime.backends.sim import SimulatedSystem
    from runtime.events import RuntimeEvent
    from runtime.wire.port import Address

#: A certificate of the laboratory is valid for so long, unless a fault makes it shorter.
LIFETIME: Final = timedelta(days=3 * 365)
#: A certificate begins this long before it is made: clocks differ.
BACKDATED: Final = timedelta(days=30)

#: What an operator waits for an answer.
ANSWER_WITHIN: Final = timedelta(seconds=10)
#: How long a graceful stop may take.
STOP_WITHIN: Final = timedelta(seconds=8)

#: Requests for fresh lists that can be looked at later.
_REQUESTS_KEPT: Final = 64

#: The name of a second incarnation of a node's actor, beside the authority.
_TWIN: Final = "twin"

_ROOT: Final = "/etc/peerkey/ca.pem"
_CERTIFICATE: Final = "/etc/peerkey/node.pem"
_KEY: Final = "/etc/peerkey/node.key"
#: The first key of a node; those of the CA come before it.
_FIRST_NODE_KEY: Final = 10
_SEALING_KEY_BYTES: Final = 32
#: Datagrams of each direction of a path that an attacker has on record: those of several rekeys.
_RECORDED: Final = 256


class SimulatedKeyStore:
    """The keys of one machine, in memory. See :class:`actors.keystores.port.KeyStore`."""

    def __init__(self, site: Site) -> None:
        """Keep the keys of ``site``."""
        self._site = site

    def signer(self, name: str) -> tuple[Signer, PublicKeyTypes]:
        """See :meth:`actors.keystores.port.KeyStore.signer`."""
        issued = self._site.issued
        if issued is None:
            message = f"{name}: there is no such key"
            raise Misconfigured(message)
        return DeterministicSigner(issued), issued.key.public_key()

    def sealing_key(self) -> Secret:
        """See :meth:`actors.keystores.port.KeyStore.sealing_key`."""
        return Secret(self._site.sealing_key)


class TracedJournal(MemoryJournal):
    """The audit log of one machine: the latest events, and how many there were of each type."""

    def __init__(self, trace: Trace) -> None:
        """Tell ``trace`` of each event."""
        super().__init__()
        self._trace = trace
        self.counts: Counter[str] = Counter()

    def record(self, time: datetime, node: str, event: Event) -> None:
        """See :class:`actors.journal.Journal`."""
        super().record(time, node, event)
        self.counts[event.TYPE] += 1
        self._trace.event(node, event)


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup of a node holds."""

    made: datetime
    owners: tuple[Owned, ...]


class Site:
    """One node, its machine, its files and its operator."""

    def __init__(self, fleet: Fleet, plan: NodePlan) -> None:
        """Stand ready, switched off, with a good certificate."""
        self.fleet = fleet
        self.name, self.uuid = plan.name, plan.uuid
        #: What the configuration says, and what it says at the moment.
        self.base = self.plan = plan
        self.files: dict[str, bytes] = {}
        self.issued: Issued | None = None
        #: What the machine knows to be revoked. It is told of no change and finds it by itself.
        self.revocation = RevocationTable()
        #: For whom it wanted lists to be fetched again, the latest of them.
        self.lists_wanted: deque[ListsWanted] = deque(maxlen=_REQUESTS_KEPT)
        self.journal = TracedJournal(fleet.trace)
        #: Crashes of actors and processes.
        self.deaths: Counter[str] = Counter()
        self._states: dict[UUID, tuple[Record, PeeringState]] = {}
        random = Random(fleet.random.getrandbits(64))  # noqa: S311 - a simulation is to be repeated
        self.sealing_key = random.randbytes(_SEALING_KEY_BYTES)
        self._owner = store_owner(plan.uuid)
        self._names = (f"{AUTHORITY}/{node_actor(plan.name)}", _TWIN)
        self._ports: Ports | None = None
        #: Who seals and opens in its process; a new one with each.
        self.data_plane = MemoryDataPlane()
        self.machine = Machine(
            plan.name,
            random,
            fleet.network,
            log=fleet.trace.logger(plan.name),
            watcher=self,
            observer=self._observe,
            on_durable=self._durable,
            speakable=(PeerkeyError, RuntimeFault),
        )
        #: How many faults want the machine to be off.
        self._held_off = 0
        self._switch = asyncio.Lock()
        self._sealed: SealedStore | None = None
        self.files[_ROOT] = fleet.root_pem
        #: What it has to do with revocation lists; ``None`` where it follows none.
        self.lists = None if fleet.lists is None or not plan.trusted else self._follow(fleet.lists)
        self.certify()

    # --- looking ----------------------------------------------------------------------------------

    @property
    def system(self) -> SimulatedSystem | None:
        """The actors, while a process runs."""
        process = self.machine.process
        return None if process is None else process.system

    @property
    def epoch(self) -> int:
        """The newest epoch of the node."""
        return self.machine.disk.acknowledged.epoch(self._owner)

    @property
    def actor(self) -> RouterNode | None:
        """The actor of the node, while it lives: of two incarnations, the one with the newest epoch."""
        system = self.system
        if system is None:
            return None
        newest = self.epoch
        for name in self._names:
            actor = system.instance(name)
            if isinstance(actor, RouterNode) and actor.epoch == newest:
                return actor
        return None

    @property
    def actor_name(self) -> str:
        """The name of that actor; the usual one where none lives."""
        system, newest = self.system, self.actor
        if system is not None and newest is not None and system.instance(_TWIN) is newest:
            return _TWIN
        return self._names[0]

    def is_newest(self, actor_name: str) -> bool:
        """Tell whether an actor, by its name, is the node's newest incarnation or below it."""
        return self.actor is not None and actor_name.startswith(self.actor_name)

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses of its interfaces that paths use, each once."""
        paths = (path for peering in self.base.peerings for path in peering.paths)
        return tuple(dict.fromkeys(path.local.address for path in paths))

    @property
    def leaf(self) -> bytes:
        """The fingerprint of the certificate that it should show."""
        return b"" if self.issued is None else hashlib.sha256(self.issued.chain[0]).digest()

    @property
    def revoked(self) -> bool:
        """Whether the CA's list names the certificate that it should show."""
        lists, issued = self.fleet.lists, self.issued
        return lists is not None and issued is not None and lists.authority.names_it(issued.certificate)

    def durable(self, owner: str, name: str) -> tuple[Record, bytes] | None:
        """Return a durable record, and what is sealed in it."""
        record = self.machine.disk.acknowledged.read(owner, name)
        return None if record is None else (record, self._opened(owner, record))

    def stored(self, peer: UUID) -> PeeringState | None:
        """Return what is durable of the peering with ``peer``."""
        record = self.machine.disk.acknowledged.read(self._owner, record_name(peer))
        if record is None:
            return None
        known = self._states.get(peer)
        if known is None or known[0] is not record:
            known = self._states[peer] = (record, decode_state(self._opened(self._owner, record)))
        return known[1]

    async def status(self) -> NodeStatus | None:
        """Return what the node says of itself; ``None`` where nothing runs."""
        system = self.system
        if system is None:
            return None
        try:
            (status,) = await system.ref(AUTHORITY).ask(GetFleet(), ANSWER_WITHIN)
        except RuntimeFault:
            return None
        return status

    # --- a watcher of its actors ------------------------------------------------------------------

    def handed(self, receiver: str, message: object) -> None:
        """See :meth:`runtime.backends.sim.Watcher.handed`."""
        self.fleet.watch.handed(self, receiver, message)
        self.fleet.ha_watch.handed(self, receiver, message)

    def turn(self, name: str) -> None:
        """See :meth:`runtime.backends.sim.Watcher.turn`."""
        self.fleet.watch.turn(self, name)
        self.fleet.ha_watch.turn(self, name)
        if self.fleet.after_turn is not None:
            self.fleet.after_turn()

    # --- the machine ------------------------------------------------------------------------------

    async def boot(self) -> None:
        """Start the process, again and again until the disk lets it, unless a fault wants it to be off."""
        async with self._switch:
            while not self.machine.running and not self._held_off:
                try:
                    await self.machine.boot(self._program)
                except StoreUnavailable as fault:
                    self.fleet.trace.explain(self.name, f"cannot start: {fault}")
                    await asyncio.sleep(BOOT_AGAIN_AFTER.total_seconds())
        self._touched()

    def kill(self, *, power: bool = False) -> None:
        """Kill the process, or cut the power. Where nothing runs, what is about to start does not."""
        if self.machine.running:
            self.deaths["Power" if power else "Process"] += 1
        if power and self.base.ha is not None:
            # Nobody is left to close the connection.
            self.fleet.sync.unplug(self.base.ha)
        self.machine.kill(power=power)
        if self.lists is not None:
            self.lists.ended(power=power)
        self._touched()

    @asynccontextmanager
    async def held_off(self, *, power: bool = False) -> AsyncIterator[None]:
        """Kill the process and let nothing start before the block ends; then it starts again."""
        self._held_off += 1
        self.kill(power=power)
        try:
            yield
        finally:
            self._held_off -= 1
        await self.boot()

    async def restart(self) -> None:
        """Stop the process in good order, and start it again."""
        async with self._switch:
            await self.machine.stop(STOP_WITHIN)
            if self.lists is not None:
                self.lists.ended(power=False)
            self._touched()
        await self.boot()

    async def twinned(self, lasts: timedelta) -> None:
        """Let a second incarnation of the node live beside the first for a while; the first dies of it."""
        system, ports = self.system, self._ports
        if system is None or ports is None or _TWIN in {info.name for info in system.actors()}:
            return
        twin = system.spawn(lambda: RouterNode(self.plan, ports), _TWIN, supervision=PATIENT)
        try:
            await asyncio.sleep(lasts.total_seconds())
        finally:
            if self.system is system:
                await system.stop_actor(twin, STOP_WITHIN)
                system.crash(system.ref(self._names[0]), Injected())

    def lose_store(self) -> None:
        """Kill the process and give the machine an empty disk."""
        self.kill(power=True)
        self.machine.replace_disk()
        if self.lists is not None:
            self.lists.lost()
        self._states.clear()
        self.fleet.ha_watch.store_lost(self)
        self.fleet.watch.store_lost(self)
        self.fleet.watch.look()

    def backed_up(self) -> Backup:
        """Return what a backup of the node holds now."""
        disk = self.machine.disk.acknowledged
        found = []
        for owner in owners_of(self.uuid, None if self.base.ha is None else self.base.ha.mate_uuid):
            records = (
                Record(each.name, each.version, each.epoch, self._opened(owner, each))
                for each in disk.of_owner(owner).values()
            )
            found.append(kept(owner, disk.epoch(owner), records))
        return Backup(self._true_time(), tuple(found))

    def restore(self, backup: Backup) -> None:
        """Give the machine a disk that has nothing but what the backup brings back. No process may run.

        "Set the clock before you restore": its operator has.
        """
        self.kill(power=True)
        self.machine.oscillator.offset = timedelta(0)
        least = floor(backup.made, self._true_time())
        sealed = SealedStore(MemoryStore(), self._sealer())
        image = Image()
        for each in backup.owners:
            owned = restored(each, None, least, self.machine.random.randbytes)
            records = (Record(name, 1, owned.epoch, value) for name, value in owned.records)
            changes = {record.name: sealed.sealed(owned.owner, record) for record in records}
            image.apply(Entry(owned.owner, owned.epoch, changes))
        contents, _ = encode(image.entries(), FIRST_CHECK)
        self.machine.replace_disk(contents)
        if self.lists is not None:
            self.lists.lost()
        self._states.clear()
        self.fleet.ha_watch.store_lost(self)
        self.fleet.watch.restored(self)
        self.fleet.watch.look()

    def _true_time(self) -> datetime:
        """Return what its clock would say if nobody had ever set it."""
        return BEGINNING + timedelta(seconds=self.machine.oscillator.time())

    # --- its operator -----------------------------------------------------------------------------

    def certify(self, lifetime: timedelta = LIFETIME, *, by_new_authority: bool = False) -> None:
        """Put a new certificate and key where the configuration expects them."""
        now = BEGINNING + timedelta(seconds=asyncio.get_running_loop().time())
        self.issued = self.fleet.issue(
            self.base, now.replace(microsecond=0), lifetime, by_new_authority=by_new_authority
        )
        self.files[_CERTIFICATE] = self.issued.pem

    def trust_both(self) -> None:
        """Trust the CA that is to come beside the one that is."""
        self.files[_ROOT] = self.fleet.both_roots_pem

    def hide_certificate(self) -> None:
        """Lose the file of the certificate."""
        self.files.pop(_CERTIFICATE, None)

    def show_certificate(self) -> None:
        """Find the file of the certificate again."""
        if self.issued is not None:
            self.files[_CERTIFICATE] = self.issued.pem

    async def reload(self) -> None:
        """Have configuration and certificates read again."""
        if self.system is not None:
            await self.ask(Reload())

    async def ask(self, order: Any) -> object:  # noqa: ANN401 - any question to the authority
        """Give an operator's word; where nobody answers, that is that."""
        system = self.system
        if system is None:
            return None
        try:
            return await system.ref(AUTHORITY).ask(order, ANSWER_WITHIN)
        except (RuntimeFault, PeerkeyError) as fault:
            self.fleet.trace.explain(self.name, f"{type(order).__name__}: {fault}")
            return None

    def read(self, path: str) -> bytes:
        """Return a file of the machine."""
        content = self.files.get(path)
        if content is None:
            raise FileNotFoundError(2, "no such file", path)
        return content

    # --- inside -----------------------------------------------------------------------------------

    async def _program(self, process: Process) -> None:
        """What a composition root does."""
        entropy = self.machine.random.randbytes
        lists = None if self.lists is None else self.lists.begun(entropy)
        self.data_plane = MemoryDataPlane()
        ports = self._ports = Ports(
            store=self._seal(process),
            wire=process.wire,
            keystore=SimulatedKeyStore(self),
            read_file=self.read,
            entropy=entropy,
            journal=self.journal,
            agreement=_agreement,
            peering=self._peering,
            revocation=self.revocation if lists is None else lists.known,
            refresh_revocation=self.lists_wanted.append,
            sync=self.fleet.sync,
            data_plane=self.data_plane,
        )
        process.system.spawn(
            lambda: Authority(lambda: (self.plan,), ports, revocation=lists), AUTHORITY, supervision=PATIENT
        )

    def _seal(self, process: Process) -> SealedStore:
        self._sealed = SealedStore(process.store, self._sealer())
        return self._sealed

    def _sealer(self) -> AesGcmSealer:
        return AesGcmSealer(self.sealing_key, self.machine.random.randbytes)

    def _opened(self, owner: str, record: Record) -> bytes:
        sealed = self._sealed
        if sealed is None:
            message = "a record before any process"
            raise AssertionError(message)
        return sealed.opened(owner, record).value

    def _peering(self, config: Any, **named: Any) -> WatchedPeering:  # noqa: ANN401 - as ``Peering`` says
        return WatchedPeering(self.fleet.watch, self.name, UUID(bytes=config.peer), config, **named)

    def _durable(self, owner: str, names: tuple[str, ...]) -> None:
        """Take note of what has become durable: records, or no more than a new epoch."""
        image = self.machine.disk.acknowledged
        for name in names:
            record = image.read(owner, name)
            what = "gone" if record is None else f"version {record.version}, epoch {record.epoch}"
            self.fleet.trace.note("stored", self.name, f"{name}: {what}")
            if record is not None and record.epoch != image.epoch(owner):
                self.fleet.watch.fail(0, f"{name} was written under a stale epoch", self.name)
            if owner == self._owner and is_peering(name):
                self.fleet.watch.touched(self.name, UUID(name.partition(":")[2]))
        if not names:
            self.fleet.trace.note("stored", self.name, f"epoch {image.epoch(owner)}")
        self.fleet.ha_watch.durable(self, owner, names)
        # Before anybody is answered: whoever wrote it may end in the very turn that it is.
        self.fleet.watch.look()

    def _observe(self, event: RuntimeEvent) -> None:
        self.deaths[type(event).__name__] += 1
        self.fleet.trace.note("actor", self.name, f"{type(event).__name__} {event.name}")
        self.fleet.watch.crashed(self, event)

    def _touched(self) -> None:
        self.fleet.watch.touched_all(self)
        self.fleet.watch.look()

    def _follow(self, lists: FleetLists) -> SiteLists:
        """Follow the CA's list, at the intervals of the configuration where it has any."""
        self.base = self.plan = following(self.plan)
        return SiteLists(lists, self)


class Fleet:
    """All nodes, and the network between them."""

    def __init__(
        self,
        plans: Sequence[NodePlan],
        random: Random,
        trace: Trace,
        watch: Watch,
        *,
        loss: float,
        lists: bool = False,
    ) -> None:
        """Make a machine for each plan, switched off. The network loses a share ``loss`` at all times.

        With ``lists``, the CA publishes revocation lists, and every node that trusts it follows them.
        """
        self.random = random
        self.trace = trace
        self.watch = watch
        self.network = Network(
            Random(random.getrandbits(64)),  # noqa: S311 - a simulation is to be repeated
            weather=Weather(loss=loss),
            remembered=_RECORDED,
        )
        self.network.on_sent = self._sent
        #: Is called after each turn of an actor, and changes nothing.
        self.after_turn: Callable[[], object] | None = None
        #: Joins the two nodes of each HA router.
        self.ha_watch = HaWatch(lambda node, what: watch.fail(0, what, node), partial(trace.note, "link"))
        self.ha_road = HaRoad(self.ha_watch.sent)
        self.sync = DirectSync(self.ha_road)
        self.network.on_delivered = self._delivered
        self._ca = TestCA(
            "simulation", now=BEGINNING, root_key=numbered_key(1), intermediate_key=numbered_key(2)
        )
        self._new_ca = TestCA(
            "migration", now=BEGINNING, root_key=numbered_key(3), intermediate_key=numbered_key(4)
        )
        self._keys = _FIRST_NODE_KEY
        self.root_pem = self._ca.root.certificate.public_bytes(Encoding.PEM)
        self.both_roots_pem = self.root_pem + self._new_ca.root.certificate.public_bytes(Encoding.PEM)
        #: The CA's lists; ``None``: it publishes none.
        self.lists = FleetLists(self._ca, self._new_ca, trace, watch) if lists else None
        self.sites = {plan.name: Site(self, _simulated(plan)) for plan in plans}
        self._by_uuid = {site.uuid: site for site in self.sites.values()}
        #: The two nodes of each HA router.
        self.pairs = tuple(self._paired())
        for pair in self.pairs:
            self.ha_watch.over(*pair)
        self._by_address = {address: site for site in self.sites.values() for address in site.addresses}
        watch.over(self)

    def by_uuid(self, uuid: UUID) -> Site | None:
        """Return the node of that UUID, if it is one of the fleet."""
        return self._by_uuid.get(uuid)

    def mate_of(self, site: Site) -> Site | None:
        """Return the other node of the HA router, where it is one of the fleet."""
        ha = site.base.ha
        return None if ha is None else self.by_uuid(ha.mate_uuid)

    def _paired(self) -> Iterator[tuple[Site, Site]]:
        for site in self.sites.values():
            mate = self.mate_of(site)
            if mate is not None and site.uuid < mate.uuid and mate.base.ha is not None:
                yield site, mate

    def issue(self, plan: NodePlan, now: datetime, lifetime: timedelta, *, by_new_authority: bool) -> Issued:
        """Return a new certificate on a new key for the node of ``plan``."""
        self._keys += 1
        return (self._new_ca if by_new_authority else self._ca).issue(
            plan.uuid,
            alias=plan.alias,
            key=numbered_key(self._keys),
            not_before=now - BACKDATED,
            not_after=now + lifetime,
        )

    def _sent(self, source: Address, destination: Address, data: bytes) -> None:
        one, other = self._by_address.get(source.host), self._by_address.get(destination.host)
        if one is not None and other is not None:
            self.watch.on_the_wire(one, other, data)

    def _delivered(self, source: Address, destination: Address, data: bytes) -> None:
        self.trace.datagram(self._named(source), self._named(destination), data)

    def _named(self, address: Address) -> str:
        """Return an address with the name of the node that has it, by which a trace is searched."""
        site = self._by_address.get(address.host)
        return f"{address}" if site is None else f"{site.name} {address}"


def _agreement(algorithm: Algorithm, entropy: Entropy) -> KeyAgreement:
    return PlainAgreement(algorithm, entropy, heavy=True, life_size=True)


def _simulated(plan: NodePlan) -> NodePlan:
    """Return the plan with the laboratory's certificates instead of those that files would hold."""
    source = partial(CertificateSource, content=None, validation_mode=ValidationMode.STRICT)
    return replace(
        plan,
        certificate=source(plan.certificate.name, _CERTIFICATE),
        key_file=_KEY,
        trusted=(source("laboratory", _ROOT),) if plan.trusted else (),
    )
