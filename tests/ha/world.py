"""Two nodes of a pair in one process: a channel that can be spoiled, stores that lag and crash, keys.

Time is a number that only :meth:`World.run` moves. What happens at one instant happens in a fixed order,
and an :class:`~tests.ha.observer.Observer` looks after each of it. Nothing here is random: a test chooses.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from peerkey.ha import effects
from peerkey.ha.constants import GREETING_TIMEOUT, LEASE, WINDOW_RECORDS
from peerkey.ha.link import LinkState, PairConfig
from peerkey.ha.messages import Version
from peerkey.ha.pair import PairNode
from peerkey.ha.records import decode_copy, encode_copy
from peerkey.ha.turns import RECORD
from peerkey.ha.view import MateView
from peerkey.moment import EPOCH_START, Instant, Moment
from peerkey.observe.alarms import Alarm, ha_key_not_replicated
from peerkey.observe.events import Event
from peerkey.protocol.constants import ACTIVATION_DELAY, ERASURE_DELAY, MATE_POLL
from peerkey.protocol.keyring import KeyRing
from peerkey.protocol.state import PeeringState, decode_state, encode_state
from tests.ha.observer import Observer
from tests.protocol.keys import key

#: How long a node waits until it connects again. The shell's number; here it only has to be some.
RECONNECT = timedelta(seconds=1)
LATENCY = timedelta(milliseconds=10)
WRITE = timedelta(milliseconds=5)
LOW, HIGH = b"\x01" * 16, b"\x02" * 16


class Disk:
    """A node's store: writes become durable in order, some time after they were begun."""

    def __init__(self) -> None:
        self.id = b""
        self.epoch = 0
        self.term = 0
        self.own: dict[str, tuple[Version, bytes]] = {}
        self.copies: dict[str, bytes] = {}
        self.latency = WRITE
        self.pending: deque[tuple[Instant, Callable[[], None], Callable[[], None]]] = deque()

    def begin(self, now: Instant, write: Callable[[], None], then: Callable[[], None]) -> None:
        self.pending.append((now + self.latency, write, then))

    def wipe(self) -> None:
        """Lose everything but the machine that it stood in."""
        self.id, self.epoch, self.term = b"", 0, 0
        self.own.clear()
        self.copies.clear()
        self.pending.clear()


@dataclass
class Peering:
    """The life of one peering's keys, as its owner lives it: what is under way is the write that waits."""

    ring: KeyRing = field(default_factory=KeyRing)
    version: Version | None = None
    highest: int = 0
    activate_at: Instant | None = None
    wait_until: Instant | None = None
    erase_at: Instant | None = None
    deleting: bool = False


class Host:
    """One node: its disk outlives it, the rest does not."""

    def __init__(self, world: World, name: str, uuid: bytes, mate: bytes) -> None:
        self.world, self.name = world, name
        self.config = PairConfig("authority", "router", uuid, mate, name, "high" if name == "low" else "low")
        self.disk = Disk()
        self.boots = 0
        self.node: PairNode | None = None
        self.view = MateView()
        self.peerings: dict[str, Peering] = {}
        self.connect_at: Instant | None = None
        self.connection = 0
        self.events: list[Event] = []
        self.taken_over: dict[str, KeyRing] | None = None
        self.heard_at: Instant = timedelta(0)

    @property
    def alive(self) -> bool:
        return self.node is not None

    @property
    def machine(self) -> PairNode:
        assert self.node is not None
        return self.node

    @property
    def now(self) -> Moment:
        return EPOCH_START.after(self.world.instant)

    # --- life and death -----------------------------------------------------------------------------

    def boot(self) -> None:
        self.boots += 1
        disk = self.disk
        disk.id = disk.id or hashlib.sha256(f"{self.name} {self.boots}".encode()).digest()[:16]
        disk.epoch += 1
        entropy_seed = f"{self.name} {self.boots}"
        drawn = iter(range(1 << 30))

        def entropy(size: int) -> bytes:
            return hashlib.shake_128(f"{entropy_seed} {next(drawn)}".encode()).digest(size)

        self.node = PairNode(
            self.config,
            entropy=entropy,
            store_id=disk.id,
            epoch=disk.epoch,
            term=disk.term,
            own=dict(disk.own),
            copies={name: decode_copy(stored) for name, stored in disk.copies.items()},
            now=self.now,
        )
        self.view, self.peerings, self.taken_over = MateView(), {}, None
        self.connect_at = self.world.instant
        for name, (version, content) in disk.own.items():
            if name == RECORD:
                continue
            self.view.written(name, version, content)
            ring = decode_state(content).ring
            peering = Peering(ring, version, ring.highest_index())
            self.peerings[name] = peering
            if ring.next is not None:
                peering.ring = ring.activate()
                self.write(name)
            if peering.ring.previous is not None:
                peering.erase_at = self.world.instant + ERASURE_DELAY

    def die(self, durable: int = 0) -> None:
        """End at once; of the writes that were under way the first so many have become durable."""
        self.node = None
        for _ in range(min(durable, len(self.disk.pending))):
            _, write, _ = self.disk.pending.popleft()
            write()
        self.disk.pending.clear()
        self.taken_over = None

    # --- its keys -----------------------------------------------------------------------------------

    def agree(self, name: str) -> None:
        """Come to hold a new key that is not accepted yet, as after KEY_RESPONSE."""
        peering = self.peerings.setdefault(name, Peering())
        if peering.deleting or peering.ring.next is not None or peering.ring.previous is not None:
            return
        peering.highest += 1
        secret = f"{self.name} {self.boots} {name} {self.world.instant}"
        peering.ring = peering.ring.with_pending(key(peering.highest, secret))
        self.write(name)

    def accept(self, name: str) -> None:
        """Accept the key that is pending: the first is used at once, a successor in 30 s."""
        peering = self.peerings.get(name)
        if peering is None or peering.deleting or peering.ring.pending is None:
            return
        peering.ring = peering.ring.accept()
        if peering.ring.current is None:
            peering.ring = peering.ring.activate()
        else:
            peering.activate_at = self.world.instant + ACTIVATION_DELAY
            peering.wait_until = None
        self.write(name)

    def erase(self, name: str) -> None:
        """Lose every key, as fail-hard does."""
        peering = self.peerings.get(name)
        if peering is not None and not peering.deleting:
            peering.ring, peering.activate_at, peering.erase_at = KeyRing(), None, None
            self.write(name)

    def remove(self, name: str) -> None:
        """Take the peering out of the configuration: its record goes."""
        peering = self.peerings.get(name)
        if peering is None or peering.deleting or peering.version is None:
            return
        peering.deleting = True
        version = peering.version

        def gone() -> None:
            del self.disk.own[name]
            self.world.observer.wrote(self, name, None)

        def told() -> None:
            del self.peerings[name]
            self.view.written(name, version, None)
            self.carry(self.machine.changed(name, version, None, self.now))

        self.disk.begin(self.world.instant, gone, told)

    def write(self, name: str) -> None:
        peering = self.peerings[name]
        number = 1 if peering.version is None else peering.version.number + 1
        version = peering.version = Version(self.disk.epoch, number)
        content = encode_state(PeeringState(number, bytes(32), ring=peering.ring))

        def write() -> None:
            self.disk.own[name] = (version, content)
            self.world.observer.wrote(self, name, content)

        def told() -> None:
            self.view.written(name, version, content)
            self.carry(self.machine.changed(name, version, content, self.now))

        self.disk.begin(self.world.instant, write, told)

    def _store_own(self, name: str, content: bytes) -> None:
        known = self.disk.own.get(name)
        version = Version(self.disk.epoch, 1 if known is None else known[0].number + 1)

        def write() -> None:
            self.disk.own[name] = (version, content)
            self.world.observer.decided(self, content)

        self.disk.begin(
            self.world.instant,
            write,
            lambda: self.carry(self.machine.changed(name, version, content, self.now)),
        )

    def keys_due(self) -> None:
        now = self.world.instant
        for name, peering in self.peerings.items():
            if peering.deleting:
                continue
            if peering.activate_at is not None and peering.activate_at <= now and self._ready(name, peering):
                peering.ring = peering.ring.activate()
                peering.activate_at, peering.erase_at = None, now + ERASURE_DELAY
                self.write(name)
            if peering.erase_at is not None and peering.erase_at <= now:
                peering.ring, peering.erase_at = peering.ring.without_previous(), None
                self.write(name)

    def _ready(self, name: str, peering: Peering) -> bool:
        """Ask as :class:`peerkey.protocol.rotation.Rotation` does."""
        now, successor = self.world.instant, peering.ring.next
        assert successor is not None
        if self.view.of(name).may_use(successor.key_id):
            return True
        peering.wait_until = peering.wait_until or now + ACTIVATION_DELAY
        if now >= peering.wait_until:
            return True
        peering.activate_at = min(now + MATE_POLL, peering.wait_until)
        return False

    # --- driving ------------------------------------------------------------------------------------

    def deadline(self) -> Instant | None:
        if self.node is None:
            return None
        due = [self.node.deadline(), self.disk.pending[0][0] if self.disk.pending else None]
        if self.node.link.state is LinkState.DOWN:
            due.append(self.connect_at)
        for peering in self.peerings.values():
            if not peering.deleting:
                due += [peering.activate_at, peering.erase_at]
        return min((each for each in due if each is not None), default=None)

    def step(self) -> None:
        """Do everything that is due now."""
        now = self.world.instant
        while self.node is not None and self.disk.pending and self.disk.pending[0][0] <= now:
            _, write, then = self.disk.pending.popleft()
            write()
            then()
        if self.node is None:
            return
        due = self.node.deadline()
        if due is not None and due <= now:
            self.carry(self.node.tick(self.now))
        self.keys_due()
        if self.node.link.state is LinkState.DOWN and self.connect_at is not None and self.connect_at <= now:
            self.connect_at = now + RECONNECT
            self.world.connect()

    def carry(self, wanted: list[effects.Effect]) -> None:
        now = self.world.instant
        for effect in wanted:
            match effect:
                case effects.Send(data):
                    self.world.send(self, data)
                case effects.Close():
                    self.world.close(self)
                    self.connect_at = now + RECONNECT
                case effects.StoreCopy(write, name, copy):
                    self.disk.begin(
                        now,
                        lambda name=name, copy=copy: self.disk.copies.update({name: encode_copy(copy)}),  # type: ignore[misc]
                        lambda write=write: self.carry(self.machine.stored(write, self.now)),  # type: ignore[misc]
                    )
                case effects.DeleteCopy(write, name):
                    self.disk.begin(
                        now,
                        lambda name=name: self.disk.copies.__delitem__(name),  # type: ignore[misc]
                        lambda write=write: self.carry(self.machine.stored(write, self.now)),  # type: ignore[misc]
                    )
                case effects.StoreOwn(name, content):
                    self._store_own(name, content)
                case effects.StoreTerm(term):
                    self.disk.begin(
                        now,
                        lambda term=term: setattr(self.disk, "term", term),  # type: ignore[misc]
                        lambda term=term: self.carry(self.machine.term_stored(term, self.now)),  # type: ignore[misc]
                    )
                case effects.Held(name, version):
                    self.view.held(name, version)
                case effects.Lacks(name):
                    self.view.lacks(name)
                case effects.TakenOver(rings):
                    self.taken_over = dict(rings)
                case effects.Released():
                    self.taken_over = None
                case effects.Emit(event):
                    self.events.append(event)
                case effects.InStep():
                    pass
        self.view.up = self.machine.link.up

    def alarms(self) -> tuple[Alarm, ...]:
        """What an operator is shown: the machine's alarms, and one for each key that the mate lacks."""
        lacking = (
            ha_key_not_replicated(self.name, self.config.mate_name, name, peering.ring.current.index)
            for name, peering in self.peerings.items()
            if peering.ring.current is not None and not self.view.holds(name, peering.ring.current.key_id)
        )
        return (*self.machine.alarms(self.now), *lacking)


@dataclass
class Way:
    """One direction of the channel."""

    latency: timedelta = LATENCY
    blocked: bool = False
    waiting: deque[tuple[Instant, int, bytes | None]] = field(default_factory=deque)


class World:
    """Both hosts and the channel between them."""

    def __init__(self, *, boot: bool = True) -> None:
        self.instant: Instant = timedelta(hours=1)
        self.observer = Observer()
        self.low = Host(self, "low", LOW, HIGH)
        self.high = Host(self, "high", HIGH, LOW)
        self.hosts = (self.low, self.high)
        self.ways = {"low": Way(), "high": Way()}
        self.cut = False
        self.connection = 0
        #: How many bytes a delivery brings at once.
        self.piece = 1 << 20
        self.sent: list[bytes] = []
        if boot:
            for host in self.hosts:
                host.boot()

    def other(self, host: Host) -> Host:
        return self.high if host is self.low else self.low

    # --- the channel ----------------------------------------------------------------------------------

    def connect(self) -> None:
        """Open a new channel, if there is a way; what was under way on an older one is gone."""
        if self.cut or any(way.blocked for way in self.ways.values()) or not all(h.alive for h in self.hosts):
            return
        self.connection += 1
        for host in self.hosts:
            self.ways[host.name].waiting.clear()
            host.connection = self.connection
            host.connect_at = self.instant + RECONNECT
            host.heard_at = self.instant
        for host in self.hosts:
            host.carry(host.machine.connected(self.now))

    @property
    def now(self) -> Moment:
        return EPOCH_START.after(self.instant)

    def send(self, host: Host, data: bytes) -> None:
        self.sent.append(data)
        self.observer.on_the_wire(data)
        way = self.ways[host.name]
        way.waiting.append((self.instant + way.latency, host.connection, data))

    def close(self, host: Host) -> None:
        way = self.ways[host.name]
        way.waiting.append((self.instant + way.latency, host.connection, None))

    def deliver(self) -> None:
        for host in self.hosts:
            way, receiver = self.ways[host.name], self.other(host)
            while way.waiting and way.waiting[0][0] <= self.instant and not (way.blocked or self.cut):
                _, connection, data = way.waiting.popleft()
                if not receiver.alive or receiver.connection != connection:
                    continue
                if data is None:
                    receiver.connect_at = self.instant + RECONNECT
                    receiver.carry(receiver.machine.lost(self.now))
                    continue
                for start in range(0, len(data), self.piece):
                    receiver.carry(receiver.machine.received(data[start : start + self.piece], self.now))

    def cut_off(self) -> None:
        """Cut the channel without either end being told.

        What is under way is not lost: it arrives when the channel works again, as of TCP, unless another
        connection has taken the place of this one by then.
        """
        self.cut = True

    def heal(self) -> None:
        """Let the channel work as it should, and both nodes live."""
        self.cut = False
        for host in self.hosts:
            way = self.ways[host.name]
            way.latency, way.blocked = LATENCY, False
            host.disk.latency = WRITE
            if not host.alive:
                host.boot()

    # --- time -----------------------------------------------------------------------------------------

    def run(self, seconds: float) -> None:
        """Let time pass, and everything happen that is due."""
        until = self.instant + timedelta(seconds=seconds)
        while True:
            due = [host.deadline() for host in self.hosts]
            if not self.cut:
                due += [way.waiting[0][0] for way in self.ways.values() if way.waiting and not way.blocked]
            at = min((each for each in due if each is not None), default=until)
            if at > until:
                break
            self.instant = max(at, self.instant)
            self.deliver()
            for host in self.hosts:
                host.step()
            self.observer.see(self)
            if at == until and not any(each is not None and each <= until for each in due):
                break
        self.instant = until
        self.observer.see(self)

    def bound(self) -> timedelta:
        """Return how long it takes after :meth:`heal` until both are in step, at the most.

        An end may have to find out that its channel is dead (silence, or a greeting that is not answered),
        then connects within its interval. Greeting, inventory, and one window for each round trip with its
        write.
        """
        records = sum(len(host.disk.own) + len(host.disk.copies) for host in self.hosts)
        windows = 2 + 2 * records // WINDOW_RECORDS
        round_trip = 2 * LATENCY + WRITE * (2 * WINDOW_RECORDS)
        return max(LEASE, GREETING_TIMEOUT) + RECONNECT * 2 + round_trip * (windows + 3)

    def in_step(self) -> bool:
        """Whether each has every record of the other, as it is."""
        return all(
            {name: decode_copy(stored).content for name, stored in self.other(host).disk.copies.items()}
            == {name: content for name, (_, content) in host.disk.own.items()}
            for host in self.hosts
        )


def ring_of(stored: bytes) -> KeyRing:
    """Return the ring in a stored copy."""
    return decode_state(decode_copy(stored).content).ring


def another_router(config: PairConfig) -> PairConfig:
    return replace(config, router="another")
