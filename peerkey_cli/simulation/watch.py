"""Sees both ends of every peering after every step: the seven invariants of protocol.md, section 5.

There is one :class:`~peerkey.testing.observer.Observer` for each peering. What it is shown is gathered here:
the machines are looked at where they are (:class:`WatchedPeering` tells when one has moved), stored
records when they become durable, frames when a node hands them to a path, datagrams when they leave.

A step is one message handled by one actor; only the peerings that it touched are looked at. The first
violation ends the run: what comes after it would be the consequence.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from actors.messages import AnnounceThis, AnswerFrame, SendFrame, SendProbe
from actors.peer_path import ASK_TIMER, DUE_TIMER, PeerPath
from actors.router_node import WATCH_INTERVAL, RouterNode
from peerkey.moment import Instant, Moment
from peerkey.protocol.path import PathState
from peerkey.protocol.peering import Peering
from peerkey.protocol.phases import Phase
from peerkey.testing.observer import WAIT_TIME, Arrival, Observer, Sighting, Violation
from peerkey_cli.simulation.model import KeyFacts
from runtime.crash import error_type
from runtime.errors import ChildFailed, StaleEpoch, StoreUnavailable, WireUnavailable
from runtime.events import Crashed, Failed

if TYPE_CHECKING:
    from uuid import UUID

    from peerkey.protocol.effects import Effect
    from peerkey.protocol.frame import Frame
    from peerkey.protocol.keyring import PeerKey
    from peerkey_cli.simulation.fleet import Fleet, Site
    from peerkey_cli.simulation.trace import Trace
    from runtime.backends.sim import SimulatedSystem
    from runtime.events import RuntimeEvent


class Injected(Exception):
    """An actor crashes because a schedule says so."""


#: What actors may crash of: a schedule, a disk that refuses, a newer incarnation, a pair of addresses that
#: the older one holds, and children that gave up for one of these. Anything else is a mistake of ours.
EXPECTED_CRASHES: Final = frozenset(
    error_type(error)
    for error in (
        Injected(),
        StoreUnavailable(),
        StaleEpoch("", 0, 0),
        WireUnavailable(),
        ChildFailed("", ""),
    )
)

#: By how much thirty seconds on one machine may differ from thirty on another, with room to spare.
_CLOCK_SLACK: Final = timedelta(milliseconds=50)

#: A fleet of dozens of nodes that all start at one instant handles less than this.
_STEPS_AT_ONE_INSTANT: Final = 50_000

#: A key that was answered and not confirmed lives so long, or four retransmit intervals where that is longer.
_EXCHANGE_TIMEOUT: Final = timedelta(seconds=120)
_EXCHANGE_TIMEOUT_INTERVALS: Final = 4
#: What is due may wait for its turn, for a write on a slow disk, or for a step on the executor.
_LATEST: Final = timedelta(seconds=30)
#: Whether somebody has noticed a bad certificate is asked so often.
_ASK_EVERY: Final = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be."""

    #: The number of the invariant; 0 where it is another rule: that nobody crashes without a cause, say.
    invariant: int
    what: str
    #: Whom it concerns: nodes, as ``router/node``.
    nodes: tuple[str, ...]
    #: When, since the simulation began.
    at: timedelta

    def __str__(self) -> str:
        """Say it in a line."""
        rule = f"invariant {self.invariant}" if self.invariant else "broken rule"
        return f"{rule}, {' and '.join(self.nodes)}: {self.what}"


class Watch:
    """The observers of all peerings, and whatever they find."""

    def __init__(self, trace: Trace) -> None:
        """Begin with no peering; :meth:`over` says of which fleet."""
        self._trace = trace
        self._loop = asyncio.get_running_loop()
        self._pairs: dict[tuple[str, UUID], Pair] = {}
        self._dirty: dict[int, Pair] = {}
        #: Peerings of which an end was in the middle of something when it was looked at last.
        self._unsettled: dict[int, Pair] = {}
        self._receivers: dict[str, tuple[Site, Pair] | None] = {}
        #: When each key was first seen to be stored, by its id.
        self._keys_seen: dict[str, timedelta] = {}
        #: The first violation, when there is one.
        self.found: asyncio.Future[Finding] = self._loop.create_future()
        self.steps = 0
        #: The instant of the latest step, and how many there had been before it.
        self._instant, self._last_steps = self._loop.time(), 0

    def over(self, fleet: Fleet) -> None:
        """Watch every peering that two nodes of ``fleet`` are both configured for."""
        for site in fleet.sites.values():
            for plan in site.base.peerings:
                other = fleet.by_uuid(plan.peer_uuid)
                if other is None or (site.name, plan.peer_uuid) in self._pairs:
                    continue
                pair = Pair(len(self._pairs), (site, other), Observer(_CLOCK_SLACK))
                self._pairs[site.name, other.uuid] = self._pairs[other.name, site.uuid] = pair

    def key_facts(self) -> dict[str, KeyFacts]:
        """Return what is known of every key that is stored now, by its id."""
        now = timedelta(seconds=self._loop.time())
        found: dict[str, KeyFacts] = {}
        for pair in {pair.number: pair for pair in self._pairs.values()}.values():
            for site in pair.sites:
                other = pair.other(site)
                stored = site.stored(other.uuid)
                for _, key in () if stored is None else stored.ring:
                    in_use = (key.local_leaf, key.peer_leaf) == (site.leaf, other.leaf)
                    key_id = key.key_id.hex()
                    found[key_id] = KeyFacts(now - self._keys_seen.get(key_id, now), in_use)
        return found

    def lacks(self, node: str, peer: UUID, key_id: bytes) -> bool:
        """Tell whether the peer of a node has lost this key."""
        pair = self._pairs.get((node, peer))
        if pair is None:
            return True
        here = pair.site(node)
        stored = pair.other(here).stored(here.uuid)
        return stored is None or all(key.key_id != key_id for _, key in stored.ring)

    def crashed(self, site: Site, event: RuntimeEvent) -> None:
        """See that an actor died, came back or was given up: nobody may crash of a mistake of ours."""
        if isinstance(event, Crashed | Failed) and event.error not in EXPECTED_CRASHES:
            self.fail(0, f"{event.name} crashed: {event.error}", site.name)

    def fail(self, invariant: int, what: str, *nodes: str) -> None:
        """Take note of something that must not be."""
        if not self.found.done():
            at = timedelta(seconds=self._loop.time())
            self.found.set_result(Finding(invariant, what, nodes, at))

    # --- what is told -----------------------------------------------------------------------------

    def touched(self, node: str, peer: UUID) -> None:
        """Look at this peering when the step is over: it may have changed."""
        pair = self._pairs.get((node, peer))
        if pair is not None:
            self._dirty[pair.number] = pair

    def touched_all(self, site: Site) -> None:
        """Look at every peering of a node."""
        for plan in site.base.peerings:
            self.touched(site.name, plan.peer_uuid)

    def arrived(self, node: str, peer: UUID, epoch: int, arrival: Arrival) -> None:
        """See what a frame did to a machine, unless a newer incarnation has replaced it."""
        pair = self._pairs.get((node, peer))
        if pair is not None and epoch == pair.site(node).epoch:
            self._checked(pair, lambda: pair.observer.arrived(arrival))

    def handed(self, site: Site, receiver: str, message: object) -> None:
        """See a message on its way: a frame that is handed to a path has left its node."""
        if (
            not isinstance(message, SendFrame | AnswerFrame | SendProbe | AnnounceThis)
            or message.frame is None
        ):
            return
        frame: Frame = message.frame
        found = self._receiver(site, receiver)
        if found is None:
            return
        other, pair = found
        if not site.is_newest(receiver):
            pair.observer.left(site.name, frame)
        else:
            stored = site.stored(other.uuid)
            self._checked(pair, lambda: pair.observer.leaves(site.name, frame, stored))

    def on_the_wire(self, one: Site, other: Site, data: bytes) -> None:
        """See a datagram that leaves."""
        pair = self._pairs.get((one.name, other.uuid))
        if pair is not None:
            self._checked(pair, lambda: pair.observer.on_the_wire(data))

    def store_lost(self, site: Site) -> None:
        """Take note that a node's memory was taken from it."""
        for plan in site.base.peerings:
            pair = self._pairs.get((site.name, plan.peer_uuid))
            if pair is not None:
                pair.observer.store_lost(site.name)
        self.touched_all(site)

    def turn(self, site: Site, name: str) -> None:
        """See that an actor has had its turn."""
        actor = None if site.system is None else site.system.instance(name)
        if isinstance(actor, PeerPath):
            found = self._receiver(site, name)
            if found is not None:
                _, pair = found
                state = (actor.machine.state, actor.machine.deadline() is None)
                if pair.paths.get(name) != state:
                    pair.paths[name] = state
                    self._dirty[pair.number] = pair
        elif isinstance(actor, RouterNode):
            self._dirty.update((n, pair) for n, pair in self._unsettled.items() if site in pair.sites)
        elif actor is None:
            self.touched_all(site)
        self.look()

    def look(self) -> None:
        """Look at every peering that has been touched."""
        self.steps += 1
        self._progresses()
        if not self._dirty:
            return
        dirty, self._dirty = self._dirty, {}
        now = timedelta(seconds=self._loop.time())
        for pair in dirty.values():
            one, other = pair.sites
            sightings = sighting(one, other.uuid), sighting(other, one.uuid)
            if all(seen.settled for seen in sightings):
                self._unsettled.pop(pair.number, None)
            else:
                self._unsettled[pair.number] = pair
            for seen in sightings:
                for _, key in seen.keys:
                    self._keys_seen.setdefault(key.key_id.hex(), now)
            self._checked(pair, lambda pair=pair, seen=sightings: pair.observer.see(now, *seen))

    def _progresses(self) -> None:
        """4: a fleet in which time stands still waits for ever, however busy it is."""
        now = self._loop.time()
        if now != self._instant:
            self._instant, self._last_steps = now, self.steps
        elif self.steps - self._last_steps > _STEPS_AT_ONE_INSTANT:
            self.fail(4, f"{_STEPS_AT_ONE_INSTANT} messages were handled, and no time has passed")

    def _receiver(self, site: Site, name: str) -> tuple[Site, Pair] | None:
        """Return whom a path, by the name of its actor, leads to."""
        if name not in self._receivers:
            peer = name.rpartition("/")[2].partition(":")[0]
            self._receivers[name] = next(
                (
                    (pair.other(site), pair)
                    for (node, uuid), pair in self._pairs.items()
                    if node == site.name and str(uuid) == peer
                ),
                None,
            )
        return self._receivers[name]

    def _checked(self, pair: Pair, check: Any) -> None:  # noqa: ANN401 - any call that may find something
        try:
            check()
        except Violation as violation:
            self.fail(violation.invariant, violation.what, *(site.name for site in pair.sites))


@dataclass(slots=True)
class Pair:
    """The two ends of one peering."""

    number: int
    sites: tuple[Site, Site]
    observer: Observer
    #: The state of each path, by its actor's name, and whether it waits for nothing.
    paths: dict[str, tuple[PathState, bool]] = field(default_factory=dict)

    def site(self, name: str) -> Site:
        """Return the end of that name."""
        one, other = self.sites
        return one if one.name == name else other

    def other(self, site: Site) -> Site:
        """Return the other end."""
        one, other = self.sites
        return other if site is one else one


class WatchedPeering(Peering):
    """The very machine, which tells the watch whenever it has moved, and what each frame did to it."""

    def __init__(self, watch: Watch, node: str, peer: UUID, *args: Any, **named: Any) -> None:  # noqa: ANN401
        """Build the machine as :class:`Peering` says, watched as ``node``'s peering with ``peer``."""
        super().__init__(*args, **named)
        self._watch, self._node, self._peer = watch, node, peer
        self._condemned_chain: tuple[bytes, ...] | None = None
        #: The accepted key that waits for its use, and since when.
        self._waiting: tuple[bytes, Instant] | None = None
        #: Why the peering was removed while there was a bad certificate: what becomes durable may be late.
        self.causes: set[str] = set()
        self._started = False
        #: The key that is answered and not confirmed, and since when it could have been given up.
        self._answered: tuple[bytes, Instant] | None = None
        #: When it is asked next whether the peer's certificate is good, and since when it is not.
        self._ask_at = Instant(0)
        self._bad_since: Instant | None = None
        self._in_use, self._unaccepted = self.ring.current, self._not_accepted()
        self._found = b"" if self._unaccepted is None else self._unaccepted.key_id
        self._seen = self._look()

    @property
    def condemned(self) -> bool:
        """Tell whether it has seen a bad certificate, under fail-hard, and has accepted no other since."""
        return (
            self._condemned_chain is not None
            and self._fails_hard()
            and self._condemned_chain == self.peer_chain
        )

    @property
    def wants_key(self) -> bool:
        """Tell whether it is configured for keys and has a certificate that it may use."""
        return self._core.config.enabled and self._core.identity_usable

    def start(self, now: Moment) -> list[Effect]:
        """See :meth:`Peering.start`."""
        wanted = super().start(now)
        self._started = True
        return wanted

    def receive(self, path: str, frame: Frame, now: Moment) -> list[Effect]:
        """See :meth:`Peering.receive`."""
        before = self._seen
        wanted = super().receive(path, frame, now)
        self._watch.arrived(
            self._node,
            self._peer,
            self._core.epoch,
            Arrival(self._node, frame, before, self._seen, tuple(wanted)),
        )
        return wanted

    def tick(self, now: Moment) -> list[Effect]:
        """See :meth:`Peering.tick`. K3: what the peer says settles a held key, and no time that passes."""
        held = self.ring.held
        wanted = super().tick(now)
        if held is not None and self.ring.held is None and not self._core.state.removed:
            self._broken(f"key {held.index} was held, and time alone has dropped it")
        return wanted

    def _judge(self, now: Moment) -> None:
        super()._judge(now)
        core, chain = self._core, self.peer_chain
        bad = bool(core.identity is not None and core.identity.fault) or (
            bool(chain) and not core.examiner.examine(chain, now.wall).verdict.valid
        )
        self._condemned_chain = chain if bad and self._fails_hard() else None
        if core.config.enabled and core.peer_in_force and core.peer_fault is not None and not bad:
            self._broken("there is an alarm about the peer's certificate, which is good")

    def _settled(self, now: Moment) -> list[Effect]:
        wanted = super()._settled(now)
        self._check_activation(now)
        if self._core.state.removed and self.condemned:
            self.causes.add(self._core.state.removed)
        self._check_exchange(now)
        self._check_rekey(now)
        self._check_certificates(now)
        before, self._seen = self._seen, self._look()
        if wanted or before != self._seen:
            self._watch.touched(self._node, self._peer)
        return wanted

    def _check_activation(self, now: Moment) -> None:
        """K6: "a wait time of 30 seconds", unless there was no key, or the peer lacks it, or at a restart."""
        before, ring = self._in_use, self.ring
        after = self._in_use = ring.current
        if before is not None and after is not None and after.key_id != before.key_id and self._started:
            waited = Instant(0)
            if self._waiting is not None and self._waiting[0] == after.key_id:
                waited = now.instant - self._waiting[1]
            if waited < WAIT_TIME and not self._watch.lacks(self._node, self._peer, before.key_id):
                self._broken(
                    f"key {after.index} is in use {waited.total_seconds():g} s after it was accepted"
                )
        if ring.next is None:
            self._waiting = None
        elif self._waiting is None or self._waiting[0] != ring.next.key_id:
            self._waiting = (ring.next.key_id, now.instant)

    def _check_exchange(self, now: Moment) -> None:
        """V: an exchange "that names the old fingerprint" is aborted; K4: a key is not pending for ever."""
        core, ring = self._core, self.ring
        peer, identity = core.state.peer, core.identity
        before, key = self._unaccepted, self._not_accepted()
        self._unaccepted = key
        if key is None or key.key_id == self._found:
            # What a restart finds may have been agreed under the certificate before.
            pass
        elif key is ring.pending or before is None or before.key_id != key.key_id:
            leaves = (
                b"" if identity is None else identity.fingerprint,
                b"" if peer is None else peer.fingerprint,
            )
            if (key.local_leaf, key.peer_leaf) != leaves:
                self._broken(f"key {key.index} is agreed under a certificate that has been replaced")
        if ring.pending is None or not core.config.enabled:
            self._answered = None
        elif self._answered is None or self._answered[0] != ring.pending.key_id:
            self._answered = (ring.pending.key_id, now.instant)
        else:
            interval = core.config.retransmit_interval
            longest = max(_EXCHANGE_TIMEOUT, _EXCHANGE_TIMEOUT_INTERVALS * interval) + _LATEST
            if now.instant - self._answered[1] > longest:
                self._broken(f"key {ring.pending.index} was answered more than {longest} ago")

    def _check_rekey(self, now: Moment) -> None:
        """R: "every ``peer-key-rekey-interval``", or one retransmit interval later, whatever has happened."""
        core, ring = self._core, self.ring
        interval = core.config.rekey_interval
        resting = self._started and self.phase is Phase.IDLE and ring.next is None and ring.previous is None
        if not resting or interval is None or ring.current is None or not core.may_exchange:
            return
        due = self.deadline()
        if due is None or due - now.instant > interval + core.config.retransmit_interval:
            self._broken(
                f"key {ring.current.index} is in use, and its successor is not due within {interval}"
            )

    def _check_certificates(self, now: Moment) -> None:
        """V: a certificate that goes bad "is noticed without traffic", within a look and what may delay it."""
        core = self._core
        if now.instant < self._ask_at:
            return
        self._ask_at = now.instant + _ASK_EVERY
        noticed = not core.config.enabled or not core.peer_in_force or core.peer_fault is not None
        if noticed or core.examiner.examine(self.peer_chain, now.wall).verdict.valid:
            self._bad_since = None
        elif self._bad_since is None:
            self._bad_since = now.instant
        elif now.instant - self._bad_since > WATCH_INTERVAL + _LATEST:
            self._broken("the peer's certificate is bad, and nobody has noticed")

    def _broken(self, what: str) -> None:
        self._watch.fail(0, what, self._node)

    def _not_accepted(self) -> PeerKey | None:
        return self.ring.pending or self.ring.held

    def _look(self) -> tuple[bytes, Phase, Instant | None]:
        return self.record, self.phase, self.deadline()

    def _fails_hard(self) -> bool:
        return self._core.config.fail_hard and self._core.config.enabled


def _due(system: SimulatedSystem, name: str, path: PeerPath) -> Instant | None:
    """Return when a path has something to do; its mailbox and its question to its node count."""
    if system.busy(name) or system.has_timer(name, ASK_TIMER):
        return Instant(0)
    return path.machine.deadline() if system.has_timer(name, DUE_TIMER) else None


def sighting(site: Site, peer: UUID) -> Sighting:
    """Return what an observer may see of one end now."""
    stored = site.stored(peer)
    actor = site.actor
    desk = None if actor is None else actor.desks.get(peer)
    if site.system is None or actor is None or desk is None or desk.closing:
        return Sighting(
            site.name,
            alive=False,
            ring=None,
            stored=stored,
            phase=Phase.IDLE,
            deadline=None,
            paths={},
            wants_key=False,
            condemned=False,
        )
    peering, settled = desk.peering, desk.settled
    assert isinstance(peering, WatchedPeering)  # noqa: S101 - the fleet gave the node this factory
    paths: dict[str, tuple[PathState, Instant | None]] = {}
    for line in desk.paths:
        path = site.system.instance(line.ref.name)
        if isinstance(path, PeerPath):
            paths[line.plan.name] = (path.machine.state, _due(site.system, line.ref.name, path))
    timed = site.system.busy(site.actor_name) or site.system.has_timer(site.actor_name, peer)
    return Sighting(
        site.name,
        alive=True,
        ring=peering.ring if settled else None,
        stored=stored,
        phase=peering.phase,
        deadline=peering.deadline() if timed else None,
        paths=paths,
        wants_key=settled and peering.wants_key,
        condemned=peering.condemned,
        removed_for_cause=stored is not None and stored.removed in peering.causes,
        settled=settled,
        epoch=actor.epoch,
    )
