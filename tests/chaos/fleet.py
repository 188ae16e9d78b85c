"""A small fleet of router nodes on a cluster that is broken, and what is so of it, as seen from outside.

::

    with chaos_fleet(cluster, folder) as fleet:
        fleet.keyed()                   # every peering has its key, which is remembered
        ...                             # something is broken
        fleet.recovered(since)          # whole again, with the keys of before

An HA router of two nodes, linked by SSH, and its peers, validated by certificates, with a revocation list
that is served over HTTP. Nothing rekeys by itself while a run lasts, so that a key that is replaced was
replaced because of what was broken.

Every host is asked within its own process, all at a time: the admin API waits for those that are away.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import ray
import yaml
from ray.exceptions import RayError

from actors.cluster.instruments import INSTRUMENTS, GetReadings
from actors.cluster.messages import GetPlacement
from actors.crl.status import GetRevocation
from actors.keystores.stores import KeyStores
from actors.messages import GetFleet
from actors.names import AUTHORITY, CONTROL, COORDINATOR
from peerkey.protocol.suites import Algorithm
from peerkey_cli import documents
from peerkey_cli.client import Client
from peerkey_cli.cluster.program import NAME
from peerkey_cli.cluster.settings import ClusterSettings, RedisSettings
from peerkey_cli.demo.authority import DemoAuthority
from peerkey_cli.demo.lists import ListServer
from peerkey_cli.demo.pair_authority import lay_out_pair
from peerkey_cli.demo.pair_facts import Pair, keys_in_use, paths_in_service, settled
from peerkey_cli.errors import Refused, Unreachable
from peerkey_cli.schemas import Alarms
from peerkey_cli.state import StateDirectory
from runtime.backends.ray.hosts import find_host
from runtime.backends.ray.machines import RayMachines
from runtime.backends.ray.transport import host_name
from runtime.errors import RuntimeFault
from tests.chaos.cluster import until
from tests.chaos.killing import Handle, Killer

if TYPE_CHECKING:
    from actors.cluster.messages import PlacementStatus
    from actors.crl.status import RevocationStatus
    from actors.messages import NodeStatus
    from peerkey.observe.alarms import Alarm
    from peerkey_cli.schemas import PeerSecurity
    from runtime.backends.ray.actor_host import ActorHost
    from runtime.info import ActorInfo
    from tests.chaos.cluster import ChaosCluster, HeadKeeper

BRANCHES: Final = 5
PATHS: Final = 2
#: The fastest that there is: what is measured is not key exchange.
ALGORITHM: Final = "ml-kem-512"
#: Whatever is broken has healed within so many seconds, or has not healed.
HEALED: Final = 240.0
#: What is waited for for long is told.
TOLD_AFTER: Final = 20.0
_LOOK_EVERY: Final = 0.1
_ANSWER: Final = timedelta(seconds=2)
_ALL_ANSWER: Final = 1.0
#: An actor that has crashed thrice is told of for minutes, however well it is.
_CRASHING: Final = ("actor-crashing:", "store:")


@dataclass(frozen=True, slots=True)
class Seen:
    """What one host says of itself."""

    host: str
    pid: int
    incarnation: int
    actors: tuple[ActorInfo, ...]
    nodes: tuple[NodeStatus, ...] = ()
    revocation: RevocationStatus | None = None
    placement: PlacementStatus | None = None
    alarms: tuple[Alarm, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """What the hosts say that answer."""

    hosts: dict[str, Seen]

    @property
    def ends(self) -> tuple[PeerSecurity, ...]:
        """Every end of a peering; twice where two hosts run its node."""
        nodes = [node for seen in self.hosts.values() for node in seen.nodes]
        return documents.peers_security(nodes, datetime.now(UTC)).peers

    @property
    def placement(self) -> PlacementStatus | None:
        seen = self.hosts.get(CONTROL)
        return None if seen is None else seen.placement

    @property
    def alarms(self) -> frozenset[str]:
        """What is said to be wrong, by anybody."""
        found = {alarm.identity for seen in self.hosts.values() for alarm in seen.alarms}
        return frozenset(
            found | {alarm.identity for alarm in self.placement.alarms} if self.placement else found
        )

    def actors(self, kind: str) -> list[tuple[str, str]]:
        """Return the actors of a kind, each with its host first."""
        return [
            (host, actor.name)
            for host, seen in sorted(self.hosts.items())
            for actor in seen.actors
            if actor.kind == kind
        ]


@dataclass(slots=True)
class Tally:
    """What has become of the keys, over all that was broken."""

    #: Peerings that came back without a common key, or not at all.
    lost: int = 0
    #: Peerings whose key was replaced although nobody ordered it.
    rekeyed: int = 0

    def __str__(self) -> str:
        return f"keys lost {self.lost}, rekeys caused {self.rekeyed}"


@dataclass
class Fleet:
    """See the module."""

    cluster: ChaosCluster
    folder: Path
    namespace: str
    #: Starts the head again when it ends by itself.
    keeper: HeadKeeper
    killer: Killer = field(init=False)
    client: Client = field(init=False)
    #: Told of what is waited for.
    say: Callable[[str], object] = lambda _: None
    keys: dict[Pair, str] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    _headless: bool = False
    _handles: dict[str, Handle] = field(default_factory=dict)
    _asked: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.killer = Killer(self.cluster, self.namespace)
        self.client = Client(StateDirectory(self.folder / "state").socket)

    # --- looking ----------------------------------------------------------------------------------

    def look(self) -> Look:
        """Ask every host how it is. Those that do not answer within a second are not in the answer."""
        if not self._headless:
            self._handles = dict(_hosts(self.namespace))
        for host in self._asked.keys() - self._handles.keys():
            del self._asked[host]
        for host, handle in self._handles.items():
            if host not in self._asked:
                with contextlib.suppress(RayError):
                    self._asked[host] = handle.__ray_call__.remote(_see)
        found: dict[str, Seen] = {}
        asked = {answer: host for host, answer in self._asked.items()}
        done, _ = ray.wait(list(asked), num_returns=len(asked), timeout=_ALL_ANSWER) if asked else ([], [])
        for answer in done:
            del self._asked[asked[answer]]
            with contextlib.suppress(RayError):
                seen = ray.get(answer)
                if seen is not None:
                    found[asked[answer]] = seen
        return Look(found)

    @contextmanager
    def headless(self) -> Iterator[None]:
        """Let the head be away on purpose while the block lasts: nobody can be looked up."""
        self.look()
        with self.keeper.away:
            self._headless = True
            try:
                yield
            finally:
                self._headless = False

    def forget(self) -> None:
        """Wait for no answer to what was asked before now."""
        self._asked.clear()

    def unusable(self, look: Look) -> list[str]:
        """Say which peerings cannot be used at both ends with one key over every path."""
        ends = look.ends
        keys, paths = keys_in_use(ends), paths_in_service(ends)
        said = [f"no common key: {_named(pair)}" for pair in self.keys if pair not in keys]
        if len(keys) != 2 * BRANCHES:
            said.append(f"{len(keys)} peerings with a key")
        if len(paths) != 2 * BRANCHES * PATHS:
            said.append(f"{len(paths)} paths in service")
        return said

    def unsettled(self, look: Look) -> list[str]:
        """Say what is not yet as it should be."""
        said = self.unusable(look)
        placement = look.placement
        if placement is None:
            said.append("no coordinator")
        else:
            said += [f"host {each.host} does not answer" for each in placement.hosts if not each.answers]
            said += [f"host {each.host} is not complete" for each in placement.hosts if not each.complete]
            machines = {place.machine for place in placement.nodes if place.node.startswith("hub/")}
            if len(machines) != len([place for place in placement.nodes if place.node.startswith("hub/")]):
                said.append("the two nodes of the hub are on one machine")
        if not settled(look.ends):
            said.append("a key is on its way, or on its way out")
        nodes = [node for seen in look.hosts.values() for node in seen.nodes]
        pair = documents.ha(nodes, datetime.now(UTC)).nodes
        said += [
            f"{node.node} with its mate: {node.link} {node.link_error}, lag {node.lag}, "
            f"{node.copies} copies, taken over: {node.taken_over}"
            for node in pair
            if node.link != "in-step"
            or node.lag
            or node.taken_over
            or not node.records == node.replicated == node.copies == BRANCHES
        ]
        for seen in look.hosts.values():
            if seen.host != CONTROL and (
                seen.revocation is None
                or [each.state(datetime.now(UTC)) for each in seen.revocation.sources] != ["current"]
            ):
                said.append(f"{seen.host} has no current revocation list")
        return said + [f"alarm {alarm}" for alarm in sorted(look.alarms) if not alarm.startswith(_CRASHING)]

    # --- waiting ----------------------------------------------------------------------------------

    def keyed(self) -> None:
        """Wait until everything is as it should be for the first time, and remember every key."""
        look = self._until(self.unsettled)
        self.keys = keys_in_use(look.ends)
        assert len(self.keys) == 2 * BRANCHES

    def usable(self) -> float:
        """Wait until every peering can be used; return when that was."""
        self._until(self.unusable)
        return time.monotonic()

    def recovered(self) -> float:
        """Wait until everything is as it should be; return when that was, and tally the keys."""
        look = self._until(self.unsettled)
        now = time.monotonic()
        keys = keys_in_use(look.ends)
        self.tally.rekeyed += sum(keys[pair] != key for pair, key in self.keys.items())
        self.keys = keys
        return now

    def alarmed(self, *identities: str) -> None:
        """Wait until one of these alarms is raised, whoever raises it."""
        until(lambda: bool(self.look().alarms & set(identities)), f"alarm {' or '.join(identities)}")

    def told_by_api(self, source: str) -> None:
        """Wait until the admin API tells of an alarm from there."""

        def told() -> bool:
            try:
                return any(each.source == source for each in self.client.get("alarms", Alarms).alarms)
            except (Unreachable, Refused):
                return False

        until(told, f"the admin API tells of {source}")

    def quiet_by_api(self) -> None:
        """Wait until the admin API tells of no alarm, but of actors that have crashed thrice of late.

        Nor does it matter that one is held although its cause is away, because it came and went.
        """
        said: list[str] = []

        def quiet() -> bool:
            try:
                found = self.client.get("alarms", Alarms).alarms
            except (Unreachable, Refused):
                return False
            there = (each.message for each in found if each.present)
            said[:] = [message for message in there if " again and again" not in message]
            return not said

        until(quiet, "the admin API tells of no alarm")

    def _until(self, lacking: Any) -> Look:  # noqa: ANN401 - a method
        end = time.monotonic() + HEALED
        tell = time.monotonic() + TOLD_AFTER
        while said := lacking(look := self.look()):
            if time.monotonic() > tell:
                tell += TOLD_AFTER
                self.say("; ".join(said))
            if time.monotonic() > end:
                self.tally.lost += sum(text.startswith("no common key") for text in said)
                raise NotHealed("; ".join(said))
            time.sleep(_LOOK_EVERY)
        return look


class NotHealed(Exception):
    """What was broken has not healed in time; the text says what is wrong."""


@contextmanager
def chaos_fleet(
    cluster: ChaosCluster,
    folder: Path,
    *,
    hosts: int = 1,
    namespace: str = "fleet",
    metrics: tuple[str, int] | None = None,
) -> Iterator[Fleet]:
    """Run a fleet on the cluster while the block lasts. A short ``folder``: a socket is in it.

    Prometheus may ask at ``metrics``.
    """
    with ListServer() as server, cluster.kept_head() as keeper:
        authority = lay_out_pair(folder, branches=BRANCHES, paths=PATHS, algorithm=Algorithm.parse(ALGORITHM))
        server.publish(DemoAuthority(folder, BRANCHES + 1, PATHS).revocation_list(1))
        text = yaml.safe_load(authority.file.read_text())
        text["authority"]["certificate-revocation"] = [
            {"url": server.url, "polling-interval": 1, "backoff-interval": 1}
        ]
        text["authority"]["security-key-management"]["peer-key-rekey-interval"] = 720
        authority.file.write_text(yaml.safe_dump(text))
        state = StateDirectory(folder / "state")
        state.prepare()
        KeyStores(state.sealing_key).sealing_key()
        settings = ClusterSettings(
            authority=namespace,
            file=authority.file,
            state=state.path,
            hosts=hosts,
            redis=RedisSettings(address=cluster.redis_address),
            metrics=metrics,
        )
        machines = RayMachines(settings.namespace, NAME, settings.argument())
        fleet = Fleet(cluster, folder, settings.namespace, keeper)
        try:
            asyncio.run(machines.start(CONTROL, None))
            fleet.keyed()
            yield fleet
        finally:
            _end(fleet)


# --- helpers --------------------------------------------------------------------------------------


def _hosts(namespace: str) -> Iterator[tuple[str, Handle]]:
    for actor in ray.util.list_named_actors(all_namespaces=True):
        host = host_name(actor["name"])
        if host is not None and actor["namespace"] == namespace:
            handle = find_host(host, namespace)
            if handle is not None:
                yield host, handle


def _end(fleet: Fleet) -> None:
    """End every host for good: the one that would start the others again first."""
    hosts = dict(_hosts(fleet.namespace))
    for host in sorted(hosts, key=lambda name: name != CONTROL):
        ray.kill(hosts[host], no_restart=True)
    until(lambda: not dict(_hosts(fleet.namespace)), "every host has ended")


def _named(pair: Pair) -> str:
    return " and ".join(sorted(pair))


# --- within the process of a host -------------------------------------------------------------------


def _see(host: ActorHost) -> Seen | None:
    about = host.about()
    if not about.ready:
        return None

    async def ask(name: str, question: Any) -> Any:  # noqa: ANN401 - whatever it is answered with
        try:
            return await host.system.ref(name).ask(question, _ANSWER)
        except RuntimeFault:
            return None

    async def work() -> Seen:
        actors = tuple(host.system.actors())
        if about.host == CONTROL:
            placement = await ask(COORDINATOR, GetPlacement())
            return Seen(about.host, os.getpid(), about.incarnation, actors, placement=placement)
        nodes, revocation, readings = await asyncio.gather(
            ask(AUTHORITY, GetFleet()), ask(AUTHORITY, GetRevocation()), ask(INSTRUMENTS, GetReadings())
        )
        noticing = [
            *(nodes or ()),
            *((revocation,) if revocation else ()),
            *(readings.crashes if readings else ()),
        ]
        alarms = tuple(alarm for each in noticing for alarm in each.alarms)
        return Seen(about.host, os.getpid(), about.incarnation, actors, nodes or (), revocation, None, alarms)

    return host.run(work, 10.0)
