"""What is broken, and how: each kind of actor by each way, done to a fleet that heals.

The *kind* says what is hit: an actor of that class that runs now, or the process or the machine that it is
in. Where it is not the target itself that goes (the head, Redis), the actor is hit while that is away, so
that it has to come back without. :meth:`Chaos.perform` breaks, sees that the alarm is raised that belongs to
it, and waits until everything is as before.
"""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import TYPE_CHECKING, Final

import ray

from actors.cluster.reconciling import machine_of
from actors.names import CONTROL, COORDINATOR
from peerkey.observe import alarms
from tests.chaos.cluster import HEAD, NOTICED, until
from tests.chaos.killing import crash

if TYPE_CHECKING:
    from tests.chaos.fleet import Fleet
    from tests.chaos.floor import Floor


class Kind(Enum):
    """What is hit, by the name of its class."""

    ROUTER_NODE = "RouterNode"
    PEER_PATH = "PeerPath"
    CRL_SOURCE = "CrlSource"
    HA_SYNC_LINK = "HaSyncLink"
    AUTHORITY = "Authority"
    COORDINATOR = "Coordinator"
    ACTOR_HOST = "ActorHost"


class Way(Enum):
    """How it is hit."""

    EXCEPTION = "exception"
    RAY_KILL = "ray.kill"
    SIGKILL = "SIGKILL"
    MACHINE = "machine lost"
    HEAD = "head lost"
    REDIS = "redis killed"
    FROZEN = "frozen"
    FROZEN_LONG = "frozen for long"


#: Longer than a host may be silent, a path may wait for its peer, and a link for its mate.
FROZEN: Final = 12.0
#: Longer than the grace after which a silent host is discarded: every timeout but that of moving its nodes.
FROZEN_LONG: Final = 40.0
#: Redis is away for so long: the head ends itself after some seconds of that.
AWAY: Final = (0.5, 8.0)
#: A third crash within this time is told of as a loop, for as long.
_LOOP: Final = 300.0
_CRASHES: Final = 3


@dataclass(frozen=True, slots=True)
class Target:
    """The actor that was chosen; for a host itself there is none."""

    host: str
    actor: str

    @property
    def machine(self) -> str:
        """Where it is; of the coordinator that is not known."""
        return machine_of(self.host)


@dataclass(frozen=True, slots=True)
class Recovery:
    """How long it took, in seconds, from the death, or from the end of what kept it from healing."""

    #: Until every peering could be used at both ends with the key of before.
    usable: float
    #: Until everything was as before, alarms included.
    whole: float

    def __str__(self) -> str:
        return f"{self.usable:.1f} s, {self.whole:.1f} s"


@dataclass(slots=True)
class _Over:
    """Which one the actor was that was hit, and when what was away was back."""

    before: int
    at: float = 0.0


@dataclass
class Chaos:
    """Breaks a fleet. Which actor of a kind is hit, ``random`` says."""

    fleet: Fleet
    random: Random
    #: Measures Ray's own part where a machine is lost.
    floor: Floor | None = None
    #: When each actor was made to raise.
    _raised: dict[Target, deque[float]] = field(default_factory=dict)

    def perform(self, kind: Kind, way: Way) -> Recovery | None:
        """Break one thing and wait until it has healed; ``None``: nothing of that kind can be hit so now.

        :raises NotHealed: it has not.
        """
        target = self._choose(kind, way)
        if target is None:
            return None
        self.fleet.forget()
        if way in _OUTAGES:
            began = _OUTAGES[way](self, target, kind)
        else:
            began = time.monotonic()
            _DEATHS[way](self, target, kind)
        self.fleet.forget()
        usable = self.fleet.usable() - began
        if way is Way.MACHINE:
            self.fleet.cluster.add(target.machine)
        return Recovery(usable, self.fleet.recovered() - began)

    # --- choosing -----------------------------------------------------------------------------------

    def _choose(self, kind: Kind, way: Way) -> Target | None:
        look = self.fleet.look()
        if kind is Kind.ACTOR_HOST:
            found = [Target(host, "") for host in sorted(look.hosts) if host != CONTROL]
        else:
            found = [Target(host, actor) for host, actor in look.actors(kind.value)]
        if way is Way.MACHINE:
            found = [self._placed(each) for each in found]
            found = [each for each in found if each.machine not in {"", HEAD}]
        if way is Way.EXCEPTION:
            found = [each for each in found if self._may_raise(each)]
        return self.random.choice(found) if found else None

    def _placed(self, target: Target) -> Target:
        """Name the host of the coordinator after its machine, as the others are."""
        if target.host != CONTROL:
            return target
        node = self.fleet.killer.ready(CONTROL).machine
        names = [name for name in self.fleet.cluster.machines if self.fleet.cluster.node_id(name) == node]
        return Target(f"{names[0]}-{CONTROL}" if names else CONTROL, target.actor)

    def _may_raise(self, target: Target) -> bool:
        """See that one more crash is not taken for a loop, of which an alarm tells for minutes."""
        raised = self._raised.get(target, deque())
        return not target.actor or sum(time.monotonic() - each < _LOOP for each in raised) < _CRASHES - 1

    # --- deaths -------------------------------------------------------------------------------------

    def raise_inside(self, target: Target, kind: Kind) -> None:
        """Let the actor raise; of a host, let its loop end."""
        killer = self.fleet.killer
        if kind is Kind.ACTOR_HOST:
            killer.end_loop(target.host)
            return
        self._raised.setdefault(target, deque(maxlen=_CRASHES)).append(time.monotonic())
        killer.crash_actor(target.host, target.actor)

    def kill_by_ray(self, target: Target, _: Kind) -> None:
        """Have Ray kill the process of the host, and start another."""
        self.fleet.killer.restart_process(target.host)

    def kill_by_signal(self, target: Target, _: Kind) -> None:
        """Kill the process of the host."""
        self.fleet.killer.kill_process(target.host)

    def lose_machine(self, target: Target, _: Kind) -> None:
        """Lose the machine; it is told of, and its nodes move."""
        node = self.fleet.cluster.node_id(target.machine)
        with self.floor.beside(node) if self.floor is not None else nullcontext():
            self.fleet.killer.lose_machine(target.machine)
        self.fleet.alarmed(alarms.machine_lost(target.machine).identity)

    # --- outages: each returns when it was over -------------------------------------------------------

    def without_head(self, target: Target, kind: Kind) -> float:
        """Hit it while the head is away; what needs no process of Ray's heals meanwhile."""
        with self._hit_without(self.fleet.killer.lost_head, target, kind) as over:
            if kind is not Kind.ACTOR_HOST:
                self._back(target, over.before)
                self.fleet.usable()
        return over.at

    def without_redis(self, target: Target, kind: Kind) -> float:
        """Hit it while Redis is away, without which neither node nor host begins anew."""
        with self._hit_without(self.fleet.killer.lost_redis, target, kind) as over:
            time.sleep(self.random.uniform(*AWAY))
        return over.at

    @contextmanager
    def _hit_without(
        self, lost: Callable[[], AbstractContextManager[None]], target: Target, kind: Kind
    ) -> Iterator[_Over]:
        fleet = self.fleet
        handle, about = fleet.killer.handle(target.host), fleet.killer.ready(target.host)
        over = _Over(0 if kind is Kind.ACTOR_HOST else self._incarnation(target))
        with fleet.headless(), lost():
            if kind is Kind.ACTOR_HOST:
                os.kill(about.pid, signal.SIGKILL)
            else:
                ray.get(handle.__ray_call__.remote(crash, target.actor), timeout=NOTICED)
            yield over
        over.at = time.monotonic()
        if kind is Kind.ACTOR_HOST:
            fleet.killer.replaced(about)
        else:
            self._back(target, over.before)

    def _incarnation(self, target: Target) -> int:
        """Return which one of the actor it is; 0 where nobody says."""
        seen = self.fleet.look().hosts.get(target.host)
        actors = () if seen is None else seen.actors
        return next((actor.incarnation for actor in actors if actor.name == target.actor), 0)

    def _back(self, target: Target, before: int) -> None:
        until(lambda: self._incarnation(target) > before, f"{target.actor} of {target.host} is back")

    def frozen(self, target: Target, _: Kind) -> float:
        """Freeze the process of the host for a while; it is told of."""
        return self._freeze(target, FROZEN)

    def frozen_long(self, target: Target, _: Kind) -> float:
        """Freeze the process of the host until it has been given up, and longer."""
        return self._freeze(target, FROZEN_LONG)

    def _freeze(self, target: Target, seconds: float) -> float:
        thaw = time.monotonic() + seconds
        with self.fleet.killer.frozen_process(target.host):
            if target.host != CONTROL:
                self.fleet.alarmed(alarms.host_gone(target.host, "", "").identity)
            else:
                self.fleet.told_by_api(COORDINATOR)
            time.sleep(max(0.0, thaw - time.monotonic()))
        return time.monotonic()


_DEATHS: Final[dict[Way, Callable[[Chaos, Target, Kind], None]]] = {
    Way.EXCEPTION: Chaos.raise_inside,
    Way.RAY_KILL: Chaos.kill_by_ray,
    Way.SIGKILL: Chaos.kill_by_signal,
    Way.MACHINE: Chaos.lose_machine,
}
_OUTAGES: Final[dict[Way, Callable[[Chaos, Target, Kind], float]]] = {
    Way.HEAD: Chaos.without_head,
    Way.REDIS: Chaos.without_redis,
    Way.FROZEN: Chaos.frozen,
    Way.FROZEN_LONG: Chaos.frozen_long,
}
