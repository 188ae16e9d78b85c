"""A fleet, or some nodes of one, that runs in this process alone."""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from actors.audit_files import AuditFiles
from actors.cluster.messages import HostPlace, HostsDrained, NodePlace, PlacementStatus
from actors.crl.status import GetRevocation, RevocationStatus
from actors.deployed import restart_alarms
from actors.messages import Drain, FetchLists, GetFleet, GetPlans, Rekey, ReleasePin, Reload
from actors.names import AUTHORITY
from actors.process_counts import counts_of
from peerkey.config.reload_plan import foretell
from peerkey.errors import Unavailable
from peerkey.observe.condensing import Noticed
from peerkey.observe.shelving import Shelf
from peerkey_cli.fleet import ANSWER_WITHIN, MEASURED_WITHIN, HostActors, Measured, Statistics
from peerkey_cli.noticed import shelved_of, together
from peerkey_cli.targets import Target
from runtime.errors import RuntimeFault

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from datetime import datetime, timedelta

    from actors.authority import PlansOf
    from actors.crashes import CrashWatch
    from actors.deployed import Deployed
    from actors.journal import Entry, FileJournal
    from actors.keystores.stores import KeyStores
    from actors.messages import DrainedNode, NodeStatus
    from peerkey.config.reload_plan import Foretold, RestartNeeded
    from peerkey.observe.condensing import Noticing
    from peerkey.observe.events import AlarmCleared, AlarmRaised, AlarmUnshelved, Event
    from peerkey_cli.own_watch import OwnWatch
    from peerkey_cli.state import StateDirectory
    from runtime.backends.local import LocalSystem
    from runtime.ref import Ref


@dataclass(frozen=True, slots=True)
class Running:
    """See :class:`peerkey_cli.fleet.Fleet`, which this is."""

    system: LocalSystem
    authority: Ref
    crashes: CrashWatch
    journal: FileJournal
    state: StateDirectory
    since: datetime
    keystore: KeyStores
    deployed: Deployed
    plans_of: PlansOf | None
    #: Watches what this process goes by itself.
    own: OwnWatch
    shelf: Shelf = field(default_factory=Shelf)
    #: Where Prometheus finds the metrics of this process, as ``HOST:PORT``; empty where it does not.
    scraped: str = ""

    def now(self) -> datetime:
        """See :meth:`peerkey_cli.fleet.Fleet.now`."""
        return self.system.clock.wall()

    async def nodes(self) -> tuple[NodeStatus, ...]:
        """See :meth:`peerkey_cli.fleet.Fleet.nodes`."""
        return await self.authority.ask(GetFleet(), ANSWER_WITHIN)

    async def revocation(self) -> RevocationStatus:
        """See :meth:`peerkey_cli.fleet.Fleet.revocation`."""
        return await self.authority.ask(GetRevocation(), ANSWER_WITHIN)

    async def noticing(self) -> tuple[Noticing, ...]:
        """See :meth:`peerkey_cli.fleet.Fleet.noticing`."""
        try:
            nodes, revocation = await asyncio.gather(self.nodes(), self.revocation())
        except RuntimeFault:
            crashes = self.crashes.alarms()
            if any(each.node == AUTHORITY for each in crashes):
                return (*crashes, *self.own.noticed())
            raise
        return (*nodes, revocation, *self._restart(), *self.crashes.alarms(), *self.own.noticed())

    async def hosts(self) -> tuple[HostActors, ...]:
        """See :meth:`peerkey_cli.fleet.Fleet.hosts`."""
        return (self._host(),)

    async def placement(self) -> PlacementStatus:
        """See :meth:`peerkey_cli.fleet.Fleet.placement`. Everything is in this process."""
        nodes = await self.nodes()
        running = self._host()
        place = HostPlace(
            host=running.host,
            machine=running.machine,
            pid=os.getpid(),
            incarnation=1,
            restarts=0,
            answers=True,
            since_seconds=(self.now() - self.since).total_seconds(),
            nodes=len(nodes),
            complete=True,
        )
        return PlacementStatus(
            epoch=0,
            version=0,
            placement="local",
            machines=(running.machine,),
            hosts=(place,),
            nodes=tuple(
                NodePlace(node.node, running.host, running.machine, uuid=node.uuid) for node in nodes
            ),
            total=len(nodes),
            alarms=(),
        )

    async def events(self) -> tuple[Entry, ...]:
        """See :meth:`peerkey_cli.fleet.Fleet.events`."""
        return self.journal.recent()

    def logs(self) -> tuple[AuditFiles, ...]:
        """See :meth:`peerkey_cli.fleet.Fleet.logs`."""
        return () if self.journal.unwritten else (AuditFiles(self.state.journal),)

    async def targets(self) -> tuple[Target, ...]:
        """See :meth:`peerkey_cli.fleet.Fleet.targets`."""
        return (Target(socket.gethostname(), self.scraped),) if self.scraped else ()

    async def measured(self) -> Measured:
        """See :meth:`peerkey_cli.fleet.Fleet.measured`."""
        nodes: tuple[NodeStatus, ...] = ()
        revocation, up = RevocationStatus(), True
        try:
            async with asyncio.timeout(MEASURED_WITHIN.total_seconds()):
                nodes, revocation = await asyncio.gather(self.nodes(), self.revocation())
        except (RuntimeFault, TimeoutError):
            up = False
        now = self.now()
        noticing, _ = together(
            (*nodes, revocation, *self._restart(), *self.crashes.alarms(), *self.own.noticed())
        )
        return Measured(
            now=now,
            up=up,
            nodes=nodes,
            revocation=revocation,
            hosts=(self._host(),),
            noticing=noticing,
            shelved=shelved_of(noticing, self.shelf, now),
            tally=counts_of(self.journal.tally, self.system.info()),
            since=self.since,
            exemplars=self.journal.tally.exemplars(),
        )

    async def rekey(self, peer: str | None = None) -> int:
        """See :meth:`peerkey_cli.fleet.Fleet.rekey`."""
        return await self.authority.ask(Rekey(peer), ANSWER_WITHIN)

    async def release_pin(self, peer: str) -> int:
        """See :meth:`peerkey_cli.fleet.Fleet.release_pin`."""
        return await self.authority.ask(ReleasePin(peer), ANSWER_WITHIN)

    async def drain(self, node: str | None = None, *, undo: bool = False) -> tuple[DrainedNode, ...]:
        """See :meth:`peerkey_cli.fleet.Fleet.drain`."""
        return await self.authority.ask(Drain(node, undo=undo), ANSWER_WITHIN)

    async def drain_host(self, host: str, *, undo: bool = False) -> HostsDrained:
        """See :meth:`peerkey_cli.fleet.Fleet.drain_host`. There is no other host to move to."""
        del host, undo
        return HostsDrained("this system has one host alone; drain its nodes with `peerkey drain`", ())

    async def reload(self, within: timedelta = ANSWER_WITHIN) -> tuple[str, ...]:
        """See :meth:`peerkey_cli.fleet.Fleet.reload`. What a device has refused is tried again, too."""
        self.keystore.retry()
        return await self.authority.ask(Reload(), within)

    async def restart_needed(self) -> tuple[RestartNeeded, ...]:
        """See :meth:`peerkey_cli.fleet.Fleet.restart_needed`."""
        return self.deployed.needed

    async def foretell(self, text: str, threads: Executor) -> Foretold:
        """See :meth:`peerkey_cli.fleet.Fleet.foretell`."""
        plans_of, deployment = self.plans_of, self.deployed.deployment
        if plans_of is None or deployment is None:
            message = "there is no configuration to compare with"
            raise Unavailable(message)
        running = await self.authority.ask(GetPlans(), ANSWER_WITHIN)
        return await asyncio.get_running_loop().run_in_executor(
            threads, lambda: foretell(running, plans_of(text), deployment)
        )

    async def fetch_lists(self) -> None:
        """See :meth:`peerkey_cli.fleet.Fleet.fetch_lists`."""
        self.authority.tell(FetchLists())

    async def statistics(self) -> Statistics:
        """See :meth:`peerkey_cli.fleet.Fleet.statistics`."""
        return Statistics(self.journal.counted())

    async def clear_statistics(self) -> datetime:
        """See :meth:`peerkey_cli.fleet.Fleet.clear_statistics`."""
        now = self.now()
        self.journal.clear_statistics(now, AUTHORITY)
        return now

    def alarm_changed(self, node: str, event: AlarmRaised | AlarmCleared | AlarmUnshelved) -> None:
        """See :meth:`peerkey_cli.fleet.Fleet.alarm_changed`."""
        self.journal.record(self.now(), node, event)

    async def record(self, node: str, event: Event) -> datetime:
        """See :meth:`peerkey_cli.fleet.Fleet.record`."""
        now = self.now()
        self.journal.record(now, node, event)
        return now

    def _restart(self) -> tuple[Noticed, ...]:
        alarms = restart_alarms(AUTHORITY, self.deployed.needed)
        return (Noticed(AUTHORITY, alarms),) if alarms else ()

    def _host(self) -> HostActors:
        machine = socket.gethostname()
        return HostActors(
            host="local",
            process=f"{machine}:{os.getpid()}",
            machine=machine,
            actors=tuple(self.system.actors()),
            totals=self.system.info(),
        )
