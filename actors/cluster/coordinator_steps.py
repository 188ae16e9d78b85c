"""What the coordinator decides on, and what it tells itself when something that took time is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from actors.cluster.configuration import Configuration
    from actors.cluster.messages import DrainHost
    from actors.cluster.reconciling import Decision
    from actors.cluster.upkeep import Step
    from peerkey.config.reload_plan import Deployment, RestartNeeded
    from runtime.actor import ReplyToken
    from runtime.cluster.machines import HostProcess, Machine


@dataclass(frozen=True, slots=True)
class Facts:
    """What a decision was made on. Where it is the same, so is the decision."""

    configuration: int
    machines: tuple[Machine, ...]
    gone: frozenset[str]
    version: int
    #: Hosts and machines that an operator has drained.
    closed: frozenset[str] = frozenset()


# --- what it tells itself ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tick:
    """Look at everything."""


@dataclass(frozen=True, slots=True)
class Closed:
    """Which hosts and machines are drained is in the store."""

    version: int
    closed: frozenset[str]
    order: DrainHost
    token: ReplyToken


@dataclass(frozen=True, slots=True)
class Read:
    """The configuration was read."""

    configuration: Configuration
    deployment: Deployment
    #: What of it waits for a restart of the authority.
    needed: tuple[RestartNeeded, ...]


@dataclass(frozen=True, slots=True)
class NotRead:
    """The configuration could not be read."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Waiting:
    """Somebody who waits for the reading of that number to be in force: then these are the nodes."""

    reading: int
    token: ReplyToken
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """What somebody has asked for is there."""

    token: ReplyToken
    answer: object


@dataclass(frozen=True, slots=True)
class NotAnswered:
    """What somebody has asked for cannot be had."""

    token: ReplyToken
    error: Exception


@dataclass(frozen=True, slots=True)
class ReadAgain:
    """Try again to read the configuration."""


@dataclass(frozen=True, slots=True)
class Seen:
    """These machines live."""

    machines: tuple[Machine, ...]


@dataclass(frozen=True, slots=True)
class Processes:
    """These processes answer."""

    processes: tuple[HostProcess, ...]


@dataclass(frozen=True, slots=True)
class NotSeen:
    """The machines, or the processes on them, could not be looked at."""

    what: str
    error: Exception


@dataclass(frozen=True, slots=True)
class Decided:
    """This is what should be so."""

    facts: Facts
    decision: Decision


@dataclass(frozen=True, slots=True)
class Written:
    """A decision is in the store."""

    facts: Facts
    decision: Decision
    version: int


@dataclass(frozen=True, slots=True)
class Stepped:
    """Something was done with a host."""

    host: str
    step: Step


@dataclass(frozen=True, slots=True)
class NotStepped:
    """Something could not be done with a host."""

    host: str
    step: Step
    error: Exception


#: What was read, seen, decided or written, and what could not be.
News: TypeAlias = Read | NotRead | Seen | Processes | NotSeen | Decided | Written
