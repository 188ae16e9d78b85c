"""What a path in a host of its own and its node say to each other, beside what they say anyway.

A path is *hosted* under a lease: the epoch of its node's incarnation, and a serial number that its process
gives out once. Of two leases of one path the greater is the later one; a host refuses what is not later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from actors.messages import FrameArrived, PathReport, PathStarted, ProbeWanted
from peerkey.config.plan import PathPlan, PeeringPlan, Policy
from runtime.message import Ask


@dataclass(frozen=True, slots=True)
class HostPath(Ask[int]):
    """Run this path. Answered with the serial number once it runs."""

    #: The prefix in the directory.
    path: str
    epoch: int
    serial: int
    #: What stands for the path in the process of its node, by its name on any host.
    node: str
    node_name: str
    local: UUID
    #: Without its paths.
    peering: PeeringPlan
    plan: PathPlan
    policy: Policy
    enabled: bool
    #: How many paths share the mailbox of the node.
    paths: int
    #: What the directory knows the other end by, where the path is direct; else empty.
    route: str


@dataclass(frozen=True, slots=True)
class DropPath:
    """Run this path no more, unless it is hosted under a later lease."""

    path: str
    epoch: int
    serial: int


#: What a path tells its node.
PathWord: TypeAlias = FrameArrived | PathReport | PathStarted | ProbeWanted


@dataclass(frozen=True, slots=True)
class FromPath:
    """What a path tells its node, with the serial number of its lease."""

    serial: int
    word: PathWord


def actor_of(path: str, epoch: int, serial: int) -> str:
    """Return the name, on its host, of the actor of a path under a lease: no other one ever has it."""
    return f"{path}~{epoch}.{serial}"
