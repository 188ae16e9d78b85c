"""What runs where, and how it is: actors, hosts, targets of Prometheus, health."""

from __future__ import annotations

from typing import Literal

from peerkey_cli.schemas.document import Document, Time


class Actor(Document):
    """One actor."""

    name: str
    kind: str
    #: ``local``, or a host of a cluster.
    host: str
    process: str
    machine: str
    state: str
    restarts: int
    last_error: str | None
    mailbox_depth: int
    mailbox_highest: int
    mailbox_capacity: int
    #: Messages that it was given and that were no refusals, since it was first started.
    taken: int


class Actors(Document):
    """``show actors``."""

    time: Time
    actors: tuple[Actor, ...]
    dead_letters: int
    crashes: int


class Host(Document):
    """One host: a process that runs router nodes, or a path."""

    host: str
    machine: str
    #: ``None`` before it has ever answered.
    process: str | None
    answers: bool
    #: For how long it has answered, or has not.
    since_seconds: float
    restarts: int
    nodes: int
    #: Paths, where each of these has a host of its own.
    paths: int
    #: Whether it runs everything that it should.
    complete: bool
    fault: str
    #: Whether an operator has moved its nodes away.
    drained: bool = False


class Unplaced(Document):
    """A node, or a path with a place of its own, that runs nowhere, and why."""

    node: str
    why: str


class Hosts(Document):
    """``show hosts``."""

    time: Time
    placement: str
    machines: tuple[str, ...]
    hosts: tuple[Host, ...]
    #: Nodes that have a place, and paths that have one of their own.
    nodes: int
    paths: int
    unplaced: tuple[Unplaced, ...]
    #: Whether every host answers and runs everything that it should.
    complete: bool


class ScrapeTarget(Document):
    """Where Prometheus finds the metrics of one machine."""

    machine: str
    #: ``HOST:PORT``.
    address: str


class Targets(Document):
    """``show targets``."""

    time: Time
    targets: tuple[ScrapeTarget, ...]


class Health(Document):
    """Whether the system answers, and which one it is."""

    time: Time
    status: Literal["ok"]
    version: str
    process: str
    since: Time
    nodes: int


class Ready(Document):
    """Every node that should runs."""

    time: Time
    nodes: int
