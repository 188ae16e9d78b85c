"""Composes a host of router nodes, as :mod:`peerkey_cli.compose` composes a process that stands alone.

What is the machine's (the lists, the admin API, the metrics) is with the host that has its seat
(:mod:`peerkey_cli.cluster.seat`); the others follow that one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from actors.authority import Authority
from actors.cluster.agent import Agent, AgentPorts
from actors.cluster.assigned import Assigned
from actors.cluster.distant_path import DistantPaths
from actors.cluster.reconciling import machine_of
from actors.crl.roles import Follow, Lead
from actors.keystores.stores import KeyStores
from actors.names import AGENT, AUTHORITY
from actors.path_homes import beside_node
from actors.router_node import Ports
from peerkey.errors import PeerkeyError
from peerkey_cli.alarm_file import AlarmFile
from peerkey_cli.api.routes import Hands
from peerkey_cli.api.server import serving
from peerkey_cli.cluster.account import keep_account
from peerkey_cli.cluster.custodian import CUSTODIAN, ClusterDesk, Custodian
from peerkey_cli.cluster.door import MachineDoor
from peerkey_cli.cluster.fleet import ClusterFleet
from peerkey_cli.cluster.kept_totals import KeptTotals
from peerkey_cli.cluster.seat import LOOK_EVERY, Seat
from peerkey_cli.cluster.stores import opened, serve_tenure
from peerkey_cli.compose import SshWhereWanted, revocation_ports
from peerkey_cli.custody import Custody
from peerkey_cli.daemon import measured
from peerkey_cli.desk import LocalDesk
from peerkey_cli.files import read_file
from peerkey_cli.metering import timed_store
from peerkey_cli.renewing import EstEnroller
from peerkey_cli.state import StateDirectory
from runtime.cluster.placement import Placement
from runtime.cluster.wire import ClusterWire
from runtime.errors import RuntimeFault
from runtime.store.sealed import AesGcmSealer
from runtime.supervision import PATIENT
from runtime.wire.udp import UdpWire

if TYPE_CHECKING:
    from actors.path_homes import PathHome
    from peerkey_cli.cluster.settings import ClusterSettings
    from runtime.cluster.host import Host
    from runtime.ref import Ref
    from runtime.system import ActorSystem


@asynccontextmanager
async def worker(system: ActorSystem, host: Host, settings: ClusterSettings) -> AsyncIterator[None]:
    """Run what the coordinator assigns to ``host`` while the block lasts.

    :raises PeerkeyError: the sealing key is missing, or is another one.
    :raises RuntimeFault: the store does not answer, or must not be used.
    """
    state = StateDirectory(settings.state)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(opened(settings, host.name))
        serve_tenure(system, host, store)
        keystore = KeyStores(state.sealing_key)
        door = MachineDoor(None if settings.api is None else settings.api.remote(), machine_of(host.name))

        def retry() -> None:
            keystore.retry()
            door.look_again()

        account = keep_account(stack, system, host, settings, retry_keys=retry)
        journal = account.journal
        store = timed_store(store, system.clock, journal.tally)
        outside = UdpWire()
        stack.push_async_callback(outside.close)
        wire = ClusterWire(system, host, outside)
        stack.push_async_callback(wire.close)
        assigned = Assigned()
        path_home: PathHome = beside_node
        if settings.placement is Placement.DEDICATED:
            path_home = DistantPaths(system.ref, host, assigned.routes)
        ports = Ports(
            store=store,
            wire=wire,
            keystore=keystore,
            read_file=read_file,
            entropy=os.urandom,
            journal=journal,
            sync=SshWhereWanted(),
            path_home=path_home,
            meter=journal.tally,
        )
        revocation = revocation_ports(state, journal)
        enroller = EstEnroller(keystore, revocation=revocation.known)
        authority = system.spawn(
            lambda: Authority(
                assigned.plans,
                ports,
                revocation=revocation,
                enroller=enroller,
                find=system.ref,
                tells_changes=False,
            ),
            AUTHORITY,
            supervision=PATIENT,
        )
        agent_ports = AgentPorts(host, system, journal, expect=wire.expect)
        system.spawn(
            lambda: Agent(assigned, agent_ports, incarnation=host.incarnation, pid=os.getpid()),
            AGENT,
            supervision=PATIENT,
        )
        seat = Seat(state.lock, host.name)
        stack.callback(seat.leave)
        kept = KeptTotals(state.path / "totals.json")
        fleet = ClusterFleet(system, host, journal, account.place, kept, account.shelf)
        fleet.door_alarms = door.alarms
        desk = await stack.enter_async_context(
            LocalDesk(Custody(assigned.plans, keystore, state), fleet.record, fleet.reload)
        )
        sealer = AesGcmSealer(keystore.sealing_key().reveal(), os.urandom)
        system.spawn(lambda: Custodian(desk, sealer, host.name), CUSTODIAN, supervision=PATIENT)
        speaker = Speaker(fleet, settings, door, ClusterDesk(fleet.placement, system.ref, sealer))
        taking = asyncio.create_task(take_seat(seat, authority, speaker), name="seat")
        stack.push_async_callback(_ended, taking)
        yield


async def take_seat(seat: Seat, authority: Ref, speaker: Speaker) -> None:
    """Tell the authority whom to follow, and speak for the machine once its seat is free.

    It is told again and again, until this is cancelled: an authority that has begun anew follows nobody. What
    the disk refuses is tried again, too.
    """
    log = structlog.get_logger("peerkey")
    told = ""
    async with asyncio.TaskGroup() as tasks:
        speaking: asyncio.Task[None] | None = None
        while True:
            try:
                taken, fault = seat.try_to_take(), ""
            except OSError as error:
                taken, fault = False, f"{error.filename or 'the lock'}: {error.strerror}"
            if fault != told:
                told = fault
                if fault:
                    log.error("cannot look for the seat of this machine", reason=fault)
            if taken:
                authority.offer(Lead())
                if speaking is None:
                    speaking = tasks.create_task(speaker.speak(), name="speak for the machine")
            elif seat.holder and not fault:
                authority.offer(Follow(seat.holder))
            await asyncio.sleep(LOOK_EVERY)


@dataclass(frozen=True, slots=True)
class Speaker:
    """Speaks for a machine, once its host has the seat."""

    fleet: ClusterFleet
    settings: ClusterSettings
    door: MachineDoor
    desk: ClusterDesk

    async def speak(self) -> None:
        """Answer operators and Prometheus until this is cancelled.

        An address that is taken is tried again: another process may be ending there.
        """
        log = structlog.get_logger("peerkey")
        state = StateDirectory(self.settings.state)
        told = ""
        while True:
            hands = Hands(reload=self.reload, desk=self.desk, tokens=self.door, state=state.path)
            serve = serving(self.fleet, state.socket, hands=hands, kept=AlarmFile(state.alarms))
            address, detail = self.settings.metrics, self.settings.metrics_detail
            scraped = measured(self.fleet, address, detail, self.door.not_after)
            try:
                async with serve as api, scraped:
                    log.info("speaks for its machine", api=f"unix:{state.socket}")
                    await self.door.keep_open(api)
                    await asyncio.Event().wait()
            except (PeerkeyError, RuntimeFault, OSError) as fault:
                if str(fault) != told:
                    told = str(fault)
                    log.error("cannot speak for its machine", reason=told)  # noqa: TRY400 - an operator's matter
            await asyncio.sleep(LOOK_EVERY)

    async def reload(self) -> tuple[str, ...]:
        """Have everything read again; files of this machine's door that are faulty change nothing of all.

        Every machine then looks at the files of its own door.
        """
        await asyncio.to_thread(self.door.check)
        return await self.fleet.reload()


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
