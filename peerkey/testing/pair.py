"""Two nodes, one peering, some paths, and the network between them, under a clock that only we move.

::

    pair = Pair(paths=2)
    pair.run(seconds=1)
    assert pair.keyed()

Everything the machines ask for is done at once and in order, except that datagrams take their time:
:attr:`Pair.network` decides what becomes of each one. The default network delivers each after ten
milliseconds. An :class:`End` can be crashed, also between two effects: it is built again from the last
record that it stored. An :class:`~peerkey.testing.observer.Observer` may watch: it is shown every frame
that leaves or arrives and both ends after every step.
"""

from __future__ import annotations

import hashlib
import heapq
import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import ClassVar, Final, TypeAlias, assert_never
from uuid import UUID

from peerkey.moment import Instant, Moment
from peerkey.observe.events import Event
from peerkey.pki.examination import Examiner
from peerkey.pki.identity import PeerIdentity
from peerkey.pki.revocation import NoRevocation, Revocation
from peerkey.pki.trust import TrustAnchors
from peerkey.protocol import effects
from peerkey.protocol.core import Entropy, Identity, Mate, PeeringConfig, earliest
from peerkey.protocol.effects import Effect, PathEffect
from peerkey.protocol.frame import Frame
from peerkey.protocol.keyring import PeerKey
from peerkey.protocol.path import Path, PathConfig, PathState
from peerkey.protocol.peering import Peering
from peerkey.protocol.state import PeeringState, decode_state
from peerkey.protocol.suites import Algorithm, KeyAgreement, Signer, agreement_for, signer_for
from peerkey.testing.ca import NOW, Issued, TestCA
from peerkey.testing.observer import Arrival, Observer, Sighting

#: What becomes of a datagram: for each copy that arrives, after how long and as which bytes.
Fate: TypeAlias = Iterable[tuple[timedelta, bytes]]
Network: TypeAlias = Callable[["Datagram"], Fate]

LATENCY: Final = timedelta(milliseconds=10)
LOWER, HIGHER = UUID(int=1 << 96), UUID(int=2 << 96)

#: An hour after the certificates of the test CA begin, so that clocks may be stepped back too.
START: Final = Moment(timedelta(hours=1), NOW)


@dataclass(frozen=True, slots=True)
class Datagram:
    """One datagram on its way."""

    sender: End
    path: str
    data: bytes


def reliable(datagram: Datagram) -> Fate:
    """Deliver once, in order, after ten milliseconds."""
    return ((LATENCY, datagram.data),)


def seeded_entropy(seed: object) -> Callable[[int], bytes]:
    """Return a reproducible stand-in for the operating system's generator."""
    return random.Random(str(seed)).randbytes  # noqa: S311 - the point is to be reproducible


@dataclass(slots=True)
class Options:
    """What the two ends are configured for; the same on both sides unless a test changes one."""

    algorithm: str = "ml-kem-768"
    retransmit_interval: timedelta = timedelta(seconds=30)
    timeout: timedelta = timedelta(seconds=3600)
    rekey_interval: timedelta | None = timedelta(hours=24)
    probe_interval: timedelta | None = None
    peer_validation: bool = True
    fail_hard: bool = False
    enabled: bool = True
    priority: int = 0
    peer_priority: int = 0


@dataclass(eq=False)
class End:
    """One node of the pair: its peering, its paths and everything that they asked for."""

    pair: Pair
    name: str
    uuid: UUID
    peer_uuid: UUID
    issued: Issued | None
    trust: TrustAnchors
    options: Options
    revocation: Revocation = field(default_factory=NoRevocation)
    record: bytes | None = None
    epoch: int = 0
    alive: bool = True
    events: list[Event] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    sent: list[tuple[str, Frame]] = field(default_factory=list)
    received: list[tuple[str, Frame]] = field(default_factory=list)
    paths: dict[str, Path] = field(default_factory=dict)
    clock_offset: timedelta = timedelta(0)
    #: Why this node's own certificate must not be used, as whoever watches it would say.
    own_fault: str = ""
    #: The other node of its HA pair, which is no end of this peering; ``None``: it has none.
    mate: Mate | None = None
    #: The signer of the certificate before this one, where announcements are to be signed with both.
    previous_issued: Issued | None = None
    #: How many effects are carried out before the node dies; ``None``: it lives.
    fuse: int | None = None
    #: The peer's chain that was found bad at the last look, while fail-hard was on.
    condemned_chain: tuple[bytes, ...] | None = None
    _waiting: deque[Effect] = field(default_factory=deque)
    _carrying: bool = False
    _read: tuple[bytes | None, PeeringState | None] = (None, None)

    def __post_init__(self) -> None:
        """Start."""
        self.boot()

    # --- life -------------------------------------------------------------------------------------

    @property
    def now(self) -> Moment:
        """This node's own reading of the time: its wall clock may differ from the other's."""
        return Moment(self.pair.now.instant, self.pair.now.wall + self.clock_offset)

    def boot(self) -> None:
        """Start from the record that was stored last, or from nothing."""
        self.epoch += 1
        self.alive, self.fuse = True, None
        self._waiting.clear()
        self._carrying = False
        self.peering = Peering(
            self.peering_config(),
            identity=self.identity(),
            examiner=self.examiner(),
            agreement=self.agreement(),
            entropy=self.pair.entropy,
            epoch=self.epoch,
            state=self.stored(),
            mate=self.mate,
        )
        self.paths = {name: Path(self.path_config(name), self.pair.entropy) for name in self.pair.path_names}
        self._looked(self.peering.start(self.now))
        for name in self.paths:
            self.carry_path(name, [])
            self._tell_path(name)

    def crash(self) -> None:
        """Die: whatever was not stored is gone, and so is what waited behind a write."""
        self.alive = False
        self._waiting.clear()

    def lose_store(self) -> None:
        """Come back on a new disk: the identity is there, everything else is forgotten."""
        self.crash()
        self.record = None
        if self.pair.observer is not None:
            self.pair.observer.store_lost(self.name)
        self.boot()

    def stored(self) -> PeeringState | None:
        """Return the state that the store has."""
        return None if self.record is None else decode_state(self.record)

    def _as_stored(self) -> PeeringState | None:
        """Return the state that the store has, for looking at: one value for each record."""
        if self._read[0] != self.record:
            self._read = (self.record, self.stored())
        return self._read[1]

    def peering_config(self) -> PeeringConfig:
        """Return the peering's configuration as the options say."""
        options = self.options
        return PeeringConfig(
            local=self.uuid.bytes,
            peer=self.peer_uuid.bytes,
            peer_name=f"peer-of-{self.name}",
            algorithm=Algorithm.parse(options.algorithm),
            retransmit_interval=options.retransmit_interval,
            timeout=options.timeout,
            rekey_interval=options.rekey_interval,
            local_priority=options.priority,
            peer_priority=options.peer_priority,
            peer_validation=options.peer_validation,
            fail_hard=options.fail_hard,
            enabled=options.enabled,
        )

    def path_config(self, name: str) -> PathConfig:
        """Return one path's configuration as the options say."""
        options = self.options
        return PathConfig(
            name=name,
            peer_name=f"peer-of-{self.name}",
            local=self.uuid.bytes,
            peer=self.peer_uuid.bytes,
            retransmit_interval=options.retransmit_interval,
            timeout=options.timeout,
            probe_interval=options.probe_interval,
            enabled=options.enabled,
        )

    def identity(self) -> Identity | None:
        """Return this node's certificate and signer."""
        if self.issued is None:
            return None
        previous = self.previous_issued
        return Identity(
            self.issued.chain,
            hashlib.sha256(self.issued.chain[0]).digest(),
            self.pair.signer(self.issued),
            None if previous is None else self.pair.signer(previous),
            self.own_fault,
        )

    def agreement(self) -> KeyAgreement:
        """Return the key agreement that the options name."""
        return self.pair.agreement(Algorithm.parse(self.options.algorithm), self.pair.entropy)

    def examiner(self) -> Examiner:
        """Return what judges the peer's certificate."""
        return Examiner(
            PeerIdentity(self.peer_uuid),
            peer_validation=self.options.peer_validation,
            trust=self.trust,
            revocation=self.revocation,
        )

    # --- changes ----------------------------------------------------------------------------------

    def reconfigure(self) -> None:
        """Apply the options as they are now."""
        self._looked(self.peering.examiner_changed(self.examiner(), self.now))
        self._looked(self.peering.configured(self.peering_config(), self.agreement(), self.now))
        for name, path in self.paths.items():
            self.carry_path(name, path.configured(self.path_config(name), self.now.instant))

    def replace_certificate(self, issued: Issued, *, sign_with_both: bool = False) -> None:
        """Use another certificate from now on."""
        previous, self.issued = self.issued, issued
        self.previous_issued = previous if sign_with_both else None
        self._looked(self.peering.identity_changed(self.identity(), self.now))

    def judge_own_certificate(self, fault: str) -> None:
        """Tell the peering that its own certificate is bad (``fault``), or good (nothing)."""
        self.own_fault = fault
        self._looked(self.peering.identity_changed(self.identity(), self.now))

    def look_again(self) -> None:
        """Tell the peering that trust, revocation lists or the day have changed."""
        self._looked(self.peering.trust_changed(self.now))

    def interface(self, path: str, *, up: bool) -> None:
        """Take the interface under one path up or down."""
        self.carry_path(path, self.paths[path].interface(self.now.instant, up=up))

    def _looked(self, wanted: list[Effect]) -> None:
        """Carry out what followed a look at both certificates; note what it must have seen."""
        chain = self.peering.peer_chain
        bad = bool(self.own_fault) or (
            bool(chain) and not self.examiner().examine(chain, self.now.wall).verdict.valid
        )
        self.condemned_chain = chain if bad and self._fails_hard() else None
        self.carry(wanted)
        self.pair.look()

    def _fails_hard(self) -> bool:
        """Tell what the machine has been told so far, which the options may be ahead of."""
        config = self.peering.config
        return config.fail_hard and config.enabled

    # --- effects ----------------------------------------------------------------------------------

    def carry(self, wanted: list[Effect]) -> None:
        """Carry out what the peering asks for: in order, also where one effect brings further ones."""
        self._waiting.extend(wanted)
        if self._carrying:
            return
        self._carrying = True
        while self._waiting and self.alive:
            if self.fuse is not None:
                self.fuse -= 1
                if self.fuse < 0:
                    self.crash()
                    break
            self._carry_out(self._waiting.popleft())
        self._carrying = False

    def _carry_out(self, effect: Effect) -> None:
        now = self.now.instant
        match effect:
            case effects.Store(record):
                self.record = record
            case effects.SendAll(frame):
                for name, path in self.paths.items():
                    self._leaves(name, frame)
                    self.carry_path(name, path.send(frame, now))
            case effects.SendOn(name, frame):
                self._leaves(name, frame)
                self.carry_path(name, self.paths[name].answer(frame, now))
            case effects.SendProbe(name, frame, nonce):
                self._leaves(name, frame)
                self.carry_path(name, self.paths[name].send_probe(frame, nonce, now))
            case effects.Announce(frame):
                for name, path in self.paths.items():
                    if frame is not None:
                        self._leaves(name, frame)
                    self.carry_path(name, path.announce(frame, now))
            case effects.Usable(index, probing):
                for name, path in self.paths.items():
                    self.carry_path(name, path.usable(index, probing=probing, now=now))
            case effects.Heard(name):
                self.carry_path(name, self.paths[name].heard(now))
            case effects.ProbeAnswered(name, nonce, index):
                self.carry_path(name, self.paths[name].probe_answered(nonce, index, now))
            case effects.Emit(event):
                self.events.append(event)
            case effects.Count(reason):
                self.counts[reason] = self.counts.get(reason, 0) + 1
            case unreachable:
                assert_never(unreachable)

    def _leaves(self, path: str, frame: Frame) -> None:
        self.sent.append((path, frame))
        if self.pair.observer is not None:
            self.pair.observer.leaves(self.name, frame, self._as_stored())

    def _delivered(self, path: str, frame: Frame) -> None:
        """Give a frame to the peering, and show the observer what it did there."""
        self.received.append((path, frame))
        observer, peering = self.pair.observer, self.peering
        if observer is None:
            self.carry(peering.receive(path, frame, self.now))
            return
        before = (peering.record, peering.phase, peering.deadline())
        wanted = peering.receive(path, frame, self.now)
        after = (peering.record, peering.phase, peering.deadline())
        observer.arrived(Arrival(self.name, frame, before, after, tuple(wanted), self.epoch))
        self.carry(wanted)

    def carry_path(self, name: str, wanted: list[PathEffect]) -> None:
        """Carry out what one path asks for."""
        for effect in wanted:
            match effect:
                case effects.Datagram(data):
                    self.pair.send(Datagram(self, name, data))
                case effects.Deliver(frame):
                    self._delivered(name, frame)
                case effects.WantProbe():
                    self.carry(self.peering.probe(name, self.now))
                case effects.Service():
                    continue
                case effects.Emit(event):
                    self.events.append(event)
                case effects.Count(reason):
                    self.counts[reason] = self.counts.get(reason, 0) + 1
                case unreachable:
                    assert_never(unreachable)

    def arrive(self, path: str, data: bytes) -> None:
        """Take a datagram from the network."""
        if self.alive:
            self.carry_path(path, self.paths[path].datagram_received(data, self.now.instant))

    def tick(self) -> None:
        """Do what is due."""
        if not self.alive:
            return
        deadline = self.peering.deadline()
        if deadline is not None and deadline <= self.now.instant:
            self.carry(self.peering.tick(self.now))
        for name, path in self.paths.items():
            deadline = path.deadline()
            if deadline is not None and deadline <= self.now.instant:
                self.carry_path(name, path.tick(self.now.instant))

    def deadline(self) -> Instant | None:
        """Return when :meth:`tick` has something to do."""
        if not self.alive:
            return None
        return earliest(self.peering.deadline(), *(path.deadline() for path in self.paths.values()))

    # --- looking ----------------------------------------------------------------------------------

    @property
    def current(self) -> PeerKey | None:
        """The key this end seals with."""
        return self.peering.ring.current

    def sighting(self) -> Sighting:
        """Return what an observer may see of this end now."""
        peering = self.peering
        usable = self.issued is not None and not (self.own_fault and peering.config.fail_hard)
        return Sighting(
            name=self.name,
            alive=self.alive,
            ring=peering.ring if self.alive else None,
            stored=self._as_stored(),
            phase=peering.phase,
            deadline=peering.deadline(),
            paths={name: (path.state, path.deadline()) for name, path in self.paths.items()},
            wants_key=peering.config.enabled and usable,
            condemned=(
                self.condemned_chain is not None
                and self._fails_hard()
                and self.condemned_chain == peering.peer_chain
            ),
            epoch=self.epoch,
        )

    def in_service(self) -> bool:
        """Tell whether every path is in service."""
        return all(path.state is PathState.IN_SERVICE for path in self.paths.values())

    def event_types(self) -> list[str]:
        """Return the types of the events so far."""
        return [event.TYPE for event in self.events]

    def failures(self) -> list[str]:
        """Return the reasons of the failures told so far."""
        return [str(event.detail()["reason"]) for event in self.events if event.TYPE == "peering.failed"]

    def _tell_path(self, name: str) -> None:
        path = self.paths[name]
        for effect in self.peering.path_started():
            match effect:
                case effects.Announce(frame):
                    self.carry_path(name, path.announce(frame, self.now.instant))
                case effects.Usable(index, probing):
                    self.carry_path(name, path.usable(index, probing=probing, now=self.now.instant))
                case _:
                    message = f"a path cannot be told {effect}"
                    raise AssertionError(message)


class Pair:
    """Two ends and the network between them."""

    __test__: ClassVar[bool] = False

    def __init__(  # noqa: PLR0913 - what a test may want to be different, each by name
        self,
        *,
        paths: int = 1,
        seed: object = 0,
        network: Network = reliable,
        ca: TestCA | None = None,
        options: Options | None = None,
        other_options: Options | None = None,
        issued: tuple[Issued | None, Issued | None] | None = None,
        agreement: Callable[[Algorithm, Entropy], KeyAgreement] = agreement_for,
        signer: Callable[[Issued], Signer] = lambda issued: signer_for(issued.key),
        observer: Observer | None = None,
    ) -> None:
        """Build and start both ends: ``low`` and ``high``, the preferred initiator, after their UUIDs."""
        self.now = START
        self.ca = ca or TestCA()
        self.network = network
        self.entropy = seeded_entropy(seed)
        self.agreement = agreement
        self.signer = signer
        self.observer = observer
        #: Called with each datagram, the moment before it arrives.
        self.tap: Callable[[End, str, bytes], None] | None = None
        self.path_names = tuple(f"path{number}" for number in range(paths))
        self._order = count()
        self._flying: list[tuple[Instant, int, End, str, bytes]] = []
        low, high = issued or (self.ca.issue(LOWER), self.ca.issue(HIGHER))
        mine = options or Options()
        theirs = other_options or Options(**{name: getattr(mine, name) for name in Options.__slots__})
        self.ends: list[End] = []
        self._complete = False
        self.low = End(self, "low", LOWER, HIGHER, low, self.ca.trust, mine)
        self.ends.append(self.low)
        self.high = End(self, "high", HIGHER, LOWER, high, self.ca.trust, theirs)
        self.ends.append(self.high)
        self._complete = True

    def other(self, end: End) -> End:
        """Return the end that is not ``end``."""
        return self.high if end is self.low else self.low

    def send(self, datagram: Datagram) -> None:
        """Put a datagram on the network."""
        if self.observer is not None:
            self.observer.on_the_wire(datagram.data)
        for delay, data in self.network(datagram):
            self._fly(datagram.sender, datagram.path, delay, data)

    def inject(self, receiver: End, path: str, data: bytes) -> None:
        """Let a datagram arrive that nobody sent now: a replay or a forgery."""
        receiver.arrive(path, data)
        self.look()

    def look(self) -> None:
        """Show both ends to the observer, who raises where an invariant does not hold."""
        if self.observer is not None and self._complete:
            self.observer.see(self.now.instant, self.low.sighting(), self.high.sighting())

    def run(self, *, seconds: float = 0, hours: float = 0, until: Callable[[], bool] | None = None) -> bool:
        """Let time pass, event by event; stop early when ``until`` holds. Return whether it does."""
        end = self.now.instant + timedelta(seconds=seconds, hours=hours)
        while until is None or not until():
            due = earliest(
                self._flying[0][0] if self._flying else None,
                *(node.deadline() for node in self.ends),
            )
            if due is None or due > end:
                self._advance(end)
                return until is not None and until()
            self._advance(max(due, self.now.instant))
            while self._flying and self._flying[0][0] <= self.now.instant:
                _, _, sender, path, data = heapq.heappop(self._flying)
                receiver = self.other(sender)
                if self.tap is not None:
                    self.tap(receiver, path, data)
                receiver.arrive(path, data)
                self.look()
            for node in self.ends:
                node.tick()
                self.look()
        return True

    def keyed(self) -> bool:
        """Tell whether both ends seal with the same key and every path is in service."""
        low, high = self.low.current, self.high.current
        return (
            low is not None
            and high is not None
            and low.peer_key == high.peer_key
            and low.index == high.index
            and all(end.alive and end.in_service() for end in self.ends)
        )

    def _fly(self, sender: End, path: str, delay: timedelta, data: bytes) -> None:
        arrival = self.now.instant + delay
        heapq.heappush(self._flying, (arrival, next(self._order), sender, path, data))

    def _advance(self, instant: Instant) -> None:
        self.now = self.now.after(instant - self.now.instant)
