"""The composition root: the one place where ports are given their adapters.

::

    async with composed(PlansReader(file), StateDirectory(path)) as running:
        nodes = await running.nodes()

Everything that runs is inside the block. After it, however it ended, no task, socket, file, thread or lock
is left.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from actors.authority import Authority
from actors.crashes import CrashWatch
from actors.crl.fetching import NetworkFetcher
from actors.crl.index import RevocationPorts
from actors.crl.ingesting import ProcessIngester
from actors.crl.kept_lists import KeptFiles
from actors.crl.known import KnownRevocations
from actors.crl.messages import SourcePorts
from actors.crl.timing import TimedFetcher, TimedIngester
from actors.deployed import Deployed
from actors.journal import FileJournal
from actors.keystores.stores import KeyStores, home_of
from actors.master_list_file import MasterListFile
from actors.names import AUTHORITY
from actors.router_node import Ports, store_owner
from peerkey.config.reload_plan import Deployment
from peerkey.errors import Misconfigured, PeerkeyError
from peerkey_cli.embedded import Running
from peerkey_cli.files import read_file
from peerkey_cli.loop_watch import LoopWatch
from peerkey_cli.metering import timed_store
from peerkey_cli.own_watch import OwnWatch, last_written
from peerkey_cli.renewing import EstEnroller
from peerkey_cli.syslog import Syslog
from runtime.backends.local import LocalSystem
from runtime.clock import SystemClock
from runtime.errors import RuntimeFault, StoreUnavailable, Unsealable
from runtime.store.sealed import AesGcmSealer, SealedStore
from runtime.store.sqlite import SqliteStore
from runtime.supervision import PATIENT
from runtime.wire.udp import UdpWire

if TYPE_CHECKING:
    from pathlib import Path

    from actors.authority import PlansOf, ReadPlans
    from actors.ha.transport import SyncEnd, Tell
    from peerkey.config.plan import HaPlan, NodePlan
    from peerkey.protocol.traffic import DataPlane
    from peerkey_cli.state import StateDirectory
    from peerkey_cli.syslog import SyslogAddress
    from runtime.store.port import Store


@asynccontextmanager
async def composed(
    read_plans: ReadPlans,
    state: StateDirectory,
    data_plane: DataPlane | None = None,
    syslog: SyslogAddress | None = None,
    plans_of: PlansOf | None = None,
) -> AsyncIterator[Running]:
    """Run the nodes that ``read_plans`` returns over UDP, with their state in the directory ``state``.

    ``data_plane`` is whoever seals and opens traffic in this process: it is given every key ring, also those
    of a mate that has fallen silent (``docs/guides/data-plane.md``). ``syslog`` gets a copy of the audit log.
    ``plans_of`` reads a text as if it were the configuration, for whoever asks what a reload would do.

    The plans are read once before anything starts, so that a fault is told here and not by an actor.

    :raises Misconfigured: the configuration has faults, the directory is in use or cannot be used, or the
        store cannot be opened.
    :raises Unavailable: the sealing key cannot be read or made.
    """
    plans = read_plans()
    async with AsyncExitStack() as stack:
        stack.enter_context(state.held())
        keystore = KeyStores(state.sealing_key, home=home_of(plan.key_file for plan in plans))
        opened = await _store(stack, state, keystore)
        await _require_unsealed(opened, plans, state)
        written = last_written(state.journal)
        journal = journal_at(stack, state.journal, syslog)
        meter, clock = journal.tally, SystemClock()
        store = timed_store(opened, clock, meter)
        stack.callback(LoopWatch(meter).close)
        wire = UdpWire()
        stack.push_async_callback(wire.close)
        ports = Ports(
            store=store,
            wire=wire,
            keystore=keystore,
            read_file=read_file,
            entropy=os.urandom,
            journal=journal,
            sync=SshWhereWanted(),
            data_plane=data_plane,
            meter=meter,
        )
        revocation = revocation_ports(state, journal)
        crashes = CrashWatch(journal, clock)
        stack.callback(crashes.close)
        system = await stack.enter_async_context(
            LocalSystem(observer=crashes.observe, speakable=(PeerkeyError, RuntimeFault), clock=clock)
        )
        enroller = EstEnroller(keystore, revocation=revocation.known)
        deployed = Deployed(Deployment.of(plans))
        # Its trouble lies outside, in files that an operator is about to mend.
        authority = system.spawn(
            lambda: Authority(read_plans, ports, revocation=revocation, enroller=enroller, deployed=deployed),
            AUTHORITY,
            supervision=PATIENT,
        )
        own = OwnWatch(clock, journal, written)
        now = system.clock.wall()
        yield Running(system, authority, crashes, journal, state, now, keystore, deployed, plans_of, own)


class SshWhereWanted:
    """SSH for the pairs there are: who has none does not load it."""

    def open(self, plan: HaPlan, tell: Tell) -> SyncEnd:
        """See :class:`actors.ha.transport.SyncTransport`."""
        from actors.ha.ssh import SshTransport

        return SshTransport().open(plan, tell)


async def _store(stack: AsyncExitStack, state: StateDirectory, keystore: KeyStores) -> Store:
    """Open the store of the directory behind its seal."""
    if state.store.exists() and not state.sealing_key.exists():
        message = (
            f"{state.sealing_key} is missing, and only it opens {state.store}; "
            "restore it from a backup, or delete the store to start with new keys"
        )
        raise Misconfigured(message)
    key = keystore.sealing_key()
    try:
        inner = await SqliteStore.open(state.store)
    except StoreUnavailable as fault:
        raise Misconfigured(str(fault)) from fault
    stack.push_async_callback(inner.close)
    return SealedStore(inner, AesGcmSealer(key.reveal(), os.urandom))


async def _require_unsealed(store: Store, plans: tuple[NodePlan, ...], state: StateDirectory) -> None:
    """Read what the nodes will read, so that a wrong sealing key is told here and not by crashes."""
    try:
        for plan in plans:
            await store.scan(store_owner(plan.uuid))
    except Unsealable as fault:
        message = (
            f"{state.sealing_key} does not open {state.store}: restore the key that belongs to it from a "
            "backup, or delete both to start with new keys"
        )
        raise Misconfigured(message) from fault


def revocation_ports(state: StateDirectory, journal: FileJournal) -> RevocationPorts:
    """Return what following the revocation lists of this machine needs of the world."""
    clock, meter = SystemClock(), journal.tally
    return RevocationPorts(
        source=SourcePorts(
            fetcher=TimedFetcher(NetworkFetcher(), clock, meter),
            keeper=KeptFiles(state.revocation),
            ingester=TimedIngester(ProcessIngester(state.revocation), clock, meter),
            journal=journal,
            entropy=os.urandom,
        ),
        known=KnownRevocations(MasterListFile(state.master_list)),
        read_file=read_file,
    )


def journal_at(stack: AsyncExitStack, path: Path, syslog: SyslogAddress | None) -> FileJournal:
    """Open the audit log at ``path``, of which ``syslog`` gets a copy; it is closed with ``stack``.

    :raises Misconfigured: it cannot be read or written.
    """
    copies = None
    if syslog is not None:
        copies = Syslog(syslog)
        stack.callback(copies.close)
    try:
        journal = FileJournal(path, None if copies is None else copies.tell)
    except OSError as fault:
        message = f"{path}: the audit log cannot be written: {fault.strerror}"
        raise Misconfigured(message) from fault
    stack.callback(journal.close)
    return journal
