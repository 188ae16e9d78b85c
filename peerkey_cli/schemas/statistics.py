"""``show stats`` and ``clear stats``."""

from __future__ import annotations

from peerkey_cli.schemas.document import Document, Time


class NodeCount(Document):
    """How much of a counter is one node's."""

    node: str
    value: int


class SecurityCounter(Document):
    """One of the security statistics, by its exact words."""

    counter: str
    value: int
    #: Those that have counted anything. Lists are fetched for all nodes of a process: theirs is `authority`.
    nodes: tuple[NodeCount, ...]


class SecurityStats(Document):
    """``show stats security``."""

    time: Time
    #: When counting began: the first event, or when the statistics were cleared last. ``None``: never yet.
    since: Time | None
    #: Whether every host of a cluster has answered.
    complete: bool
    counters: tuple[SecurityCounter, ...]


class StatsCleared(Document):
    """``clear stats``."""

    time: Time
