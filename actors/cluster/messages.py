"""What coordinator, agents and those who ask them say to each other.

Everything here is level-triggered. An agent reports what it has, is sent what it lacks, and reports again: a
message that is lost costs a second. Whatever comes from a coordinator carries its *epoch*, and agents refuse
what comes from an older one than they have heard of. No message is large: lists come in parts, plans in
pieces (:mod:`actors.cluster.shares`), and answers in pages.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from actors.journal import Entry
from peerkey.config.plan import CertificateSource, NodePlan, PeeringPlan
from peerkey.config.reload_plan import RestartNeeded
from peerkey.observe.alarms import Alarm
from runtime.info import ActorInfo, SystemInfo
from runtime.message import Ask

#: A direct path: local and remote address with their ports, and the actor of the node at the other end.
Route = tuple[str, int, str, int, str]


# --- from an agent to the coordinator ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Report:
    """What a host has. Told every second, and at once when something was taken."""

    host: str
    #: Which process of the host it is.
    incarnation: int
    pid: int
    #: The epoch of the latest coordinator that was heard of, 0 before the first.
    epoch: int
    #: The assignment that is in force, 0 before the first.
    version: int
    #: Which nodes the host is to run, by digest; empty before it knows.
    target: bytes
    #: Nodes of the target whose plans are wanted next; not all of them where there are many.
    lacks: tuple[str, ...] = ()
    #: Whether everything of the target has been taken up by the authority of the host.
    complete: bool = False


# --- from the coordinator to an agent ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Assignment:
    """A part of where every node of the cluster is. It is in force once all parts are there."""

    epoch: int
    #: That of the record in the store, and of the directory.
    version: int
    part: int
    parts: int
    hosts: tuple[str, ...]
    #: Prefixes of names, each with the number of its host in ``hosts``.
    prefixes: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Target:
    """A part of what the host is to run. What it does not name is to be stopped."""

    epoch: int
    digest: bytes
    part: int
    parts: int
    #: ``router/node``, each with the digest of its share.
    nodes: tuple[tuple[str, bytes], ...]
    #: How often an operator has ordered this coordinator to read everything again.
    reloads: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of what one node is to do: the plan without its lists first, then these."""

    node: str
    digest: bytes
    number: int
    of: int
    head: NodePlan | None = None
    trusted: tuple[CertificateSource, ...] = ()
    peerings: tuple[PeeringPlan, ...] = ()
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True, slots=True)
class PlansOf:
    """Pieces that the host lacks."""

    epoch: int
    pieces: tuple[Piece, ...] = field(repr=False)
    #: Whether these are the last for now: a report brings more.
    last: bool


# --- questions to the coordinator ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NodePlace:
    """Where one node is."""

    #: ``router/node``.
    node: str
    #: Empty where it has no place.
    host: str
    machine: str
    #: Why it has no place; empty where it has one.
    why: str = ""
    #: Empty where its plan is not known.
    uuid: str = ""


@dataclass(frozen=True, slots=True)
class HostPlace:
    """One host as the coordinator sees it."""

    host: str
    machine: str
    #: ``None`` before it has ever answered.
    pid: int | None
    incarnation: int | None
    #: How often its process was started again, for all that is known.
    restarts: int
    answers: bool
    #: For how long it has answered, or has not, in seconds.
    since_seconds: float
    #: Nodes that are assigned to it.
    nodes: int
    #: Whether it runs what it should, as it says itself.
    complete: bool
    versions: str = ""
    #: Why it could not be started when that was tried last; empty where it could.
    fault: str = ""
    #: Paths that are assigned to it, where these are placed by themselves.
    paths: int = 0
    #: Whether an operator has drained it, or its machine.
    drained: bool = False


@dataclass(frozen=True, slots=True)
class HostsDrained:
    """What became of an order to drain a host or machine."""

    #: Why it was refused; empty where it was not.
    refused: str
    #: All hosts and machines that are drained now.
    drained: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DrainHost(Ask[HostsDrained]):
    """Move all nodes off a host, or off the hosts of a machine, and let none come; or let them come again."""

    host: str
    undo: bool = False


@dataclass(frozen=True, slots=True)
class PlacementStatus:
    """Where everything is, and what is wrong with that."""

    epoch: int
    version: int
    #: The configured way: ``packed``, ``node`` or ``dedicated``.
    placement: str
    machines: tuple[str, ...]
    hosts: tuple[HostPlace, ...]
    #: One page, in order of their names; those after the last one are asked for with its name.
    nodes: tuple[NodePlace, ...]
    #: How many nodes there are in all.
    total: int
    alarms: tuple[Alarm, ...]
    #: Latest audit events of the coordinator's host, oldest first, after the mark that was given.
    events: tuple[Entry, ...] = field(default=(), repr=False)
    mark: tuple[int, int] = (0, 0)
    #: Paths without a place, where these are placed by themselves: the first of them.
    unplaced_paths: tuple[NodePlace, ...] = ()
    #: Settings that wait for a restart of the authority.
    restart_needed: tuple[RestartNeeded, ...] = ()


@dataclass(frozen=True, slots=True)
class GetPlacement(Ask[PlacementStatus]):
    """Ask the coordinator where everything is. A page of nodes holds those whose name is after ``after``."""

    after: str = ""
    #: As in :class:`GetHostStatus`.
    events_after: tuple[int, int] = (0, 0)


# --- questions to an agent ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HostStatus:
    """One host as it sees itself."""

    host: str
    machine: str
    pid: int
    incarnation: int
    epoch: int
    version: int
    #: Nodes that it is to run, and those whose plan it has.
    wanted: int
    planned: int
    system: SystemInfo
    #: One page, in order of their names.
    actors: tuple[ActorInfo, ...]
    #: How many actors there are in all.
    total: int
    #: Latest audit events, oldest first, after the mark that was given.
    events: tuple[Entry, ...] = field(repr=False)
    #: The mark to ask with for what comes after these.
    mark: tuple[int, int]


@dataclass(frozen=True, slots=True)
class GetHostStatus(Ask[HostStatus]):
    """Ask the agent of a host how it is."""

    #: Actors whose name is after this one.
    actors_after: str = ""
    #: The mark of the last answer. What the process of that time told is not told by a later one.
    events_after: tuple[int, int] = (0, 0)
