"""Where an exchange stands: the phases, the steps between them, and the table that allows them."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, final


class Phase(Enum):
    """Where the exchange stands on this side."""

    IDLE = auto()
    REQUESTING = auto()
    RESPONDING = auto()
    CONFIRMING = auto()


class Step(Enum):
    """What moves an exchange on."""

    REQUEST = auto()  # we sent a request of our own
    ANSWER = auto()  # we answered a request: a key is pending
    COMPUTE = auto()  # we verified a response: a key is held
    ACCEPT = auto()  # the key became one of the ring's accepted keys
    ABANDON = auto()  # the exchange is over without a key


#: The machine. A step that has no edge here is a bug and raises ``KeyError``.
EDGES: Final = {
    (Phase.IDLE, Step.REQUEST): Phase.REQUESTING,
    (Phase.IDLE, Step.ANSWER): Phase.RESPONDING,
    (Phase.REQUESTING, Step.REQUEST): Phase.REQUESTING,
    (Phase.REQUESTING, Step.ANSWER): Phase.RESPONDING,
    (Phase.REQUESTING, Step.COMPUTE): Phase.CONFIRMING,
    (Phase.REQUESTING, Step.ABANDON): Phase.IDLE,
    (Phase.RESPONDING, Step.ANSWER): Phase.RESPONDING,
    (Phase.RESPONDING, Step.ACCEPT): Phase.IDLE,
    (Phase.RESPONDING, Step.ABANDON): Phase.IDLE,
    (Phase.CONFIRMING, Step.ACCEPT): Phase.IDLE,
    (Phase.CONFIRMING, Step.ABANDON): Phase.IDLE,
}


@final
class Progress:
    """The one thing that both halves of an exchange move."""

    __slots__ = ("phase", "wanted")

    def __init__(self) -> None:
        """Begin idle."""
        self.phase = Phase.IDLE
        #: A new key is wanted as soon as possible: an operator's word, or keys that are known to be lost.
        self.wanted = False

    def move(self, step: Step) -> None:
        """Take a step; one that the table does not allow is a bug and raises ``KeyError``."""
        self.phase = EDGES[self.phase, step]
