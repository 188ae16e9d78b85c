"""What happens between the two nodes of an HA router."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from peerkey.observe.events.event import Event


@dataclass(frozen=True, slots=True)
class HaLinkUp(Event):
    """The two nodes of a pair have greeted each other."""

    TYPE: ClassVar = "ha.link_up"
    TITLE: ClassVar = "The HA link is up."

    mate: str

    def description(self) -> str:
        """Name the mate."""
        return f"HA link to {self.mate} is up"


@dataclass(frozen=True, slots=True)
class HaLinkDown(Event):
    """A link that was up is gone. Attempts to bring it back that fail are not told one by one."""

    TYPE: ClassVar = "ha.link_down"
    TITLE: ClassVar = "The HA link is down."

    mate: str
    reason: str

    def description(self) -> str:
        """Name the mate and the reason."""
        return f"HA link to {self.mate} is down: {self.reason}"


@dataclass(frozen=True, slots=True)
class HaInStep(Event):
    """The mate has every record of this node in its store, for the first time since the link came up."""

    TYPE: ClassVar = "ha.in_step"
    TITLE: ClassVar = "The mate is in step."

    mate: str
    records: int

    def description(self) -> str:
        """Say how many records there are."""
        return f"{self.mate} holds all {self.records} records of this node"


@dataclass(frozen=True, slots=True)
class HaRefused(Event):
    """One node of a pair does not accept the other. Told once for each cause."""

    TYPE: ClassVar = "ha.refused"
    TITLE: ClassVar = "The HA link was refused."

    mate: str
    reason: str
    detail_text: str
    by_mate: bool

    def description(self) -> str:
        """Say who refuses whom, and why."""
        who = f"{self.mate} refuses this node" if self.by_mate else f"{self.mate} is refused"
        return f"HA link: {who}: {self.reason} - {self.detail_text}"


@dataclass(frozen=True, slots=True)
class HaTakeover(Event):
    """The mate is silent, and its keys may be sealed with here."""

    TYPE: ClassVar = "ha.takeover"
    TITLE: ClassVar = "Took over the keys of the mate."

    mate: str
    peerings: int

    def description(self) -> str:
        """Name the mate and how many peerings it is."""
        return f"{self.mate} is silent: the keys of its {self.peerings} peerings are taken over"


@dataclass(frozen=True, slots=True)
class HaReleased(Event):
    """The mate is back, and its keys are its own again."""

    TYPE: ClassVar = "ha.released"
    TITLE: ClassVar = "Gave the keys of the mate back."

    mate: str

    def description(self) -> str:
        """Name the mate."""
        return f"{self.mate} is back: its keys are given back"


@dataclass(frozen=True, slots=True)
class HaLeaderChanged(Event):
    """Another node leads the router, or the same one under another term."""

    TYPE: ClassVar = "ha.leader_changed"
    TITLE: ClassVar = "The leader of the router changed."

    leader: str
    term: int

    def description(self) -> str:
        """Name the leader."""
        return f"{self.leader} leads the router (term {self.term})"


@dataclass(frozen=True, slots=True)
class HaKeyNotReplicated(Event):
    """A key came into use although the mate has not said that it holds it: waiting longer would be worse."""

    TYPE: ClassVar = "ha.key_not_replicated"
    TITLE: ClassVar = "Used a key that the mate does not hold."

    peer: str
    index: int
    key_id: str

    def description(self) -> str:
        """Name the key."""
        return f"Key {self.index} with peer {self.peer} is in use before the mate holds it"
