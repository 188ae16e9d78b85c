"""What happens to what nodes run on: actors, and the hosts of a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from peerkey.observe.events.event import Event


@dataclass(frozen=True, slots=True)
class ActorCrashed(Event):
    """An actor ended with an error and is started again. At most one for an actor and a minute."""

    TYPE: ClassVar = "actor.crashed"
    TITLE: ClassVar = "An actor crashed."

    actor: str
    kind: str
    #: The type of the last error, never its text: that may quote what was being handled.
    error: str
    #: For how many crashes this event stands, and how many there have been of this actor so far.
    times: int
    crashes: int

    def description(self) -> str:
        """Name the actor and the type of its error."""
        often = f" {self.times} times" if self.times > 1 else ""
        return f"Actor {self.actor} crashed{often}: {self.error}"


@dataclass(frozen=True, slots=True)
class ActorFailed(Event):
    """An actor crashed more often than its supervision allows. At most one for an actor and a minute."""

    TYPE: ClassVar = "actor.failed"
    TITLE: ClassVar = "An actor failed."

    actor: str
    kind: str
    error: str
    #: For how many failures this event stands, and how many crashes of this actor led to the last of them.
    times: int
    crashes: int

    def description(self) -> str:
        """Name the actor and the type of its last error."""
        return f"Actor {self.actor} crashed too often and has failed: {self.error}"


@dataclass(frozen=True, slots=True)
class NodeMoved(Event):
    """A node runs on another host of the cluster from now on."""

    TYPE: ClassVar = "cluster.node_moved"
    TITLE: ClassVar = "A node has moved to another host."

    former: str
    host: str
    reason: str

    def description(self) -> str:
        """Say from where to where."""
        return f"Moved from host {self.former} to host {self.host}: {self.reason}"


@dataclass(frozen=True, slots=True)
class HostLost(Event):
    """A host of the cluster does not answer any more."""

    TYPE: ClassVar = "cluster.host_lost"
    TITLE: ClassVar = "A host of the cluster is lost."

    host: str
    machine: str
    reason: str

    def description(self) -> str:
        """Name the host."""
        return f"Host {self.host} on machine {self.machine} is lost: {self.reason}"


@dataclass(frozen=True, slots=True)
class HostBack(Event):
    """A host of the cluster answers again, or its process was started again."""

    TYPE: ClassVar = "cluster.host_back"
    TITLE: ClassVar = "A host of the cluster is back."

    host: str
    machine: str
    #: How long it had not been heard of.
    silent_seconds: float

    def description(self) -> str:
        """Name the host."""
        return f"Host {self.host} on machine {self.machine} is back after {self.silent_seconds:g} s"


@dataclass(frozen=True, slots=True)
class HostDrained(Event):
    """An operator wants no nodes on a host, or on a machine of the cluster, or wants them there again."""

    TYPE: ClassVar = "cluster.host_drained"
    TITLE: ClassVar = "A host of the cluster was drained, or is so no more."

    host: str
    drained: bool

    def description(self) -> str:
        """Name it."""
        return f"{self.host} is {'drained: its nodes move' if self.drained else 'drained no more'}"
