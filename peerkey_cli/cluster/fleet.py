"""A fleet on a cluster, as the host that speaks for its machine sees it.

Everything is asked of whoever knows it: where nodes and hosts are of the coordinator, how a node is of the
host that runs it. Where the coordinator is away for a moment, its last word counts. What does not answer is
shown as such, and hides nothing else.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from heapq import merge
from typing import TYPE_CHECKING, Final, TypeVar

from actors.cluster.asking import host_status, node_status, placement
from actors.cluster.foretelling import Foretell, packed
from actors.cluster.instruments import (
    INSTRUMENTS,
    ClearStatistics,
    GetReadings,
    Readings,
    RetryKeys,
)
from actors.cluster.messages import DrainHost, GetPlacement
from actors.cluster.reconciling import is_path_host, machine_of
from actors.cluster.totals import Totals
from actors.crl.status import GetRevocation, RevocationStatus
from actors.journal import REMEMBERED_EVENTS
from actors.messages import Drain, DrainedNode, FetchLists, NodeStatus, Rekey, ReleasePin, Reload
from actors.names import AUTHORITY, CONTROL, COORDINATOR, REVOCATION
from peerkey.errors import Unavailable
from peerkey.observe.alarms import cluster_limited, node_not_running
from peerkey.observe.condensing import Noticed
from peerkey.observe.events import AlarmCleared, AlarmRaised
from peerkey.observe.security_stats import summed as summed_statistics
from peerkey.observe.shelving import Shelf
from peerkey_cli.cluster.door import DOOR
from peerkey_cli.fleet import ANSWER_WITHIN, MEASURED_WITHIN, HostActors, Measured, Statistics
from peerkey_cli.noticed import shelved_of, together
from peerkey_cli.targets import Target
from runtime.cluster.directory import on_host
from runtime.errors import RuntimeFault

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from datetime import datetime

    from actors.audit_files import AuditFiles
    from actors.cluster.messages import HostsDrained, HostStatus, NodePlace, PlacementStatus
    from actors.journal import Entry, FileJournal
    from metrics.exporter import Samples
    from peerkey.config.reload_plan import Foretold, RestartNeeded
    from peerkey.observe.alarms import Alarm
    from peerkey.observe.condensing import Noticing
    from peerkey.observe.events import AlarmUnshelved, Event
    from peerkey_cli.cluster.kept_totals import KeptTotals
    from runtime.cluster.host import Host
    from runtime.ref import Ref
    from runtime.system import ActorSystem

T = TypeVar("T")
R = TypeVar("R")

#: How long one host, or one node, may take. Below the patience of whoever asks for all of them.
_EACH_WITHIN: Final = timedelta(seconds=5)
#: Questions that are under way at one time.
_AT_ONCE: Final = 200
#: Hosts whose events are remembered although they may be gone.
_MAXIMUM_HOSTS: Final = 1_000


class ClusterFleet:
    """See :class:`peerkey_cli.fleet.Fleet`, which this is."""

    def __init__(
        self,
        system: ActorSystem,
        host: Host,
        journal: FileJournal,
        place: str,
        kept: KeptTotals | None = None,
        shelf: Shelf | None = None,
    ) -> None:
        """Speak for the hosts whose :attr:`~actors.cluster.instruments.Readings.place` this is.

        What they have counted goes on from what was ``kept``. ``shelf`` is what the others are told of; they
        take it in with their looks, and this one theirs.
        """
        self.shelf = shelf if shelf is not None else Shelf()
        self.since: datetime = system.clock.wall()
        self._system = system
        self._host = host
        self._journal = journal
        self._place = place
        self._placement: PlacementStatus | None = None
        #: What Prometheus is told that the hosts of this place have counted.
        self._totals = Totals(self.since)
        self._told: Samples = {}
        #: Where that is kept, once the former speaker's word was read.
        self._kept = kept
        self._loaded = kept is None
        self._counting = asyncio.Lock()
        #: Of each host: the mark to go on from, and its latest events.
        self._events: dict[str, tuple[tuple[int, int], deque[Entry]]] = {}
        self._gathering = asyncio.Lock()
        #: Of each host that is counted on: its place, and where that is scraped; of each place its name.
        self._scraped: dict[str, tuple[str, str]] = {}
        self._names: dict[str, str] = {}
        #: What is wrong, at a time, with the admin API over TCP of this machine.
        self.door_alarms: Callable[[datetime], Iterable[Alarm]] = lambda _: ()

    def now(self) -> datetime:
        """See :meth:`peerkey_cli.fleet.Fleet.now`."""
        return self._system.clock.wall()

    async def nodes(self) -> tuple[NodeStatus, ...]:
        """See :meth:`peerkey_cli.fleet.Fleet.nodes`. In order of their names."""
        return await self._statuses((await self._placed()).nodes)

    async def revocation(self) -> RevocationStatus:
        """See :meth:`peerkey_cli.fleet.Fleet.revocation`. What the lists of this machine say."""
        return await self._system.ref(AUTHORITY).ask(GetRevocation(), ANSWER_WITHIN)

    async def noticing(self) -> tuple[Noticing, ...]:
        """See :meth:`peerkey_cli.fleet.Fleet.noticing`."""
        placed = await self._placed()
        nodes, (_, of_lists), readings, control = await asyncio.gather(
            self._statuses(placed.nodes), self._lists(), self._readings(placed), self._control_reading()
        )
        for reading in readings:
            self.shelf.merge(reading.shelved, self.now())
        crashes = [alarms for reading in (*readings, *control) for alarms in reading.crashes]
        return (*nodes, *of_lists, Noticed(COORDINATOR, placed.alarms), *self._door(), *crashes)

    def _door(self) -> tuple[Noticing, ...]:
        """Return what is wrong with the outer door of this machine."""
        alarms = tuple(self.door_alarms(self.now()))
        return (Noticed(AUTHORITY, alarms),) if alarms else ()

    async def _lists(self) -> tuple[RevocationStatus, tuple[Noticing, ...]]:
        """Return what the lists of this machine say, and what is wrong; that nobody answers is wrong, too."""
        try:
            status = await self.revocation()
        except (RuntimeFault, Unavailable) as fault:
            return RevocationStatus(), (Noticed(REVOCATION, (cluster_limited(REVOCATION, str(fault)),)),)
        return status, (status,)

    async def hosts(self) -> tuple[HostActors, ...]:
        """See :meth:`peerkey_cli.fleet.Fleet.hosts`. A host that does not answer is left out."""
        placed = await self._placed()
        found = await self._each(
            [each.host for each in placed.hosts],
            lambda host: host_status(self._system.ref, host, _EACH_WITHIN),
        )
        return (*await self._control(), *map(_shown, found))

    async def _control(self) -> tuple[HostActors, ...]:
        """Return the actors of the control host, if it answers."""
        return tuple(
            HostActors(
                CONTROL,
                reading.process,
                reading.process.rpartition(":")[0],
                reading.actors,
                reading.totals,
            )
            for reading in await self._control_reading()
            if reading.totals is not None
        )

    async def _control_reading(self) -> tuple[Readings, ...]:
        """Return what the control host knows of itself, if it answers."""
        try:
            return (await self._reading(CONTROL),)
        except RuntimeFault:
            return ()

    async def placement(self) -> PlacementStatus:
        """See :meth:`peerkey_cli.fleet.Fleet.placement`."""
        return await self._placed()

    async def events(self) -> tuple[Entry, ...]:
        """See :meth:`peerkey_cli.fleet.Fleet.events`. Those of all hosts, by their times."""
        placed = await self._placed()
        # Two at a time would go on from the same marks, and keep everything twice.
        async with self._gathering:
            await asyncio.gather(
                self._each([each.host for each in placed.hosts], self._gather_events),
                self._gather_decisions(),
            )
        if len(self._events) > _MAXIMUM_HOSTS:
            known = {each.host for each in placed.hosts} | {CONTROL}
            self._events = {host: kept for host, kept in self._events.items() if host in known}
        kept = [entries for _, entries in self._events.values()]
        return tuple(merge(*kept, key=lambda entry: entry.time))[-REMEMBERED_EVENTS:]

    def logs(self) -> tuple[AuditFiles, ...]:
        """See :meth:`peerkey_cli.fleet.Fleet.logs`. Each host has its own, where it is."""
        return ()

    async def targets(self) -> tuple[Target, ...]:
        """See :meth:`peerkey_cli.fleet.Fleet.targets`.

        A machine that is silent is told of for as long as the coordinator counts on it, so that Prometheus
        sees it silent. It keeps its name whichever of its hosts answer: another would be another series.
        """
        placed = await self._placed()
        read = await self._each([each.host for each in placed.hosts], self._host_reading)
        known = {each.host for each in placed.hosts}
        told = {host: (reading.place, reading.scraped) for host, reading in read}
        self._scraped = {host: at for host, at in (self._scraped | told).items() if host in known}
        addresses: dict[str, str] = {}
        names: dict[str, str] = {}
        for host, (place, address) in sorted(self._scraped.items()):
            if address:
                addresses.setdefault(place, address)
                names.setdefault(place, self._names.get(place, machine_of(host)))
        self._names = names
        return tuple(sorted(Target(names[place], address) for place, address in addresses.items()))

    async def measured(self) -> Measured:
        """See :meth:`peerkey_cli.fleet.Fleet.measured`. What runs on the hosts of this place."""
        await asyncio.shield(self._count({}))
        try:
            async with asyncio.timeout(MEASURED_WITHIN.total_seconds()):
                return await self._measured()
        except (RuntimeFault, TimeoutError):
            return Measured(
                now=self.now(),
                up=False,
                nodes=(),
                revocation=RevocationStatus(),
                hosts=(),
                noticing=(),
                tally=self._told,
                since=self._totals.since,
                exemplars=self._totals.exemplars(),
            )

    async def rekey(self, peer: str | None = None) -> int:
        """See :meth:`peerkey_cli.fleet.Fleet.rekey`."""
        return await self._order(Rekey(peer))

    async def release_pin(self, peer: str) -> int:
        """See :meth:`peerkey_cli.fleet.Fleet.release_pin`."""
        return await self._order(ReleasePin(peer))

    async def drain(self, node: str | None = None, *, undo: bool = False) -> tuple[DrainedNode, ...]:
        """See :meth:`peerkey_cli.fleet.Fleet.drain`. What does not answer is missing."""
        placed = await self._placed()
        found = await self._each(
            [each.host for each in placed.hosts if not is_path_host(each.host)],
            lambda host: self._system.ref(on_host(host, AUTHORITY)).ask(
                Drain(node, undo=undo), ANSWER_WITHIN
            ),
        )
        return tuple(each for nodes in found for each in nodes)

    async def drain_host(self, host: str, *, undo: bool = False) -> HostsDrained:
        """See :meth:`peerkey_cli.fleet.Fleet.drain_host`."""
        return await self._coordinator.ask(DrainHost(host, undo=undo), ANSWER_WITHIN)

    async def reload(self, within: timedelta = ANSWER_WITHIN) -> tuple[str, ...]:
        """See :meth:`peerkey_cli.fleet.Fleet.reload`. The coordinator reads the file of its machine."""
        for each in (await self._placed()).hosts:
            self._system.ref(on_host(each.host, INSTRUMENTS)).offer(RetryKeys())
        nodes: tuple[str, ...] = await self._coordinator.ask(Reload(), within)
        return nodes

    async def restart_needed(self) -> tuple[RestartNeeded, ...]:
        """See :meth:`peerkey_cli.fleet.Fleet.restart_needed`."""
        return (await self._placed()).restart_needed

    async def foretell(self, text: str, threads: Executor) -> Foretold:
        """See :meth:`peerkey_cli.fleet.Fleet.foretell`. The coordinator knows what runs."""
        compressed = await asyncio.get_running_loop().run_in_executor(threads, packed, text)
        foretold: Foretold = await self._coordinator.ask(Foretell(compressed), ANSWER_WITHIN)
        return foretold

    async def fetch_lists(self) -> None:
        """See :meth:`peerkey_cli.fleet.Fleet.fetch_lists`. On every machine."""
        for each in (await self._placed()).hosts:
            if not is_path_host(each.host):
                self._system.ref(on_host(each.host, AUTHORITY)).offer(FetchLists())

    async def statistics(self) -> Statistics:
        """See :meth:`peerkey_cli.fleet.Fleet.statistics`."""
        placed = await self._placed()
        readings = await self._readings(placed)
        counted = summed_statistics(each.statistics for each in readings)
        return Statistics(counted, complete=len(readings) == _asked(placed))

    async def clear_statistics(self) -> datetime:
        """See :meth:`peerkey_cli.fleet.Fleet.clear_statistics`."""
        placed = await self._placed()
        cleared = await self._each(
            [each.host for each in placed.hosts],
            lambda host: self._system.ref(on_host(host, INSTRUMENTS)).ask(ClearStatistics(), _EACH_WITHIN),
        )
        missing = _asked(placed) - sum(cleared)
        if missing:
            many = f"{missing} of {_asked(placed)} hosts"
            message = f"{many} did not clear their statistics; `peerkey show hosts` lists them"
            raise Unavailable(message)
        return self.now()

    def alarm_changed(self, node: str, event: AlarmRaised | AlarmCleared | AlarmUnshelved) -> None:
        """See :meth:`peerkey_cli.fleet.Fleet.alarm_changed`.

        Each machine sees the alarms of all. The one that a node is on tells of it; of the rest, the first.
        """
        placed = self._placement
        if placed is None:
            return
        machine = machine_of(self._host.name)
        places = {each.node: machine_of(each.host) for each in placed.nodes if each.host}
        # What is wrong with a door is seen by its own machine alone.
        of_door = isinstance(event, AlarmRaised | AlarmCleared) and event.source == DOOR
        if of_door or places.get(node, min(placed.machines, default=machine)) == machine:
            self._journal.record(self.now(), node, event)

    async def record(self, node: str, event: Event) -> datetime:
        """See :meth:`peerkey_cli.fleet.Fleet.record`."""
        now = self.now()
        self._journal.record(now, node, event)
        return now

    # --- asking -----------------------------------------------------------------------------------

    @property
    def _coordinator(self) -> Ref:
        return self._system.ref(on_host(CONTROL, COORDINATOR))

    async def _placed(self) -> PlacementStatus:
        """Ask the coordinator where everything is; where it is away, say what it has said last, and that.

        :raises RuntimeFault: it is away and has never said anything.
        """
        try:
            self._placement = await placement(self._system.ref, _EACH_WITHIN)
        except RuntimeFault:
            last = self._placement
            if last is None:
                raise
            away = cluster_limited(COORDINATOR, "the coordinator does not answer")
            others = (alarm for alarm in last.alarms if alarm.identity != away.identity)
            return replace(last, alarms=(*others, away))
        return self._placement

    async def _statuses(self, places: Iterable[NodePlace]) -> tuple[NodeStatus, ...]:
        bound = asyncio.Semaphore(_AT_ONCE)

        async def ask(place: NodePlace) -> NodeStatus:
            async with bound:
                return await self._status(place)

        return tuple(await asyncio.gather(*map(ask, places)))

    async def _status(self, place: NodePlace) -> NodeStatus:
        """Ask for one node; where nobody answers for it, that is its status."""
        why = place.why
        if place.host:
            try:
                return await node_status(self._system.ref, self._host.directory, place.node, _EACH_WITHIN)
            except RuntimeFault as fault:
                why = str(fault)
        return NodeStatus(
            node=place.node,
            uuid=place.uuid,
            enabled=True,
            certificate=None,
            peers=(),
            alarms=(node_not_running(place.node, why),),
            rekey_interval_hours=None,
        )

    async def _order(self, order: Rekey | ReleasePin) -> int:
        """Pass an operator's word on to every host; return the number of peerings that it reached."""
        placed = await self._placed()
        reached = await self._each(
            [each.host for each in placed.hosts if not is_path_host(each.host)],
            lambda host: self._system.ref(on_host(host, AUTHORITY)).ask(order, ANSWER_WITHIN),
        )
        return sum(reached)

    async def _each(self, hosts: Iterable[str], ask: Callable[[str], Awaitable[R]]) -> list[R]:
        """Ask every host but control at the same time; leave out those that do not answer."""
        asked = [ask(host) for host in hosts if host != CONTROL]
        found = await asyncio.gather(*asked, return_exceptions=True)
        for each in found:
            if isinstance(each, BaseException) and not isinstance(each, RuntimeFault):
                raise each
        return [each for each in found if not isinstance(each, BaseException)]

    async def _readings(self, placed: PlacementStatus) -> list[Readings]:
        return await self._each([each.host for each in placed.hosts], self._reading)

    async def _reading(self, host: str) -> Readings:
        return await self._system.ref(on_host(host, INSTRUMENTS)).ask(GetReadings(), _EACH_WITHIN)

    async def _gather_events(self, host: str) -> None:
        mark, entries = self._events.get(host, ((0, 0), deque(maxlen=REMEMBERED_EVENTS)))
        status = await host_status(self._system.ref, host, _EACH_WITHIN, mark)
        entries.extend(status.events)
        self._events[host] = status.mark, entries

    async def _gather_decisions(self) -> None:
        """Take the events of the coordinator, if it answers."""
        mark, entries = self._events.get(CONTROL, ((0, 0), deque(maxlen=REMEMBERED_EVENTS)))
        try:
            status = await self._coordinator.ask(GetPlacement("", mark), _EACH_WITHIN)
        except RuntimeFault:
            return
        entries.extend(status.events)
        self._events[CONTROL] = status.mark, entries

    async def _measured(self) -> Measured:
        placed = await self._placed()
        hosts = [each.host for each in placed.hosts]
        read = await self._each(hosts, self._host_reading)
        here = {host: reading for host, reading in read if reading.place == self._place}
        nodes, (revocation, of_lists), control, actors = await asyncio.gather(
            self._statuses(place for place in placed.nodes if place.host in here),
            self._lists(),
            self._control_reading(),
            self._each(here, lambda host: host_status(self._system.ref, host, _EACH_WITHIN)),
        )
        # What is wrong with the cluster itself is told by the machine that the coordinator is on; while it is
        # on none, by all of them.
        control_here = [reading for reading in control if reading.place == self._place]
        # What is being written is written to its end, also where nobody waits for it any more.
        counted = here | {CONTROL: control_here[0]} if control_here else here
        await asyncio.shield(self._count(counted))
        of_cluster = (Noticed(COORDINATOR, placed.alarms),) if control_here or not control else ()
        crashes = [alarms for each in (*here.values(), *control_here) for alarms in each.crashes]
        noticing, _ = together((*nodes, *of_lists, *of_cluster, *self._door(), *crashes))
        now = self.now()
        return Measured(
            now=now,
            up=True,
            nodes=nodes,
            revocation=revocation,
            hosts=tuple(map(_shown, actors)),
            noticing=noticing,
            shelved=shelved_of(noticing, self.shelf, now),
            tally=self._told,
            since=self._totals.since,
            exemplars=self._totals.exemplars(),
        )

    async def _count(self, here: Mapping[str, Readings]) -> None:
        """Take what the hosts of this place have counted, and keep it before anybody is told."""
        async with self._counting:
            if self._kept is not None and not self._loaded:
                self._totals = await asyncio.to_thread(self._kept.load, self.since)
                self._loaded = True
            for host, reading in here.items():
                self._totals.take(host, reading)
            if self._kept is not None and here:
                await asyncio.to_thread(self._kept.keep, self._totals)
            self._told = self._totals.samples()

    async def _host_reading(self, host: str) -> tuple[str, Readings]:
        return host, await self._reading(host)


def _asked(placed: PlacementStatus) -> int:
    """Return how many hosts run nodes."""
    return sum(1 for each in placed.hosts if each.host != CONTROL)


def _shown(status: HostStatus) -> HostActors:
    return HostActors(
        host=status.host,
        process=f"{status.machine}:{status.pid}",
        machine=status.machine,
        actors=status.actors,
        totals=status.system,
    )
