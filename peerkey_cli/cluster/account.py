"""What every host keeps of itself: its audit log, its crashes, and the actor that tells of both."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from actors.cluster.instruments import INSTRUMENTS, HostProcess, Instruments
from actors.crashes import CrashWatch
from peerkey.errors import PeerkeyError
from peerkey.observe.shelving import Shelf
from peerkey_cli.cluster.stores import host_directory
from peerkey_cli.compose import journal_at
from peerkey_cli.loop_watch import LoopWatch
from peerkey_cli.own_watch import OwnWatch, last_written
from peerkey_cli.targets import reached_at
from runtime.supervision import PATIENT

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from actors.journal import FileJournal
    from peerkey_cli.cluster.settings import ClusterSettings
    from runtime.cluster.host import Host
    from runtime.system import ActorSystem


@dataclass(frozen=True, slots=True)
class Account:
    """What is kept."""

    journal: FileJournal
    #: The machine and its state directory: see :class:`actors.cluster.instruments.Readings`.
    place: str
    #: What is shelved, for whoever speaks for the machine.
    shelf: Shelf


def keep_account(
    stack: AsyncExitStack,
    system: ActorSystem,
    host: Host,
    settings: ClusterSettings,
    *,
    retry_keys: Callable[[], None] = lambda: None,
    shows_actors: bool = False,
) -> Account:
    """Begin to keep account of ``host``, before its actors are started, until ``stack`` is closed.

    ``retry_keys`` is what an operator's reload means to the key store here. A host without an agent
    ``shows_actors`` itself.

    :raises Misconfigured: the audit log cannot be read or written.
    """
    log = host_directory(settings.state, host.name) / "events.jsonl"
    written = last_written(log)
    journal = journal_at(stack, log, settings.syslog_address)
    own = OwnWatch(system.clock, journal, written, host.name)
    shelf = Shelf()
    crashes = CrashWatch(journal, system.clock)
    stack.callback(crashes.close)
    system.observe(crashes.observe, speakable=(PeerkeyError,))
    stack.callback(LoopWatch(journal.tally).close)
    machine = socket.gethostname()
    place = f"{machine}:{settings.state}"
    scraped = reached_at(settings.metrics, host.address)
    process = HostProcess(place, f"{machine}:{os.getpid()}", host.incarnation, scraped)
    system.spawn(
        lambda: Instruments(
            process=process,
            journal=journal,
            crashes=crashes,
            retry_keys=retry_keys,
            system=system,
            own=own.noticed,
            shelf=shelf,
            shows_actors=shows_actors,
        ),
        INSTRUMENTS,
        supervision=PATIENT,
    )
    return Account(journal, place, shelf)
