"""Sees both ends of every peering after every step: the eight invariants of protocol.md, section 5.

There is one :class:`~peerkey.testing.observer.Observer` for each peering. What it is shown is gathered here:
the machines are looked at where they are (a :class:`~peerkey_cli.simulation.watched.WatchedPeering` tells
when it has moved), stored records when they become durable, frames when a node hands them to a path,
datagrams when they leave.

A step is one message handled by one actor; only the peerings that it touched are looked at. The first
violation ends the run: what comes after it would be the consequence.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509

from actors.messages import AnnounceThis, AnswerFrame, SendFrame, SendProbe
from actors.peer_path import ASK_TIMER, DUE_TIMER, PeerPath
from actors.router_node import RouterNode
from peerkey.moment import Instant
from peerkey.protocol.path import PathState
from peerkey.protocol.phases import Phase
from peerkey.testing.observer import Arrival, Observer, Sighting, Violation
from peerkey_cli.simulation.model import KeyFacts
from peerkey_cli.simulation.watched import WatchedPeering
from runtime.crash import error_type
from runtime.errors import ChildFailed, StaleEpoch, StoreUnavailable, WireUnavailable
from runtime.events import Crashed, Failed

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from peerkey.protocol.frame import Frame
    from peerkey_cli.simulation.fleet import Fleet, Site
    from peerkey_cli.simulation.list_watch import ListWatch
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
        #: Why peerings were removed while there was a bad certificate. A write may end after its actor has.
        self._causes: dict[tuple[str, UUID], set[str]] = {}
        #: Who watches what nodes know of revocations, where they follow lists.
        self._lists: ListWatch | None = None
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

    def follow(self, lists: ListWatch) -> None:
        """Let ``lists`` look after every step too."""
        self._lists = lists

    def causes(self, node: str, peer: UUID) -> set[str]:
        """Return why the latest incarnation of a node removed its peering with ``peer``."""
        return self._causes.setdefault((node, peer), set())

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

    def not_shown(self, good: Callable[[x509.Certificate], bool]) -> frozenset[tuple[str, str]]:
        """Return who has another certificate of whom in force than is shown now, and it is a ``good`` one."""
        found: set[tuple[str, str]] = set()
        for pair in self._pairs.values():
            for site in pair.sites:
                other = pair.other(site)
                stored = site.stored(other.uuid)
                peer = None if stored is None else stored.peer
                if peer is None or not peer.in_force or peer.fingerprint == other.leaf:
                    continue
                if good(x509.load_der_x509_certificate(peer.chain[0])):
                    found.add((site.name, other.name))
        return frozenset(found)

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

    def succeeded(self, node: str, peer: UUID, epoch: int, key_id: bytes, waited: timedelta) -> None:
        """See a key take the place of another, unless a newer incarnation has replaced the node."""
        pair = self._pairs.get((node, peer))
        if pair is not None and epoch == pair.site(node).epoch:
            pair.site(node).fleet.ha_watch.succeeded(node, peer, key_id, waited)

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

    def restored(self, site: Site) -> None:
        """Take note that a node has come back from a backup: without its keys, and with all its numbers."""
        for plan in site.base.peerings:
            pair = self._pairs.get((site.name, plan.peer_uuid))
            if pair is not None:
                pair.observer.restored(site.name)
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
        if self._lists is not None and site.lists is not None:
            self._lists.look(site.name, serving=site.actor is not None)
            self._lists.ask()
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


def _due(system: SimulatedSystem, name: str, path: PeerPath) -> Instant | None:
    """Return when a path has something to do; its mailbox and its question to its node count."""
    if system.busy(name) or system.has_timer(name, ASK_TIMER):
        return Instant(0)
    return path.machine.deadline() if system.has_timer(name, DUE_TIMER) else None


def sighting(site: Site, peer: UUID) -> Sighting:
    """Return what an observer may see of one end now."""
    stored = site.stored(peer)
    for_cause = stored is not None and stored.removed in site.fleet.watch.causes(site.name, peer)
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
            removed_for_cause=for_cause,
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
        removed_for_cause=for_cause,
        settled=settled,
        epoch=actor.epoch,
    )
