"""What can be seen of a running system from outside, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final


class ActorState(Enum):
    """Where an actor is in its life."""

    #: Its instance is being made, or ``started`` is running. Messages wait.
    STARTING = "starting"
    #: It handles messages.
    RUNNING = "running"
    #: It crashed, and a new incarnation is due after a delay. Messages wait.
    RESTARTING = "restarting"
    #: It crashed too often. Messages to it are dead letters.
    FAILED = "failed"
    #: Its children end, what waits is handled, then it takes leave.
    STOPPING = "stopping"
    #: It is gone.
    STOPPED = "stopped"


#: Every step of an actor's life that there is.
TRANSITIONS: Final[Mapping[ActorState, frozenset[ActorState]]] = {
    ActorState.STARTING: frozenset(
        {
            ActorState.RUNNING,
            ActorState.RESTARTING,
            ActorState.FAILED,
            ActorState.STOPPING,
            ActorState.STOPPED,
        }
    ),
    ActorState.RUNNING: frozenset(
        {ActorState.RESTARTING, ActorState.FAILED, ActorState.STOPPING, ActorState.STOPPED}
    ),
    ActorState.RESTARTING: frozenset({ActorState.STARTING, ActorState.STOPPING, ActorState.STOPPED}),
    ActorState.FAILED: frozenset({ActorState.STOPPING, ActorState.STOPPED}),
    ActorState.STOPPING: frozenset({ActorState.STOPPED}),
    ActorState.STOPPED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class ActorInfo:
    """One actor at one moment."""

    name: str
    #: The name of its class; empty before the first instance was made.
    kind: str
    state: ActorState
    incarnation: int
    crashes: int
    #: The type of the error of its last crash.
    last_error: str | None
    #: Messages that wait now, at most so far, and the bound.
    mailbox_depth: int
    mailbox_highest: int
    mailbox_capacity: int
    #: Messages of others that were taken, and that were refused because the mailbox was full.
    taken: int
    refused: int
    timers: int
    pipes: int


@dataclass(frozen=True, slots=True)
class SystemInfo:
    """Totals over the life of a system, those of ended actors included."""

    actors: int
    dead_letters: int
    refused: int
    crashes: int
    restarts: int
    failures: int
