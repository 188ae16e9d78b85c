"""What can be asked of a fleet that runs, and what it can be told: the same wherever its actors live.

The admin API, the metrics and the demonstration speak to a :class:`Fleet`. It may be all in this process
(:mod:`peerkey_cli.compose`), or spread over the hosts of a cluster (:mod:`peerkey_cli.cluster`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from actors.audit_files import AuditFiles
    from actors.cluster.messages import HostsDrained, PlacementStatus
    from actors.crl.status import RevocationStatus
    from actors.journal import Entry
    from actors.messages import DrainedNode, NodeStatus
    from metrics.exporter import Exemplars, Samples
    from peerkey.config.reload_plan import Foretold, RestartNeeded
    from peerkey.observe.condensing import Noticing
    from peerkey.observe.events import AlarmCleared, AlarmRaised, AlarmUnshelved, Event
    from peerkey.observe.security_stats import Counted
    from peerkey.observe.shelving import Shelf
    from peerkey_cli.targets import Target
    from runtime.info import ActorInfo, SystemInfo

#: How long the actors may take. Below the patience of :mod:`peerkey_cli.client`.
ANSWER_WITHIN: Final = timedelta(seconds=10)
#: And for a scrape: Prometheus waits for 10 seconds unless it is told otherwise, and must hear that nobody
#: answers.
MEASURED_WITHIN: Final = timedelta(seconds=9)


@dataclass(frozen=True, slots=True)
class HostActors:
    """The actors of one host, which is a process."""

    #: ``local`` where there is no cluster.
    host: str
    #: Machine and process id, as an operator finds it: ``edge7:4711``.
    process: str
    machine: str
    actors: tuple[ActorInfo, ...]
    totals: SystemInfo


@dataclass(frozen=True, slots=True)
class Measured:
    """What the metrics of one machine are made of."""

    now: datetime
    #: Whether the actors answer. Where they do not, the rest is what there is without them.
    up: bool
    #: The nodes that run on this machine, and what its lists say.
    nodes: Sequence[NodeStatus]
    revocation: RevocationStatus
    hosts: Sequence[HostActors]
    #: What is wrong, one alarm for each cause.
    noticing: Sequence[Noticing]
    #: What the processes of this machine have counted, and since when.
    tally: Samples
    since: datetime | None = None
    #: The keys that are named beside it.
    exemplars: Exemplars = field(default_factory=dict)
    #: Which of the alarms in ``noticing`` are shelved, by :func:`peerkey.observe.alarm_history.alarm_id`.
    shelved: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Statistics:
    """The security statistics of every node."""

    counted: Counted
    #: Whether every host has answered. What one has counted that has not is not in the sum.
    complete: bool = True


class Fleet(Protocol):
    """A fleet that runs.

    Every method that asks raises :class:`~runtime.errors.RuntimeFault` where the actors do not answer.
    """

    @property
    def since(self) -> datetime:
        """When what answers here was started."""
        ...

    @property
    def shelf(self) -> Shelf:
        """What is shelved. On a cluster, every look at what is wrong takes in what the others have."""
        ...

    def now(self) -> datetime:
        """Return the time by the clock that the actors go by."""
        ...

    async def nodes(self) -> tuple[NodeStatus, ...]:
        """Return the status of every node, in the order of the configuration."""
        ...

    async def revocation(self) -> RevocationStatus:
        """Return what is known of revocations."""
        ...

    async def noticing(self) -> tuple[Noticing, ...]:
        """Return everybody who notices what is wrong, each by itself: see :mod:`peerkey_cli.noticed`.

        Where the authority cannot answer because it crashes itself, that is what is wrong.
        """
        ...

    async def hosts(self) -> tuple[HostActors, ...]:
        """Return every actor of every host."""
        ...

    async def placement(self) -> PlacementStatus:
        """Return which node is on which host, and how the hosts are."""
        ...

    async def events(self) -> tuple[Entry, ...]:
        """Return the latest audit events, oldest first."""
        ...

    def logs(self) -> tuple[AuditFiles, ...]:
        """Return the audit logs that hold what :meth:`events` remembers, and all before it.

        None where an event may be in memory only, or in a log on another machine.
        """
        ...

    async def targets(self) -> tuple[Target, ...]:
        """Return where Prometheus finds the metrics of each machine."""
        ...

    async def measured(self) -> Measured:
        """Return what the metrics are made of; never raises."""
        ...

    async def rekey(self, peer: str | None = None) -> int:
        """Agree new keys with every peer, or with one; return with how many."""
        ...

    async def release_pin(self, peer: str) -> int:
        """Forget the pinned certificate of a peer; return for how many peerings."""
        ...

    async def drain(self, node: str | None = None, *, undo: bool = False) -> tuple[DrainedNode, ...]:
        """Take every node, or one, out of work, or back into it; return how those concerned stand then."""
        ...

    async def drain_host(self, host: str, *, undo: bool = False) -> HostsDrained:
        """Move all nodes off a host or machine of the cluster, or let them come again."""
        ...

    async def reload(self, within: timedelta = ANSWER_WITHIN) -> tuple[str, ...]:
        """Read configuration and certificates again; return the names of the nodes.

        A faulty configuration changes nothing.

        :raises Misconfigured: the configuration cannot be read, or has faults.
        """
        ...

    async def restart_needed(self) -> tuple[RestartNeeded, ...]:
        """Return which settings of the configuration wait for a restart of the authority."""
        ...

    async def foretell(self, text: str, threads: Executor) -> Foretold:
        """Return what a reload would do if the configuration were ``text``. ``threads`` are for the reading.

        :raises Misconfigured: ``text`` has faults, or is too large.
        :raises Unavailable: there is nothing to compare with.
        """
        ...

    async def fetch_lists(self) -> None:
        """Have every revocation list fetched again, soon."""
        ...

    async def statistics(self) -> Statistics:
        """Return the security statistics of all hosts."""
        ...

    async def clear_statistics(self) -> datetime:
        """Set the security statistics to zero everywhere, with an event; return the time of it.

        :raises Unavailable: an audit log cannot be written, or a host does not answer. There nothing is
            cleared.
        """
        ...

    def alarm_changed(self, node: str, event: AlarmRaised | AlarmCleared | AlarmUnshelved) -> None:
        """Record that an alarm of a node was raised or cleared: once, however many look at it.

        The same goes for a shelving of it that has ended.
        """
        ...

    async def record(self, node: str, event: Event) -> datetime:
        """Record what a command did to the files of a node, and count it; return the time of the record."""
        ...
